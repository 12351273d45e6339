//! Rows of translations, as both databases give them and take them.

use sqlx::FromRow;

use super::{Error, Result};
use crate::translation::{Hash, Kept, NOTED_EVERY_MS};

#[derive(FromRow)]
pub(super) struct TranslationRow {
    hash: Vec<u8>,
    facts: String,
    used_at_ms: i64,
}

impl TranslationRow {
    fn into_kept(self) -> Result<Kept> {
        let hash =
            <[u8; 32]>::try_from(self.hash).map_err(|hash| Error::Corrupt(format!("a translation's hash has {} bytes", hash.len())))?;
        Ok(Kept { hash: Hash(hash), translated: serde_json::from_str(&self.facts)? })
    }
}

/// What is kept, and the hashes of what is to be noted as used now.
pub(super) fn kept(rows: Vec<TranslationRow>, now_ms: i64) -> Result<(Vec<Kept>, Vec<Hash>)> {
    let mut used = Vec::new();
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        let is_stale = row.used_at_ms <= now_ms - NOTED_EVERY_MS;
        let one = row.into_kept()?;
        if is_stale {
            used.push(one.hash);
        }
        kept.push(one);
    }
    Ok((kept, used))
}

/// A hash in hexadecimal.
pub(super) fn hex(hash: &Hash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02X}")).collect()
}
