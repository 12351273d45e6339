//! The role `Approvals`.

use async_trait::async_trait;

use super::PostgresLedger;
use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    ledger::{
        Approvals, BATCH_MAX, Inspect, Result,
        approved::{ApprovedRow, synced},
    },
    notification::approved::{Approved, Fetched, Synced, Turned},
    tenant::TenantId,
};

#[async_trait]
impl Approvals for PostgresLedger {
    async fn keep_approved(&self, fetched: Fetched) -> Result<bool> {
        let now = self.now().await?;
        let mut tx = self.core.begin_long().await?;
        let marked = sqlx::query(self.core.sql.mark_approved.clone())
            .bind(fetched.connection.0)
            .bind(fetched.tenant.as_str())
            .bind(now.ms())
            .execute(tx.connection())
            .await?;
        if marked.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(self.core.sql.drop_approved.clone()).bind(fetched.connection.0).execute(tx.connection()).await?;
        for templates in fetched.templates.chunks(BATCH_MAX) {
            let column = |of: fn(&Approved) -> &String| templates.iter().map(of).cloned().collect::<Vec<_>>();
            let facts: Vec<String> = templates.iter().map(serde_json::to_string).collect::<std::result::Result<_, _>>()?;
            sqlx::query(self.core.sql.insert_approved.clone())
                .bind(fetched.connection.0)
                .bind(column(|template| &template.name))
                .bind(column(|template| &template.language))
                .bind(column(|template| &template.status))
                .bind(facts)
                .bind(now.ms())
                .execute(tx.connection())
                .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn approved(&self, tenant: &TenantId, connection: ConnectionId, name: &str) -> Result<Option<Synced>> {
        let at: Option<i64> = sqlx::query_scalar(self.core.sql.approved_synced.clone())
            .bind(connection.0)
            .bind(tenant.as_str())
            .fetch_optional(&self.core.readers)
            .await?;
        let Some(at) = at else { return Ok(None) };
        let rows: Vec<ApprovedRow> =
            sqlx::query_as(self.core.sql.approved.clone()).bind(connection.0).bind(name).fetch_all(&self.core.readers).await?;
        synced(at, self.now().await?, rows).map(Some)
    }

    async fn turn_approved(&self, tenant: &TenantId, connection: ConnectionId, turned: &Turned, told_at: Timestamp) -> Result<bool> {
        let turned = sqlx::query(self.core.sql.turn_approved.clone())
            .bind(connection.0)
            .bind(tenant.as_str())
            .bind(&turned.name)
            .bind(&turned.language)
            .bind(&turned.status)
            .bind(told_at.ms())
            .execute(&self.core.writers)
            .await?;
        Ok(turned.rows_affected() > 0)
    }
}
