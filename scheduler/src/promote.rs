//! The duty `promote`: due jobs become available, jobs past their deadline die. Sleeps to the next due instant.
//!
//! Its lag: how long the oldest of what it found due had been due.

use std::sync::Arc;

use async_trait::async_trait;
use windrow_jobs::{
    clock::{Clock, Timestamp},
    ledger::Result,
};

use crate::{
    DutyLedger, Scheduler,
    delays::Delays,
    duty::{Acted, Duty},
};

/// The most due rows looked at in one go, which is one commit: a few milliseconds of SQLite's only writer, for which every
/// submission waits. More wait for the next look, which follows soon.
const DUE_MAX: usize = 200;
/// While more is due it rests as long as the last look took, at most this: promotion then takes half of the writer at most, and
/// the workers, who are behind anyway, have the rest.
const REST_MS_MAX: i64 = 25;
/// The longest sleep: a nudge that was lost delays a job by no more than this.
const SLEEP_MS_MAX: i64 = 1_000;

pub(crate) struct Promote {
    ledger: Arc<dyn DutyLedger>,
    clock: Arc<dyn Clock>,
    /// What the dispatch duty hears of due times.
    delays: Arc<Delays>,
    /// Until when nothing is due, as far as the last look told.
    next_due_ms: i64,
    /// By how much the ledger's clock was ahead of this process's at the last look.
    ledger_ahead_ms: i64,
}

impl Promote {
    pub(crate) fn new(scheduler: &Scheduler, delays: Arc<Delays>) -> Self {
        Self { ledger: scheduler.ledger.clone(), clock: scheduler.clock.clone(), delays, next_due_ms: i64::MAX, ledger_ahead_ms: 0 }
    }
}

#[async_trait]
impl Duty for Promote {
    const NAME: &'static str = "promote";

    async fn act(&mut self) -> Result<Acted> {
        self.delays.forget();
        let began = self.clock.now();
        let due_ms = self.next_due_ms;
        let promoted = self.ledger.promote(DUE_MAX).await?;
        let now = promoted.now;
        self.next_due_ms = promoted.next_due.map_or(i64::MAX, Timestamp::ms);
        self.ledger_ahead_ms = now.ms_since(self.clock.now());
        if promoted.promoted > 0 && due_ms <= now.ms() {
            metrics::histogram!("windrow_promote_lag_seconds").record((now.ms() - due_ms) as f64 / 1_000.0);
        }
        let sleep_ms = match promoted.next_due {
            Some(due) if due <= now => self.clock.now().ms_since(began).clamp(0, REST_MS_MAX),
            Some(due) => due.ms_since(now).min(SLEEP_MS_MAX),
            None => SLEEP_MS_MAX,
        };
        Ok(Acted { sleep_ms, lag_ms: promoted.lag_ms })
    }

    /// Until what was told since the last look is due; there is nothing to do before.
    async fn nudged(&mut self) {
        self.delays.due(&*self.clock, self.ledger_ahead_ms).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use windrow_jobs::{
        clock::VirtualClock,
        job::{JobId, State},
        keys::Keys,
        ledger::{Intake, model::ModelLedger},
        queue::QueueName,
        submit::NewJob,
        tenant::TenantId,
    };

    use super::*;
    use crate::delays::waiting::{Waiting, is_over};

    const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    struct Rig {
        clock: VirtualClock,
        ledger: Arc<ModelLedger>,
        delays: Arc<Delays>,
        promote: Promote,
    }

    impl Rig {
        /// The duty of a process whose clock shows so much less than the ledger's.
        fn behind_ms(ledger_ahead_ms: i64) -> Self {
            let (clock, ledger_clock) = (VirtualClock::starting_at(START), VirtualClock::starting_at(START.plus_ms(ledger_ahead_ms)));
            Self::of(clock, ledger_clock)
        }

        fn new() -> Self {
            let clock = VirtualClock::starting_at(START);
            Self::of(clock.clone(), clock)
        }

        fn of(clock: VirtualClock, ledger_clock: VirtualClock) -> Self {
            let ledger = Arc::new(ModelLedger::new(Arc::new(ledger_clock)));
            let delays = Arc::new(Delays::default());
            let promote = Promote {
                ledger: ledger.clone(),
                clock: Arc::new(clock.clone()),
                delays: delays.clone(),
                next_due_ms: i64::MAX,
                ledger_ahead_ms: 0,
            };
            Self { clock, ledger, delays, promote }
        }

        /// Inserts so many jobs that are due then.
        async fn insert(&self, jobs: usize, due: Timestamp) {
            let job = |_| NewJob {
                id: JobId::generate(),
                tenant: TenantId::default_tenant(),
                queue: QueueName::default_queue(),
                kind: "echo".into(),
                contract_version: 1,
                state: State::Scheduled,
                priority: 0,
                max_attempts: 1,
                created_at: START,
                run_at: due,
                deadline: None,
                payload: RawValue::from_string("{}".into()).expect("JSON text"),
                tags: Vec::new(),
                keys: Keys::default(),
            };
            self.ledger.insert((0..jobs).map(job).collect()).await.expect("the model keeps them");
        }
    }

    #[tokio::test]
    async fn a_due_time_told_while_it_sleeps_wakes_it_at_that_instant_and_not_before() {
        let Rig { clock, delays, mut promote, .. } = Rig::new();
        let acted = promote.act().await.expect("the model promotes");
        assert_eq!(acted.sleep_ms, SLEEP_MS_MAX);
        let mut nudged: Waiting<'_> = promote.nudged();
        assert!(!is_over(&mut nudged).await);
        delays.tell(START.plus_ms(300).ms());
        assert!(!is_over(&mut nudged).await, "there is nothing to do yet");
        clock.advance_ms(299);
        assert!(!is_over(&mut nudged).await);
        clock.advance_ms(1);
        assert!(is_over(&mut nudged).await);
    }

    #[tokio::test]
    async fn the_earliest_of_what_is_told_counts_in_whatever_order_it_comes() {
        for order in [[100, 900, 500], [900, 500, 100], [500, 100, 900]] {
            let Rig { clock, delays, mut promote, .. } = Rig::new();
            promote.act().await.expect("the model promotes");
            // At once, as they come from one row of the feed: nobody looks in between.
            order.iter().for_each(|ms| delays.tell(START.plus_ms(*ms).ms()));
            let mut nudged: Waiting<'_> = promote.nudged();
            clock.advance_ms(99);
            assert!(!is_over(&mut nudged).await, "{order:?}");
            clock.advance_ms(1);
            assert!(is_over(&mut nudged).await, "{order:?}");
        }
    }

    #[tokio::test]
    async fn an_earlier_due_time_is_taken_up_while_it_waits_for_a_later_one() {
        let Rig { clock, delays, mut promote, .. } = Rig::new();
        promote.act().await.expect("the model promotes");
        delays.tell(START.plus_ms(900).ms());
        let mut nudged: Waiting<'_> = promote.nudged();
        assert!(!is_over(&mut nudged).await);
        delays.tell(START.plus_ms(200).ms());
        assert!(!is_over(&mut nudged).await);
        clock.advance_ms(200);
        assert!(is_over(&mut nudged).await);
    }

    #[tokio::test]
    async fn what_was_told_before_a_look_is_not_waited_for_again() {
        let mut rig = Rig::new();
        rig.insert(1, START.plus_ms(100)).await;
        rig.delays.tell(START.plus_ms(100).ms());
        assert_eq!(rig.promote.act().await.expect("the model promotes").sleep_ms, 100);
        rig.clock.advance_ms(100);
        assert_eq!(rig.promote.act().await.expect("the model promotes").sleep_ms, SLEEP_MS_MAX);
        assert!(!is_over(&mut rig.promote.nudged()).await);
    }

    #[tokio::test]
    async fn due_times_are_the_ledgers_whatever_this_process_thinks_the_time_is() {
        for ahead_ms in [-5_000, 5_000] {
            let Rig { clock, delays, mut promote, .. } = Rig::behind_ms(ahead_ms);
            promote.act().await.expect("the model promotes");
            delays.tell(START.plus_ms(ahead_ms + 300).ms());
            let mut nudged: Waiting<'_> = promote.nudged();
            clock.advance_ms(299);
            assert!(!is_over(&mut nudged).await, "{ahead_ms}");
            clock.advance_ms(1);
            assert!(is_over(&mut nudged).await, "{ahead_ms}");
        }
    }

    #[tokio::test]
    async fn more_than_a_commit_may_hold_follows_at_once_in_others() {
        let mut rig = Rig::new();
        rig.insert(2 * DUE_MAX + 1, START).await;
        let mut sleeps = Vec::new();
        for _ in 0..3 {
            sleeps.push(rig.promote.act().await.expect("the model promotes").sleep_ms);
        }
        assert_eq!(sleeps, [0, 0, SLEEP_MS_MAX]);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_it_look_again() {
        let Rig { clock, delays, mut promote, .. } = Rig::new();
        promote.act().await.expect("the model promotes");
        delays.tell(START.plus_ms(300).ms());
        let mut nudged: Waiting<'_> = promote.nudged();
        assert!(!is_over(&mut nudged).await);
        clock.advance_ms(-3_600_000);
        assert!(is_over(&mut nudged).await, "or it would sleep for an hour, though the ledger's clock may not be its own");
    }
}
