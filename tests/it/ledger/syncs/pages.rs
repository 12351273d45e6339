//! Writing pages into a collection, and sweeping what the source has no more.

use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    ledger::Ledger,
    sync::{
        definition::{Conflict, Delete},
        state::{Begin, Census, Counts, Page, Policy, RowError},
    },
};
use windrow_tests::jobs::*;

use super::*;

conformance! {
    a_page_is_written_as_decided_and_remembered,
    a_page_that_is_repeated_counts_once,
    what_a_run_reads_again_counts_once,
    what_the_source_has_no_more_is_swept_as_the_policy_says,
    what_is_seen_after_a_sweep_looked_is_passed_over,
    a_dry_run_counts_and_changes_nothing,
    row_errors_are_kept_in_their_order_until_the_run_ends,
    a_page_with_a_key_twice_is_refused,
    a_record_that_is_made_while_a_page_is_written_is_decided_on_again,
    no_key_reaches_a_record_of_another_tenant_sync_or_collection,
}

async fn a_page_is_written_as_decided_and_remembered(ledger: &dyn Ledger, clock: &VirtualClock) {
    let sync = people(ledger).await;
    let first = run_by(ledger, 1).await;
    let three = vec![person("a", "a@x"), person("b", "b@x"), person("c", "c@x")];
    let counts = write(ledger, page(&first, three, None, "1")).await.expect("it writes");
    assert_eq!(counts, Counts { pages: 1, read: 3, bytes: 30, created: 3, ..Counts::default() });
    let made = record(ledger, "a").await.expect("a record");
    assert_eq!((made.version, made.sync, made.created_at, made.updated_at), (1, Some(sync.id), at(0), at(0)));
    assert_eq!(made.data.get(), r#"{"email":"a@x","name":"a"}"#);
    assert_eq!(found(ledger, "b@x").await, ["b"]);
    end(ledger, &first).await;

    clock.advance_ms(5);
    edit(ledger, "c", &json!({ "email": "mine@x" })).await;
    let second = run_by(ledger, 2).await;
    let mixed = vec![person("a", "new@x"), person("b", "b@x"), person("c", "c@x"), person("d", "d@x"), tombstone("e")];
    let counts = write(ledger, page(&second, mixed, None, "1")).await.expect("it writes");
    assert_eq!((counts.created, counts.updated, counts.unchanged), (1, 2, 2));
    assert_eq!(standing(ledger).await, ["a@2", "b@1", "c@3", "d@1"]);
    assert_eq!(found(ledger, "a@x").await, [""; 0], "a value that is no more finds nothing");
    assert_eq!((found(ledger, "new@x").await, found(ledger, "mine@x").await.len()), (vec!["a".to_owned()], 0));
    let changed = record(ledger, "a").await.expect("a record");
    assert_eq!((changed.created_at, changed.updated_at), (at(0), at(5)));
    assert_eq!(ledger.census(&second).await.expect("census"), Census { live: 4, unseen: 0 });
}

async fn what_a_run_reads_again_counts_once(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let first = run_by(ledger, 1).await;
    write(ledger, page(&first, vec![person("a", "a@x"), person("b", "b@x"), person("c", "c@x"), person("d", "d@x")], None, "1")).await;
    end(ledger, &first).await;
    edit(ledger, "b", &json!({ "email": "mine@x" })).await;
    edit(ledger, "c", &json!({ "email": "mine@x" })).await;
    let second = run_by(ledger, 2).await;
    let policy = |conflict| Policy { conflict, delete: Delete::Keep };
    let mut from: Option<String> = None;
    for pass in ["first", "second"] {
        for (conflict, said) in [
            (Conflict::Source, vec![person("a", "a@x"), tombstone("d"), person("e", "e@x")]),
            (Conflict::Manual, vec![person("b", "new@x")]),
            (Conflict::Destination, vec![person("c", "new@x")]),
        ] {
            let place = format!("{pass}-{conflict:?}");
            let page = Page { policy: policy(conflict), ..page(&second, said, from.as_deref(), &place) };
            write(ledger, page).await.expect("it writes");
            from = Some(place);
        }
    }
    let counts = write(ledger, page(&second, Vec::new(), from.as_deref(), "end")).await.expect("it writes");
    assert_eq!((counts.created, counts.unchanged, counts.missing), (1, 1, 1), "{counts:?}");
    assert_eq!((counts.conflicts, counts.kept, counts.read), (1, 1, 10), "{counts:?}");
}

async fn a_page_that_is_repeated_counts_once(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let first = page(&fence, vec![person("a", "a@x")], None, "1");
    let counts = write(ledger, first.clone()).await.expect("it writes");
    assert_eq!(write(ledger, first.clone()).await, Some(counts), "its answer was lost");
    let second = page(&fence, vec![person("a", "b@x")], Some("1"), "2");
    let counts = write(ledger, second.clone()).await.expect("it writes");
    assert_eq!((counts.created, counts.updated, counts.read), (1, 1, 2));
    assert_eq!(write(ledger, second).await, Some(counts));
    assert_eq!(write(ledger, first).await, None, "the run is further");
    assert_eq!(standing(ledger).await, ["a@2"]);
    assert!(ledger.keep_place(&fence, "3").await.expect("keep_place"));
    let swept = sweep(ledger, &fence, PLAIN, &[], "3", "4").await.expect("it sweeps");
    assert_eq!(sweep(ledger, &fence, PLAIN, &[], "3", "4").await, Some(swept));
    assert_eq!(sweep(ledger, &fence, PLAIN, &[], "1", "5").await, None);
}

async fn what_the_source_has_no_more_is_swept_as_the_policy_says(ledger: &dyn Ledger, clock: &VirtualClock) {
    people(ledger).await;
    let all: Vec<_> = ["a", "b", "c", "d"].iter().map(|key| person(key, "x")).collect();
    let mut number = 1;
    let mut place = 0;
    let fence = run_by(ledger, number).await;
    write(ledger, page(&fence, all.clone(), None, "0")).await.expect("it writes");
    end(ledger, &fence).await;
    for (delete, left, count) in [
        (Delete::Keep, vec!["a@1", "b@1", "c@1", "d@1"], 3),
        (Delete::Soft, vec!["a@1", "b@2-", "c@2-", "d@2-"], 3),
        // What is marked already stays so: it is no longer remembered as there.
        (Delete::Hard, vec!["a@1", "b@2-", "c@2-", "d@2-"], 0),
    ] {
        clock.advance_ms(1);
        number += 1;
        place += 1;
        let fence = run_by(ledger, number).await;
        write(ledger, page(&fence, vec![person("a", "x")], None, "0")).await.expect("it writes");
        let unseen = ledger.unseen(&fence, None, ALL).await.expect("unseen");
        let keys: Vec<&str> = unseen.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(ledger.census(&fence).await.expect("census").unseen, keys.len() as u64);
        let policy = Policy { delete, conflict: Conflict::Source };
        let counts = sweep(ledger, &fence, policy, &keys, "0", &place.to_string()).await.expect("it sweeps");
        assert_eq!(counts.deleted + counts.missing, count, "{delete:?}");
        assert_eq!(standing(ledger).await, left, "{delete:?}");
        end(ledger, &fence).await;
    }
    let fence = run_by(ledger, 9).await;
    let counts = write(ledger, page(&fence, all, None, "1")).await.expect("it writes");
    assert_eq!((counts.created, counts.unchanged), (3, 1), "they are there again");
    assert_eq!(standing(ledger).await, ["a@1", "b@3", "c@3", "d@3"]);
    end(ledger, &fence).await;
    let fence = run_by(ledger, 10).await;
    let hard = Policy { delete: Delete::Hard, conflict: Conflict::Source };
    let page = Page { policy: hard, ..page(&fence, vec![person("a", "x"), tombstone("d")], None, "1") };
    assert_eq!(write(ledger, page).await.expect("it writes").deleted, 1, "the source says so itself");
    let counts = sweep(ledger, &fence, hard, &["a", "b", "c", "d"], "1", "2").await.expect("it sweeps");
    assert_eq!(counts.deleted, 3);
    assert_eq!(standing(ledger).await, ["a@1"]);
    assert_eq!(found(ledger, "x").await, ["a"]);
    end(ledger, &fence).await;
    let fence = run_by(ledger, 11).await;
    write(ledger, super::page(&fence, vec![person("b", "x")], None, "1")).await.expect("it writes");
    assert_eq!(standing(ledger).await, ["a@1", "b@4"], "no version is given twice");
}

async fn what_is_seen_after_a_sweep_looked_is_passed_over(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    write(ledger, page(&fence, vec![person("a", "x"), person("b", "x")], None, "1")).await.expect("it writes");
    let counts = sweep(ledger, &fence, PLAIN, &["a", "b", "z"], "1", "2").await.expect("it sweeps");
    assert_eq!((counts.deleted, standing(ledger).await), (0, vec!["a@1".to_owned(), "b@1".to_owned()]));
}

async fn a_dry_run_counts_and_changes_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    let fence = run_by(ledger, 1).await;
    write(ledger, page(&fence, vec![person("a", "x"), person("b", "x"), person("c", "x")], None, "1")).await.expect("it writes");
    end(ledger, &fence).await;
    insert(ledger, [ready(2)]).await;
    claim(ledger, 2).await;
    let (dry, _) = begin(ledger, Begin { dry_run: true, ..begin_of(2, 1) }).await;
    let manual = Policy { delete: Delete::Hard, conflict: Conflict::Manual };
    edit(ledger, "b", &json!({ "email": "mine" })).await;
    let before = standing(ledger).await;
    let came = vec![person("a", "y"), person("b", "y"), person("d", "y")];
    let counts = write(ledger, Page { policy: manual, ..page(&dry, came, None, "1") }).await.expect("it counts");
    assert_eq!((counts.created, counts.updated, counts.conflicts), (1, 1, 1));
    let unseen = ledger.unseen(&dry, None, ALL).await.expect("unseen");
    assert_eq!(unseen.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(sweep(ledger, &dry, manual, &["c"], "1", "2").await.expect("it counts").deleted, 1);
    assert_eq!((standing(ledger).await, found(ledger, "x").await.len()), (before, 2));
    assert!(ledger.conflicts(&tenant(), sync.id, None, ALL).await.expect("conflicts").is_empty());
    end(ledger, &dry).await;
    let fence = run_by(ledger, 3).await;
    let counts = write(ledger, page(&fence, vec![person("a", "x")], None, "1")).await.expect("it writes");
    assert_eq!(counts.unchanged, 1, "nothing was remembered of what the dry run saw");
}

fn failure(key: &str, index: u32) -> RowError {
    RowError {
        key: Some(key.into()),
        page: 1,
        index,
        code: "missing".into(),
        message: format!("{key} has no name"),
        pointer: Some("/name".into()),
    }
}

async fn row_errors_are_kept_in_their_order_until_the_run_ends(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let failed = |from: u32| (from..from + 3).map(|index| failure("k", index)).collect::<Vec<_>>();
    write(ledger, Page { failed: failed(0), ..page(&fence, vec![person("a", "x")], None, "1") }).await.expect("it writes");
    let anonymous = RowError { key: None, pointer: None, ..failure("k", 9) };
    let counts = write(ledger, Page { failed: vec![anonymous.clone()], ..page(&fence, vec![], Some("1"), "2") }).await.expect("it writes");
    assert_eq!(counts.failed, 4);
    let errors = |after| ledger.row_errors(&sync.tenant, sync.id, fence.number, after, 2);
    assert_eq!(errors(0).await.expect("errors"), failed(0)[..2]);
    assert_eq!(errors(2).await.expect("errors"), [failure("k", 2), anonymous]);
    assert_eq!(errors(4).await.expect("errors"), []);
    assert_eq!(ledger.row_errors(&tenant_named("other"), sync.id, fence.number, 0, ALL).await.expect("errors"), []);
    end(ledger, &fence).await;
    assert_eq!(errors(0).await.expect("errors"), [], "an artifact has them by then");
}

async fn a_page_with_a_key_twice_is_refused(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let page = page(&fence, vec![person("a", "x"), person("a", "y")], None, "1");
    if let Ok(written) = ledger.write_page(page).await {
        // The model goes record by record, and bears it.
        assert!(written.is_some());
    } else {
        assert_eq!(standing(ledger).await, [""; 0]);
    }
}

async fn a_record_that_is_made_while_a_page_is_written_is_decided_on_again(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let kept = Policy { conflict: Conflict::Destination, ..PLAIN };
    let keys: Vec<String> = (0..200).map(|number| format!("k{number:03}")).collect();
    let came = keys.iter().map(|key| person(key, "source")).collect();
    let writing = ledger.write_page(Page { policy: kept, ..page(&fence, came, None, "1") });
    let mine = json!({ "email": "mine" });
    let edits = futures::future::join_all(keys.iter().rev().map(|key| ledger.keep_record(new_record(key, &mine, None))));
    let (counts, edited) = futures::join!(writing, edits);
    let counts = counts.expect("write_page").expect("it writes");
    edited.into_iter().for_each(|edited| drop(edited.expect("keep_record")));
    assert_eq!(counts.created + counts.kept, 200, "{counts:?}");
    assert_eq!(found(ledger, "mine").await.len(), 200, "the tenant's own word stands, whoever was first");
    assert_eq!(found(ledger, "source").await.len(), 0);
}

async fn no_key_reaches_a_record_of_another_tenant_sync_or_collection(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    let other = keep(ledger, new_sync("others", definition("others", &[]))).await;
    let fence = run_by(ledger, 1).await;
    write(ledger, page(&fence, vec![person("a", "x"), person("%", "x"), person("a/b", "x")], None, "1")).await.expect("it writes");
    for stranger in [
        Fence { tenant: tenant_named("other"), ..fence.clone() },
        Fence { sync: other.id, ..fence.clone() },
        Fence { number: 2, ..fence.clone() },
        Fence { job: id(7), ..fence.clone() },
        Fence { attempt: 2, ..fence.clone() },
    ] {
        assert_eq!(write(ledger, page(&stranger, vec![person("a", "evil")], Some("1"), "2")).await, None, "{stranger:?}");
        assert_eq!(sweep(ledger, &stranger, PLAIN, &["a"], "1", "2").await, None);
        assert!(!ledger.keep_place(&stranger, "9").await.expect("keep_place"));
        assert!(!ledger.end_run(&stranger, Ending { error: None, since: None }).await.expect("end_run"));
        assert_eq!(ledger.plan_page(&stranger, PLAIN, vec![person("a", "evil")]).await.expect("plan_page"), None);
        assert_eq!(ledger.settle_page(&stranger, vec![], vec![], None).await.expect("settle_page"), None);
    }
    let stranger = tenant_named("other");
    assert!(ledger.record(&stranger, "people", "a").await.expect("record").is_none());
    assert!(ledger.records(&stranger, look()).await.expect("records").records.is_empty());
    assert_eq!(ledger.collections(&stranger, None, ALL).await.expect("collections"), [""; 0]);
    assert_eq!(ledger.delete_record(&stranger, "people", "a", None).await.expect("delete_record"), Deleted::Missing);
    assert_eq!(ledger.delete_record(&tenant(), "others", "a", None).await.expect("delete_record"), Deleted::Missing);
    let theirs = NewRecord { tenant: stranger.clone(), ..new_record("a", &json!({ "email": "theirs" }), None) };
    assert!(matches!(ledger.keep_record(theirs).await.expect("keep_record"), RecordKept::Created(_)));
    assert!(ledger.sync_runs(&stranger, sync.id, None, ALL).await.expect("sync_runs").is_empty());
    assert!(ledger.sync(&stranger, "people").await.expect("sync").is_none());
    assert_eq!(ledger.delete_sync(&stranger, "people", None).await.expect("delete_sync"), Deleted::Missing);
    let census = ledger.census(&Fence { tenant: stranger.clone(), ..fence.clone() }).await.expect("census");
    assert_eq!(census, Census { live: 0, unseen: 0 });
    assert!(ledger.unseen(&Fence { tenant: stranger, number: 9, ..fence.clone() }, None, ALL).await.expect("unseen").is_empty());
    assert_eq!(standing(ledger).await, ["%@1", "a@1", "a/b@1"]);
    assert_eq!(found(ledger, "x").await, ["%", "a", "a/b"]);
    let census = ledger.census(&fence).await.expect("census");
    assert_eq!(census, Census { live: 3, unseen: 0 });
}
