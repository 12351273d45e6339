//! Writing decided changes: the one place where a job's row moves, under the guard, with its side rows.

use std::collections::HashMap;

use serde_json::json;

use super::writer::Tx;
use crate::{
    clock::Timestamp,
    job::JobId,
    keys::Written,
    ledger::{
        BATCH_MAX, Result, keyed, rows,
        side::{Delay, Released, SideRows, is_redrive, leading_distinct},
    },
    lifecycle::{Change, Snapshot},
    tenant::TenantId,
};

/// Writes how attempts ended. An ending that stands there already counts as written.
pub(super) async fn settle(tx: &mut Tx<'_>, changes: &[&Change]) -> Result<Vec<bool>> {
    let mut written: Vec<bool> = apply(tx, None, changes).await?.into_iter().map(Written::is_done).collect();
    let refused: Vec<usize> = (0..changes.len()).filter(|index| !written[*index] && changes[*index].state.is_final()).collect();
    if !refused.is_empty() {
        let endings: Vec<&Change> = refused.iter().map(|index| changes[*index]).collect();
        for place in already_ended(tx, &endings).await? {
            written[refused[place]] = true;
        }
    }
    Ok(written)
}

/// Writes changes where their guards hold, of one tenant's jobs only if one is given. For each in turn: what became of it.
pub(super) async fn apply(tx: &mut Tx<'_>, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<Written>> {
    let mut written = Vec::with_capacity(changes.len());
    for batch in changes.chunks(BATCH_MAX) {
        let mut rest = batch;
        while !rest.is_empty() {
            let distinct = leading_distinct(rest);
            written.extend(apply_batch(tx, tenant, &rest[..distinct]).await?);
            rest = &rest[distinct..];
        }
    }
    Ok(written)
}

async fn apply_batch(tx: &mut Tx<'_>, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<Written>> {
    let redriven: Vec<_> = changes.iter().filter(|change| is_redrive(change)).map(|change| rows::hex(change.id)).collect();
    let mut held = HashMap::new();
    if !redriven.is_empty() {
        held = regain_keys(tx, tenant, changes).await?;
        execute_over(tx, |sql| &sql.keep_last_attempts, &redriven).await?;
    }
    let given = changes;
    let changes: Vec<&Change> = changes.iter().copied().filter(|change| !held.contains_key(&change.id)).collect();

    let rows: Vec<_> = changes.iter().map(|change| row(change)).collect();
    let written: Vec<rows::WrittenRow> = sqlx::query_as(tx.sql.apply.clone())
        .bind(serde_json::to_string(&rows)?)
        .bind(tx.now.ms())
        .bind(tenant.map(TenantId::as_str))
        .fetch_all(&mut *tx.connection)
        .await?;
    let written: HashMap<JobId, rows::WrittenRow> = written.into_iter().map(|row| (rows::job_id(row.id), row)).collect();
    write_side_rows(tx, SideRows::of_changes(&changes, &written)?).await?;
    let became = |change: &&Change| held.get(&change.id).map_or(Written::of(written.contains_key(&change.id)), |by| Written::KeyHeld(*by));
    Ok(given.iter().map(became).collect())
}

/// Reserves the unique keys of ended jobs that these changes bring back. Returns who holds those that are taken.
async fn regain_keys(tx: &mut Tx<'_>, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<HashMap<JobId, JobId>> {
    let rows: Vec<_> = changes.iter().map(|change| row(change)).collect();
    let keyed: Vec<(uuid::Uuid, String, String)> = sqlx::query_as(tx.sql.redriven.clone())
        .bind(serde_json::to_string(&rows)?)
        .bind(tenant.map(TenantId::as_str))
        .fetch_all(&mut *tx.connection)
        .await?;
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    let mut keyed: Vec<_> = keyed.into_iter().map(|(id, tenant, key)| (rows::job_id(id), tenant, key)).collect();
    keyed.sort_by_key(|(id, ..)| changes.iter().position(|change| change.id == *id));
    keyed::regain(tx, &keyed).await
}

/// Writes what the rest of the ledger must know of a batch.
pub(super) async fn write_side_rows(tx: &mut Tx<'_>, side: SideRows) -> Result<()> {
    if !side.kept.is_empty() {
        let kept: Vec<_> = side.kept.into_iter().map(rows::hex).collect();
        let now_ms = tx.now.ms();
        sqlx::query(tx.sql.keep_attempts.clone()).bind(serde_json::to_string(&kept)?).bind(now_ms).execute(&mut *tx.connection).await?;
    }
    if !side.delays.is_empty() {
        let delay = |delay: &Delay| json!({"bucket": delay.bucket, "due_at_ms": delay.due_at.ms(), "id": rows::hex(delay.id)});
        let delays: Vec<_> = side.delays.iter().map(delay).collect();
        execute_over(tx, |sql| &sql.delay, &delays).await?;
    }
    if !side.outcomes.is_empty() {
        let outcomes = serde_json::to_string(&side.outcomes)?;
        sqlx::query(tx.sql.count_outcomes.clone()).bind(outcomes).execute(&mut *tx.connection).await?;
    }
    if !side.released.is_empty() {
        let row = |released: &Released| json!({"tenant": released.tenant, "key": released.key, "job_id": rows::hex(released.job)});
        let released: Vec<_> = side.released.iter().map(row).collect();
        execute_over(tx, |sql| &sql.release, &released).await?;
    }
    tx.feed.extend(side.events);
    Ok(())
}

fn row(change: &Change) -> serde_json::Value {
    let verdict = change.verdict.clone().unwrap_or_default();
    json!({
        "id": rows::hex(change.id),
        "seen_state": change.guard.state.number(),
        "seen_attempt": change.guard.attempt,
        "seen_cancel_requested": u8::from(change.guard.cancel_requested),
        "seen_lease_until_ms": change.guard.lease_until.map(Timestamp::ms),
        "state": change.state.number(),
        "delay_ms": change.delay_ms,
        "forgiven": change.forgiven,
        "crashes": change.crashes,
        "cancel_requested": u8::from(change.cancel_requested),
        "lifts_deadline": u8::from(change.lifts_deadline),
        "finished": u8::from(change.state.is_final()),
        "has_verdict": u8::from(change.verdict.is_some()),
        "outcome": rows::as_word(verdict.outcome),
        "reason": rows::as_word(verdict.reason),
        "error": verdict.error.map(|error| serde_json::json!(error).to_string()),
        "result": verdict.result,
    })
}

/// The places of those among these endings that stand in the ledger.
async fn already_ended(tx: &mut Tx<'_>, changes: &[&Change]) -> Result<Vec<usize>> {
    let rows: Vec<_> = changes.iter().map(|change| row(change)).collect();
    let places: Vec<i64> =
        sqlx::query_scalar(tx.sql.already_ended.clone()).bind(serde_json::to_string(&rows)?).fetch_all(&mut *tx.connection).await?;
    Ok(places.into_iter().filter_map(|place| usize::try_from(place).ok()).collect())
}

/// What decisions about these jobs look at.
pub(super) async fn snapshots(tx: &mut Tx<'_>, ids: &[JobId]) -> Result<Vec<Snapshot>> {
    let ids: Vec<_> = ids.iter().map(|id| rows::hex(*id)).collect();
    let rows: Vec<rows::SnapshotRow> =
        sqlx::query_as(tx.sql.snapshots.clone()).bind(serde_json::to_string(&ids)?).fetch_all(&mut *tx.connection).await?;
    rows.iter().map(rows::SnapshotRow::snapshot).collect()
}

/// Runs a statement whose only parameter is a JSON array.
pub(super) async fn execute_over<T: serde::Serialize + Sync>(
    tx: &mut Tx<'_>,
    statement: fn(&super::Statements) -> &sqlx::SqlStr,
    items: &[T],
) -> Result<()> {
    sqlx::query(statement(tx.sql).clone()).bind(serde_json::to_string(items)?).execute(&mut *tx.connection).await?;
    Ok(())
}
