//! What the ledger keeps of syncs: their definitions, their runs, what they remember of each key, and the tenant's records.
//!
//! The role [`Syncs`](crate::ledger::Syncs) keeps these; `decide.rs` says what becomes of a record. What goes there with each page is in `state/page.rs`. Next: `decide.rs`.

mod page;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::page::{
    Incoming, Intent, Item, Page, Planned, Policy, Progress, REMOTE_ID_BYTES_MAX, RowError, Settled, SettledAs, Standing, is_remote_id,
};
use super::{
    SyncId,
    definition::{Definition, Incremental},
};
use crate::{
    clock::Timestamp,
    job::{JobError, JobId},
    tenant::TenantId,
};

/// The row errors of a run that are kept; the rest is only counted.
pub const ERRORS_KEPT: u64 = 10_000;

/// A sync as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Sync {
    /// Its id.
    pub id: SyncId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Unique within the tenant.
    pub name: String,
    /// Grows with each change of its definition.
    pub version: u32,
    /// The preset that it was made of.
    pub preset: Option<String>,
    /// What it says.
    pub definition: Definition,
    /// From where the next run asks for what changed.
    pub since: Option<Since>,
    /// The number of its last run; 0 before the first.
    pub last_run: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}

impl Sync {
    /// Whether its next run reads all there is: asked to, or as nothing else is possible or due.
    pub fn reads_all(&self, asked: bool) -> bool {
        let (Some(since), Some(http)) = (&self.since, &self.definition.source.http) else { return true };
        let full_every = match &http.list.incremental {
            None => return true,
            Some(Incremental::UpdatedSince { full_every, .. } | Incremental::Cursor { full_every, .. }) => *full_every,
            Some(Incremental::Validators {}) => None,
        };
        asked || since.version != self.version || full_every.is_some_and(|every| since.runs + 1 >= every)
    }
}

/// From where a run asks for what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The version of the definition under which it was learned; of no use to another.
    pub version: u32,
    /// What the reader made of it, as JSON: an instant, a mark, validators.
    pub mark: String,
    /// Runs since the last that read all.
    pub runs: u32,
    /// The number of the run that learned it.
    #[serde(default)]
    pub run: u32,
}

/// A sync that is to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSync {
    /// Its id, should it be new.
    pub id: SyncId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// The preset that it was made of.
    pub preset: Option<String>,
    /// What it says.
    pub definition: Definition,
    /// The version that must stand, 0 for none; whichever it is where nobody says.
    pub seen: Option<u32>,
}

/// What became of keeping a sync.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// It is new.
    Created(Sync),
    /// It is changed.
    Changed(Sync),
    /// It said the same already.
    Same(Sync),
    /// Another version stands.
    Stale,
    /// The tenant has as many as it may.
    TooMany,
    /// It would go to another destination (another collection, connection or object name), of which it remembers nothing: that is another
    /// sync.
    Elsewhere,
}

/// What became of deleting something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// There was none.
    Missing,
    /// Another version stands.
    Stale,
}

/// Who writes for a run: the attempt of a job that holds it. A write by any other is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The sync.
    pub sync: SyncId,
    /// Whose.
    pub tenant: TenantId,
    /// The run's number.
    pub number: u32,
    /// The job that runs it.
    pub job: JobId,
    /// The job's attempt.
    pub attempt: u32,
}

/// A run that is to begin, or to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// Whose.
    pub tenant: TenantId,
    /// The sync's name.
    pub name: String,
    /// The job.
    pub job: JobId,
    /// The job's attempt.
    pub attempt: u32,
    /// Whether all is to be read.
    pub full: bool,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
}

/// What became of beginning.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// It runs: a new one, or the job's own, which another attempt left at this place. Or the job's own is completed, and only nobody heard.
    Run(Box<Sync>, Box<Run>),
    /// Another job, which is not final, runs the sync.
    Busy {
        /// Which.
        job: JobId,
    },
    /// The tenant has no such sync.
    Unknown,
    /// The attempt runs no more, or is asked to stop.
    Over,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Which of the sync's, from 1; grows by one.
    pub number: u32,
    /// The version of the definition that it follows. Should it change meanwhile, the job begins another run.
    pub version: u32,
    /// The job.
    pub job: JobId,
    /// The attempt that goes on with it.
    pub attempt: u32,
    /// How it stands.
    pub state: RunState,
    /// Whether all is read.
    pub full: bool,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
    /// What it did so far.
    pub counts: Counts,
    /// Where it goes on, as JSON of the runner; none at its beginning. Written with what the page before brought, in one transaction.
    pub place: Option<String>,
    /// Why it failed.
    pub error: Option<JobError>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncRunState))]
pub enum RunState {
    /// A job runs it, or will go on with it.
    Running,
    /// It ended.
    Completed,
    /// It ended, and not as it should.
    Failed,
    /// Its job ended without ending it.
    Abandoned,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncCounts))]
pub struct Counts {
    /// Pages that were read.
    pub pages: u64,
    /// Records that were read, those that were read again among them.
    pub read: u64,
    /// Bytes of pages, unpacked.
    pub bytes: u64,
    /// Records that the destination did not have.
    pub created: u64,
    /// Records that it had otherwise.
    pub updated: u64,
    /// Records that it had like this.
    pub unchanged: u64,
    /// Records that were deleted there, or marked as deleted.
    pub deleted: u64,
    /// Records that the source no longer has and that were kept (`delete: keep`).
    pub missing: u64,
    /// Records of the destination that won over the source's.
    pub kept: u64,
    /// Records that wait for somebody's decision.
    pub conflicts: u64,
    /// Records that could not be taken over; each has its line among the errors, up to 10,000.
    pub failed: u64,
    /// Records that were sent again as nobody knew whether they had arrived.
    pub repeated: u64,
}

impl Counts {
    /// Adds what a page did.
    pub fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.read += other.read;
        self.bytes += other.bytes;
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.missing += other.missing;
        self.kept += other.kept;
        self.conflicts += other.conflicts;
        self.failed += other.failed;
        self.repeated += other.repeated;
    }
}

/// How many keys a sync remembers that are not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// All.
    pub live: u64,
    /// Those that this run has not seen.
    pub unseen: u64,
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Why it failed; none where it did not.
    pub error: Option<JobError>,
    /// From where the next run asks for what changed; none leaves what was there.
    pub since: Option<Since>,
}

/// A record that both sides changed, and about which somebody has to decide.
#[derive(Debug, Clone)]
pub struct Conflicted {
    /// The key.
    pub key: String,
    /// What the source says, mapped; none where it deleted the record.
    pub source: Option<Box<RawValue>>,
    /// The record at the destination; none where it is gone.
    pub record: Option<Record>,
    /// The run that saw it last.
    pub run: u32,
    /// Since when it is known.
    pub created_at: Timestamp,
}

/// Which side a conflict is decided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncSide))]
pub enum Side {
    /// What the source says is written.
    Source,
    /// The record stays as it is.
    Destination,
}

/// A record of a tenant's collection.
#[derive(Debug, Clone)]
pub struct Record {
    /// The collection.
    pub collection: String,
    /// Its key there.
    pub key: String,
    /// What it says.
    pub data: Box<RawValue>,
    /// Grows with each change.
    pub version: i64,
    /// The sync that wrote it last; none where the tenant did.
    pub sync: Option<SyncId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When it was marked as deleted.
    pub deleted_at: Option<Timestamp>,
}
