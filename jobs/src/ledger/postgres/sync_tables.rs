//! The tables of syncs and records, as `ledger/syncs.rs` sees them.

use std::collections::HashSet;

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Tx,
    changes::{int, uuid},
};
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
        let row = sqlx::query_as(self.sql().hold_sync.clone()).bind(tenant.as_str()).bind(name);
        Ok(row.fetch_optional(self.connection()).await?)
    }

    async fn hold_sync_of(&mut self, tenant: &TenantId, sync: SyncId) -> Result<Option<SyncRow>> {
        let row = sqlx::query_as(self.sql().hold_sync_of.clone()).bind(tenant.as_str()).bind(sync.0);
        Ok(row.fetch_optional(self.connection()).await?)
    }

    async fn count_syncs(&mut self, tenant: &TenantId) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql().count_syncs.clone()).bind(tenant.as_str()).fetch_one(self.connection()).await?)
    }

    async fn definitions(&mut self, place: Place<'_>) -> Result<Vec<String>> {
        let lock = sqlx::query(self.sql().lock_collection.clone()).bind(place.tenant.as_str()).bind(place.collection);
        lock.execute(self.connection()).await?;
        let texts = sqlx::query_scalar(self.sql().sync_definitions.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(texts.fetch_all(self.connection()).await?)
    }

    async fn insert_sync(&mut self, sync: &Sync) -> Result<bool> {
        let texts = SyncTexts::of(sync)?;
        let inserted = sqlx::query(self.sql().insert_sync.clone())
            .bind(sync.id.0)
            .bind(sync.tenant.as_str())
            .bind(&sync.name)
            .bind(int(sync.version))
            .bind(&sync.preset)
            .bind(texts.definition)
            .bind(texts.collection)
            .bind(texts.since)
            .bind(int(sync.last_run))
            .bind(sync.created_at.ms())
            .bind(sync.updated_at.ms())
            .execute(self.connection())
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn store_sync(&mut self, sync: &Sync) -> Result<()> {
        let texts = SyncTexts::of(sync)?;
        sqlx::query(self.sql().store_sync.clone())
            .bind(sync.id.0)
            .bind(int(sync.version))
            .bind(&sync.preset)
            .bind(texts.definition)
            .bind(texts.collection)
            .bind(texts.since)
            .bind(int(sync.last_run))
            .bind(sync.updated_at.ms())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn drop_sync(&mut self, sync: SyncId) -> Result<()> {
        sqlx::query(self.sql().delete_sync.clone()).bind(sync.0).execute(self.connection()).await?;
        sqlx::query(self.sql().drop_runs.clone()).bind(sync.0).bind(i32::MAX).execute(self.connection()).await?;
        sqlx::query(self.sql().bury_sync.clone()).bind(sync.0).execute(self.connection()).await?;
        Ok(())
    }

    async fn hold_run(&mut self, sync: SyncId, number: u32) -> Result<Option<RunRow>> {
        Ok(sqlx::query_as(self.sql().hold_run.clone()).bind(sync.0).bind(int(number)).fetch_optional(self.connection()).await?)
    }

    async fn insert_run(&mut self, tenant: &TenantId, sync: SyncId, run: &Run) -> Result<()> {
        let texts = RunTexts::of(run)?;
        sqlx::query(self.sql().insert_run.clone())
            .bind(sync.0)
            .bind(int(run.number))
            .bind(tenant.as_str())
            .bind(int(run.version))
            .bind(uuid(run.job))
            .bind(int(run.attempt))
            .bind(texts.state)
            .bind(run.full)
            .bind(run.dry_run)
            .bind(texts.counts)
            .bind(&run.place)
            .bind(texts.error)
            .bind(run.started_at.ms())
            .bind(run.finished_at.map(Timestamp::ms))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn store_run(&mut self, sync: SyncId, run: &Run) -> Result<()> {
        let texts = RunTexts::of(run)?;
        sqlx::query(self.sql().store_run.clone())
            .bind(sync.0)
            .bind(int(run.number))
            .bind(int(run.attempt))
            .bind(texts.state)
            .bind(texts.counts)
            .bind(&run.place)
            .bind(texts.error)
            .bind(run.finished_at.map(Timestamp::ms))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn drop_runs(&mut self, sync: SyncId, up_to: u32) -> Result<()> {
        sqlx::query(self.sql().drop_runs.clone()).bind(sync.0).bind(int(up_to)).execute(self.connection()).await?;
        Ok(())
    }

    async fn runs(&mut self, job: JobId, attempt: u32) -> Result<bool> {
        let running: Option<Uuid> =
            sqlx::query_scalar(self.sql().may_bear.clone()).bind(uuid(job)).bind(int(attempt)).fetch_optional(self.connection()).await?;
        Ok(running.is_some())
    }

    async fn attempt_runs(&mut self, job: JobId, attempt: u32) -> Result<bool> {
        let running = sqlx::query_scalar(self.sql().attempt_runs.clone()).bind(uuid(job)).bind(int(attempt));
        let running: Option<Uuid> = running.fetch_optional(self.connection()).await?;
        Ok(running.is_some())
    }

    async fn is_live(&mut self, job: JobId) -> Result<bool> {
        let live: i64 = sqlx::query_scalar(self.sql().job_is_live.clone()).bind(uuid(job)).fetch_one(self.connection()).await?;
        Ok(live > 0)
    }

    async fn items(&mut self, sync: SyncId, keys: &[&str]) -> Result<Vec<ItemRow>> {
        Ok(sqlx::query_as(self.sql().sync_items.clone()).bind(sync.0).bind(texts(keys)).fetch_all(self.connection()).await?)
    }

    async fn keep_items(&mut self, sync: SyncId, items: &[Item]) -> Result<()> {
        sqlx::query(self.sql().keep_items.clone())
            .bind(sync.0)
            .bind(items.iter().map(|item| item.key.clone()).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.hash.to_vec()).collect::<Vec<_>>())
            .bind(items.iter().map(|item| int(item.seen)).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.version).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.is_deleted).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.pending.map(|intent| intent.hash.to_vec())).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.pending.map(|intent| intent.at.ms())).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.remote_id.clone()).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn see_items(&mut self, sync: SyncId, run: u32, keys: &[&str]) -> Result<()> {
        sqlx::query(self.sql().see_items.clone()).bind(sync.0).bind(texts(keys)).bind(int(run)).execute(self.connection()).await?;
        Ok(())
    }

    async fn drop_items(&mut self, sync: SyncId, keys: &[&str]) -> Result<()> {
        sqlx::query(self.sql().drop_items.clone()).bind(sync.0).bind(texts(keys)).execute(self.connection()).await?;
        Ok(())
    }

    async fn keep_errors(&mut self, sync: SyncId, run: u32, first: u64, errors: &[RowError]) -> Result<()> {
        sqlx::query(self.sql().keep_errors.clone())
            .bind(sync.0)
            .bind(int(run))
            .bind(i64::try_from(first).unwrap_or(i64::MAX))
            .bind(errors.iter().map(|error| error.key.clone()).collect::<Vec<_>>())
            .bind(errors.iter().map(|error| i64::try_from(error.page).unwrap_or(i64::MAX)).collect::<Vec<_>>())
            .bind(errors.iter().map(|error| int(error.index)).collect::<Vec<_>>())
            .bind(errors.iter().map(|error| error.code.clone()).collect::<Vec<_>>())
            .bind(errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>())
            .bind(errors.iter().map(|error| error.pointer.clone()).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn drop_errors(&mut self, sync: SyncId, up_to: u32) -> Result<()> {
        sqlx::query(self.sql().drop_errors.clone()).bind(sync.0).bind(int(up_to)).execute(self.connection()).await?;
        Ok(())
    }

    async fn has_conflicts(&mut self, sync: SyncId) -> Result<bool> {
        Ok(sqlx::query_scalar(self.sql().has_conflicts.clone()).bind(sync.0).fetch_one(self.connection()).await?)
    }

    async fn keep_conflicts(&mut self, sync: SyncId, run: u32, conflicts: &[NewConflict<'_>]) -> Result<()> {
        let clock_ms = self.core.clock_ms();
        sqlx::query(self.sql().keep_conflicts.clone())
            .bind(sync.0)
            .bind(int(run))
            .bind(clock_ms)
            .bind(conflicts.iter().map(|conflict| conflict.key.to_owned()).collect::<Vec<_>>())
            .bind(conflicts.iter().map(|conflict| conflict.source.map(str::to_owned)).collect::<Vec<_>>())
            .bind(conflicts.iter().map(|conflict| conflict.hash.to_vec()).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn known_conflicts(&mut self, sync: SyncId, run: u32, keys: &[&str]) -> Result<HashSet<String>> {
        let known = sqlx::query_scalar(self.sql().known_conflicts.clone()).bind(sync.0).bind(int(run)).bind(texts(keys));
        Ok(known.fetch_all(self.connection()).await?.into_iter().collect())
    }

    async fn drop_conflicts(&mut self, sync: SyncId, keys: &[&str]) -> Result<()> {
        sqlx::query(self.sql().drop_conflicts.clone()).bind(sync.0).bind(texts(keys)).execute(self.connection()).await?;
        Ok(())
    }

    async fn conflict(&mut self, sync: SyncId, key: &str) -> Result<Option<ConflictRow>> {
        Ok(sqlx::query_as(self.sql().conflict.clone()).bind(sync.0).bind(key).fetch_optional(self.connection()).await?)
    }
}

#[async_trait]
impl RecordTable for Tx<'_> {
    async fn time(&mut self) -> Result<Timestamp> {
        let clock_ms = self.core.clock_ms();
        Ok(Timestamp::from_ms(sqlx::query_scalar(self.sql().clock.clone()).bind(clock_ms).fetch_one(self.connection()).await?))
    }

    async fn hold_records(&mut self, place: Place<'_>, keys: &[&str]) -> Result<Vec<StandingRow>> {
        Ok(sqlx::query_as(self.sql().hold_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(texts(keys))
            .fetch_all(self.connection())
            .await?)
    }

    async fn insert_records(&mut self, place: Place<'_>, sync: Option<SyncId>, puts: &[Put<'_>]) -> Result<HashSet<String>> {
        let clock_ms = self.core.clock_ms();
        let keys: Vec<String> = sqlx::query_scalar(self.sql().insert_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(sync.map(|sync| sync.0))
            .bind(clock_ms)
            .bind(puts.iter().map(|put| put.key.to_owned()).collect::<Vec<_>>())
            .bind(puts.iter().map(|put| put.data.to_owned()).collect::<Vec<_>>())
            .bind(puts.iter().map(|put| put.hash.to_vec()).collect::<Vec<_>>())
            .bind(puts.iter().map(|put| put.version).collect::<Vec<_>>())
            .fetch_all(self.connection())
            .await?;
        Ok(keys.into_iter().collect())
    }

    async fn update_records(&mut self, place: Place<'_>, sync: Option<SyncId>, puts: &[Put<'_>]) -> Result<()> {
        let clock_ms = self.core.clock_ms();
        sqlx::query(self.sql().update_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(sync.map(|sync| sync.0))
            .bind(clock_ms)
            .bind(puts.iter().map(|put| put.key.to_owned()).collect::<Vec<_>>())
            .bind(puts.iter().map(|put| put.data.to_owned()).collect::<Vec<_>>())
            .bind(puts.iter().map(|put| put.hash.to_vec()).collect::<Vec<_>>())
            .bind(puts.iter().map(|put| put.version).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn mark_records(&mut self, place: Place<'_>, sync: SyncId, keys: &[&str]) -> Result<()> {
        let clock_ms = self.core.clock_ms();
        sqlx::query(self.sql().mark_records.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(sync.0)
            .bind(clock_ms)
            .bind(texts(keys))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn drop_records(&mut self, place: Place<'_>, keys: &[&str]) -> Result<()> {
        let dropped = sqlx::query(self.sql().drop_records.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(texts(keys));
        dropped.execute(self.connection()).await?;
        Ok(())
    }

    async fn read_record(&mut self, place: Place<'_>, key: &str) -> Result<Option<RecordRow>> {
        let row = sqlx::query_as(self.sql().record.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(key);
        Ok(row.fetch_optional(self.connection()).await?)
    }

    async fn has_records(&mut self, place: Place<'_>) -> Result<bool> {
        let has = sqlx::query_scalar(self.sql().has_records.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(has.fetch_one(self.connection()).await?)
    }

    async fn floor(&mut self, place: Place<'_>) -> Result<i64> {
        let floor = sqlx::query_scalar(self.sql().record_floor.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(floor.fetch_optional(self.connection()).await?.unwrap_or(0))
    }

    async fn raise_floor(&mut self, place: Place<'_>, version: i64) -> Result<()> {
        let raise = sqlx::query(self.sql().raise_floor.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(version);
        raise.execute(self.connection()).await?;
        Ok(())
    }

    async fn fields(&mut self, place: Place<'_>) -> Result<Fields> {
        let share = sqlx::query(self.sql().share_collection.clone()).bind(place.tenant.as_str()).bind(place.collection);
        share.execute(self.connection()).await?;
        let rows = sqlx::query_as(self.sql().record_fields.clone()).bind(place.tenant.as_str()).bind(place.collection);
        syncs::fields(rows.fetch_all(self.connection()).await?)
    }

    async fn store_field(&mut self, place: Place<'_>, field: &str, state: FieldState, walked: &str) -> Result<()> {
        sqlx::query(self.sql().store_field.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(field)
            .bind(state.as_str())
            .bind(walked)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn keep_values(&mut self, place: Place<'_>, values: &[Value<'_>]) -> Result<()> {
        sqlx::query(self.sql().keep_values.clone())
            .bind(place.tenant.as_str())
            .bind(place.collection)
            .bind(values.iter().map(|value| value.key.to_owned()).collect::<Vec<_>>())
            .bind(values.iter().map(|value| value.field.to_owned()).collect::<Vec<_>>())
            .bind(values.iter().map(|value| value.value.clone()).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn drop_values(&mut self, place: Place<'_>, keys: &[&str]) -> Result<()> {
        let dropped = sqlx::query(self.sql().drop_values.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(texts(keys));
        dropped.execute(self.connection()).await?;
        Ok(())
    }
}

#[async_trait]
impl UpkeepTable for Tx<'_> {
    async fn deleted_sync(&mut self) -> Result<Option<SyncId>> {
        let id: Option<Uuid> = sqlx::query_scalar(self.sql().deleted_sync.clone()).fetch_optional(self.connection()).await?;
        Ok(id.map(SyncId))
    }

    async fn forget_items(&mut self, sync: SyncId, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql().forget_items.clone()).bind(sync.0).bind(at_most(limit));
        Ok(forget.execute(self.connection()).await?.rows_affected())
    }

    async fn forget_errors(&mut self, sync: SyncId, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql().forget_errors.clone()).bind(sync.0).bind(at_most(limit));
        Ok(forget.execute(self.connection()).await?.rows_affected())
    }

    async fn forget_conflicts(&mut self, sync: SyncId, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql().forget_conflicts.clone()).bind(sync.0).bind(at_most(limit));
        Ok(forget.execute(self.connection()).await?.rows_affected())
    }

    async fn forget_sync(&mut self, sync: SyncId) -> Result<()> {
        sqlx::query(self.sql().forget_sync.clone()).bind(sync.0).execute(self.connection()).await?;
        Ok(())
    }

    async fn open_field(&mut self) -> Result<Option<OpenField>> {
        Ok(sqlx::query_as(self.sql().open_field.clone()).fetch_optional(self.connection()).await?)
    }

    async fn hold_field(&mut self, place: Place<'_>, field: &str) -> Result<Option<OpenField>> {
        let row = sqlx::query_as(self.sql().hold_field.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(field);
        Ok(row.fetch_optional(self.connection()).await?)
    }

    async fn walk(&mut self, place: Place<'_>, after: &str, limit: usize) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query_as(self.sql().walk_records.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(rows.bind(after).bind(at_most(limit)).fetch_all(self.connection()).await?)
    }

    async fn forget_values(&mut self, place: Place<'_>, field: &str, limit: usize) -> Result<u64> {
        let forget = sqlx::query(self.sql().forget_values.clone()).bind(place.tenant.as_str()).bind(place.collection);
        Ok(forget.bind(field).bind(at_most(limit)).execute(self.connection()).await?.rows_affected())
    }

    async fn forget_field(&mut self, place: Place<'_>, field: &str) -> Result<()> {
        let forget = sqlx::query(self.sql().forget_field.clone()).bind(place.tenant.as_str()).bind(place.collection).bind(field);
        forget.execute(self.connection()).await?;
        Ok(())
    }
}

fn texts(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}
