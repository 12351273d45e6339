//! The table `keys`, as `ledger/keyed.rs` asks for it.

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{changes::execute_over, writer::Tx};
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
        let ids: Vec<_> = ids.iter().copied().map(rows::hex).collect();
        let known: Vec<Uuid> =
            sqlx::query_scalar(self.sql.known.clone()).bind(serde_json::to_string(&ids)?).fetch_all(&mut *self.connection).await?;
        Ok(known.into_iter().map(rows::job_id).collect())
    }

    async fn drop_expired(&mut self, names: &[Name<'_>]) -> Result<()> {
        let now_ms = self.now.ms();
        sqlx::query(self.sql.drop_expired.clone()).bind(texts(names)?).bind(now_ms).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn reserve(&mut self, scope: Scope, rows: &[KeyRow], kept_ms: Option<i64>) -> Result<Vec<(String, String)>> {
        let rows: Vec<_> = rows.iter().map(row).collect();
        let expires_at_ms = kept_ms.map(|kept_ms| self.now.plus_ms(kept_ms).ms());
        Ok(sqlx::query_as(self.sql.reserve.clone())
            .bind(serde_json::to_string(&rows)?)
            .bind(scope.as_str())
            .bind(expires_at_ms)
            .fetch_all(&mut *self.connection)
            .await?)
    }

    async fn look(&mut self, scope: Scope, names: &[Name<'_>]) -> Result<Vec<KeyRow>> {
        let rows: Vec<rows::KeysRow> =
            sqlx::query_as(self.sql.reserved.clone()).bind(texts(names)?).bind(scope.as_str()).fetch_all(&mut *self.connection).await?;
        Ok(rows.into_iter().map(rows::KeysRow::into_key).collect())
    }

    async fn reanswer(&mut self, rows: &[KeyRow]) -> Result<()> {
        let rows: Vec<_> = rows.iter().map(row).collect();
        execute_over(self, |sql| &sql.reanswer, &rows).await
    }
}

fn texts(names: &[Name<'_>]) -> Result<String> {
    let names: Vec<_> = names.iter().map(|(tenant, key)| json!({"tenant": tenant, "key": key})).collect();
    Ok(serde_json::to_string(&names)?)
}

fn row(row: &KeyRow) -> Value {
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "tenant": row.tenant,
        "key": row.key,
        "job_id": rows::hex(row.job),
        "body_hash": row.body_hash.as_ref().map(hex),
        "answer": row.answer,
    })
}
