//! Writing decided changes: the one place where a job's row moves, under the guard, with its side rows.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::Tx;
use crate::{
    clock::Timestamp,
    job::{JobId, State},
    ledger::{
        Result,
        guarded::{JobTable, Redriven},
        rows,
        side::SideRows,
    },
    lifecycle::{Change, Snapshot, Verdict},
    tenant::TenantId,
};

#[async_trait]
impl JobTable for Tx<'_> {
    async fn write(&mut self, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<HashSet<JobId>> {
        let mut changes = changes.to_vec();
        changes.sort_by_key(|change| change.id);
        let rows = write(self, tenant, &changes).await?;
        let Some(first) = rows.first() else {
            return Ok(HashSet::new());
        };
        let now = Timestamp::from_ms(first.try_get("now_ms")?);
        let written = rows.iter().map(|row| {
            let row = <rows::WrittenRow as sqlx::FromRow<_>>::from_row(row)?;
            Ok((rows::job_id(row.id), row))
        });
        let written: HashMap<JobId, rows::WrittenRow> = written.collect::<Result<_>>()?;
        write_side_rows(self, SideRows::of_changes(&changes, &written)?, Some(now)).await?;
        Ok(written.into_keys().collect())
    }

    async fn keep_last_attempts(&mut self, ids: &[JobId]) -> Result<()> {
        let ids: Vec<Uuid> = ids.iter().copied().map(uuid).collect();
        sqlx::query(self.sql().keep_last_attempts.clone()).bind(ids).execute(self.connection()).await?;
        Ok(())
    }

    async fn redriven(&mut self, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<Redriven>> {
        let keyed: Vec<(Uuid, String, String)> = sqlx::query_as(self.sql().redriven.clone())
            .bind(changes.iter().map(|change| uuid(change.id)).collect::<Vec<_>>())
            .bind(changes.iter().map(|change| state(change.guard.state)).collect::<Vec<_>>())
            .bind(changes.iter().map(|change| int(change.guard.attempt)).collect::<Vec<_>>())
            .bind(changes.iter().map(|change| change.guard.cancel_requested).collect::<Vec<_>>())
            .bind(tenant.map(TenantId::as_str))
            .fetch_all(self.connection())
            .await?;
        Ok(keyed.into_iter().map(|(id, tenant, key)| (rows::job_id(id), tenant, key)).collect())
    }

    async fn already_ended(&mut self, changes: &[&Change]) -> Result<Vec<usize>> {
        let outcome = |change: &&Change| rows::as_word(change.verdict.as_ref().and_then(|verdict| verdict.outcome));
        let places: Vec<i64> = sqlx::query_scalar(self.sql().already_ended.clone())
            .bind(changes.iter().map(|change| uuid(change.id)).collect::<Vec<_>>())
            .bind(changes.iter().map(|change| int(change.guard.attempt)).collect::<Vec<_>>())
            .bind(changes.iter().map(|change| state(change.state)).collect::<Vec<_>>())
            .bind(changes.iter().map(outcome).collect::<Vec<_>>())
            .fetch_all(self.connection())
            .await?;
        Ok(places.into_iter().filter_map(|place| usize::try_from(place).ok()).collect())
    }
}

/// The guarded write itself; the rows in the order of their ids, as claim, settle and heartbeat wait for them.
async fn write(tx: &mut Tx<'_>, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<sqlx::postgres::PgRow>> {
    let none = Verdict::default();
    let verdicts: Vec<&Verdict> = changes.iter().map(|change| change.verdict.as_ref().unwrap_or(&none)).collect();
    let error = |verdict: &&Verdict| verdict.error.as_ref().map(|error| serde_json::json!(error).to_string());
    Ok(sqlx::query(tx.sql().apply.clone())
        .bind(tx.core.clock_ms())
        .bind(tenant.map(TenantId::as_str))
        .bind(changes.iter().map(|change| uuid(change.id)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| state(change.guard.state)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| int(change.guard.attempt)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.guard.cancel_requested).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.guard.lease_until.map(Timestamp::ms)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| state(change.state)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.delay_ms).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| int(change.forgiven)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| int(change.crashes)).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.cancel_requested).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.lifts_deadline).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.state.is_final()).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.verdict.is_some()).collect::<Vec<_>>())
        .bind(verdicts.iter().map(|verdict| rows::as_word(verdict.outcome)).collect::<Vec<_>>())
        .bind(verdicts.iter().map(|verdict| rows::as_word(verdict.reason)).collect::<Vec<_>>())
        .bind(verdicts.iter().map(error).collect::<Vec<_>>())
        .bind(verdicts.iter().map(|verdict| verdict.result.as_deref()).collect::<Vec<_>>())
        .fetch_all(tx.connection())
        .await?)
}

/// Writes what the rest of the ledger must know of a batch that was written at `now`, where attempts ended in it.
pub(super) async fn write_side_rows(tx: &mut Tx<'_>, side: SideRows, now: Option<Timestamp>) -> Result<()> {
    if !side.kept.is_empty() {
        let kept: Vec<Uuid> = side.kept.into_iter().map(uuid).collect();
        sqlx::query(tx.sql().keep_attempts.clone()).bind(kept).bind(now.map(Timestamp::ms)).execute(tx.connection()).await?;
    }
    let mut delays = side.delays;
    if !delays.is_empty() {
        delays.sort_by_key(|delay| (delay.bucket, delay.due_at, delay.id));
        sqlx::query(tx.sql().delay.clone())
            .bind(delays.iter().map(|delay| delay.bucket).collect::<Vec<_>>())
            .bind(delays.iter().map(|delay| delay.due_at.ms()).collect::<Vec<_>>())
            .bind(delays.iter().map(|delay| uuid(delay.id)).collect::<Vec<_>>())
            .execute(tx.connection())
            .await?;
    }
    if !side.outcomes.is_empty() {
        sqlx::query(tx.sql().count_outcomes.clone())
            .bind(side.outcomes.keys().map(String::as_str).collect::<Vec<_>>())
            .bind(side.outcomes.values().map(|outcomes| outcomes.completed).collect::<Vec<_>>())
            .bind(side.outcomes.values().map(|outcomes| outcomes.dead).collect::<Vec<_>>())
            .bind(side.outcomes.values().map(|outcomes| outcomes.cancelled).collect::<Vec<_>>())
            .execute(tx.connection())
            .await?;
    }
    if !side.released.is_empty() {
        sqlx::query(tx.sql().release.clone())
            .bind(side.released.iter().map(|released| released.tenant.as_str()).collect::<Vec<_>>())
            .bind(side.released.iter().map(|released| released.key.as_str()).collect::<Vec<_>>())
            .bind(side.released.iter().map(|released| uuid(released.job)).collect::<Vec<_>>())
            .execute(tx.connection())
            .await?;
    }
    tx.feed.extend(side.events);
    Ok(())
}

/// What decisions about these jobs look at; nobody else writes the rows until this transaction has ended.
pub(super) async fn snapshots(tx: &mut Tx<'_>, ids: &[JobId]) -> Result<Vec<Snapshot>> {
    let ids: Vec<Uuid> = ids.iter().copied().map(uuid).collect();
    let rows: Vec<rows::SnapshotRow> = sqlx::query_as(tx.sql().lock_snapshots.clone()).bind(ids).fetch_all(tx.connection()).await?;
    rows.iter().map(rows::SnapshotRow::snapshot).collect()
}

/// The id as the database's type.
pub(super) fn uuid(id: JobId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

/// A count as the database's type; no count of ours comes near its end.
pub(super) fn int(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The state's number as the database's type.
pub(super) fn state(state: State) -> i16 {
    i16::try_from(state.number()).expect("there are eight states")
}
