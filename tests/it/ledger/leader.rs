//! Leadership: the verbs `lead` and `abdicate`.

use windrow_jobs::{clock::VirtualClock, ledger::Ledger};

conformance! {
    the_first_to_ask_leads,
    a_leader_keeps_its_epoch,
    another_leads_once_the_term_has_run_out,
    another_leads_once_the_leader_abdicates,
    only_the_leader_abdicates,
    every_new_holder_has_a_larger_epoch,
    leaderships_of_different_names_are_apart,
    of_two_that_ask_at_once_one_leads,
}

const TTL_MS: i64 = 5_000;

async fn the_first_to_ask_leads(ledger: &dyn Ledger, _: &VirtualClock) {
    assert!(lead(ledger, "a").await.is_some());
    assert_eq!(lead(ledger, "b").await, None);
}

async fn a_leader_keeps_its_epoch(ledger: &dyn Ledger, clock: &VirtualClock) {
    let epoch = lead(ledger, "a").await;
    for _ in 0..5 {
        clock.advance_ms(TTL_MS - 1);
        assert_eq!(lead(ledger, "a").await, epoch);
        assert_eq!(lead(ledger, "b").await, None);
    }
}

async fn another_leads_once_the_term_has_run_out(ledger: &dyn Ledger, clock: &VirtualClock) {
    lead(ledger, "a").await;
    clock.advance_ms(TTL_MS - 1);
    assert_eq!(lead(ledger, "b").await, None);
    clock.advance_ms(1);
    assert!(lead(ledger, "b").await.is_some());
    assert_eq!(lead(ledger, "a").await, None);
}

async fn another_leads_once_the_leader_abdicates(ledger: &dyn Ledger, _: &VirtualClock) {
    lead(ledger, "a").await;
    ledger.abdicate("planner", "a").await.expect("abdicate");
    assert!(lead(ledger, "b").await.is_some());
}

async fn only_the_leader_abdicates(ledger: &dyn Ledger, _: &VirtualClock) {
    let epoch = lead(ledger, "a").await;
    ledger.abdicate("planner", "b").await.expect("abdicate");
    ledger.abdicate("other", "a").await.expect("abdicate");
    assert_eq!(lead(ledger, "b").await, None);
    assert_eq!(lead(ledger, "a").await, epoch);
}

async fn every_new_holder_has_a_larger_epoch(ledger: &dyn Ledger, clock: &VirtualClock) {
    let mut last = 0;
    for holder in ["a", "b", "a", "c", "b"] {
        let epoch = lead(ledger, holder).await.expect("the term of the one before has run out");
        assert!(epoch > last, "{epoch} after {last}");
        last = epoch;
        clock.advance_ms(TTL_MS);
    }
}

async fn leaderships_of_different_names_are_apart(ledger: &dyn Ledger, _: &VirtualClock) {
    lead(ledger, "a").await;
    assert!(ledger.lead("other", "b", TTL_MS).await.expect("lead").is_some());
}

async fn of_two_that_ask_at_once_one_leads(ledger: &dyn Ledger, _: &VirtualClock) {
    let (one, two) = tokio::join!(lead(ledger, "a"), lead(ledger, "b"));
    assert!(one.is_some() != two.is_some(), "{one:?}, {two:?}");
}

async fn lead(ledger: &dyn Ledger, holder: &str) -> Option<i64> {
    ledger.lead("planner", holder, TTL_MS).await.expect("lead").map(|leadership| leadership.epoch)
}
