//! The three binaries with `WINDROW_REDIS_URL`: tickets go through Redis, and Redis may come late.

use redis::AsyncCommands;
use serde_json::json;
use windrow_tests::{cluster::Cluster, redis::Redis};

use super::rig::{key, until};

#[tokio::test]
async fn a_cluster_carries_its_tickets_through_redis() {
    let redis = Redis::start().await;
    let cluster = Cluster::start(2, 2, &[("WINDROW_REDIS_URL", &redis.url())]).await;
    let mut connection = redis.connection().await;
    until("both workers are registered", async || connection.clone().zcard::<_, usize>(key("workers")).await.expect("ZCARD") == 2).await;
    let mut accepted = Vec::new();
    for number in 0..200 {
        accepted.push(cluster.echo(json!({ "message": format!("{number}") })).await);
    }
    for job in &accepted {
        assert_eq!(cluster.wait(job).await["state"], "completed");
    }
    // What apalis-redis counts: tickets that went through a worker's hands.
    let info: redis::InfoDict = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("INFO");
    let calls = |command: &str| info.get::<String>(&format!("cmdstat_{command}")).unwrap_or_default();
    println!("rpush: {}; publish: {}", calls("rpush"), calls("publish"));
    assert!(!calls("rpush").is_empty() && !calls("sadd").is_empty(), "tickets were pushed and fetched");
    let queues: Vec<String> = connection.smembers("windrow:queues").await.expect("SMEMBERS");
    assert_eq!(queues, ["default"]);
}

#[tokio::test]
async fn a_cluster_whose_redis_is_away_at_its_start_works_all_the_same() {
    let mut redis = Redis::start().await;
    redis.kill();
    let cluster = Cluster::start(1, 1, &[("WINDROW_REDIS_URL", &redis.url())]).await;
    let job = cluster.echo(json!({})).await;
    assert_eq!(cluster.wait(&job).await["state"], "completed");
    assert!(!redis.answers().await, "it was away");
    redis.restart().await;
    let mut connection = redis.connection().await;
    until("the worker is registered", async || connection.clone().zcard::<_, usize>(key("workers")).await.expect("ZCARD") == 1).await;
    for _ in 0..20 {
        let job = cluster.echo(json!({})).await;
        assert_eq!(cluster.wait(&job).await["state"], "completed");
    }
    let queues: Vec<String> = connection.smembers("windrow:queues").await.expect("SMEMBERS");
    assert_eq!(queues, ["default"], "tickets are pushed again");
}
