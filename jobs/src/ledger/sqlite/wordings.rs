//! The role `Wordings`, as `ledger/wordings.rs` asks for it.

use async_trait::async_trait;

use super::{
    SqliteLedger,
    writer::{Tx, Verb},
};
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
impl Wordings for SqliteLedger {
    async fn keep_wording(&self, new: NewWording) -> Result<Kept> {
        self.writer.write(Keep(new)).await
    }

    async fn wording(&self, tenant: &TenantId, name: &str, locale: &Locale, version: Option<u32>) -> Result<Option<Wording>> {
        let row: Option<WordingRow> = sqlx::query_as(self.sql.wording.clone())
            .bind(tenant.as_str())
            .bind(name)
            .bind(locale.as_str())
            .bind(version)
            .fetch_optional(&self.readers)
            .await?;
        row.map(WordingRow::into_wording).transpose()
    }

    async fn wording_versions(&self, tenant: &TenantId, name: &str, locale: &Locale) -> Result<Vec<(u32, Timestamp)>> {
        let rows = sqlx::query_as(self.sql.wording_versions.clone()).bind(tenant.as_str()).bind(name).bind(locale.as_str());
        wordings::versions(rows.fetch_all(&self.readers).await?)
    }

    async fn wording_languages(&self, tenant: &TenantId, name: &str) -> Result<Vec<Head>> {
        let rows: Vec<HeadRow> =
            sqlx::query_as(self.sql.wording_languages.clone()).bind(tenant.as_str()).bind(name).fetch_all(&self.readers).await?;
        rows.into_iter().map(HeadRow::into_head).collect()
    }

    async fn wordings(&self, tenant: &TenantId, after: Option<(&str, &Locale)>, limit: usize) -> Result<Vec<Head>> {
        let (name, locale) = after.map_or(("", ""), |(name, locale)| (name, locale.as_str()));
        let rows: Vec<HeadRow> = sqlx::query_as(self.sql.wording_heads.clone())
            .bind(tenant.as_str())
            .bind(name)
            .bind(locale)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(HeadRow::into_head).collect()
    }

    async fn delete_wording(&self, tenant: &TenantId, name: &str, locale: &Locale, seen: Option<u32>) -> Result<Deleted> {
        self.writer.write(Delete { tenant: tenant.clone(), name: name.to_owned(), locale: locale.clone(), seen }).await
    }

    async fn default_locale(&self, tenant: &TenantId) -> Result<Option<Locale>> {
        let row: Option<String> =
            sqlx::query_scalar(self.sql.default_locale.clone()).bind(tenant.as_str()).fetch_optional(&self.readers).await?;
        row.map(|text| wordings::locale(&text)).transpose()
    }

    async fn set_default_locale(&self, tenant: &TenantId, locale: &Locale) -> Result<()> {
        self.writer.write(SetDefault { tenant: tenant.clone(), locale: locale.clone() }).await
    }
}

struct Keep(NewWording);

#[async_trait]
impl Verb for Keep {
    type Answer = Kept;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Kept> {
        wordings::keep(tx, self.0.clone()).await
    }
}

struct Delete {
    tenant: TenantId,
    name: String,
    locale: Locale,
    seen: Option<u32>,
}

#[async_trait]
impl Verb for Delete {
    type Answer = Deleted;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Deleted> {
        wordings::delete(tx, &Place { tenant: &self.tenant, name: &self.name, locale: &self.locale }, self.seen).await
    }
}

struct SetDefault {
    tenant: TenantId,
    locale: Locale,
}

#[async_trait]
impl Verb for SetDefault {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        let set = sqlx::query(tx.sql.set_default_locale.clone()).bind(self.tenant.as_str()).bind(self.locale.as_str());
        set.execute(&mut *tx.connection).await?;
        Ok(())
    }
}

#[async_trait]
impl WordingTable for Tx<'_> {
    async fn clock(&mut self) -> Result<Timestamp> {
        Ok(self.now)
    }

    async fn hold(&mut self, place: &Place<'_>) -> Result<HeadRow> {
        let begin = sqlx::query(self.sql.begin_wording.clone()).bind(place.tenant.as_str()).bind(place.name);
        begin.bind(place.locale.as_str()).execute(&mut *self.connection).await?;
        let row = sqlx::query_as(self.sql.lock_wording_head.clone()).bind(place.tenant.as_str()).bind(place.name);
        Ok(row.bind(place.locale.as_str()).fetch_one(&mut *self.connection).await?)
    }

    async fn count(&mut self, tenant: &TenantId) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql.count_wordings.clone()).bind(tenant.as_str()).fetch_one(&mut *self.connection).await?)
    }

    async fn newest(&mut self, place: &Place<'_>) -> Result<Option<WordingRow>> {
        Ok(sqlx::query_as(self.sql.wording.clone())
            .bind(place.tenant.as_str())
            .bind(place.name)
            .bind(place.locale.as_str())
            .bind(None::<u32>)
            .fetch_optional(&mut *self.connection)
            .await?)
    }

    async fn insert(&mut self, tenant: &TenantId, wording: &Wording) -> Result<()> {
        sqlx::query(self.sql.insert_wording.clone())
            .bind(tenant.as_str())
            .bind(&wording.name)
            .bind(wording.locale.as_str())
            .bind(wording.version)
            .bind(serde_json::to_string(&wording.content)?)
            .bind(serde_json::to_string(&wording.needs)?)
            .bind(wording.created_at.ms())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn store(&mut self, place: &Place<'_>, head: &Head, is_live: bool) -> Result<()> {
        sqlx::query(self.sql.store_wording_head.clone())
            .bind(place.tenant.as_str())
            .bind(place.name)
            .bind(place.locale.as_str())
            .bind(head.version)
            .bind(is_live)
            .bind(head.created_at.ms())
            .bind(head.updated_at.ms())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn forget(&mut self, place: &Place<'_>) -> Result<()> {
        let forget = sqlx::query(self.sql.forget_wording.clone()).bind(place.tenant.as_str()).bind(place.name);
        forget.bind(place.locale.as_str()).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn drop_versions(&mut self, place: &Place<'_>, up_to: u32) -> Result<()> {
        sqlx::query(self.sql.drop_wordings.clone())
            .bind(place.tenant.as_str())
            .bind(place.name)
            .bind(place.locale.as_str())
            .bind(up_to)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
