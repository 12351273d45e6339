//! Planning what is to be done at a provider, and noting what came of it. Next: `sync/decide.rs`.

use std::collections::{HashMap, HashSet};

use super::{SyncTable, runs};
use crate::{
    clock::Timestamp,
    ledger::{Error, Result},
    sync::{
        BATCH_RECORDS_MAX,
        decide::{self, Elsewhere, NEVER},
        definition::Delete,
        state::{Counts, Fence, Incoming, Intent, Item, Planned, Policy, Progress, RowError, Settled, SettledAs, is_remote_id},
    },
};

/// Decides what is to be done elsewhere, and notes each intent.
pub(in crate::ledger) async fn plan(
    table: &mut impl SyncTable,
    fence: &Fence,
    policy: Policy,
    incoming: &[Incoming],
) -> Result<Option<Vec<Planned>>> {
    let Some(mut run) = runs::fenced(table, fence).await? else { return Ok(None) };
    let keys: Vec<&str> = incoming.iter().map(|incoming| incoming.key.as_str()).collect();
    let now = table.time().await?;
    let items = items(table, fence, &keys).await?;
    let (mut planned, mut intents, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for incoming in incoming {
        let (plan, intent) = decide_one(incoming, items.get(&incoming.key), policy, run.number, now);
        if run.dry_run || intent.is_none() {
            seen.push(incoming.key.as_str());
        }
        run.counts.repeated += u64::from(plan.in_doubt && !run.dry_run);
        run.counts.add(nothing(incoming, items.get(&incoming.key), plan.fate, policy.delete, run.number));
        planned.push(plan);
        intents.extend(intent.filter(|_| !run.dry_run));
    }
    if !intents.is_empty() {
        table.keep_items(fence.sync, &intents).await?;
    }
    if !seen.is_empty() {
        table.see_items(fence.sync, run.number, &seen).await?;
    }
    table.store_run(fence.sync, &run).await?;
    Ok(Some(planned))
}

/// What is to be done with a record, and its item with the intent; none where there is nothing to do. Pure.
pub(in crate::ledger) fn decide_one(
    incoming: &Incoming,
    item: Option<&Item>,
    policy: Policy,
    run: u32,
    now: Timestamp,
) -> (Planned, Option<Item>) {
    let fate = decide::elsewhere(incoming, item, policy.delete);
    let hash = if fate == Elsewhere::Delete { NEVER } else { incoming.hash };
    let before = item.and_then(|item| item.pending);
    // What was meant before and is not settled is the same intent still.
    let intent = before.filter(|intent| intent.hash == hash).unwrap_or(Intent { hash, at: now });
    let planned = Planned {
        key: incoming.key.clone(),
        fate,
        remote_id: item.and_then(|item| item.remote_id.clone()),
        in_doubt: fate != Elsewhere::Nothing && before.is_some(),
        meant_at: intent.at,
    };
    let new =
        || Item { key: incoming.key.clone(), hash: NEVER, seen: run, version: None, is_deleted: false, pending: None, remote_id: None };
    if fate == Elsewhere::Nothing {
        return (planned, None);
    }
    let item = item.cloned().unwrap_or_else(new);
    // A deletion that is not done yet is not seen: a sweep finds it again.
    let seen = if incoming.is_deleted { item.seen } else { run };
    (planned, Some(Item { pending: Some(intent), seen, ..item }))
}

/// Counts a record about which there is nothing to do; what the run saw before was counted then. Pure.
pub(in crate::ledger) fn nothing(incoming: &Incoming, item: Option<&Item>, fate: Elsewhere, delete: Delete, run: u32) -> Counts {
    let mut counts = Counts::default();
    if fate == Elsewhere::Nothing && item.is_none_or(|item| item.seen != run) {
        let stays = item.is_some_and(|item| !item.is_deleted) && incoming.is_deleted && delete == Delete::Keep;
        *(if stays { &mut counts.missing } else { &mut counts.unchanged }) += 1;
    }
    counts
}

/// Notes what came of it.
pub(in crate::ledger) async fn settle(
    table: &mut impl SyncTable,
    fence: &Fence,
    settled: &[Settled],
    failed: &[RowError],
    progress: Option<&Progress>,
) -> Result<Option<Counts>> {
    check(settled)?;
    let Some(mut run) = runs::noting(table, fence).await? else { return Ok(None) };
    match progress.map(|progress| runs::at(&run, progress)) {
        None | Some(runs::At::Before) => {}
        Some(runs::At::After) => return Ok(Some(run.counts)),
        Some(runs::At::Elsewhere) => return Ok(None),
    }
    let keys: Vec<&str> = settled.iter().map(|settled| settled.key.as_str()).collect();
    let items = items(table, fence, &keys).await?;
    let outcome = turn(settled, &items, run.dry_run);
    if !outcome.kept.is_empty() {
        table.keep_items(fence.sync, &outcome.kept).await?;
    }
    if !outcome.forgotten.is_empty() {
        let keys: Vec<&str> = outcome.forgotten.iter().map(String::as_str).collect();
        table.drop_items(fence.sync, &keys).await?;
    }
    let failed = outcome.failures(failed, progress.is_some());
    let mut done = runs::fail(table, fence, &run, &failed).await?;
    done.add(outcome.counts);
    match progress {
        Some(progress) => runs::go_on(table, fence, &mut run, done, progress).await?,
        None => {
            run.counts.add(done);
            table.store_run(fence.sync, &run).await?;
        }
    }
    Ok(Some(run.counts))
}

/// Whether each name that a provider has for a record can be kept.
pub(in crate::ledger) fn check(settled: &[Settled]) -> Result<()> {
    let remote_id = |settled: &'_ Settled| match &settled.outcome {
        SettledAs::Created { remote_id } | SettledAs::Updated { remote_id } => remote_id.clone(),
        SettledAs::Deleted { .. } | SettledAs::Refused => None,
    };
    match settled.iter().filter_map(remote_id).find(|id| !is_remote_id(id)) {
        Some(id) => Err(Error::Refused(format!("a provider's id of {} bytes, or with control characters, is not kept", id.len()))),
        None => Ok(()),
    }
}

/// What is written once it is known what came of intents.
#[derive(Default)]
pub(in crate::ledger) struct Turned {
    pub kept: Vec<Item>,
    pub forgotten: Vec<String>,
    pub counts: Counts,
    refused: HashSet<String>,
}

impl Turned {
    /// The row errors that count: those of a write without a place only where their intent went with it.
    pub(in crate::ledger) fn failures(&self, failed: &[RowError], moves: bool) -> Vec<RowError> {
        let counts = |error: &&RowError| moves || error.key.as_ref().is_some_and(|key| self.refused.contains(key));
        failed.iter().filter(counts).cloned().collect()
    }
}

/// What came of intents. One that is no more was settled before; a dry run has none, and counts. Pure.
pub(in crate::ledger) fn turn(settled: &[Settled], items: &HashMap<String, Item>, dry_run: bool) -> Turned {
    let mut turned = Turned::default();
    for Settled { key, outcome } in settled {
        if dry_run {
            count(&mut turned.counts, outcome);
            continue;
        }
        let Some((item, pending)) = items.get(key).and_then(|item| Some((item, item.pending?))) else { continue };
        count(&mut turned.counts, outcome);
        let settled = Item { pending: None, ..item.clone() };
        match outcome {
            SettledAs::Created { remote_id } | SettledAs::Updated { remote_id } => {
                let remote_id = remote_id.clone().or_else(|| item.remote_id.clone());
                turned.kept.push(Item { hash: pending.hash, is_deleted: false, remote_id, ..settled });
            }
            SettledAs::Deleted { forget: false } => turned.kept.push(Item { is_deleted: true, ..settled }),
            SettledAs::Deleted { forget: true } => turned.forgotten.push(key.clone()),
            SettledAs::Refused => {
                turned.refused.insert(key.clone());
                // What was never made is nothing to remember.
                if item.hash == NEVER && item.remote_id.is_none() { turned.forgotten.push(key.clone()) } else { turned.kept.push(settled) }
            }
        }
    }
    turned
}

const fn count(counts: &mut Counts, outcome: &SettledAs) {
    match outcome {
        SettledAs::Created { .. } => counts.created += 1,
        SettledAs::Updated { .. } => counts.updated += 1,
        SettledAs::Deleted { .. } => counts.deleted += 1,
        SettledAs::Refused => {}
    }
}

/// What is remembered of these keys.
async fn items(table: &mut impl SyncTable, fence: &Fence, keys: &[&str]) -> Result<HashMap<String, Item>> {
    if keys.len() > BATCH_RECORDS_MAX {
        return Err(Error::Refused(format!("a page has at most {BATCH_RECORDS_MAX} keys")));
    }
    let rows = table.items(fence.sync, keys).await?;
    rows.into_iter().map(|row| row.into_item().map(|item| (item.key.clone(), item))).collect()
}
