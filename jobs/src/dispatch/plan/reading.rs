//! What the planner wants read from the ledger, and what it makes of the answers.

use super::{Planner, jobs::Stage};
use crate::{
    dispatch::lanes::head::Reach,
    ledger::{HeadKey, LaneKey, ReadyJob},
};

/// A read that the planner asks for: `Upkeep::ready(lane, after, jobs)`, answered by `refill`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The lane.
    pub lane: LaneKey,
    /// Jobs strictly after this place; from the start if there is none.
    pub after: Option<HeadKey>,
    /// At most this many.
    pub jobs: usize,
}

impl Planner {
    /// These lanes may hold jobs that memory has not seen: they are read from their start. At take-over
    /// with every lane of the ledger; for a lane in use it costs a read and does no harm.
    pub fn discover(&mut self, lanes: Vec<LaneKey>) {
        for key in lanes {
            let queue = self.queues.find_or_add(&key.queue);
            let lane = self.lanes.find_or_add(&key, queue);
            self.lanes.get_mut(lane).head.reset();
            self.touch(lane);
        }
    }

    /// The lanes whose jobs in memory run out while the ledger has more, those first that have waited
    /// longest. What it returns must be read after this call. Call it again only when these reads were
    /// answered or given up; a lane whose read was given up is named again.
    pub fn wants(&mut self) -> Vec<Want> {
        let hungry = self.lanes.next_hungry();
        let want = |(index, jobs)| {
            let lane = self.lanes.get_mut(index);
            Want { lane: lane.key.clone(), after: lane.head.begin_read(), jobs }
        };
        hungry.into_iter().map(want).collect()
    }

    /// Whether a job that the ledger holds available is neither known to be, or to be further, nor to be found by a read.
    pub fn misses(&self, job: &ReadyJob) -> bool {
        if job.attempt < self.jobs.ended_attempt(job.id) {
            return false;
        }
        match (self.jobs.get(job.id), self.lanes.find(&job.lane)) {
            (Some(known), _) if known.stage == Stage::Running => known.attempt <= job.attempt,
            (Some(known), _) => known.attempt < job.attempt,
            (None, Some(lane)) => self.lanes.get(lane).head.vouches_for(job.key()),
            (None, None) => true,
        }
    }

    /// What was read of a lane where `asked` jobs were asked for; fewer are all there are. Events may have
    /// been applied since.
    pub fn refill(&mut self, lane: &LaneKey, jobs: Vec<ReadyJob>, asked: usize) {
        let Some(index) = self.lanes.find(lane) else { return };
        let covered = match jobs.last() {
            _ if jobs.len() < asked => Reach::Whole,
            Some(last) => Reach::UpTo(last.key()),
            None => Reach::Nothing,
        };
        if !self.lanes.get_mut(index).head.finish_read(covered) {
            return;
        }
        for job in &jobs {
            let is_new = match self.jobs.get(job.id) {
                Some(known) => known.attempt < job.attempt || known.stage == Stage::Running,
                None => self.lanes.get_mut(index).head.expects(job.key()),
            };
            if is_new {
                self.ready(job);
            }
        }
        self.touch(index);
    }
}

impl ReadyJob {
    /// Its place in its lane.
    pub(super) const fn key(&self) -> HeadKey {
        HeadKey { priority: std::cmp::Reverse(self.priority), id: self.id }
    }
}
