//! The bench measures what it says: its ceiling does every step of every job, its scenarios run and account for each, and
//! a debug build gives no figures. How fast anything is, is not tested.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use windrow_tests::{
    bench::{self, LedgerKind, Options, Said, Scenario, limit::Limit, report::Line},
    postgres::Postgres,
    redis::Redis,
    server::run,
};

use crate::documents::read;

/// The jobs of a slice: a whole number of batches.
const JOBS: u64 = 200;
/// What the ceiling may be, in lines.
const LIMIT_LINES_MAX: usize = 200;
/// Every job of the ceiling, told by how far it came: state, claims, whether the payload came back, started and finished.
const OUTCOMES: &str = "SELECT CAST(count(*) AS bigint) FROM limit_jobs WHERE state = 5 AND attempt = 1 AND result = payload \
     AND started_at IS NOT NULL AND finished_at IS NOT NULL";
const ROWS: &str = "SELECT CAST(count(*) AS bigint) FROM limit_jobs";

/// Sends jobs through a pipeline from many callers at once, until all are completed.
async fn run_through(limit: &Limit) {
    let mut working = limit.work().await.expect("the consumers start");
    let inserts = (0..50).map(|number| limit.insert(if number % 2 == 0 { 1 } else { 7 }));
    for inserted in futures::future::join_all(inserts).await {
        inserted.expect("an insert");
    }
    let completed = async {
        while limit.completed.load(Ordering::Relaxed) < JOBS {
            assert!(working.try_join_next().is_none_or(|ended| ended.expect("no panic").is_ok()), "a consumer fails");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), completed).await.expect("all are completed");
}

#[tokio::test]
async fn the_ceiling_completes_every_job_once_over_postgres_and_redis() {
    let (postgres, redis) = (Postgres::shared().await, Redis::start().await);
    let database = postgres.database().await;
    let limit = Limit::postgres(&database, redis.client(), "a payload", true).await.expect("the pipeline starts");
    run_through(&limit).await;
    let mut connection = PgConnection::connect(&database).await.expect("a connection");
    let rows: i64 = sqlx::query_scalar(ROWS).fetch_one(&mut connection).await.expect("the rows");
    let done: i64 = sqlx::query_scalar(OUTCOMES).fetch_one(&mut connection).await.expect("the rows");
    assert_eq!((rows, done, limit.completed.load(Ordering::Relaxed)), (200, 200, JOBS));
}

#[tokio::test]
async fn the_ceiling_completes_every_job_once_over_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("limit.db");
    let limit = Limit::sqlite(&path, "a payload", true).await.expect("the pipeline starts");
    run_through(&limit).await;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("a connection");
    let rows: i64 = sqlx::query_scalar(ROWS).fetch_one(&mut connection).await.expect("the rows");
    let done: i64 = sqlx::query_scalar(OUTCOMES).fetch_one(&mut connection).await.expect("the rows");
    assert_eq!((rows, done, limit.completed.load(Ordering::Relaxed)), (200, 200, JOBS));
}

#[tokio::test]
async fn a_ceiling_of_inserts_hands_nothing_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let limit = Limit::sqlite(&folder.path().join("limit.db"), "a payload", false).await.expect("the pipeline starts");
    limit.insert(3).await.expect("an insert");
    let mut hand = limit.hand().await.expect("a hand");
    let step = tokio::time::timeout(Duration::from_millis(50), hand.step(1)).await;
    assert!(step.is_err(), "there is nothing to claim");
}

#[test]
fn the_ceiling_is_bare() {
    let lines = read("tests/harness/bench/limit.rs").lines().count();
    assert!(lines <= LIMIT_LINES_MAX, "{lines} lines");
}

/// Runs every scenario with few jobs, and returns what was said.
async fn smoke(ledger: LedgerKind, options: &Options) -> (Value, Vec<Line>) {
    let (mut environment, mut lines, began) = (Value::Null, Vec::new(), Instant::now());
    let say = |said| match said {
        Said::Environment(said) => environment = said,
        Said::Line(line) => {
            println!("after {:.1} s: {line:?}", began.elapsed().as_secs_f64());
            lines.push(*line);
        }
        Said::Warning(_) => {}
    };
    bench::run(&Scenario::ALL, &[ledger], options, say).await.expect("every job is accounted for");
    (environment, lines)
}

/// Slices end by their count of jobs, never by the clock.
fn few() -> Options {
    Options {
        duration: Duration::from_secs(120),
        rounds: 1,
        jobs: Some(JOBS),
        connections: 4,
        workers: 2,
        slots: 16,
        batch: 10,
        rate: 100,
        load: 100,
        spread_ms: 100,
        redis: true,
    }
}

fn check_lines(ledger: &str, lines: &[Line]) {
    let names: Vec<_> = lines.iter().map(|line| line.scenario.as_str()).collect();
    assert_eq!(names, Scenario::ALL.map(|scenario| scenario.to_string()));
    for line in lines {
        let json = serde_json::to_value(line).expect("a line has a JSON form");
        let with_due_times = ["delayed", "storm", "schedules"].contains(&line.scenario.as_str());
        assert_eq!((line.jobs == JOBS, json["ledger"].as_str()), (!with_due_times, Some(ledger)), "{json}");
        assert!(line.jobs_per_s > 0.0 && line.baseline.jobs_per_s > 0.0, "{json}");
        let ratio = match (line.baseline.latency, line.p50_ms) {
            (Some(latency), Some(p50_ms)) => latency.p50_ms / p50_ms,
            _ => line.jobs_per_s / line.baseline.jobs_per_s,
        };
        assert!((line.ratio - ratio).abs() < 0.01, "{json}");
        let compared_with = match line.scenario.as_str() {
            "delayed" => "immediate",
            "storm" => "calm",
            "schedules" => "decided",
            _ => "limit",
        };
        assert_eq!(json["baseline"]["name"], compared_with);
        check_parts(line);
        let timed = line.scenario != "drain";
        for key in ["p50_ms", "p99_ms"] {
            assert_eq!(json.get(key).map(Value::is_number), Some(timed), "{key} of {json}");
        }
        assert!(line.p50_ms <= line.p99_ms, "{json}");
        let with_apalis = !with_due_times && !line.scenario.starts_with("submit");
        assert_eq!(line.also.iter().map(|also| also.name.as_str()).collect::<Vec<_>>(), if with_apalis { vec!["apalis"] } else { vec![] });
        let is_latency = line.scenario == "latency";
        assert_eq!(
            (line.until_final.is_some(), json["baseline"]["p50_ms"].is_number()),
            (is_latency, is_latency || with_due_times),
            "{json}"
        );
        assert_eq!(line.row().len(), bench::report::HEADS.len());
    }
}

/// Everything that the scenario tells apart was timed, and every job of it once.
fn check_parts(line: &Line) {
    let timed = |name: &str| line.parts.iter().filter(|part| part.name.contains(name)).map(|part| part.timed).sum::<u64>();
    match line.scenario.as_str() {
        "delayed" => {
            assert_eq!(line.parts.len(), 6, "{line:?}");
            assert_eq!((timed("idle"), timed("loaded")), (JOBS, JOBS), "{line:?}");
            // Those, as many immediate ones, and the load.
            assert!(line.jobs > 3 * JOBS, "{line:?}");
        }
        "storm" => {
            assert_eq!((timed("the storm's own"), timed("calm: to the 202") > 0), (JOBS, true), "{line:?}");
            let immediate: u64 = line.parts.iter().filter(|part| !part.name.starts_with("the storm")).map(|part| part.timed).sum();
            assert_eq!(line.jobs, JOBS + immediate, "{line:?}");
        }
        "schedules" => {
            assert_eq!((timed("nothing to decide"), timed("decides 10"), timed("to its decision")), (100, 2, JOBS / 10), "{line:?}");
            // Those of the looks too.
            assert!(line.jobs >= JOBS / 10 + 2 * 10, "{line:?}");
        }
        _ => assert!(line.parts.is_empty(), "{line:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_runs_over_sqlite_and_accounts_for_every_job() {
    let (environment, lines) = smoke(LedgerKind::Sqlite, &few()).await;
    check_lines("sqlite", &lines);
    assert_eq!(environment["servers"]["sqlite"]["synchronous"], "FULL");
    assert!(environment["generator_requests_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{environment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_runs_over_a_cluster_and_accounts_for_every_job() {
    let (environment, lines) = smoke(LedgerKind::Postgres, &few()).await;
    check_lines("postgres", &lines);
    let postgres = &environment["servers"]["postgres"];
    assert_eq!((&postgres["fsync"], &postgres["synchronous_commit"]), (&json!("on"), &json!("on")));
    assert!(environment["servers"]["redis"]["version"].is_string(), "{environment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_is_measured_at_the_rate_that_was_asked_for() {
    let options = Options { jobs: Some(20), rate: 100, ..few() };
    let mut lines = Vec::new();
    let say = |said| lines.extend(if let Said::Line(line) = said { Some(line) } else { None });
    bench::run(&[Scenario::Latency], &[LedgerKind::Sqlite], &options, say).await.expect("every job is accounted for");
    // The last of twenty jobs is due after 190 ms.
    assert_eq!((lines.len(), lines[0].jobs), (1, 20));
    assert!(lines[0].jobs_per_s <= 106.0, "{:?}", lines[0]);
}

#[tokio::test]
async fn a_debug_build_gives_no_figures_and_says_what_to_build() {
    let refused = run("windrow", &["bench", "submit", "--ledger", "sqlite", "--output", "json"], &[]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
    let complaint: Value = serde_json::from_str(refused.stderr.trim()).unwrap_or_else(|error| panic!("{error}: {refused:?}"));
    let said = complaint["error"].as_str().unwrap_or_default();
    assert!(said.starts_with("this is a debug build") && said.contains(bench::BUILD), "{said}");
    let unknown = run("windrow", &["bench", "sing", "--ledger", "sqlite"], &[]).await;
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
}
