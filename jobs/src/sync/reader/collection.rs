//! Reads the tenant's own records, by key. Those that are marked as deleted are not there. Next: `ledger/syncing.rs`.

use std::sync::Arc;

use serde_json::Value;

use super::{Page, Place, Stopped, place::At};
use crate::{
    clock::Timestamp,
    handler::{Context, Outcome},
    ledger::Records,
    sync::{
        definition::RecordsSource,
        read::{KEY, UPDATED_AT},
        store::Look,
    },
    tenant::TenantId,
};

/// A collection that is read.
pub(super) struct Collection {
    records: Arc<dyn Records>,
    tenant: TenantId,
    name: String,
}

/// Records of a page: 50 MiB, were each as large as it may be.
const PAGE_RECORDS: usize = 200;

impl Collection {
    pub(super) fn of(context: &Context, records: Arc<dyn Records>, source: &RecordsSource) -> Self {
        Self { records, tenant: context.tenant.clone(), name: source.collection.clone() }
    }

    pub(super) async fn page(&self, place: Option<&Place>) -> Result<Page, Stopped> {
        let after = match place.map(|place| &place.at) {
            None => None,
            Some(At::Key(key)) => Some(key.clone()),
            Some(_) => return Err(Stopped::Failed(Outcome::bury("place_invalid", "the place where the run stands is of another source"))),
        };
        let look = Look { collection: self.name.clone(), after, limit: PAGE_RECORDS, ..Look::default() };
        let looked = self.records.records(&self.tenant, look).await;
        let looked = looked.map_err(|error| Stopped::Failed(Outcome::retry("ledger_unavailable", error.to_string())))?;
        let last = looked.records.last().map(|record| record.key.clone()).filter(|_| looked.records.len() >= PAGE_RECORDS);
        let mut page = Page::default();
        for record in looked.records {
            page.bytes += record.data.get().len() as u64;
            let read: Value = serde_json::from_str(record.data.get()).expect("the ledger keeps JSON");
            let mut members = match read {
                Value::Object(members) => members,
                _ => serde_json::Map::new(),
            };
            members.insert(KEY.into(), record.key.into());
            members.insert(UPDATED_AT.into(), record.updated_at.to_string().into());
            page.records.push(Value::Object(members));
        }
        page.next = last.map(|key| {
            let (pages, records) = place.map_or((0, 0), |place| (place.pages, place.records));
            let next = Place::first(At::Key(key), Timestamp::default(), None);
            Place { pages: pages + 1, records: records + page.records.len() as u64, ..next }
        });
        Ok(page)
    }
}
