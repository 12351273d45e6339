//! What is done bit by bit: forgetting what deleted syncs remember, and going through the records of collections that got a look-up field or
//! lost one. Next: `scheduler/src/prune.rs`.

use async_trait::async_trait;

use super::{FieldState, OpenField, Place, RecordTable, pages};
use crate::{
    ledger::{Result, rows},
    sync::SyncId,
    tenant::TenantId,
};

/// The tables of what is done bit by bit, within a transaction.
#[async_trait]
pub(in crate::ledger) trait UpkeepTable: RecordTable {
    /// A deleted sync that remembers something, held.
    async fn deleted_sync(&mut self) -> Result<Option<SyncId>>;
    /// Forgets so many of a sync's keys. Returns how many.
    async fn forget_items(&mut self, sync: SyncId, limit: usize) -> Result<u64>;
    /// Forgets so many of a sync's row errors.
    async fn forget_errors(&mut self, sync: SyncId, limit: usize) -> Result<u64>;
    /// Forgets so many of a sync's conflicts.
    async fn forget_conflicts(&mut self, sync: SyncId, limit: usize) -> Result<u64>;
    /// Forgets a deleted sync.
    async fn forget_sync(&mut self, sync: SyncId) -> Result<()>;

    /// A look-up field that is not as it should stay.
    async fn open_field(&mut self) -> Result<Option<OpenField>>;
    /// Takes hold of a look-up field; none where another has it.
    async fn hold_field(&mut self, place: Place<'_>, field: &str) -> Result<Option<OpenField>>;
    /// So many records after this key, held.
    async fn walk(&mut self, place: Place<'_>, after: &str, limit: usize) -> Result<Vec<(String, String)>>;
    /// Forgets so many of a field's values. Returns how many.
    async fn forget_values(&mut self, place: Place<'_>, field: &str, limit: usize) -> Result<u64>;
    /// Forgets a look-up field.
    async fn forget_field(&mut self, place: Place<'_>, field: &str) -> Result<()>;
}

/// Forgets what a deleted sync remembers, at most `limit` rows. Returns how many.
pub(in crate::ledger) async fn forget_items(table: &mut impl UpkeepTable, limit: usize) -> Result<u64> {
    let Some(sync) = table.deleted_sync().await? else { return Ok(0) };
    let mut forgotten = table.forget_items(sync, limit).await?;
    let left = |forgotten: u64| limit.saturating_sub(usize::try_from(forgotten).unwrap_or(usize::MAX));
    forgotten += table.forget_errors(sync, left(forgotten)).await?;
    forgotten += table.forget_conflicts(sync, left(forgotten)).await?;
    if left(forgotten) > 0 {
        table.forget_sync(sync).await?;
        forgotten += 1;
    }
    Ok(forgotten)
}

/// Goes through so many records for a look-up field that is not as it should stay. Returns whether there was one, as a number of rows.
pub(in crate::ledger) async fn index_records(table: &mut impl UpkeepTable, limit: usize) -> Result<u64> {
    let Some(open) = table.open_field().await? else { return Ok(0) };
    let tenant: TenantId = rows::name(&open.tenant)?;
    let place = Place { tenant: &tenant, collection: &open.collection };
    // Writers know of the field from here on, so none leaves a record behind the walk.
    table.fields(place).await?;
    let Some(open) = table.hold_field(place, &open.field).await? else { return Ok(0) };
    match FieldState::read(&open.state)? {
        FieldState::Ready => Ok(0),
        FieldState::Dropping => {
            let forgotten = table.forget_values(place, &open.field, limit).await?;
            if forgotten < limit as u64 {
                table.forget_field(place, &open.field).await?;
            }
            Ok(forgotten + 1)
        }
        FieldState::Indexing => {
            let records = table.walk(place, &open.walked, limit).await?;
            let mut values = Vec::new();
            for (key, data) in &records {
                values.extend(pages::values_of(key, data, &[open.field.as_str()])?);
            }
            table.keep_values(place, &values).await?;
            let state = if records.len() < limit { FieldState::Ready } else { FieldState::Indexing };
            let walked = records.last().map_or(open.walked.as_str(), |(key, _)| key);
            table.store_field(place, &open.field, state, walked).await?;
            Ok(records.len() as u64 + 1)
        }
    }
}
