//! The verb `prune`, and the conservation law that it must not break.

use windrow_jobs::{
    clock::VirtualClock,
    job::State,
    ledger::{Balance, Ledger, ListFilter, LogLine, Note, Outcomes, Retention},
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

const RETENTION: Retention = Retention { completed_ms: 1_000, dead_ms: 5_000, fires_ms: 1_000, events_ms: 1_000 };

conformance! {
    what_finished_longer_ago_than_the_retention_goes,
    the_dead_stay_longer,
    what_lives_is_never_pruned,
    a_pruned_job_takes_its_attempts_and_its_log_along,
    the_limit_cuts_and_a_later_prune_goes_on,
    it_is_told_how_long_the_oldest_was_kept_too_long,
    every_account_balances_at_every_step,
    tenants_have_accounts_of_their_own,
}

async fn what_finished_longer_ago_than_the_retention_goes(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    run(ledger, 1, done()).await;
    cancel(ledger, 2).await;
    clock.advance_ms(500);
    run(ledger, 3, done()).await;
    clock.advance_ms(499);
    assert_eq!(prune(ledger).await, 0);
    clock.advance_ms(2);
    assert_eq!(prune(ledger).await, 2);
    assert_eq!(listed(ledger, &ListFilter::default()).await, [id(3)]);
    assert!(ledger.get(&tenant(), id(1)).await.expect("get").is_none());
    assert_eq!(ledger.reread(vec![id(1), id(3)]).await.expect("reread").len(), 1);
}

async fn the_dead_stay_longer(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    run(ledger, 1, bury()).await;
    run(ledger, 2, done()).await;
    clock.advance_ms(RETENTION.completed_ms + 1);
    assert_eq!(prune(ledger).await, 1);
    assert_eq!(state(ledger, 1).await, State::Dead);
    clock.advance_ms(RETENTION.dead_ms);
    assert_eq!(prune(ledger).await, 1);
}

async fn what_lives_is_never_pruned(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2), ready(3), ready(4), scheduled(5, START.plus_ms(1))]).await;
    claim(ledger, 2).await;
    run(ledger, 3, retry()).await;
    run(ledger, 4, bury()).await;
    redrive(ledger, 4).await;
    clock.advance_ms(100 * RETENTION.dead_ms);
    assert_eq!(prune(ledger).await, 0);
}

async fn a_pruned_job_takes_its_attempts_and_its_log_along(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, windrow_jobs::lifecycle::Ending::Interrupted).await;
    let claimed = claim(ledger, 1).await;
    let lines = vec![LogLine { at: START, level: "info".to_owned(), message: "one".to_owned() }];
    ledger.note(vec![Note { id: id(1), attempt: 2, progress: None, checkpoint: None, lines, dropped: 0 }]).await.expect("note");
    assert!(settle(ledger, &claimed, done()).await);
    clock.advance_ms(RETENTION.completed_ms + 1);
    assert_eq!(prune(ledger).await, 1);
    assert_eq!(attempts(ledger, 1).await, []);
    // The same id again: nothing of the job before may show.
    insert(ledger, [ready(1)]).await;
    assert_eq!(attempts(ledger, 1).await, []);
    assert_eq!(ledger.logs(&tenant(), id(1)).await.expect("logs"), []);
}

async fn the_limit_cuts_and_a_later_prune_goes_on(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, (1..=7).map(ready)).await;
    for number in [1, 2, 4, 6, 7] {
        run(ledger, number, done()).await;
    }
    clock.advance_ms(RETENTION.completed_ms + 1);
    let mut pruned = 0;
    // A ledger may spend a part of the limit on jobs that stay, so there is no telling how many calls it takes.
    for _ in 0..20 {
        let now = ledger.prune(RETENTION, 2).await.expect("prune").jobs;
        assert!(now <= 2);
        pruned += now;
    }
    assert_eq!(pruned, 5);
    assert_eq!(listed(ledger, &ListFilter::default()).await, [id(5), id(3)]);
}

async fn it_is_told_how_long_the_oldest_was_kept_too_long(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    for number in 1..=2 {
        run(ledger, number, done()).await;
        clock.advance_ms(300);
    }
    let over = async || ledger.prune(RETENTION, ALL).await.map(|pruned| (pruned.jobs, pruned.over_ms, pruned.goes_on)).expect("prune");
    assert_eq!(over().await, (0, 0, false));
    clock.advance_ms(RETENTION.completed_ms);
    assert_eq!(over().await, (2, 600, false));
    assert_eq!(over().await, (0, 0, false));
}

async fn every_account_balances_at_every_step(ledger: &dyn Ledger, clock: &VirtualClock) {
    let of = |accepted, completed, dead, cancelled, live, pruned| Balance {
        tenant: tenant(),
        accepted,
        completed,
        dead,
        cancelled,
        live,
        pruned,
        outcomes: Outcomes { completed, dead, cancelled },
    };
    assert_eq!(balances(ledger).await, []);
    insert(ledger, (1..=5).map(ready)).await;
    assert_eq!(balances(ledger).await, [of(5, 0, 0, 0, 5, 0)]);
    run(ledger, 1, done()).await;
    run(ledger, 2, bury()).await;
    cancel(ledger, 3).await;
    claim(ledger, 4).await;
    assert_eq!(balances(ledger).await, [of(5, 1, 1, 1, 2, 0)]);
    redrive(ledger, 2).await;
    assert_eq!(balances(ledger).await, [of(5, 1, 0, 1, 3, 0)]);
    clock.advance_ms(RETENTION.completed_ms + 1);
    prune(ledger).await;
    assert_eq!(balances(ledger).await, [of(5, 1, 0, 1, 3, 2)]);
    run(ledger, 2, done()).await;
    clock.advance_ms(RETENTION.completed_ms + 1);
    prune(ledger).await;
    assert_eq!(balances(ledger).await, [of(5, 2, 0, 1, 2, 3)]);
    assert!(balances(ledger).await[0].holds());
}

async fn tenants_have_accounts_of_their_own(ledger: &dyn Ledger, clock: &VirtualClock) {
    let of = |name: &str, number| NewJob { tenant: tenant_named(name), ..ready(number) };
    insert(ledger, [of("south", 1), of("north", 2), of("south", 3)]).await;
    run(ledger, 1, done()).await;
    run(ledger, 2, done()).await;
    clock.advance_ms(RETENTION.completed_ms + 1);
    prune(ledger).await;
    let told: Vec<_> =
        balances(ledger).await.iter().map(|balance| (balance.tenant.to_string(), balance.accepted, balance.live, balance.pruned)).collect();
    assert_eq!(told, [("north".to_owned(), 1, 0, 1), ("south".to_owned(), 2, 1, 1)]);
}

async fn prune(ledger: &dyn Ledger) -> u64 {
    ledger.prune(RETENTION, ALL).await.expect("prune").jobs
}

async fn balances(ledger: &dyn Ledger) -> Vec<Balance> {
    ledger.balances().await.expect("balances")
}
