//! The two ends by themselves: what the planner's end pushes, a worker's end takes, and nothing is left behind.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::AsyncCommands;
use windrow_jobs::{
    dispatch::carrier::{PlannerEnd, WorkerEnd, redis::RedisTickets},
    ledger::{TicketId, model::ModelLedger},
};
use windrow_tests::ledgers;

use super::rig::{Ends, active, kept, key, until};

/// Longer than any tick of the carrier.
const TICKS: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn tickets_come_whole_and_in_the_planners_order() {
    let ends = Ends::start().await;
    ends.well().await;
    let offered = ends.offer(50, 3).await;
    for ticket in &offered {
        assert_eq!(&ends.worker.take(&ends.queue).await.expect("a ticket"), ticket);
    }
}

#[tokio::test]
async fn a_waiting_worker_is_told_at_once() {
    let ends = Ends::start().await;
    ends.well().await;
    let mut waits = Vec::new();
    for _ in 0..21 {
        let taking = tokio::spawn({
            let (worker, queue) = (ends.worker.clone(), ends.queue.clone());
            async move { worker.take(&queue).await.expect("a ticket") }
        });
        // The worker has found nothing and sleeps.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let offered_at = Instant::now();
        ends.offer(1, 1).await;
        taking.await.expect("the taker returns");
        waits.push(offered_at.elapsed());
    }
    waits.sort();
    println!("from the offer to the taker: median {:?}, longest {:?}", waits[10], waits[20]);
    // Without nudges the median would be half a tick of a second.
    assert!(waits[10] < Duration::from_millis(100), "{waits:?}");
}

#[tokio::test]
async fn every_ticket_reaches_one_of_two_workers() {
    let ends = Ends::start().await;
    let other = ends.another_worker();
    let mut offered: Vec<TicketId> = ends.offer(100, 1).await.iter().map(|ticket| ticket.id).collect();
    let mut taken = Vec::new();
    while taken.len() < offered.len() {
        let ticket = tokio::select! {
            ticket = ends.worker.take(&ends.queue) => ticket,
            ticket = other.take(&ends.queue) => ticket,
        };
        taken.push(ticket.expect("a ticket").id);
    }
    offered.sort();
    taken.sort();
    assert_eq!(taken, offered);
}

#[tokio::test]
async fn a_worker_without_a_free_slot_fetches_nothing() {
    let ends = Ends::start().await;
    ends.well().await;
    let offered = ends.offer(10, 1).await;
    let mut redis = ends.redis.connection().await;
    until("the tickets are pushed", async || active(&mut ends.redis.connection().await).await == 10).await;
    tokio::time::sleep(TICKS).await;
    assert_eq!(active(&mut redis).await, 10, "nobody waits for a ticket");
    assert_eq!(ends.worker.take(&ends.queue).await.expect("a ticket").id, offered[0].id);
    tokio::time::sleep(TICKS).await;
    assert_eq!(active(&mut redis).await, 9, "a taker gets one, and nothing is fetched ahead");
}

#[tokio::test]
async fn redis_holds_no_more_ids_than_a_window() {
    let ends = Ends::start().await;
    let tickets = [60, 40, 30].map(|tickets| ends.offer(tickets, 25));
    for tickets in tickets {
        tickets.await;
    }
    let mut redis = ends.redis.connection().await;
    until("the budget is full", async || active(&mut ends.redis.connection().await).await == 80).await;
    assert_eq!(ends.row_count().await, 130, "the others have their rows");
    for _ in 0..20 {
        ends.worker.take(&ends.queue).await.expect("a ticket");
    }
    // What workers took makes room again, and not more than they took.
    ends.offer(30, 25).await;
    until("the budget is full again", async || active(&mut ends.redis.connection().await).await >= 80).await;
    tokio::time::sleep(TICKS).await;
    assert_eq!(active(&mut redis).await, 80);
}

#[tokio::test]
async fn used_up_tickets_leave_nothing_behind() {
    let ends = Ends::start().await;
    ends.offer(400, 1).await;
    for _ in 0..400 {
        ends.worker.take(&ends.queue).await.expect("a ticket");
    }
    let mut redis = ends.redis.connection().await;
    until("the remains are swept", async || kept(&mut ends.redis.connection().await).await == 0).await;
    let mut left: Vec<String> = redis.keys("*").await.expect("KEYS");
    left.sort();
    let notes = left.iter().position(|name| name.starts_with(&key("workers:metadata:"))).expect("apalis-redis notes its workers");
    let lives_s: i64 = redis.ttl(left.remove(notes)).await.expect("TTL");
    assert!(lives_s > 0, "the notes go by themselves");
    assert_eq!(left, ["core:apalis:queues:list", key("workers").as_str(), "windrow:queues"]);
}

#[tokio::test]
async fn revoked_tickets_leave_redis() {
    let ends = Ends::start().await;
    ends.well().await;
    let offered = ends.offer(5, 2).await;
    let taken = ends.worker.take(&ends.queue).await.expect("a ticket");
    let wanted: Vec<TicketId> = offered[..4].iter().map(|ticket| ticket.id).collect();
    // The taken one has its row still: no claim has used it up.
    assert_eq!(ends.planner.revoke(wanted.clone()).await.expect("revoke").len(), 4);
    assert!(wanted.contains(&taken.id));
    // One more may have been fetched before it was taken back; without its row no claim will have it.
    let mut next = ends.worker.take(&ends.queue).await.expect("a ticket");
    while wanted.contains(&next.id) {
        next = ends.worker.take(&ends.queue).await.expect("a ticket");
    }
    assert_eq!(next.id, offered[4].id);
    until("nothing is left", async || kept(&mut ends.redis.connection().await).await == 0).await;
}

#[tokio::test]
async fn a_planners_term_begins_with_an_empty_redis() {
    let ends = Ends::start().await;
    ends.offer(100, 1).await;
    until("the tickets are pushed", async || active(&mut ends.redis.connection().await).await == 100).await;
    ends.planner.reset().await.expect("reset");
    assert_eq!(ends.row_count().await, 0);
    until("the tickets are gone", async || kept(&mut ends.redis.connection().await).await == 0).await;
    assert_eq!(active(&mut ends.redis.connection().await).await, 0);
    let offered = ends.offer(1, 1).await;
    assert_eq!(ends.worker.take(&ends.queue).await.expect("a ticket"), offered[0]);
}

#[tokio::test]
async fn a_standby_touches_nothing_of_the_leaders() {
    let ends = Ends::start().await;
    ends.offer(3, 1).await;
    until("the tickets are pushed", async || active(&mut ends.redis.connection().await).await == 3).await;
    let _standby = RedisTickets::start(ends.redis.client(), Arc::new(ModelLedger::new(Arc::new(ledgers::clock()))));
    tokio::time::sleep(TICKS).await;
    assert_eq!(active(&mut ends.redis.connection().await).await, 3);
}

#[tokio::test]
async fn a_ticket_of_a_kind_that_the_worker_does_not_know_is_left_to_others() {
    let ends = Ends::start().await;
    ends.well().await;
    let (strange, known) = (ends.ticket("strange", 1), ends.ticket("echo", 1));
    ends.offer_these(vec![strange, known.clone()]).await;
    assert_eq!(ends.worker.take(&ends.queue).await.expect("a ticket"), known);
}
