//! The promise of schedules: each expected fire happens exactly once, whoever dies when.
//!
//! `kill.rs` fails every step of the transaction that decides; `schedulers.rs` and `standalone.rs` kill the real binaries;
//! `clocks.rs` sets the clocks of leader and ledger against each other.

mod clocks;
mod kill;
mod schedulers;
mod standalone;

use std::collections::BTreeSet;

use serde_json::json;
use windrow_jobs::{
    clock::Timestamp,
    job::JobId,
    ledger::{Inspect, Ledger, ListFilter, ScheduleKey, Timetable},
    schedule::{Fire, FireStatus, Schedule, ScheduleId},
};
use windrow_tests::{
    jobs::{ALL, ALL_JOBS, tenant},
    schedules::{definition, done, rules},
};

/// What became of a schedule's fires.
struct Account {
    /// How many fires there are.
    fires: usize,
    /// The jobs that they submitted.
    jobs: BTreeSet<JobId>,
}

/// The fires of a schedule, oldest first.
async fn fires_of(ledger: &impl Timetable, schedule: &Schedule) -> Vec<Fire> {
    let mut fires = ledger.fires(&schedule.tenant, schedule.id, None, None, ALL).await.expect("fires");
    fires.reverse();
    fires
}

/// Checks a schedule that submits a job at each instant, all `interval_ms` from its first to `until`: each instant has one
/// row, each row a job of its own, and their numbers have neither a gap nor a repeat.
async fn check_series(ledger: &impl Timetable, made: &Schedule, interval_ms: i64, until: Timestamp) -> Account {
    let name = &made.definition.name;
    let first = made.next_fire_at.expect("it expects fires");
    let fires = fires_of(ledger, made).await;
    let instants: Vec<i64> = fires.iter().map(|fire| fire.fire_at.ms_since(first)).collect();
    let expected: Vec<i64> = (0..).map(|place| place * interval_ms).take_while(|after_ms| first.plus_ms(*after_ms) <= until).collect();
    assert_eq!(instants, expected, "{name}: every instant from {first} to {until}, and each once");
    let mut jobs = BTreeSet::new();
    for (fire, n) in fires.iter().zip(1..) {
        assert_eq!((fire.status, fire.n), (FireStatus::Fired, Some(n)), "{name}: {fire:?}");
        assert!(fire.job_id.is_some_and(|job| jobs.insert(job)), "{name}: {fire:?} has a job of its own");
    }
    Account { fires: fires.len(), jobs }
}

/// Checks that these are all the jobs there are, and that the ledger's accounts balance.
async fn check_jobs(ledger: &impl Inspect, of: &Schedule, jobs: &BTreeSet<JobId>) {
    let listed = ledger.list(&of.tenant, &ListFilter::default(), ALL_JOBS).await.expect("list").jobs;
    let kept: BTreeSet<JobId> = listed.iter().map(|job| job.id).collect();
    assert!(kept == *jobs, "{} jobs were submitted by fires, {} are kept", jobs.len(), kept.len());
    let balances = ledger.balances().await.expect("balances");
    assert!(balances.iter().all(|balance| balance.holds()), "{balances:?}");
    let accepted: i64 = balances.iter().filter(|balance| balance.tenant == of.tenant).map(|balance| balance.accepted).sum();
    assert_eq!(accepted, jobs.len() as i64, "{balances:?}");
}

/// Makes so many schedules, in turn each second and each two seconds.
async fn create_many(ledger: &impl Timetable, schedules: usize) -> Vec<Schedule> {
    let mut made = Vec::with_capacity(schedules);
    for number in 0..schedules {
        let definition = definition(&format!("schedule-{number}"), json!({ "cron": format!("@every {}s", interval_s(number)) }));
        made.push(done(ledger.create_schedule(ScheduleId::generate(), &tenant(), definition).await.expect("create")));
    }
    made
}

fn interval_s(number: usize) -> i64 {
    if number.is_multiple_of(2) { 1 } else { 2 }
}

/// Decides what is still due, now that nobody else does, and checks every fire of what [`create_many`] made. Returns how many
/// there are, and by how much the latest was late.
async fn settle_account<L: Ledger>(ledger: &L, made: &[Schedule]) -> (usize, i64) {
    let now = ledger.now().await.expect("now");
    while ledger.fire(&rules(), ALL).await.expect("fire").schedules > 0 {}
    let (mut fires, mut jobs, mut latest_ms) = (0, BTreeSet::new(), 0);
    for (number, schedule) in made.iter().enumerate() {
        let stands = ledger.schedule(&schedule.tenant, &ScheduleKey::Id(schedule.id)).await.expect("schedule").expect("it is there");
        let next = stands.next_fire_at.expect("it expects more");
        assert!(next > now, "{}: all until {now} is decided", schedule.definition.name);
        let mut account = check_series(ledger, schedule, interval_s(number) * 1_000, next.plus_ms(-1)).await;
        fires += account.fires;
        let before = jobs.len();
        let of_this = account.jobs.len();
        jobs.append(&mut account.jobs);
        assert_eq!(jobs.len(), before + of_this, "no two fires share a job");
        latest_ms = fires_of(ledger, schedule).await.iter().map(|fire| fire.late_ms).fold(latest_ms, i64::max);
    }
    check_jobs(ledger, &made[0], &jobs).await;
    (fires, latest_ms)
}
