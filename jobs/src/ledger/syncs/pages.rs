//! Writing what a page says into a collection, and seeing to what the source has no more. A page is a handful of statements, however many
//! records it has.
//!
//! A record that somebody else made between its look-up and its insert is decided on again, now that it is there. Next: `sync/decide.rs`.

use std::collections::{HashMap, HashSet};

use super::{FieldState, Fields, NewConflict, Place, Put, RecordTable, SyncTable, Value, runs};
use crate::{
    ledger::{Error, Result},
    sync::{
        BATCH_RECORDS_MAX, SyncId,
        decide::{self, Fate, NEVER},
        state::{Counts, Fence, Incoming, Item, Page, Policy, Progress, Run, Standing},
        store::value_at,
    },
};

/// How often records are decided on that others make at the same time.
const ROUNDS_MAX: usize = 3;

/// What is decided about: a key, and what the source says of it; nothing where it has it no more.
#[derive(Clone, Copy)]
struct Subject<'p> {
    key: &'p str,
    incoming: Option<&'p Incoming>,
}

/// Writes a page.
pub(in crate::ledger) async fn write(table: &mut impl SyncTable, page: &Page) -> Result<Option<Counts>> {
    let Some(mut run) = runs::fenced(table, &page.fence).await? else { return Ok(None) };
    match runs::at(&run, &page.progress) {
        runs::At::Before => {}
        runs::At::After => return Ok(Some(run.counts)),
        runs::At::Elsewhere => return Ok(None),
    }
    let subjects: Vec<Subject<'_>> =
        page.incoming.iter().map(|incoming| Subject { key: &incoming.key, incoming: Some(incoming) }).collect();
    let place = Place { tenant: &page.fence.tenant, collection: &page.collection };
    let writer = Writer { sync: page.fence.sync, place, policy: page.policy, fields: table.fields(place).await? };
    let mut counts = writer.write(table, &run, subjects).await?;
    counts.add(runs::fail(table, &page.fence, &run, &page.failed).await?);
    runs::go_on(table, &page.fence, &mut run, counts, &page.progress).await?;
    Ok(Some(run.counts))
}

/// Sees to records that the source has no more.
pub(in crate::ledger) async fn sweep(
    table: &mut impl SyncTable,
    fence: &Fence,
    collection: &str,
    policy: Policy,
    keys: &[String],
    progress: &Progress,
) -> Result<Option<Counts>> {
    let Some(mut run) = runs::fenced(table, fence).await? else { return Ok(None) };
    match runs::at(&run, progress) {
        runs::At::Before => {}
        runs::At::After => return Ok(Some(run.counts)),
        runs::At::Elsewhere => return Ok(None),
    }
    let subjects = keys.iter().map(|key| Subject { key, incoming: None }).collect();
    let place = Place { tenant: &fence.tenant, collection };
    let writer = Writer { sync: fence.sync, place, policy, fields: table.fields(place).await? };
    let counts = writer.write(table, &run, subjects).await?;
    runs::go_on(table, fence, &mut run, counts, progress).await?;
    Ok(Some(run.counts))
}

struct Writer<'p> {
    sync: SyncId,
    place: Place<'p>,
    policy: Policy,
    fields: Fields,
}

/// What is to be written of a round.
#[derive(Default)]
struct Changes<'p> {
    counts: Counts,
    updates: Vec<Put<'p>>,
    marked: Vec<&'p str>,
    removed: Vec<&'p str>,
    /// The greatest version of what is removed.
    floor: i64,
    items: Vec<Item>,
    seen: Vec<&'p str>,
    forgotten: Vec<&'p str>,
    conflicts: Vec<NewConflict<'p>>,
    /// What is in no conflict.
    settled: Vec<&'p str>,
}

impl<'p> Writer<'p> {
    async fn write(&self, table: &mut impl SyncTable, run: &Run, subjects: Vec<Subject<'p>>) -> Result<Counts> {
        let keys: HashSet<&str> = subjects.iter().map(|subject| subject.key).collect();
        if keys.len() < subjects.len() || subjects.len() > BATCH_RECORDS_MAX {
            return Err(Error::Refused(format!("a page has each key once, and at most {BATCH_RECORDS_MAX} of them")));
        }
        let (mut counts, mut rest) = (Counts::default(), subjects);
        for _ in 0..ROUNDS_MAX {
            if rest.is_empty() {
                return Ok(counts);
            }
            rest = self.round(table, run, rest, &mut counts).await?;
        }
        if rest.is_empty() { Ok(counts) } else { Err(Error::Unavailable("others make the same records all the time".into())) }
    }

    /// Decides on these records and writes what was decided. Returns those that others made meanwhile.
    async fn round(
        &self,
        table: &mut impl SyncTable,
        run: &Run,
        subjects: Vec<Subject<'p>>,
        counts: &mut Counts,
    ) -> Result<Vec<Subject<'p>>> {
        let keys: Vec<&str> = subjects.iter().map(|subject| subject.key).collect();
        let items = table.items(self.sync, &keys).await?.into_iter().map(|row| row.into_item().map(|item| (item.key.clone(), item)));
        let items: HashMap<String, Item> = items.collect::<Result<_>>()?;
        let standings = table.hold_records(self.place, &keys).await?.into_iter().map(super::StandingRow::into_standing);
        let standings: HashMap<String, Standing> = standings.collect::<Result<_>>()?;
        let decided: Vec<(Subject<'p>, Fate)> = subjects
            .into_iter()
            // What was seen since the sweep looked is the source's still.
            .filter(|subject| subject.incoming.is_some() || items.get(subject.key).is_some_and(|item| item.seen != run.number))
            .map(|subject| (subject, self.decide(subject, items.get(subject.key), standings.get(subject.key))))
            .collect();
        if run.dry_run {
            let new = |(subject, fate): &&(Subject<'_>, Fate)| !is_again(*fate, items.get(subject.key), run.number);
            decided.iter().filter(new).for_each(|(subject, fate)| count(counts, *fate, subject.incoming.is_some()));
            let seen: Vec<&str> =
                decided.iter().filter(|(subject, _)| subject.incoming.is_some()).map(|(subject, _)| subject.key).collect();
            table.see_items(self.sync, run.number, &seen).await?;
            return Ok(Vec::new());
        }
        let new = self.insert(table, &decided, &standings).await?;
        let born: HashSet<&str> = new.iter().map(|put| put.key).collect();
        let (made, taken): (Vec<_>, Vec<_>) = decided
            .into_iter()
            .partition(|(subject, fate)| *fate != Fate::Create || standings.contains_key(subject.key) || born.contains(subject.key));
        let known = self.known(table, run, &made, &items).await?;
        let changes = self.changes(run, &made, &items, &standings, &new, &known);
        counts.add(changes.counts);
        self.store(table, run, &changes, &new).await?;
        Ok(taken.into_iter().map(|(subject, _)| subject).collect())
    }

    /// The keys whose conflict was counted already. What the run wrote itself may be in conflict since, and is counted then.
    async fn known(
        &self,
        table: &mut impl SyncTable,
        run: &Run,
        decided: &[(Subject<'p>, Fate)],
        items: &HashMap<String, Item>,
    ) -> Result<HashSet<String>> {
        let was_seen =
            |(subject, fate): &&(Subject<'_>, Fate)| *fate == Fate::Conflict && is_again(*fate, items.get(subject.key), run.number);
        let seen: Vec<&str> = decided.iter().filter(was_seen).map(|(subject, _)| subject.key).collect();
        if seen.is_empty() { Ok(HashSet::new()) } else { table.known_conflicts(self.sync, run.number, &seen).await }
    }

    fn decide(&self, subject: Subject<'_>, item: Option<&Item>, standing: Option<&Standing>) -> Fate {
        match subject.incoming {
            Some(incoming) => decide::incoming(incoming, item, standing, self.policy),
            None => decide::gone(item, standing, self.policy),
        }
    }

    /// Writes the records that are not there. Returns those that were really new.
    async fn insert(
        &self,
        table: &mut impl SyncTable,
        decided: &[(Subject<'p>, Fate)],
        standings: &HashMap<String, Standing>,
    ) -> Result<Vec<Put<'p>>> {
        let new: Vec<&Incoming> = decided
            .iter()
            .filter(|(subject, fate)| *fate == Fate::Create && !standings.contains_key(subject.key))
            .filter_map(|(subject, _)| subject.incoming)
            .collect();
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let version = table.floor(self.place).await? + 1;
        let puts: Vec<Put<'p>> = new.into_iter().map(|incoming| put(incoming, version)).collect();
        let inserted = table.insert_records(self.place, Some(self.sync), &puts).await?;
        Ok(puts.into_iter().filter(|put| inserted.contains(put.key)).collect())
    }

    fn changes(
        &self,
        run: &Run,
        decided: &[(Subject<'p>, Fate)],
        items: &HashMap<String, Item>,
        standings: &HashMap<String, Standing>,
        new: &[Put<'p>],
        known: &HashSet<String>,
    ) -> Changes<'p> {
        let inserted: HashMap<&str, i64> = new.iter().map(|put| (put.key, put.version)).collect();
        let mut changes = Changes::default();
        for (subject, fate) in decided {
            let Subject { key, incoming } = *subject;
            let (item, standing) = (items.get(key), standings.get(key));
            // What is held, at its next version.
            let next = standing.map_or(1, |standing| standing.version + 1);
            let seen = if incoming.is_some() { run.number } else { item.map_or(run.number, |item| item.seen) };
            let hash = incoming.filter(|incoming| !incoming.is_deleted).map(|incoming| incoming.hash);
            let hash = hash.or_else(|| item.map(|item| item.hash)).unwrap_or(NEVER);
            let remembered = |version: Option<i64>, is_deleted: bool| {
                let remote_id = item.and_then(|item| item.remote_id.clone());
                Item { key: key.to_owned(), hash, seen, version, is_deleted, pending: None, remote_id }
            };
            let is_again = if *fate == Fate::Conflict { known.contains(key) } else { is_again(*fate, item, run.number) };
            if !is_again {
                count(&mut changes.counts, *fate, incoming.is_some());
            }
            match fate {
                Fate::Create | Fate::Update => {
                    let version = inserted.get(key).copied().unwrap_or(next);
                    if !inserted.contains_key(key) {
                        changes.updates.extend(incoming.map(|incoming| put(incoming, next)));
                    }
                    changes.items.push(remembered(Some(version), false));
                }
                Fate::Adopt => {
                    let is_deleted = standing.is_some_and(|standing| standing.is_deleted);
                    changes.items.push(remembered(standing.map(|standing| standing.version), is_deleted));
                }
                Fate::Keep => changes.items.push(remembered(item.and_then(|item| item.version), false)),
                Fate::MarkDeleted => {
                    changes.marked.push(key);
                    changes.items.push(remembered(Some(next), true));
                }
                Fate::Remove => {
                    changes.removed.push(key);
                    changes.floor = changes.floor.max(next - 1);
                    changes.forgotten.push(key);
                }
                Fate::Forget => changes.forgotten.push(key),
                Fate::Conflict => {
                    let says = incoming.filter(|incoming| !incoming.is_deleted);
                    let (source, hash) = (says.map(|incoming| incoming.data.as_str()), says.map_or(&NEVER, |incoming| &incoming.hash));
                    changes.conflicts.push(NewConflict { key, source, hash });
                    match item {
                        Some(item) => changes.items.push(Item { seen, ..item.clone() }),
                        None => changes.items.push(Item { hash: NEVER, ..remembered(None, false) }),
                    }
                }
                Fate::Unchanged | Fate::Miss if incoming.is_some() => changes.seen.push(key),
                Fate::Unchanged | Fate::Miss => {}
            }
            if *fate != Fate::Conflict {
                changes.settled.push(key);
            }
        }
        changes
    }

    async fn store(&self, table: &mut impl SyncTable, run: &Run, changes: &Changes<'p>, new: &[Put<'p>]) -> Result<()> {
        if !changes.updates.is_empty() {
            table.update_records(self.place, Some(self.sync), &changes.updates).await?;
        }
        if !changes.marked.is_empty() {
            table.mark_records(self.place, self.sync, &changes.marked).await?;
        }
        if !changes.removed.is_empty() {
            table.drop_records(self.place, &changes.removed).await?;
            table.raise_floor(self.place, changes.floor).await?;
        }
        index(table, self.place, &self.fields, &[new, &changes.updates].concat(), &changes.removed).await?;
        if !changes.items.is_empty() {
            table.keep_items(self.sync, &changes.items).await?;
        }
        if !changes.seen.is_empty() {
            table.see_items(self.sync, run.number, &changes.seen).await?;
        }
        if !changes.forgotten.is_empty() {
            table.drop_items(self.sync, &changes.forgotten).await?;
        }
        if !changes.settled.is_empty() && table.has_conflicts(self.sync).await? {
            table.drop_conflicts(self.sync, &changes.settled).await?;
        }
        if !changes.conflicts.is_empty() {
            table.keep_conflicts(self.sync, run.number, &changes.conflicts).await?;
        }
        Ok(())
    }
}

const fn put(incoming: &Incoming, version: i64) -> Put<'_> {
    Put { key: incoming.key.as_str(), data: incoming.data.as_str(), hash: &incoming.hash, version }
}

/// Writes by which values records are found that were written, and forgets those of the removed.
pub(super) async fn index(
    table: &mut impl RecordTable,
    place: Place<'_>,
    fields: &Fields,
    written: &[Put<'_>],
    removed: &[&str],
) -> Result<()> {
    if fields.is_empty() || written.is_empty() && removed.is_empty() {
        return Ok(());
    }
    let stale: Vec<&str> = written.iter().map(|put| put.key).chain(removed.iter().copied()).collect();
    table.drop_values(place, &stale).await?;
    let wanted: Vec<&str> = fields.iter().filter(|(_, state)| **state != FieldState::Dropping).map(|(field, _)| field.as_str()).collect();
    let mut values = Vec::new();
    for put in written {
        values.extend(values_of(put.key, put.data, &wanted)?);
    }
    if values.is_empty() { Ok(()) } else { table.keep_values(place, &values).await }
}

/// The values of a record at these fields.
pub(super) fn values_of<'p>(key: &'p str, data: &str, fields: &[&'p str]) -> Result<Vec<Value<'p>>> {
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let data = serde_json::from_str(data)?;
    let value = |field: &&'p str| value_at(&data, field).map(|value| Value { key, field, value });
    Ok(fields.iter().filter_map(value).collect())
}

/// Whether this was found of a record before in the run, which read it again: what changes nothing counts once.
pub(in crate::ledger) fn is_again(fate: Fate, item: Option<&Item>, run: u32) -> bool {
    let changes = matches!(fate, Fate::Create | Fate::Update | Fate::MarkDeleted | Fate::Remove);
    !changes && item.is_some_and(|item| item.seen == run)
}

/// Counts what became of a record; of what the source has no more, only what it lost.
const fn count(counts: &mut Counts, fate: Fate, came: bool) {
    match fate {
        Fate::Create => counts.created += 1,
        Fate::Update => counts.updated += 1,
        Fate::Unchanged | Fate::Adopt | Fate::Forget => counts.unchanged += came as u64,
        Fate::Keep => counts.kept += 1,
        Fate::Conflict => counts.conflicts += 1,
        Fate::MarkDeleted | Fate::Remove => counts.deleted += 1,
        Fate::Miss => counts.missing += 1,
    }
}
