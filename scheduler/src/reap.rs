//! The duty `reap`: ends attempts whose leases ran out, because their workers crashed, hung or are cut off.
//!
//! Its lag: for how long the oldest lease that it has not looked at has run out. While it is patient, that grows.

use std::sync::Arc;

use async_trait::async_trait;
use windrow_jobs::{clock::Timestamp, contract::Policy, ledger::Result};

use crate::{
    DutyLedger, Scheduler,
    duty::{Acted, Duty},
};

/// The most leases looked at in one go.
const LEASES_MAX: usize = 1_000;
/// How often it looks.
const LOOK_EVERY_MS: i64 = 1_000;
/// A longer gap between two looks means that the ledger, this process or the clock was not there.
const GAP_MS_MAX: i64 = 5_000;

pub(crate) struct Reap {
    ledger: Arc<dyn DutyLedger>,
    /// When it last looked.
    looked_at: Option<Timestamp>,
    /// Until then it takes nothing: workers must first get a chance to renew.
    patience_until: Timestamp,
}

impl Reap {
    pub(crate) fn new(scheduler: &Scheduler) -> Self {
        Self { ledger: scheduler.ledger.clone(), looked_at: None, patience_until: Timestamp::from_ms(0) }
    }

    /// After a gap in its own looks every lease may have run out while no worker could renew: it waits as long
    /// as the longest lease, or an outage of the ledger would be answered by giving everything away.
    async fn patience(&mut self, now: Timestamp) -> Result<()> {
        let gap = self.looked_at.is_none_or(|looked_at| !(0..=GAP_MS_MAX).contains(&now.ms_since(looked_at)));
        if gap {
            let contracts = self.ledger.contracts().await?;
            let leases_ms = contracts.iter().map(|contract| contract.policy.lease_ms);
            let longest_ms = leases_ms.chain([Policy::default().lease_ms]).max().unwrap_or_default();
            self.patience_until = now.plus_ms(longest_ms.into());
        }
        self.looked_at = Some(now);
        Ok(())
    }
}

#[async_trait]
impl Duty for Reap {
    const NAME: &'static str = "reap";

    async fn act(&mut self) -> Result<Acted> {
        let now = self.ledger.now().await?;
        self.patience(now).await?;
        let lag_ms = self.ledger.first_expiry().await?.map_or(0, |expiry| now.ms_since(expiry).max(0));
        let acted = Acted { sleep_ms: LOOK_EVERY_MS, lag_ms };
        if now < self.patience_until {
            return Ok(acted);
        }
        let reaped = self.ledger.reap(LEASES_MAX, false).await?;
        if reaped > 0 {
            tracing::warn!(reaped, "attempts ended because their leases ran out");
        }
        Ok(acted)
    }
}
