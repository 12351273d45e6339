//! Whether schedules fire at all: a look at the schedule that is due first, in every scheduler process, whoever leads.
//!
//! It never fires anything. It looks at the ledger alone, so it notices what no leader can tell: that there is none, or that
//! the duty `fire` hangs. Fires that happen, but late, are told by `late.rs`.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    ledger::Result,
    status::{OVERDUE_METRIC, overdue_s},
};

use crate::{DutyLedger, Scheduler};

/// How often it looks.
const LOOK_EVERY_MS: i64 = 2_000;

/// Looks until `stop`.
pub(crate) async fn watch(scheduler: &Scheduler, stop: &CancellationToken) {
    let mut watchdog = Watchdog { ledger: scheduler.ledger.clone(), late_after_s: scheduler.late_after_s, barks: false };
    loop {
        if let Err(error) = watchdog.look().await {
            // Whoever tries to lead has warned of that.
            tracing::debug!(%error, "the schedule that is due first is not known");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = scheduler.clock.sleep_until(scheduler.clock.now().plus_ms(LOOK_EVERY_MS)) => {}
        }
    }
}

struct Watchdog {
    ledger: Arc<dyn DutyLedger>,
    late_after_s: u32,
    /// Whether it warned, and it is not over.
    barks: bool,
}

impl Watchdog {
    async fn look(&mut self) -> Result<Said> {
        let first_due = self.ledger.first_due().await?;
        let now = self.ledger.now().await?;
        let overdue_s = overdue_s(first_due, now);
        metrics::gauge!(OVERDUE_METRIC).set(overdue_s);
        let late = overdue_s > f64::from(self.late_after_s);
        let said = match (std::mem::replace(&mut self.barks, late), late) {
            (false, true) => Said::Overdue,
            (true, false) => Said::Over,
            _ => Said::Nothing,
        };
        match said {
            Said::Overdue => tracing::warn!(overdue_s, "schedules are due and do not fire"),
            Said::Over => tracing::info!("schedules fire again"),
            Said::Nothing => {}
        }
        Ok(said)
    }
}

/// What a look had to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Overdue,
    Over,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windrow_jobs::{
        clock::{Timestamp, VirtualClock},
        contract::Catalog,
        kinds,
        ledger::{Timetable, Upkeep, model::ModelLedger},
        schedule::{Rules, ScheduleId},
        tenant::TenantId,
    };

    use super::*;

    #[tokio::test]
    async fn it_speaks_once_when_nobody_fires_and_once_when_that_is_over() {
        let clock = VirtualClock::starting_at(Timestamp::from_ms(1_800_000_000_000));
        let ledger = Arc::new(ModelLedger::new(Arc::new(clock.clone())));
        let mut watchdog = Watchdog { ledger: ledger.clone(), late_after_s: 10, barks: false };
        assert_eq!(watchdog.look().await.expect("a look"), Said::Nothing, "nothing is expected");
        let job = json!({ "kind": "echo", "payload": {} });
        let definition = serde_json::from_value(json!({ "name": "each-minute", "cron": "@every 60s", "job": job })).expect("a definition");
        ledger.create_schedule(ScheduleId::generate(), &TenantId::default_tenant(), definition).await.expect("it is created");
        let mut said = Vec::new();
        for pass_ms in [60_000, 10_000, 1, 5_000] {
            clock.advance_ms(pass_ms);
            said.push(watchdog.look().await.expect("a look"));
        }
        assert_eq!(said, [Said::Nothing, Said::Nothing, Said::Overdue, Said::Nothing]);

        let catalog = Catalog::new(kinds::contracts()).expect("the built-in schemas compile");
        let rules = Rules { catalog, fires_kept_ms: 86_400_000 };
        assert_eq!(ledger.fire(&rules, 10).await.expect("it fires").fires.len(), 1);
        assert_eq!(watchdog.look().await.expect("a look"), Said::Over);
        assert_eq!(watchdog.look().await.expect("a look"), Said::Nothing);
    }
}
