//! Nudges between processes: quick, lossy, and never of another ledger.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    ledger::{FeedEvent, FeedRow, Intake, Upkeep, postgres::PostgresLedger},
    process::redis::{hear_nudges, publish_nudges},
};
use windrow_tests::{
    jobs::{id, queue_named, ready},
    postgres::Postgres,
    redis::Redis,
};

/// A nudge takes a millisecond; this is for machines under load.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_commit_is_heard_in_another_process() {
    let redis = Redis::start().await;
    let (here, there) = (Postgres::shared().await.database().await, CancellationToken::new());
    let (mut heard, here) = listening(&redis, &here, &there).await;
    here.insert(vec![ready(1)]).await.expect("insert");
    let row = soon(&mut heard).await;
    assert!(matches!(&row.events[..], [FeedEvent::Ready(jobs)] if jobs[0].id == id(1)), "{row:?}");
    let feed = here.feed(Vec::new(), 10).await.expect("feed");
    assert_eq!(feed, [(*row).clone()], "the feed says the same");
}

#[tokio::test]
async fn a_row_of_another_ledger_is_not_heard() {
    let redis = Redis::start().await;
    let server = Postgres::shared().await;
    let stop = CancellationToken::new();
    let (mut heard, here) = listening(&redis, &server.database().await, &stop).await;
    let (mut heard_other, other) = listening(&redis, &server.database().await, &stop).await;
    other.insert(vec![ready(7)]).await.expect("insert");
    soon(&mut heard_other).await;
    here.insert(vec![ready(1)]).await.expect("insert");
    let row = soon(&mut heard).await;
    assert!(matches!(&row.events[..], [FeedEvent::Ready(jobs)] if jobs[0].id == id(1)), "{row:?}");
}

#[tokio::test]
async fn a_row_of_more_than_64_kib_is_left_to_the_feed() {
    let redis = Redis::start().await;
    let stop = CancellationToken::new();
    let (mut heard, here) = listening(&redis, &Postgres::shared().await.database().await, &stop).await;
    let long_name = queue_named(&"q".repeat(63));
    here.insert((1..=500).map(|number| windrow_jobs::submit::NewJob { queue: long_name.clone(), ..ready(number) }).collect())
        .await
        .expect("insert");
    here.insert(vec![ready(1_000)]).await.expect("insert");
    let row = soon(&mut heard).await;
    assert!(matches!(&row.events[..], [FeedEvent::Ready(jobs)] if jobs[0].id == id(1_000)), "only the short one: {row:?}");
    assert_eq!(here.feed(Vec::new(), 10).await.expect("feed").len(), 2);
}

#[tokio::test]
async fn nudges_come_again_after_redis_was_away() {
    let mut redis = Redis::start().await;
    let stop = CancellationToken::new();
    let (mut heard, here) = listening(&redis, &Postgres::shared().await.database().await, &stop).await;
    redis.kill();
    here.insert(vec![ready(1)]).await.expect("a commit does not wait for Redis");
    redis.restart().await;
    let mut number = 1;
    loop {
        number += 1;
        here.insert(vec![ready(number)]).await.expect("insert");
        if tokio::time::timeout(Duration::from_millis(100), heard.recv()).await.is_ok() {
            return;
        }
        assert!(number < 100, "no nudge in ten seconds");
    }
}

/// A ledger that is committed to, and the nudges that another process hears of it.
async fn listening(redis: &Redis, database: &str, stop: &CancellationToken) -> (Receiver<Arc<FeedRow>>, PostgresLedger) {
    let here = PostgresLedger::open(database).await.expect("the ledger opens");
    let there = PostgresLedger::open(database).await.expect("the ledger opens");
    publish_nudges(&redis.client(), &here, stop.clone()).await.expect("published");
    hear_nudges(&redis.client(), &there, stop.clone()).await.expect("heard");
    let mut heard = there.nudges();
    // Both ends connect in their own time.
    let mut number = 10_000;
    loop {
        number += 1;
        here.set_limits(&queue_named("warmup"), &windrow_jobs::queue::LimitScope::Platform, Default::default()).await.expect("limits");
        if tokio::time::timeout(Duration::from_millis(50), heard.recv()).await.is_ok() {
            break;
        }
        assert!(number < 10_100, "no nudge in five seconds");
    }
    while tokio::time::timeout(Duration::from_millis(100), heard.recv()).await.is_ok() {}
    here.feed(Vec::new(), 1_000).await.expect("feed");
    (heard, here)
}

async fn soon(heard: &mut Receiver<Arc<FeedRow>>) -> Arc<FeedRow> {
    tokio::time::timeout(SOON, heard.recv()).await.expect("a nudge comes").expect("a nudge")
}
