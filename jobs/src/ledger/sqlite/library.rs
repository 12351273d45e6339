//! The role `Library`.

use async_trait::async_trait;

use super::{
    SqliteLedger,
    writer::{Tx, Verb},
};
use crate::{
    ledger::{
        Error, Library, Result,
        library::{AskingRow, EditionRow, EntryRow},
    },
    library::{Asking, Edition, Entry, Role},
    tenant::TenantId,
};

#[async_trait]
impl Library for SqliteLedger {
    async fn publish_bundle(&self, tenant: &TenantId, edition: Edition) -> Result<(Edition, bool)> {
        self.writer.write(Publish { tenant: tenant.clone(), edition }).await
    }

    async fn bundle(&self, tenant: &TenantId, role: Role, name: &str, version: &str) -> Result<Option<Edition>> {
        let row: Option<EditionRow> = sqlx::query_as(self.sql.bundle.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(name)
            .bind(version)
            .fetch_optional(&self.readers)
            .await?;
        row.map(EditionRow::into_edition).transpose()
    }

    async fn bundle_versions(&self, tenant: &TenantId, role: Role, name: &str) -> Result<Vec<Edition>> {
        let rows: Vec<EditionRow> = sqlx::query_as(self.sql.bundle_versions.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(name)
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(EditionRow::into_edition).collect()
    }

    async fn bundles(&self, tenant: &TenantId, role: Role, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        let rows: Vec<EntryRow> = sqlx::query_as(self.sql.bundles.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(EntryRow::into_entry).collect()
    }

    async fn shelf(&self, tenant: &TenantId, role: Role, names: &[String]) -> Result<Vec<Asking>> {
        let rows: Vec<AskingRow> = sqlx::query_as(self.sql.shelf.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(serde_json::to_string(names)?)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(Asking::from).collect())
    }
}

struct Publish {
    tenant: TenantId,
    edition: Edition,
}

#[async_trait]
impl Verb for Publish {
    type Answer = (Edition, bool);

    async fn write(&self, tx: &mut Tx<'_>) -> Result<(Edition, bool)> {
        let edition = &self.edition;
        let inserted = sqlx::query(tx.sql.publish_bundle.clone())
            .bind(self.tenant.as_str())
            .bind(edition.role.as_str())
            .bind(&edition.name)
            .bind(&edition.version)
            .bind(&edition.description)
            .bind(&edition.digest)
            .bind(&edition.needs)
            .bind(&edition.manifest)
            .bind(&edition.object_key)
            .bind(i64::try_from(edition.bytes).unwrap_or(i64::MAX))
            .bind(tx.now.ms())
            .execute(&mut *tx.connection)
            .await?;
        let row: Option<EditionRow> = sqlx::query_as(tx.sql.bundle.clone())
            .bind(self.tenant.as_str())
            .bind(edition.role.as_str())
            .bind(&edition.name)
            .bind(&edition.version)
            .fetch_optional(&mut *tx.connection)
            .await?;
        let row = row.ok_or_else(|| Error::Corrupt("a bundle that was just kept is gone".into()))?;
        Ok((row.into_edition()?, inserted.rows_affected() > 0))
    }
}
