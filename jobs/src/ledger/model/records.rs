//! `Records` of the model.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::{ModelLedger, Row, Tables};
use crate::{
    clock::Timestamp,
    ledger::{Records, Result, syncs::keep},
    sync::{
        SyncId,
        state::{Record, Standing, Sync},
        store::{Look, Looked, NewRecord, RecordDeleted, RecordKept, Unready, hash_of, value_at},
    },
    tenant::TenantId,
};

/// Whose record, of which collection, and its key.
pub(super) type RecordName = (TenantId, String, String);

#[async_trait]
impl Records for ModelLedger {
    async fn record(&self, tenant: &TenantId, collection: &str, key: &str) -> Result<Option<Record>> {
        let name = (tenant.clone(), collection.to_owned(), key.to_owned());
        Ok(self.read(|tables| tables.records.get(&name).map(|row| row.record(collection, key))))
    }

    async fn records(&self, tenant: &TenantId, look: Look) -> Result<Looked> {
        Ok(self.read(|tables| {
            let fields = tables.fields.get(&(tenant.clone(), look.collection.clone()));
            let is_ready = look.field.as_ref().map(|(field, _)| fields.and_then(|fields| fields.get(field)));
            let unready = match is_ready {
                None | Some(Some(true)) => None,
                Some(Some(false)) => Some(Unready::Indexing),
                Some(None) => Some(Unready::Unknown),
            };
            let own = tables.records.iter().filter(|((of, collection, _), _)| of == tenant && *collection == look.collection);
            let after = own.filter(|((.., key), row)| {
                look.after.as_ref().is_none_or(|after| key > after) && (look.deleted || row.deleted_at.is_none())
            });
            let fits = after.filter(|(_, row)| {
                let data = serde_json::from_str(&row.data).expect("a record is JSON text");
                unready.is_none() && look.field.as_ref().is_none_or(|(field, value)| value_at(&data, field).as_ref() == Some(value))
            });
            Looked { records: fits.take(look.limit).map(|((.., key), row)| row.record(&look.collection, key)).collect(), unready }
        }))
    }

    async fn collections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        Ok(self.read(|tables| {
            let names = tables.records.keys().filter(|(of, ..)| of == tenant).map(|(_, collection, _)| collection.clone());
            let names: BTreeSet<String> = names.filter(|name| after.is_none_or(|after| name.as_str() > after)).collect();
            names.into_iter().take(limit).collect()
        }))
    }

    async fn keep_record(&self, new: NewRecord) -> Result<RecordKept> {
        Ok(self.transact(|tables, now, _| {
            let name = (new.tenant, new.collection, new.key);
            let (standing, hash) = (tables.records.get(&name).map(Row::standing), hash_of(&new.data));
            let is_live = standing.is_some_and(|standing| !standing.is_deleted);
            if new.seen.is_some_and(|seen| standing.is_none_or(|standing| standing.version != seen) && (seen != 0 || is_live)) {
                return RecordKept::Stale;
            }
            let is_same = is_live && standing.is_some_and(|standing| standing.hash == hash);
            if !is_same {
                tables.put_record(&name, &new.data, hash, None, now);
            }
            let record = tables.records[&name].record(&name.1, &name.2);
            match (is_live, is_same) {
                (true, true) => RecordKept::Same(record),
                (true, false) => RecordKept::Changed(record),
                (false, _) => RecordKept::Created(record),
            }
        }))
    }

    async fn delete_record(&self, tenant: &TenantId, collection: &str, key: &str, seen: Option<i64>) -> Result<RecordDeleted> {
        Ok(self.transact(|tables, _, _| {
            let name = (tenant.clone(), collection.to_owned(), key.to_owned());
            let Some(version) = tables.record_version(&name) else { return RecordDeleted::Missing };
            if seen.is_some_and(|seen| seen != version) {
                return RecordDeleted::Stale;
            }
            tables.drop_record(&name);
            RecordDeleted::Gone
        }))
    }
}

impl Row {
    pub(super) fn record(&self, collection: &str, key: &str) -> Record {
        Record {
            collection: collection.to_owned(),
            key: key.to_owned(),
            data: RawValue::from_string(self.data.clone()).expect("a record is JSON text"),
            version: self.version,
            sync: self.sync,
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
        }
    }

    pub(super) const fn standing(&self) -> Standing {
        Standing { version: self.version, hash: self.hash, updated_at: self.updated_at, is_deleted: self.deleted_at.is_some() }
    }
}

impl Tables {
    pub(super) fn record_version(&self, name: &RecordName) -> Option<i64> {
        self.records.get(name).map(|row| row.version)
    }

    /// The greatest version of a record of the collection that is gone.
    pub(super) fn record_floor(&self, name: &RecordName) -> i64 {
        self.floors.get(&(name.0.clone(), name.1.clone())).copied().unwrap_or(0)
    }

    /// Writes a record at its next version.
    pub(super) fn put_record(&mut self, name: &RecordName, data: &str, hash: [u8; 32], sync: Option<SyncId>, now: Timestamp) {
        let version = self.record_version(name).unwrap_or_else(|| self.record_floor(name)) + 1;
        let created_at = self.records.get(name).map_or(now, |row| row.created_at);
        let row = Row { data: data.to_owned(), hash, version, sync, created_at, updated_at: now, deleted_at: None };
        self.records.insert(name.clone(), row);
    }

    /// Marks a record as deleted, if there is one.
    pub(super) fn mark_record(&mut self, name: &RecordName, sync: SyncId, now: Timestamp) {
        if let Some(row) = self.records.get_mut(name) {
            row.version += 1;
            row.sync = Some(sync);
            (row.updated_at, row.deleted_at) = (now, Some(now));
        }
    }

    /// Deletes a record, if there is one.
    pub(super) fn drop_record(&mut self, name: &RecordName) {
        if let Some(row) = self.records.remove(name) {
            let floor = self.floors.entry((name.0.clone(), name.1.clone())).or_default();
            *floor = row.version.max(*floor);
        }
    }

    /// Makes the look-up fields of the sync's collection those that the syncs into it say; whether each is ready.
    pub(super) fn agree_on_fields(&mut self, sync: &Sync) {
        let Some(into) = sync.definition.destination.records.as_ref() else { return };
        let same = |synced: &&super::Synced| {
            let records = synced.sync.definition.destination.records.as_ref();
            synced.sync.tenant == sync.tenant && records.is_some_and(|records| records.collection == into.collection)
        };
        let definitions: Vec<_> = self.syncs.values().filter(same).map(|synced| synced.sync.definition.clone()).collect();
        let is_empty = !self.records.keys().any(|(tenant, collection, _)| *tenant == sync.tenant && *collection == into.collection);
        let before = self.fields.remove(&(sync.tenant.clone(), into.collection.clone())).unwrap_or_default();
        let fields = keep::wanted(&definitions).into_iter().map(|field| (before.get(&field).copied().unwrap_or(is_empty), field));
        self.fields.insert((sync.tenant.clone(), into.collection.clone()), fields.map(|(is_ready, field)| (field, is_ready)).collect());
    }
}
