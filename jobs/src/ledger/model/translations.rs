//! `Translations` of the model.

use async_trait::async_trait;

use super::{ModelLedger, Tables};
use crate::{
    clock::Timestamp,
    ledger::{Result, Translations},
    tenant::TenantId,
    translation::{DROPPED_MAX, Hash, Kept, NOTED_EVERY_MS, Translated, bytes_of},
};

#[async_trait]
impl Translations for ModelLedger {
    async fn translations(&self, tenant: &TenantId, hashes: &[Hash]) -> Result<Vec<Kept>> {
        Ok(self.transact(|tables, now, _| {
            let mut kept: Vec<Kept> = Vec::new();
            for hash in hashes {
                let Some((used_at, translated)) = tables.translations.get_mut(&(tenant.clone(), *hash)) else { continue };
                if *used_at <= now.plus_ms(-NOTED_EVERY_MS) {
                    *used_at = now;
                }
                if !kept.iter().any(|one| one.hash == *hash) {
                    kept.push(Kept { hash: *hash, translated: translated.clone() });
                }
            }
            kept
        }))
    }

    async fn keep_translations(&self, tenant: &TenantId, kept: &[Kept], bytes_max: i64) -> Result<()> {
        self.transact(|tables, now, _| {
            for one in kept {
                tables.translations.entry((tenant.clone(), one.hash)).or_insert_with(|| (now, one.translated.clone()));
            }
            let mut oldest = tables.used(tenant);
            let mut bytes: i64 = oldest.iter().map(|(_, _, bytes)| bytes).sum();
            oldest.truncate(DROPPED_MAX);
            for (_, hash, its_bytes) in oldest {
                if bytes <= bytes_max {
                    break;
                }
                bytes -= its_bytes;
                tables.translations.remove(&(tenant.clone(), hash));
            }
        });
        Ok(())
    }
}

impl Tables {
    pub(super) fn forget_translations(&mut self, before: Timestamp, limit: usize) -> u64 {
        let unused = self.translations.iter().filter(|(_, (used_at, _))| *used_at < before);
        let Some((tenant, _)) = unused.min_by_key(|(_, (used_at, _))| *used_at).map(|(key, _)| key.clone()) else { return 0 };
        let mut old = self.used(&tenant);
        old.retain(|(used_at, ..)| *used_at < before);
        old.truncate(limit);
        old.iter().for_each(|(_, hash, _)| drop(self.translations.remove(&(tenant.clone(), *hash))));
        old.len() as u64
    }

    /// A tenant's translations, those first that were not used for longest, with their bytes.
    fn used(&self, tenant: &TenantId) -> Vec<(Timestamp, Hash, i64)> {
        let bytes = |translated: &Translated| bytes_of(&serde_json::to_string(translated).expect("texts and numbers have a JSON form"));
        let theirs = self.translations.iter().filter(|((owner, _), _)| owner == tenant);
        let mut used: Vec<_> = theirs.map(|((_, hash), (used_at, translated))| (*used_at, *hash, bytes(translated))).collect();
        used.sort();
        used
    }
}
