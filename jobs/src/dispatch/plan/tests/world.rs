//! A ledger's side for the planner's tests: rows, tickets and a feed that arrives when the test says so.

use std::collections::{BTreeMap, VecDeque};

use super::super::{Bounds, Planner, Want};
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{FeedEvent, HeadKey, LaneKey, ReadyJob, RunningJob, Ticket, TicketId, WorkerRecord},
    queue::{LimitScope, Limits, QueueName},
};

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Available,
    Running,
    Over,
}

pub struct World {
    pub planner: Planner,
    pub now: Timestamp,
    pub rows: BTreeMap<JobId, (ReadyJob, Row)>,
    pub tickets: BTreeMap<TicketId, Ticket>,
    /// What was committed and not told yet.
    pub feed: VecDeque<FeedEvent>,
    /// Reads that were done and not answered yet.
    pub reads: Vec<(Want, Vec<ReadyJob>)>,
    /// Every job in the order in which it was handed out.
    pub handed: Vec<JobId>,
    slots: usize,
    ids: u128,
}

pub fn queue() -> QueueName {
    QueueName::default_queue()
}

pub fn lane(tenant: usize) -> LaneKey {
    LaneKey { queue: queue(), tenant: format!("t{tenant}").parse().expect("a tenant's name") }
}

pub fn of_tenant(tenant: usize, limits: Limits) -> (QueueName, LimitScope, Limits) {
    (queue(), LimitScope::Tenant(lane(tenant).tenant), limits)
}

pub fn of_platform(limits: Limits) -> (QueueName, LimitScope, Limits) {
    (queue(), LimitScope::Platform, limits)
}

pub fn capped(cap: u32) -> Limits {
    Limits { concurrency: Some(cap), ..Limits::default() }
}

pub fn weighing(weight: u32) -> Limits {
    Limits { weight, ..Limits::default() }
}

pub fn worker(name: &str, slots: u32, kinds: &[&str]) -> WorkerRecord {
    WorkerRecord {
        id: name.to_owned(),
        slots: BTreeMap::from([(queue(), slots)]),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
    }
}

impl World {
    /// One worker with these slots that knows kind `a`.
    pub fn new(bounds: Bounds, slots: u32) -> Self {
        let mut world = Self {
            planner: Planner::with_bounds(bounds),
            now: Timestamp::from_ms(1_800_000_000_000),
            rows: BTreeMap::new(),
            tickets: BTreeMap::new(),
            feed: VecDeque::new(),
            reads: Vec::new(),
            handed: Vec::new(),
            slots: slots as usize,
            ids: 0,
        };
        world.set_workers(&[worker("w", slots, &["a"])]);
        world
    }

    pub fn set_workers(&mut self, workers: &[WorkerRecord]) {
        self.slots = workers.iter().flat_map(|worker| worker.slots.values()).map(|slots| *slots as usize).sum();
        self.planner.set_workers(workers);
    }

    pub fn submit(&mut self, tenant: usize, kind: &str, priority: i16) -> JobId {
        self.ids += 1;
        let ms = u128::try_from(self.now.ms()).expect("a time after 1970");
        let id = JobId::from_bytes(((ms << 80) | self.ids).to_be_bytes());
        let job = ReadyJob { id, attempt: 0, lane: lane(tenant), kind: kind.to_owned(), priority };
        self.rows.insert(id, (job.clone(), Row::Available));
        self.feed.push_back(FeedEvent::Ready(vec![job]));
        id
    }

    pub fn submit_many(&mut self, tenant: usize, kind: &str, jobs: usize) -> Vec<JobId> {
        (0..jobs).map(|_| self.submit(tenant, kind, 0)).collect()
    }

    /// Tells the planner everything that was committed, in order.
    pub fn tell(&mut self) {
        while let Some(event) = self.feed.pop_front() {
            self.planner.apply(&event, self.now);
        }
    }

    /// Plans, and keeps the tickets as rows. Returns the jobs handed out.
    pub fn plan(&mut self) -> Vec<JobId> {
        let Self { planner, now, ids, .. } = self;
        let tickets = planner.plan(*now, &mut || {
            *ids += 1;
            TicketId::from_u128(*ids)
        });
        let jobs: Vec<JobId> = tickets.iter().flat_map(|ticket| ticket.ids.iter().map(|(id, _)| *id)).collect();
        self.handed.extend(&jobs);
        self.tickets.extend(tickets.into_iter().map(|ticket| (ticket.id, ticket)));
        jobs
    }

    pub fn tell_and_plan(&mut self) -> Vec<JobId> {
        self.tell();
        self.plan()
    }

    /// Reads what the planner wants, and answers later.
    pub fn read(&mut self) {
        self.reads.clear();
        for want in self.planner.wants() {
            let mut ready: Vec<(HeadKey, ReadyJob)> = self
                .rows
                .values()
                .filter(|(job, row)| *row == Row::Available && job.lane == want.lane)
                .map(|(job, _)| (job.key(), job.clone()))
                .filter(|(key, _)| want.after.is_none_or(|after| *key > after))
                .collect();
            ready.sort_unstable_by_key(|(key, _)| *key);
            ready.truncate(want.jobs);
            self.reads.push((want, ready.into_iter().map(|(_, job)| job).collect()));
        }
    }

    pub fn answer(&mut self) {
        for (want, jobs) in std::mem::take(&mut self.reads) {
            self.planner.refill(&want.lane, jobs, want.jobs);
        }
    }

    pub fn free(&self) -> usize {
        self.slots.saturating_sub(self.of(Row::Running).len())
    }

    /// A worker with `take` free slots presents the ticket.
    pub fn claim(&mut self, ticket: TicketId, take: usize) {
        let Some(row) = self.tickets.remove(&ticket) else { return };
        let (mut claimed, mut returned) = (Vec::new(), Vec::new());
        for (id, attempt) in row.ids {
            let (job, row) = self.rows.get_mut(&id).expect("a ticket names jobs that there are");
            if *row != Row::Available || job.attempt != attempt {
                continue;
            }
            if claimed.len() < take {
                job.attempt += 1;
                *row = Row::Running;
                claimed.push((id, job.attempt));
            } else {
                returned.push(id);
            }
        }
        self.feed.push_back(FeedEvent::Claimed { ticket, claimed, returned });
    }

    pub fn claim_all(&mut self) {
        for ticket in self.tickets.keys().copied().collect::<Vec<_>>() {
            match self.free() {
                0 => return,
                free => self.claim(ticket, free),
            }
        }
    }

    /// The attempt ends; the job is over or ready again.
    pub fn settle(&mut self, id: JobId, again: bool) {
        let (job, row) = self.rows.get_mut(&id).expect("a job that runs");
        assert_eq!(*row, Row::Running);
        *row = if again { Row::Available } else { Row::Over };
        self.feed.push_back(FeedEvent::Freed(vec![(id, job.attempt)]));
        if again {
            self.feed.push_back(FeedEvent::Ready(vec![job.clone()]));
        }
    }

    pub fn settle_all(&mut self) {
        for id in self.of(Row::Running) {
            self.settle(id, false);
        }
    }

    pub fn cancel(&mut self, id: JobId) {
        let (_, row) = self.rows.get_mut(&id).expect("a job");
        if *row == Row::Available {
            *row = Row::Over;
            self.feed.push_back(FeedEvent::Gone(vec![id]));
        }
    }

    /// Takes tickets back whose rows are still there.
    pub fn revoke(&mut self, tickets: &[TicketId]) {
        let won: Vec<TicketId> = tickets.iter().copied().filter(|ticket| self.tickets.remove(ticket).is_some()).collect();
        self.planner.revoked(&won);
    }

    pub fn of(&self, wanted: Row) -> Vec<JobId> {
        self.rows.iter().filter(|(_, (_, row))| *row == wanted).map(|(id, _)| *id).collect()
    }

    pub fn running(&self) -> Vec<RunningJob> {
        let of = |id: JobId| {
            let (job, _) = &self.rows[&id];
            RunningJob { id, attempt: job.attempt, lane: job.lane.clone() }
        };
        self.of(Row::Running).into_iter().map(of).collect()
    }

    /// Jobs that run, or will as soon as their ticket is presented: by the ledger, whatever the planner thinks.
    pub fn taken(&self, tenant: Option<usize>) -> usize {
        let fits = |id: &JobId| tenant.is_none_or(|tenant| self.rows[id].0.lane == lane(tenant));
        let claimable = |(id, attempt): &&(JobId, u32)| matches!(&self.rows[id], (job, Row::Available) if job.attempt == *attempt);
        let handed = self.tickets.values().flat_map(|ticket| &ticket.ids).filter(claimable).filter(|(id, _)| fits(id)).count();
        handed + self.of(Row::Running).iter().filter(|id| fits(id)).count()
    }

    pub fn tenant_of(&self, id: JobId) -> usize {
        self.rows[&id].0.lane.tenant.as_str()[1..].parse().expect("a tenant's number")
    }

    /// Runs the system without faults until nothing happens any more.
    pub fn drain(&mut self) {
        for _ in 0..10_000 {
            self.tell();
            self.read();
            self.answer();
            self.now = self.now.plus_ms(1_000);
            let handed = self.plan();
            self.claim_all();
            self.settle_all();
            if handed.is_empty() && self.feed.is_empty() && self.reads.is_empty() && self.planner.wants().is_empty() {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}
