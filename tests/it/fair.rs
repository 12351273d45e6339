//! No tenant starves another: one floods, twenty are quiet, on the real binaries. Measured in jobs and not in time.
//!
//! The bound is the planner's (`jobs/src/dispatch/plan.rs`): what is ahead of a quiet job is at most the window W, which
//! was handed out before the planner knew of it, and one round, which is one job of every other lane. W is the slots
//! and those that free within 50 ms by the rate of the last half second (`window.rs`). A job takes 100 ms at least, so
//! that S slots free no more than 10 S times a second: W is at most S + S/2, or twice S with what is counted in a burst.

use serde_json::{Value, json};
use windrow_jobs::clock::{Clock, SystemClock};
use windrow_tests::{
    cluster::{Cluster, Shape},
    server::{Client, Server, is_final, ms},
};

/// What the flooder submits at once.
const FLOOD: usize = 3_000;
const QUIET_TENANTS: usize = 20;
/// How often each quiet tenant submits a job, once its last one is done.
const ROUNDS: usize = 3;
const SLEEP_MS: u32 = 100;

#[tokio::test]
async fn a_flood_delays_quiet_tenants_by_no_more_than_the_window_and_one_round() {
    let server = Server::start_with(&[("WINDROW_QUEUES", "default=16")]).await;
    check_bound(&server, 16).await;
}

#[tokio::test]
async fn nor_does_it_in_a_cluster() {
    let variables = [("WINDROW_QUEUES", "default=6")];
    let cluster = Cluster::of(Shape { apis: 1, workers: 3, schedulers: 2, redis: true, proxied: false, variables: &variables }).await;
    check_bound(&cluster, 18).await;
}

/// A job of a quiet tenant, and when it had surely been submitted.
struct Quiet {
    tenant: String,
    id: Value,
    accepted_ms: i64,
}

async fn check_bound(client: &Client, slots: usize) {
    let bound = 2 * slots + QUIET_TENANTS;
    let flooder = client.of_tenant("flooder");
    flood(&flooder).await;
    flooder.until_list("state=completed&page_size=1000", "under way", |done| done.len() >= slots).await;
    let quiet = submit_now_and_then(client).await;

    let mut others = flooder.list_all("").await;
    let mut quiet_jobs = Vec::new();
    for job in &quiet {
        let seen = client.of_tenant(&job.tenant).get(&json!({ "id": job.id })).await;
        assert_eq!(seen["attempt"], 1, "{seen}");
        quiet_jobs.push(seen);
    }
    others.extend(quiet_jobs.iter().cloned());
    let starts: Vec<i64> = others.iter().filter(|job| !job["started_at"].is_null()).map(|job| ms(job, "started_at")).collect();
    let mut most = 0;
    for (job, seen) in quiet.iter().zip(&quiet_jobs) {
        let started_ms = ms(seen, "started_at");
        // In between, by the milliseconds of one machine's clock.
        let ahead = starts.iter().filter(|start| job.accepted_ms < **start && **start < started_ms).count();
        assert!(ahead <= bound, "{ahead} jobs started before {seen}, the bound is {bound}");
        most = most.max(ahead);
    }
    println!("at most {most} jobs started before a quiet one; the bound is {bound}");
    // In the order of submission every one of them would have waited for the whole flood.
    let flooding = flooder.list("state=available&page_size=1000").await.len();
    assert!(flooding > bound, "the flood was on all the time: {flooding} left");
}

async fn flood(flooder: &Client) {
    let job = json!({ "kind": "echo", "payload": { "sleep_ms": SLEEP_MS } });
    let batch = Value::Array(vec![job; FLOOD]);
    let answer = flooder.send(reqwest::Method::POST, "/v1/jobs/batch", &[], Some(batch)).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(FLOOD)), "{}", answer.body["rejected"]);
}

async fn submit_now_and_then(client: &Client) -> Vec<Quiet> {
    let mut quiet = Vec::new();
    for _ in 0..ROUNDS {
        for number in 0..QUIET_TENANTS {
            let tenant = format!("quiet-{number}");
            let job = client.of_tenant(&tenant).echo(json!({ "sleep_ms": SLEEP_MS })).await;
            quiet.push(Quiet { tenant, id: job["id"].clone(), accepted_ms: SystemClock.now().ms() });
        }
        for job in quiet.iter().rev().take(QUIET_TENANTS) {
            let of_tenant = client.of_tenant(&job.tenant);
            of_tenant.until(&json!({ "id": job.id }), "completed", |seen| is_final(seen) && seen["state"] == "completed").await;
        }
    }
    quiet
}
