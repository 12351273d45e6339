//! The tables of syncs and records, as `ledger/syncs.rs` sees them.

use std::collections::HashSet;

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::writer::Tx;
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{
        Result,
        syncs::{
            self, ConflictRow, FieldState, Fields, ItemRow, NewConflict, OpenField, Place, Put, RecordRow, RecordTable, RunRow, RunTexts,
            StandingRow, SyncRow, SyncTable, SyncTexts, Value, at_most, upkeep::UpkeepTable,
        },
    },
    sync::{
        SyncId,
        state::{Item, RowError, Run, Sync},
    },
    tenant::TenantId,
};

#[async_trait]
impl SyncTable for Tx<'_> {
    async fn hold_sync(&mut self, tenant: &TenantId, name: &str) -> Result<Option<SyncRow>> {
        let row = sqlx::query_as(self.sql.hold_sync.clone()).bind(tenant.as_str()).bind(name);
        Ok(row.fetch_optional(&mut *self.connection).await?)
    }

    async fn hold_sync_of(&mut self, tenant: &TenantId, sync: SyncId) -> Result<Option<SyncRow>> {
        let row = sqlx::query_as(self.sql.hold_sync_of.clone()).bind(tenant.as_str()).bind(sync.0);
        Ok(row.fetch_optional(&mut *self.connection).await?)
    }

    async fn count_syncs(&mut self, tenant: &TenantId) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql.count_syncs.clone()).bind(tenant.as_str()).fetch_one(&mut *self.connection).await?)
    }

    async fn definitions(&mut self, place: Place<'_>) -> Result<Vec<String>> {
        let texts = sqlx::query_scalar(self.sql.sync_definitions.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(texts.fetch_all(&mut *self.connection).await?)
    }

    async fn insert_sync(&mut self, sync: &Sync) -> Result<bool> {
        let texts = SyncTexts::of(sync)?;
        let inserted = sqlx::query(self.sql.insert_sync.clone())
            .bind(sync.id.0)
            .bind(sync.tenant.as_str())
            .bind(&sync.name)
            .bind(sync.version)
            .bind(&sync.preset)
            .bind(texts.definition)
            .bind(texts.collection)
            .bind(texts.since)
            .bind(sync.last_run)
            .bind(sync.created_at.ms())
            .bind(sync.updated_at.ms())
            .execute(&mut *self.connection)
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn store_sync(&mut self, sync: &Sync) -> Result<()> {
        let texts = SyncTexts::of(sync)?;
        sqlx::query(self.sql.store_sync.clone())
            .bind(sync.id.0)
            .bind(sync.version)
            .bind(&sync.preset)
            .bind(texts.definition)
            .bind(texts.collection)
            .bind(texts.since)
            .bind(sync.last_run)
            .bind(sync.updated_at.ms())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn drop_sync(&mut self, sync: SyncId) -> Result<()> {
        sqlx::query(self.sql.delete_sync.clone()).bind(sync.0).execute(&mut *self.connection).await?;
        sqlx::query(self.sql.drop_runs.clone()).bind(sync.0).bind(u32::MAX).execute(&mut *self.connection).await?;
        sqlx::query(self.sql.bury_sync.clone()).bind(sync.0).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn hold_run(&mut self, sync: SyncId, number: u32) -> Result<Option<RunRow>> {
        Ok(sqlx::query_as(self.sql.hold_run.clone()).bind(sync.0).bind(number).fetch_optional(&mut *self.connection).await?)
    }

    async fn insert_run(&mut self, tenant: &TenantId, sync: SyncId, run: &Run) -> Result<()> {
        let texts = RunTexts::of(run)?;
        sqlx::query(self.sql.insert_run.clone())
            .bind(sync.0)
            .bind(run.number)
            .bind(tenant.as_str())
            .bind(run.version)
            .bind(uuid(run.job))
            .bind(run.attempt)
            .bind(texts.state)
            .bind(run.full)
            .bind(run.dry_run)
            .bind(texts.counts)
            .bind(&run.place)
            .bind(texts.error)
            .bind(run.started_at.ms())
            .bind(run.finished_at.map(Timestamp::ms))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn store_run(&mut self, sync: SyncId, run: &Run) -> Result<()> {
        let texts = RunTexts::of(run)?;
        sqlx::query(self.sql.store_run.clone())
            .bind(sync.0)
            .bind(run.number)
            .bind(run.attempt)
            .bind(texts.state)
            .bind(texts.counts)
            .bind(&run.place)
            .bind(texts.error)
            .bind(run.finished_at.map(Timestamp::ms))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn drop_runs(&mut self, sync: SyncId, up_to: u32) -> Result<()> {
        sqlx::query(self.sql.drop_runs.clone()).bind(sync.0).bind(up_to).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn runs(&mut self, job: JobId, attempt: u32) -> Result<bool> {
        let running: i64 =
            sqlx::query_scalar(self.sql.may_bear.clone()).bind(uuid(job)).bind(attempt).fetch_one(&mut *self.connection).await?;
        Ok(running > 0)
    }

    async fn attempt_runs(&mut self, job: JobId, attempt: u32) -> Result<bool> {
        let running: i64 =
            sqlx::query_scalar(self.sql.attempt_runs.clone()).bind(uuid(job)).bind(attempt).fetch_one(&mut *self.connection).await?;
        Ok(running > 0)
    }

    async fn is_live(&mut self, job: JobId) -> Result<bool> {
        let live: i64 = sqlx::query_scalar(self.sql.job_is_live.clone()).bind(uuid(job)).fetch_one(&mut *self.connection).await?;
        Ok(live > 0)
    }

    async fn items(&mut self, sync: SyncId, keys: &[&str]) -> Result<Vec<ItemRow>> {
        Ok(sqlx::query_as(self.sql.sync_items.clone()).bind(sync.0).bind(list(keys)?).fetch_all(&mut *self.connection).await?)
    }

    async fn keep_items(&mut self, sync: SyncId, items: &[Item]) -> Result<()> {
        let items = items.iter().map(|item| {
            json!({
                "key": item.key, "hash": hex(&item.hash), "seen": item.seen, "version": item.version, "is_deleted": item.is_deleted,
                "pending": item.pending.map(|intent| hex(&intent.hash)), "pending_at_ms": item.pending.map(|intent| intent.at.ms()),
                "remote_id": item.remote_id,
            })
        });
        let items = serde_json::to_string(&items.collect::<Vec<_>>())?;
        sqlx::query(self.sql.keep_items.clone()).bind(sync.0).bind(items).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn see_items(&mut self, sync: SyncId, run: u32, keys: &[&str]) -> Result<()> {
        sqlx::query(self.sql.see_items.clone()).bind(sync.0).bind(list(keys)?).bind(run).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn drop_items(&mut self, sync: SyncId, keys: &[&str]) -> Result<()> {
        sqlx::query(self.sql.drop_items.clone()).bind(sync.0).bind(list(keys)?).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn keep_errors(&mut self, sync: SyncId, run: u32, first: u64, errors: &[RowError]) -> Result<()> {
        sqlx::query(self.sql.keep_errors.clone())
            .bind(sync.0)
            .bind(run)
            .bind(i64::try_from(first).unwrap_or(i64::MAX))
            .bind(serde_json::to_string(errors)?)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn drop_errors(&mut self, sync: SyncId, up_to: u32) -> Result<()> {
        sqlx::query(self.sql.drop_errors.clone()).bind(sync.0).bind(up_to).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn has_conflicts(&mut self, sync: SyncId) -> Result<bool> {
        Ok(sqlx::query_scalar(self.sql.has_conflicts.clone()).bind(sync.0).fetch_one(&mut *self.connection).await?)
    }

    async fn keep_conflicts(&mut self, sync: SyncId, run: u32, conflicts: &[NewConflict<'_>]) -> Result<()> {
        let conflict = |one: &NewConflict<'_>| json!({ "key": one.key, "source": one.source, "hash": hex(one.hash) });
        sqlx::query(self.sql.keep_conflicts.clone())
            .bind(sync.0)
            .bind(run)
            .bind(self.now.ms())
            .bind(serde_json::to_string(&conflicts.iter().map(conflict).collect::<Vec<_>>())?)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn known_conflicts(&mut self, sync: SyncId, run: u32, keys: &[&str]) -> Result<HashSet<String>> {
        let known = sqlx::query_scalar(self.sql.known_conflicts.clone()).bind(sync.0).bind(run).bind(list(keys)?);
        Ok(known.fetch_all(&mut *self.connection).await?.into_iter().collect())
    }

    async fn drop_conflicts(&mut self, sync: SyncId, keys: &[&str]) -> Result<()> {
        sqlx::query(self.sql.drop_conflicts.clone()).bind(sync.0).bind(list(keys)?).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn conflict(&mut self, sync: SyncId, key: &str) -> Result<Option<ConflictRow>> {
        Ok(sqlx::query_as(self.sql.conflict.clone()).bind(sync.0).bind(key).fetch_optional(&mut *self.connection).await?)
    }
}

#[async_trait]
impl RecordTable for Tx<'_> {
    async fn time(&mut self) -> Result<Timestamp> {
        Ok(self.now)
    }

    async fn hold_records(&mut self, place: Place<'_>, keys: &[&str]) -> Result<Vec<StandingRow>> {
        Ok(sqlx::query_as(self.sql.hold_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(list(keys)?)
            .fetch_all(&mut *self.connection)
            .await?)
    }

    async fn insert_records(&mut self, place: Place<'_>, sync: Option<SyncId>, puts: &[Put<'_>]) -> Result<HashSet<String>> {
        let keys: Vec<String> = sqlx::query_scalar(self.sql.insert_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(sync.map(|sync| sync.0))
            .bind(self.now.ms())
            .bind(puts_json(puts)?)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(keys.into_iter().collect())
    }

    async fn update_records(&mut self, place: Place<'_>, sync: Option<SyncId>, puts: &[Put<'_>]) -> Result<()> {
        sqlx::query(self.sql.update_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(sync.map(|sync| sync.0))
            .bind(self.now.ms())
            .bind(puts_json(puts)?)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn mark_records(&mut self, place: Place<'_>, sync: SyncId, keys: &[&str]) -> Result<()> {
        sqlx::query(self.sql.mark_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(sync.0)
            .bind(self.now.ms())
            .bind(list(keys)?)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn drop_records(&mut self, place: Place<'_>, keys: &[&str]) -> Result<()> {
        let dropped = sqlx::query(self.sql.drop_records.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(list(keys)?);
        dropped.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn read_record(&mut self, place: Place<'_>, key: &str) -> Result<Option<RecordRow>> {
        let row = sqlx::query_as(self.sql.record.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(key);
        Ok(row.fetch_optional(&mut *self.connection).await?)
    }

    async fn has_records(&mut self, place: Place<'_>) -> Result<bool> {
        let has = sqlx::query_scalar(self.sql.has_records.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(has.fetch_one(&mut *self.connection).await?)
    }

    async fn floor(&mut self, place: Place<'_>) -> Result<i64> {
        let floor = sqlx::query_scalar(self.sql.record_floor.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(floor.fetch_optional(&mut *self.connection).await?.unwrap_or(0))
    }

    async fn raise_floor(&mut self, place: Place<'_>, version: i64) -> Result<()> {
        let raise = sqlx::query(self.sql.raise_floor.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(version);
        raise.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn fields(&mut self, place: Place<'_>) -> Result<Fields> {
        let rows = sqlx::query_as(self.sql.record_fields.clone()).bind(place.tenant.as_str()).bind(place.collection);
        syncs::fields(rows.fetch_all(&mut *self.connection).await?)
    }

    async fn store_field(&mut self, place: Place<'_>, field: &str, state: FieldState, walked: &str) -> Result<()> {
        sqlx::query(self.sql.store_field.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(field)
            .bind(state.as_str())
            .bind(walked)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn keep_values(&mut self, place: Place<'_>, values: &[Value<'_>]) -> Result<()> {
        let value = |one: &Value<'_>| json!({ "key": one.key, "field": one.field, "value": one.value });
        sqlx::query(self.sql.keep_values.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(serde_json::to_string(&values.iter().map(value).collect::<Vec<_>>())?)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn drop_values(&mut self, place: Place<'_>, keys: &[&str]) -> Result<()> {
        let dropped = sqlx::query(self.sql.drop_values.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(list(keys)?);
        dropped.execute(&mut *self.connection).await?;
        Ok(())
    }
}

#[async_trait]
impl UpkeepTable for Tx<'_> {
    async fn deleted_sync(&mut self) -> Result<Option<SyncId>> {
        let id: Option<Uuid> = sqlx::query_scalar(self.sql.deleted_sync.clone()).fetch_optional(&mut *self.connection).await?;
        Ok(id.map(SyncId))
    }

    async fn forget_items(&mut self, sync: SyncId, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql.forget_items.clone()).bind(sync.0).bind(at_most(limit));
        Ok(forget.execute(&mut *self.connection).await?.rows_affected())
    }

    async fn forget_errors(&mut self, sync: SyncId, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql.forget_errors.clone()).bind(sync.0).bind(at_most(limit));
        Ok(forget.execute(&mut *self.connection).await?.rows_affected())
    }

    async fn forget_conflicts(&mut self, sync: SyncId, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql.forget_conflicts.clone()).bind(sync.0).bind(at_most(limit));
        Ok(forget.execute(&mut *self.connection).await?.rows_affected())
    }

    async fn forget_sync(&mut self, sync: SyncId) -> Result<()> {
        sqlx::query(self.sql.forget_sync.clone()).bind(sync.0).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn open_field(&mut self) -> Result<Option<OpenField>> {
        Ok(sqlx::query_as(self.sql.open_field.clone()).fetch_optional(&mut *self.connection).await?)
    }

    async fn hold_field(&mut self, place: Place<'_>, field: &str) -> Result<Option<OpenField>> {
        let row = sqlx::query_as(self.sql.hold_field.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(field);
        Ok(row.fetch_optional(&mut *self.connection).await?)
    }

    async fn walk(&mut self, place: Place<'_>, after: &str, limit: usize) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query_as(self.sql.walk_records.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(rows.bind(after).bind(at_most(limit)).fetch_all(&mut *self.connection).await?)
    }

    async fn forget_values(&mut self, place: Place<'_>, field: &str, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql.forget_values.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(forget.bind(field).bind(at_most(limit)).execute(&mut *self.connection).await?.rows_affected())
    }

    async fn forget_field(&mut self, place: Place<'_>, field: &str) -> Result<()> {
        let forget = sqlx::query(self.sql.forget_field.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(field);
        forget.execute(&mut *self.connection).await?;
        Ok(())
    }
}

fn list(keys: &[&str]) -> Result<String> {
    Ok(serde_json::to_string(keys)?)
}

fn puts_json(puts: &[Put<'_>]) -> Result<String> {
    let put = |put: &Put<'_>| json!({ "key": put.key, "data": put.data, "hash": hex(put.hash), "version": put.version });
    Ok(serde_json::to_string(&puts.iter().map(put).collect::<Vec<_>>())?)
}

/// Of a page's hashes: two looks into a table for each byte.
fn hex(hash: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn uuid(id: JobId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}
