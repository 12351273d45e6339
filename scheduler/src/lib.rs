//! The scheduler: time passes here. One leader runs the duties; a standby waits for its lease to run out.
//!
//! A duty takes no input, acts on a tick and on a nudge, bears being run twice, and reports what it did.
//! `dispatch.rs` plans whose turn it is, `promote.rs` moves what is due, `fire.rs` decides what schedules expect, `reap.rs` ends
//! attempts whose workers fell silent, `prune.rs` deletes what was kept long enough, `scrub.rs` looks for what a bug left bare,
//! `rewrap.rs` wraps tenants' keys by the newest master key, `tend.rs` looks after indexes.
//! No duty, and in every process: `watchdog.rs` warns when schedules do not fire.

mod delays;
mod dispatch;
mod duty;
mod fire;
mod lag;
mod late;
mod leader;
mod promote;
mod prune;
mod reap;
mod rewrap;
mod scrub;
mod tend;
mod watchdog;

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::Clock,
    connection::seal::Keyring,
    dispatch::carrier::PlannerEnd,
    ledger::{Connections, Inspect, Retention, Upkeep},
    objects::Objects,
    search::store::SearchStore,
};

use crate::{delays::Delays, duty::Duty, lag::Lags, leader::Renewal};

/// Every duty, by name.
const DUTIES: [&str; 8] = [
    dispatch::NAME,
    promote::Promote::NAME,
    fire::Fire::NAME,
    reap::Reap::NAME,
    prune::Prune::NAME,
    scrub::Scrub::NAME,
    rewrap::Rewrap::NAME,
    tend::Tend::NAME,
];

/// The ledger as the duties see it.
pub trait DutyLedger: Upkeep + Inspect + Connections {}
impl<L: Upkeep + Inspect + Connections> DutyLedger for L {}

/// A scheduler, ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Scheduler {
    /// Who it is among those that would lead. In the standalone shape always the same, since there the
    /// ledger's file allows only one.
    pub name: String,
    /// The ledger.
    pub ledger: Arc<dyn DutyLedger>,
    /// How workers hear of tickets.
    pub carrier: Arc<dyn PlannerEnd>,
    /// By which it sleeps; what is due is always asked of the ledger.
    pub clock: Arc<dyn Clock>,
    /// Where the files of pruned jobs lie.
    pub objects: Arc<dyn Objects>,
    /// What keeps indexes.
    pub search: Arc<dyn SearchStore>,
    /// The master keys; the first is to wrap the keys of all tenants.
    pub keyring: Keyring,
    /// How long finished jobs and what became of fires are kept.
    pub retention: Retention,
    /// A fire that is late by more than this is warned of.
    pub late_after_s: u32,
    /// Whether everything that is written to the ledger is written by this process, so that its nudges tell of
    /// all of it. Otherwise the feed is read at short intervals.
    pub hears_all: bool,
}

impl Scheduler {
    /// Leads whenever nobody else does, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(leader::run(&self, &stop), watchdog::watch(&self, &stop));
    }

    /// Runs every duty until `stop`: a term of leadership.
    async fn lead(&self, epoch: i64, renewal: &Renewal, lags: &Lags, stop: &CancellationToken) {
        let (jobs, schedules) = (Arc::new(Delays::default()), Arc::new(Delays::default()));
        let mut duties = JoinSet::new();
        duties.spawn(duty::drive(promote::Promote::new(self, jobs.clone()), self.clock.clone(), lags.clone(), stop.clone()));
        duties.spawn(duty::drive(fire::Fire::new(self, schedules.clone()), self.clock.clone(), lags.clone(), stop.clone()));
        duties.spawn(duty::drive(reap::Reap::new(self), self.clock.clone(), lags.clone(), stop.clone()));
        duties.spawn(duty::drive(prune::Prune::new(self), self.clock.clone(), lags.clone(), stop.clone()));
        duties.spawn(duty::drive(rewrap::Rewrap::new(self), self.clock.clone(), lags.clone(), stop.clone()));
        duties.spawn(duty::drive(tend::Tend::new(self), self.clock.clone(), lags.clone(), stop.clone()));
        let (asks, asked) = mpsc::channel(1);
        duties.spawn(duty::drive(scrub::Scrub::new(self, asks), self.clock.clone(), lags.clone(), stop.clone()));
        let term = dispatch::Term { epoch, renewal: renewal.clone(), delays: [jobs, schedules], lags: lags.clone() };
        duties.spawn(dispatch::run(self.clone(), term, asked, stop.clone()));
        while let Some(ended) = duties.join_next().await {
            if let Err(error) = ended {
                // A duty that panicked would be missing for the rest of the term: end the term instead.
                tracing::error!(%error, "a duty ended early");
                stop.cancel();
            }
        }
    }
}
