//! What happened: how the feed, and the running jobs loaded at take-over, change what the planner knows.
//!
//! An attempt number orders all news of a job: ready at n comes before running at n + 1, that before its end,
//! and that before ready at n + 1. Older news than what is known changes nothing; newer news settles what
//! lies between, even if that is heard of later or never.

use std::collections::BTreeSet;

use super::{
    Planner,
    jobs::{Job, Stage},
    kinds::KindIndex,
};
use crate::{
    clock::Timestamp,
    dispatch::{
        lanes::{LaneIndex, head::Waiting},
        rate::Bucket,
    },
    job::JobId,
    ledger::{FeedEvent, ReadyJob, RunningJob, TicketId},
};

impl Planner {
    /// Takes in what happened. Hearing it again, or out of order, does no harm.
    pub fn apply(&mut self, event: &FeedEvent, now: Timestamp) {
        self.jobs.age(now);
        match event {
            FeedEvent::Ready(jobs) => jobs.iter().for_each(|job| self.ready(job)),
            FeedEvent::Claimed { ticket, claimed, returned } => self.claimed(ticket, claimed, returned),
            FeedEvent::Freed(attempts) => attempts.iter().for_each(|(id, attempt)| self.freed(*id, *attempt, now)),
            FeedEvent::Gone(ids) => ids.iter().for_each(|id| self.gone(*id)),
            FeedEvent::Limits | FeedEvent::Workers | FeedEvent::Delayed(_) => {}
        }
    }

    /// Takes in all that runs, as the ledger lists it: at take-over, and now and then, to put right what the
    /// feed failed to tell. A job missing from two lists in a row runs no more; from one it may only be
    /// missing because it was claimed while the list was read.
    pub fn load_running(&mut self, running: Vec<RunningJob>) {
        let listed: BTreeSet<(JobId, u32)> = running.iter().map(|job| (job.id, job.attempt)).collect();
        for job in running {
            let queue = self.queues.find_or_add(&job.lane.queue);
            let lane = self.lanes.find_or_add(&job.lane, queue);
            self.run(job.id, job.attempt, Some(lane));
        }
        for id in self.jobs.running() {
            let Some(job) = self.jobs.get_mut(id) else { continue };
            let attempt = job.attempt;
            let was_missed = std::mem::replace(&mut job.missed, !listed.contains(&(id, attempt)));
            if was_missed && !listed.contains(&(id, attempt)) {
                self.jobs.remember_end(id, attempt);
                self.forget(id);
            }
        }
    }

    /// These tickets were taken back before they were presented: their jobs return to the heads.
    pub fn revoked(&mut self, tickets: &[TicketId]) {
        for ticket in tickets {
            self.use_up(ticket, |_| true);
        }
    }

    /// A job became available, or is read to be.
    pub(super) fn ready(&mut self, job: &ReadyJob) {
        let queue = self.queues.find_or_add(&job.lane.queue);
        let lane = self.lanes.find_or_add(&job.lane, queue);
        if self.is_news(job, lane) {
            self.forget(job.id);
            let kind = self.kinds.find_or_add(&job.kind);
            self.admit(job.id, lane, kind, job.priority, job.attempt);
        }
        self.touch(lane);
    }

    /// Whether a job said to be ready is not known to be, nor known to be further.
    fn is_news(&mut self, job: &ReadyJob, lane: LaneIndex) -> bool {
        if job.attempt < self.jobs.ended_attempt(job.id) {
            return false;
        }
        let Some(known) = self.jobs.get_mut(job.id) else { return true };
        match known.stage {
            Stage::Ready => job.attempt > known.attempt,
            Stage::Handed(_) => {
                known.said_again |= job.attempt == known.attempt;
                job.attempt > known.attempt
            }
            Stage::Running => {
                let adopted = known.lane.is_none();
                let attempt = known.attempt;
                if adopted {
                    // Its claim was heard of first, and did not say whose it is.
                    self.forget(job.id);
                    self.run(job.id, attempt, Some(lane));
                }
                job.attempt >= attempt
            }
        }
    }

    fn claimed(&mut self, ticket: &TicketId, claimed: &[(JobId, u32)], returned: &[JobId]) {
        for (id, attempt) in claimed {
            self.run(*id, *attempt, None);
        }
        let returned: BTreeSet<JobId> = returned.iter().copied().collect();
        // What was neither claimed nor returned was not available any more.
        self.use_up(ticket, |id| returned.contains(&id));
    }

    fn freed(&mut self, id: JobId, attempt: u32, now: Timestamp) {
        self.jobs.remember_end(id, attempt);
        let is_over = match self.jobs.get(id) {
            Some(Job { stage: Stage::Running, attempt: running, .. }) => *running <= attempt,
            Some(waiting) => waiting.attempt < attempt,
            None => false,
        };
        let over = if is_over { self.forget(id) } else { None };
        if let Some(lane) = over.and_then(|job| job.lane) {
            let queue = self.lanes.get(lane).queue;
            self.queues.get_mut(queue).frees.count(now);
        }
    }

    fn gone(&mut self, id: JobId) {
        match self.jobs.get(id).map(|job| job.stage) {
            Some(Stage::Ready) => drop(self.forget(id)),
            Some(Stage::Handed(_)) => self.give_back(id),
            Some(Stage::Running) | None => {}
        }
    }

    /// An attempt runs.
    fn run(&mut self, id: JobId, attempt: u32, lane: Option<LaneIndex>) {
        if attempt <= self.jobs.ended_attempt(id) {
            return;
        }
        let known = self.jobs.get(id).copied();
        let is_news = known.is_none_or(|known| known.attempt < attempt || (known.attempt == attempt && known.lane.is_none()));
        if !is_news {
            return;
        }
        self.forget(id);
        let lane = known.and_then(|known| known.lane).or(lane);
        let (kind, priority) = known.map_or((KindIndex::default(), 0), |known| (known.kind, known.priority));
        self.jobs.insert(id, Job { stage: Stage::Running, attempt, lane, kind, priority, said_again: false, missed: false });
        if let Some(lane) = lane {
            let lane = self.lanes.get_mut(lane);
            lane.running += 1;
            self.queues.get_mut(lane.queue).running += 1;
        }
    }

    /// Ends a ticket: of the jobs it still hands out, those that `comes_back` names return to their heads.
    fn use_up(&mut self, ticket: &TicketId, comes_back: impl Fn(JobId) -> bool) {
        let Some((number, outstanding)) = self.tickets.remove(ticket) else { return };
        for id in outstanding.jobs {
            let Some(job) = self.jobs.get(id).copied().filter(|job| job.stage == Stage::Handed(number)) else { continue };
            self.give_back(id);
            if let Some(lane) = job.lane.filter(|_| comes_back(id) || job.said_again) {
                self.admit(id, lane, job.kind, job.priority, job.attempt);
                self.touch(lane);
            }
        }
    }

    /// Takes a job out of its ticket that did not start: the rate limits need not count it.
    fn give_back(&mut self, id: JobId) {
        let Some(index) = self.forget(id).and_then(|job| job.lane) else { return };
        let lane = self.lanes.get_mut(index);
        let queue = self.queues.get_mut(lane.queue);
        [&mut lane.bucket, &mut queue.bucket].into_iter().flatten().for_each(Bucket::give_back);
        self.lanes.wake(index);
        self.touch(index);
    }

    /// Puts a ready job into its lane's head.
    fn admit(&mut self, id: JobId, lane: LaneIndex, kind: KindIndex, priority: i16, attempt: u32) {
        let runnable = self.queues.get(self.lanes.get(lane).queue).runs(kind);
        let job = Job { stage: Stage::Ready, attempt, lane: Some(lane), kind, priority, said_again: false, missed: false };
        self.jobs.insert(id, job);
        if let Some(left_out) = self.lanes.admit(lane, job.key(id), Waiting { attempt, kind }, runnable) {
            self.jobs.remove(left_out.id);
        }
    }

    /// Takes a job out of whatever set it is in.
    fn forget(&mut self, id: JobId) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        let Some(index) = job.lane else { return Some(job) };
        let lane = self.lanes.get_mut(index);
        let queue = self.queues.get_mut(lane.queue);
        match job.stage {
            Stage::Ready => drop(self.lanes.remove(index, &job.key(id))),
            Stage::Handed(_) => {
                lane.handed -= 1;
                queue.handed -= 1;
            }
            Stage::Running => {
                lane.running -= 1;
                queue.running -= 1;
            }
        }
        self.touch(index);
        Some(job)
    }
}
