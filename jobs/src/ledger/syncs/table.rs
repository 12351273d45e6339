//! The tables of syncs and of records as the verbs that both SQL ledgers share see them. Next: `pages.rs`, `runs.rs`.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;

use super::{ConflictRow, ItemRow, RecordRow, RunRow, StandingRow, SyncRow};
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{Error, Result},
    sync::{
        SyncId,
        state::{Item, RowError, Run, Sync},
    },
    tenant::TenantId,
};

/// A record that is to be written.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Put<'p> {
    pub key: &'p str,
    pub data: &'p str,
    pub hash: &'p [u8; 32],
    pub version: i64,
}

/// A conflict that is to be kept.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct NewConflict<'p> {
    pub key: &'p str,
    pub source: Option<&'p str>,
    pub hash: &'p [u8; 32],
}

/// A value by which a record is found.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct Value<'p> {
    pub key: &'p str,
    pub field: &'p str,
    pub value: String,
}

/// How a look-up field of a collection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) enum FieldState {
    /// Records are found by it.
    Ready,
    /// The records that were there are being gone through.
    Indexing,
    /// Nobody wants it any more, and its values are being forgotten.
    Dropping,
}

impl FieldState {
    pub(in crate::ledger) const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Indexing => "indexing",
            Self::Dropping => "dropping",
        }
    }

    pub(in crate::ledger) fn read(text: &str) -> Result<Self> {
        [Self::Ready, Self::Indexing, Self::Dropping]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::Corrupt(format!("a look-up field is {text}")))
    }
}

/// The fields of a collection.
pub(in crate::ledger) type Fields = BTreeMap<String, FieldState>;

/// A collection of a tenant.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Place<'p> {
    pub tenant: &'p TenantId,
    pub collection: &'p str,
}

/// The tables of syncs within a transaction.
#[async_trait]
pub(in crate::ledger) trait SyncTable: RecordTable {
    /// Takes hold of a sync.
    async fn hold_sync(&mut self, tenant: &TenantId, name: &str) -> Result<Option<SyncRow>>;
    /// Takes hold of the sync of this id.
    async fn hold_sync_of(&mut self, tenant: &TenantId, sync: SyncId) -> Result<Option<SyncRow>>;
    /// How many syncs the tenant has.
    async fn count_syncs(&mut self, tenant: &TenantId) -> Result<i64>;
    /// What the tenant's syncs into this collection say. Whoever writes records there waits until the transaction has ended, and is waited
    /// for.
    async fn definitions(&mut self, place: Place<'_>) -> Result<Vec<String>>;
    /// Writes a new sync. Returns whether there was none of its name.
    async fn insert_sync(&mut self, sync: &Sync) -> Result<bool>;
    /// Writes a sync that is held.
    async fn store_sync(&mut self, sync: &Sync) -> Result<()>;
    /// Deletes a sync that is held, and notes that what it remembers is to be forgotten.
    async fn drop_sync(&mut self, sync: SyncId) -> Result<()>;

    /// Takes hold of a run; a write for it waits for others.
    async fn hold_run(&mut self, sync: SyncId, number: u32) -> Result<Option<RunRow>>;
    /// Writes a new run.
    async fn insert_run(&mut self, tenant: &TenantId, sync: SyncId, run: &Run) -> Result<()>;
    /// Writes a run that is held.
    async fn store_run(&mut self, sync: SyncId, run: &Run) -> Result<()>;
    /// Deletes the runs up to this one.
    async fn drop_runs(&mut self, sync: SyncId, up_to: u32) -> Result<()>;
    /// Whether an attempt runs that nobody asked to stop; it stays so.
    async fn runs(&mut self, job: JobId, attempt: u32) -> Result<bool>;
    /// Whether an attempt runs, asked to stop or not; it stays so.
    async fn attempt_runs(&mut self, job: JobId, attempt: u32) -> Result<bool>;
    /// Whether a job is there, and not final.
    async fn is_live(&mut self, job: JobId) -> Result<bool>;

    /// What a sync remembers of these keys.
    async fn items(&mut self, sync: SyncId, keys: &[&str]) -> Result<Vec<ItemRow>>;
    /// Remembers these.
    async fn keep_items(&mut self, sync: SyncId, items: &[Item]) -> Result<()>;
    /// Notes that a run saw these, where they are remembered.
    async fn see_items(&mut self, sync: SyncId, run: u32, keys: &[&str]) -> Result<()>;
    /// Forgets these.
    async fn drop_items(&mut self, sync: SyncId, keys: &[&str]) -> Result<()>;

    /// Writes row errors, the first with this number.
    async fn keep_errors(&mut self, sync: SyncId, run: u32, first: u64, errors: &[RowError]) -> Result<()>;
    /// Deletes the row errors of the runs up to this one.
    async fn drop_errors(&mut self, sync: SyncId, up_to: u32) -> Result<()>;

    /// Whether the sync has conflicts.
    async fn has_conflicts(&mut self, sync: SyncId) -> Result<bool>;
    /// Writes conflicts over those of the same keys.
    async fn keep_conflicts(&mut self, sync: SyncId, run: u32, conflicts: &[NewConflict<'_>]) -> Result<()>;
    /// Those of these keys whose conflict this run saw.
    async fn known_conflicts(&mut self, sync: SyncId, run: u32, keys: &[&str]) -> Result<HashSet<String>>;
    /// Deletes the conflicts of these keys.
    async fn drop_conflicts(&mut self, sync: SyncId, keys: &[&str]) -> Result<()>;
    /// A conflict.
    async fn conflict(&mut self, sync: SyncId, key: &str) -> Result<Option<ConflictRow>>;
}

/// The tables of records within a transaction.
#[async_trait]
pub(in crate::ledger) trait RecordTable: Send {
    /// The ledger's clock.
    async fn time(&mut self) -> Result<Timestamp>;
    /// Takes hold of the records of these keys.
    async fn hold_records(&mut self, place: Place<'_>, keys: &[&str]) -> Result<Vec<StandingRow>>;
    /// Writes new records. Returns the keys of those that were not there.
    async fn insert_records(&mut self, place: Place<'_>, sync: Option<SyncId>, puts: &[Put<'_>]) -> Result<HashSet<String>>;
    /// Writes over records that are held; one that is marked as deleted is no more.
    async fn update_records(&mut self, place: Place<'_>, sync: Option<SyncId>, puts: &[Put<'_>]) -> Result<()>;
    /// Marks records that are held as deleted, each at its next version.
    async fn mark_records(&mut self, place: Place<'_>, sync: SyncId, keys: &[&str]) -> Result<()>;
    /// Deletes records that are held.
    async fn drop_records(&mut self, place: Place<'_>, keys: &[&str]) -> Result<()>;
    /// A record.
    async fn read_record(&mut self, place: Place<'_>, key: &str) -> Result<Option<RecordRow>>;
    /// Whether the collection has a record.
    async fn has_records(&mut self, place: Place<'_>) -> Result<bool>;
    /// The greatest version of a record of the collection that is gone; 0 where none is.
    async fn floor(&mut self, place: Place<'_>) -> Result<i64>;
    /// Notes that a record of this version is gone.
    async fn raise_floor(&mut self, place: Place<'_>, version: i64) -> Result<()>;

    /// The collection's look-up fields. They stay until the transaction has ended; asked for before a record of it is held.
    async fn fields(&mut self, place: Place<'_>) -> Result<Fields>;
    /// Writes how a look-up field stands, and up to which key it was gone through.
    async fn store_field(&mut self, place: Place<'_>, field: &str, state: FieldState, walked: &str) -> Result<()>;
    /// Writes values of records over those that are there.
    async fn keep_values(&mut self, place: Place<'_>, values: &[Value<'_>]) -> Result<()>;
    /// Deletes all values of these records.
    async fn drop_values(&mut self, place: Place<'_>, keys: &[&str]) -> Result<()>;
}
