//! The roles `Syncs` and `Records`, as `ledger/syncs.rs` asks for them. The tables are in `sync_tables.rs`.

use async_trait::async_trait;

use super::{
    SqliteLedger,
    writer::{Tx, Verb},
};
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
impl Syncs for SqliteLedger {
    async fn keep_sync(&self, new: NewSync) -> Result<Kept> {
        self.writer.write(new).await
    }

    async fn sync(&self, tenant: &TenantId, name: &str) -> Result<Option<Sync>> {
        let row: Option<SyncRow> =
            sqlx::query_as(self.sql.hold_sync.clone()).bind(tenant.as_str()).bind(name).fetch_optional(&self.readers).await?;
        row.map(SyncRow::into_sync).transpose()
    }

    async fn syncs(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Sync>> {
        let rows: Vec<SyncRow> = sqlx::query_as(self.sql.syncs.clone())
            .bind(tenant.as_str())
            .bind(after.unwrap_or_default())
            .bind(at_most(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(SyncRow::into_sync).collect()
    }

    async fn delete_sync(&self, tenant: &TenantId, name: &str, seen: Option<u32>) -> Result<Deleted> {
        self.writer.write(Delete { tenant: tenant.clone(), name: name.to_owned(), seen }).await
    }

    async fn sync_runs(&self, tenant: &TenantId, sync: SyncId, before: Option<u32>, limit: usize) -> Result<Vec<Run>> {
        let rows: Vec<RunRow> = sqlx::query_as(self.sql.sync_runs.clone())
            .bind(tenant.as_str())
            .bind(sync.0)
            .bind(before.map_or(i64::MAX, i64::from))
            .bind(at_most(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(RunRow::into_run).collect()
    }

    async fn begin_run(&self, begin: Begin) -> Result<Begun> {
        self.writer.write(begin).await
    }

    async fn write_page(&self, page: Page) -> Result<Option<Counts>> {
        self.writer.write(page).await
    }

    async fn plan_page(&self, fence: &Fence, policy: Policy, incoming: Vec<Incoming>) -> Result<Option<Vec<Planned>>> {
        self.writer.write(Plan { fence: fence.clone(), policy, incoming }).await
    }

    async fn settle_page(
        &self,
        fence: &Fence,
        settled: Vec<Settled>,
        failed: Vec<RowError>,
        progress: Option<Progress>,
    ) -> Result<Option<Counts>> {
        self.writer.write(Settle { fence: fence.clone(), settled, failed, progress }).await
    }

    async fn keep_place(&self, fence: &Fence, place: &str) -> Result<bool> {
        self.writer.write(KeepPlace { fence: fence.clone(), place: place.to_owned() }).await
    }

    async fn census(&self, fence: &Fence) -> Result<Census> {
        let row: CensusRow = sqlx::query_as(self.sql.census.clone())
            .bind(fence.tenant.as_str())
            .bind(fence.sync.0)
            .bind(fence.number)
            .fetch_one(&self.readers)
            .await?;
        Ok(row.census())
    }

    async fn unseen(&self, fence: &Fence, after: Option<&str>, limit: usize) -> Result<Vec<Item>> {
        let rows: Vec<ItemRow> = sqlx::query_as(self.sql.unseen_items.clone())
            .bind(fence.tenant.as_str())
            .bind(fence.sync.0)
            .bind(fence.number)
            .bind(after.unwrap_or_default())
            .bind(at_most(limit))
            .fetch_all(&self.readers)
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
        self.writer.write(Sweep { fence: fence.clone(), collection: collection.to_owned(), policy, keys, progress }).await
    }

    async fn row_errors(&self, tenant: &TenantId, sync: SyncId, number: u32, after: u64, limit: usize) -> Result<Vec<RowError>> {
        let rows: Vec<ErrorRow> = sqlx::query_as(self.sql.row_errors.clone())
            .bind(tenant.as_str())
            .bind(sync.0)
            .bind(number)
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(at_most(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(ErrorRow::into_error).collect()
    }

    async fn end_run(&self, fence: &Fence, ending: Ending) -> Result<bool> {
        self.writer.write(End { fence: fence.clone(), ending }).await
    }

    async fn conflicts(&self, tenant: &TenantId, sync: SyncId, after: Option<&str>, limit: usize) -> Result<Vec<Conflicted>> {
        let rows: Vec<ConflictedRow> = sqlx::query_as(self.sql.conflicts.clone())
            .bind(tenant.as_str())
            .bind(sync.0)
            .bind(after.unwrap_or_default())
            .bind(at_most(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(ConflictedRow::into_conflicted).collect()
    }

    async fn settle_conflict(&self, tenant: &TenantId, sync: SyncId, key: &str, side: Side) -> Result<bool> {
        self.writer.write(SettleConflict { tenant: tenant.clone(), sync, key: key.to_owned(), side }).await
    }
}

#[async_trait]
impl Records for SqliteLedger {
    async fn record(&self, tenant: &TenantId, collection: &str, key: &str) -> Result<Option<Record>> {
        let row: Option<RecordRow> =
            sqlx::query_as(self.sql.record.clone()).bind(tenant.as_str()).bind(collection).bind(key).fetch_optional(&self.readers).await?;
        row.map(RecordRow::into_record).transpose()
    }

    async fn records(&self, tenant: &TenantId, look: Look) -> Result<Looked> {
        let (after, limit) = (look.after.unwrap_or_default(), at_most(look.limit));
        let Some((field, value)) = look.field else {
            let rows: Vec<RecordRow> = sqlx::query_as(self.sql.records.clone())
                .bind(tenant.as_str())
                .bind(look.collection)
                .bind(after)
                .bind(look.deleted)
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
            return syncs::looked(rows);
        };
        let state: Option<String> = sqlx::query_scalar(self.sql.record_field.clone())
            .bind(tenant.as_str())
            .bind(&look.collection)
            .bind(&field)
            .fetch_optional(&self.readers)
            .await?;
        if let Some(unready) = syncs::unready(state.as_deref())? {
            return Ok(Looked { records: Vec::new(), unready: Some(unready) });
        }
        let rows: Vec<RecordRow> = sqlx::query_as(self.sql.records_by_value.clone())
            .bind(tenant.as_str())
            .bind(look.collection)
            .bind(after)
            .bind(look.deleted)
            .bind(limit)
            .bind(field)
            .bind(value)
            .fetch_all(&self.readers)
            .await?;
        syncs::looked(rows)
    }

    async fn collections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let names = sqlx::query_scalar(self.sql.collections.clone()).bind(tenant.as_str()).bind(after.unwrap_or_default());
        Ok(names.bind(at_most(limit)).fetch_all(&self.readers).await?)
    }

    async fn keep_record(&self, new: NewRecord) -> Result<RecordKept> {
        self.writer.write(new).await
    }

    async fn delete_record(&self, tenant: &TenantId, collection: &str, key: &str, seen: Option<i64>) -> Result<RecordDeleted> {
        let (collection, key) = (collection.to_owned(), key.to_owned());
        self.writer.write(DeleteRecord { tenant: tenant.clone(), collection, key, seen }).await
    }
}

#[async_trait]
impl Verb for NewSync {
    type Answer = Kept;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Kept> {
        syncs::keep::keep(tx, self).await
    }
}

struct Delete {
    tenant: TenantId,
    name: String,
    seen: Option<u32>,
}

#[async_trait]
impl Verb for Delete {
    type Answer = Deleted;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Deleted> {
        syncs::keep::delete(tx, &self.tenant, &self.name, self.seen).await
    }
}

#[async_trait]
impl Verb for Begin {
    type Answer = Begun;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Begun> {
        syncs::runs::begin(tx, self).await
    }
}

#[async_trait]
impl Verb for Page {
    type Answer = Option<Counts>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Counts>> {
        syncs::pages::write(tx, self).await
    }
}

struct Plan {
    fence: Fence,
    policy: Policy,
    incoming: Vec<Incoming>,
}

#[async_trait]
impl Verb for Plan {
    type Answer = Option<Vec<Planned>>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Vec<Planned>>> {
        syncs::elsewhere::plan(tx, &self.fence, self.policy, &self.incoming).await
    }
}

struct Settle {
    fence: Fence,
    settled: Vec<Settled>,
    failed: Vec<RowError>,
    progress: Option<Progress>,
}

#[async_trait]
impl Verb for Settle {
    type Answer = Option<Counts>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Counts>> {
        syncs::elsewhere::settle(tx, &self.fence, &self.settled, &self.failed, self.progress.as_ref()).await
    }
}

struct KeepPlace {
    fence: Fence,
    place: String,
}

#[async_trait]
impl Verb for KeepPlace {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        syncs::runs::keep_place(tx, &self.fence, &self.place).await
    }
}

struct Sweep {
    fence: Fence,
    collection: String,
    policy: Policy,
    keys: Vec<String>,
    progress: Progress,
}

#[async_trait]
impl Verb for Sweep {
    type Answer = Option<Counts>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Counts>> {
        syncs::pages::sweep(tx, &self.fence, &self.collection, self.policy, &self.keys, &self.progress).await
    }
}

struct End {
    fence: Fence,
    ending: Ending,
}

#[async_trait]
impl Verb for End {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        syncs::runs::end(tx, &self.fence, &self.ending).await
    }
}

struct SettleConflict {
    tenant: TenantId,
    sync: SyncId,
    key: String,
    side: Side,
}

#[async_trait]
impl Verb for SettleConflict {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        syncs::conflicts::settle(tx, &self.tenant, self.sync, &self.key, self.side).await
    }
}

#[async_trait]
impl Verb for NewRecord {
    type Answer = RecordKept;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<RecordKept> {
        syncs::records::keep(tx, self).await
    }
}

struct DeleteRecord {
    tenant: TenantId,
    collection: String,
    key: String,
    seen: Option<i64>,
}

#[async_trait]
impl Verb for DeleteRecord {
    type Answer = RecordDeleted;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<RecordDeleted> {
        syncs::records::delete(tx, &self.tenant, &self.collection, &self.key, self.seen).await
    }
}

pub(super) struct ForgetItems(pub usize);

#[async_trait]
impl Verb for ForgetItems {
    type Answer = u64;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<u64> {
        syncs::upkeep::forget_items(tx, self.0).await
    }
}

pub(super) struct IndexRecords(pub usize);

#[async_trait]
impl Verb for IndexRecords {
    type Answer = u64;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<u64> {
        syncs::upkeep::index_records(tx, self.0).await
    }
}
