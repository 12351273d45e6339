//! The kill matrix: a worker is killed at each point between an effect's intent and the job's end, by each policy, over both
//! databases; then another takes the job over. `-- --no-capture` prints the matrix.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use windrow_jobs::{
    clock::SystemClock,
    effect::{Policy, Standing},
    job::{JobId, State},
    ledger::{Effects, Ledger, postgres::PostgresLedger, sqlite::SqliteLedger},
    lifecycle::Ending,
    submit::NewJob,
};
use windrow_tests::{
    jobs::{decided, insert, ready, tenant},
    postgres::Postgres,
    server::Process,
};

const POLICIES: [Policy; 4] = [Policy::Ask, Policy::Resend, Policy::Drop, Policy::Park];
/// Where the worker is killed, in their order.
const POINTS: [&str; 7] = [
    "before the intent",
    "after the intent",
    "before the call",
    "after the call",
    "before the confirmation",
    "after the confirmation",
    "before the ending",
];
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the outside world saw in the end.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// How often the provider was called.
    calls: usize,
    /// How the job ended.
    state: State,
    /// How the effect stands.
    standing: Standing,
    /// How often a redelivery found it unknown.
    unknowns: u32,
}

/// What a policy promises of a worker that is killed here.
fn promised(policy: Policy, point: &str) -> Seen {
    let place = POINTS.iter().position(|one| *one == point).expect("a point");
    let called = usize::from(place >= 3);
    let (calls, state, standing, unknowns) = match (place, policy) {
        // Nothing is known of it: it is a first try.
        (0, _) => (1, State::Completed, Standing::Confirmed, 0),
        // Confirmed: whatever the policy, it is not repeated.
        (5.., _) => (1, State::Completed, Standing::Confirmed, 0),
        (_, Policy::Ask) => (1, State::Completed, Standing::Confirmed, 1),
        (_, Policy::Resend) => (called + 1, State::Completed, Standing::Confirmed, 1),
        (_, Policy::Drop) => (called, State::Completed, Standing::Dropped, 1),
        (_, Policy::Park) => (called, State::Dead, Standing::Parked, 1),
    };
    Seen { calls, state, standing, unknowns }
}

#[tokio::test]
async fn a_worker_killed_at_any_point_repeats_no_confirmed_effect_over_sqlite() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("ledger.sqlite");
    let ledger = SqliteLedger::open(&file, Arc::new(SystemClock)).await.expect("the ledger opens");
    matrix("sqlite", &ledger, &ledger, file.to_str().expect("a path"), folder.path()).await;
}

#[tokio::test]
async fn a_worker_killed_at_any_point_repeats_no_confirmed_effect_over_postgresql() {
    let folder = TempDir::new().expect("a folder");
    let url = Postgres::shared().await.database().await;
    let ledger = PostgresLedger::open(&url).await.expect("the ledger opens");
    matrix("postgres", &ledger, &ledger, &url, folder.path()).await;
}

async fn matrix(name: &str, ledger: &dyn Ledger, effects: &dyn Effects, place: &str, folder: &Path) {
    let mut confirmed_repeated = 0;
    for policy in POLICIES {
        for point in POINTS {
            let seen = play(ledger, effects, place, folder, policy, point).await;
            println!("{name:8} {policy:?} killed {point:24} -> {seen:?}");
            assert_eq!(seen, promised(policy, point), "{name} {policy:?} {point}");
            if ["after the confirmation", "before the ending"].contains(&point) {
                confirmed_repeated += seen.calls - 1;
            }
        }
    }
    assert_eq!(confirmed_repeated, 0);
}

async fn play(ledger: &dyn Ledger, effects: &dyn Effects, place: &str, folder: &Path, policy: Policy, point: &str) -> Seen {
    let job = JobId::generate();
    insert(ledger, [NewJob { id: job, kind: "mail".into(), ..ready(1) }]).await;
    let books = folder.join(format!("{job}.books"));
    let orders = |attempt: u32, stop: Option<&str>| {
        json!({ "ledger": place, "job": job, "attempt": attempt, "policy": policy, "stop": stop, "reached": folder.join("reached"), "books": books })
            .to_string()
    };
    killed(&orders(0, Some(point)), folder).await;
    // What the end of its lease comes to, without the wait for it and for the backoff.
    let running = ledger.reread(vec![job]).await.expect("reread").pop().expect("the job");
    let released = decided(&running, Ending::Interrupted, ledger.now().await.expect("the clock"));
    assert_eq!(ledger.settle(vec![released]).await.expect("settle"), [true], "{policy:?} {point}");
    let mut process = Process::spawn("effecting", &[&orders(running.attempt, None)], &[], folder);
    assert!(process.exited().await.success(), "{policy:?} {point}: {}", process.log());
    let after = ledger.get(&tenant(), job).await.expect("get").expect("the job");
    let kept = effects.effects(&tenant(), job).await.expect("effects").pop().expect("an effect");
    let calls = std::fs::read_to_string(&books).unwrap_or_default().lines().count();
    Seen { calls, state: after.state, standing: kept.facts.standing, unknowns: kept.facts.unknowns }
}

/// Has a process run the attempt, and kills it when it has come to where it stops.
async fn killed(orders: &str, folder: &Path) {
    let reached: PathBuf = folder.join("reached");
    let _ = std::fs::remove_file(&reached);
    let mut process = Process::spawn("effecting", &[orders], &[], folder);
    while !reached.exists() {
        process.check_alive();
        tokio::time::sleep(LOOK_EVERY).await;
    }
    process.kill();
    process.exited().await;
}
