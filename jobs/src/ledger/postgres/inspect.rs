//! The role `Inspect`: reading, over connections of its own, with the planner free to choose.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{PostgresLedger, Statements, changes::uuid};
use crate::{
    artifact::Artifact,
    clock::Timestamp,
    contract::Contract,
    job::{Attempt, Job, JobId},
    ledger::{Balance, Depths, Inspect, ListFilter, Listed, LogChunk, Page, Result, rows, side},
    lifecycle::Snapshot,
    queue::{LimitScope, Limits, QueueName},
    tenant::TenantId,
};

#[async_trait]
impl Inspect for PostgresLedger {
    async fn now(&self) -> Result<Timestamp> {
        let now_ms = sqlx::query_scalar(self.core.sql.clock.clone()).bind(self.core.clock_ms()).fetch_one(&self.core.readers).await?;
        Ok(Timestamp::from_ms(now_ms))
    }

    async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
        let row: Option<rows::JobRow> =
            sqlx::query_as(self.core.sql.get.clone()).bind(uuid(id)).bind(tenant.as_str()).fetch_optional(&self.core.readers).await?;
        row.map(rows::JobRow::into_job).transpose()
    }

    async fn snapshot(&self, tenant: &TenantId, id: JobId) -> Result<Option<Snapshot>> {
        let row: Option<rows::SnapshotRow> =
            sqlx::query_as(self.core.sql.snapshots.clone()).bind(vec![uuid(id)]).fetch_optional(&self.core.readers).await?;
        row.filter(|row| row.tenant == tenant.as_str()).map(|row| row.snapshot()).transpose()
    }

    async fn list(&self, tenant: &TenantId, filter: &ListFilter, page: Page) -> Result<Listed> {
        let rows: Vec<rows::ListedRow> = sqlx::query_as(self.core.sql.list.clone())
            .bind(tenant.as_str())
            .bind(page.before.map(uuid))
            .bind(filter.kind.as_deref())
            .bind(filter.queue.as_ref().map(QueueName::as_str))
            .bind(filter.state.map(super::changes::state))
            .bind(filter.tag.as_deref())
            .bind(filter.created_from.map(Timestamp::ms))
            .bind(filter.created_to.map(Timestamp::ms))
            .bind(i64::try_from(page.size).unwrap_or(i64::MAX - 1))
            .bind(i64::try_from(page.bytes_max).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        rows::listed(rows)
    }

    async fn attempts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Attempt>> {
        // One snapshot, or an attempt that is settled between the two reads would be in neither.
        let mut tx = self.core.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let job: Option<rows::JobRow> =
            sqlx::query_as(self.core.sql.get.clone()).bind(uuid(id)).bind(tenant.as_str()).fetch_optional(&mut *tx).await?;
        let Some(job) = job else {
            return Ok(Vec::new());
        };
        let kept: Vec<rows::AttemptRow> = sqlx::query_as(self.core.sql.attempts.clone()).bind(uuid(id)).fetch_all(&mut *tx).await?;
        let kept = kept.into_iter().map(rows::AttemptRow::into_attempt).collect::<Result<Vec<_>>>()?;
        Ok(rows::all_attempts(kept, job.into_job()?))
    }

    async fn logs(&self, tenant: &TenantId, id: JobId) -> Result<Vec<LogChunk>> {
        if self.snapshot(tenant, id).await?.is_none() {
            return Ok(Vec::new());
        }
        let rows: Vec<rows::LogRow> = sqlx::query_as(self.core.sql.logs.clone()).bind(uuid(id)).fetch_all(&self.core.readers).await?;
        rows.into_iter().map(rows::LogRow::into_chunk).collect()
    }

    async fn artifacts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Artifact>> {
        if self.snapshot(tenant, id).await?.is_none() {
            return Ok(Vec::new());
        }
        let rows: Vec<rows::ArtifactRow> =
            sqlx::query_as(self.core.sql.artifacts.clone()).bind(uuid(id)).fetch_all(&self.core.readers).await?;
        rows.into_iter().map(rows::ArtifactRow::into_artifact).collect()
    }

    async fn contracts(&self) -> Result<Vec<Contract>> {
        let contracts: Vec<String> = sqlx::query_scalar(self.core.sql.contracts.clone()).fetch_all(&self.core.readers).await?;
        contracts.iter().map(|contract| Ok(serde_json::from_str(contract)?)).collect()
    }

    async fn depths(&self) -> Result<Option<Depths>> {
        let depths: Option<String> = sqlx::query_scalar(self.core.sql.depths.clone()).fetch_optional(&self.core.readers).await?;
        Ok(depths.as_deref().map(serde_json::from_str).transpose()?)
    }

    async fn limits(&self) -> Result<Vec<(QueueName, LimitScope, Limits)>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(self.core.sql.limits.clone()).fetch_all(&self.core.readers).await?;
        rows.iter()
            .map(|(queue, tenant, limits)| Ok((rows::name(queue)?, side::scope_of(tenant)?, serde_json::from_str(limits)?)))
            .collect()
    }

    async fn first_due(&self) -> Result<Option<Timestamp>> {
        let due_at_ms: Option<i64> = sqlx::query_scalar(self.core.sql.first_due.clone()).fetch_optional(&self.core.readers).await?;
        Ok(due_at_ms.map(Timestamp::from_ms))
    }

    async fn balances(&self) -> Result<Vec<Balance>> {
        let rows: Vec<rows::BalanceRow> = sqlx::query_as(self.core.sql.balances.clone()).fetch_all(&self.core.readers).await?;
        rows.into_iter().map(rows::BalanceRow::into_balance).collect()
    }
}

/// The accounts as this connection sees them, by tenant.
pub(in crate::ledger) async fn balances_on(connection: &mut PgConnection) -> Result<Vec<Balance>> {
    let rows: Vec<rows::BalanceRow> = sqlx::query_as(Statements::default().balances).fetch_all(connection).await?;
    rows.into_iter().map(rows::BalanceRow::into_balance).collect()
}
