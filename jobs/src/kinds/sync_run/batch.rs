//! Batches of a page: what one commit, or one request, writes. Pure.
//!
//! A key that a page has twice is taken as it is said last. Of one page the same batches are made each time, so that whoever goes on within a
//! page knows by its digest whether it is still the same. Next: `running.rs`.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::sync::{
    definition::{Call, HttpDestination},
    mapping::Unmapped,
    state::{Incoming, RowError},
};

/// The most bytes of records in a batch, give or take one record.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A record of a page, or why it is none.
pub(super) type Entry = Result<Incoming, RowError>;

/// A page, mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entries {
    /// Each key once.
    pub list: Vec<Entry>,
    /// Records that were said again on the page.
    pub repeated: u64,
    /// Records whose key is unknown.
    pub unkeyed: u64,
    /// What it says.
    pub digest: String,
}

/// The key of an entry, if it has one.
pub(super) fn key_of(entry: &Entry) -> Option<&str> {
    match entry {
        Ok(incoming) => Some(&incoming.key),
        Err(error) => error.key.as_deref(),
    }
}

/// What a page is made of, the `number`-th of its pass.
pub(super) fn entries(mapped: Vec<Result<Incoming, Unmapped>>, number: u64) -> Entries {
    let all = mapped.len();
    let mut list: Vec<Entry> = mapped.into_iter().map(|mapped| mapped.map_err(|unmapped| unmapped.on_page(number))).collect();
    let mut digest = Sha256::new();
    for entry in &list {
        digest.update(key_of(entry).unwrap_or_default().as_bytes());
        match entry {
            Ok(incoming) => digest.update([&incoming.hash[..], &[u8::from(incoming.is_deleted)]].concat()),
            Err(error) => digest.update(&error.code),
        }
        digest.update([0]);
    }
    let mut later = HashSet::new();
    let is_last: Vec<bool> = list.iter().rev().map(|entry| key_of(entry).is_none_or(|key| later.insert(key.to_owned()))).collect();
    let mut is_last = is_last.into_iter().rev();
    list.retain(|_| is_last.next().unwrap_or(true));
    let unkeyed = list.iter().filter(|entry| key_of(entry).is_none()).count() as u64;
    Entries { repeated: (all - list.len()) as u64, unkeyed, digest: hex(&digest.finalize()), list }
}

/// A hash over keys, in their order, after those of the pages before.
pub(super) fn keys_after(before: &str, list: &[Entry]) -> String {
    let mut digest = Sha256::new_with_prefix(before);
    for entry in list {
        digest.update(key_of(entry).unwrap_or_default().as_bytes());
        digest.update([0]);
    }
    hex(&digest.finalize())
}

/// What is sent elsewhere beside a record, as a hash: where, and what lies around it. A record that was sent otherwise counts as changed, so that
/// all are sent once to a destination whose calls changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Calls([u8; 32]);

impl Calls {
    /// Those of this destination that write.
    pub(super) fn of(http: &HttpDestination) -> Self {
        let single = http.single.iter().flat_map(|single| std::iter::once(&single.create).chain(&single.update));
        let said = |call: &Call| serde_json::json!([call.method, call.path, call.query, call.body, call.record]);
        let calls: Vec<_> = http.bulk.iter().map(|bulk| &bulk.call).chain(single).map(said).collect();
        Self(Sha256::digest(serde_json::Value::from(calls).to_string()).into())
    }

    /// Makes it part of what a record says.
    pub(super) fn mark(&self, record: &mut Incoming) {
        record.hash = Sha256::new_with_prefix(record.hash).chain_update(self.0).finalize().into();
    }
}

/// So many of these entries are one batch: at most `records_max`, and no more bytes than a commit takes; one at least.
pub(super) fn batch(list: &[Entry], records_max: usize) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Entry| {
        let fits = bytes < BATCH_BYTES_MAX;
        bytes += entry.as_ref().map_or(0, |incoming| incoming.data.len());
        fits
    };
    list.iter().take(records_max.max(1)).take_while(fits).count()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, data: &str) -> Result<Incoming, Unmapped> {
        Ok(Incoming { key: key.into(), data: data.into(), hash: Sha256::digest(data).into(), updated_at: None, is_deleted: false })
    }

    fn broken(key: Option<&str>, index: u32) -> Result<Incoming, Unmapped> {
        Err(Unmapped { key: key.map(Into::into), index, code: "field_missing", message: "no name".into(), pointer: Some("/name".into()) })
    }

    #[test]
    fn of_a_key_that_a_page_has_twice_the_later_stays() {
        let page = vec![record("a", "1"), record("b", "1"), broken(None, 2), record("a", "2"), broken(Some("b"), 4), broken(None, 5)];
        let entries = entries(page, 7);
        let keys: Vec<_> = entries.list.iter().map(key_of).collect();
        assert_eq!(keys, [None, Some("a"), Some("b"), None]);
        assert_eq!((entries.repeated, entries.unkeyed), (2, 2));
        assert_eq!(entries.list[1].as_ref().expect("a record").data, "2");
        assert_eq!(entries.list[2].as_ref().expect_err("an error").page, 7);
    }

    #[test]
    fn a_page_that_says_something_else_has_another_digest() {
        let of = |page| entries(page, 1).digest;
        let page = || vec![record("a", "1"), record("b", "1")];
        assert_eq!(of(page()), of(page()));
        for other in [
            vec![record("b", "1"), record("a", "1")],
            vec![record("a", "1")],
            vec![record("a", "1"), record("b", "2")],
            vec![record("a", "1"), broken(Some("b"), 1)],
        ] {
            assert_ne!(of(page()), of(other));
        }
    }

    #[test]
    fn what_is_sent_otherwise_counts_as_changed() {
        let hash = |bulk: serde_json::Value| {
            let http = serde_json::from_value(serde_json::json!({ "connection": "crm", "bulk": bulk })).expect("a destination");
            let mut record = record("a", "1").expect("a record");
            Calls::of(&http).mark(&mut record);
            record.hash
        };
        let bulk = |path: &str, header: &str, records_max: u64| {
            serde_json::json!({ "call": { "method": "POST", "path": path, "headers": { "x-trace": header }, "record": "/records",
                "body": { "list": 7 } }, "records_max": records_max })
        };
        let before = hash(bulk("contacts", "a", 10));
        assert_eq!(before, hash(bulk("contacts", "b", 20)), "headers and limits change nothing");
        assert_ne!(before, hash(bulk("leads", "a", 10)));
        let mut other = bulk("contacts", "a", 10);
        other["call"]["body"]["list"] = serde_json::json!(8);
        assert_ne!(before, hash(other));
    }

    #[test]
    fn batches_are_as_large_as_a_commit_takes() {
        let list = |sizes: &[usize]| -> Vec<Entry> {
            sizes.iter().enumerate().map(|(at, size)| Ok(record(&at.to_string(), &"x".repeat(*size)).expect("a record"))).collect()
        };
        assert_eq!(batch(&list(&[1; 5]), 3), 3);
        assert_eq!(batch(&list(&[1; 5]), 9), 5);
        assert_eq!(batch(&list(&[BATCH_BYTES_MAX, 1, 1]), 9), 1);
        assert_eq!(batch(&list(&[BATCH_BYTES_MAX - 1, 1, 1]), 9), 2);
        assert_eq!(batch(&[], 9), 0);
    }

    #[test]
    fn the_order_of_keys_is_told_by_their_hash() {
        let list = |keys: &[&str]| -> Vec<Entry> { keys.iter().map(|key| Ok(record(key, "1").expect("a record"))).collect() };
        let paged = |pages: &[&[&str]]| pages.iter().fold(String::new(), |before, page| keys_after(&before, &list(page)));
        assert_eq!(paged(&[&["a", "b"], &["c"]]), paged(&[&["a", "b"], &["c"]]));
        assert_ne!(paged(&[&["a", "b"], &["c"]]), paged(&[&["b", "a"], &["c"]]));
        assert_ne!(paged(&[&["ab"]]), paged(&[&["a", "b"]]));
    }
}
