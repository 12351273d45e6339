//! `Library` of the model.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{ModelLedger, Tables};
use crate::{
    ledger::{Library, Result},
    library::{Asking, Edition, Entry, Role},
    tenant::TenantId,
};

#[async_trait]
impl Library for ModelLedger {
    async fn publish_bundle(&self, tenant: &TenantId, edition: Edition) -> Result<(Edition, bool)> {
        Ok(self.transact(|tables, now, _| {
            let key = (tenant.clone(), edition.role, edition.name.clone(), edition.version.clone());
            if let Some(standing) = tables.bundles.get(&key) {
                return (standing.clone(), false);
            }
            let edition = Edition { published_at: now, ..edition };
            tables.bundles.insert(key, edition.clone());
            (edition, true)
        }))
    }

    async fn bundle(&self, tenant: &TenantId, role: Role, name: &str, version: &str) -> Result<Option<Edition>> {
        Ok(self.read(|tables| tables.bundles.get(&(tenant.clone(), role, name.to_owned(), version.to_owned())).cloned()))
    }

    async fn bundle_versions(&self, tenant: &TenantId, role: Role, name: &str) -> Result<Vec<Edition>> {
        Ok(self.read(|tables| {
            let of_name = tables.bundles_of(tenant, role).filter(|edition| edition.name == name);
            of_name.map(|edition| Edition { manifest: String::new(), ..edition.clone() }).collect()
        }))
    }

    async fn bundles(&self, tenant: &TenantId, role: Role, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        Ok(self.read(|tables| {
            let mut by_name: BTreeMap<&str, Vec<&Edition>> = BTreeMap::new();
            for edition in tables.bundles_of(tenant, role).filter(|edition| after.is_none_or(|after| edition.name.as_str() > after)) {
                by_name.entry(&edition.name).or_default().push(edition);
            }
            let entry = |(name, editions): (&str, Vec<&Edition>)| Entry {
                name: name.to_owned(),
                versions: editions.iter().map(|edition| edition.version.clone()).collect(),
                description: editions
                    .iter()
                    .max_by_key(|edition| edition.published_at)
                    .map(|edition| edition.description.clone())
                    .unwrap_or_default(),
            };
            by_name.into_iter().take(limit).map(entry).collect()
        }))
    }

    async fn shelf(&self, tenant: &TenantId, role: Role, names: &[String]) -> Result<Vec<Asking>> {
        Ok(self.read(|tables| {
            let asking =
                |edition: &Edition| Asking { name: edition.name.clone(), version: edition.version.clone(), needs: edition.needs.clone() };
            tables.bundles_of(tenant, role).filter(|edition| names.contains(&edition.name)).map(asking).collect()
        }))
    }
}

impl Tables {
    fn bundles_of<'a>(&'a self, tenant: &'a TenantId, role: Role) -> impl Iterator<Item = &'a Edition> {
        self.bundles.iter().filter(move |((of, its, ..), _)| of == tenant && *its == role).map(|(_, edition)| edition)
    }
}
