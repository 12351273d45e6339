//! Rows of bundles, as both databases give them.

use sqlx::FromRow;

use super::{Error, Result};
use crate::{
    clock::Timestamp,
    library::{Asking, Edition, Entry, Role},
};

#[derive(FromRow)]
pub(super) struct EditionRow {
    role: String,
    name: String,
    version: String,
    description: String,
    digest: String,
    needs: String,
    manifest: String,
    object_key: String,
    bytes: i64,
    published_at_ms: i64,
}

impl EditionRow {
    pub(super) fn into_edition(self) -> Result<Edition> {
        let role = [Role::Template, Role::Feature].into_iter().find(|role| role.as_str() == self.role);
        Ok(Edition {
            role: role.ok_or_else(|| Error::Corrupt(format!("a bundle has the role {:?}", self.role)))?,
            name: self.name,
            version: self.version,
            description: self.description,
            digest: self.digest,
            needs: self.needs,
            manifest: self.manifest,
            object_key: self.object_key,
            bytes: self.bytes.unsigned_abs(),
            published_at: Timestamp::from_ms(self.published_at_ms),
        })
    }
}

#[derive(FromRow)]
pub(super) struct EntryRow {
    name: String,
    versions: String,
    description: String,
}

impl EntryRow {
    pub(super) fn into_entry(self) -> Result<Entry> {
        Ok(Entry { name: self.name, versions: serde_json::from_str(&self.versions)?, description: self.description })
    }
}

#[derive(FromRow)]
pub(super) struct AskingRow {
    name: String,
    version: String,
    needs: String,
}

impl From<AskingRow> for Asking {
    fn from(row: AskingRow) -> Self {
        Self { name: row.name, version: row.version, needs: row.needs }
    }
}
