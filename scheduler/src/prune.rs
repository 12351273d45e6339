//! The duty `prune`: deletes what finished longer ago than the retention and answers to idempotency keys whose time is
//! over, a little at a time.
//!
//! The objects of pruned jobs go after their rows: what cannot be deleted then is logged and stays behind.

use std::sync::Arc;

use async_trait::async_trait;
use windrow_jobs::{
    ledger::{Result, Retention},
    objects::Objects,
};

use crate::{DutyLedger, Scheduler, duty::Duty};

/// The most jobs looked at in one go: a commit that others wait for must stay short.
const JOBS_MAX: usize = 1_000;
/// The most answers forgotten in one go. With the pause below, more than a ledger can take in.
const KEYS_MAX: usize = 1_000;
/// The pause while there is something to delete.
const BUSY_PAUSE_MS: i64 = 100;
/// The pause when there was nothing.
const IDLE_PAUSE_MS: i64 = 10_000;

pub(crate) struct Prune {
    ledger: Arc<dyn DutyLedger>,
    objects: Arc<dyn Objects>,
    retention: Retention,
}

impl Prune {
    pub(crate) fn new(scheduler: &Scheduler) -> Self {
        Self { ledger: scheduler.ledger.clone(), objects: scheduler.objects.clone(), retention: scheduler.retention }
    }
}

#[async_trait]
impl Duty for Prune {
    const NAME: &'static str = "prune";

    async fn act(&mut self) -> Result<i64> {
        let pruned = self.ledger.prune(self.retention, JOBS_MAX).await?;
        self.delete(&pruned.objects).await;
        let forgotten = self.ledger.forget_keys(KEYS_MAX).await?;
        Ok(if pruned.jobs + forgotten > 0 { BUSY_PAUSE_MS } else { IDLE_PAUSE_MS })
    }
}

impl Prune {
    async fn delete(&self, keys: &[String]) {
        for text in keys {
            let deleted = match text.parse() {
                Ok(key) => self.objects.delete(&key).await,
                Err(error) => Err(error),
            };
            if let Err(error) = deleted {
                tracing::warn!(%error, key = text, "deleting an object of a pruned job");
            }
        }
    }
}
