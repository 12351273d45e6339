//! The role `Children`.

use async_trait::async_trait;

use super::{
    PostgresLedger,
    changes::{int, uuid},
    inserts,
};
use crate::{
    children::{Child, stamped},
    job::JobId,
    ledger::{Children, Result, rows::ChildRow, timetable::ScheduleTable as _},
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Children for PostgresLedger {
    async fn bear(&self, parent: JobId, attempt: u32, children: Vec<NewJob>) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let running: Option<uuid::Uuid> =
            sqlx::query_scalar(tx.sql().may_bear.clone()).bind(uuid(parent)).bind(int(attempt)).fetch_optional(tx.connection()).await?;
        if running.is_none() {
            tx.roll_back().await?;
            return Ok(false);
        }
        let now = tx.clock().await?;
        let children: Vec<NewJob> = children.iter().map(|child| stamped(child, now)).collect();
        inserts::keep(&mut tx, &children.iter().collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn children(&self, tenant: &TenantId, ids: &[JobId]) -> Result<Vec<Child>> {
        let rows: Vec<ChildRow> = sqlx::query_as(self.core.sql.children.clone())
            .bind(tenant.as_str())
            .bind(ids.iter().map(|id| uuid(*id)).collect::<Vec<_>>())
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(ChildRow::into_child).collect()
    }
}
