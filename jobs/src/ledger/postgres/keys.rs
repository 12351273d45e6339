//! The table `keys`, as `ledger/keyed.rs` asks for it.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Tx, changes::uuid};
use crate::{
    job::JobId,
    ledger::{
        Result,
        keyed::{KeyRow, KeyTable, Name, Scope},
        rows,
    },
};

#[async_trait]
impl KeyTable for Tx<'_> {
    async fn known(&mut self, ids: &[JobId]) -> Result<Vec<JobId>> {
        let ids: Vec<Uuid> = ids.iter().copied().map(uuid).collect();
        let known: Vec<Uuid> = sqlx::query_scalar(self.sql().known.clone()).bind(ids).fetch_all(self.connection()).await?;
        Ok(known.into_iter().map(rows::job_id).collect())
    }

    async fn drop_expired(&mut self, names: &[Name<'_>]) -> Result<()> {
        sqlx::query(self.sql().drop_expired.clone())
            .bind(self.core.clock_ms())
            .bind(names.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>())
            .bind(names.iter().map(|(_, key)| *key).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn reserve(&mut self, scope: Scope, rows: &[KeyRow], kept_ms: Option<i64>) -> Result<Vec<(String, String)>> {
        Ok(sqlx::query_as(self.sql().reserve.clone())
            .bind(self.core.clock_ms())
            .bind(scope.as_str())
            .bind(kept_ms)
            .bind(rows.iter().map(|row| row.tenant.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| uuid(row.job)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.body_hash.as_deref()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.answer.as_deref()).collect::<Vec<_>>())
            .fetch_all(self.connection())
            .await?)
    }

    async fn look(&mut self, scope: Scope, names: &[Name<'_>]) -> Result<Vec<KeyRow>> {
        let rows: Vec<rows::KeysRow> = sqlx::query_as(self.sql().reserved.clone())
            .bind(scope.as_str())
            .bind(names.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>())
            .bind(names.iter().map(|(_, key)| *key).collect::<Vec<_>>())
            .fetch_all(self.connection())
            .await?;
        Ok(rows.into_iter().map(rows::KeysRow::into_key).collect())
    }

    async fn reanswer(&mut self, rows: &[KeyRow]) -> Result<()> {
        sqlx::query(self.sql().reanswer.clone())
            .bind(rows.iter().map(|row| row.tenant.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| uuid(row.job)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.answer.as_deref()).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
