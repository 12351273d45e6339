//! The roles of syncs: what is declared and run, and the tenant's records. The other roles are in `mod.rs`.

use async_trait::async_trait;

use super::Result;
use crate::{
    sync::state::Record,
    sync::{
        SyncId,
        state::{
            Begin, Begun, Census, Conflicted, Counts, Deleted, Ending, Fence, Incoming, Item, Kept, NewSync, Page, Planned, Policy,
            Progress, RowError, Run, Settled, Side, Sync,
        },
        store::{Look, Looked, NewRecord, RecordDeleted, RecordKept},
    },
    tenant::TenantId,
};

/// Keeping syncs, their runs, and what they remember. Every verb is a tenant's. A verb with a [`Fence`] writes nothing and says `None` (or
/// `false`) unless that attempt runs, nobody asked it to stop, and it holds the sync's run; only what it did is noted even so.
#[async_trait]
pub trait Syncs: Send + std::marker::Sync {
    /// Keeps a sync, unless it says the same.
    async fn keep_sync(&self, new: NewSync) -> Result<Kept>;

    /// One sync.
    async fn sync(&self, tenant: &TenantId, name: &str) -> Result<Option<Sync>>;

    /// At most `limit` syncs, by name, after that of this name.
    async fn syncs(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Sync>>;

    /// Deletes a sync with its runs; what it remembers is forgotten bit by bit (`forget_items`, a verb of the role `Upkeep`). Records stay.
    /// With `seen`, only while it stands at that version.
    async fn delete_sync(&self, tenant: &TenantId, name: &str, seen: Option<u32>) -> Result<Deleted>;

    /// At most `limit` of a sync's runs, latest first, before that of this number.
    async fn sync_runs(&self, tenant: &TenantId, sync: SyncId, before: Option<u32>, limit: usize) -> Result<Vec<Run>>;

    /// Begins a run, or goes on with the job's own, or tells of it where it is completed. A run whose job is final, or gone, is abandoned, and another begins.
    async fn begin_run(&self, begin: Begin) -> Result<Begun>;

    /// Writes a page into a collection: what becomes of each record is decided by `sync::decide`, and written with where the run goes on.
    /// A dry run only counts, and notes what it saw. Returns the run's counts.
    async fn write_page(&self, page: Page) -> Result<Option<Counts>>;

    /// Decides what is to be done elsewhere with these records, in their order, and notes each intent before it is tried. A dry run notes
    /// none, but that it saw them. One that says that it is deleted need not come from the source: so a sweep plans deletions. What is in
    /// doubt is counted as `repeated`, and that there is nothing to do about a record once a run.
    async fn plan_page(&self, fence: &Fence, policy: Policy, incoming: Vec<Incoming>) -> Result<Option<Vec<Planned>>>;

    /// Notes what came of what was planned, and, with `progress`, where the run goes on: also where the attempt was asked to stop meanwhile. What has no intent any more was settled before, and is
    /// passed over, but in a dry run. Without `progress` only those of `failed` count that are `Refused`, so that a write that is repeated
    /// counts once. Returns the run's counts.
    async fn settle_page(
        &self,
        fence: &Fence,
        settled: Vec<Settled>,
        failed: Vec<RowError>,
        progress: Option<Progress>,
    ) -> Result<Option<Counts>>;

    /// Keeps a run's place alone: another pass, another phase.
    async fn keep_place(&self, fence: &Fence, place: &str) -> Result<bool>;

    /// How many keys the sync remembers, and how many of them the run has not seen.
    async fn census(&self, fence: &Fence) -> Result<Census>;

    /// At most `limit` of the keys that the run has not seen and that are not deleted, in their order, after this one.
    async fn unseen(&self, fence: &Fence, after: Option<&str>, limit: usize) -> Result<Vec<Item>>;

    /// Sees to records of a collection that the source has no more, as [`write_page`](Self::write_page) does to those that it has.
    /// Those that it saw meanwhile are passed over.
    async fn sweep_page(
        &self,
        fence: &Fence,
        collection: &str,
        policy: Policy,
        keys: Vec<String>,
        progress: Progress,
    ) -> Result<Option<Counts>>;

    /// At most `limit` of the run's row errors, in their order, after so many.
    async fn row_errors(&self, tenant: &TenantId, sync: SyncId, number: u32, after: u64, limit: usize) -> Result<Vec<RowError>>;

    /// Ends a run: its row errors go, which an artifact has by then.
    async fn end_run(&self, fence: &Fence, ending: Ending) -> Result<bool>;

    /// At most `limit` of a sync's conflicts, by key, after this one.
    async fn conflicts(&self, tenant: &TenantId, sync: SyncId, after: Option<&str>, limit: usize) -> Result<Vec<Conflicted>>;

    /// Decides a conflict. Returns whether there is one.
    async fn settle_conflict(&self, tenant: &TenantId, sync: SyncId, key: &str, side: Side) -> Result<bool>;
}

/// Keeping records. Every verb is a tenant's: another's records are not there.
#[async_trait]
pub trait Records: Send + std::marker::Sync {
    /// One record; one that is marked as deleted as well.
    async fn record(&self, tenant: &TenantId, collection: &str, key: &str) -> Result<Option<Record>>;

    /// A page of a collection, by key.
    async fn records(&self, tenant: &TenantId, look: Look) -> Result<Looked>;

    /// At most `limit` names of collections, after this one.
    async fn collections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<String>>;

    /// Keeps a record, as the tenant's own change.
    async fn keep_record(&self, new: NewRecord) -> Result<RecordKept>;

    /// Deletes a record for good, as the tenant's own change; with `seen`, only at that version.
    async fn delete_record(&self, tenant: &TenantId, collection: &str, key: &str, seen: Option<i64>) -> Result<RecordDeleted>;
}
