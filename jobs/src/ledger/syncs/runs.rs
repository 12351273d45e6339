//! Runs: who may write for them, where they stand, how they begin and end. Next: `syncs/pages.rs`.

use super::{RunRow, SyncTable};
use crate::{
    clock::Timestamp,
    ledger::Result,
    sync::{
        RUNS_KEPT,
        state::{Begin, Begun, Counts, ERRORS_KEPT, Ending, Fence, Progress, RowError, Run, RunState},
    },
};

/// Takes hold of a run that this attempt may write for.
pub(super) async fn fenced(table: &mut impl SyncTable, fence: &Fence) -> Result<Option<Run>> {
    Ok(held(table, fence).await?.filter(|run| run.state == RunState::Running))
}

/// Takes hold of a run for which this attempt may note what it did, though somebody asked it to stop meanwhile: what is not noted is done again.
pub(super) async fn noting(table: &mut impl SyncTable, fence: &Fence) -> Result<Option<Run>> {
    let run = own(table, fence).await?.filter(|run| run.state == RunState::Running);
    Ok(if run.is_some() && table.attempt_runs(fence.job, fence.attempt).await? { run } else { None })
}

/// Takes hold of a run that this attempt holds, or held at its end.
async fn held(table: &mut impl SyncTable, fence: &Fence) -> Result<Option<Run>> {
    let run = own(table, fence).await?;
    Ok(if run.is_some() && table.runs(fence.job, fence.attempt).await? { run } else { None })
}

/// Takes hold of a run that is this attempt's, whether it runs still or not.
async fn own(table: &mut impl SyncTable, fence: &Fence) -> Result<Option<Run>> {
    let Some(row) = table.hold_run(fence.sync, fence.number).await? else { return Ok(None) };
    let is_own = row.tenant == fence.tenant.as_str();
    let run = row.into_run()?;
    Ok(Some(run).filter(|run| is_own && run.job == fence.job && run.attempt == fence.attempt))
}

/// Where a write finds its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum At {
    /// Where it comes from: it is to be done.
    Before,
    /// Where it leads to: it was done.
    After,
    /// Where it has no business.
    Elsewhere,
}

/// Where a write finds its run.
pub(in crate::ledger) fn at(run: &Run, progress: &Progress) -> At {
    if run.place == progress.from {
        At::Before
    } else if run.place.as_ref() == Some(&progress.place) {
        At::After
    } else {
        At::Elsewhere
    }
}

/// Writes row errors, as many as are kept. Returns their count. What failed was seen all the same: a sweep leaves it alone.
pub(super) async fn fail(table: &mut impl SyncTable, fence: &Fence, run: &Run, failed: &[RowError]) -> Result<Counts> {
    let failed: Vec<RowError> = failed.iter().map(RowError::as_kept).collect();
    let seen: Vec<&str> = failed.iter().filter_map(|error| error.key.as_deref()).collect();
    if !seen.is_empty() {
        table.see_items(fence.sync, run.number, &seen).await?;
    }
    let first = run.counts.failed;
    let room = usize::try_from(ERRORS_KEPT.saturating_sub(first)).unwrap_or(usize::MAX);
    let kept = &failed[..failed.len().min(room)];
    if !kept.is_empty() {
        table.keep_errors(fence.sync, fence.number, first, kept).await?;
    }
    Ok(Counts { failed: failed.len() as u64, ..Counts::default() })
}

/// Adds what a page did, and moves the run on.
pub(super) async fn go_on(table: &mut impl SyncTable, fence: &Fence, run: &mut Run, counts: Counts, progress: &Progress) -> Result<()> {
    run.counts.add(counts);
    run.counts.add(read(progress));
    run.place = Some(progress.place.clone());
    table.store_run(fence.sync, run).await
}

/// What a page read.
pub(in crate::ledger) fn read(progress: &Progress) -> Counts {
    Counts { pages: progress.pages, read: progress.read, bytes: progress.bytes, ..Counts::default() }
}

/// Begins a run, or goes on with the job's own.
pub(in crate::ledger) async fn begin(table: &mut impl SyncTable, begin: &Begin) -> Result<Begun> {
    let Some(row) = table.hold_sync(&begin.tenant, &begin.name).await? else { return Ok(Begun::Unknown) };
    let mut sync = row.into_sync()?;
    if !table.runs(begin.job, begin.attempt).await? {
        return Ok(Begun::Over);
    }
    let last = table.hold_run(sync.id, sync.last_run).await?.map(RunRow::into_run).transpose()?;
    if let Some(last) = last.as_ref().filter(|last| is_done(last, begin)) {
        return Ok(Begun::Run(Box::new(sync), Box::new(last.clone())));
    }
    if let Some(mut last) = last.filter(|last| last.state == RunState::Running) {
        if last.job != begin.job && table.is_live(last.job).await? {
            return Ok(Begun::Busy { job: last.job });
        }
        if goes_on(&last, begin, sync.version) {
            last.attempt = begin.attempt;
            table.store_run(sync.id, &last).await?;
            return Ok(Begun::Run(Box::new(sync), Box::new(last)));
        }
        last.state = RunState::Abandoned;
        last.finished_at = Some(table.time().await?);
        table.store_run(sync.id, &last).await?;
    }
    table.drop_errors(sync.id, sync.last_run).await?;
    sync.last_run += 1;
    let run = new_run(begin, sync.last_run, sync.version, table.time().await?);
    table.insert_run(&sync.tenant, sync.id, &run).await?;
    table.store_sync(&sync).await?;
    if let Some(old) = run.number.checked_sub(RUNS_KEPT).filter(|old| *old > 0) {
        table.drop_runs(sync.id, old).await?;
    }
    Ok(Begun::Run(Box::new(sync), Box::new(run)))
}

/// Whether a run that was left is the one to go on with.
pub(in crate::ledger) fn goes_on(last: &Run, begin: &Begin, version: u32) -> bool {
    last.job == begin.job && last.version == version && last.full == begin.full && last.dry_run == begin.dry_run
}

/// Whether the job did its run already, and only nobody heard.
pub(in crate::ledger) fn is_done(last: &Run, begin: &Begin) -> bool {
    last.job == begin.job && last.state == RunState::Completed
}

/// A run that begins.
pub(in crate::ledger) fn new_run(begin: &Begin, number: u32, version: u32, now: Timestamp) -> Run {
    Run {
        number,
        version,
        job: begin.job,
        attempt: begin.attempt,
        state: RunState::Running,
        full: begin.full,
        dry_run: begin.dry_run,
        counts: Counts::default(),
        place: None,
        error: None,
        started_at: now,
        finished_at: None,
    }
}

/// Keeps a run's place alone.
pub(in crate::ledger) async fn keep_place(table: &mut impl SyncTable, fence: &Fence, place: &str) -> Result<bool> {
    let Some(mut run) = fenced(table, fence).await? else { return Ok(false) };
    run.place = Some(place.to_owned());
    table.store_run(fence.sync, &run).await?;
    Ok(true)
}

/// Ends a run; ending it again changes nothing.
pub(in crate::ledger) async fn end(table: &mut impl SyncTable, fence: &Fence, ending: &Ending) -> Result<bool> {
    // The sync before its run, as whoever begins one holds them.
    let Some(row) = table.hold_sync_of(&fence.tenant, fence.sync).await? else { return Ok(false) };
    let Some(mut run) = held(table, fence).await? else { return Ok(false) };
    if run.state != RunState::Running {
        return Ok(run.state != RunState::Abandoned);
    }
    run.state = if ending.error.is_some() { RunState::Failed } else { RunState::Completed };
    run.error.clone_from(&ending.error);
    run.finished_at = Some(table.time().await?);
    table.store_run(fence.sync, &run).await?;
    table.drop_errors(fence.sync, fence.number).await?;
    if ending.since.is_some() {
        let mut sync = row.into_sync()?;
        sync.since.clone_from(&ending.since);
        table.store_sync(&sync).await?;
    }
    Ok(true)
}
