//! The duty `promote`: due jobs become available, jobs past their deadline die. Sleeps to the next due instant.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast::{self, error::RecvError};
use windrow_jobs::{
    clock::Timestamp,
    ledger::{FeedEvent, FeedRow, Result},
};

use crate::{DutyLedger, Scheduler, duty::Duty};

/// The most due rows looked at in one go; more wait for the next, which follows at once.
const DUE_MAX: usize = 5_000;
/// The longest sleep: a nudge that was lost delays a job by no more than this.
const SLEEP_MS_MAX: i64 = 1_000;

pub(crate) struct Promote {
    ledger: Arc<dyn DutyLedger>,
    nudges: broadcast::Receiver<Arc<FeedRow>>,
    /// Until when nothing is due, as far as the last look told.
    next_due: Option<Timestamp>,
}

impl Promote {
    pub(crate) fn new(scheduler: &Scheduler) -> Self {
        Self { ledger: scheduler.ledger.clone(), nudges: scheduler.ledger.nudges(), next_due: None }
    }

    fn is_earlier(&self, row: &FeedRow) -> bool {
        let next_due_ms = self.next_due.map_or(i64::MAX, Timestamp::ms);
        row.events.iter().any(|event| matches!(event, FeedEvent::Delayed(due_ms) if *due_ms < next_due_ms))
    }
}

#[async_trait]
impl Duty for Promote {
    const NAME: &'static str = "promote";

    async fn act(&mut self) -> Result<i64> {
        let promoted = self.ledger.promote(DUE_MAX).await?;
        self.next_due = promoted.next_due;
        let now = self.ledger.now().await?;
        Ok(promoted.next_due.map_or(SLEEP_MS_MAX, |due| due.ms_since(now).clamp(0, SLEEP_MS_MAX)))
    }

    async fn nudged(&mut self) {
        loop {
            match self.nudges.recv().await {
                Ok(row) if self.is_earlier(&row) => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
