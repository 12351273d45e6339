//! The role `Deliveries`, as `ledger/deliveries.rs` asks for it.

use async_trait::async_trait;

use super::{
    PostgresLedger, Tx,
    changes::{int, uuid},
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
impl Deliveries for PostgresLedger {
    async fn note_sending(&self, sending: Sending) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let noted = deliveries::note(&mut tx, &sending).await?;
        tx.commit().await?;
        Ok(noted)
    }

    async fn report(&self, tenant: &TenantId, connection: ConnectionId, report: &Report) -> Result<Came> {
        let mut tx = self.core.begin().await?;
        let came = deliveries::report(&mut tx, tenant, connection, report).await?;
        tx.commit().await?;
        Ok(came)
    }

    async fn deliveries(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Delivery>> {
        let rows: Vec<DeliveryRow> =
            sqlx::query_as(self.core.sql.deliveries.clone()).bind(uuid(job)).bind(tenant.as_str()).fetch_all(&self.core.readers).await?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }
}

#[async_trait]
impl DeliveryTable for Tx<'_> {
    async fn instant(&mut self) -> Result<Timestamp> {
        let clock_ms = self.core.clock_ms();
        Ok(Timestamp::from_ms(sqlx::query_scalar(self.sql().clock.clone()).bind(clock_ms).fetch_one(self.connection()).await?))
    }

    async fn hold_delivery(&mut self, job: JobId, key: &str) -> Result<Option<DeliveryRow>> {
        Ok(sqlx::query_as(self.sql().hold_delivery.clone()).bind(uuid(job)).bind(key).fetch_optional(self.connection()).await?)
    }

    async fn hold_delivery_of(&mut self, tenant: &TenantId, connection: ConnectionId, provider_id: &str) -> Result<Option<DeliveryRow>> {
        Ok(sqlx::query_as(self.sql().hold_delivery_of.clone())
            .bind(tenant.as_str())
            .bind(connection.0)
            .bind(provider_id)
            .fetch_optional(self.connection())
            .await?)
    }

    async fn insert_delivery(&mut self, delivery: &Delivery, by_effect: bool) -> Result<bool> {
        let inserted = sqlx::query(self.sql().insert_delivery.clone())
            .bind(uuid(delivery.job))
            .bind(delivery.tenant.as_str())
            .bind(&delivery.key)
            .bind(delivery.connection.0)
            .bind(&delivery.provider_id)
            .bind(serde_json::to_string(&delivery.facts)?)
            .bind(delivery.created_at.ms())
            .bind(by_effect)
            .execute(self.connection())
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn store_delivery(&mut self, delivery: &Delivery) -> Result<bool> {
        let stored = sqlx::query(self.sql().store_delivery.clone())
            .bind(uuid(delivery.job))
            .bind(&delivery.key)
            .bind(int(delivery.version))
            .bind(delivery.connection.0)
            .bind(&delivery.provider_id)
            .bind(serde_json::to_string(&delivery.facts)?)
            .bind(delivery.changed_at.ms())
            .execute(self.connection())
            .await?;
        Ok(stored.rows_affected() > 0)
    }
}
