//! Writing decided changes: the one place where a job's row moves, under the guard, with its side rows.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::writer::Tx;
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{
        Result,
        guarded::{JobTable, Redriven},
        rows,
        side::{Delay, Released, SideRows},
    },
    lifecycle::{Change, Snapshot},
    tenant::TenantId,
};

#[async_trait]
impl JobTable for Tx<'_> {
    async fn write(&mut self, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<HashSet<JobId>> {
        let written: Vec<rows::WrittenRow> = sqlx::query_as(self.sql.apply.clone())
            .bind(as_rows(changes)?)
            .bind(self.now.ms())
            .bind(tenant.map(TenantId::as_str))
            .fetch_all(&mut *self.connection)
            .await?;
        let written: HashMap<JobId, rows::WrittenRow> = written.into_iter().map(|row| (rows::job_id(row.id), row)).collect();
        write_side_rows(self, SideRows::of_changes(changes, &written)?).await?;
        Ok(written.into_keys().collect())
    }

    async fn keep_last_attempts(&mut self, ids: &[JobId]) -> Result<()> {
        let ids: Vec<_> = ids.iter().copied().map(rows::hex).collect();
        execute_over(self, |sql| &sql.keep_last_attempts, &ids).await
    }

    async fn redriven(&mut self, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<Redriven>> {
        let keyed: Vec<(Uuid, String, String)> = sqlx::query_as(self.sql.redriven.clone())
            .bind(as_rows(changes)?)
            .bind(tenant.map(TenantId::as_str))
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(keyed.into_iter().map(|(id, tenant, key)| (rows::job_id(id), tenant, key)).collect())
    }

    async fn already_ended(&mut self, changes: &[&Change]) -> Result<Vec<usize>> {
        let places: Vec<i64> =
            sqlx::query_scalar(self.sql.already_ended.clone()).bind(as_rows(changes)?).fetch_all(&mut *self.connection).await?;
        Ok(places.into_iter().filter_map(|place| usize::try_from(place).ok()).collect())
    }
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

fn as_rows(changes: &[&Change]) -> Result<String> {
    Ok(serde_json::to_string(&changes.iter().map(|change| row(change)).collect::<Vec<_>>())?)
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
