//! One attempt, from the claim to its ending: lease, decode, run within the time-out, catch the panic, settle.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    artifact::Artifact,
    backoff::Backoff,
    clock::Timestamp,
    connection::Access,
    contract::Contract,
    handler::{self, AnyHandler, Context, Outcome, Recorder, Registry},
    job::{JobError, JobId},
    ledger::{self, Claimed},
    lifecycle::{self, Ending},
    objects::Objects,
    submit::RESULT_BYTES_MAX,
};

use crate::{
    Back, RELEASE_GRACE,
    boottime::boottime_ms,
    lease::{Cause, Lease, Leases},
    notebook::Notebook,
    settle::{Settler, Settling},
    slots::Slot,
};

/// How long a handler that was asked to cancel may take before its attempt is dropped.
const CANCEL_GRACE: Duration = Duration::from_secs(10);
/// How long a job waits for a worker that knows its kind at its version.
const UNKNOWN_KIND_DELAY_MS: i64 = 5_000;

/// A claimed job in a slot. Dropping it frees the slot.
pub(crate) struct HeldJob {
    pub job: Claimed,
    pub slot: Slot,
    /// When the claim was sent off, by the machine's own clock: the lease is at least as long from then.
    pub asked_at_ms: i64,
}

/// What every attempt of a worker shares.
pub(crate) struct Attempts {
    pub registry: Registry,
    pub leases: Arc<Leases>,
    pub settler: Settler,
    pub notebook: Arc<Notebook>,
    pub ledger: Arc<dyn Back>,
    pub access: Arc<dyn Access>,
    pub objects: Arc<dyn Objects>,
    pub stopping: CancellationToken,
}

impl Attempts {
    /// Runs one claimed job and hands its ending to the settler.
    pub(crate) async fn attempt(&self, held: HeldJob) {
        let HeldJob { job, slot, asked_at_ms } = held;
        let known = self.registry.get(&job.kind);
        let (lease_ms, backoff) =
            known.map_or((0, Backoff::default()), |(contract, _)| (contract.policy.lease_ms, contract.policy.backoff));
        let lease = self.leases.begin(job.snapshot.id, job.snapshot.attempt, asked_at_ms, lease_ms.into());
        let ending = match known {
            Some((contract, handler)) => self.run(&job, contract, handler.as_ref(), &lease, asked_at_ms).await,
            None => Some(Ending::Unknown(UNKNOWN_KIND_DELAY_MS)),
        };
        drop(slot);
        record(&job, ending.as_ref(), boottime_ms() - asked_at_ms);
        // A lost lease leaves nothing to say: whoever took the attempt away has recorded why.
        if let Some(ending) = ending {
            let now = ledger_now(&job, asked_at_ms);
            self.settler.settle(Settling { snapshot: job.snapshot, ending, now, backoff, lease }).await;
        }
    }

    async fn run(
        &self,
        job: &Claimed,
        contract: &Contract,
        handler: &dyn AnyHandler,
        lease: &Arc<Lease>,
        asked_at_ms: i64,
    ) -> Option<Ending> {
        if !contract.reads(job.contract_version) {
            return Some(unreadable(job.contract_version, contract));
        }
        if self.stopping.is_cancelled() {
            return Some(Ending::Interrupted);
        }
        let left = job.snapshot.deadline.map(|deadline| deadline.ms_since(ledger_now(job, asked_at_ms)));
        if left.is_some_and(|left_ms| left_ms <= 0) {
            return Some(Ending::Expired);
        }
        let timeout_ms = i64::from(contract.policy.timeout_ms);
        let (limit_ms, at_limit) = match left {
            Some(left_ms) if left_ms < timeout_ms => (left_ms, Ending::Expired),
            _ => (timeout_ms, timed_out(timeout_ms)),
        };
        let context = self.context(job, lease);
        let work = AssertUnwindSafe(handler.run(context, &job.payload)).catch_unwind();
        tokio::select! {
            outcome = work => ending_of(outcome, lease),
            () = tokio::time::sleep(Duration::from_millis(limit_ms.unsigned_abs())) => Some(at_limit),
            cause = stopped(lease) => forced_ending(cause),
        }
    }

    fn context(&self, job: &Claimed, lease: &Arc<Lease>) -> Context {
        Context {
            job: job.snapshot.id,
            tenant: job.tenant.clone(),
            attempt: job.snapshot.attempt,
            checkpoint: job.checkpoint.as_deref().map(Arc::from),
            turned: Arc::default(),
            deadline: job.snapshot.deadline,
            cancel: lease.stop.clone(),
            listener: self.notebook.open(job.snapshot.id, job.snapshot.attempt),
            objects: self.objects.clone(),
            recorder: Arc::new(Records { job: job.snapshot.id, ledger: self.ledger.clone(), lease: lease.clone() }),
            lease: lease.clone() as Arc<dyn handler::Lease>,
            effects: self.ledger.clone(),
            ledger: self.ledger.clone(),
            access: self.access.clone(),
        }
    }
}

/// Records the artifacts of one job in the ledger, and that an attempt of it got on.
struct Records {
    job: JobId,
    ledger: Arc<dyn Back>,
    lease: Arc<Lease>,
}

#[async_trait]
impl Recorder for Records {
    async fn record(&self, artifact: Artifact) -> ledger::Result<bool> {
        self.ledger.record_artifact(self.job, artifact).await
    }

    async fn moved_on(&self) -> ledger::Result<()> {
        // A first attempt has none before it.
        if self.lease.attempt > 1 {
            let job = self.ledger.reread(vec![self.job]).await?.pop();
            if let Some(Ok(change)) = job.map(|job| lifecycle::move_on(&job, self.lease.attempt)) {
                self.ledger.settle(vec![change]).await?;
            }
        }
        self.lease.moved_on.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn record(job: &Claimed, ending: Option<&Ending>, took_ms: i64) {
    let ended = match ending {
        None => "lost",
        Some(Ending::Done(_)) => "completed",
        Some(Ending::Retry { .. }) => "failed",
        Some(Ending::Snooze(_)) => "snoozed",
        Some(Ending::Cancel(_)) => "cancelled",
        Some(Ending::Bury(_) | Ending::Mismatched(_)) => "buried",
        Some(Ending::TimedOut(_)) => "timed_out",
        Some(Ending::Panicked(_)) => "panicked",
        Some(Ending::Expired) => "expired",
        Some(Ending::Interrupted | Ending::Unknown(_)) => "released",
    };
    let labels = [("kind", job.kind.clone()), ("queue", job.queue.to_string()), ("ended", ended.to_owned())];
    metrics::histogram!("windrow_attempt_seconds", &labels).record(took_ms as f64 / 1_000.0);
}

/// The ledger's clock, as far as this worker can know it without asking: at the latest what it shows now.
fn ledger_now(job: &Claimed, asked_at_ms: i64) -> Timestamp {
    job.claimed_at.plus_ms(boottime_ms() - asked_at_ms)
}

/// What becomes of an attempt whose handler came back.
fn ending_of(outcome: Result<Outcome, Box<dyn Any + Send>>, lease: &Lease) -> Option<Ending> {
    let cause = lease.cause();
    if cause == Some(Cause::Lost) {
        return None;
    }
    Some(match outcome {
        Ok(Outcome::Done(result)) if result.len() > RESULT_BYTES_MAX => Ending::Bury(JobError::new(
            "result_too_large",
            format!("the result has {} bytes of the {RESULT_BYTES_MAX} allowed", result.len()),
            false,
        )),
        Ok(Outcome::Done(result)) => Ending::Done(result),
        // Told to stop because the worker goes down, a handler that heeds it has neither cancelled the job nor failed.
        Ok(Outcome::Cancel | Outcome::Retry { .. }) if cause == Some(Cause::Shutdown) => Ending::Interrupted,
        Ok(Outcome::Cancel) => Ending::Cancel(None),
        Ok(Outcome::Retry { error, after }) => {
            Ending::Retry { error, after_ms: after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX)) }
        }
        Ok(Outcome::Snooze(delay)) => Ending::Snooze(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)),
        Ok(Outcome::Bury(error)) => Ending::Bury(error),
        Err(panic) => Ending::Panicked(JobError::new("panic", panic_message(panic.as_ref()), true)),
    })
}

/// Returns when the attempt must be dropped though its handler has not come back.
async fn stopped(lease: &Lease) -> Cause {
    lease.stop.cancelled().await;
    let cause = lease.cause().unwrap_or(Cause::Shutdown);
    match cause {
        Cause::Lost => {}
        Cause::Cancelled => tokio::time::sleep(CANCEL_GRACE).await,
        Cause::Shutdown => tokio::time::sleep(RELEASE_GRACE).await,
    }
    cause
}

fn forced_ending(cause: Cause) -> Option<Ending> {
    match cause {
        Cause::Lost => None,
        Cause::Cancelled => Some(Ending::Cancel(Some(JobError::new("cancel_ignored", "the handler did not stop when asked", false)))),
        Cause::Shutdown => Some(Ending::Interrupted),
    }
}

fn timed_out(timeout_ms: i64) -> Ending {
    Ending::TimedOut(JobError::new("timeout", format!("the attempt took longer than {timeout_ms} ms"), true))
}

fn unreadable(version: u32, contract: &Contract) -> Ending {
    if version > contract.version {
        return Ending::Unknown(UNKNOWN_KIND_DELAY_MS);
    }
    let message = format!(
        "the payload was accepted under version {version} of the contract; {} reads {} to {}",
        contract.kind, contract.reads_from, contract.version
    );
    Ending::Mismatched(JobError::new("contract_mismatch", message, false))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "the handler panicked".into())
}
