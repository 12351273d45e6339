//! Rows of hooks and their events as both SQL ledgers return them, and the writes that they share.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Error, Result,
    deliveries::{self, DeliveryTable},
    rows,
};
use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    hook::{Event, EventId, Hook, Listed, Outcome},
    job::JobError,
    notification::delivery::{Came, Report},
    tenant::TenantId,
};

/// A row of `hooks`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct HookRow {
    pub connection: Uuid,
    pub tenant: String,
    pub salt: Uuid,
    pub token: Vec<u8>,
    pub forward_url: Option<String>,
    pub refused: i64,
    pub refused_at_ms: Option<i64>,
    pub created_at_ms: i64,
    pub rotated_at_ms: Option<i64>,
}

impl HookRow {
    pub(super) fn into_hook(self) -> Result<Hook> {
        Ok(Hook {
            tenant: rows::name(&self.tenant)?,
            connection: ConnectionId(self.connection),
            salt: self.salt,
            token: hash(self.token)?,
            forward_url: self.forward_url,
            refused: u64::try_from(self.refused).map_err(|_| Error::Corrupt(format!("{} is no count", self.refused)))?,
            refused_at: self.refused_at_ms.map(Timestamp::from_ms),
            created_at: Timestamp::from_ms(self.created_at_ms),
            rotated_at: self.rotated_at_ms.map(Timestamp::from_ms),
        })
    }
}

/// A row of `hook_events`; lists have no payload.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct EventRow {
    pub id: Uuid,
    pub tenant: String,
    pub connection: Uuid,
    pub digest: Vec<u8>,
    pub received_at_ms: i64,
    pub facts: String,
    #[sqlx(default)]
    pub payload: Vec<u8>,
    /// How many there are within one more than a page's size, where one was asked for.
    #[sqlx(default)]
    pub found: i64,
}

/// A page of rows.
pub(super) fn listed(rows: Vec<EventRow>) -> Result<Listed> {
    let found = rows.first().map_or(0, |row| usize::try_from(row.found).unwrap_or_default());
    let events = rows.into_iter().map(EventRow::into_event).collect::<Result<Vec<Event>>>()?;
    Ok(Listed { more: found > events.len(), events })
}

impl EventRow {
    pub(super) fn into_event(self) -> Result<Event> {
        Ok(Event {
            id: EventId(self.id),
            tenant: rows::name(&self.tenant)?,
            connection: ConnectionId(self.connection),
            digest: hash(self.digest)?,
            received_at: Timestamp::from_ms(self.received_at_ms),
            facts: serde_json::from_str(&self.facts)?,
            payload: self.payload,
        })
    }
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|bytes: Vec<u8>| Error::Corrupt(format!("a hash has {} bytes", bytes.len())))
}

/// The tables of events and deliveries within a transaction.
#[async_trait]
pub(super) trait EventTable: DeliveryTable {
    /// Takes hold of an event, without its payload.
    async fn hold_event(&mut self, tenant: &TenantId, id: EventId) -> Result<Option<EventRow>>;
    /// Writes what is known of an event.
    async fn store_event(&mut self, event: &Event) -> Result<()>;
}

/// Applies reports of an event.
pub(super) async fn apply(
    table: &mut impl EventTable,
    tenant: &TenantId,
    id: EventId,
    reports: &[(u32, Report)],
    last: bool,
) -> Result<Option<Event>> {
    let Some(row) = table.hold_event(tenant, id).await? else { return Ok(None) };
    let mut event = row.into_event()?;
    let known = event.facts.reports.len();
    // Deliveries are held in one order by everybody, so that no two events wait for each other.
    let mut reports: Vec<&(u32, Report)> = reports.iter().collect();
    reports.sort_by(|(_, one), (_, other)| one.about.cmp(&other.about));
    for (place, report) in reports {
        if event.facts.reports.contains_key(place) {
            continue;
        }
        let came = deliveries::report(table, tenant, event.connection, report).await?;
        if came != Came::Unmatched || last {
            event.facts.reports.insert(*place, Outcome::of(report, came));
        }
    }
    if event.facts.reports.len() > known {
        table.store_event(&event).await?;
    }
    Ok(Some(event))
}

/// Notes that all of an event was applied, or why it cannot be.
pub(super) async fn close(table: &mut impl EventTable, tenant: &TenantId, id: EventId, error: Option<&JobError>) -> Result<bool> {
    let Some(row) = table.hold_event(tenant, id).await? else { return Ok(false) };
    let mut event = row.into_event()?;
    if event.facts.applied_at.is_none() {
        event.facts.applied_at = Some(table.instant().await?);
        event.facts.error = error.cloned();
        table.store_event(&event).await?;
    }
    Ok(true)
}
