//! The roles `Syncs` and `Records`, as `ledger/syncs.rs` asks for them. The tables are in `sync_tables.rs`.

use async_trait::async_trait;

use super::{PostgresLedger, changes::int};
use crate::{
    ledger::{
        Records, Result, Syncs,
        syncs::{self, CensusRow, ConflictedRow, ErrorRow, ItemRow, RecordRow, RunRow, SyncRow, at_most},
    },
    sync::{
        SyncId,
        state::{
            Begin, Begun, Census, Conflicted, Counts, Deleted, Ending, Fence, Incoming, Item, Kept, NewSync, Page, Planned, Policy,
            Progress, Record, RowError, Run, Settled, Side, Sync,
        },
        store::{Look, Looked, NewRecord, RecordDeleted, RecordKept},
    },
    tenant::TenantId,
};

#[async_trait]
impl Syncs for PostgresLedger {
    async fn keep_sync(&self, new: NewSync) -> Result<Kept> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::keep::keep(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn sync(&self, tenant: &TenantId, name: &str) -> Result<Option<Sync>> {
        let row: Option<SyncRow> =
            sqlx::query_as(self.core.sql.sync.clone()).bind(tenant.as_str()).bind(name).fetch_optional(&self.core.readers).await?;
        row.map(SyncRow::into_sync).transpose()
    }

    async fn syncs(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Sync>> {
        let rows: Vec<SyncRow> = sqlx::query_as(self.core.sql.syncs.clone())
            .bind(tenant.as_str())
            .bind(after.unwrap_or_default())
            .bind(at_most(limit))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(SyncRow::into_sync).collect()
    }

    async fn delete_sync(&self, tenant: &TenantId, name: &str, seen: Option<u32>) -> Result<Deleted> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::keep::delete(&mut tx, tenant, name, seen).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn sync_runs(&self, tenant: &TenantId, sync: SyncId, before: Option<u32>, limit: usize) -> Result<Vec<Run>> {
        let rows: Vec<RunRow> = sqlx::query_as(self.core.sql.sync_runs.clone())
            .bind(tenant.as_str())
            .bind(sync.0)
            .bind(before.map_or(i64::MAX, i64::from))
            .bind(at_most(limit))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(RunRow::into_run).collect()
    }

    async fn begin_run(&self, begin: Begin) -> Result<Begun> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::runs::begin(&mut tx, &begin).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn write_page(&self, page: Page) -> Result<Option<Counts>> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::pages::write(&mut tx, &page).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn plan_page(&self, fence: &Fence, policy: Policy, incoming: Vec<Incoming>) -> Result<Option<Vec<Planned>>> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::elsewhere::plan(&mut tx, fence, policy, &incoming).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn settle_page(
        &self,
        fence: &Fence,
        settled: Vec<Settled>,
        failed: Vec<RowError>,
        progress: Option<Progress>,
    ) -> Result<Option<Counts>> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::elsewhere::settle(&mut tx, fence, &settled, &failed, progress.as_ref()).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn keep_place(&self, fence: &Fence, place: &str) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::runs::keep_place(&mut tx, fence, place).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn census(&self, fence: &Fence) -> Result<Census> {
        let row: CensusRow = sqlx::query_as(self.core.sql.census.clone())
            .bind(fence.tenant.as_str())
            .bind(fence.sync.0)
            .bind(int(fence.number))
            .fetch_one(&self.core.readers)
            .await?;
        Ok(row.census())
    }

    async fn unseen(&self, fence: &Fence, after: Option<&str>, limit: usize) -> Result<Vec<Item>> {
        let rows: Vec<ItemRow> = sqlx::query_as(self.core.sql.unseen_items.clone())
            .bind(fence.tenant.as_str())
            .bind(fence.sync.0)
            .bind(int(fence.number))
            .bind(after.unwrap_or_default())
            .bind(at_most(limit))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(ItemRow::into_item).collect()
    }

    async fn sweep_page(
        &self,
        fence: &Fence,
        collection: &str,
        policy: Policy,
        keys: Vec<String>,
        progress: Progress,
    ) -> Result<Option<Counts>> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::pages::sweep(&mut tx, fence, collection, policy, &keys, &progress).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn row_errors(&self, tenant: &TenantId, sync: SyncId, number: u32, after: u64, limit: usize) -> Result<Vec<RowError>> {
        let rows: Vec<ErrorRow> = sqlx::query_as(self.core.sql.row_errors.clone())
            .bind(tenant.as_str())
            .bind(sync.0)
            .bind(int(number))
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(at_most(limit))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(ErrorRow::into_error).collect()
    }

    async fn end_run(&self, fence: &Fence, ending: Ending) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::runs::end(&mut tx, fence, &ending).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn conflicts(&self, tenant: &TenantId, sync: SyncId, after: Option<&str>, limit: usize) -> Result<Vec<Conflicted>> {
        let rows: Vec<ConflictedRow> = sqlx::query_as(self.core.sql.conflicts.clone())
            .bind(tenant.as_str())
            .bind(sync.0)
            .bind(after.unwrap_or_default())
            .bind(at_most(limit))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(ConflictedRow::into_conflicted).collect()
    }

    async fn settle_conflict(&self, tenant: &TenantId, sync: SyncId, key: &str, side: Side) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::conflicts::settle(&mut tx, tenant, sync, key, side).await?;
        tx.commit().await?;
        Ok(answer)
    }
}

#[async_trait]
impl Records for PostgresLedger {
    async fn record(&self, tenant: &TenantId, collection: &str, key: &str) -> Result<Option<Record>> {
        let row: Option<RecordRow> = sqlx::query_as(self.core.sql.record.clone())
            .bind(tenant.as_str())
            .bind(collection)
            .bind(key)
            .fetch_optional(&self.core.readers)
            .await?;
        row.map(RecordRow::into_record).transpose()
    }

    async fn records(&self, tenant: &TenantId, look: Look) -> Result<Looked> {
        let (after, limit) = (look.after.unwrap_or_default(), at_most(look.limit));
        let Some((field, value)) = look.field else {
            let rows: Vec<RecordRow> = sqlx::query_as(self.core.sql.records.clone())
                .bind(tenant.as_str())
                .bind(look.collection)
                .bind(after)
                .bind(look.deleted)
                .bind(limit)
                .fetch_all(&self.core.readers)
                .await?;
            return syncs::looked(rows);
        };
        let state: Option<String> = sqlx::query_scalar(self.core.sql.record_field.clone())
            .bind(tenant.as_str())
            .bind(&look.collection)
            .bind(&field)
            .fetch_optional(&self.core.readers)
            .await?;
        if let Some(unready) = syncs::unready(state.as_deref())? {
            return Ok(Looked { records: Vec::new(), unready: Some(unready) });
        }
        let rows: Vec<RecordRow> = sqlx::query_as(self.core.sql.records_by_value.clone())
            .bind(tenant.as_str())
            .bind(look.collection)
            .bind(after)
            .bind(look.deleted)
            .bind(limit)
            .bind(field)
            .bind(value)
            .fetch_all(&self.core.readers)
            .await?;
        syncs::looked(rows)
    }

    async fn collections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let names = sqlx::query_scalar(self.core.sql.collections.clone()).bind(tenant.as_str()).bind(after.unwrap_or_default());
        Ok(names.bind(at_most(limit)).fetch_all(&self.core.readers).await?)
    }

    async fn keep_record(&self, new: NewRecord) -> Result<RecordKept> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::records::keep(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn delete_record(&self, tenant: &TenantId, collection: &str, key: &str, seen: Option<i64>) -> Result<RecordDeleted> {
        let mut tx = self.core.begin().await?;
        let answer = syncs::records::delete(&mut tx, tenant, collection, key, seen).await?;
        tx.commit().await?;
        Ok(answer)
    }
}

impl PostgresLedger {
    pub(super) async fn forget_memory(&self, limit: usize) -> Result<u64> {
        let mut tx = self.core.begin().await?;
        let forgotten = syncs::upkeep::forget_items(&mut tx, limit).await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    pub(super) async fn walk_records(&self, limit: usize) -> Result<u64> {
        let mut tx = self.core.begin().await?;
        let walked = syncs::upkeep::index_records(&mut tx, limit).await?;
        tx.commit().await?;
        Ok(walked)
    }
}
