//! The role `Children`.

use async_trait::async_trait;

use super::{
    SqliteLedger, insert,
    writer::{Tx, Verb},
};
use crate::{
    children::{Child, stamped},
    job::JobId,
    ledger::{
        Children, Result,
        rows::{self, ChildRow},
    },
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Children for SqliteLedger {
    async fn bear(&self, parent: JobId, attempt: u32, children: Vec<NewJob>) -> Result<bool> {
        self.writer.write(Bear { parent, attempt, children }).await
    }

    async fn children(&self, tenant: &TenantId, ids: &[JobId]) -> Result<Vec<Child>> {
        let ids: Vec<String> = ids.iter().map(|id| rows::hex(*id)).collect();
        let rows: Vec<ChildRow> = sqlx::query_as(self.sql.children.clone())
            .bind(tenant.as_str())
            .bind(serde_json::to_string(&ids)?)
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(ChildRow::into_child).collect()
    }
}

struct Bear {
    parent: JobId,
    attempt: u32,
    children: Vec<NewJob>,
}

#[async_trait]
impl Verb for Bear {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let running: i64 = sqlx::query_scalar(tx.sql.may_bear.clone())
            .bind(uuid::Uuid::from_bytes(*self.parent.as_bytes()))
            .bind(self.attempt)
            .fetch_one(&mut *tx.connection)
            .await?;
        if running > 0 {
            let children: Vec<NewJob> = self.children.iter().map(|child| stamped(child, tx.now)).collect();
            insert::insert(tx, &children.iter().collect::<Vec<_>>()).await?;
        }
        Ok(running > 0)
    }
}
