//! `Wordings` of the model.

use async_trait::async_trait;

use super::{ModelLedger, Worded};
use crate::{
    clock::Timestamp,
    ledger::{Result, Wordings},
    notification::{
        locale::Locale,
        wording::{Deleted, Head, Kept, NewWording, VERSIONS_KEPT, WORDINGS_MAX, Wording},
    },
    tenant::TenantId,
};

#[async_trait]
impl Wordings for ModelLedger {
    async fn keep_wording(&self, new: NewWording) -> Result<Kept> {
        Ok(self.transact(|tables, now, _| {
            let live = tables.wordings.iter().filter(|((tenant, ..), worded)| *tenant == new.tenant && !worded.versions.is_empty()).count();
            let worded = tables.wordings.entry((new.tenant, new.name.clone(), new.locale.clone())).or_default();
            let newest = worded.versions.last().cloned();
            if new.seen.is_some_and(|seen| seen != newest.as_ref().map_or(0, |newest| newest.version)) {
                return Kept::Stale;
            }
            if let Some(same) = newest.clone().filter(|newest| newest.content == new.content) {
                return Kept::Same(same);
            }
            if newest.is_none() {
                if live >= WORDINGS_MAX {
                    return Kept::TooMany;
                }
                worded.created_at = now;
            }
            worded.version += 1;
            worded.updated_at = now;
            let wording = Wording {
                name: new.name,
                locale: new.locale,
                version: worded.version,
                content: new.content,
                needs: new.needs,
                created_at: now,
            };
            worded.versions.push(wording.clone());
            let oldest = worded.version.saturating_sub(VERSIONS_KEPT);
            worded.versions.retain(|wording| wording.version > oldest);
            if newest.is_none() { Kept::Created(wording) } else { Kept::Changed(wording) }
        }))
    }

    async fn wording(&self, tenant: &TenantId, name: &str, locale: &Locale, version: Option<u32>) -> Result<Option<Wording>> {
        Ok(self.read(|tables| {
            let worded = tables.wordings.get(&(tenant.clone(), name.to_owned(), locale.clone()))?;
            let fits = |wording: &&Wording| version.is_none_or(|version| wording.version == version);
            worded.versions.iter().rfind(fits).cloned()
        }))
    }

    async fn wording_versions(&self, tenant: &TenantId, name: &str, locale: &Locale) -> Result<Vec<(u32, Timestamp)>> {
        Ok(self.read(|tables| {
            let worded = tables.wordings.get(&(tenant.clone(), name.to_owned(), locale.clone()));
            let versions = worded.into_iter().flat_map(|worded| worded.versions.iter().rev());
            versions.map(|wording| (wording.version, wording.created_at)).collect()
        }))
    }

    async fn wording_languages(&self, tenant: &TenantId, name: &str) -> Result<Vec<Head>> {
        let all = self.wordings(tenant, None, usize::MAX).await?;
        Ok(all.into_iter().filter(|head| head.name == name).collect())
    }

    async fn wordings(&self, tenant: &TenantId, after: Option<(&str, &Locale)>, limit: usize) -> Result<Vec<Head>> {
        Ok(self.read(|tables| {
            let head = |((_, name, locale), worded): (&(TenantId, String, Locale), &Worded)| Head {
                name: name.clone(),
                locale: locale.clone(),
                version: worded.version,
                created_at: worded.created_at,
                updated_at: worded.updated_at,
            };
            let live = tables.wordings.iter().filter(|((of, name, locale), worded)| {
                of == tenant && !worded.versions.is_empty() && after.is_none_or(|after| (name.as_str(), locale) > after)
            });
            live.take(limit).map(head).collect()
        }))
    }

    async fn delete_wording(&self, tenant: &TenantId, name: &str, locale: &Locale, seen: Option<u32>) -> Result<Deleted> {
        Ok(self.transact(|tables, _, _| {
            let worded = tables.wordings.get_mut(&(tenant.clone(), name.to_owned(), locale.clone()));
            let standing = worded.as_ref().and_then(|worded| worded.versions.last()).map_or(0, |newest| newest.version);
            if seen.is_some_and(|seen| seen != standing) {
                return Deleted::Stale;
            }
            let gone = worded.is_some_and(|worded| !std::mem::take(&mut worded.versions).is_empty());
            if gone { Deleted::Gone } else { Deleted::Absent }
        }))
    }

    async fn default_locale(&self, tenant: &TenantId) -> Result<Option<Locale>> {
        Ok(self.read(|tables| tables.default_locales.get(tenant).cloned()))
    }

    async fn set_default_locale(&self, tenant: &TenantId, locale: &Locale) -> Result<()> {
        self.transact(|tables, _, _| tables.default_locales.insert(tenant.clone(), locale.clone()));
        Ok(())
    }
}
