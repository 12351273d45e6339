//! The role `Deliveries`, as `ledger/deliveries.rs` asks for it.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    SqliteLedger,
    writer::{Tx, Verb},
};
use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    job::JobId,
    ledger::{
        Deliveries, Result,
        deliveries::{self, DeliveryRow, DeliveryTable},
    },
    notification::delivery::{Came, Delivery, Report, Sending},
    tenant::TenantId,
};

#[async_trait]
impl Deliveries for SqliteLedger {
    async fn note_sending(&self, sending: Sending) -> Result<bool> {
        self.writer.write(sending).await
    }

    async fn report(&self, tenant: &TenantId, connection: ConnectionId, report: &Report) -> Result<Came> {
        self.writer.write(Tell { tenant: tenant.clone(), connection, report: report.clone() }).await
    }

    async fn deliveries(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Delivery>> {
        let rows: Vec<DeliveryRow> =
            sqlx::query_as(self.sql.deliveries.clone()).bind(uuid(job)).bind(tenant.as_str()).fetch_all(&self.readers).await?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }
}

#[async_trait]
impl Verb for Sending {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        deliveries::note(tx, self).await
    }
}

struct Tell {
    tenant: TenantId,
    connection: ConnectionId,
    report: Report,
}

#[async_trait]
impl Verb for Tell {
    type Answer = Came;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Came> {
        deliveries::report(tx, &self.tenant, self.connection, &self.report).await
    }
}

#[async_trait]
impl DeliveryTable for Tx<'_> {
    async fn instant(&mut self) -> Result<Timestamp> {
        Ok(self.now)
    }

    async fn hold_delivery(&mut self, job: JobId, key: &str) -> Result<Option<DeliveryRow>> {
        Ok(sqlx::query_as(self.sql.hold_delivery.clone()).bind(uuid(job)).bind(key).fetch_optional(&mut *self.connection).await?)
    }

    async fn hold_delivery_of(&mut self, tenant: &TenantId, connection: ConnectionId, provider_id: &str) -> Result<Option<DeliveryRow>> {
        Ok(sqlx::query_as(self.sql.hold_delivery_of.clone())
            .bind(tenant.as_str())
            .bind(connection.0)
            .bind(provider_id)
            .fetch_optional(&mut *self.connection)
            .await?)
    }

    async fn insert_delivery(&mut self, delivery: &Delivery, by_effect: bool) -> Result<bool> {
        let inserted = sqlx::query(self.sql.insert_delivery.clone())
            .bind(uuid(delivery.job))
            .bind(delivery.tenant.as_str())
            .bind(&delivery.key)
            .bind(delivery.connection.0)
            .bind(&delivery.provider_id)
            .bind(serde_json::to_string(&delivery.facts)?)
            .bind(delivery.created_at.ms())
            .bind(by_effect)
            .execute(&mut *self.connection)
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn store_delivery(&mut self, delivery: &Delivery) -> Result<bool> {
        let stored = sqlx::query(self.sql.store_delivery.clone())
            .bind(uuid(delivery.job))
            .bind(&delivery.key)
            .bind(delivery.version)
            .bind(delivery.connection.0)
            .bind(&delivery.provider_id)
            .bind(serde_json::to_string(&delivery.facts)?)
            .bind(delivery.changed_at.ms())
            .execute(&mut *self.connection)
            .await?;
        Ok(stored.rows_affected() > 0)
    }
}

fn uuid(id: JobId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}
