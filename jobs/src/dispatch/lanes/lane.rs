//! One lane: its head, its turn, and what its limits let it start. Pure.

use super::{
    head::{Head, Waiting},
    ring::Turn,
};
use crate::{
    clock::Timestamp,
    dispatch::{
        plan::queues::QueueIndex,
        rate::{Bucket, flows},
    },
    ledger::{HeadKey, LaneKey},
    queue::Limits,
};

/// One lane.
#[derive(Debug)]
pub struct Lane {
    /// Its name.
    pub key: LaneKey,
    /// Its queue.
    pub queue: QueueIndex,
    /// Its ready jobs.
    pub head: Head,
    /// Its place among the queue's lanes.
    pub turn: Turn,
    /// Ids in outstanding tickets.
    pub handed: u32,
    /// Jobs that run.
    pub running: u32,
    /// Its rate limit.
    pub bucket: Option<Bucket>,
    limits: Option<Limits>,
    /// When the rate lets its next job through, while it sleeps for that.
    pub rate_due: Option<Timestamp>,
    /// Whether it is on the list of those to be read.
    pub is_listed_hungry: bool,
    /// Whether it is on the list of those to be forgotten.
    pub is_listed_idle: bool,
}

/// What a lane has to say when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This job may go.
    Job(HeadKey, Waiting),
    /// Nothing, until an event wakes the lane.
    Sleeps,
    /// Nothing, until the rate lets a job through.
    OutOfTokens(Timestamp),
}

impl Lane {
    /// A lane with nothing in it.
    pub fn new(key: LaneKey, queue: QueueIndex) -> Self {
        Self {
            key,
            queue,
            head: Head::default(),
            turn: Turn::default(),
            handed: 0,
            running: 0,
            bucket: None,
            limits: None,
            rate_due: None,
            is_listed_hungry: false,
            is_listed_idle: false,
        }
    }

    /// Its share against others.
    pub fn weight(&self) -> u32 {
        self.limits.map_or(1, |limits| limits.weight.clamp(1, Limits::WEIGHT_MAX))
    }

    /// Sets what the operator allows; none allows everything.
    pub fn set_limits(&mut self, limits: Option<Limits>) {
        self.bucket = Bucket::renewed(self.bucket.take(), limits.and_then(|limits| limits.rate_per_s));
        self.limits = limits;
    }

    /// How many of the ids handed out a pause or a lowered cap wants back.
    pub fn overdraft(&self) -> u32 {
        self.limits.map_or(0, |limits| overdraft(&limits, self.running, self.handed))
    }

    /// The job that may go now.
    pub fn next(&mut self, now: Timestamp) -> Next {
        let Some((key, waiting)) = self.permitted() else { return Next::Sleeps };
        let Some(bucket) = &mut self.bucket else { return Next::Job(key, waiting) };
        if bucket.fill(now) { Next::Job(key, waiting) } else { Next::OutOfTokens(bucket.due(now).unwrap_or(now)) }
    }

    /// The first job, where neither pause nor cap forbids it.
    pub fn permitted(&self) -> Option<(HeadKey, Waiting)> {
        let forbidden = self.limits.is_some_and(|limits| is_closed(&limits, self.running, self.handed));
        if forbidden { None } else { self.head.first() }
    }

    /// Whether nothing is lost when it is forgotten.
    pub fn is_idle(&self) -> bool {
        let in_use = self.handed + self.running > 0 || self.limits.is_some();
        let listed = self.turn.is_seated() || self.rate_due.is_some() || self.is_listed_hungry;
        !in_use && !listed && self.head.is_exhausted()
    }
}

/// Whether these limits let nothing start while so many run and are handed out.
pub fn is_closed(limits: &Limits, running: u32, handed: u32) -> bool {
    let full = limits.concurrency.is_some_and(|cap| running + handed >= cap);
    let stopped = limits.rate_per_s.is_some_and(|rate_per_s| !flows(rate_per_s));
    limits.paused || full || stopped
}

/// How many of the ids handed out these limits want back.
pub fn overdraft(limits: &Limits, running: u32, handed: u32) -> u32 {
    match limits.concurrency {
        _ if limits.paused => handed,
        Some(cap) => (running + handed).saturating_sub(cap).min(handed),
        None => 0,
    }
}
