//! What the planner says of itself: tickets to take back, when to look again, how deep the queues are.

use std::collections::BTreeMap;

use super::{
    Planner,
    jobs::{Job, Stage},
};
use crate::{
    clock::Timestamp,
    dispatch::lanes::{LaneIndex, lane::Lane},
    job::JobId,
    ledger::{Depths, LaneDepth, TicketId},
};

impl Planner {
    /// The outstanding tickets, newest first, that a pause or a lowered cap wants back. Other lanes' jobs in
    /// them come back too, and go out again.
    pub fn overdrawn(&self) -> Vec<TicketId> {
        let mut of_queues: BTreeMap<_, u32> = self.queues.indexes().map(|queue| (queue, self.queues.get(queue).overdraft())).collect();
        let mut of_lanes: BTreeMap<LaneIndex, u32> =
            self.lanes.iter().map(|(index, lane)| (index, lane.overdraft())).filter(|(_, overdraft)| *overdraft > 0).collect();
        let mut wanted = Vec::new();
        for (number, ticket) in self.tickets.iter().rev() {
            let lanes: Vec<LaneIndex> = self.handed_by(number, &ticket.jobs).filter_map(|(_, job)| job.lane).collect();
            let of_queue = of_queues.entry(ticket.queue).or_default();
            if !lanes.is_empty() && (*of_queue > 0 || lanes.iter().any(|lane| of_lanes.get(lane).is_some_and(|of_lane| *of_lane > 0))) {
                *of_queue = of_queue.saturating_sub(u32::try_from(lanes.len()).unwrap_or(u32::MAX));
                for lane in lanes {
                    of_lanes.entry(lane).and_modify(|of_lane| *of_lane = of_lane.saturating_sub(1));
                }
                wanted.push(ticket.id);
            }
        }
        wanted
    }

    /// The outstanding tickets planned before this, oldest first: nobody presented them.
    pub fn stale(&self, issued_before: Timestamp) -> Vec<TicketId> {
        self.tickets.iter().filter(|(_, ticket)| ticket.issued_at < issued_before).map(|(_, ticket)| ticket.id).collect()
    }

    /// When a rate limit lets the next job through, if any waits for that.
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        self.queues.iter().filter_map(|queue| queue.rate_due(now)).chain(self.lanes.first_rate_due()).min()
    }

    /// The counts of every lane that has anything, by lane. Of a lane that is not wholly in memory the ready
    /// count is an estimate: arrivals beyond its reach are counted as they are heard of, what was there
    /// before the planner, and what is cancelled there, is not.
    pub fn depths(&self, now: Timestamp) -> Depths {
        let mut oldest: BTreeMap<LaneIndex, JobId> = BTreeMap::new();
        for (number, ticket) in self.tickets.iter() {
            for (id, job) in self.handed_by(number, &ticket.jobs) {
                if let Some(lane) = job.lane {
                    oldest.entry(lane).and_modify(|oldest| *oldest = id.min(*oldest)).or_insert(id);
                }
            }
        }
        let depth = |(index, lane): (LaneIndex, &Lane)| LaneDepth {
            lane: lane.key.clone(),
            ready: lane.head.depth() + u64::from(lane.handed),
            running: u64::from(lane.running),
            oldest_ms: lane.head.oldest().into_iter().chain(oldest.get(&index).copied()).min().map(created_ms),
        };
        let mut lanes: Vec<LaneDepth> = self.lanes.iter().map(depth).filter(|lane| lane.ready + lane.running > 0).collect();
        lanes.sort_unstable_by(|one, other| one.lane.cmp(&other.lane));
        Depths { at_ms: now.ms(), lanes, planning: None }
    }

    /// Those of a ticket's jobs that it still hands out.
    fn handed_by(&self, number: u32, jobs: &[JobId]) -> impl Iterator<Item = (JobId, &Job)> {
        jobs.iter().filter_map(move |id| Some((*id, self.jobs.get(*id).filter(|job| job.stage == Stage::Handed(number))?)))
    }
}

/// When the job was made: the first 48 bits of a UUIDv7 are milliseconds since the epoch (RFC 9562 §5.7).
fn created_ms(id: JobId) -> i64 {
    id.as_bytes()[..6].iter().fold(0, |ms, byte| (ms << 8) | i64::from(*byte))
}
