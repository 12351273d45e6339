//! What is wrong with apalis-redis 1.0.0, pinned, so that an upgrade that changes it is noticed; and beside each
//! defect, that it does no harm here.

use std::time::Duration;

use apalis::prelude::{TaskSink, WorkerBuilder, WorkerContext};
use apalis_core::backend::Vacuum;
use apalis_redis::{Config, RedisStorage, queries};
use redis::{AsyncCommands, aio::ConnectionManager};
use windrow_jobs::dispatch::carrier::WorkerEnd;
use windrow_tests::redis::Redis;

use super::rig::{Ends, key, until};

const QUEUE: &str = "plain";
const WORKER: &str = "worker";

/// A Redis with a registered worker of apalis-redis, and nothing of ours.
async fn plain() -> (Redis, ConnectionManager, Config, WorkerContext) {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let config = Config::default().queue(QUEUE);
    let () = connection.zadd(config.workers_set(), WORKER, 1).await.expect("ZADD");
    (redis, connection, config, WorkerContext::new(WORKER))
}

mod due_entries_wedge_a_queue {
    use super::*;

    #[tokio::test]
    async fn as_8000_of_them_fail_every_fetch() {
        let (_redis, mut connection, config, worker) = plain().await;
        for number in 0..8_000 {
            let () = connection.zadd(config.scheduled_jobs_set(), number, 1).await.expect("ZADD");
        }
        for _ in 0..3 {
            let error = queries::fetch_next(&mut connection, &worker, &config).await.expect_err("no fetch");
            assert!(error.to_string().contains("too many results to unpack"), "{error}");
        }
    }

    #[tokio::test]
    async fn so_nothing_of_ours_is_ever_due() {
        let ends = Ends::start().await;
        let offered = ends.offer(2_000, 1).await;
        for ticket in offered.iter().take(100) {
            assert_eq!(ends.worker.take(&ends.queue).await.expect("a ticket").id, ticket.id);
        }
        let scheduled: usize = ends.redis.connection().await.zcard(key("scheduled")).await.expect("ZCARD");
        assert_eq!(scheduled, 0);
    }
}

mod an_entry_without_data_ends_the_worker {
    use super::*;

    #[tokio::test]
    async fn as_its_fetch_fails() {
        let (_redis, mut connection, config, worker) = plain().await;
        let () = connection.rpush(config.active_jobs_list(), "evicted").await.expect("RPUSH");
        let error = queries::fetch_next(&mut connection, &worker, &config).await.expect_err("no fetch");
        assert!(error.to_string().contains("Invalid job data format"), "{error}");
    }

    #[tokio::test]
    async fn so_it_is_built_anew() {
        let ends = Ends::start().await;
        ends.well().await;
        let mut redis = ends.redis.connection().await;
        let before: Vec<String> = redis.zrange(key("workers"), 0, -1).await.expect("ZRANGE");
        let () = redis.rpush(key("active"), "evicted").await.expect("RPUSH");
        let offered = ends.offer(1, 1).await;
        // The taker's first fetch finds the entry, and ends the worker.
        assert_eq!(ends.worker.take(&ends.queue).await.expect("a ticket"), offered[0]);
        let after: Vec<String> = redis.zrange(key("workers"), 0, -1).await.expect("ZRANGE");
        assert!(after.len() > before.len(), "a new name: {before:?}, {after:?}");
    }
}

mod a_lost_registration_ends_the_worker {
    use super::*;

    #[tokio::test]
    async fn as_its_fetch_fails() {
        let (redis, mut connection, config, worker) = plain().await;
        redis.flush().await;
        let error = queries::fetch_next(&mut connection, &worker, &config).await.expect_err("no fetch");
        assert!(error.to_string().contains("worker not registered"), "{error}");
    }

    #[tokio::test]
    async fn so_it_is_built_anew() {
        let ends = Ends::start().await;
        ends.well().await;
        ends.redis.flush().await;
        let mut redis = ends.redis.connection().await;
        let left: Vec<String> = redis.zrange(key("workers"), 0, -1).await.expect("ZRANGE");
        assert!(left.is_empty(), "{left:?}");
        let taking = tokio::spawn({
            let (worker, queue) = (ends.worker.clone(), ends.queue.clone());
            async move { worker.take(&queue).await.expect("a ticket") }
        });
        until("the worker registers anew", async || redis.clone().zcard::<_, usize>(key("workers")).await.expect("ZCARD") == 1).await;
        let offered = ends.offer(1, 1).await;
        assert_eq!(taking.await.expect("the taker returns"), offered[0]);
    }
}

mod what_is_done_stays {
    use super::*;

    #[tokio::test]
    async fn as_its_vacuum_leaves_the_done_set() {
        let (_redis, mut connection, config, _) = plain().await;
        let () = connection.sadd(config.done_jobs_set(), "task").await.expect("SADD");
        let () = connection.hset(config.job_data_hash(), "task", "1").await.expect("HSET");
        let () = connection.hset(format!("{}:task", config.job_meta_hash()), "status", "Done").await.expect("HSET");
        let mut storage = RedisStorage::<u32>::new(connection.clone()).with_config(config.clone());
        assert_eq!(storage.vacuum().await.expect("vacuum"), 1);
        let left: Vec<String> = connection.smembers(config.done_jobs_set()).await.expect("SMEMBERS");
        assert_eq!(left, ["task"]);
    }
    // That nothing of ours stays: `carrier::used_up_tickets_leave_nothing_behind`.
}

mod a_name_is_used_up {
    use super::*;

    #[tokio::test]
    async fn as_a_worker_that_stopped_stays_registered() {
        let redis = Redis::start().await;
        let mut connection = redis.connection().await;
        run_one(&connection, config()).await.expect("the worker runs and stops");
        let left: Vec<String> = connection.zrange(config().workers_set(), 0, -1).await.expect("ZRANGE");
        assert_eq!(left, [WORKER]);
        let error = run_one(&connection, config()).await.expect_err("the name is taken");
        assert!(error.contains("still active within threshold"), "{error}");
        let () = connection.del(config().workers_set()).await.expect("DEL");
        run_one(&connection, config()).await.expect("the worker runs and stops");
    }
    // That ours takes a new name each time: `an_entry_without_data_ends_the_worker::so_it_is_built_anew`.
}

mod acknowledgements_are_results {
    use super::*;

    #[tokio::test]
    async fn as_without_persist_results_nothing_is_acknowledged() {
        let redis = Redis::start().await;
        let mut connection = redis.connection().await;
        run_one(&connection, config().persist_results(false)).await.expect("the worker runs and stops");
        let inflight: usize = connection.scard(format!("{QUEUE}:inflight:{WORKER}")).await.expect("SCARD");
        assert_eq!(inflight, 1, "what was done counts as held");
    }

    #[tokio::test]
    async fn so_ours_are_kept() {
        let ends = Ends::start().await;
        ends.well().await;
        ends.offer(1, 1).await;
        ends.worker.take(&ends.queue).await.expect("a ticket");
        until("nothing is held", async || {
            let mut redis = ends.redis.connection().await;
            redis.keys::<_, Vec<String>>(key("inflight:*")).await.expect("KEYS").is_empty()
        })
        .await;
    }
}

mod failures_are_retried {
    use super::*;

    #[tokio::test]
    async fn so_what_cannot_be_read_is_no_failure() {
        let ends = Ends::start().await;
        ends.well().await;
        let mut redis = ends.redis.connection().await;
        let () = redis.hset(key("data"), "garbage", "no ticket").await.expect("HSET");
        let meta = [("attempts", "0"), ("max_attempts", "25"), ("status", "Pending")];
        let () = redis.hset_multiple(key("meta:garbage"), &meta).await.expect("HSET");
        let () = redis.rpush(key("active"), "garbage").await.expect("RPUSH");
        let offered = ends.offer(1, 1).await;
        assert_eq!(ends.worker.take(&ends.queue).await.expect("a ticket"), offered[0]);
        until("both are swept", async || redis.clone().hlen::<_, usize>(key("data")).await.expect("HLEN") == 0).await;
        let retried: usize = redis.zcard(key("scheduled")).await.expect("ZCARD");
        assert_eq!(retried, 0);
    }
}

mod answers_may_take_half_a_second {
    use super::*;

    /// Longer than the client's own time-out, shorter than ours.
    const STALL: Duration = Duration::from_millis(900);

    #[tokio::test]
    async fn as_its_connection_gives_up() {
        let redis = Redis::start().await;
        let mut connection = apalis_redis::connect(redis.url()).await.expect("a connection");
        stall(&redis).await;
        redis::cmd("PING").exec_async(&mut connection).await.expect_err("the answer comes too late");
    }

    #[tokio::test]
    async fn so_ours_waits_longer() {
        let ends = Ends::start().await;
        ends.well().await;
        let mut redis = ends.redis.connection().await;
        let before: Vec<String> = redis.zrange(key("workers"), 0, -1).await.expect("ZRANGE");
        stall(&ends.redis).await;
        let offered = ends.offer(1, 1).await;
        assert_eq!(ends.worker.take(&ends.queue).await.expect("a ticket"), offered[0]);
        let after: Vec<String> = redis.zrange(key("workers"), 0, -1).await.expect("ZRANGE");
        assert_eq!(after, before, "the same worker");
    }

    async fn stall(redis: &Redis) {
        let pause = redis::cmd("CLIENT").arg("PAUSE").arg(STALL.as_millis() as u64).exec_async(&mut redis.connection().await).await;
        pause.expect("CLIENT PAUSE");
    }
}

fn config() -> Config {
    Config::default().queue(QUEUE)
}

/// Pushes one task, and runs a worker that stops once it has run it.
async fn run_one(connection: &ConnectionManager, config: Config) -> Result<(), String> {
    let mut storage = RedisStorage::<u32>::new(connection.clone()).with_config(config);
    storage.push(1).await.map_err(|error| format!("{error:?}"))?;
    let worker = WorkerBuilder::new(WORKER).backend(storage).build(stop);
    tokio::time::timeout(Duration::from_secs(10), worker.run())
        .await
        .map_err(|_| "it does not stop".to_owned())?
        .map_err(|error| error.to_string())
}

async fn stop(_: u32, worker: WorkerContext) {
    worker.stop().expect("it runs");
}
