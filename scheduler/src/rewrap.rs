//! The duty `rewrap`: wraps the keys of tenants by the first master key where another still wraps them. It is how a rotation ends.
//!
//! It looks through all of them now and then, a batch at a time. Its lag: since when it has known of keys that it could not wrap
//! anew, because the master key that wraps them is not here. Those are left as they are: a wrong master key destroys nothing.

use std::sync::Arc;

use async_trait::async_trait;
use windrow_jobs::{
    clock::{Clock, Timestamp},
    connection::seal::Keyring,
    ledger::Result,
    tenant::TenantId,
};

use crate::{
    DutyLedger, Scheduler,
    duty::{Acted, Duty},
};

/// The most keys of a batch. Each is a write of its own, of a few hundred bytes.
const KEYS_MAX: usize = 100;
/// The pause between two batches of a look.
const BATCH_PAUSE_MS: i64 = 100;
/// The pause between two looks: so long after a restart with new keys the last tenant's key is wrapped anew, at the latest.
const LOOK_PAUSE_MS: i64 = 10_000;

pub(crate) struct Rewrap {
    ledger: Arc<dyn DutyLedger>,
    clock: Arc<dyn Clock>,
    keyring: Keyring,
    /// Where the look under way goes on.
    after: Option<TenantId>,
    /// Keys of the look under way that could not be wrapped anew.
    left: u64,
    /// Since when there are such keys.
    left_since: Option<Timestamp>,
}

impl Rewrap {
    pub(crate) fn new(scheduler: &Scheduler) -> Self {
        let (ledger, clock, keyring) = (scheduler.ledger.clone(), scheduler.clock.clone(), scheduler.keyring.clone());
        Self { ledger, clock, keyring, after: None, left: 0, left_since: None }
    }

    /// Wraps a batch anew. Returns whether there may be more.
    async fn batch(&mut self, first: &str) -> Result<bool> {
        let keys = self.ledger.tenant_keys_not_by(first, self.after.as_ref(), KEYS_MAX).await?;
        let more = keys.len() == KEYS_MAX;
        self.after = keys.last().filter(|_| more).map(|key| key.tenant.clone());
        for key in keys {
            match self.keyring.rewrapped(&key) {
                Ok(None) => {}
                Ok(Some(again)) => {
                    // If not, another scheduler did it, or the key is gone.
                    if self.ledger.rewrap_tenant_key(again, &key.master).await? {
                        metrics::counter!("windrow_keys_rewrapped_total").increment(1);
                        tracing::info!(tenant.id = %key.tenant, from = key.master, to = first, "a tenant's key is wrapped anew");
                    }
                }
                Err(error) => {
                    if self.left_since.is_none() {
                        tracing::error!(tenant.id = %key.tenant, %error, "a tenant's key cannot be wrapped anew: is a master key missing?");
                    }
                    self.left += 1;
                }
            }
        }
        Ok(more)
    }
}

#[async_trait]
impl Duty for Rewrap {
    const NAME: &'static str = "rewrap";

    async fn act(&mut self) -> Result<Acted> {
        let Some(first) = self.keyring.first().map(str::to_owned) else {
            return Ok(Acted { sleep_ms: LOOK_PAUSE_MS, lag_ms: 0 });
        };
        let more = self.batch(&first).await?;
        if !more {
            metrics::gauge!("windrow_keys_not_rewrapped").set(self.left as f64);
            self.left_since = if std::mem::take(&mut self.left) > 0 { self.left_since.or_else(|| Some(self.clock.now())) } else { None };
        }
        let lag_ms = self.left_since.map_or(0, |since| self.clock.now().ms_since(since));
        Ok(Acted { sleep_ms: if more { BATCH_PAUSE_MS } else { LOOK_PAUSE_MS }, lag_ms })
    }
}
