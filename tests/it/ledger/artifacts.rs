//! The verb `record_artifact`.

use windrow_jobs::{
    artifact::{Artifact, own_prefix},
    clock::VirtualClock,
    ledger::{Ledger, Retention},
    lifecycle::Ending,
};
use windrow_tests::jobs::*;

conformance! {
    artifacts_are_listed_by_name,
    a_name_given_again_replaces_what_was_there,
    an_attempt_that_is_over_records_nothing,
    another_tenants_artifacts_are_not_seen,
    a_pruned_job_takes_its_artifacts_along_and_names_its_own_objects,
}

async fn artifacts_are_listed_by_name(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    claim(ledger, 1).await;
    let largest = Artifact { bytes: i64::MAX.unsigned_abs(), ..artifact("a b.tar", 1) };
    for artifact in [artifact("ö", 1), artifact("b", 1), largest.clone(), artifact("B", 1)] {
        assert!(record(ledger, 1, artifact).await);
    }
    assert_eq!(artifacts(ledger, 1).await, [artifact("B", 1), largest, artifact("b", 1), artifact("ö", 1)]);
    assert_eq!(artifacts(ledger, 2).await, []);
}

async fn a_name_given_again_replaces_what_was_there(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    assert!(record(ledger, 1, artifact("a", 1)).await);
    let again = Artifact { bytes: 7, media_type: "text/css".into(), ..artifact("a", 1) };
    assert!(record(ledger, 1, again.clone()).await);
    assert_eq!(artifacts(ledger, 1).await, [again]);
}

async fn an_attempt_that_is_over_records_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    assert!(!record(ledger, 1, artifact("early", 0)).await);
    let first = claim(ledger, 1).await;
    assert!(record(ledger, 1, artifact("first", 1)).await);
    assert!(settle(ledger, &first, Ending::Interrupted).await);
    assert!(!record(ledger, 1, artifact("late", 1)).await);
    let second = claim(ledger, 1).await;
    assert!(!record(ledger, 1, artifact("late", 1)).await);
    assert!(record(ledger, 1, artifact("second", 2)).await);
    assert!(settle(ledger, &second, done()).await);
    assert!(!record(ledger, 1, artifact("late", 2)).await);
    assert!(!record(ledger, 99, artifact("nobody's", 1)).await);
    assert_eq!(artifacts(ledger, 1).await, [artifact("first", 1), artifact("second", 2)]);
}

async fn another_tenants_artifacts_are_not_seen(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    assert!(record(ledger, 1, artifact("a", 1)).await);
    assert_eq!(ledger.artifacts(&tenant_named("other"), id(1)).await.expect("artifacts"), []);
}

async fn a_pruned_job_takes_its_artifacts_along_and_names_its_own_objects(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let own = |number, name: &str| format!("{}1/{name}", own_prefix(tenant().as_str(), id(number)));
    for (number, name, key) in [
        (1, "b", own(1, "b")),
        (1, "a", own(1, "a")),
        (1, "shared", "tenants/default/builds/x".into()),
        (1, "alien", own(2, "a")),
        (2, "a", own(2, "a")),
    ] {
        let _ = try_claim(ledger, number).await;
        assert!(record(ledger, number, Artifact { key, ..artifact(name, 1) }).await);
    }
    let snapshot = snapshot(ledger, 1).await;
    assert_eq!(ledger.settle(vec![decided(&snapshot, done(), windrow_tests::ledgers::START)]).await.expect("settle"), [true]);
    clock.advance_ms(1_001);
    let pruned =
        ledger.prune(Retention { completed_ms: 1_000, dead_ms: 1_000, fires_ms: 1_000, events_ms: 1_000 }, ALL).await.expect("prune");
    assert_eq!((pruned.jobs, pruned.objects), (1, vec![own(1, "a"), own(1, "b")]));
    assert_eq!(artifacts(ledger, 2).await.len(), 1);
    insert(ledger, [ready(1)]).await;
    assert_eq!(artifacts(ledger, 1).await, []);
}

fn artifact(name: &str, attempt: u32) -> Artifact {
    Artifact { name: name.into(), attempt, bytes: 3, sha256: "ab".repeat(32), media_type: "text/plain".into(), key: format!("a/{name}") }
}

async fn record(ledger: &dyn Ledger, number: u64, artifact: Artifact) -> bool {
    ledger.record_artifact(id(number), artifact).await.expect("recorded")
}

async fn artifacts(ledger: &dyn Ledger, number: u64) -> Vec<Artifact> {
    ledger.artifacts(&tenant(), id(number)).await.expect("artifacts")
}
