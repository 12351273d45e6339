//! The role `Approvals`.

use async_trait::async_trait;

use super::{
    SqliteLedger,
    writer::{Tx, Verb},
};
use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    ledger::{
        Approvals, Inspect, Result,
        approved::{ApprovedRow, synced},
    },
    notification::approved::{Fetched, Synced, Turned},
    tenant::TenantId,
};

#[async_trait]
impl Approvals for SqliteLedger {
    async fn keep_approved(&self, fetched: Fetched) -> Result<bool> {
        self.writer.write(Keep(fetched)).await
    }

    async fn approved(&self, tenant: &TenantId, connection: ConnectionId, name: &str) -> Result<Option<Synced>> {
        let at: Option<i64> = sqlx::query_scalar(self.sql.approved_synced.clone())
            .bind(connection.0)
            .bind(tenant.as_str())
            .fetch_optional(&self.readers)
            .await?;
        let Some(at) = at else { return Ok(None) };
        let rows: Vec<ApprovedRow> =
            sqlx::query_as(self.sql.approved.clone()).bind(connection.0).bind(name).fetch_all(&self.readers).await?;
        synced(at, self.now().await?, rows).map(Some)
    }

    async fn turn_approved(&self, tenant: &TenantId, connection: ConnectionId, turned: &Turned, told_at: Timestamp) -> Result<bool> {
        self.writer.write(Turn { tenant: tenant.clone(), connection, turned: turned.clone(), told_at }).await
    }
}

struct Keep(Fetched);

#[async_trait]
impl Verb for Keep {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let fetched = &self.0;
        let marked = sqlx::query(tx.sql.mark_approved.clone())
            .bind(fetched.connection.0)
            .bind(fetched.tenant.as_str())
            .bind(tx.now.ms())
            .execute(&mut *tx.connection)
            .await?;
        if marked.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(tx.sql.drop_approved.clone()).bind(fetched.connection.0).execute(&mut *tx.connection).await?;
        for template in &fetched.templates {
            sqlx::query(tx.sql.insert_approved.clone())
                .bind(fetched.connection.0)
                .bind(&template.name)
                .bind(&template.language)
                .bind(&template.status)
                .bind(serde_json::to_string(template)?)
                .bind(tx.now.ms())
                .execute(&mut *tx.connection)
                .await?;
        }
        Ok(true)
    }
}

struct Turn {
    tenant: TenantId,
    connection: ConnectionId,
    turned: Turned,
    told_at: Timestamp,
}

#[async_trait]
impl Verb for Turn {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let turned = sqlx::query(tx.sql.turn_approved.clone())
            .bind(self.connection.0)
            .bind(self.tenant.as_str())
            .bind(&self.turned.name)
            .bind(&self.turned.language)
            .bind(&self.turned.status)
            .bind(self.told_at.ms())
            .execute(&mut *tx.connection)
            .await?;
        Ok(turned.rows_affected() > 0)
    }
}
