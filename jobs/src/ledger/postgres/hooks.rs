//! The role `Hooks`, as `ledger/hooks.rs` asks for it.

use async_trait::async_trait;
use uuid::Uuid;

use super::{PostgresLedger, Tx, inserts};
use crate::{
    clock::Timestamp,
    connection::{Connection, ConnectionId},
    hook::{Event, EventId, Hook, Keeping, Listed, NewEvent, NewHook, Page},
    job::JobError,
    ledger::{
        Error, Hooks, Inspect, Result,
        hooks::{self, EventRow, EventTable, HookRow},
        vault::ConnectionRow,
    },
    notification::delivery::Report,
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Hooks for PostgresLedger {
    async fn set_hook(&self, new: NewHook) -> Result<Option<Hook>> {
        let row: Option<HookRow> = sqlx::query_as(self.core.sql.set_hook.clone())
            .bind(new.connection.0)
            .bind(new.tenant.as_str())
            .bind(new.salt)
            .bind(new.token.as_slice())
            .bind(&new.forward_url)
            .bind(self.core.clock_ms())
            .fetch_optional(&self.core.writers)
            .await?;
        row.map(HookRow::into_hook).transpose()
    }

    async fn hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<Option<Hook>> {
        let row: Option<HookRow> =
            sqlx::query_as(self.core.sql.hook.clone()).bind(connection.0).bind(tenant.as_str()).fetch_optional(&self.core.readers).await?;
        row.map(HookRow::into_hook).transpose()
    }

    async fn hook_of(&self, token: &[u8; 32]) -> Result<Option<(Hook, Connection, Timestamp)>> {
        let row: Option<HookRow> =
            sqlx::query_as(self.core.sql.hook_of.clone()).bind(token.as_slice()).fetch_optional(&self.core.readers).await?;
        let Some(hook) = row.map(HookRow::into_hook).transpose()? else { return Ok(None) };
        let row: Option<ConnectionRow> = sqlx::query_as(self.core.sql.connection_by_id.clone())
            .bind(hook.connection.0)
            .bind(hook.tenant.as_str())
            .fetch_optional(&self.core.readers)
            .await?;
        let Some(connection) = row.map(ConnectionRow::into_connection).transpose()? else { return Ok(None) };
        Ok(Some((hook, connection, self.now().await?)))
    }

    async fn end_hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<bool> {
        let ended =
            sqlx::query(self.core.sql.end_hook.clone()).bind(connection.0).bind(tenant.as_str()).execute(&self.core.writers).await?;
        Ok(ended.rows_affected() > 0)
    }

    async fn count_refused(&self, tenant: &TenantId, connection: ConnectionId, calls: u64) -> Result<()> {
        sqlx::query(self.core.sql.count_refused.clone())
            .bind(connection.0)
            .bind(tenant.as_str())
            .bind(self.core.clock_ms())
            .bind(i64::try_from(calls).unwrap_or(i64::MAX))
            .execute(&self.core.writers)
            .await?;
        Ok(())
    }

    async fn keep_event(&self, event: NewEvent, jobs: Vec<NewJob>) -> Result<Keeping> {
        let mut tx = self.core.begin().await?;
        let clock_ms = self.core.clock_ms();
        let inserted = sqlx::query(tx.sql().insert_event.clone())
            .bind(event.id.0)
            .bind(event.tenant.as_str())
            .bind(event.connection.0)
            .bind(event.digest.as_slice())
            .bind(clock_ms)
            .bind(serde_json::to_string(&event.facts)?)
            .bind(&event.payload)
            .execute(tx.connection())
            .await?;
        if inserted.rows_affected() > 0 {
            inserts::keep(&mut tx, &jobs.iter().collect::<Vec<_>>()).await?;
            tx.commit().await?;
            return Ok(Keeping::Kept);
        }
        let before: Option<Uuid> = sqlx::query_scalar(tx.sql().event_of_digest.clone())
            .bind(event.connection.0)
            .bind(event.digest.as_slice())
            .fetch_optional(tx.connection())
            .await?;
        tx.commit().await?;
        match before.map(EventId) {
            Some(id) if id == event.id => Ok(Keeping::Kept),
            Some(id) => Ok(Keeping::Repeated(id)),
            None => Err(Error::Unavailable("the same event was forgotten meanwhile".into())),
        }
    }

    async fn event(&self, tenant: &TenantId, id: EventId) -> Result<Option<(Event, Timestamp)>> {
        let row: Option<EventRow> =
            sqlx::query_as(self.core.sql.event.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(&self.core.readers).await?;
        match row {
            Some(row) => Ok(Some((row.into_event()?, self.now().await?))),
            None => Ok(None),
        }
    }

    async fn events(&self, tenant: &TenantId, connection: ConnectionId, page: Page) -> Result<Listed> {
        let rows: Vec<EventRow> = sqlx::query_as(self.core.sql.events.clone())
            .bind(connection.0)
            .bind(tenant.as_str())
            .bind(page.before.map(|before| before.0))
            .bind(i64::try_from(page.size).unwrap_or(i64::MAX))
            .bind(i64::try_from(page.bytes_max).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        hooks::listed(rows)
    }

    async fn apply_reports(&self, tenant: &TenantId, id: EventId, reports: Vec<(u32, Report)>, last: bool) -> Result<Option<Event>> {
        let mut tx = self.core.begin().await?;
        let applied = hooks::apply(&mut tx, tenant, id, &reports, last).await?;
        tx.commit().await?;
        Ok(applied)
    }

    async fn close_event(&self, tenant: &TenantId, id: EventId, error: Option<JobError>) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let closed = hooks::close(&mut tx, tenant, id, error.as_ref()).await?;
        tx.commit().await?;
        Ok(closed)
    }
}

impl PostgresLedger {
    pub(super) async fn forget_told(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        let before = self.now().await?.plus_ms(-kept_ms);
        let forgotten = sqlx::query(self.core.sql.forget_events.clone())
            .bind(before.ms())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .execute(&self.core.writers)
            .await?;
        Ok(forgotten.rows_affected())
    }
}

#[async_trait]
impl EventTable for Tx<'_> {
    async fn hold_event(&mut self, tenant: &TenantId, id: EventId) -> Result<Option<EventRow>> {
        Ok(sqlx::query_as(self.sql().hold_event.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(self.connection()).await?)
    }

    async fn store_event(&mut self, event: &Event) -> Result<()> {
        sqlx::query(self.sql().store_event.clone())
            .bind(event.id.0)
            .bind(serde_json::to_string(&event.facts)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
