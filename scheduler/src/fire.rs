//! The duty `fire`: what schedules expect by now is decided, and the jobs of what fires are submitted with it. Sleeps to the
//! next due instant, by the ledger's clock.
//!
//! Each fire happens once because its row is written once, not because one scheduler leads: two that act at the same time do
//! no harm. Its lag: for how long the schedule that was due first had been.
//! Next: `ledger.fire`, then `schedule/decide.rs`.

use std::sync::Arc;

use async_trait::async_trait;
use windrow_jobs::{
    clock::{Clock, Timestamp},
    contract::Known,
    ledger::{Fired, Result},
    queue::QueueName,
    schedule::Rules,
};

use crate::{
    DutyLedger, Scheduler,
    delays::Delays,
    duty::{Acted, Duty},
    late,
};

/// The most schedules decided in one commit, some 20 ms of work, so that others get between; more wait for the next, which
/// follows at once.
const SCHEDULES_MAX: usize = 250;
/// The longest sleep: a nudge that was lost delays a fire by no more than this.
const SLEEP_MS_MAX: i64 = 1_000;
/// The pause where schedules are due and none could be decided: another holds them, or they cannot be read.
const HELD_PAUSE_MS: i64 = 100;

pub(crate) struct Fire {
    ledger: Arc<dyn DutyLedger>,
    clock: Arc<dyn Clock>,
    queues: Vec<QueueName>,
    fires_kept_ms: i64,
    late_after_ms: i64,
    kinds: Known,
    /// What the dispatch duty hears of due times.
    delays: Arc<Delays>,
    /// By how much the ledger's clock was ahead of this process's at the last look.
    ledger_ahead_ms: i64,
}

impl Fire {
    pub(crate) fn new(scheduler: &Scheduler, delays: Arc<Delays>) -> Self {
        Self {
            ledger: scheduler.ledger.clone(),
            clock: scheduler.clock.clone(),
            queues: scheduler.queues.clone(),
            fires_kept_ms: scheduler.retention.fires_ms,
            late_after_ms: i64::from(scheduler.late_after_s) * 1_000,
            kinds: Known::built_in(),
            delays,
            ledger_ahead_ms: 0,
        }
    }
}

#[async_trait]
impl Duty for Fire {
    const NAME: &'static str = "fire";

    async fn act(&mut self) -> Result<Acted> {
        self.delays.forget();
        let first_due = self.ledger.first_due().await?;
        let now = self.ledger.now().await?;
        if first_due.is_none_or(|due| due > now) {
            return Ok(self.sleep_until(first_due, now, 0));
        }
        let rules = self.rules().await?;
        let Fired { fires, schedules, next_due, lag_ms } = self.ledger.fire(&rules, SCHEDULES_MAX).await?;
        late::record(&fires, self.late_after_ms);
        let now = self.ledger.now().await?;
        let is_held = schedules == 0 && next_due.is_some_and(|due| due <= now);
        let next_look = if is_held { Some(now.plus_ms(HELD_PAUSE_MS)) } else { next_due };
        Ok(self.sleep_until(next_look, now, lag_ms))
    }

    /// Until what was told since the last look is due; there is nothing to do before.
    async fn nudged(&mut self) {
        self.delays.due(&*self.clock, self.ledger_ahead_ms).await;
    }
}

impl Fire {
    /// What decisions go by. The contracts are read anew each time: a schedule may be of a kind that was published just before.
    async fn rules(&mut self) -> Result<Rules> {
        self.kinds.publish(self.ledger.contracts().await?);
        Ok(Rules { catalog: self.kinds.catalog().clone(), queues: self.queues.clone(), fires_kept_ms: self.fires_kept_ms })
    }

    fn sleep_until(&mut self, next_look: Option<Timestamp>, now: Timestamp, lag_ms: i64) -> Acted {
        let sleep_ms = next_look.map_or(SLEEP_MS_MAX, |next_look| next_look.ms_since(now).clamp(0, SLEEP_MS_MAX));
        self.ledger_ahead_ms = now.ms_since(self.clock.now());
        Acted { sleep_ms, lag_ms }
    }
}
