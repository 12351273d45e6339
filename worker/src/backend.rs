//! Claimed jobs, as an apalis backend: a bounded channel and nothing else.
//!
//! apalis runs them; it never learns how they ended. Outcomes go to the ledger by `settle.rs`, and the ledger
//! alone decides retry, backoff and dead.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use apalis::prelude::{Backend, Data, Identity, RandomId, Task, WorkerBuilder, WorkerContext};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use tokio::sync::mpsc;

use crate::attempt::{Attempts, HeldJob};

/// Runs the claimed jobs of one queue until the channel is closed and empty and all of them have ended.
pub(crate) async fn run(name: String, claimed: mpsc::Receiver<HeldJob>, attempts: Arc<Attempts>) {
    let worker = WorkerBuilder::new(&*name).backend(ClaimedJobs(claimed)).data(attempts).build(attempt);
    if let Err(error) = worker.run().await {
        tracing::error!(worker = name, %error, "the apalis worker ended early");
    }
}

/// Each attempt is a task of its own, or the handlers of a queue would share one core.
async fn attempt(job: HeldJob, attempts: Data<Arc<Attempts>>) {
    let ended = tokio::spawn(async move { attempts.attempt(job).await }).await;
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "an attempt ended without an outcome; its lease will run out");
    }
}

/// The channel's receiving end.
struct ClaimedJobs(mpsc::Receiver<HeldJob>);

impl Backend for ClaimedJobs {
    type Task = Task<HeldJob>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.0.poll_recv(cx).map(|job| {
            if job.is_none() {
                // At the end of its backend apalis waits to be told to stop. It cannot fail: the worker polls us, so it runs.
                let _ = worker.stop();
            }
            job.map(|job| Ok(Task::new(job)))
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for ClaimedJobs {
    type Args = HeldJob;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
