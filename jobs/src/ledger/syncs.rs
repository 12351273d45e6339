//! Rows of syncs and of records as both SQL ledgers return them. What becomes of a record is decided in `sync/decide.rs`.
//!
//! Whoever writes for a run holds the run's row first, so what is remembered of a sync's keys changes under nobody; records, which the tenant
//! changes as well, are held each. Next: `syncs/table.rs`, then `syncs/pages.rs`, `syncs/runs.rs`.

pub(super) mod conflicts;
pub(super) mod elsewhere;
pub(super) mod keep;
pub(super) mod pages;
pub(super) mod records;
pub(super) mod runs;
mod table;
pub(super) mod upkeep;

use serde_json::value::RawValue;
use uuid::Uuid;

pub(super) use self::table::{FieldState, Fields, NewConflict, Place, Put, RecordTable, SyncTable, Value};
use super::{Error, Result, rows};
use crate::{
    clock::Timestamp,
    sync::{
        Definition, SyncId,
        state::{Census, Conflicted, Intent, Item, Record, RowError, Run, Standing, Sync},
        store::{Looked, NewRecord, Unready},
    },
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
    pub pending_at_ms: Option<i64>,
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
            pending: match (self.pending, self.pending_at_ms) {
                (Some(pending), Some(at_ms)) => Some(Intent { hash: hash(pending)?, at: Timestamp::from_ms(at_ms) }),
                _ => None,
            },
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

/// The row of a record that the tenant writes.
pub(super) fn put<'p>(new: &'p NewRecord, hash: &'p [u8; 32], version: i64) -> Put<'p> {
    Put { key: &new.key, data: &new.data, hash, version }
}
