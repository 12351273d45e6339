//! The leases of a worker's attempts: renewed in batches while they run. A worker that cannot renew goes on; what it writes is fenced by the ledger.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    handler,
    job::{JobId, State},
    ledger::{Held, Holding, Result, Work},
};

use crate::{boottime::boottime_ms, pulse::Pulse};

/// How often the worker looks after its attempts: a cancel reaches a running handler within a second.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// A lease is renewed when this part of it has passed, so that two renewals may fail before it runs out.
const RENEW_AFTER: i64 = 3;
/// How often a worker with nothing to renew says that it lives.
const ALIVE_EVERY_MS: i64 = 5_000;

/// The part of a lease that must be left for an effect to be begun, so that clocks and a slow start leave it within the lease.
const MARGIN: i64 = 10;

/// Why an attempt is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody asked for the job to be cancelled.
    Cancelled,
    /// The ledger no longer counts the attempt as ours.
    Lost,
    /// The worker stops and the grace period is over.
    Shutdown,
}

/// The right of one attempt to write.
pub(crate) struct Lease {
    pub id: JobId,
    pub attempt: u32,
    /// Set when the attempt is to stop.
    pub stop: CancellationToken,
    /// Whether the ledger knows that it has kept something that no other has to do again.
    pub moved_on: AtomicBool,
    lease_ms: i64,
    until_ms: AtomicI64,
    cause: OnceLock<Cause>,
}

impl Lease {
    /// Why it was told to stop, if it was.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.cause.get().copied()
    }

    fn stop(&self, cause: Cause) {
        // The first cause stands: a lost lease does not become a cancel.
        let _ = self.cause.set(cause);
        self.stop.cancel();
    }

    fn wants_renewal(&self, now_ms: i64) -> bool {
        self.until_ms.load(Ordering::Relaxed) - now_ms <= self.lease_ms - self.lease_ms / RENEW_AFTER
    }

    fn renewed(&self, asked_at_ms: i64) {
        self.until_ms.store(asked_at_ms + self.lease_ms, Ordering::Relaxed);
    }
}

impl handler::Lease for Lease {
    fn valid(&self) -> bool {
        self.cause().is_none() && self.until_ms.load(Ordering::Relaxed) - boottime_ms() > self.lease_ms / MARGIN
    }
}

/// All leases that a worker holds.
pub(crate) struct Leases {
    worker: String,
    ledger: Arc<dyn Work>,
    pulse: Arc<Pulse>,
    held: Mutex<HashMap<JobId, Arc<Lease>>>,
    alive_at_ms: AtomicI64,
}

impl Leases {
    pub(crate) fn new(worker: String, ledger: Arc<dyn Work>, pulse: Arc<Pulse>) -> Self {
        Self { worker, ledger, pulse, held: Mutex::default(), alive_at_ms: AtomicI64::new(boottime_ms()) }
    }

    /// Looks after a new attempt until [`Leases::end`].
    pub(crate) fn begin(&self, id: JobId, attempt: u32, asked_at_ms: i64, lease_ms: i64) -> Arc<Lease> {
        let lease = Arc::new(Lease {
            id,
            attempt,
            stop: CancellationToken::new(),
            moved_on: AtomicBool::new(false),
            lease_ms,
            until_ms: AtomicI64::new(asked_at_ms + lease_ms),
            cause: OnceLock::new(),
        });
        self.held().insert(id, lease.clone());
        lease
    }

    /// Stops looking after an attempt, once its ending is recorded.
    pub(crate) fn end(&self, lease: &Lease) {
        let mut held = self.held();
        if held.get(&lease.id).is_some_and(|held| held.attempt == lease.attempt) {
            held.remove(&lease.id);
        }
    }

    /// How many attempts are looked after.
    pub(crate) fn len(&self) -> usize {
        self.held().len()
    }

    /// Tells every attempt to stop.
    pub(crate) fn stop_all(&self, cause: Cause) {
        for lease in self.held().values() {
            lease.stop(cause);
        }
    }

    /// Renews and looks for cancels until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let looked = self.look().await;
            self.pulse.beat(looked.is_ok());
            if let Err(error) = looked {
                tracing::warn!(worker = self.worker, %error, "renewing leases");
            }
        }
    }

    async fn look(&self) -> Result<()> {
        let now_ms = boottime_ms();
        let held: Vec<_> = self.held().values().cloned().collect();
        metrics::gauge!("windrow_attempts_held").set(held.len() as f64);
        let (due, fresh): (Vec<_>, Vec<_>) = held.into_iter().partition(|lease| lease.wants_renewal(now_ms));
        if !due.is_empty() || now_ms - self.alive_at_ms.load(Ordering::Relaxed) >= ALIVE_EVERY_MS {
            self.renew(&due, now_ms).await?;
            self.alive_at_ms.store(now_ms, Ordering::Relaxed);
        }
        if !fresh.is_empty() {
            self.look_for_cancels(&fresh).await?;
        }
        Ok(())
    }

    async fn renew(&self, due: &[Arc<Lease>], now_ms: i64) -> Result<()> {
        let holding = |lease: &Arc<Lease>| Holding { id: lease.id, attempt: lease.attempt, lease_ms: lease.lease_ms };
        let renewed = self.ledger.heartbeat(&self.worker, due.iter().map(holding).collect()).await?;
        let renewed: HashMap<JobId, Held> = renewed.into_iter().map(|held| (held.id, held)).collect();
        for lease in due {
            match renewed.get(&lease.id) {
                None => lease.stop(Cause::Lost),
                Some(held) => {
                    lease.renewed(now_ms);
                    if held.cancel_requested {
                        lease.stop(Cause::Cancelled);
                    }
                }
            }
        }
        Ok(())
    }

    /// A read, not a write: most attempts end before their lease needs renewal.
    async fn look_for_cancels(&self, leases: &[Arc<Lease>]) -> Result<()> {
        let snapshots = self.ledger.reread(leases.iter().map(|lease| lease.id).collect()).await?;
        let snapshots: HashMap<_, _> = snapshots.into_iter().map(|snapshot| (snapshot.id, snapshot)).collect();
        for lease in leases {
            match snapshots.get(&lease.id) {
                Some(job) if job.attempt == lease.attempt && job.state == State::Running => {
                    if job.cancel_requested {
                        lease.stop(Cause::Cancelled);
                    }
                }
                // Its own settle may have been committed a moment ago; then nobody heeds this any more.
                _ => lease.stop(Cause::Lost),
            }
        }
        Ok(())
    }

    /// A panic while the map was held leaves it whole, so its poison means nothing here.
    fn held(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Lease>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
