//! Clocks that disagree: the leader's own is minutes off, or the ledger's is set. Fires happen by the ledger's alone.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::{Clock, VirtualClock},
    connection::seal::Keyring,
    dispatch::carrier::channel::ChannelCarrier,
    ledger::{Retention, Timetable, sqlite::SqliteLedger},
    objects::{folder::FolderObjects, link::Signer},
    schedule::{Schedule, ScheduleId},
    search::model::ModelSearch,
};
use windrow_scheduler::Scheduler;
use windrow_tests::{
    jobs::tenant,
    ledgers::{self, START},
    schedules::{definition, done},
};

use super::{check_jobs, check_series, fires_of};

/// Minutes, and no whole number of them.
const OFF_MS: i64 = 7 * 60_000 + 123;
/// The time between two fires.
const EVERY_MS: i64 = 10_000;
/// How far the clocks move at once.
const STEP_MS: i64 = 500;
/// More than any wait of a test that passes.
const WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

static NOTHING: LazyLock<serde_json::Value> = LazyLock::new(|| serde_json::json!({}));

/// A scheduler in this process, whose clock is its own.
struct Rig {
    clock: VirtualClock,
    ledger_clock: VirtualClock,
    ledger: SqliteLedger,
    made: Schedule,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn start(off_ms: i64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (clock, ledger_clock) = (VirtualClock::starting_at(START.plus_ms(off_ms)), ledgers::clock());
        let path = folder.path().join("ledger.sqlite");
        let ledger = SqliteLedger::open(&path, Arc::new(ledger_clock.clone())).await.expect("it opens");
        let made = ledger.create_schedule(ScheduleId::generate(), &tenant(), definition("schedule", NOTHING.clone())).await;
        let signer = Signer::new(b"a master key of a test");
        let scheduler = Scheduler {
            name: "scheduler".into(),
            ledger: Arc::new(ledger.clone()),
            carrier: Arc::new(ChannelCarrier::default()),
            clock: Arc::new(clock.clone()),
            objects: Arc::new(FolderObjects::open(folder.path(), signer, String::new()).expect("a folder store")),
            search: Arc::new(ModelSearch::new(Arc::new(clock.clone()))),
            keyring: Keyring::default(),
            retention: Retention::default(),
            late_after_s: 10,
            hears_all: true,
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(scheduler.run(stop.clone()));
        let made = done(made.expect("it is created"));
        Self { clock, ledger_clock, ledger, made, stop, running, _folder: folder }
    }

    /// Moves both clocks until the ledger's shows `until_ms` after the start, and waits at each instant for its fire.
    async fn pass_until(&self, until_ms: i64) {
        while self.passed_ms() < until_ms {
            self.clock.advance_ms(STEP_MS);
            self.ledger_clock.advance_ms(STEP_MS);
            self.until_fired(self.passed_ms() / EVERY_MS).await;
        }
    }

    /// By how much the ledger's clock has moved since the start.
    fn passed_ms(&self) -> i64 {
        self.ledger_clock.now().ms_since(START)
    }

    /// Waits until so many fires are decided; there are never more. The scheduler's clock goes on meanwhile: it may
    /// have looked just before the ledger's moved.
    async fn until_fired(&self, fires: i64) {
        let decided = async {
            loop {
                let decided = fires_of(&self.ledger, &self.made).await.len() as i64;
                assert!(decided <= fires, "{decided} fires at {} ms, and {fires} are due", self.passed_ms());
                if decided == fires {
                    return;
                }
                self.clock.advance_ms(1);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(WAIT_MAX, decided).await.unwrap_or_else(|_| panic!("not {fires} fires at {} ms", self.passed_ms()));
    }

    async fn end(self) {
        self.stop.cancel();
        // Whoever pauses by the clock sees the stop first.
        self.running.await.expect("it ends");
    }
}

#[tokio::test]
async fn a_leader_whose_clock_is_minutes_off_fires_at_the_ledgers_instants() {
    for off_ms in [-OFF_MS, OFF_MS] {
        let rig = Rig::start(off_ms).await;
        rig.pass_until(6 * EVERY_MS).await;
        let account = check_series(&rig.ledger, &rig.made, EVERY_MS, START.plus_ms(6 * EVERY_MS)).await;
        assert_eq!(account.fires, 6, "{off_ms}");
        check_jobs(&rig.ledger, &rig.made, &account.jobs).await;
        let late = fires_of(&rig.ledger, &rig.made).await.iter().map(|fire| fire.late_ms).max();
        assert_eq!(late, Some(0), "{off_ms}: each is decided at its instant");
        rig.end().await;
    }
}

#[tokio::test]
async fn a_ledger_whose_clock_is_set_back_and_on_loses_and_doubles_no_fire() {
    let rig = Rig::start(0).await;
    rig.pass_until(3 * EVERY_MS).await;
    // Back by minutes: what was decided stays, and nothing fires until the clock has caught up.
    rig.ledger_clock.advance_ms(-OFF_MS);
    for _ in 0..20 {
        rig.clock.advance_ms(STEP_MS);
        rig.until_fired(3).await;
    }
    // On again, and half a minute further than it was: what lies between is decided, late, and each once.
    rig.ledger_clock.advance_ms(OFF_MS + 3 * EVERY_MS);
    rig.until_fired(6).await;
    rig.pass_until(8 * EVERY_MS).await;
    let account = check_series(&rig.ledger, &rig.made, EVERY_MS, START.plus_ms(8 * EVERY_MS)).await;
    assert_eq!(account.fires, 8);
    check_jobs(&rig.ledger, &rig.made, &account.jobs).await;
    rig.end().await;
}
