//! What a provider has: records by number, and what was changed of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use windrow_jobs::clock::Timestamp;

/// When the records changed last that nobody changed: 1 January 2026.
pub const BASE_AT: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// What a provider has. Two orders there are: by id, and by position, where the newest come first.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// Those with the ids from 1 to this were there from the beginning.
    records: u64,
    added: Vec<u64>,
    removed: BTreeMap<u64, i64>,
    changed: BTreeMap<u64, (u64, i64)>,
    /// Bytes of each record's note.
    pub padding: usize,
    /// Marks of changes are taken from this on.
    pub marks_from: u64,
    /// Changes since the beginning: each has a number.
    changes: Vec<u64>,
}

impl Data {
    pub(super) fn of(records: u64) -> Self {
        Self { records, ..Self::default() }
    }

    /// Adds a record: the last by id, the first by position.
    pub fn add(&mut self) -> u64 {
        let id = self.added.last().map_or(self.records, |last| *last) + 1;
        self.added.push(id);
        self.change(id);
        id
    }

    /// Changes a record.
    pub fn change(&mut self, id: u64) {
        let at = now_ms();
        let (revision, changed_at) = self.changed.entry(id).or_default();
        (*revision, *changed_at) = (*revision + 1, at);
        self.changes.push(id);
    }

    /// Removes a record.
    pub fn remove(&mut self, id: u64) {
        self.removed.insert(id, now_ms());
        self.changes.push(id);
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.records + self.added.len() as u64 - self.removed.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of all, in their order, after this one.
    pub fn ids_after(&self, after: u64) -> impl Iterator<Item = u64> + '_ {
        let base = after.saturating_add(1)..=self.records;
        base.chain(self.added.iter().copied().filter(move |id| *id > after)).filter(|id| !self.removed.contains_key(id))
    }

    /// The ids from this position on, the newest first.
    pub fn ids_from(&self, position: u64) -> impl Iterator<Item = u64> + '_ {
        let news: Vec<u64> = self.added.iter().rev().copied().filter(|id| !self.removed.contains_key(id)).collect();
        let (before, gone) = (position.saturating_sub(news.len() as u64), self.removed.range(..=self.records));
        // Those that are gone do not count: each of them before the place moves it by one.
        let first = gone.fold(before + 1, |first, (id, _)| if *id <= first { first + 1 } else { first });
        let base = (first..=self.records).filter(|id| !self.removed.contains_key(id));
        news.into_iter().skip(usize::try_from(position).unwrap_or(usize::MAX)).chain(base)
    }

    /// The ids of those that were changed, added or removed since then, and all where that is before anybody changed any.
    pub fn since(&self, at: Timestamp) -> Vec<u64> {
        if at <= BASE_AT {
            return self.ids_after(0).chain(self.removed.keys().copied()).collect();
        }
        let changed = self.changed.iter().filter(|(_, (_, changed))| *changed >= at.ms()).map(|(id, _)| *id);
        let removed = self.removed.iter().filter(|(_, removed)| **removed >= at.ms()).map(|(id, _)| *id);
        changed.chain(removed).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The mark of all changes until now.
    pub fn mark(&self) -> u64 {
        self.changes.len() as u64
    }

    /// The ids of those that were changed, added or removed since this mark; none where it is forgotten.
    pub fn since_mark(&self, mark: u64) -> Option<Vec<u64>> {
        if mark < self.marks_from {
            return None;
        }
        let changes = self.changes.get(usize::try_from(mark).unwrap_or(usize::MAX)..).unwrap_or_default();
        Some(changes.iter().copied().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// A record, as the provider lists it; one that was removed says so.
    pub fn record(&self, id: u64) -> Value {
        serde_json::from_str(&self.json(id)).expect("it is JSON")
    }

    /// The same as JSON.
    pub(super) fn json(&self, id: u64) -> String {
        if let Some(at) = self.removed.get(&id) {
            return format!(r#"{{"id":{id},"deleted":true,"updated_at":"{}"}}"#, Timestamp::from_ms(*at));
        }
        let (revision, at) = self.changed.get(&id).copied().unwrap_or((0, BASE_AT.ms()));
        let (note, at) = ("x".repeat(self.padding), Timestamp::from_ms(at));
        format!(
            r#"{{"id":{id},"name":"Record {id}","email":"r{id}@example.com","amount":{}.25,"tags":["t{}","all"],"revision":{revision},"updated_at":"{at}","note":"{note}"}}"#,
            id % 1_000,
            id % 7
        )
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("it is before the end of time")
}
