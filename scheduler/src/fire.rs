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
        Ok(self.sleep_until(next_look(schedules, next_due, now), now, lag_ms))
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
        Ok(Rules { catalog: self.kinds.catalog().clone(), fires_kept_ms: self.fires_kept_ms })
    }

    fn sleep_until(&mut self, next_look: Option<Timestamp>, now: Timestamp, lag_ms: i64) -> Acted {
        let sleep_ms = next_look.map_or(SLEEP_MS_MAX, |next_look| next_look.ms_since(now).clamp(0, SLEEP_MS_MAX));
        self.ledger_ahead_ms = now.ms_since(self.clock.now());
        Acted { sleep_ms, lag_ms }
    }
}

/// When to look again, after so many schedules went on. Never at once where none did.
fn next_look(schedules: usize, next_due: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let is_held = schedules == 0 && next_due.is_some_and(|due| due <= now);
    if is_held { Some(now.plus_ms(HELD_PAUSE_MS)) } else { next_due }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windrow_jobs::{
        clock::VirtualClock,
        contract::Contract,
        ledger::{Edited, Inspect, ListFilter, Page, Timetable, Work, WorkerRecord, model::ModelLedger},
        schedule::{FireStatus, ScheduleId},
        tenant::TenantId,
    };

    use super::*;
    use crate::delays::waiting::{Waiting, is_over};

    const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    struct Rig {
        /// The process's clock.
        clock: VirtualClock,
        ledger_clock: VirtualClock,
        ledger: Arc<ModelLedger>,
        delays: Arc<Delays>,
        fire: Fire,
    }

    impl Rig {
        fn new() -> Self {
            Self::behind_ms(0)
        }

        /// The duty of a process whose clock shows so much less than the ledger's.
        fn behind_ms(ledger_ahead_ms: i64) -> Self {
            let (clock, ledger_clock) = (VirtualClock::starting_at(START.plus_ms(-ledger_ahead_ms)), VirtualClock::starting_at(START));
            let ledger = Arc::new(ModelLedger::new(Arc::new(ledger_clock.clone())));
            let delays = Arc::new(Delays::default());
            let fire = Fire {
                ledger: ledger.clone(),
                clock: Arc::new(clock.clone()),
                fires_kept_ms: 86_400_000,
                late_after_ms: 10_000,
                kinds: Known::built_in(),
                delays: delays.clone(),
                ledger_ahead_ms: 0,
            };
            Self { clock, ledger_clock, ledger, delays, fire }
        }

        async fn create(&self, name: &str, cron: &str, kind: &str) -> ScheduleId {
            let job = json!({ "kind": kind, "payload": if kind == "echo" { json!({}) } else { json!(7) } });
            let definition = serde_json::from_value(json!({ "name": name, "cron": cron, "job": job })).expect("a definition");
            let id = ScheduleId::generate();
            let edited = self.ledger.create_schedule(id, &TenantId::default_tenant(), definition).await.expect("the model keeps it");
            assert!(matches!(edited, Edited::Done(_)), "{edited:?}");
            id
        }

        async fn act(&mut self) -> Acted {
            self.fire.act().await.expect("the model fires")
        }

        /// Passes time for both clocks.
        fn pass_ms(&self, ms: i64) {
            self.clock.advance_ms(ms);
            self.ledger_clock.advance_ms(ms);
        }

        async fn fires(&self, id: ScheduleId) -> Vec<(i64, FireStatus)> {
            let fires = self.ledger.fires(&TenantId::default_tenant(), id, None, None, 1_000).await.expect("fires");
            fires.iter().rev().map(|fire| (fire.fire_at.ms_since(START), fire.status)).collect()
        }

        async fn jobs(&self) -> usize {
            let page = Page { before: None, size: 10_000, bytes_max: usize::MAX };
            self.ledger.list(&TenantId::default_tenant(), &ListFilter::default(), page).await.expect("a list").jobs.len()
        }
    }

    #[tokio::test]
    async fn it_sleeps_until_the_next_fire_and_a_second_at_the_most() {
        let mut rig = Rig::new();
        assert_eq!(rig.act().await.sleep_ms, SLEEP_MS_MAX);
        let id = rig.create("each-minute", "@every 60s", "echo").await;
        assert_eq!(rig.act().await.sleep_ms, SLEEP_MS_MAX);
        rig.pass_ms(59_750);
        assert_eq!(rig.act().await.sleep_ms, 250);
        assert_eq!((rig.fires(id).await, rig.jobs().await), (vec![], 0));
        rig.pass_ms(250);
        assert_eq!(rig.act().await.sleep_ms, SLEEP_MS_MAX);
        assert_eq!((rig.fires(id).await, rig.jobs().await), (vec![(60_000, FireStatus::Fired)], 1));
    }

    #[tokio::test]
    async fn a_schedule_that_it_is_told_of_wakes_it_when_that_is_due() {
        let mut rig = Rig::new();
        rig.act().await;
        rig.delays.tell(START.plus_ms(400).ms());
        let clock = rig.clock.clone();
        let mut nudged: Waiting<'_> = rig.fire.nudged();
        clock.advance_ms(399);
        assert!(!is_over(&mut nudged).await);
        clock.advance_ms(1);
        assert!(is_over(&mut nudged).await);
    }

    #[tokio::test]
    async fn it_fires_by_the_ledgers_clock_whatever_its_own_says() {
        for ahead_ms in [-300_000, 300_000] {
            let mut rig = Rig::behind_ms(ahead_ms);
            let id = rig.create("each-minute", "@every 60s", "echo").await;
            rig.act().await;
            rig.pass_ms(59_900);
            assert_eq!(rig.act().await.sleep_ms, 100, "{ahead_ms}");
            assert_eq!(rig.fires(id).await, [], "{ahead_ms}");
            rig.pass_ms(100);
            rig.act().await;
            assert_eq!(rig.fires(id).await, [(60_000, FireStatus::Fired)], "{ahead_ms}");
            // What it is told is the ledger's time as well.
            rig.delays.tell(START.plus_ms(60_500).ms());
            let clock = rig.clock.clone();
            let mut nudged: Waiting<'_> = rig.fire.nudged();
            clock.advance_ms(499);
            assert!(!is_over(&mut nudged).await, "{ahead_ms}");
            clock.advance_ms(1);
            assert!(is_over(&mut nudged).await, "{ahead_ms}");
        }
    }

    #[tokio::test]
    async fn more_than_a_commit_may_hold_follows_at_once() {
        let mut rig = Rig::new();
        for number in 0..=2 * SCHEDULES_MAX {
            rig.create(&format!("schedule-{number}"), "@every 60s", "echo").await;
        }
        rig.pass_ms(60_000);
        let mut sleeps = Vec::new();
        for _ in 0..3 {
            sleeps.push(rig.act().await.sleep_ms);
        }
        assert_eq!((sleeps, rig.jobs().await), (vec![0, 0, SLEEP_MS_MAX], 2 * SCHEDULES_MAX + 1));
    }

    #[tokio::test]
    async fn its_lag_is_for_how_long_the_first_had_been_due() {
        let mut rig = Rig::new();
        rig.create("each-minute", "@every 60s", "echo").await;
        rig.pass_ms(60_000 + 700);
        assert_eq!(rig.act().await.lag_ms, 700);
        assert_eq!(rig.act().await.lag_ms, 0);
    }

    #[tokio::test]
    async fn a_kind_that_was_published_just_before_the_fire_is_known() {
        let mut rig = Rig::new();
        rig.act().await;
        let contract = Contract::of::<u8>("acme.report");
        let worker = WorkerRecord { id: "worker".into(), slots: Default::default(), kinds: vec!["acme.report".into()] };
        rig.ledger.enroll(&worker, &[contract]).await.expect("enrolled");
        let id = rig.create("report", "@every 1s", "acme.report").await;
        rig.pass_ms(1_000);
        rig.act().await;
        assert_eq!(rig.fires(id).await, [(1_000, FireStatus::Fired)]);
    }

    #[test]
    fn it_goes_on_at_once_where_something_went_on_and_never_spins() {
        let (past, future) = (Some(START), Some(START.plus_ms(5_000)));
        let now = START.plus_ms(1_000);
        let cases =
            [(250, past, past), (0, past, Some(now.plus_ms(HELD_PAUSE_MS))), (3, future, future), (0, future, future), (0, None, None)];
        for (schedules, next_due, expected) in cases {
            assert_eq!(next_look(schedules, next_due, now), expected, "{schedules} {next_due:?}");
        }
    }
}
