//! The cluster's promises, on the real binaries over a real PostgreSQL: api, three workers, two schedulers.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use windrow_tests::{
    cluster::{Cluster, Shape},
    server::{Client, ms},
};

/// The jobs of a mixed load: every tenth fails twice, every seventh sleeps, some write logs.
fn mixed(number: usize) -> Value {
    match number {
        n if n.is_multiple_of(10) => json!({ "message": format!("{n}"), "fail_times": 2 }),
        n if n.is_multiple_of(7) => json!({ "message": format!("{n}"), "sleep_ms": 400 }),
        n => json!({ "message": format!("{n}"), "log_lines": n % 5 }),
    }
}

#[tokio::test]
async fn a_mixed_load_completes_over_a_killed_and_a_drained_worker() {
    const JOBS: usize = 1_000;
    let mut cluster = Cluster::start(3, 2, &[]).await;
    let mut accepted = Vec::with_capacity(JOBS);
    for number in 0..JOBS {
        accepted.push(cluster.echo(mixed(number)).await);
    }
    // Long ones, so that both workers surely hold something when they go.
    let mut long = Vec::new();
    for _ in 0..30 {
        long.push(cluster.echo(json!({ "sleep_ms": 3_000 })).await);
    }
    cluster.until_list("state=running&page_size=1000", "busy with long jobs", |running| running.len() >= 20).await;
    cluster.workers[0].kill();
    cluster.workers[1].terminate();
    let drained = cluster.workers[1].exited().await;
    assert!(drained.success(), "a drained worker ends well: {drained}");

    for job in &accepted {
        assert_eq!(cluster.wait(job).await["state"], "completed");
    }
    let mut lost = 0;
    for job in &long {
        let job = cluster.wait(job).await;
        assert_eq!(job["state"], "completed");
        let attempts = cluster.attempts(&job).await;
        let reasons: Vec<_> = attempts.iter().map(|attempt| attempt["reason"].as_str()).collect();
        match reasons.as_slice() {
            // A claim that was on its way when its worker was told to stop is handed back, uncharged.
            [None] | [Some("shutdown"), None] => assert_eq!(job["crashes"], 0),
            [Some("lease_lost"), None] => {
                lost += 1;
                assert_eq!(job["crashes"], 1);
            }
            other => panic!("neither a crash, a release nor a clean run: {other:?}"),
        }
    }
    assert!(lost > 0, "the killed worker held long jobs");
    for job in accepted.iter().step_by(10) {
        let outcomes: Vec<_> = cluster.attempts(job).await.iter().map(|attempt| attempt["outcome"].clone()).collect();
        // Each of the first two attempts fails, unless it was handed back by the worker that was told to stop.
        let [failed @ .., last] = outcomes.as_slice() else { panic!("no attempt is on record") };
        assert!(failed.len() >= 2 && failed.iter().all(|outcome| outcome == "retry" || outcome == "released"), "{outcomes:?}");
        assert_eq!(last, "completed");
    }
}

#[tokio::test]
async fn a_job_submitted_to_a_cluster_without_a_leader_runs_once_the_standby_leads() {
    let mut cluster = Cluster::start(1, 2, &[]).await;
    cluster.wait(&cluster.echo(json!({})).await).await;
    cluster.kill_leader().await;
    let job = cluster.echo(json!({ "message": "after" })).await;
    assert_eq!(cluster.wait(&job).await["result"], json!({ "message": "after" }));
    assert_eq!(cluster.attempts(&job).await.len(), 1);
}

#[tokio::test]
async fn a_capped_lane_never_runs_more_over_a_leader_fail_over() {
    check_cap(Cluster::start(3, 2, &[]).await).await;
}

#[tokio::test]
async fn nor_does_it_where_redis_carries_the_tickets() {
    check_cap(Cluster::of(Shape { apis: 1, workers: 3, schedulers: 2, redis: true, proxied: false, variables: &[] }).await).await;
}

async fn check_cap(mut cluster: Cluster) {
    const CAP: usize = 5;
    cluster.limit("default", json!({ "concurrency": CAP })).await;
    let mut jobs = Vec::new();
    for _ in 0..60 {
        jobs.push(cluster.echo(json!({ "sleep_ms": 500 })).await);
    }
    let watching = Watch::start(&cluster);
    cluster.until_list("state=completed&page_size=1000", "a third done", |done| done.len() >= 20).await;
    let epoch = cluster.epoch().await;
    cluster.kill_leader().await;
    let mut ended = Vec::new();
    for job in &jobs {
        let job = cluster.wait(job).await;
        assert_eq!((&job["state"], &job["attempt"]), (&json!("completed"), &json!(1)), "{job}");
        ended.push(job);
    }
    assert!(cluster.epoch().await > epoch, "another has led");
    let most = watching.stop().await;
    assert!(most <= CAP, "{most} ran at once");
    // The ledger's own times leave nothing out between two looks.
    let most = ended.iter().map(|job| overlapping(&ended, ms(job, "started_at"))).max();
    assert_eq!(most, Some(CAP), "the cap is kept, and used");
}

/// How many of these ran at that moment.
fn overlapping(jobs: &[Value], at_ms: i64) -> usize {
    jobs.iter().filter(|job| ms(job, "started_at") <= at_ms && at_ms < ms(job, "finished_at")).count()
}

/// Looks at how many run, again and again.
struct Watch {
    stop: Arc<AtomicBool>,
    looking: tokio::task::JoinHandle<usize>,
}

impl Watch {
    fn start(client: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let looking = tokio::spawn({
            let (client, stop) = (client.clone(), stop.clone());
            async move {
                let mut most = 0;
                while !stop.load(Ordering::Relaxed) {
                    most = most.max(client.list("state=running&page_size=1000").await.len());
                }
                most
            }
        });
        Self { stop, looking }
    }

    /// The most that ran at once.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.await.expect("the watch looks on")
    }
}

#[tokio::test]
async fn what_is_accepted_while_postgres_crashes_is_what_ends() {
    let cluster = Cluster::start(2, 1, &[]).await;
    let submitting = tokio::spawn(submit_for(Client::clone(&cluster), 12));
    cluster.until_list("state=completed&page_size=100", "under way", |done| done.len() >= 50).await;
    cluster.postgres.stop("immediate");
    // The fault takes effect: the api knows that it cannot accept.
    cluster.until_status("/readyz", 503).await;
    let refused = cluster.send(reqwest::Method::POST, "/v1/jobs", &[], Some(json!({ "kind": "echo", "payload": {} }))).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    cluster.postgres.start();
    cluster.postgres.wait().await;

    let submitted = submitting.await.expect("the submitter ends");
    assert!(submitted.refused > 0, "some submissions met the outage");
    let mut ended = BTreeSet::new();
    for id in &submitted.accepted {
        let job = cluster.wait(&json!({ "id": id })).await;
        assert_eq!(job["state"], "completed", "{job}");
        ended.insert(id.clone());
    }
    assert_eq!(ended.len(), submitted.accepted.len());
}

/// What became of a stream of submissions.
struct Submitted {
    accepted: BTreeSet<String>,
    refused: usize,
}

/// Submits without pause for so many seconds, and remembers every id that was answered with 202.
async fn submit_for(client: Client, seconds: u64) -> Submitted {
    let mut submitted = Submitted { accepted: BTreeSet::new(), refused: 0 };
    let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while tokio::time::Instant::now() < until {
        let answer = client.send(reqwest::Method::POST, "/v1/jobs", &[], Some(json!({ "kind": "echo", "payload": {} }))).await;
        match answer.status {
            202 => submitted.accepted.insert(answer.body["id"].as_str().expect("an id").to_owned()),
            _ => {
                submitted.refused += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
                false
            }
        };
    }
    submitted
}
