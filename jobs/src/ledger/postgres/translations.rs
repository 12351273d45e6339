//! The role `Translations`. The tenant's room is held before any of its rows, and rows are never waited for, so nobody can be in each
//! other's way.

use async_trait::async_trait;

use super::{PostgresLedger, Tx};
use crate::{
    ledger::{
        Inspect, Result, Translations,
        translations::{TranslationRow, kept},
    },
    tenant::TenantId,
    translation::{DROPPED_MAX, Hash, Kept, bytes_of},
};

#[async_trait]
impl Translations for PostgresLedger {
    async fn translations(&self, tenant: &TenantId, hashes: &[Hash]) -> Result<Vec<Kept>> {
        let rows: Vec<TranslationRow> = sqlx::query_as(self.core.sql.translations.clone())
            .bind(tenant.as_str())
            .bind(array(hashes))
            .fetch_all(&self.core.readers)
            .await?;
        let now = self.now().await?;
        let (kept, used) = kept(rows, now.ms())?;
        if !used.is_empty() {
            let noted = sqlx::query(self.core.sql.touch_translations.clone())
                .bind(tenant.as_str())
                .bind(array(&used))
                .bind(now.ms())
                .execute(&self.core.writers)
                .await;
            if let Err(error) = noted {
                tracing::debug!(%error, "the use of translations was not noted");
            }
        }
        Ok(kept)
    }

    async fn keep_translations(&self, tenant: &TenantId, kept: &[Kept], bytes_max: i64) -> Result<()> {
        let facts = kept.iter().map(|one| serde_json::to_string(&one.translated)).collect::<std::result::Result<Vec<_>, _>>()?;
        let sizes: Vec<i64> = facts.iter().map(|facts| bytes_of(facts)).collect();
        let now = self.now().await?;
        let mut tx = self.core.begin().await?;
        let mut bytes = hold_room(&mut tx, tenant.as_str()).await?;
        let added: Vec<i64> = sqlx::query_scalar(tx.sql().insert_translations.clone())
            .bind(tenant.as_str())
            .bind(kept.iter().map(|one| one.hash.0.to_vec()).collect::<Vec<_>>())
            .bind(facts)
            .bind(sizes)
            .bind(now.ms())
            .fetch_all(tx.connection())
            .await?;
        bytes += added.iter().sum::<i64>();
        if bytes > bytes_max {
            let dropped: Vec<i64> = sqlx::query_scalar(tx.sql().drop_translations.clone())
                .bind(tenant.as_str())
                .bind(bytes - bytes_max)
                .bind(i64::try_from(DROPPED_MAX).unwrap_or(i64::MAX))
                .fetch_all(tx.connection())
                .await?;
            bytes -= dropped.iter().sum::<i64>();
        }
        store_room(&mut tx, tenant.as_str(), bytes).await?;
        tx.commit().await
    }
}

impl PostgresLedger {
    pub(super) async fn forget_unused(&self, unused_ms: i64, limit: usize) -> Result<u64> {
        let before_ms = self.now().await?.plus_ms(-unused_ms).ms();
        let tenant: Option<String> =
            sqlx::query_scalar(self.core.sql.unused_tenant.clone()).bind(before_ms).fetch_optional(&self.core.writers).await?;
        let Some(tenant) = tenant else { return Ok(0) };
        let mut tx = self.core.begin().await?;
        let bytes = hold_room(&mut tx, &tenant).await?;
        let forgotten: Vec<i64> = sqlx::query_scalar(tx.sql().forget_translations.clone())
            .bind(&tenant)
            .bind(before_ms)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(tx.connection())
            .await?;
        store_room(&mut tx, &tenant, bytes - forgotten.iter().sum::<i64>()).await?;
        tx.commit().await?;
        Ok(forgotten.len() as u64)
    }
}

fn array(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.0.to_vec()).collect()
}

async fn hold_room(tx: &mut Tx<'_>, tenant: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(tx.sql().hold_room.clone()).bind(tenant).fetch_one(tx.connection()).await?)
}

async fn store_room(tx: &mut Tx<'_>, tenant: &str, bytes: i64) -> Result<()> {
    sqlx::query(tx.sql().store_room.clone()).bind(tenant).bind(bytes).execute(tx.connection()).await?;
    Ok(())
}
