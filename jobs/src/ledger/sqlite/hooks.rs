//! The role `Hooks`, as `ledger/hooks.rs` asks for it.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    SqliteLedger, insert,
    writer::{Tx, Verb},
};
use crate::{
    clock::Timestamp,
    connection::{Connection, ConnectionId},
    hook::{Event, EventId, Hook, Keeping, Listed, NewEvent, NewHook, Page},
    job::JobError,
    ledger::{
        Error, Hooks, Result,
        hooks::{self, EventRow, EventTable, HookRow},
        vault::ConnectionRow,
    },
    notification::delivery::Report,
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Hooks for SqliteLedger {
    async fn set_hook(&self, new: NewHook) -> Result<Option<Hook>> {
        self.writer.write(new).await
    }

    async fn hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<Option<Hook>> {
        let row: Option<HookRow> =
            sqlx::query_as(self.sql.hook.clone()).bind(connection.0).bind(tenant.as_str()).fetch_optional(&self.readers).await?;
        row.map(HookRow::into_hook).transpose()
    }

    async fn hook_of(&self, token: &[u8; 32]) -> Result<Option<(Hook, Connection, Timestamp)>> {
        let row: Option<HookRow> = sqlx::query_as(self.sql.hook_of.clone()).bind(token.as_slice()).fetch_optional(&self.readers).await?;
        let Some(hook) = row.map(HookRow::into_hook).transpose()? else { return Ok(None) };
        let row: Option<ConnectionRow> = sqlx::query_as(self.sql.connection_by_id.clone())
            .bind(hook.connection.0)
            .bind(hook.tenant.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok((hook, row.into_connection()?, self.clock.now()))).transpose()
    }

    async fn end_hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<bool> {
        self.writer.write(End { tenant: tenant.clone(), connection }).await
    }

    async fn count_refused(&self, tenant: &TenantId, connection: ConnectionId, calls: u64) -> Result<()> {
        self.writer.write(CountRefused { tenant: tenant.clone(), connection, calls }).await
    }

    async fn keep_event(&self, event: NewEvent, jobs: Vec<NewJob>) -> Result<Keeping> {
        self.writer.write(Keep { event, jobs }).await
    }

    async fn event(&self, tenant: &TenantId, id: EventId) -> Result<Option<(Event, Timestamp)>> {
        let row: Option<EventRow> =
            sqlx::query_as(self.sql.event.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(&self.readers).await?;
        row.map(|row| Ok((row.into_event()?, self.clock.now()))).transpose()
    }

    async fn events(&self, tenant: &TenantId, connection: ConnectionId, page: Page) -> Result<Listed> {
        let rows: Vec<EventRow> = sqlx::query_as(self.sql.events.clone())
            .bind(connection.0)
            .bind(tenant.as_str())
            .bind(page.before.map(|before| before.0))
            .bind(i64::try_from(page.size).unwrap_or(i64::MAX))
            .bind(i64::try_from(page.bytes_max).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        hooks::listed(rows)
    }

    async fn apply_reports(&self, tenant: &TenantId, id: EventId, reports: Vec<(u32, Report)>, last: bool) -> Result<Option<Event>> {
        self.writer.write(Apply { tenant: tenant.clone(), id, reports, last }).await
    }

    async fn close_event(&self, tenant: &TenantId, id: EventId, error: Option<JobError>) -> Result<bool> {
        self.writer.write(Close { tenant: tenant.clone(), id, error }).await
    }
}

impl SqliteLedger {
    pub(super) async fn forget_told(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        self.writer.write(Forget { kept_ms, limit }).await
    }
}

#[async_trait]
impl Verb for NewHook {
    type Answer = Option<Hook>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Hook>> {
        let row: Option<HookRow> = sqlx::query_as(tx.sql.set_hook.clone())
            .bind(self.connection.0)
            .bind(self.tenant.as_str())
            .bind(self.salt)
            .bind(self.token.as_slice())
            .bind(&self.forward_url)
            .bind(tx.now.ms())
            .fetch_optional(&mut *tx.connection)
            .await?;
        row.map(HookRow::into_hook).transpose()
    }
}

struct End {
    tenant: TenantId,
    connection: ConnectionId,
}

#[async_trait]
impl Verb for End {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        end(tx, &self.tenant, self.connection).await
    }
}

/// Ends the hook of a connection, as its deletion does too.
pub(super) async fn end(tx: &mut Tx<'_>, tenant: &TenantId, connection: ConnectionId) -> Result<bool> {
    let ended = sqlx::query(tx.sql.end_hook.clone()).bind(connection.0).bind(tenant.as_str()).execute(&mut *tx.connection).await?;
    Ok(ended.rows_affected() > 0)
}

struct CountRefused {
    tenant: TenantId,
    connection: ConnectionId,
    calls: u64,
}

#[async_trait]
impl Verb for CountRefused {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        sqlx::query(tx.sql.count_refused.clone())
            .bind(self.connection.0)
            .bind(self.tenant.as_str())
            .bind(tx.now.ms())
            .bind(i64::try_from(self.calls).unwrap_or(i64::MAX))
            .execute(&mut *tx.connection)
            .await?;
        Ok(())
    }
}

struct Keep {
    event: NewEvent,
    jobs: Vec<NewJob>,
}

#[async_trait]
impl Verb for Keep {
    type Answer = Keeping;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Keeping> {
        let Self { event, jobs } = self;
        let inserted = sqlx::query(tx.sql.insert_event.clone())
            .bind(event.id.0)
            .bind(event.tenant.as_str())
            .bind(event.connection.0)
            .bind(event.digest.as_slice())
            .bind(tx.now.ms())
            .bind(serde_json::to_string(&event.facts)?)
            .bind(&event.payload)
            .execute(&mut *tx.connection)
            .await?;
        if inserted.rows_affected() > 0 {
            insert::insert(tx, &jobs.iter().collect::<Vec<_>>()).await?;
            return Ok(Keeping::Kept);
        }
        let before: Option<Uuid> = sqlx::query_scalar(tx.sql.event_of_digest.clone())
            .bind(event.connection.0)
            .bind(event.digest.as_slice())
            .fetch_optional(&mut *tx.connection)
            .await?;
        match before.map(EventId) {
            Some(id) if id == event.id => Ok(Keeping::Kept),
            Some(id) => Ok(Keeping::Repeated(id)),
            None => Err(Error::Unavailable("the same event was forgotten meanwhile".into())),
        }
    }
}

struct Apply {
    tenant: TenantId,
    id: EventId,
    reports: Vec<(u32, Report)>,
    last: bool,
}

#[async_trait]
impl Verb for Apply {
    type Answer = Option<Event>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Event>> {
        hooks::apply(tx, &self.tenant, self.id, &self.reports, self.last).await
    }
}

struct Close {
    tenant: TenantId,
    id: EventId,
    error: Option<JobError>,
}

#[async_trait]
impl Verb for Close {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        hooks::close(tx, &self.tenant, self.id, self.error.as_ref()).await
    }
}

struct Forget {
    kept_ms: i64,
    limit: usize,
}

#[async_trait]
impl Verb for Forget {
    type Answer = u64;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let forgotten = sqlx::query(tx.sql.forget_events.clone())
            .bind(tx.now.plus_ms(-self.kept_ms).ms())
            .bind(i64::try_from(self.limit).unwrap_or(i64::MAX))
            .execute(&mut *tx.connection)
            .await?;
        Ok(forgotten.rows_affected())
    }
}

#[async_trait]
impl EventTable for Tx<'_> {
    async fn hold_event(&mut self, tenant: &TenantId, id: EventId) -> Result<Option<EventRow>> {
        Ok(sqlx::query_as(self.sql.hold_event.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(&mut *self.connection).await?)
    }

    async fn store_event(&mut self, event: &Event) -> Result<()> {
        sqlx::query(self.sql.store_event.clone())
            .bind(event.id.0)
            .bind(serde_json::to_string(&event.facts)?)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
