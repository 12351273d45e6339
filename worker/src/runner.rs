//! Takes tickets of one queue while slots are free, claims, and passes the claimed jobs on.
//!
//! A ticket is presented once, whatever comes of it: what it names beyond the free slots goes back to the
//! planner by the claim itself, uncharged. Next on a job's path: `attempt.rs`.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    dispatch::carrier::WorkerEnd,
    handler::Registry,
    ledger::{self, Claim, Claimed, Ticket, Work},
    queue::QueueName,
};

use crate::{
    attempt::HeldJob,
    boottime::boottime_ms,
    slots::{Slot, Slots},
};

/// The pause after the ledger or the carrier could not be reached.
const TROUBLE_PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Runner {
    pub worker: String,
    pub queue: QueueName,
    pub slots: Arc<Slots>,
    pub registry: Registry,
    pub ledger: Arc<dyn Work>,
    pub carrier: Arc<dyn WorkerEnd>,
    pub claimed: mpsc::Sender<HeldJob>,
}

impl Runner {
    pub(crate) async fn run(self, stop: CancellationToken) {
        while let Some(slot) = unless(&stop, self.slots.clone().wait()).await {
            let Some(ticket) = unless(&stop, self.carrier.take(&self.queue)).await else {
                return;
            };
            let claimed = match ticket {
                Ok(ticket) => self.present(ticket, slot).await,
                Err(error) => Err(error),
            };
            if let Err(error) = claimed {
                tracing::warn!(worker = self.worker, queue = %self.queue, %error, "claiming jobs");
                tokio::time::sleep(TROUBLE_PAUSE).await;
            }
        }
    }

    /// Presents a ticket for as many of its jobs as there are free slots.
    async fn present(&self, ticket: Ticket, slot: Slot) -> ledger::Result<()> {
        let known = self.registry.get(&ticket.kind);
        let slots = if known.is_some() { self.more_slots(slot, ticket.ids.len()) } else { Vec::new() };
        let lease_ms = known.map_or(0, |(contract, _)| contract.policy.lease_ms.into());
        let asked_at_ms = boottime_ms();
        let claim = Claim {
            worker: self.worker.clone(),
            ticket: ticket.id,
            ticket_row: self.carrier.writes_rows(),
            ids: ticket.ids.clone(),
            take: slots.len(),
            lease_ms,
        };
        match self.ledger.claim(claim).await {
            Ok(claimed) => {
                self.slots.claimed();
                self.pass_on(claimed, slots, asked_at_ms).await;
                Ok(())
            }
            Err(error) => {
                // Whether it was committed is not known. If it was, the ticket finds nothing the second time.
                self.carrier.give_back(ticket).await;
                Err(error)
            }
        }
    }

    fn more_slots(&self, first: Slot, wanted: usize) -> Vec<Slot> {
        let mut slots = vec![first];
        slots.extend(std::iter::from_fn(|| self.slots.try_take()).take(wanted.saturating_sub(1)));
        slots
    }

    async fn pass_on(&self, claimed: Vec<Claimed>, slots: Vec<Slot>, asked_at_ms: i64) {
        for (job, slot) in claimed.into_iter().zip(slots) {
            // The channel holds as many as there are slots, so this never waits; it is closed only after this runner ended.
            let _ = self.claimed.send(HeldJob { job, slot: slot.occupied(), asked_at_ms }).await;
        }
    }
}

/// The outcome of `wait`, or none once `stop` is set.
async fn unless<T>(stop: &CancellationToken, wait: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        outcome = wait => Some(outcome),
    }
}
