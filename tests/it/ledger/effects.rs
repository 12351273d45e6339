//! The role `Effects`: `intend`, `turn_effect`, `effects`, `awaited`.

use windrow_jobs::{
    clock::VirtualClock,
    effect::{EFFECTS_MAX, Facts, Intended, Intent, Kept, Policy, Reported, Standing, Turn},
    ledger::{Ledger, Retention},
    lifecycle::Ending,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    an_intent_is_written_once_and_found_from_then_on,
    an_attempt_that_is_over_intends_nothing,
    a_job_has_so_many_effects_and_no_more,
    a_change_wants_the_version_it_was_decided_on,
    a_change_that_stands_already_counts_as_written,
    a_change_of_the_running_attempt_is_refused_once_another_runs,
    who_reports_is_known_by_the_last_token,
    another_tenants_effects_are_not_seen,
    a_pruned_job_takes_its_effects_along,
}

async fn an_intent_is_written_once_and_found_from_then_on(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    let Intended::Written(kept) = ledger.intend(intent(1, 1, "b")).await.expect("intend") else { panic!("it is written") };
    assert_eq!((kept.version, kept.created_at, kept.changed_at, kept.until), (1, START, START, None));
    assert_eq!(kept.facts, intent(1, 1, "b").facts());
    assert!(matches!(ledger.intend(intent(1, 1, "a")).await.expect("intend"), Intended::Written(_)));
    clock.advance_ms(7);
    assert!(settle(ledger, &first, Ending::Interrupted).await);
    claim(ledger, 1).await;
    let found = ledger.intend(Intent { policy: Policy::Drop, mark: 77, ..intent(1, 2, "b") }).await.expect("intend");
    assert_eq!(found, Intended::Found { kept: kept.clone(), now: START.plus_ms(7) });
    let keys: Vec<_> = effects(ledger, 1).await.into_iter().map(|kept| kept.key).collect();
    assert_eq!(keys, ["a", "b"]);
}

async fn an_attempt_that_is_over_intends_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    assert_eq!(ledger.intend(intent(1, 0, "a")).await.expect("intend"), Intended::Refused, "it does not run yet");
    let first = claim(ledger, 1).await;
    assert_eq!(ledger.intend(intent(1, 2, "a")).await.expect("intend"), Intended::Refused, "not this attempt");
    assert_eq!(ledger.intend(intent(9, 1, "a")).await.expect("intend"), Intended::Refused, "nobody's");
    let stranger = Intent { tenant: tenant_named("other"), ..intent(1, 1, "a") };
    assert_eq!(ledger.intend(stranger).await.expect("intend"), Intended::Refused);
    assert!(settle(ledger, &first, done()).await);
    assert_eq!(ledger.intend(intent(1, 1, "a")).await.expect("intend"), Intended::Refused, "it has ended");
    assert_eq!(effects(ledger, 1).await, []);
}

async fn a_job_has_so_many_effects_and_no_more(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    claim(ledger, 1).await;
    claim(ledger, 2).await;
    for number in 0..EFFECTS_MAX {
        assert!(matches!(ledger.intend(intent(1, 1, &number.to_string())).await.expect("intend"), Intended::Written(_)), "{number}");
    }
    assert_eq!(ledger.intend(intent(1, 1, "more")).await.expect("intend"), Intended::Refused);
    assert!(matches!(ledger.intend(intent(1, 1, "0")).await.expect("intend"), Intended::Found { .. }), "what is there is found");
    assert!(matches!(ledger.intend(intent(2, 1, "more")).await.expect("intend"), Intended::Written(_)), "each job has its own");
}

async fn a_change_wants_the_version_it_was_decided_on(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let kept = intended(ledger, 1, "a").await;
    clock.advance_ms(3);
    let result = Some(Reported(json(r#"{"id": 1}"#)));
    let facts = Facts { standing: Standing::Awaited, provider_id: Some("p-1".into()), result, ..kept.facts.clone() };
    assert!(ledger.turn_effect(Turn { await_ms: Some(50), ..turn(&kept, facts.clone()) }).await.expect("turn"));
    let late = Facts { standing: Standing::Withdrawn, mark: 5, ..kept.facts.clone() };
    assert!(!ledger.turn_effect(turn(&kept, late.clone())).await.expect("turn"), "decided on what was there before");
    assert!(!ledger.turn_effect(Turn { key: "b".into(), ..turn(&kept, late) }).await.expect("turn"), "there is none");
    let now = START.plus_ms(3);
    let expected = Kept { version: 2, facts, changed_at: now, until: Some(now.plus_ms(50)), ..kept };
    assert_eq!(effects(ledger, 1).await, [expected]);
}

async fn a_change_that_stands_already_counts_as_written(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let kept = intended(ledger, 1, "a").await;
    let facts = Facts { standing: Standing::Confirmed, mark: 2, ..kept.facts.clone() };
    for _ in 0..2 {
        assert!(ledger.turn_effect(turn(&kept, facts.clone())).await.expect("turn"));
    }
    let others = Facts { mark: 3, ..facts };
    assert!(!ledger.turn_effect(turn(&kept, others)).await.expect("turn"), "the same by another is another");
    assert_eq!(effects(ledger, 1).await[0].version, 2);
}

async fn a_change_of_the_running_attempt_is_refused_once_another_runs(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    let kept = intended(ledger, 1, "a").await;
    assert!(settle(ledger, &first, Ending::Interrupted).await);
    let again = Facts { mark: 2, tries: 2, ..kept.facts.clone() };
    let of_first = Turn { running: Some(1), ..turn(&kept, again.clone()) };
    assert!(!ledger.turn_effect(of_first.clone()).await.expect("turn"), "nobody runs");
    claim(ledger, 1).await;
    assert!(!ledger.turn_effect(of_first).await.expect("turn"), "another runs");
    // What is true whoever runs is written all the same: the zombie knows that it happened.
    let confirmed = Facts { standing: Standing::Confirmed, mark: 3, ..kept.facts.clone() };
    assert!(ledger.turn_effect(turn(&kept, confirmed)).await.expect("turn"));
    assert!(!ledger.turn_effect(Turn { running: Some(2), ..turn(&kept, again) }).await.expect("turn"), "it is confirmed meanwhile");
}

async fn who_reports_is_known_by_the_last_token(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let Intended::Written(kept) = ledger.intend(Intent { callback: Some([1; 32]), ..intent(1, 1, "a") }).await.expect("intend") else {
        panic!("it is written")
    };
    intended(ledger, 1, "b").await;
    clock.advance_ms(5);
    assert_eq!(ledger.awaited(&[1; 32]).await.expect("awaited"), Some((kept.clone(), START.plus_ms(5))));
    assert_eq!(ledger.awaited(&[2; 32]).await.expect("awaited"), None);
    let facts = kept.facts.clone();
    assert!(ledger.turn_effect(turn(&kept, facts.clone())).await.expect("turn"));
    assert!(ledger.awaited(&[1; 32]).await.expect("awaited").is_some(), "a change keeps the token");
    let again = Turn { seen: 2, callback: Some([3; 32]), ..turn(&kept, Facts { mark: 2, ..facts }) };
    assert!(ledger.turn_effect(again).await.expect("turn"));
    assert_eq!(ledger.awaited(&[1; 32]).await.expect("awaited"), None);
    assert!(ledger.awaited(&[3; 32]).await.expect("awaited").is_some());
}

async fn another_tenants_effects_are_not_seen(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    intended(ledger, 1, "a").await;
    assert_eq!(ledger.effects(&tenant_named("other"), id(1)).await.expect("effects"), []);
    assert_eq!(ledger.effects(&tenant(), id(2)).await.expect("effects"), []);
}

async fn a_pruned_job_takes_its_effects_along(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let first = claim(ledger, 1).await;
    claim(ledger, 2).await;
    intended(ledger, 1, "a").await;
    intended(ledger, 2, "a").await;
    assert!(settle(ledger, &first, done()).await);
    clock.advance_ms(1_001);
    let pruned =
        ledger.prune(Retention { completed_ms: 1_000, dead_ms: 1_000, fires_ms: 1_000, events_ms: 1_000 }, ALL).await.expect("prune");
    assert_eq!(pruned.jobs, 1);
    insert(ledger, [ready(1)]).await;
    assert_eq!((effects(ledger, 1).await.len(), effects(ledger, 2).await.len()), (0, 1));
}

fn intent(number: u64, attempt: u32, key: &str) -> Intent {
    Intent { tenant: tenant(), job: id(number), attempt, key: key.into(), policy: Policy::Resend, mark: u64::MAX, callback: None }
}

async fn intended(ledger: &dyn Ledger, number: u64, key: &str) -> Kept {
    match ledger.intend(intent(number, 1, key)).await.expect("intend") {
        Intended::Written(kept) => kept,
        other => panic!("{other:?}"),
    }
}

fn turn(kept: &Kept, facts: Facts) -> Turn {
    Turn { job: kept.job, key: kept.key.clone(), seen: kept.version, running: None, facts, callback: None, await_ms: None }
}

async fn effects(ledger: &dyn Ledger, number: u64) -> Vec<Kept> {
    ledger.effects(&tenant(), id(number)).await.expect("effects")
}
