//! The jobs that the planner knows, each in exactly one stage, and those it saw the end of.

use std::{cmp::Reverse, collections::HashMap};

use super::kinds::KindIndex;
use crate::{clock::Timestamp, dispatch::lanes::LaneIndex, job::JobId, ledger::HeadKey};

/// News of an ended attempt may come again for this long: twice the 5 s by which the feed's floor trails.
const ECHO_MS: i64 = 10_000;

/// The most ended jobs remembered per generation; two generations of 20 bytes each are kept. More than three
/// seconds' worth at 30,000 jobs/s, while echoes come within one loop when all is well.
const ENDED_JOBS_MAX: usize = 100_000;

/// A job that the planner knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Where it is.
    pub stage: Stage,
    /// The attempt that runs, or at which it waits.
    pub attempt: u32,
    /// Its lane; none for a claim of another leader's ticket whose job was never seen ready.
    pub lane: Option<LaneIndex>,
    /// Its kind; any, for a job that runs since before this planner did.
    pub kind: KindIndex,
    /// Its priority; any, in the same case.
    pub priority: i16,
    /// Ready was said again while it was handed out: it may have been away and have come back.
    pub said_again: bool,
    /// The ledger did not list it when the running were last loaded.
    pub missed: bool,
}

impl Job {
    /// Its place in the lane.
    pub const fn key(&self, id: JobId) -> HeadKey {
        HeadKey { priority: Reverse(self.priority), id }
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In its lane's head.
    Ready,
    /// In the outstanding ticket with this number.
    Handed(u32),
    /// With a worker.
    Running,
}

/// Every job that the planner knows.
#[derive(Debug, Default)]
pub struct Jobs {
    known: HashMap<JobId, Job>,
    ended: Generation,
    ended_before: Generation,
}

/// The ended attempts of some seconds.
#[derive(Debug, Default)]
struct Generation {
    since: Timestamp,
    attempts: HashMap<JobId, u32>,
}

impl Jobs {
    /// What is known of a job.
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.known.get(&id)
    }

    /// What is known of a job, to change it.
    pub fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.known.get_mut(&id)
    }

    /// Knows a job from now on.
    pub fn insert(&mut self, id: JobId, job: Job) {
        self.known.insert(id, job);
    }

    /// Knows it no more.
    pub fn remove(&mut self, id: JobId) -> Option<Job> {
        self.known.remove(&id)
    }

    /// The jobs that run, by id, to change them.
    pub fn running(&self) -> Vec<JobId> {
        let mut running: Vec<JobId> = self.known.iter().filter(|(_, job)| job.stage == Stage::Running).map(|(id, _)| *id).collect();
        running.sort_unstable();
        running
    }

    /// Remembers that the attempt and those before it are over.
    pub fn remember_end(&mut self, id: JobId, attempt: u32) {
        let last = self.ended.attempts.entry(id).or_default();
        *last = attempt.max(*last);
    }

    /// The latest attempt of the job that is remembered to be over.
    pub fn ended_attempt(&self, id: JobId) -> u32 {
        let of = |generation: &Generation| generation.attempts.get(&id).copied().unwrap_or(0);
        of(&self.ended).max(of(&self.ended_before))
    }

    /// Forgets ends that no echo can be of any more.
    pub fn age(&mut self, now: Timestamp) {
        let age_ms = now.ms_since(self.ended.since);
        // A clock that stepped back must not keep a generation for ever.
        if age_ms.abs() >= ECHO_MS || self.ended.attempts.len() >= ENDED_JOBS_MAX {
            self.ended_before = std::mem::replace(&mut self.ended, Generation { since: now, attempts: HashMap::new() });
        }
    }
}
