//! Rows of syncs and of records as both SQL ledgers return them, and the tables as the verbs that they share see them. What becomes of a record
//! is decided in `sync/decide.rs`.
//!
//! Whoever writes for a run holds the run's row first, so what is remembered of a sync's keys changes under nobody; records, which the tenant
//! changes as well, are held each. Next: `syncs/pages.rs`, `syncs/runs.rs`.

pub(super) mod conflicts;
pub(super) mod elsewhere;
pub(super) mod keep;
pub(super) mod pages;
pub(super) mod records;
pub(super) mod runs;
pub(super) mod upkeep;

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Error, Result, rows};
use crate::{
    clock::Timestamp,
    job::JobId,
    sync::{
        Definition, SyncId,
        state::{Census, Conflicted, Item, Record, RowError, Run, Standing, Sync},
        store::{Looked, NewRecord, Unready},
    },
    tenant::TenantId,
};

/// A row of `syncs`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct SyncRow {
    pub id: Uuid,
    pub tenant: String,
    pub name: String,
    pub version: i32,
    pub preset: Option<String>,
    pub definition: String,
    pub since: Option<String>,
    pub last_run: i32,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
}

impl SyncRow {
    pub(super) fn into_sync(self) -> Result<Sync> {
        Ok(Sync {
            id: SyncId(self.id),
            tenant: rows::name(&self.tenant)?,
            name: self.name,
            version: rows::count(self.version)?,
            preset: self.preset,
            definition: serde_json::from_str(&self.definition)?,
            since: self.since.as_deref().map(serde_json::from_str).transpose()?,
            last_run: rows::count(self.last_run)?,
            created_at: Timestamp::from_ms(self.created_at_ms),
            updated_at: Timestamp::from_ms(self.updated_at_ms),
        })
    }
}

/// A sync's columns that are JSON, or read out of it.
pub(super) struct SyncTexts<'s> {
    pub definition: String,
    pub since: Option<String>,
    /// The collection that it writes into.
    pub collection: Option<&'s str>,
}

impl<'s> SyncTexts<'s> {
    pub(super) fn of(sync: &'s Sync) -> Result<Self> {
        Ok(Self {
            definition: serde_json::to_string(&sync.definition)?,
            since: sync.since.as_ref().map(serde_json::to_string).transpose()?,
            collection: collection(&sync.definition),
        })
    }
}

/// The collection that a sync writes into.
pub(super) fn collection(definition: &Definition) -> Option<&str> {
    definition.destination.records.as_ref().map(|records| records.collection.as_str())
}

/// A row of `sync_runs`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct RunRow {
    pub tenant: String,
    pub number: i32,
    pub version: i32,
    pub job_id: Uuid,
    pub attempt: i32,
    pub state: String,
    pub is_full: bool,
    pub is_dry: bool,
    pub counts: String,
    pub place: Option<String>,
    pub error: Option<String>,
    pub started_at_ms: i64,
    pub finished_at_ms: Option<i64>,
}

impl RunRow {
    pub(super) fn into_run(self) -> Result<Run> {
        Ok(Run {
            number: rows::count(self.number)?,
            version: rows::count(self.version)?,
            job: rows::job_id(self.job_id),
            attempt: rows::count(self.attempt)?,
            state: rows::word(Some(self.state))?.ok_or_else(|| Error::Corrupt("a run has no state".into()))?,
            full: self.is_full,
            dry_run: self.is_dry,
            counts: serde_json::from_str(&self.counts)?,
            place: self.place,
            error: self.error.as_deref().map(serde_json::from_str).transpose()?,
            started_at: Timestamp::from_ms(self.started_at_ms),
            finished_at: self.finished_at_ms.map(Timestamp::from_ms),
        })
    }
}

/// A run's columns that are not as they are.
pub(super) struct RunTexts {
    pub state: String,
    pub counts: String,
    pub error: Option<String>,
}

impl RunTexts {
    pub(super) fn of(run: &Run) -> Result<Self> {
        Ok(Self {
            state: rows::as_word(Some(run.state)).unwrap_or_default(),
            counts: serde_json::to_string(&run.counts)?,
            error: run.error.as_ref().map(serde_json::to_string).transpose()?,
        })
    }
}

/// A row of `sync_items`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ItemRow {
    pub key: String,
    pub hash: Vec<u8>,
    pub seen: i32,
    pub version: Option<i64>,
    pub is_deleted: bool,
    pub pending: Option<Vec<u8>>,
    pub remote_id: Option<String>,
}

impl ItemRow {
    pub(super) fn into_item(self) -> Result<Item> {
        Ok(Item {
            key: self.key,
            hash: hash(self.hash)?,
            seen: rows::count(self.seen)?,
            version: self.version,
            is_deleted: self.is_deleted,
            pending: self.pending.map(hash).transpose()?,
            remote_id: self.remote_id,
        })
    }
}

/// How many keys a sync remembers.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct CensusRow {
    pub live: i64,
    pub unseen: i64,
}

impl CensusRow {
    pub(super) fn census(&self) -> Census {
        Census { live: self.live.unsigned_abs(), unseen: self.unseen.unsigned_abs() }
    }
}

/// A row of `records`, as far as a decision looks.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct StandingRow {
    pub key: String,
    pub version: i64,
    pub hash: Vec<u8>,
    pub updated_at_ms: i64,
    pub is_deleted: bool,
}

impl StandingRow {
    pub(super) fn into_standing(self) -> Result<(String, Standing)> {
        let updated_at = Timestamp::from_ms(self.updated_at_ms);
        Ok((self.key, Standing { version: self.version, hash: hash(self.hash)?, updated_at, is_deleted: self.is_deleted }))
    }
}

/// A row of `records`, all of it but the hash.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct RecordRow {
    pub collection: String,
    pub key: String,
    pub data: String,
    pub version: i64,
    pub sync: Option<Uuid>,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub deleted_at_ms: Option<i64>,
}

impl RecordRow {
    pub(super) fn into_record(self) -> Result<Record> {
        Ok(Record {
            collection: self.collection,
            key: self.key,
            data: RawValue::from_string(self.data)?,
            version: self.version,
            sync: self.sync.map(SyncId),
            created_at: Timestamp::from_ms(self.created_at_ms),
            updated_at: Timestamp::from_ms(self.updated_at_ms),
            deleted_at: self.deleted_at_ms.map(Timestamp::from_ms),
        })
    }
}

/// A row of `sync_conflicts`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ConflictRow {
    pub key: String,
    pub source: Option<String>,
    pub hash: Vec<u8>,
    pub run: i32,
    pub created_at_ms: i64,
}

/// A conflict and the record that it is about.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ConflictedRow {
    #[sqlx(flatten)]
    pub conflict: ConflictRow,
    pub collection: Option<String>,
    pub data: Option<String>,
    pub version: Option<i64>,
    pub sync: Option<Uuid>,
    pub record_created_at_ms: Option<i64>,
    pub updated_at_ms: Option<i64>,
    pub deleted_at_ms: Option<i64>,
}

impl ConflictedRow {
    pub(super) fn into_conflicted(self) -> Result<Conflicted> {
        let key = self.conflict.key;
        let record = match (self.collection, self.data, self.version, self.record_created_at_ms, self.updated_at_ms) {
            (Some(collection), Some(data), Some(version), Some(created_at_ms), Some(updated_at_ms)) => {
                let (key, sync, deleted_at_ms) = (key.clone(), self.sync, self.deleted_at_ms);
                Some(RecordRow { collection, key, data, version, sync, created_at_ms, updated_at_ms, deleted_at_ms }.into_record()?)
            }
            _ => None,
        };
        Ok(Conflicted {
            key,
            source: self.conflict.source.map(RawValue::from_string).transpose()?,
            record,
            run: rows::count(self.conflict.run)?,
            created_at: Timestamp::from_ms(self.conflict.created_at_ms),
        })
    }
}

/// A row of `sync_errors`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ErrorRow {
    pub key: Option<String>,
    pub page: i64,
    pub row_index: i32,
    pub code: String,
    pub message: String,
    pub pointer: Option<String>,
}

impl ErrorRow {
    pub(super) fn into_error(self) -> Result<RowError> {
        let (page, index) = (self.page.unsigned_abs(), rows::count(self.row_index)?);
        Ok(RowError { key: self.key, page, index, code: self.code, message: self.message, pointer: self.pointer })
    }
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|bytes: Vec<u8>| Error::Corrupt(format!("a hash has {} bytes", bytes.len())))
}

/// A number of rows, as a database takes it.
pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A record that is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Put<'p> {
    pub key: &'p str,
    pub data: &'p str,
    pub hash: &'p [u8; 32],
    pub version: i64,
}

/// A conflict that is to be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewConflict<'p> {
    pub key: &'p str,
    pub source: Option<&'p str>,
    pub hash: &'p [u8; 32],
}

/// A value by which a record is found.
#[derive(Debug, Clone)]
pub(super) struct Value<'p> {
    pub key: &'p str,
    pub field: &'p str,
    pub value: String,
}

/// How a look-up field of a collection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldState {
    /// Records are found by it.
    Ready,
    /// The records that were there are being gone through.
    Indexing,
    /// Nobody wants it any more, and its values are being forgotten.
    Dropping,
}

impl FieldState {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Indexing => "indexing",
            Self::Dropping => "dropping",
        }
    }

    pub(super) fn read(text: &str) -> Result<Self> {
        [Self::Ready, Self::Indexing, Self::Dropping]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::Corrupt(format!("a look-up field is {text}")))
    }
}

/// The fields of a collection.
pub(super) type Fields = BTreeMap<String, FieldState>;

/// Rows of fields.
pub(super) fn fields(rows: Vec<(String, String)>) -> Result<Fields> {
    rows.into_iter().map(|(field, state)| Ok((field, FieldState::read(&state)?))).collect()
}

/// The records of a page.
pub(super) fn looked(rows: Vec<RecordRow>) -> Result<Looked> {
    Ok(Looked { records: rows.into_iter().map(RecordRow::into_record).collect::<Result<_>>()?, unready: None })
}

/// Why a look-up field finds nothing, by its row's state.
pub(super) fn unready(state: Option<&str>) -> Result<Option<Unready>> {
    Ok(match state.map(FieldState::read).transpose()? {
        Some(FieldState::Ready) => None,
        Some(FieldState::Indexing) => Some(Unready::Indexing),
        Some(FieldState::Dropping) | None => Some(Unready::Unknown),
    })
}

/// A field that is not as it should stay.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct OpenField {
    pub tenant: String,
    pub collection: String,
    pub field: String,
    pub state: String,
    pub walked: String,
}

/// A collection of a tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub tenant: &'p TenantId,
    pub collection: &'p str,
}

/// The tables of syncs within a transaction.
#[async_trait]
pub(super) trait SyncTable: RecordTable {
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
    /// Deletes the conflicts of these keys.
    async fn drop_conflicts(&mut self, sync: SyncId, keys: &[&str]) -> Result<()>;
    /// A conflict.
    async fn conflict(&mut self, sync: SyncId, key: &str) -> Result<Option<ConflictRow>>;
}

/// The tables of records within a transaction.
#[async_trait]
pub(super) trait RecordTable: Send {
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

/// The row of a record that the tenant writes.
pub(super) fn put<'p>(new: &'p NewRecord, hash: &'p [u8; 32], version: i64) -> Put<'p> {
    Put { key: &new.key, data: &new.data, hash, version }
}
