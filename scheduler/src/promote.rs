//! The duty `promote`: due jobs become available, jobs past their deadline die. Sleeps to the next due instant.
//!
//! Its lag: how long the oldest of what it found due had been due.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use windrow_jobs::{clock::Timestamp, ledger::Result};

use crate::{
    DutyLedger, Scheduler,
    duty::{Acted, Duty},
};

/// The most due rows looked at in one go; more wait for the next, which follows at once.
const DUE_MAX: usize = 5_000;
/// The longest sleep: a nudge that was lost delays a job by no more than this.
const SLEEP_MS_MAX: i64 = 1_000;

pub(crate) struct Promote {
    ledger: Arc<dyn DutyLedger>,
    /// The earliest due time, in milliseconds since the epoch, that the dispatch duty last heard of.
    delays: watch::Receiver<i64>,
    /// Until when nothing is due, as far as the last look told.
    next_due_ms: i64,
}

impl Promote {
    pub(crate) fn new(scheduler: &Scheduler, delays: watch::Receiver<i64>) -> Self {
        Self { ledger: scheduler.ledger.clone(), delays, next_due_ms: i64::MAX }
    }
}

#[async_trait]
impl Duty for Promote {
    const NAME: &'static str = "promote";

    async fn act(&mut self) -> Result<Acted> {
        self.delays.mark_unchanged();
        let due_ms = self.next_due_ms;
        let promoted = self.ledger.promote(DUE_MAX).await?;
        self.next_due_ms = promoted.next_due.map_or(i64::MAX, Timestamp::ms);
        let now = self.ledger.now().await?;
        if promoted.promoted > 0 && due_ms <= now.ms() {
            metrics::histogram!("windrow_promote_lag_seconds").record((now.ms() - due_ms) as f64 / 1_000.0);
        }
        let sleep_ms = promoted.next_due.map_or(SLEEP_MS_MAX, |due| due.ms_since(now).clamp(0, SLEEP_MS_MAX));
        Ok(Acted { sleep_ms, lag_ms: promoted.lag_ms })
    }

    async fn nudged(&mut self) {
        // What was told before the last look was seen by it.
        let told = async {
            loop {
                self.delays.changed().await?;
                if *self.delays.borrow_and_update() < self.next_due_ms {
                    return Ok::<(), watch::error::RecvError>(());
                }
            }
        };
        if told.await.is_err() {
            // The dispatch duty has ended, and with it this term.
            std::future::pending().await
        }
    }
}
