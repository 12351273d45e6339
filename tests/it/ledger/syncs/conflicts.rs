//! Conflicts: kept, told with what stands, decided.

use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    ledger::Ledger,
    sync::{
        definition::{Conflict, Delete},
        state::{Conflicted, Page, Policy, Side},
    },
};
use windrow_tests::jobs::*;

use super::*;

conformance! {
    a_conflict_waits_until_it_is_decided_and_stays_decided,
    a_conflict_about_a_deletion_is_decided_either_way,
    a_conflict_goes_when_both_sides_agree,
    a_conflict_about_what_the_run_made_itself_counts_once,
}

const MANUAL: Policy = Policy { delete: Delete::Soft, conflict: Conflict::Manual };

async fn conflicts(ledger: &dyn Ledger, sync: &Sync) -> Vec<Conflicted> {
    ledger.conflicts(&sync.tenant, sync.id, None, ALL).await.expect("conflicts")
}

/// Each as `key: source / record`.
async fn told(ledger: &dyn Ledger, sync: &Sync) -> Vec<String> {
    let text = |data: Option<&str>| {
        data.map_or("-".to_owned(), |data| serde_json::from_str::<serde_json::Value>(data).expect("JSON")["email"].to_string())
    };
    let told = conflicts(ledger, sync).await;
    let told = told.iter().map(|one| {
        let record = one.record.as_ref().map(|record| record.data.get());
        format!("{}: {} / {}", one.key, text(one.source.as_deref().map(serde_json::value::RawValue::get)), text(record))
    });
    told.collect()
}

async fn settle_for(ledger: &dyn Ledger, sync: &Sync, key: &str, side: Side) -> bool {
    ledger.settle_conflict(&sync.tenant, sync.id, key, side).await.expect("settle_conflict")
}

/// A run of one page, and a sweep of these keys.
async fn run_of(ledger: &dyn Ledger, number: u64, came: &[Incoming], gone: &[&str]) -> Counts {
    let fence = run_by(ledger, number).await;
    write(ledger, Page { policy: MANUAL, ..page(&fence, came.to_vec(), None, "1") }).await.expect("it writes");
    let counts = sweep(ledger, &fence, MANUAL, gone, "1", "2").await.expect("it sweeps");
    end(ledger, &fence).await;
    counts
}

async fn a_conflict_waits_until_it_is_decided_and_stays_decided(ledger: &dyn Ledger, clock: &VirtualClock) {
    let sync = people(ledger).await;
    edit(ledger, "c", &json!({ "email": "own" })).await;
    run_of(ledger, 1, &[person("a", "1"), person("b", "1")], &[]).await;
    for key in ["a", "b"] {
        edit(ledger, key, &json!({ "email": "mine" })).await;
    }
    clock.advance_ms(5);
    let came = [person("a", "2"), person("b", "2"), person("c", "2")];
    assert_eq!(run_of(ledger, 2, &came, &[]).await.conflicts, 3);
    assert_eq!(told(ledger, &sync).await, [r#"a: "2" / "mine""#, r#"b: "2" / "mine""#, r#"c: "2" / "own""#]);
    clock.advance_ms(5);
    let newer = [person("a", "3"), person("b", "3"), person("c", "3")];
    assert_eq!(run_of(ledger, 3, &newer, &[]).await.conflicts, 3, "nobody decided");
    let known = conflicts(ledger, &sync).await.remove(0);
    assert_eq!((known.run, known.created_at), (3, at(5)));
    let others = tenant_named("other");
    assert!(!ledger.settle_conflict(&others, sync.id, "a", Side::Source).await.expect("settle_conflict"));
    assert!(ledger.conflicts(&others, sync.id, None, ALL).await.expect("conflicts").is_empty());
    assert!(!settle_for(ledger, &sync, "z", Side::Source).await);
    assert!(settle_for(ledger, &sync, "a", Side::Source).await);
    assert!(settle_for(ledger, &sync, "b", Side::Destination).await);
    assert!(settle_for(ledger, &sync, "c", Side::Destination).await);
    assert!(!settle_for(ledger, &sync, "a", Side::Source).await, "it is decided");
    assert_eq!((found(ledger, "3").await, found(ledger, "mine").await), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert_eq!(record(ledger, "a").await.and_then(|record| record.sync), Some(sync.id));
    assert_eq!(run_of(ledger, 4, &newer, &[]).await.unchanged, 3, "it stays decided");
    let newest = [person("a", "4"), person("b", "4"), person("c", "4")];
    assert_eq!(run_of(ledger, 5, &newest, &[]).await.updated, 3, "until the source changes");
    assert!(told(ledger, &sync).await.is_empty());
}

async fn a_conflict_about_a_deletion_is_decided_either_way(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    run_of(ledger, 1, &[person("a", "1"), person("b", "1"), person("c", "1"), person("d", "1")], &[]).await;
    for key in ["a", "b"] {
        edit(ledger, key, &json!({ "email": "mine" })).await;
    }
    for key in ["c", "d"] {
        ledger.delete_record(&tenant(), "people", key, None).await.expect("delete_record");
    }
    let came = [person("c", "2"), person("d", "2")];
    assert_eq!(run_of(ledger, 2, &came, &["a", "b"]).await.conflicts, 4);
    assert_eq!(told(ledger, &sync).await, [r#"a: - / "mine""#, r#"b: - / "mine""#, r#"c: "2" / -"#, r#"d: "2" / -"#]);
    for (key, side) in [("a", Side::Source), ("b", Side::Destination), ("c", Side::Source), ("d", Side::Destination)] {
        assert!(settle_for(ledger, &sync, key, side).await, "{key}");
    }
    assert_eq!(standing(ledger).await, ["a@3-", "b@2", "c@2"]);
    let fence = run_by(ledger, 3).await;
    let unseen = ledger.unseen(&fence, None, ALL).await.expect("unseen");
    let unseen: Vec<&str> = unseen.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(unseen, ["c", "d"], "what stays against a deletion is no longer the sync's");
    let counts = write(ledger, Page { policy: MANUAL, ..page(&fence, came.to_vec(), None, "1") }).await.expect("it writes");
    assert_eq!((counts.unchanged, counts.kept, counts.conflicts), (1, 1, 0));
    assert_eq!(standing(ledger).await, ["a@3-", "b@2", "c@2"]);
}

async fn a_conflict_goes_when_both_sides_agree(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    edit(ledger, "a", &json!({ "email": "own" })).await;
    edit(ledger, "b", &json!({ "email": "own" })).await;
    assert_eq!(run_of(ledger, 1, &[person("a", "1"), person("b", "1")], &[]).await.conflicts, 2);
    let same = incoming("a", &json!({ "email": "own" }));
    assert_eq!(run_of(ledger, 2, &[same], &["b"]).await.unchanged, 1);
    assert!(told(ledger, &sync).await.is_empty());
    let fence = run_by(ledger, 3).await;
    assert_eq!(ledger.census(&fence).await.expect("census").live, 1, "what the sync never wrote is forgotten with the source's record");
}

async fn a_conflict_about_what_the_run_made_itself_counts_once(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let read = async |email: &str, from: Option<&str>, place: &str| {
        let counts = write(ledger, Page { policy: MANUAL, ..page(&fence, vec![person("a", email), person("b", "1")], from, place) }).await;
        let counts = counts.expect("it writes");
        (counts.created, counts.unchanged, counts.conflicts)
    };
    assert_eq!(read("1", None, "1").await, (2, 0, 0));
    // Between two readings of the list both sides change it.
    edit(ledger, "a", &json!({ "email": "mine" })).await;
    assert_eq!(read("2", Some("1"), "2").await, (2, 0, 1));
    assert_eq!(read("2", Some("2"), "3").await, (2, 0, 1), "it is the same conflict still");
    assert_eq!(told(ledger, &sync).await, [r#"a: "2" / "mine""#]);
}
