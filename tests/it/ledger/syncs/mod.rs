//! The roles `Syncs` and `Records`. What becomes of a record is decided in `sync/decide.rs` and judged there; here is that it is written as
//! decided, once, by whoever may.

mod conflicts;
mod decide;
mod definitions;
mod elsewhere;
mod history;
mod pages;
mod records;
mod runs;

use serde_json::{Value, json};
use windrow_jobs::{
    clock::Timestamp,
    ledger::Ledger,
    sync::{
        Definition, SyncId,
        definition::{Conflict, Delete},
        state::{Begin, Begun, Counts, Deleted, Ending, Fence, Incoming, Kept, NewSync, Page, Policy, Progress, Record, Run, Sync},
        store::{Look, NewRecord, RecordKept, canonical, hash_of},
    },
};
use windrow_tests::jobs::*;

/// Source wins, and what vanished is marked.
const PLAIN: Policy = Policy { delete: Delete::Soft, conflict: Conflict::Source };

fn definition(collection: &str, lookup: &[&str]) -> Definition {
    let source = json!({ "http": { "connection": "crm", "list": { "path": "/people" }, "key": "/id" } });
    let destination = json!({ "records": { "collection": collection, "lookup": lookup } });
    serde_json::from_value(json!({ "source": source, "destination": destination })).expect("a definition")
}

fn new_sync(name: &str, definition: Definition) -> NewSync {
    NewSync { id: SyncId::generate(), tenant: tenant(), name: name.into(), preset: None, definition, seen: None }
}

async fn keep(ledger: &dyn Ledger, new: NewSync) -> Sync {
    match ledger.keep_sync(new).await.expect("keep_sync") {
        Kept::Created(sync) | Kept::Changed(sync) | Kept::Same(sync) => sync,
        other => panic!("{other:?}"),
    }
}

/// A sync `people` into the collection `people`, which has the look-up field `email`.
async fn people(ledger: &dyn Ledger) -> Sync {
    keep(ledger, new_sync("people", definition("people", &["email"]))).await
}

fn begin_of(number: u64, attempt: u32) -> Begin {
    Begin { tenant: tenant(), name: "people".into(), job: id(number), attempt, full: true, dry_run: false }
}

fn fence_of(sync: &Sync, run: &Run) -> Fence {
    Fence { sync: sync.id, tenant: sync.tenant.clone(), number: run.number, job: run.job, attempt: run.attempt }
}

async fn begin(ledger: &dyn Ledger, begin: Begin) -> (Fence, Run) {
    match ledger.begin_run(begin).await.expect("begin_run") {
        Begun::Run(sync, run) => (fence_of(&sync, &run), *run),
        other => panic!("{other:?}"),
    }
}

/// Begins a run of the sync `people` by a job of this number, which is made and claimed.
async fn run_by(ledger: &dyn Ledger, number: u64) -> Fence {
    insert(ledger, [ready(number)]).await;
    let claimed = claim(ledger, number).await;
    begin(ledger, begin_of(number, claimed.snapshot.attempt)).await.0
}

/// Ends a run well, and its job.
async fn end(ledger: &dyn Ledger, fence: &Fence) {
    assert!(ledger.end_run(fence, Ending { error: None, since: None }).await.expect("end_run"));
    let snapshot = ledger.snapshot(&fence.tenant, fence.job).await.expect("snapshot").expect("a job");
    let change = decided(&snapshot, done(), windrow_tests::ledgers::START);
    assert_eq!(ledger.settle(vec![change]).await.expect("settle"), [true]);
}

fn incoming(key: &str, data: &Value) -> Incoming {
    let data = canonical(data);
    Incoming { key: key.into(), hash: hash_of(&data), data, updated_at: None, is_deleted: false }
}

fn person(key: &str, email: &str) -> Incoming {
    incoming(key, &json!({ "email": email, "name": key }))
}

/// The source says that it deleted the record.
fn tombstone(key: &str) -> Incoming {
    Incoming { is_deleted: true, ..incoming(key, &json!({})) }
}

fn progress(from: Option<&str>, place: &str, read: u64) -> Progress {
    Progress { from: from.map(Into::into), place: place.into(), pages: 1, read, bytes: 10 * read }
}

fn page(fence: &Fence, incoming: Vec<Incoming>, from: Option<&str>, place: &str) -> Page {
    let progress = progress(from, place, incoming.len() as u64);
    Page { fence: fence.clone(), collection: "people".into(), policy: PLAIN, incoming, failed: Vec::new(), progress }
}

async fn write(ledger: &dyn Ledger, page: Page) -> Option<Counts> {
    ledger.write_page(page).await.expect("write_page")
}

async fn sweep(ledger: &dyn Ledger, fence: &Fence, policy: Policy, keys: &[&str], from: &str, place: &str) -> Option<Counts> {
    let progress = Progress { pages: 0, bytes: 0, ..progress(Some(from), place, 0) };
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    ledger.sweep_page(fence, "people", policy, keys, progress).await.expect("sweep_page")
}

async fn record(ledger: &dyn Ledger, key: &str) -> Option<Record> {
    ledger.record(&tenant(), "people", key).await.expect("record")
}

fn look() -> Look {
    Look { collection: "people".into(), limit: ALL, ..Look::default() }
}

/// The keys and versions of the records that there are, a `-` behind those that are marked as deleted.
async fn standing(ledger: &dyn Ledger) -> Vec<String> {
    let looked = ledger.records(&tenant(), Look { deleted: true, ..look() }).await.expect("records");
    let mark = |record: &Record| if record.deleted_at.is_some() { "-" } else { "" };
    looked.records.iter().map(|record| format!("{}@{}{}", record.key, record.version, mark(record))).collect()
}

async fn found(ledger: &dyn Ledger, email: &str) -> Vec<String> {
    let look = Look { field: Some(("email".into(), email.into())), ..look() };
    let looked = ledger.records(&tenant(), look).await.expect("records");
    assert_eq!(looked.unready, None);
    looked.records.into_iter().map(|record| record.key).collect()
}

fn new_record(key: &str, data: &Value, seen: Option<i64>) -> NewRecord {
    NewRecord { tenant: tenant(), collection: "people".into(), key: key.into(), data: canonical(data), seen }
}

/// The tenant's own edit.
async fn edit(ledger: &dyn Ledger, key: &str, data: &Value) -> Record {
    match ledger.keep_record(new_record(key, data, None)).await.expect("keep_record") {
        RecordKept::Created(record) | RecordKept::Changed(record) | RecordKept::Same(record) => record,
        RecordKept::Stale => panic!("nobody asked for a version"),
    }
}

/// The duty's work, until there is none.
async fn upkeep(ledger: &dyn Ledger) {
    while ledger.forget_items(2).await.expect("forget_items") + ledger.index_records(2).await.expect("index_records") > 0 {}
}

async fn delete_sync(ledger: &dyn Ledger, name: &str) -> Deleted {
    ledger.delete_sync(&tenant(), name, None).await.expect("delete_sync")
}

fn at(ms: i64) -> Timestamp {
    windrow_tests::ledgers::START.plus_ms(ms)
}
