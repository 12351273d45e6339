//! The verb `heartbeat`.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    ledger::{Held, Holding, Ledger},
};
use windrow_tests::jobs::*;

conformance! {
    a_heartbeat_renews_exactly_what_runs,
    an_attempt_that_is_over_is_lost,
    nobody_renews_what_another_worker_holds,
    the_renewed_lease_counts_from_the_heartbeat,
    an_empty_heartbeat_holds_nothing,
}

async fn a_heartbeat_renews_exactly_what_runs(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    let (one, two) = (claim(ledger, 1).await, claim(ledger, 2).await);
    claim(ledger, 3).await;
    clock.advance_ms(1_000);
    let held = |number| Held { id: id(number), attempt: 1, cancel_requested: false };
    assert_eq!(heartbeat(ledger, &[&two, &one]).await, [held(1), held(2)]);
    let renewed = Some(clock.now().plus_ms(LEASE_MS));
    assert_eq!((job(ledger, 1).await.lease_until, job(ledger, 2).await.lease_until), (renewed, renewed));
    assert_eq!(job(ledger, 3).await.lease_until, Some(clock.now().plus_ms(LEASE_MS - 1_000)));
}

async fn an_attempt_that_is_over_is_lost(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    let (one, two, three) = (claim(ledger, 1).await, claim(ledger, 2).await, claim(ledger, 3).await);
    assert!(settle(ledger, &one, done()).await);
    assert!(settle(ledger, &two, windrow_jobs::lifecycle::Ending::Interrupted).await);
    let again = claim(ledger, 2).await;
    let held: Vec<_> = heartbeat(ledger, &[&one, &two, &three]).await.into_iter().map(|held| (held.id, held.attempt)).collect();
    assert_eq!(held, [(id(3), 1)]);
    assert_eq!(heartbeat(ledger, &[&again]).await[0].attempt, 2);
}

async fn nobody_renews_what_another_worker_holds(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let before = job(ledger, 1).await.lease_until;
    clock.advance_ms(1_000);
    let holding = Holding { id: id(1), attempt: 1, lease_ms: LEASE_MS };
    assert_eq!(ledger.heartbeat("worker-2", vec![holding]).await.expect("heartbeat"), []);
    assert_eq!(job(ledger, 1).await.lease_until, before);
}

async fn the_renewed_lease_counts_from_the_heartbeat(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    claim(ledger, 1).await;
    claim(ledger, 2).await;
    let holding = |number, lease_ms| Holding { id: id(number), attempt: 1, lease_ms };
    ledger.heartbeat(WORKER, vec![holding(1, 1_000), holding(2, 2_000)]).await.expect("heartbeat");
    assert_eq!(job(ledger, 1).await.lease_until, Some(clock.now().plus_ms(1_000)), "each for its own time, though it be shorter");
    assert_eq!(job(ledger, 2).await.lease_until, Some(clock.now().plus_ms(2_000)));
}

async fn an_empty_heartbeat_holds_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    assert_eq!(heartbeat(ledger, &[]).await, []);
}
