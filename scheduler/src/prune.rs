//! The duty `prune`: deletes what finished longer ago than the retention, fires of schedules and events of hooks that were kept long
//! enough, answers to idempotency keys whose time is over, translations that nobody uses, and what deleted syncs remember, a little at a time.
//! Goes through the records of collections whose look-up fields changed, too.
//!
//! It walks through the ledger from end to end, over and over. Its lag: how much longer than its retention the oldest job
//! was kept that this walk, or the one before, came across.
//!
//! The objects of pruned jobs go after their rows: what cannot be deleted then is logged and stays behind.

use std::sync::Arc;

use async_trait::async_trait;
use windrow_jobs::{
    ledger::{Result, Retention},
    objects::Objects,
    translation::UNUSED_DAYS,
};

use crate::{
    DutyLedger, Scheduler,
    duty::{Acted, Duty},
};

/// The most jobs looked at in one go: a commit that others wait for must stay short.
const JOBS_MAX: usize = 1_000;
/// The most answers forgotten in one go. With the pause below, more than a ledger can take in.
const KEYS_MAX: usize = 1_000;
/// The most fires forgotten in one go; ten thousand a second.
const FIRES_MAX: usize = 1_000;
/// The most events forgotten in one go: each may have a mebibyte.
const EVENTS_MAX: usize = 200;
/// The most keys of deleted syncs forgotten in one go.
const ITEMS_MAX: usize = 1_000;
/// The most records gone through for a look-up field in one go: each may have 256 KiB.
const RECORDS_MAX: usize = 200;
/// The most translations forgotten in one go.
const TRANSLATIONS_MAX: usize = 500;
/// How long a translation is kept that nobody uses.
const UNUSED_MS: i64 = UNUSED_DAYS * 86_400_000;
/// The pause while there is something to delete.
const BUSY_PAUSE_MS: i64 = 100;
/// The pause while the walk goes on and finds nothing: ten million kept jobs are walked through in an hour and a half, for
/// a thousandth of the ledger's time.
const WALK_PAUSE_MS: i64 = 500;
/// The pause between two walks.
const IDLE_PAUSE_MS: i64 = 10_000;

pub(crate) struct Prune {
    ledger: Arc<dyn DutyLedger>,
    objects: Arc<dyn Objects>,
    retention: Retention,
    /// By how much the walk under way has found a job to be over its retention, at the most.
    over_ms: i64,
    /// The same of the walk before.
    over_before_ms: i64,
}

impl Prune {
    pub(crate) fn new(scheduler: &Scheduler) -> Self {
        let (ledger, objects) = (scheduler.ledger.clone(), scheduler.objects.clone());
        Self { ledger, objects, retention: scheduler.retention, over_ms: 0, over_before_ms: 0 }
    }
}

#[async_trait]
impl Duty for Prune {
    const NAME: &'static str = "prune";

    async fn act(&mut self) -> Result<Acted> {
        let pruned = self.ledger.prune(self.retention, JOBS_MAX).await?;
        self.delete(&pruned.objects).await;
        let mut forgotten = self.ledger.forget_keys(KEYS_MAX).await?;
        forgotten += self.ledger.forget_fires(self.retention.fires_ms, FIRES_MAX).await?;
        forgotten += self.ledger.forget_events(self.retention.events_ms, EVENTS_MAX).await?;
        forgotten += self.ledger.forget_items(ITEMS_MAX).await?;
        forgotten += self.ledger.index_records(RECORDS_MAX).await?;
        forgotten += self.ledger.forget_translations(UNUSED_MS, TRANSLATIONS_MAX).await?;
        self.over_ms = pruned.over_ms.max(self.over_ms);
        let lag_ms = self.over_ms.max(self.over_before_ms);
        if !pruned.goes_on {
            self.over_before_ms = std::mem::take(&mut self.over_ms);
        }
        let sleep_ms = match pruned.jobs + forgotten {
            1.. => BUSY_PAUSE_MS,
            0 if pruned.goes_on => WALK_PAUSE_MS,
            0 => IDLE_PAUSE_MS,
        };
        Ok(Acted { sleep_ms, lag_ms })
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
