//! The role `Library`.

use async_trait::async_trait;

use super::PostgresLedger;
use crate::{
    ledger::{
        Error, Inspect, Library, Result,
        library::{AskingRow, EditionRow, EntryRow},
    },
    library::{Asking, Edition, Entry, Role},
    tenant::TenantId,
};

#[async_trait]
impl Library for PostgresLedger {
    async fn publish_bundle(&self, tenant: &TenantId, edition: Edition) -> Result<(Edition, bool)> {
        let now = self.now().await?;
        let inserted = sqlx::query(self.core.sql.publish_bundle.clone())
            .bind(tenant.as_str())
            .bind(edition.role.as_str())
            .bind(&edition.name)
            .bind(&edition.version)
            .bind(&edition.description)
            .bind(&edition.digest)
            .bind(&edition.needs)
            .bind(&edition.manifest)
            .bind(&edition.object_key)
            .bind(i64::try_from(edition.bytes).unwrap_or(i64::MAX))
            .bind(now.ms())
            .execute(&self.core.writers)
            .await?;
        // Rows of bundles neither change nor go.
        let standing = self.bundle(tenant, edition.role, &edition.name, &edition.version).await?;
        let standing = standing.ok_or_else(|| Error::Corrupt("a bundle that was just kept is gone".into()))?;
        Ok((standing, inserted.rows_affected() > 0))
    }

    async fn bundle(&self, tenant: &TenantId, role: Role, name: &str, version: &str) -> Result<Option<Edition>> {
        let row: Option<EditionRow> = sqlx::query_as(self.core.sql.bundle.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(name)
            .bind(version)
            .fetch_optional(&self.core.readers)
            .await?;
        row.map(EditionRow::into_edition).transpose()
    }

    async fn bundle_versions(&self, tenant: &TenantId, role: Role, name: &str) -> Result<Vec<Edition>> {
        let rows: Vec<EditionRow> = sqlx::query_as(self.core.sql.bundle_versions.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(name)
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(EditionRow::into_edition).collect()
    }

    async fn bundles(&self, tenant: &TenantId, role: Role, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        let rows: Vec<EntryRow> = sqlx::query_as(self.core.sql.bundles.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(EntryRow::into_entry).collect()
    }

    async fn shelf(&self, tenant: &TenantId, role: Role, names: &[String]) -> Result<Vec<Asking>> {
        let rows: Vec<AskingRow> = sqlx::query_as(self.core.sql.shelf.clone())
            .bind(tenant.as_str())
            .bind(role.as_str())
            .bind(serde_json::to_string(names)?)
            .fetch_all(&self.core.readers)
            .await?;
        Ok(rows.into_iter().map(Asking::from).collect())
    }
}
