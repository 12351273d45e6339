//! The queues: their slots, what takes them up, the platform's limits, and the ring of their lanes.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::KindIndex;
use crate::{
    clock::Timestamp,
    dispatch::{
        lanes::{
            lane::{is_closed, overdraft},
            ring::Ring,
        },
        rate::Bucket,
        window::{Frees, Window},
    },
    queue::{Limits, QueueName},
};

/// A queue's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueIndex(u32);

/// One queue.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// The turns of its lanes.
    pub ring: Ring,
    /// Ids in outstanding tickets.
    pub handed: u32,
    /// Jobs that run.
    pub running: u32,
    /// The rate at which its slots free.
    pub frees: Frees,
    /// The platform's rate limit.
    pub bucket: Option<Bucket>,
    limits: Limits,
    slots: u32,
    /// Live workers with slots here.
    workers: u32,
    /// How many of them know a kind.
    kinds: BTreeMap<KindIndex, u32>,
}

impl Queue {
    fn new(name: QueueName) -> Self {
        Self {
            name,
            ring: Ring::default(),
            handed: 0,
            running: 0,
            frees: Frees::default(),
            bucket: None,
            limits: Limits::default(),
            slots: 0,
            workers: 0,
            kinds: BTreeMap::new(),
        }
    }

    /// Whether some live worker runs this kind here.
    pub fn runs(&self, kind: KindIndex) -> bool {
        self.kinds.contains_key(&kind)
    }

    /// Sets what the platform allows all its lanes together.
    pub fn set_limits(&mut self, limits: Limits) {
        self.bucket = Bucket::renewed(self.bucket.take(), limits.rate_per_s);
        self.limits = limits;
    }

    /// Counts a worker in.
    pub fn add_worker(&mut self, slots: u32, kinds: impl Iterator<Item = KindIndex>) {
        self.slots = self.slots.saturating_add(slots);
        self.workers += 1;
        for kind in kinds.collect::<BTreeSet<_>>() {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    /// Counts no worker any more; returns the kinds there were.
    pub fn take_workers(&mut self) -> BTreeMap<KindIndex, u32> {
        self.slots = 0;
        self.workers = 0;
        std::mem::take(&mut self.kinds)
    }

    /// Whether the same kinds run here as there did.
    pub fn runs_the_same(&self, kinds: &BTreeMap<KindIndex, u32>) -> bool {
        self.kinds.keys().eq(kinds.keys())
    }

    /// What may be handed out now.
    pub fn window(&self, now: Timestamp, ids_max: u32) -> Window {
        Window::new(self.slots, self.running, self.handed, self.frees.expected(now), ids_max)
    }

    /// Whether the platform lets one more start.
    pub fn permits(&mut self, now: Timestamp) -> bool {
        !is_closed(&self.limits, self.running, self.handed) && self.bucket.as_mut().is_none_or(|bucket| bucket.fill(now))
    }

    /// How many of the ids handed out a pause or a lowered cap wants back.
    pub fn overdraft(&self) -> u32 {
        overdraft(&self.limits, self.running, self.handed)
    }

    /// When the platform's rate lets the next job through, if jobs wait for that.
    pub fn rate_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.ring.is_empty() || is_closed(&self.limits, self.running, self.handed) {
            return None;
        }
        self.bucket.as_ref()?.due(now)
    }

    /// How many of `jobs` of one kind a ticket takes: the workers that know the kind share them, and none is
    /// given more than an average worker's slots, for what a claim finds no slots for only comes back.
    pub fn ticket_share(&self, kind: KindIndex, jobs: usize) -> usize {
        let sharing = self.kinds.get(&kind).copied().unwrap_or(1).max(1) as usize;
        let slots_each = self.slots.div_ceil(self.workers.max(1)) as usize;
        jobs.div_ceil(sharing).min(slots_each).max(1)
    }
}

/// Every queue that was ever named.
#[derive(Debug, Default)]
pub struct Queues {
    list: Vec<Queue>,
    by_name: BTreeMap<QueueName, QueueIndex>,
}

impl Queues {
    /// One queue.
    pub fn get(&self, index: QueueIndex) -> &Queue {
        &self.list[index.0 as usize]
    }

    /// One queue, to change it.
    pub fn get_mut(&mut self, index: QueueIndex) -> &mut Queue {
        &mut self.list[index.0 as usize]
    }

    /// All queues.
    pub fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.list.iter()
    }

    /// The numbers of all queues, in the order they were named first.
    pub fn indexes(&self) -> impl Iterator<Item = QueueIndex> + use<> {
        (0..u32::try_from(self.list.len()).unwrap_or(u32::MAX)).map(QueueIndex)
    }

    /// The queue with this name, made if there is none.
    pub fn find_or_add(&mut self, name: &QueueName) -> QueueIndex {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = QueueIndex(u32::try_from(self.list.len()).expect("memory ends before four billion queues"));
        self.list.push(Queue::new(name.clone()));
        self.by_name.insert(name.clone(), index);
        index
    }
}
