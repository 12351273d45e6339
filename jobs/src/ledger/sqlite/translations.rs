//! The role `Translations`.

use async_trait::async_trait;

use super::{
    SqliteLedger,
    writer::{Tx, Verb},
};
use crate::{
    ledger::{
        Inspect, Result, Translations,
        translations::{TranslationRow, hex, kept},
    },
    tenant::TenantId,
    translation::{DROPPED_MAX, Hash, Kept, bytes_of},
};

#[async_trait]
impl Translations for SqliteLedger {
    async fn translations(&self, tenant: &TenantId, hashes: &[Hash]) -> Result<Vec<Kept>> {
        let rows: Vec<TranslationRow> =
            sqlx::query_as(self.sql.translations.clone()).bind(tenant.as_str()).bind(array(hashes)?).fetch_all(&self.readers).await?;
        let (kept, used) = kept(rows, self.now().await?.ms())?;
        if !used.is_empty() {
            let noted = self.writer.write(Touch { tenant: tenant.clone(), hashes: array(&used)? }).await;
            if let Err(error) = noted {
                tracing::debug!(%error, "the use of translations was not noted");
            }
        }
        Ok(kept)
    }

    async fn keep_translations(&self, tenant: &TenantId, kept: &[Kept], bytes_max: i64) -> Result<()> {
        let rows = kept.iter().map(|one| {
            let facts = serde_json::to_string(&one.translated)?;
            let bytes = bytes_of(&facts);
            Ok((hex(&one.hash), facts, bytes))
        });
        let rows = serde_json::to_string(&rows.collect::<Result<Vec<_>>>()?)?;
        self.writer.write(Keep { tenant: tenant.clone(), rows, bytes_max }).await
    }
}

impl SqliteLedger {
    pub(super) async fn forget_unused(&self, unused_ms: i64, limit: usize) -> Result<u64> {
        self.writer.write(Forget { unused_ms, limit }).await
    }
}

fn array(hashes: &[Hash]) -> Result<String> {
    Ok(serde_json::to_string(&hashes.iter().map(hex).collect::<Vec<_>>())?)
}

struct Touch {
    tenant: TenantId,
    hashes: String,
}

#[async_trait]
impl Verb for Touch {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        sqlx::query(tx.sql.touch_translations.clone())
            .bind(self.tenant.as_str())
            .bind(&self.hashes)
            .bind(tx.now.ms())
            .execute(&mut *tx.connection)
            .await?;
        Ok(())
    }
}

struct Keep {
    tenant: TenantId,
    rows: String,
    bytes_max: i64,
}

#[async_trait]
impl Verb for Keep {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        let mut bytes = hold_room(tx, self.tenant.as_str()).await?;
        let added: Vec<i64> = sqlx::query_scalar(tx.sql.insert_translations.clone())
            .bind(self.tenant.as_str())
            .bind(&self.rows)
            .bind(tx.now.ms())
            .fetch_all(&mut *tx.connection)
            .await?;
        bytes += added.iter().sum::<i64>();
        if bytes > self.bytes_max {
            let dropped: Vec<i64> = sqlx::query_scalar(tx.sql.drop_translations.clone())
                .bind(self.tenant.as_str())
                .bind(bytes - self.bytes_max)
                .bind(i64::try_from(DROPPED_MAX).unwrap_or(i64::MAX))
                .fetch_all(&mut *tx.connection)
                .await?;
            bytes -= dropped.iter().sum::<i64>();
        }
        store_room(tx, self.tenant.as_str(), bytes).await
    }
}

struct Forget {
    unused_ms: i64,
    limit: usize,
}

#[async_trait]
impl Verb for Forget {
    type Answer = u64;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let before_ms = tx.now.plus_ms(-self.unused_ms).ms();
        let tenant: Option<String> =
            sqlx::query_scalar(tx.sql.unused_tenant.clone()).bind(before_ms).fetch_optional(&mut *tx.connection).await?;
        let Some(tenant) = tenant else { return Ok(0) };
        let bytes = hold_room(tx, &tenant).await?;
        let forgotten: Vec<i64> = sqlx::query_scalar(tx.sql.forget_translations.clone())
            .bind(&tenant)
            .bind(before_ms)
            .bind(i64::try_from(self.limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx.connection)
            .await?;
        store_room(tx, &tenant, bytes - forgotten.iter().sum::<i64>()).await?;
        Ok(forgotten.len() as u64)
    }
}

async fn hold_room(tx: &mut Tx<'_>, tenant: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(tx.sql.hold_room.clone()).bind(tenant).fetch_one(&mut *tx.connection).await?)
}

async fn store_room(tx: &mut Tx<'_>, tenant: &str, bytes: i64) -> Result<()> {
    sqlx::query(tx.sql.store_room.clone()).bind(tenant).bind(bytes).execute(&mut *tx.connection).await?;
    Ok(())
}
