//! Keeping syncs, and deleting them.

use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    ledger::Ledger,
    sync::store::{Look, Unready},
};
use windrow_tests::jobs::*;

use super::*;

conformance! {
    a_sync_is_kept_changed_and_told_to_its_tenant_alone,
    a_sync_goes_nowhere_else,
    a_deleted_sync_leaves_its_records_and_is_forgotten,
    look_up_fields_are_those_that_the_syncs_say,
    syncs_that_are_made_at_once_are_each_one,
}

async fn a_sync_is_kept_changed_and_told_to_its_tenant_alone(ledger: &dyn Ledger, clock: &VirtualClock) {
    let new = new_sync("people", definition("people", &["email"]));
    let Kept::Created(made) = ledger.keep_sync(NewSync { seen: Some(0), ..new.clone() }).await.expect("keep_sync") else { panic!() };
    assert_eq!((made.version, made.last_run, made.created_at, &made.since), (1, 0, at(0), &None));
    assert_eq!(ledger.sync(&tenant(), "people").await.expect("sync"), Some(made.clone()));
    clock.advance_ms(3);
    let other_id = NewSync { id: SyncId::generate(), ..new.clone() };
    assert_eq!(ledger.keep_sync(other_id).await.expect("keep_sync"), Kept::Same(made.clone()));
    let mut changed = definition("people", &["email", "/name"]);
    changed.description = Some("who we know".into());
    let preset = Some("crm".to_owned());
    let change = NewSync { definition: changed.clone(), preset: preset.clone(), seen: Some(1), ..new.clone() };
    assert_eq!(ledger.keep_sync(NewSync { seen: Some(2), ..change.clone() }).await.expect("keep_sync"), Kept::Stale);
    assert_eq!(ledger.keep_sync(NewSync { seen: Some(0), ..change.clone() }).await.expect("keep_sync"), Kept::Stale);
    let expected = Sync { version: 2, definition: changed, preset, updated_at: at(3), ..made };
    assert_eq!(ledger.keep_sync(change).await.expect("keep_sync"), Kept::Changed(expected.clone()));
    for name in ["b", "a", "people-2"] {
        keep(ledger, new_sync(name, definition(name, &[]))).await;
    }
    let theirs = NewSync { tenant: tenant_named("other"), ..new_sync("people", definition("people", &[])) };
    assert!(matches!(ledger.keep_sync(theirs).await.expect("keep_sync"), Kept::Created(_)), "each tenant has names of its own");
    let names = |after, limit| async move {
        let syncs = ledger.syncs(&tenant(), after, limit).await.expect("syncs");
        syncs.into_iter().map(|sync| sync.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 3).await, ["a", "b", "people"]);
    assert_eq!(names(Some("people"), 3).await, ["people-2"]);
    assert_eq!(ledger.sync(&tenant(), "people").await.expect("sync"), Some(expected));
    let missing = NewSync { seen: Some(4), ..new_sync("none", definition("none", &[])) };
    assert_eq!(ledger.keep_sync(missing).await.expect("keep_sync"), Kept::Stale);
}

async fn a_sync_goes_nowhere_else(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let mut object = definition("people", &[]);
    object.destination = serde_json::from_value(json!({ "object": { "name": "people.csv" } })).expect("a destination");
    for elsewhere in [definition("others", &["email"]), object.clone()] {
        assert_eq!(ledger.keep_sync(new_sync("people", elsewhere)).await.expect("keep_sync"), Kept::Elsewhere);
    }
    keep(ledger, new_sync("file", object.clone())).await;
    object.destination = serde_json::from_value(json!({ "object": { "name": "people.csv", "format": "csv" } })).expect("a destination");
    assert_eq!(keep(ledger, new_sync("file", object)).await.version, 2);
}

async fn a_deleted_sync_leaves_its_records_and_is_forgotten(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let failed =
        vec![windrow_jobs::sync::state::RowError { key: None, page: 1, index: 0, code: "c".into(), message: "m".into(), pointer: None }];
    let came = ["a", "b", "c", "d", "e"].iter().map(|key| person(key, "x")).collect();
    write(ledger, Page { failed, ..page(&fence, came, None, "1") }).await.expect("it writes");
    assert_eq!(ledger.delete_sync(&tenant(), "people", Some(2)).await.expect("delete_sync"), Deleted::Stale);
    assert_eq!(delete_sync(ledger, "people").await, Deleted::Gone);
    assert_eq!(delete_sync(ledger, "people").await, Deleted::Missing);
    assert!(ledger.sync(&tenant(), "people").await.expect("sync").is_none());
    assert!(ledger.sync_runs(&tenant(), sync.id, None, ALL).await.expect("sync_runs").is_empty());
    assert_eq!(write(ledger, page(&fence, vec![person("f", "x")], Some("1"), "2")).await, None, "its run is gone");
    assert!(ledger.unseen(&Fence { number: 9, ..fence.clone() }, None, ALL).await.expect("unseen").is_empty());
    upkeep(ledger).await;
    assert_eq!(ledger.forget_items(ALL).await.expect("forget_items"), 0);
    assert_eq!(standing(ledger).await.len(), 5, "records stay");
    let again = people(ledger).await;
    assert_eq!((again.version, again.last_run), (1, 0));
    let fence = run_by(ledger, 2).await;
    let counts = write(ledger, page(&fence, vec![person("a", "x"), person("b", "y")], None, "1")).await.expect("it writes");
    assert_eq!((counts.unchanged, counts.updated), (1, 1), "nothing is remembered, and the source wins");
}

async fn look_up_fields_are_those_that_the_syncs_say(ledger: &dyn Ledger, _: &VirtualClock) {
    let unready = |field: &'static str| async move {
        let look = Look { field: Some((field.into(), "x".into())), ..look() };
        ledger.records(&tenant(), look).await.expect("records").unready
    };
    for key in ["a", "b", "c"] {
        edit(ledger, key, &json!({ "email": "x", "deep": { "number": 7 }, "list": [1], "no": null })).await;
    }
    assert_eq!(unready("email").await, Some(Unready::Unknown));
    people(ledger).await;
    assert_eq!(unready("email").await, Some(Unready::Indexing));
    edit(ledger, "d", &json!({ "email": "x" })).await;
    edit(ledger, "b", &json!({ "email": "y" })).await;
    upkeep(ledger).await;
    assert_eq!(found(ledger, "x").await, ["a", "c", "d"]);
    keep(ledger, new_sync("more", definition("people", &["/deep/number", "list", "no"]))).await;
    upkeep(ledger).await;
    let by = |field: &'static str, value: &'static str| async move {
        let look = Look { field: Some((field.into(), value.into())), ..look() };
        let looked = ledger.records(&tenant(), look).await.expect("records");
        assert_eq!(looked.unready, None);
        looked.records.into_iter().map(|record| record.key).collect::<Vec<_>>()
    };
    assert_eq!(by("/deep/number", "7").await, ["a", "c"]);
    assert_eq!((by("list", "[1]").await.len(), by("no", "null").await.len()), (0, 0), "only what has a word");
    keep(ledger, new_sync("people", definition("people", &[]))).await;
    assert_eq!(unready("email").await, Some(Unready::Unknown), "nobody says it any more");
    upkeep(ledger).await;
    edit(ledger, "e", &json!({ "email": "x" })).await;
    people(ledger).await;
    upkeep(ledger).await;
    assert_eq!(found(ledger, "x").await, ["a", "c", "d", "e"]);
    assert_eq!(ledger.delete_record(&tenant(), "people", "c", None).await.expect("delete_record"), Deleted::Gone);
    assert_eq!(found(ledger, "x").await, ["a", "d", "e"]);
}

async fn syncs_that_are_made_at_once_are_each_one(ledger: &dyn Ledger, _: &VirtualClock) {
    let made = (0..8).map(|_| ledger.keep_sync(new_sync("people", definition("people", &["email"]))));
    let made = futures::future::join_all(made).await;
    let created = made.iter().filter(|kept| matches!(kept, Ok(Kept::Created(_)))).count();
    let same = made.iter().filter(|kept| matches!(kept, Ok(Kept::Same(_)))).count();
    assert_eq!((created, same), (1, 7), "{made:?}");
}
