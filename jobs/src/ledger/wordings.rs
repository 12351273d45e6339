//! Rows of templates as both SQL ledgers return them, and the writes that they share.
//!
//! Whoever changes a template in a language holds its head first, so that numbers grow one by one. Next: `notification/wording.rs`.

use async_trait::async_trait;

use super::{Error, Result, rows};
use crate::{
    clock::Timestamp,
    notification::{
        locale::Locale,
        wording::{Deleted, Head, Kept, NewWording, VERSIONS_KEPT, WORDINGS_MAX, Wording},
    },
    tenant::TenantId,
};

/// A row of `wordings`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct WordingRow {
    name: String,
    locale: String,
    version: i32,
    content: String,
    needs: String,
    created_at_ms: i64,
}

impl WordingRow {
    pub(super) fn into_wording(self) -> Result<Wording> {
        Ok(Wording {
            name: self.name,
            locale: locale(&self.locale)?,
            version: rows::count(self.version)?,
            content: serde_json::from_str(&self.content)?,
            needs: serde_json::from_str(&self.needs)?,
            created_at: Timestamp::from_ms(self.created_at_ms),
        })
    }
}

/// A row of `wording_heads`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct HeadRow {
    name: String,
    locale: String,
    version: i32,
    is_live: bool,
    created_at_ms: i64,
    updated_at_ms: i64,
}

impl HeadRow {
    pub(super) fn into_head(self) -> Result<Head> {
        Ok(Head {
            name: self.name,
            locale: locale(&self.locale)?,
            version: rows::count(self.version)?,
            created_at: Timestamp::from_ms(self.created_at_ms),
            updated_at: Timestamp::from_ms(self.updated_at_ms),
        })
    }
}

/// Rows of versions as `wording_versions` gives them.
pub(super) fn versions(rows: Vec<(i32, i64)>) -> Result<Vec<(u32, Timestamp)>> {
    rows.into_iter().map(|(version, at_ms)| Ok((rows::count(version)?, Timestamp::from_ms(at_ms)))).collect()
}

pub(super) fn locale(text: &str) -> Result<Locale> {
    text.parse().map_err(|error| Error::Corrupt(format!("a wording's locale: {error}")))
}

/// A template in a language, while it is changed.
pub(super) struct Place<'p> {
    pub tenant: &'p TenantId,
    pub name: &'p str,
    pub locale: &'p Locale,
}

/// The tables of templates within a transaction.
#[async_trait]
pub(super) trait WordingTable: Send {
    /// The ledger's clock.
    async fn clock(&mut self) -> Result<Timestamp>;
    /// Takes hold of the head, made where there was none.
    async fn hold(&mut self, place: &Place<'_>) -> Result<HeadRow>;
    /// How many templates in how many languages the tenant has.
    async fn count(&mut self, tenant: &TenantId) -> Result<i64>;
    /// The newest words.
    async fn newest(&mut self, place: &Place<'_>) -> Result<Option<WordingRow>>;
    /// Writes a version.
    async fn insert(&mut self, tenant: &TenantId, wording: &Wording) -> Result<()>;
    /// Writes the head.
    async fn store(&mut self, place: &Place<'_>, head: &Head, is_live: bool) -> Result<()>;
    /// Deletes a head that never had a version.
    async fn forget(&mut self, place: &Place<'_>) -> Result<()>;
    /// Deletes the versions up to this one.
    async fn drop_versions(&mut self, place: &Place<'_>, up_to: u32) -> Result<()>;
}

/// Keeps words. What comes of it may be nothing: then a head that was made to be held goes again, as the caller commits all the same.
pub(super) async fn keep(table: &mut impl WordingTable, new: NewWording) -> Result<Kept> {
    let place = Place { tenant: &new.tenant, name: &new.name, locale: &new.locale };
    let kept = keep_at(table, &place, &new).await?;
    if matches!(kept, Kept::Stale | Kept::TooMany) {
        table.forget(&place).await?;
    }
    Ok(kept)
}

async fn keep_at(table: &mut impl WordingTable, place: &Place<'_>, new: &NewWording) -> Result<Kept> {
    let row = table.hold(place).await?;
    let is_live = row.is_live;
    let head = row.into_head()?;
    let standing = if is_live { head.version } else { 0 };
    if new.seen.is_some_and(|seen| seen != standing) {
        return Ok(Kept::Stale);
    }
    if is_live {
        let newest = table.newest(place).await?.ok_or_else(|| Error::Corrupt("a live template has no words".into()))?.into_wording()?;
        if newest.content == new.content {
            return Ok(Kept::Same(newest));
        }
    } else if table.count(&new.tenant).await? >= i64::try_from(WORDINGS_MAX).unwrap_or(i64::MAX) {
        return Ok(Kept::TooMany);
    }
    let now = table.clock().await?;
    let version = head.version + 1;
    let created_at = if is_live { head.created_at } else { now };
    let (content, needs) = (new.content.clone(), new.needs.clone());
    let wording = Wording { name: new.name.clone(), locale: new.locale.clone(), version, content, needs, created_at: now };
    table.insert(&new.tenant, &wording).await?;
    table.store(place, &Head { version, created_at, updated_at: now, ..head }, true).await?;
    if version > VERSIONS_KEPT {
        table.drop_versions(place, version - VERSIONS_KEPT).await?;
    }
    Ok(if is_live { Kept::Changed(wording) } else { Kept::Created(wording) })
}

/// Deletes a template in a language; its number stays.
pub(super) async fn delete(table: &mut impl WordingTable, place: &Place<'_>, seen: Option<u32>) -> Result<Deleted> {
    let row = table.hold(place).await?;
    let is_live = row.is_live;
    let head = row.into_head()?;
    let standing = if is_live { head.version } else { 0 };
    if !is_live || seen.is_some_and(|seen| seen != standing) {
        table.forget(place).await?;
        return Ok(if seen.is_some_and(|seen| seen != standing) { Deleted::Stale } else { Deleted::Absent });
    }
    table.drop_versions(place, head.version).await?;
    table.store(place, &head, false).await?;
    Ok(Deleted::Gone)
}
