//! Redis loses everything, dies, or stands still, under load: no job is lost, and jobs go on meanwhile.
//!
//! The floor while Redis is away is the ledger carrier's: rows, found every few milliseconds.

use std::time::{Duration, Instant};

use redis::AsyncCommands;
use windrow_jobs::{
    job::State,
    ledger::{Inspect, ListFilter},
};
use windrow_tests::{jobs::tenant, redis::Redis};

use super::rig::{Cluster, key, until};

/// Slots of the worker: 64 naps of 50 ms are 1,280 jobs a second at most.
const SLOTS: u32 = 64;
const NAP_MS: u32 = 50;
/// More than is done before and during a fault.
const JOBS: usize = 9_000;
/// Done before the fault.
const BEFORE: usize = 1_000;
/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(3);
/// Jobs that must be done each second while Redis is away: a third of what the slots can, in a debug build beside other
/// tests. Measured: 820 to 980.
const FLOOR_PER_S: f64 = 400.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_everything_loses_no_job() {
    let cluster = Cluster::start(SLOTS).await;
    cluster.release(JOBS, NAP_MS).await;
    for fraction in 1..=3 {
        cluster.wait_for(JOBS * fraction / 5).await;
        let before = workers(&cluster.redis).await;
        assert!(!before.is_empty(), "something is lost");
        cluster.redis.flush().await;
        assert!(cluster.ran() < JOBS, "it was flushed under load");
        until("the worker registers anew", async || {
            let after = workers(&cluster.redis).await;
            !after.is_empty() && after != before
        })
        .await;
    }
    all_complete(cluster, JOBS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_killed_delays_no_job() {
    let mut cluster = Cluster::start(SLOTS).await;
    cluster.release(JOBS, NAP_MS).await;
    cluster.wait_for(BEFORE).await;
    cluster.redis.kill();
    assert!(!cluster.redis.answers().await, "it is gone");
    goes_on_without(&cluster).await;
    assert!(!cluster.redis.answers().await, "it was gone all the time");
    cluster.redis.restart().await;
    comes_back(&cluster).await;
    all_complete(cluster, JOBS + 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_delays_no_job() {
    let cluster = Cluster::start(SLOTS).await;
    cluster.release(JOBS, NAP_MS).await;
    cluster.wait_for(BEFORE).await;
    cluster.redis.pause();
    goes_on_without(&cluster).await;
    assert!(!cluster.redis.answers().await, "it stood still all the time");
    cluster.redis.resume();
    comes_back(&cluster).await;
    all_complete(cluster, JOBS + 1_000).await;
}

/// Jobs are done while Redis is away, from the first second on.
async fn goes_on_without(cluster: &Cluster) {
    until("the worker sees that Redis is away", async || !cluster.worker.is_well()).await;
    let (began_at, mut before) = (Instant::now(), cluster.ran());
    while began_at.elapsed() < AWAY {
        assert!(before < JOBS, "it is under load");
        let second_at = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = cluster.ran();
        let per_s = (after - before) as f64 / second_at.elapsed().as_secs_f64();
        println!("without Redis: {per_s:.0} jobs/s");
        assert!(per_s >= FLOOR_PER_S, "{per_s:.0} jobs/s without Redis");
        before = after;
    }
}

/// Tickets come through Redis again.
async fn comes_back(cluster: &Cluster) {
    until("the worker sees that Redis is back", async || cluster.worker.is_well()).await;
    cluster.submit(1_000).await;
    let mut redis = cluster.redis.connection().await;
    until("tickets are pushed again", async || {
        let kept: usize = redis.clone().hlen(key("data")).await.expect("HLEN");
        kept > 0
    })
    .await;
    let scheduled: usize = redis.zcard(key("scheduled")).await.expect("ZCARD");
    assert_eq!(scheduled, 0);
}

/// Every job is completed, at its first attempt: a fault of Redis costs none.
async fn all_complete(cluster: Cluster, jobs: usize) {
    cluster.wait_for_all(jobs).await;
    let ledger = cluster.ledger.clone();
    cluster.stop().await;
    let filter = ListFilter::default();
    let listed = ledger.list(&tenant(), &filter, windrow_tests::jobs::ALL_JOBS).await.expect("list").jobs;
    assert_eq!(listed.len(), jobs);
    for job in listed {
        assert_eq!((job.state, job.attempt), (State::Completed, 1), "{job:?}");
    }
}

async fn workers(redis: &Redis) -> Vec<String> {
    redis.connection().await.zrange(key("workers"), 0, -1).await.expect("ZRANGE")
}
