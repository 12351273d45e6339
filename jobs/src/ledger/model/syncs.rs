//! `Syncs` of the model: a page is gone through record by record, each decided and written before the next is looked at.

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::{ModelLedger, Row, Synced, Tables};
use crate::{
    clock::Timestamp,
    job::{JobId, State},
    ledger::{
        Result, Syncs,
        syncs::{conflicts, elsewhere, keep, pages::is_again, runs},
    },
    sync::{
        RUNS_KEPT, SyncId,
        decide::{self, Fate, NEVER},
        definition::Delete,
        state::{
            Begin, Begun, Census, Conflicted, Counts, Deleted, ERRORS_KEPT, Ending, Fence, Incoming, Item, Kept, NewSync, Page, Planned,
            Policy, Progress, RowError, Run, RunState, Settled, Side, Sync,
        },
    },
    tenant::TenantId,
};

/// A conflict: what the source says and its hash, the run that saw it last, and since when it is known.
pub(super) type Conflict = (Option<String>, [u8; 32], u32, Timestamp);

#[async_trait]
impl Syncs for ModelLedger {
    async fn keep_sync(&self, new: NewSync) -> Result<Kept> {
        Ok(self.transact(|tables, now, _| {
            let own = tables.syncs.values().filter(|synced| synced.sync.tenant == new.tenant).count();
            if let Some(synced) = tables.synced(&new.tenant, &new.name) {
                let kept = keep::changed(&synced.sync, &new, now);
                if let Kept::Changed(sync) = &kept {
                    synced.sync = sync.clone();
                    tables.agree_on_fields(sync);
                }
                return kept;
            }
            if new.seen.is_some_and(|seen| seen != 0) {
                return Kept::Stale;
            }
            if own >= crate::sync::SYNCS_MAX {
                return Kept::TooMany;
            }
            let sync = keep::made(&new, now);
            tables.syncs.insert(sync.id, Synced::of(sync.clone()));
            tables.agree_on_fields(&sync);
            Kept::Created(sync)
        }))
    }

    async fn sync(&self, tenant: &TenantId, name: &str) -> Result<Option<Sync>> {
        Ok(self.read(|tables| {
            let mut own = tables.syncs.values().filter(|synced| synced.sync.tenant == *tenant);
            own.find(|synced| synced.sync.name == name).map(|synced| synced.sync.clone())
        }))
    }

    async fn syncs(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Sync>> {
        Ok(self.read(|tables| {
            let own = tables.syncs.values().map(|synced| &synced.sync).filter(|sync| sync.tenant == *tenant);
            let mut own: Vec<Sync> = own.filter(|sync| after.is_none_or(|after| sync.name.as_str() > after)).cloned().collect();
            own.sort_by(|one, other| one.name.cmp(&other.name));
            own.truncate(limit);
            own
        }))
    }

    async fn delete_sync(&self, tenant: &TenantId, name: &str, seen: Option<u32>) -> Result<Deleted> {
        Ok(self.transact(|tables, _, _| {
            let Some(synced) = tables.synced(tenant, name) else { return Deleted::Missing };
            if seen.is_some_and(|seen| seen != synced.sync.version) {
                return Deleted::Stale;
            }
            let id = synced.sync.id;
            tables.syncs.remove(&id);
            Deleted::Gone
        }))
    }

    async fn sync_runs(&self, tenant: &TenantId, sync: SyncId, before: Option<u32>, limit: usize) -> Result<Vec<Run>> {
        Ok(self.read(|tables| {
            let runs = tables.own(tenant, sync).into_iter().flat_map(|synced| synced.runs.values().rev());
            runs.filter(|run| before.is_none_or(|before| run.number < before)).take(limit).cloned().collect()
        }))
    }

    async fn begin_run(&self, begin: Begin) -> Result<Begun> {
        Ok(self.transact(|tables, now, _| {
            let runs = tables.attempt_runs(begin.job, begin.attempt);
            let live: Vec<JobId> = tables.jobs.values().filter(|job| !job.state.is_final()).map(|job| job.id).collect();
            let Some(synced) = tables.synced(&begin.tenant, &begin.name) else { return Begun::Unknown };
            if !runs {
                return Begun::Over;
            }
            let version = synced.sync.version;
            if let Some(last) = synced.runs.values().last().filter(|last| runs::is_done(last, &begin)) {
                return Begun::Run(Box::new(synced.sync.clone()), Box::new(last.clone()));
            }
            if let Some(last) = synced.runs.values_mut().last().filter(|last| last.state == RunState::Running) {
                if last.job != begin.job && live.contains(&last.job) {
                    return Begun::Busy { job: last.job };
                }
                if runs::goes_on(last, &begin, version) {
                    last.attempt = begin.attempt;
                    return Begun::Run(Box::new(synced.sync.clone()), Box::new(last.clone()));
                }
                last.state = RunState::Abandoned;
                last.finished_at = Some(now);
            }
            synced.errors.clear();
            synced.sync.last_run += 1;
            let run = runs::new_run(&begin, synced.sync.last_run, version, now);
            synced.runs.insert(run.number, run.clone());
            synced.runs.retain(|number, _| number + RUNS_KEPT > run.number);
            Begun::Run(Box::new(synced.sync.clone()), Box::new(run))
        }))
    }

    async fn write_page(&self, page: Page) -> Result<Option<Counts>> {
        Ok(self.transact(|tables, now, _| {
            let seen = tables.fenced(&page.fence, Some(&page.progress))?;
            if let Seen::Done(counts) = seen {
                return Some(counts);
            }
            let mut counts = Counts::default();
            for incoming in &page.incoming {
                tables.see_to(&page.fence, &page.collection, page.policy, &incoming.key, Some(incoming), now, &mut counts);
            }
            tables.go_on(&page.fence, counts, &page.failed, Some(&page.progress))
        }))
    }

    async fn plan_page(&self, fence: &Fence, policy: Policy, incoming: Vec<Incoming>) -> Result<Option<Vec<Planned>>> {
        Ok(self.transact(|tables, now, _| {
            tables.fenced(fence, None)?;
            let synced = tables.syncs.get_mut(&fence.sync)?;
            let run = synced.runs.get_mut(&fence.number)?;
            let mut planned = Vec::new();
            for incoming in incoming {
                let (plan, intent) = elsewhere::decide_one(&incoming, synced.items.get(&incoming.key), policy, run.number, now);
                run.counts.repeated += u64::from(plan.in_doubt && !run.dry_run);
                let item = synced.items.get(&incoming.key);
                run.counts.add(elsewhere::nothing(&incoming, item, plan.fate, policy.delete, run.number));
                match intent.filter(|_| !run.dry_run) {
                    Some(intent) => drop(synced.items.insert(incoming.key, intent)),
                    None => {
                        if let Some(item) = synced.items.get_mut(&incoming.key) {
                            item.seen = run.number;
                        }
                    }
                }
                planned.push(plan);
            }
            Some(planned)
        }))
    }

    async fn settle_page(
        &self,
        fence: &Fence,
        settled: Vec<Settled>,
        failed: Vec<RowError>,
        progress: Option<Progress>,
    ) -> Result<Option<Counts>> {
        elsewhere::check(&settled)?;
        Ok(self.transact(|tables, _, _| {
            if let Seen::Done(counts) = tables.found(fence, progress.as_ref())? {
                return Some(counts);
            }
            let synced = tables.syncs.get_mut(&fence.sync)?;
            let items = synced.items.iter().map(|(key, item)| (key.clone(), item.clone())).collect();
            let turned = elsewhere::turn(&settled, &items, synced.runs.get(&fence.number)?.dry_run);
            let failed = turned.failures(&failed, progress.is_some());
            turned.kept.into_iter().for_each(|item| drop(synced.items.insert(item.key.clone(), item)));
            turned.forgotten.iter().for_each(|key| drop(synced.items.remove(key)));
            tables.go_on(fence, turned.counts, &failed, progress.as_ref())
        }))
    }

    async fn keep_place(&self, fence: &Fence, place: &str) -> Result<bool> {
        Ok(self.transact(|tables, _, _| {
            let fenced = tables.fenced(fence, None).is_some();
            let run = tables.syncs.get_mut(&fence.sync).and_then(|synced| synced.runs.get_mut(&fence.number)).filter(|_| fenced);
            run.map(|run| run.place = Some(place.to_owned())).is_some()
        }))
    }

    async fn census(&self, fence: &Fence) -> Result<Census> {
        Ok(self.read(|tables| {
            let live = || tables.own(&fence.tenant, fence.sync).into_iter().flat_map(Synced::live);
            Census { live: live().count() as u64, unseen: live().filter(|item| item.seen != fence.number).count() as u64 }
        }))
    }

    async fn unseen(&self, fence: &Fence, after: Option<&str>, limit: usize) -> Result<Vec<Item>> {
        Ok(self.read(|tables| {
            let live = tables.own(&fence.tenant, fence.sync).into_iter().flat_map(Synced::live);
            let unseen = live.filter(|item| item.seen != fence.number && after.is_none_or(|after| item.key.as_str() > after));
            unseen.take(limit).cloned().collect()
        }))
    }

    async fn sweep_page(
        &self,
        fence: &Fence,
        collection: &str,
        policy: Policy,
        keys: Vec<String>,
        progress: Progress,
    ) -> Result<Option<Counts>> {
        Ok(self.transact(|tables, now, _| {
            if let Seen::Done(counts) = tables.fenced(fence, Some(&progress))? {
                return Some(counts);
            }
            let mut counts = Counts::default();
            for key in keys {
                let item = tables.syncs.get(&fence.sync).and_then(|synced| synced.items.get(&key));
                if item.is_some_and(|item| item.seen != fence.number) {
                    tables.see_to(fence, collection, policy, &key, None, now, &mut counts);
                }
            }
            tables.go_on(fence, counts, &[], Some(&progress))
        }))
    }

    async fn row_errors(&self, tenant: &TenantId, sync: SyncId, number: u32, after: u64, limit: usize) -> Result<Vec<RowError>> {
        Ok(self.read(|tables| {
            let errors = tables.own(tenant, sync).into_iter().flat_map(|synced| &synced.errors).filter(|(run, _)| *run == number);
            errors.skip(usize::try_from(after).unwrap_or(usize::MAX)).take(limit).map(|(_, error)| error.clone()).collect()
        }))
    }

    async fn end_run(&self, fence: &Fence, ending: Ending) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            if !tables.holds(fence) {
                return false;
            }
            let Some(synced) = tables.syncs.get_mut(&fence.sync) else { return false };
            let Some(run) = synced.runs.get_mut(&fence.number) else { return false };
            if run.state != RunState::Running {
                return run.state != RunState::Abandoned;
            }
            run.state = if ending.error.is_some() { RunState::Failed } else { RunState::Completed };
            run.error = ending.error;
            run.finished_at = Some(now);
            synced.errors.clear();
            synced.sync.since = ending.since.or_else(|| synced.sync.since.take());
            true
        }))
    }

    async fn conflicts(&self, tenant: &TenantId, sync: SyncId, after: Option<&str>, limit: usize) -> Result<Vec<Conflicted>> {
        Ok(self.read(|tables| {
            let Some(synced) = tables.own(tenant, sync) else { return Vec::new() };
            let collection = synced.sync.definition.destination.records.as_ref().map_or("", |records| records.collection.as_str());
            let conflicts = synced.conflicts.iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
            let conflicted = |(key, (source, _, run, created_at)): (&String, &Conflict)| Conflicted {
                key: key.clone(),
                source: source.clone().map(|source| RawValue::from_string(source).expect("a record is JSON text")),
                record: tables.records.get(&(tenant.clone(), collection.to_owned(), key.clone())).map(|row| row.record(collection, key)),
                run: *run,
                created_at: *created_at,
            };
            conflicts.take(limit).map(conflicted).collect()
        }))
    }

    async fn settle_conflict(&self, tenant: &TenantId, sync: SyncId, key: &str, side: Side) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            let Some(synced) = tables.own(tenant, sync) else { return false };
            let (delete, definition) = (synced.sync.definition.delete(), &synced.sync.definition);
            let Some(collection) = definition.destination.records.as_ref().map(|records| records.collection.clone()) else { return false };
            let Some((source, hash, ..)) = synced.conflicts.get(key).cloned() else { return false };
            let Some(item) = synced.items.get(key).cloned() else { return false };
            let place = (tenant.clone(), collection, key.to_owned());
            let standing = tables.records.get(&place).map(Row::standing);
            let floor = tables.record_floor(&place);
            match (side, &source) {
                (Side::Source, Some(data)) => tables.put_record(&place, data, hash, Some(sync), now),
                (Side::Source, None) if delete == Delete::Hard => tables.drop_record(&place),
                (Side::Source, None) => tables.mark_record(&place, sync, now),
                (Side::Destination, _) => {}
            }
            let after = conflicts::settled(&item, source.is_some().then_some(hash), standing.as_ref(), side, delete, floor);
            let synced = tables.syncs.get_mut(&sync).expect("it was just read");
            synced.conflicts.remove(key);
            match after {
                Some(item) => synced.items.insert(key.to_owned(), item),
                None => synced.items.remove(key),
            };
            true
        }))
    }
}

/// How a write finds its run.
enum Seen {
    Before,
    Done(Counts),
}

impl Synced {
    fn of(sync: Sync) -> Self {
        let (runs, items, errors, conflicts) = Default::default();
        Self { sync, runs, items, errors, conflicts }
    }

    fn live(&self) -> impl Iterator<Item = &Item> {
        self.items.values().filter(|item| !item.is_deleted)
    }
}

impl Tables {
    fn synced(&mut self, tenant: &TenantId, name: &str) -> Option<&mut Synced> {
        self.syncs.values_mut().find(|synced| synced.sync.tenant == *tenant && synced.sync.name == name)
    }

    fn own(&self, tenant: &TenantId, sync: SyncId) -> Option<&Synced> {
        self.syncs.get(&sync).filter(|synced| synced.sync.tenant == *tenant)
    }

    fn attempt_runs(&self, job: JobId, attempt: u32) -> bool {
        self.jobs.get(&job).is_some_and(|job| job.state == State::Running && job.attempt == attempt && !job.cancel_requested)
    }

    fn holds(&self, fence: &Fence) -> bool {
        self.may_note(fence) && self.attempt_runs(fence.job, fence.attempt)
    }

    /// Whether this attempt holds the run, asked to stop or not.
    fn may_note(&self, fence: &Fence) -> bool {
        let run = self.own(&fence.tenant, fence.sync).and_then(|synced| synced.runs.get(&fence.number));
        let job = self.jobs.get(&fence.job);
        run.is_some_and(|run| run.job == fence.job && run.attempt == fence.attempt)
            && job.is_some_and(|job| job.state == State::Running && job.attempt == fence.attempt)
    }

    /// None where this attempt may not write here.
    fn fenced(&self, fence: &Fence, progress: Option<&Progress>) -> Option<Seen> {
        self.found(fence, progress).filter(|_| self.holds(fence))
    }

    /// None where this attempt may not even note what it did.
    fn found(&self, fence: &Fence, progress: Option<&Progress>) -> Option<Seen> {
        let run = self.syncs.get(&fence.sync)?.runs.get(&fence.number).filter(|_| self.may_note(fence))?;
        match progress.map(|progress| runs::at(run, progress)) {
            _ if run.state != RunState::Running => None,
            None | Some(runs::At::Before) => Some(Seen::Before),
            Some(runs::At::After) => Some(Seen::Done(run.counts)),
            Some(runs::At::Elsewhere) => None,
        }
    }

    fn go_on(&mut self, fence: &Fence, counts: Counts, failed: &[RowError], progress: Option<&Progress>) -> Option<Counts> {
        let synced = self.syncs.get_mut(&fence.sync)?;
        let run = synced.runs.get_mut(&fence.number)?;
        let room = usize::try_from(ERRORS_KEPT.saturating_sub(run.counts.failed)).expect("ten thousand at the most");
        synced.errors.extend(failed.iter().take(room).map(|error| (fence.number, error.as_kept())));
        run.counts.add(counts);
        run.counts.failed += failed.len() as u64;
        for key in failed.iter().filter_map(|error| error.key.as_ref()) {
            if let Some(item) = synced.items.get_mut(key) {
                item.seen = fence.number;
            }
        }
        if let Some(progress) = progress {
            run.counts.add(runs::read(progress));
            run.place = Some(progress.place.clone());
        }
        Some(run.counts)
    }

    /// Decides on one record, and writes what was decided.
    #[expect(clippy::too_many_arguments, reason = "the parts of a page")]
    fn see_to(
        &mut self,
        fence: &Fence,
        collection: &str,
        policy: Policy,
        key: &str,
        incoming: Option<&Incoming>,
        now: Timestamp,
        counts: &mut Counts,
    ) {
        let place = (fence.tenant.clone(), collection.to_owned(), key.to_owned());
        let standing = self.records.get(&place).map(Row::standing);
        let synced = self.syncs.get(&fence.sync).expect("the fence holds");
        let (before, dry_run) = (synced.items.get(key).cloned(), synced.runs[&fence.number].dry_run);
        let fate = match incoming {
            Some(incoming) => decide::incoming(incoming, before.as_ref(), standing.as_ref(), policy),
            None => decide::gone(before.as_ref(), standing.as_ref(), policy),
        };
        let says = incoming.filter(|incoming| !incoming.is_deleted);
        let mut after = before.clone().unwrap_or_else(|| Item {
            key: key.to_owned(),
            hash: NEVER,
            seen: fence.number,
            version: None,
            is_deleted: false,
            pending: None,
            remote_id: None,
        });
        if incoming.is_some() {
            after.seen = fence.number;
        }
        let mut remembered = before.is_some().then(|| after.clone());
        let mut conflict = None;
        match fate {
            _ if dry_run => {}
            Fate::Create | Fate::Update => {
                let says = says.expect("what is written was said");
                self.put_record(&place, &says.data, says.hash, Some(fence.sync), now);
                remembered =
                    Some(Item { hash: says.hash, version: self.record_version(&place), is_deleted: false, pending: None, ..after });
            }
            Fate::Adopt => {
                let hash = says.map_or(after.hash, |says| says.hash);
                let is_deleted = standing.is_some_and(|standing| standing.is_deleted);
                remembered = Some(Item { hash, version: self.record_version(&place), is_deleted, pending: None, ..after });
            }
            Fate::Keep => {
                let hash = says.map_or(after.hash, |says| says.hash);
                remembered = Some(Item { hash, is_deleted: false, pending: None, ..after });
            }
            Fate::Conflict => {
                let source = says.map(|says| says.data.clone());
                conflict = Some((source, says.map_or(NEVER, |says| says.hash)));
                remembered = Some(after);
            }
            Fate::MarkDeleted => {
                self.mark_record(&place, fence.sync, now);
                remembered = Some(Item { version: self.record_version(&place), is_deleted: true, pending: None, ..after });
            }
            Fate::Remove => {
                self.drop_record(&place);
                remembered = None;
            }
            Fate::Forget => remembered = None,
            Fate::Unchanged | Fate::Miss => {}
        }
        let synced = self.syncs.get_mut(&fence.sync).expect("the fence holds");
        let is_known = synced.conflicts.get(key).is_some_and(|(_, _, run, _)| *run == fence.number);
        match remembered {
            Some(item) => synced.items.insert(key.to_owned(), item),
            None => synced.items.remove(key),
        };
        match conflict {
            Some((source, hash)) => {
                let known = synced.conflicts.get(key).map_or(now, |(.., created_at)| *created_at);
                synced.conflicts.insert(key.to_owned(), (source, hash, fence.number, known));
            }
            None if dry_run => {}
            None => drop(synced.conflicts.remove(key)),
        }
        // What the run wrote itself may be in conflict since, and is counted then.
        let is_again = match fate {
            Fate::Conflict if !dry_run => is_known,
            _ => is_again(fate, before.as_ref(), fence.number),
        };
        if is_again {
            return;
        }
        let counted = match fate {
            Fate::Create => &mut counts.created,
            Fate::Update => &mut counts.updated,
            Fate::Keep => &mut counts.kept,
            Fate::Conflict => &mut counts.conflicts,
            Fate::MarkDeleted | Fate::Remove => &mut counts.deleted,
            Fate::Miss => &mut counts.missing,
            Fate::Unchanged | Fate::Adopt | Fate::Forget if incoming.is_none() => return,
            Fate::Unchanged | Fate::Adopt | Fate::Forget => &mut counts.unchanged,
        };
        *counted += 1;
    }
}
