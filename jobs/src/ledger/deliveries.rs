//! Rows of deliveries as both SQL ledgers return them, and the writes that they share. What a report changes is decided in
//! `notification/delivery.rs`; whoever decides holds the row.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Error, Result, rows};
use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    job::JobId,
    notification::delivery::{Came, Delivery, Report, Sending, Whose, cut},
    tenant::TenantId,
};

/// How often a row is looked for: what another writes between a look and an insert is there at the second.
const LOOKS_MAX: usize = 2;

/// A row of `deliveries`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct DeliveryRow {
    pub job_id: Uuid,
    pub key: String,
    pub tenant: String,
    pub connection: Uuid,
    pub provider_id: Option<String>,
    pub version: i32,
    pub facts: String,
    pub created_at_ms: i64,
    pub changed_at_ms: i64,
}

impl DeliveryRow {
    pub(super) fn into_delivery(self) -> Result<Delivery> {
        Ok(Delivery {
            tenant: rows::name(&self.tenant)?,
            job: rows::job_id(self.job_id),
            key: self.key,
            connection: ConnectionId(self.connection),
            provider_id: self.provider_id,
            version: rows::count(self.version)?,
            facts: serde_json::from_str(&self.facts)?,
            created_at: Timestamp::from_ms(self.created_at_ms),
            changed_at: Timestamp::from_ms(self.changed_at_ms),
        })
    }
}

/// The table of deliveries within a transaction.
#[async_trait]
pub(super) trait DeliveryTable: Send {
    /// The ledger's clock.
    async fn instant(&mut self) -> Result<Timestamp>;
    /// Takes hold of a job's delivery of this key.
    async fn hold_delivery(&mut self, job: JobId, key: &str) -> Result<Option<DeliveryRow>>;
    /// Takes hold of the delivery that the provider calls so.
    async fn hold_delivery_of(&mut self, tenant: &TenantId, connection: ConnectionId, provider_id: &str) -> Result<Option<DeliveryRow>>;
    /// Writes a delivery, if its job is the tenant's and has none of its key; with `by_effect` only if it has an effect of that key.
    /// Returns whether it was written.
    async fn insert_delivery(&mut self, delivery: &Delivery, by_effect: bool) -> Result<bool>;
    /// Writes a delivery in the place of its row, which stands at the version before.
    async fn store_delivery(&mut self, delivery: &Delivery) -> Result<bool>;
}

/// Notes that a message was sent.
pub(super) async fn note(table: &mut impl DeliveryTable, sending: &Sending) -> Result<bool> {
    let now = table.instant().await?;
    if table.insert_delivery(&Delivery::noted(sending.clone(), now), false).await? {
        return Ok(true);
    }
    let Some(row) = table.hold_delivery(sending.job, &sending.key).await? else { return Ok(false) };
    let before = row.into_delivery()?;
    if before.tenant != sending.tenant {
        return Ok(false);
    }
    if let Some(after) = before.with_sending(sending, now) {
        store(table, &after).await?;
    }
    Ok(true)
}

/// Applies a report.
pub(super) async fn report(table: &mut impl DeliveryTable, tenant: &TenantId, connection: ConnectionId, report: &Report) -> Result<Came> {
    let now = table.instant().await?;
    for _ in 0..LOOKS_MAX {
        for whose in &report.about {
            let row = match whose {
                Whose::Ours(job, key) => table.hold_delivery(*job, key).await?,
                Whose::Theirs(id) => table.hold_delivery_of(tenant, connection, &cut(id)).await?,
            };
            let Some(before) = row.map(DeliveryRow::into_delivery).transpose()? else { continue };
            // What comes in by one connection says nothing of another's messages.
            if before.tenant != *tenant || before.connection != connection {
                continue;
            }
            let Some(after) = before.with_report(report, now) else { return Ok(Came::Unchanged) };
            store(table, &after).await?;
            return Ok(Came::Applied);
        }
        for whose in &report.about {
            let Whose::Ours(job, key) = whose else { continue };
            let first = Delivery::reported_first(tenant, (*job, key), connection, report, now);
            if table.insert_delivery(&first, true).await? {
                return Ok(Came::Applied);
            }
        }
    }
    Ok(Came::Unmatched)
}

async fn store(table: &mut impl DeliveryTable, after: &Delivery) -> Result<()> {
    // The row is held: it stands at the version that was decided on.
    if table.store_delivery(after).await? {
        return Ok(());
    }
    Err(Error::Unavailable(format!("delivery {} of job {} changed while it was held", after.key, after.job)))
}
