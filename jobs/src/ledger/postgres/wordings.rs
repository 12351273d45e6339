//! The role `Wordings`, as `ledger/wordings.rs` asks for it.

use async_trait::async_trait;

use super::{PostgresLedger, Tx, changes::int};
use crate::{
    clock::Timestamp,
    ledger::{
        Result, Wordings,
        wordings::{self, HeadRow, Place, WordingRow, WordingTable},
    },
    notification::{
        locale::Locale,
        wording::{Deleted, Head, Kept, NewWording, Wording},
    },
    tenant::TenantId,
};

#[async_trait]
impl Wordings for PostgresLedger {
    async fn keep_wording(&self, new: NewWording) -> Result<Kept> {
        let mut tx = self.core.begin().await?;
        let kept = wordings::keep(&mut tx, new).await?;
        tx.commit().await?;
        Ok(kept)
    }

    async fn wording(&self, tenant: &TenantId, name: &str, locale: &Locale, version: Option<u32>) -> Result<Option<Wording>> {
        let row: Option<WordingRow> = sqlx::query_as(self.core.sql.wording.clone())
            .bind(tenant.as_str())
            .bind(name)
            .bind(locale.as_str())
            .bind(version.map(int))
            .fetch_optional(&self.core.readers)
            .await?;
        row.map(WordingRow::into_wording).transpose()
    }

    async fn wording_versions(&self, tenant: &TenantId, name: &str, locale: &Locale) -> Result<Vec<(u32, Timestamp)>> {
        let rows = sqlx::query_as(self.core.sql.wording_versions.clone()).bind(tenant.as_str()).bind(name).bind(locale.as_str());
        wordings::versions(rows.fetch_all(&self.core.readers).await?)
    }

    async fn wording_languages(&self, tenant: &TenantId, name: &str) -> Result<Vec<Head>> {
        let rows: Vec<HeadRow> =
            sqlx::query_as(self.core.sql.wording_languages.clone()).bind(tenant.as_str()).bind(name).fetch_all(&self.core.readers).await?;
        rows.into_iter().map(HeadRow::into_head).collect()
    }

    async fn wordings(&self, tenant: &TenantId, after: Option<(&str, &Locale)>, limit: usize) -> Result<Vec<Head>> {
        let (name, locale) = after.map_or(("", ""), |(name, locale)| (name, locale.as_str()));
        let rows: Vec<HeadRow> = sqlx::query_as(self.core.sql.wording_heads.clone())
            .bind(tenant.as_str())
            .bind(name)
            .bind(locale)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(HeadRow::into_head).collect()
    }

    async fn delete_wording(&self, tenant: &TenantId, name: &str, locale: &Locale, seen: Option<u32>) -> Result<Deleted> {
        let mut tx = self.core.begin().await?;
        let deleted = wordings::delete(&mut tx, &Place { tenant, name, locale }, seen).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    async fn default_locale(&self, tenant: &TenantId) -> Result<Option<Locale>> {
        let row: Option<String> =
            sqlx::query_scalar(self.core.sql.default_locale.clone()).bind(tenant.as_str()).fetch_optional(&self.core.readers).await?;
        row.map(|text| wordings::locale(&text)).transpose()
    }

    async fn set_default_locale(&self, tenant: &TenantId, locale: &Locale) -> Result<()> {
        let set = sqlx::query(self.core.sql.set_default_locale.clone()).bind(tenant.as_str()).bind(locale.as_str());
        set.execute(&self.core.writers).await?;
        Ok(())
    }
}

#[async_trait]
impl WordingTable for Tx<'_> {
    async fn clock(&mut self) -> Result<Timestamp> {
        let clock_ms = self.core.clock_ms();
        Ok(Timestamp::from_ms(sqlx::query_scalar(self.sql().clock.clone()).bind(clock_ms).fetch_one(self.connection()).await?))
    }

    async fn hold(&mut self, place: &Place<'_>) -> Result<HeadRow> {
        let begin = sqlx::query(self.sql().begin_wording.clone()).bind(place.tenant.as_str()).bind(place.name);
        begin.bind(place.locale.as_str()).execute(self.connection()).await?;
        let row = sqlx::query_as(self.sql().lock_wording_head.clone()).bind(place.tenant.as_str()).bind(place.name);
        Ok(row.bind(place.locale.as_str()).fetch_one(self.connection()).await?)
    }

    async fn count(&mut self, tenant: &TenantId) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql().count_wordings.clone()).bind(tenant.as_str()).fetch_one(self.connection()).await?)
    }

    async fn newest(&mut self, place: &Place<'_>) -> Result<Option<WordingRow>> {
        Ok(sqlx::query_as(self.sql().wording.clone())
            .bind(place.tenant.as_str())
            .bind(place.name)
            .bind(place.locale.as_str())
            .bind(None::<i32>)
            .fetch_optional(self.connection())
            .await?)
    }

    async fn insert(&mut self, tenant: &TenantId, wording: &Wording) -> Result<()> {
        sqlx::query(self.sql().insert_wording.clone())
            .bind(tenant.as_str())
            .bind(&wording.name)
            .bind(wording.locale.as_str())
            .bind(int(wording.version))
            .bind(serde_json::to_string(&wording.content)?)
            .bind(serde_json::to_string(&wording.needs)?)
            .bind(wording.created_at.ms())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn store(&mut self, place: &Place<'_>, head: &Head, is_live: bool) -> Result<()> {
        sqlx::query(self.sql().store_wording_head.clone())
            .bind(place.tenant.as_str())
            .bind(place.name)
            .bind(place.locale.as_str())
            .bind(int(head.version))
            .bind(is_live)
            .bind(head.created_at.ms())
            .bind(head.updated_at.ms())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn forget(&mut self, place: &Place<'_>) -> Result<()> {
        let forget = sqlx::query(self.sql().forget_wording.clone()).bind(place.tenant.as_str()).bind(place.name);
        forget.bind(place.locale.as_str()).execute(self.connection()).await?;
        Ok(())
    }

    async fn drop_versions(&mut self, place: &Place<'_>, up_to: u32) -> Result<()> {
        sqlx::query(self.sql().drop_wordings.clone())
            .bind(place.tenant.as_str())
            .bind(place.name)
            .bind(place.locale.as_str())
            .bind(int(up_to))
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
