//! Records how attempts ended, whatever queued up in one batch. Refused → read again, decide again, or let
//! go. While the ledger is away, outcomes are kept and repeated: the fence makes that safe.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinHandle};
use windrow_jobs::{
    backoff::Backoff,
    clock::Timestamp,
    job::JobId,
    ledger::{BATCH_MAX, Error, Result, Work},
    lifecycle::{self, Change, Ending, Snapshot},
};

use crate::{
    lease::{Lease, Leases},
    notebook::Notebook,
};

/// Endings that may wait for the ledger before slots are held back.
const WAITING_MAX: usize = 4_096;
/// The pause between tries while the ledger is away: from the first to the longest.
const TROUBLE_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// An attempt's ending on its way to the ledger.
pub(crate) struct Settling {
    pub snapshot: Snapshot,
    pub ending: Ending,
    /// The ledger's clock, as the worker knows it.
    pub now: Timestamp,
    pub backoff: Backoff,
    pub lease: Arc<Lease>,
}

impl Settling {
    fn decide(&self) -> Option<Change> {
        let before = if self.lease.moved_on.load(Ordering::Relaxed) { self.snapshot.moved_on() } else { self.snapshot };
        let cancel_requested = before.cancel_requested || self.lease.cause() == Some(crate::lease::Cause::Cancelled);
        let job = Snapshot { cancel_requested, ..before };
        lifecycle::settle(&job, self.lease.attempt, self.ending.clone(), self.now, &self.backoff, rand::random()).ok()
    }
}

/// Where endings are handed in. The task behind it ends when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Settler(mpsc::Sender<Settling>);

impl Settler {
    pub(crate) fn start(ledger: Arc<dyn Work>, notebook: Arc<Notebook>, leases: Arc<Leases>) -> (Self, JoinHandle<()>) {
        let (sender, endings) = mpsc::channel(WAITING_MAX);
        (Self(sender), tokio::spawn(Task { ledger, notebook, leases }.run(endings)))
    }

    /// Hands an ending in; waits only while very many wait for the ledger.
    pub(crate) async fn settle(&self, settling: Settling) {
        // The task outlives every sender.
        let _ = self.0.send(settling).await;
    }
}

struct Task {
    ledger: Arc<dyn Work>,
    notebook: Arc<Notebook>,
    leases: Arc<Leases>,
}

impl Task {
    async fn run(self, mut endings: mpsc::Receiver<Settling>) {
        let mut batch = Vec::new();
        while endings.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut open = std::mem::take(&mut batch);
            let mut pause = TROUBLE_PAUSE.0;
            while !open.is_empty() {
                open = match self.settle(open).await {
                    Ok(refused) => refused,
                    Err((open, error)) => {
                        tracing::warn!(%error, endings = open.len(), "recording how attempts ended; trying again");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(TROUBLE_PAUSE.1);
                        open
                    }
                };
            }
        }
    }

    /// Writes what it can; returns what must be decided again, on a fresh reading.
    async fn settle(&self, open: Vec<Settling>) -> std::result::Result<Vec<Settling>, (Vec<Settling>, Error)> {
        self.notebook.flush_of(open.iter().map(|settling| settling.snapshot.id)).await;
        let (open, changes): (Vec<_>, Vec<_>) = open
            .into_iter()
            .filter_map(|settling| match settling.decide() {
                Some(change) => Some((settling, change)),
                None => {
                    self.let_go(&settling);
                    None
                }
            })
            .unzip();
        if open.is_empty() {
            return Ok(open);
        }
        let written = match self.ledger.settle(changes).await {
            Ok(written) => written,
            Err(error) => return Err((open, error)),
        };
        let mut refused = Vec::new();
        for (settling, written) in open.into_iter().zip(written) {
            if written { self.leases.end(&settling.lease) } else { refused.push(settling) }
        }
        if refused.is_empty() {
            return Ok(refused);
        }
        match self.read_again(&mut refused).await {
            Ok(()) => Ok(refused),
            Err(error) => Err((refused, error)),
        }
    }

    /// Takes a fresh reading of each; of a job that is gone, the next decision lets go.
    async fn read_again(&self, refused: &mut Vec<Settling>) -> Result<()> {
        let fresh = self.ledger.reread(refused.iter().map(|settling| settling.snapshot.id).collect()).await?;
        let fresh: HashMap<JobId, Snapshot> = fresh.into_iter().map(|snapshot| (snapshot.id, snapshot)).collect();
        refused.retain_mut(|settling| match fresh.get(&settling.snapshot.id) {
            Some(snapshot) => {
                settling.snapshot = *snapshot;
                true
            }
            None => {
                self.let_go(settling);
                false
            }
        });
        Ok(())
    }

    /// The attempt was taken away: its outcome is not accepted.
    fn let_go(&self, settling: &Settling) {
        self.leases.end(&settling.lease);
        metrics::counter!("windrow_outcomes_refused_total").increment(1);
        tracing::info!(job.id = %settling.snapshot.id, attempt = settling.lease.attempt, "the attempt was over before its outcome arrived");
    }
}
