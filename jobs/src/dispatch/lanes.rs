//! The lanes of every queue, and which of them want something: a turn, a read, a time, to be forgotten. Pure.
//!
//! A lane is kept while anything about it is worth remembering. One lane is `lanes/lane.rs`; what orders its
//! jobs is `lanes/head.rs`, what orders the lanes `lanes/ring.rs`. `plan.rs` decides with all of them.

pub mod head;
pub mod lane;
pub mod ring;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    num::NonZeroU32,
};

use self::{head::Waiting, lane::Lane, ring::Ring};
use super::plan::{Bounds, queues::QueueIndex};
use crate::{
    clock::Timestamp,
    ledger::{HeadKey, LaneKey},
};

/// A lane's place in memory; not zero, so that a job whose lane is unknown costs nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneIndex(NonZeroU32);

impl LaneIndex {
    fn from_position(position: usize) -> Self {
        let number = u32::try_from(position + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("memory ends before four billion lanes"))
    }

    const fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Every lane.
#[derive(Debug, Default)]
pub struct Lanes {
    bounds: Bounds,
    places: Vec<Option<Lane>>,
    vacant: Vec<LaneIndex>,
    by_key: HashMap<LaneKey, LaneIndex>,
    /// Jobs in all heads.
    jobs_held: usize,
    /// Lanes that want to be read, longest wait first. A lane that was fed since is skipped.
    hungry: VecDeque<LaneIndex>,
    /// Lanes that sleep until the rate lets a job through.
    rated: BTreeSet<(Timestamp, LaneIndex)>,
    /// Lanes to be forgotten if they are still idle after the next plan.
    idle: Vec<LaneIndex>,
}

impl Lanes {
    /// No lanes, within these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// The lane with this name.
    pub fn find(&self, key: &LaneKey) -> Option<LaneIndex> {
        self.by_key.get(key).copied()
    }

    /// The lane with this name, made if there is none.
    pub fn find_or_add(&mut self, key: &LaneKey, queue: QueueIndex) -> LaneIndex {
        if let Some(index) = self.find(key) {
            return index;
        }
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.places.push(None);
            LaneIndex::from_position(self.places.len() - 1)
        });
        self.places[index.position()] = Some(Lane::new(key.clone(), queue));
        self.by_key.insert(key.clone(), index);
        index
    }

    /// One lane.
    pub fn get(&self, index: LaneIndex) -> &Lane {
        self.places[index.position()].as_ref().expect("a lane is kept while anything refers to it")
    }

    /// One lane, to change it; `touch` it afterwards.
    pub fn get_mut(&mut self, index: LaneIndex) -> &mut Lane {
        self.places[index.position()].as_mut().expect("a lane is kept while anything refers to it")
    }

    /// All lanes with their places.
    pub fn iter(&self) -> impl Iterator<Item = (LaneIndex, &Lane)> {
        self.places.iter().enumerate().filter_map(|(position, lane)| Some((LaneIndex::from_position(position), lane.as_ref()?)))
    }

    /// The places of all lanes.
    pub fn indexes(&self) -> Vec<LaneIndex> {
        self.iter().map(|(index, _)| index).collect()
    }

    /// Takes a ready job into its lane's head; returns the job that is not in memory because of it.
    pub fn admit(&mut self, index: LaneIndex, key: HeadKey, waiting: Waiting, runnable: bool) -> Option<HeadKey> {
        let jobs_max = self.jobs_max();
        let left_out = self.get_mut(index).head.admit(key, waiting, runnable, jobs_max);
        self.jobs_held += usize::from(left_out.is_none());
        left_out
    }

    /// Takes a job out of its lane's head.
    pub fn remove(&mut self, index: LaneIndex, key: &HeadKey) -> Option<Waiting> {
        let removed = self.get_mut(index).head.remove(key);
        self.jobs_held -= usize::from(removed.is_some());
        removed
    }

    /// After a change to a lane: lists it wherever it now belongs. Lists are left when they are read.
    pub fn touch(&mut self, index: LaneIndex, ring: &mut Ring) {
        let jobs_max = self.jobs_max();
        let lane = self.get_mut(index);
        if lane.rate_due.is_none() && lane.permitted().is_some() {
            ring.join(&mut lane.turn, index);
        }
        let newly_hungry = !lane.is_listed_hungry && lane.head.is_hungry(jobs_max);
        lane.is_listed_hungry |= newly_hungry;
        if newly_hungry {
            self.hungry.push_back(index);
        }
        self.list_if_idle(index);
    }

    /// Lets a lane sleep until `due`.
    pub fn sleep_until(&mut self, index: LaneIndex, due: Timestamp) {
        self.get_mut(index).rate_due = Some(due);
        self.rated.insert((due, index));
    }

    /// Ends the sleep of the lanes that are due by `now`, or of all, and returns them.
    pub fn wake_rated(&mut self, now: Option<Timestamp>) -> Vec<LaneIndex> {
        let mut woken = Vec::new();
        while let Some(&(due, index)) = self.rated.first()
            && now.is_none_or(|now| due <= now)
        {
            self.rated.pop_first();
            self.get_mut(index).rate_due = None;
            woken.push(index);
        }
        woken
    }

    /// Ends a lane's sleep for the rate: a token came back.
    pub fn wake(&mut self, index: LaneIndex) {
        if let Some(due) = self.get_mut(index).rate_due.take() {
            self.rated.remove(&(due, index));
        }
    }

    /// When the first lane is due that sleeps for the rate.
    pub fn first_rate_due(&self) -> Option<Timestamp> {
        self.rated.first().map(|(due, _)| *due)
    }

    /// The lanes to be read now, those first that have waited longest, and how many jobs of each.
    pub fn next_hungry(&mut self) -> Vec<(LaneIndex, usize)> {
        let jobs_max = self.jobs_max();
        let mut found = Vec::new();
        for _ in 0..self.hungry.len() {
            let Some(index) = self.hungry.pop_front() else { break };
            let lane = self.get_mut(index);
            lane.is_listed_hungry = lane.head.is_hungry(jobs_max);
            if !lane.is_listed_hungry {
                self.list_if_idle(index);
                continue;
            }
            let jobs = jobs_max.saturating_sub(lane.head.len());
            self.hungry.push_back(index);
            found.push((index, jobs.clamp(1, self.bounds.read_jobs_max)));
            if found.len() == self.bounds.reads_max {
                break;
            }
        }
        found
    }

    /// Forgets the lanes that became idle and still are.
    pub fn forget_idle(&mut self) {
        for index in std::mem::take(&mut self.idle) {
            let lane = self.get_mut(index);
            lane.is_listed_idle = false;
            if lane.is_idle() {
                let key = lane.key.clone();
                self.by_key.remove(&key);
                self.places[index.position()] = None;
                self.vacant.push(index);
            }
        }
    }

    fn list_if_idle(&mut self, index: LaneIndex) {
        let lane = self.get_mut(index);
        if lane.is_idle() && !lane.is_listed_idle {
            lane.is_listed_idle = true;
            self.idle.push(index);
        }
    }

    /// How many jobs a head may hold. When the heads together are full, only what keeps a lane going, so
    /// that a flood in some lanes shuts nobody out.
    fn jobs_max(&self) -> usize {
        if self.jobs_held >= self.bounds.heads_jobs_max { self.bounds.lane_jobs_kept } else { self.bounds.lane_jobs_max }
    }
}
