//! The tenant's own changes and looks.

use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    ledger::Ledger,
    sync::store::{Look, RecordKept},
};
use windrow_tests::jobs::*;

use super::*;

conformance! {
    a_record_is_kept_by_its_version,
    records_come_by_key_a_page_at_a_time,
    collections_are_told_by_name,
    edits_at_once_are_each_seen,
}

async fn a_record_is_kept_by_its_version(ledger: &dyn Ledger, clock: &VirtualClock) {
    let keep = |data: serde_json::Value, seen| async move { ledger.keep_record(new_record("a", &data, seen)).await.expect("keep_record") };
    assert!(matches!(keep(json!({ "n": 1 }), Some(3)).await, RecordKept::Stale), "there is none");
    let RecordKept::Created(made) = keep(json!({ "n": 1, "a": 2 }), Some(0)).await else { panic!() };
    assert_eq!((made.version, made.sync, made.data.get()), (1, None, r#"{"a":2,"n":1}"#));
    clock.advance_ms(2);
    let RecordKept::Same(same) = keep(json!({ "a": 2, "n": 1 }), None).await else { panic!() };
    assert_eq!((same.version, same.updated_at), (1, at(0)));
    assert!(matches!(keep(json!({ "n": 2 }), Some(0)).await, RecordKept::Stale), "there is one");
    let RecordKept::Changed(changed) = keep(json!({ "n": 2 }), Some(1)).await else { panic!() };
    assert_eq!((changed.version, changed.created_at, changed.updated_at), (2, at(0), at(2)));
    assert!(matches!(keep(json!({ "n": 3 }), Some(1)).await, RecordKept::Stale));
    let delete = |seen| async move { ledger.delete_record(&tenant(), "people", "a", seen).await.expect("delete_record") };
    assert_eq!(delete(Some(1)).await, Deleted::Stale);
    assert_eq!(delete(Some(2)).await, Deleted::Gone);
    assert_eq!((delete(Some(2)).await, delete(None).await), (Deleted::Missing, Deleted::Missing));
    let RecordKept::Created(again) = keep(json!({ "n": 1 }), None).await else { panic!() };
    assert_eq!(again.version, 3, "no version is given twice");
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    write(ledger, page(&fence, vec![person("a", "x")], None, "1")).await.expect("it writes");
    end(ledger, &fence).await;
    let fence = run_by(ledger, 2).await;
    sweep(ledger, &fence, PLAIN, &["a"], "", "1").await;
    write(ledger, page(&fence, vec![tombstone("a")], None, "1")).await.expect("it writes");
    assert_eq!(standing(ledger).await, ["a@5-"]);
    assert!(matches!(keep(json!({ "n": 9 }), Some(4)).await, RecordKept::Stale));
    let RecordKept::Created(back) = keep(json!({ "n": 9 }), Some(0)).await else { panic!() };
    assert_eq!((back.version, back.deleted_at, back.sync), (6, None, None), "who finds it gone may make it");
}

async fn records_come_by_key_a_page_at_a_time(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    for key in ["b", "a", "Z", "ä", "a/b", "a b", "10", "9"] {
        edit(ledger, key, &json!({ "email": "x" })).await;
    }
    let fence = run_by(ledger, 1).await;
    write(ledger, page(&fence, vec![person("gone", "x")], None, "1")).await.expect("it writes");
    write(ledger, page(&fence, vec![tombstone("gone")], Some("1"), "2")).await.expect("it writes");
    let all = ["10", "9", "Z", "a", "a b", "a/b", "b", "gone", "ä"];
    for field in [None, Some(("email".to_owned(), "x".to_owned()))] {
        for deleted in [false, true] {
            let expected: Vec<&str> = all.into_iter().filter(|key| deleted || *key != "gone").collect();
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let look = Look { field: field.clone(), deleted, after: after.clone(), limit: 3, ..look() };
                let records = ledger.records(&tenant(), look).await.expect("records").records;
                assert!(records.len() <= 3);
                let Some(last) = records.last() else { break };
                after = Some(last.key.clone());
                seen.extend(records.into_iter().map(|record| record.key));
            }
            assert_eq!(seen, expected, "{field:?} {deleted}");
        }
    }
    assert!(record(ledger, "gone").await.expect("it is there").deleted_at.is_some());
}

async fn collections_are_told_by_name(ledger: &dyn Ledger, _: &VirtualClock) {
    for collection in ["b", "a", "c-1", "c"] {
        for key in ["1", "2"] {
            let new = NewRecord { collection: collection.into(), ..new_record(key, &json!({}), None) };
            ledger.keep_record(new).await.expect("keep_record");
        }
    }
    let collections = |after, limit| async move { ledger.collections(&tenant(), after, limit).await.expect("collections") };
    assert_eq!(collections(None, ALL).await, ["a", "b", "c", "c-1"]);
    assert_eq!(collections(Some("a"), 2).await, ["b", "c"]);
    assert_eq!(collections(Some("c-1"), 2).await, [""; 0]);
}

async fn edits_at_once_are_each_seen(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let edits = (0..20).map(|number| async move {
        let data = json!({ "email": format!("{number}@x") });
        ledger.keep_record(new_record("a", &data, None)).await.expect("keep_record")
    });
    let versions = futures::future::join_all(edits).await.into_iter().map(|kept| match kept {
        RecordKept::Created(record) | RecordKept::Changed(record) => record.version,
        other => panic!("{other:?}"),
    });
    let mut versions: Vec<i64> = versions.collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    let made = (0..20).map(|_| ledger.keep_record(new_record("b", &json!({}), Some(0))));
    let made = futures::future::join_all(made).await;
    assert_eq!(made.iter().filter(|kept| matches!(kept, Ok(RecordKept::Created(_)))).count(), 1, "{made:?}");
}
