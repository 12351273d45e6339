//! The worker: claims, runs, settles. Never decides an order and never plans.
//!
//! Per queue a runner (`runner.rs`) takes tickets while slots are free and claims; an apalis worker
//! (`backend.rs`) runs each claimed job through `attempt.rs`; `lease.rs` keeps the leases, `settle.rs` records
//! how attempts ended, `notebook.rs` what handlers say; `stall.rs` watches that no work is left lying.

mod attempt;
mod backend;
pub mod boottime;
pub mod cluster;
mod lease;
mod notebook;
pub mod pulse;
mod runner;
mod settle;
mod slots;
mod stall;

/// The numbers that handlers can run into.
pub mod limits {
    pub use crate::notebook::{LINE_BYTES_MAX, LINES_MAX};
}

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    connection::Access,
    dispatch::carrier::WorkerEnd,
    handler::Registry,
    ledger::{self, Effects, Reach, Work, WorkerRecord},
    objects::Objects,
    queue::QueueName,
};

use crate::{attempt::Attempts, lease::Leases, notebook::Notebook, pulse::Pulse, settle::Settler, slots::Slots, stall::Watch};

/// How often a worker describes itself anew, in case its row was lost.
const ENROLL_EVERY: Duration = Duration::from_secs(30);
/// How long handlers that were told to stop at the end of the grace period get to keep a checkpoint.
const RELEASE_GRACE: Duration = Duration::from_secs(1);
/// How long the last outcomes may take to reach the ledger when the worker stops.
const SETTLE_GRACE: Duration = Duration::from_secs(10);

/// What a worker may do to a ledger: run jobs, and keep what they do to the outside world.
pub trait Back: Work + Effects + Reach {}
impl<L: Work + Effects + Reach + ?Sized> Back for L {}

/// A worker, ready to run.
pub struct Worker {
    /// Its name, unique per start: a lease is never mistaken for an earlier incarnation's.
    pub name: String,
    /// Slots per queue.
    pub slots: BTreeMap<QueueName, u32>,
    /// What it can run.
    pub registry: Registry,
    /// The ledger, in the roles of a worker.
    pub ledger: Arc<dyn Back>,
    /// The tenants' connections to providers.
    pub access: Arc<dyn Access>,
    /// Where its handlers keep files.
    pub objects: Arc<dyn Objects>,
    /// How it hears of tickets.
    pub carrier: Arc<dyn WorkerEnd>,
    /// How long running handlers may go on once it is told to stop.
    pub grace: Duration,
    /// Where it shows that it is well.
    pub pulse: Arc<Pulse>,
}

impl Worker {
    /// A name that no other start of any worker has: the host's name, where it is known, and random bits.
    pub fn unique_name() -> String {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let random: u64 = rand::random();
        format!("{host}-{random:016x}")
    }

    /// Runs until `stop`, then drains: takes nothing more, hands back what has not started, lets handlers
    /// finish within the grace period, and releases the rest uncharged.
    ///
    /// Fails only if the ledger cannot be reached at the start.
    pub async fn run(self, stop: CancellationToken) -> ledger::Result<()> {
        let record = self.record();
        let contracts: Vec<_> = self.registry.contracts().cloned().collect();
        self.ledger.enroll(&record, &contracts).await?;

        let notebook = Arc::new(Notebook::new(self.ledger.clone()));
        let leases = Arc::new(Leases::new(self.name.clone(), self.ledger.clone(), self.pulse.clone()));
        let (settler, settling) = Settler::start(self.ledger.clone(), notebook.clone(), leases.clone());
        let attempts = Arc::new(Attempts {
            registry: self.registry.clone(),
            leases: leases.clone(),
            settler,
            notebook: notebook.clone(),
            ledger: self.ledger.clone(),
            access: self.access.clone(),
            objects: self.objects.clone(),
            stopping: stop.clone(),
        });

        let background_stop = CancellationToken::new();
        let mut background = JoinSet::new();
        background.spawn(leases.clone().keep(background_stop.clone()));
        background.spawn(notebook.keep(background_stop.clone()));
        background.spawn(keep_enrolled(self.ledger.clone(), record, contracts, background_stop.clone()));

        let mut queues = JoinSet::new();
        let mut watched = BTreeMap::new();
        for (queue, total) in &self.slots {
            let slots = Slots::new(*total);
            let (claimed, backend) = mpsc::channel(*total as usize);
            queues.spawn(backend::run(format!("{}/{queue}", self.name), backend, attempts.clone()));
            queues.spawn(self.runner(queue, slots.clone(), claimed).run(stop.clone()));
            watched.insert(queue.clone(), slots);
        }
        drop(attempts);
        background.spawn(self.watch(watched).keep(stop.clone()));

        stop.cancelled().await;
        if tokio::time::timeout(self.grace, drain(&mut queues)).await.is_err() {
            tracing::warn!(
                worker = self.name,
                running = leases.len(),
                grace_s = self.grace.as_secs(),
                "the grace period is over: releasing"
            );
            leases.stop_all(lease::Cause::Shutdown);
            if tokio::time::timeout(RELEASE_GRACE * 2, drain(&mut queues)).await.is_err() {
                tracing::error!(worker = self.name, "a handler does not let go of its thread: left behind");
            }
        }
        queues.abort_all();
        drain(&mut queues).await;
        if tokio::time::timeout(SETTLE_GRACE, settling).await.is_err() {
            tracing::error!(worker = self.name, "the ledger did not take the last outcomes: their leases will run out");
        }
        background_stop.cancel();
        drain(&mut background).await;
        self.ledger.dismiss(&self.name).await
    }

    fn record(&self) -> WorkerRecord {
        let kinds = self.registry.contracts().map(|contract| contract.kind.clone()).collect();
        WorkerRecord { id: self.name.clone(), slots: self.slots.clone(), kinds }
    }

    fn watch(&self, queues: BTreeMap<QueueName, Arc<Slots>>) -> Watch {
        let (worker, carrier, pulse) = (self.name.clone(), self.carrier.clone(), self.pulse.clone());
        Watch { worker, carrier, kinds: self.record().kinds, queues, pulse }
    }

    fn runner(&self, queue: &QueueName, slots: Arc<Slots>, claimed: mpsc::Sender<attempt::HeldJob>) -> runner::Runner {
        runner::Runner {
            worker: self.name.clone(),
            queue: queue.clone(),
            slots,
            registry: self.registry.clone(),
            ledger: self.ledger.clone(),
            carrier: self.carrier.clone(),
            claimed,
        }
    }
}

async fn drain<T: 'static>(tasks: &mut JoinSet<T>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(%error, "a task of the worker panicked");
        }
    }
}

async fn keep_enrolled(
    ledger: Arc<dyn Work>,
    record: WorkerRecord,
    contracts: Vec<windrow_jobs::contract::Contract>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ENROLL_EVERY) => {}
        }
        if let Err(error) = ledger.enroll(&record, &contracts).await {
            tracing::warn!(worker = record.id, %error, "describing the worker to the ledger");
        }
    }
}
