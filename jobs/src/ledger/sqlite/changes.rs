//! Writing decided changes: the one place where a job's row moves, under the guard, with its side rows.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::writer::Tx;
use crate::{
    clock::Timestamp,
    job::{JobId, State},
    ledger::{BATCH_MAX, FeedEvent, Result, delay_bucket, rows},
    lifecycle::{Change, Snapshot},
    tenant::TenantId,
};

/// Writes how attempts ended. An ending that stands there already counts as written.
pub(super) async fn settle(tx: &mut Tx<'_>, changes: &[&Change]) -> Result<Vec<bool>> {
    let mut written = apply(tx, None, changes).await?;
    let refused: Vec<_> =
        changes.iter().zip(&written).filter(|(change, written)| !**written && change.state.is_final()).map(|(change, _)| *change).collect();
    if !refused.is_empty() {
        let ended = already_ended(tx, &refused).await?;
        for (change, written) in changes.iter().zip(&mut written) {
            *written |= change.state.is_final() && ended.contains(&change.id);
        }
    }
    Ok(written)
}

/// Writes changes where their guards hold, of one tenant's jobs only if one is given. For each in turn: whether it was written.
pub(super) async fn apply(tx: &mut Tx<'_>, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<bool>> {
    let mut written = Vec::with_capacity(changes.len());
    for batch in changes.chunks(BATCH_MAX) {
        // Two changes of one job in one statement would both see the row as it was: the later one waits its turn.
        let mut rest = batch;
        while !rest.is_empty() {
            let distinct = leading_distinct(rest);
            written.extend(apply_batch(tx, tenant, &rest[..distinct]).await?);
            rest = &rest[distinct..];
        }
    }
    Ok(written)
}

fn leading_distinct(changes: &[&Change]) -> usize {
    let mut seen = HashSet::with_capacity(changes.len());
    changes.iter().take_while(|change| seen.insert(change.id)).count()
}

async fn apply_batch(tx: &mut Tx<'_>, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<bool>> {
    let redriven: Vec<_> = changes.iter().filter(|change| change.guard.state.is_final()).map(|change| rows::hex(change.id)).collect();
    if !redriven.is_empty() {
        execute_over(tx, |sql| &sql.keep_last_attempts, &redriven).await?;
    }

    let rows: Vec<_> = changes.iter().map(|change| row(change)).collect();
    let written: Vec<rows::WrittenRow> = sqlx::query_as(tx.sql.apply.clone())
        .bind(serde_json::to_string(&rows)?)
        .bind(tx.now.ms())
        .bind(tenant.map(TenantId::as_str))
        .fetch_all(&mut *tx.connection)
        .await?;
    let written: HashMap<JobId, rows::WrittenRow> = written.into_iter().map(|row| (rows::job_id(row.id), row)).collect();
    write_side_rows(tx, changes, &written).await?;
    Ok(changes.iter().map(|change| written.contains_key(&change.id)).collect())
}

/// What the rest of the ledger must know of the changes that were written.
async fn write_side_rows(tx: &mut Tx<'_>, changes: &[&Change], written: &HashMap<JobId, rows::WrittenRow>) -> Result<()> {
    let (mut ready, mut freed, mut gone, mut kept, mut delays) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let Some(row) = written.get(&change.id) else { continue };
        if change.ends_attempt() {
            freed.push((change.id, change.guard.attempt));
            if !change.state.is_final() {
                kept.push(rows::hex(change.id));
            }
        }
        if change.state == State::Available {
            ready.push(row.ready()?);
        } else if change.guard.state == State::Available {
            gone.push(change.id);
        }
        let deadline = row.deadline_at_ms.map(Timestamp::from_ms);
        delays.extend(Delay::of(change.state, change.id, &rows::name(&row.tenant)?, Timestamp::from_ms(row.run_at_ms), deadline));
    }
    if !kept.is_empty() {
        let now_ms = tx.now.ms();
        sqlx::query(tx.sql.keep_attempts.clone())
            .bind(serde_json::to_string(&kept)?)
            .bind(now_ms)
            .execute(&mut *tx.connection)
            .await?;
    }
    Delay::write(tx, delays).await?;
    if !freed.is_empty() {
        tx.feed.push(FeedEvent::Freed(freed));
    }
    if !ready.is_empty() {
        tx.feed.push(FeedEvent::Ready(ready));
    }
    if !gone.is_empty() {
        tx.feed.push(FeedEvent::Gone(gone));
    }
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

async fn already_ended(tx: &mut Tx<'_>, changes: &[&Change]) -> Result<HashSet<JobId>> {
    let rows: Vec<_> = changes.iter().map(|change| row(change)).collect();
    let ended: Vec<Uuid> =
        sqlx::query_scalar(tx.sql.already_ended.clone()).bind(serde_json::to_string(&rows)?).fetch_all(&mut *tx.connection).await?;
    Ok(ended.into_iter().map(rows::job_id).collect())
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

/// When to look at a job again.
pub(super) struct Delay {
    bucket: i64,
    due_at: Timestamp,
    id: JobId,
}

impl Delay {
    /// A waiting job is due at its `run_at` or at its deadline, an available one at its deadline only.
    pub(super) fn of(state: State, id: JobId, tenant: &TenantId, run_at: Timestamp, deadline: Option<Timestamp>) -> Option<Self> {
        let due_at = match state {
            State::Scheduled | State::Retryable => Some(deadline.map_or(run_at, |deadline| deadline.min(run_at))),
            State::Available | State::Held => deadline,
            _ => None,
        };
        due_at.map(|due_at| Self { bucket: delay_bucket(tenant), due_at, id })
    }

    pub(super) async fn write(tx: &mut Tx<'_>, delays: Vec<Self>) -> Result<()> {
        let Some(earliest) = delays.iter().map(|delay| delay.due_at).min() else {
            return Ok(());
        };
        let rows: Vec<_> = delays
            .iter()
            .map(|delay| json!({"bucket": delay.bucket, "due_at_ms": delay.due_at.ms(), "id": rows::hex(delay.id)}))
            .collect();
        execute_over(tx, |sql| &sql.delay, &rows).await?;
        tx.feed.push(FeedEvent::Delayed(earliest.ms()));
        Ok(())
    }
}
