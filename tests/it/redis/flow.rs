//! Jobs through planner, Redis and worker, all well.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use redis::AsyncCommands;
use windrow_jobs::{job::State, ledger::Inspect};
use windrow_tests::{jobs::tenant, redis::Redis};

use super::rig::{Cluster, active, kept, key, until};

/// The planner's cap of ids handed out per queue.
const WINDOW_IDS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_jobs_of_one_lane_drain_and_redis_stays_small() {
    const JOBS: usize = 20_000;
    let cluster = Cluster::start(256).await;
    let sampling = Sampling::start(&cluster.redis).await;
    cluster.release(JOBS, 0).await;
    let began_at = Instant::now();
    cluster.wait_for(JOBS).await;
    let took = began_at.elapsed();
    let sampled = sampling.stop().await;
    println!("{JOBS} jobs in {took:?}, {:.0} jobs/s; at most {sampled:?} in Redis", JOBS as f64 / took.as_secs_f64());
    assert!(sampled.ids <= WINDOW_IDS, "{sampled:?}");
    assert!(sampled.samples > 20 && sampled.tickets > 0, "Redis carried nothing: {sampled:?}");

    cluster.wait_for_all(JOBS).await;
    let mut redis = cluster.redis.connection().await;
    until("the remains are swept", async || kept(&mut cluster.redis.connection().await).await == 0).await;
    let left: Vec<String> = redis.keys("*").await.expect("KEYS");
    assert!(left.len() <= 4, "{left:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_cluster_starts_a_job_at_once() {
    let cluster = Cluster::start(8).await;
    cluster.submit(1).await;
    cluster.wait_for(1).await;
    let mut waits = Vec::new();
    for number in 2..=40 {
        // All pace themselves for idleness.
        tokio::time::sleep(Duration::from_millis(40)).await;
        let id = cluster.submit(1).await[0];
        cluster.wait_for_all(number).await;
        let job = cluster.ledger.get(&tenant(), id).await.expect("get").expect("the job is there");
        assert_eq!(job.state, State::Completed);
        waits.push(job.started_at.expect("it was started").ms_since(job.created_at));
    }
    waits.sort();
    println!("from the submission to the start: median {} ms, longest {} ms", waits[waits.len() / 2], waits[waits.len() - 1]);
    // Reading the feed and looking for tickets would take 225 ms on average.
    assert!(waits[waits.len() / 2] < 50, "{waits:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_comes_twice_is_claimed_once() {
    let cluster = Cluster::start(4).await;
    // Everything in the active list is put there a second time, as a broken Redis might.
    let doubling = Arc::new(AtomicBool::new(true));
    let doubled = tokio::spawn({
        let (doubling, mut redis) = (doubling.clone(), cluster.redis.connection().await);
        async move {
            let mut doubled = HashSet::new();
            while doubling.load(Ordering::SeqCst) {
                let mut ids: Vec<String> = redis.lrange(key("active"), 0, -1).await.expect("LRANGE");
                ids.retain(|id| doubled.insert(id.clone()));
                if !ids.is_empty() {
                    let () = redis.rpush(key("active"), ids).await.expect("RPUSH");
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            doubled.len()
        }
    });
    let ids = cluster.submit(400).await;
    cluster.wait_for_all(400).await;
    doubling.store(false, Ordering::SeqCst);
    let doubled = doubled.await.expect("the doubling ends");
    println!("{doubled} tickets came twice");
    assert!(doubled > 0);
    for id in ids {
        let job = cluster.ledger.get(&tenant(), id).await.expect("get").expect("the job is there");
        assert_eq!((job.state, job.attempt), (State::Completed, 1));
    }
    cluster.stop().await;
}

/// The most that was seen in Redis.
#[derive(Debug, Default)]
struct Sampled {
    samples: usize,
    /// Tickets in the active list.
    tickets: usize,
    /// Ids that these name, and those that workers have fetched.
    ids: usize,
    /// Tickets with data, used-up ones included.
    kept: usize,
}

struct Sampling {
    on: Arc<AtomicBool>,
    sampled: tokio::task::JoinHandle<Sampled>,
}

impl Sampling {
    async fn start(redis: &Redis) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let sampled = tokio::spawn(sample(redis.connection().await, on.clone()));
        Self { on, sampled }
    }

    async fn stop(self) -> Sampled {
        self.on.store(false, Ordering::SeqCst);
        self.sampled.await.expect("the sampling ends")
    }
}

async fn sample(mut redis: redis::aio::ConnectionManager, on: Arc<AtomicBool>) -> Sampled {
    // In one script, so that no ticket moves meanwhile. What was fetched and is not finished counts too.
    let ids = redis::Script::new(
        "local tickets = redis.call('LRANGE', KEYS[1], 0, -1)
        for _, worker in ipairs(redis.call('KEYS', (KEYS[1]:gsub('active$', 'inflight:*')))) do
          for _, id in ipairs(redis.call('SMEMBERS', worker)) do
            tickets[#tickets + 1] = id
          end
        end
        local ids = 0
        for _, id in ipairs(tickets) do
          ids = ids + #cjson.decode(redis.call('HGET', KEYS[2], id) or '{\"ids\":[]}').ids
        end
        return ids",
    );
    let mut sampled = Sampled::default();
    while on.load(Ordering::SeqCst) {
        let ids: usize = ids.key(key("active")).key(key("data")).invoke_async(&mut redis).await.expect("the script");
        sampled.samples += 1;
        sampled.ids = sampled.ids.max(ids);
        sampled.tickets = sampled.tickets.max(active(&mut redis).await);
        sampled.kept = sampled.kept.max(kept(&mut redis).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sampled
}
