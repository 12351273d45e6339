//! The ledger in one SQLite file: the standalone shape.
//!
//! One task writes (`writer.rs`), everybody reads over a pool; WAL with `synchronous=FULL`, so a committed
//! job survives the loss of power. One `.sql` file per statement, named as in `../postgres`.

mod approved;
mod changes;
mod children;
mod deliveries;
mod effects;
mod hooks;
mod insert;
mod inspect;
mod keys;
mod library;
mod scrub;
mod sync_tables;
mod syncs;
mod timetable;
mod translations;
mod upkeep;
mod vault;
mod wordings;
mod work;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, SqlStr, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, broadcast};

use self::writer::{Tx, Verb, Writer};
use super::{
    FeedEvent, FeedRow, Intake, Result, guarded,
    schema::{self, Schema},
    side,
};
use crate::{
    clock::Clock,
    job::JobId,
    keys::{Inserted, Written},
    lifecycle::Change,
    queue::{LimitScope, Limits, LimitsPatch, QueueName},
    submit::NewJob,
    tenant::TenantId,
};

/// Connections that read: more than the cores of a small machine gain nothing from WAL readers.
const READERS_MAX: u32 = 4;
/// How long the start waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Nudges that a slow planner may fall behind before it must look into the feed.
const NUDGES_MAX: usize = 1_024;

macro_rules! statements {
    ($($name:ident),+ $(,)?) => {
        /// The statements, one per file of that name.
        #[derive(Clone, Debug)]
        pub struct Statements {
            $(#[doc = concat!("`", stringify!($name), ".sql`")] pub $name: SqlStr,)+
        }

        impl Default for Statements {
            fn default() -> Self {
                Self { $($name: include_str!(concat!(stringify!($name), ".sql")).into_sql_str(),)+ }
            }
        }

        impl Statements {
            /// Each of them by its name, to be replaced.
            pub fn each(&mut self) -> impl Iterator<Item = (&'static str, &mut SqlStr)> {
                [$((stringify!($name), &mut self.$name)),+].into_iter()
            }
        }
    };
}

statements! {
    abdicate, accept, already_ended, append_feed, apply, approved, approved_synced, artifacts, attempt_runs, attempts, awaited, balances,
    begin_wording, bundle, bundle_versions, bundles, bury_sync, census, children, claim, close_fires, collections, conflict, conflicts,
    connection_by_id, connection_by_name, connections, contracts, count_connections, count_outcomes, count_refused, count_syncs,
    count_wordings, covering_delays, default_locale, delay, delete_connection, delete_schedule, delete_sync, delete_tenant_key,
    deleted_sync, deliveries, depths, dismiss, drop_approved, drop_conflicts, drop_due, drop_errors, drop_expired, drop_feed,
    drop_items, drop_lease, drop_records, drop_runs, drop_translations, drop_values, drop_wordings, due, due_buckets, due_schedules,
    effect, effect_stands, effects, end_hook, enroll, event, event_of_digest, events, fires, first_due, first_expiry, fold,
    forget_conflicts, forget_errors, forget_events, forget_field, forget_fires, forget_items, forget_keys, forget_sync,
    forget_translations, forget_values, forget_wording, forget_workers, get, has_conflicts, has_records, heartbeat, hold_delivery,
    hold_delivery_of, hold_event, hold_field, hold_records, hold_room, hold_run, hold_sync, hold_sync_of, hold_tenant_key, hook,
    hook_of, insert, insert_approved, insert_connection, insert_delivery, insert_event, insert_records, insert_run, insert_schedule,
    insert_sync, insert_translations, insert_wording, intend, issue, job_is_live, keep_attempts, keep_conflicts, keep_errors,
    keep_items, keep_last_attempts, keep_tenant_key, keep_values, known, known_conflicts, lanes, last_instant, lead, lease, lease_rows, leases_after,
    leases_at, limits, list, lock_connection, lock_limits, lock_schedule, lock_sealed_connections, lock_wording_head, log, logs,
    mark_approved, mark_records, may_bear, move_schedules, note, on_offer, open_field, open_fires, orphan_fires, postpone_schedules,
    prunable, prune, prune_artifacts, prune_attempts, prune_deliveries, prune_effects, prune_logs, publish, publish_bundle,
    publish_depths, raise_floor, ready, reanswer, record, record_artifact, record_field, record_fields, record_floor, records,
    records_by_value, redriven, release, reopen_fires, reserve, reserved, revoke, revoke_all, rewrap_tenant_key, row_errors, running,
    schedule_by_id, schedule_by_name, schedule_holder, schedules, scrubbed, see_items, seen, set_default_locale, set_hook, set_limits,
    settle_fires, shelf, snapshots, store_connection, store_delivery, store_event, store_field, store_room, store_run, store_schedule,
    store_sync, store_wording_head, sync_definitions, sync_items, sync_runs, syncs, take_feed, take_turn, taken_until, tenant_key,
    tenant_keys_not_by, tickets, touch_connection, touch_translations, translations, turn_approved, turn_effect, unclaimed,
    unseen_items, unused_tenant, update_records, use_ticket, walk_records, wording, wording_heads, wording_languages, wording_versions,
    workers, wrappings, write_fires,
}

/// The ledger in one SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteLedger {
    writer: Writer,
    readers: SqlitePool,
    sql: Arc<Statements>,
    clock: Arc<dyn Clock>,
    nudges: broadcast::Sender<Arc<FeedRow>>,
    /// Where the next look for prunable jobs begins.
    prune_from: Arc<Mutex<JobId>>,
}

impl SqliteLedger {
    /// Opens the file, making or migrating it as needed.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_with(path, clock, Statements::default()).await
    }

    /// Where the schema of this file stands; an empty one where there is no file.
    pub async fn schema(path: &Path) -> Result<Schema> {
        if !path.exists() {
            return Schema::of_sqlite(&mut SqliteConnectOptions::new().in_memory(true).connect().await?).await;
        }
        Schema::of_sqlite(&mut SqliteConnectOptions::new().filename(path).read_only(true).connect().await?).await
    }

    /// Brings the schema up to date, or makes the file; where it stood before. Nobody else may have the file.
    pub async fn migrate(path: &Path) -> Result<Schema> {
        let before = Self::schema(path).await?;
        let mut connection = SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await?;
        schema::SQLITE.run_direct(None, &mut connection, false).await?;
        connection.close().await?;
        Ok(before)
    }

    /// An error where the schema is older than this release. A file that is yet to be made is not.
    pub async fn check(path: &Path) -> Result<()> {
        if path.exists() { Self::schema(path).await?.check() } else { Ok(()) }
    }

    /// The same with other statements: tests take parts of a guard away and see what breaks.
    pub async fn open_with(path: &Path, clock: Arc<dyn Clock>, sql: Statements) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let mut connection = options.connect().await?;
        schema::SQLITE.run_direct(None, &mut connection, false).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .test_before_acquire(false)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        let (nudges, _) = broadcast::channel(NUDGES_MAX);
        let sql = Arc::new(sql);
        let writer = Writer::start(connection, sql.clone(), clock.clone(), nudges.clone());
        Ok(Self { writer, readers, sql, clock, nudges, prune_from: Arc::new(Mutex::new(JobId::from_bytes([0; 16]))) })
    }
}

#[async_trait]
impl Intake for SqliteLedger {
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        self.writer.insert(jobs).await
    }

    async fn insert_unless_reused(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        self.writer.write(InsertUnlessReused(jobs)).await
    }

    async fn operate(&self, tenant: &TenantId, changes: Vec<Change>) -> Result<Vec<Written>> {
        self.writer.write(Operate { tenant: tenant.clone(), changes }).await
    }

    async fn set_limits(&self, queue: &QueueName, scope: &LimitScope, patch: LimitsPatch) -> Result<Limits> {
        let tenant = side::scope_text(scope).to_owned();
        self.writer.write(SetLimits { queue: queue.clone(), tenant, patch }).await
    }
}

struct InsertUnlessReused(Vec<NewJob>);

#[async_trait]
impl Verb for InsertUnlessReused {
    type Answer = Vec<Inserted>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Vec<Inserted>> {
        let jobs: Vec<&NewJob> = self.0.iter().collect();
        insert::insert_unless_reused(tx, &jobs).await
    }
}

struct Operate {
    tenant: TenantId,
    changes: Vec<Change>,
}

#[async_trait]
impl Verb for Operate {
    type Answer = Vec<Written>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Vec<Written>> {
        let changes: Vec<&Change> = self.changes.iter().collect();
        guarded::apply(tx, Some(&self.tenant), &changes).await
    }
}

struct SetLimits {
    queue: QueueName,
    tenant: String,
    patch: LimitsPatch,
}

#[async_trait]
impl Verb for SetLimits {
    type Answer = Limits;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Limits> {
        let (queue, tenant) = (self.queue.as_str(), &self.tenant);
        let none = serde_json::to_string(&Limits::default())?;
        let standing: String =
            sqlx::query_scalar(tx.sql.lock_limits.clone()).bind(queue).bind(tenant).bind(none).fetch_one(&mut *tx.connection).await?;
        let limits = serde_json::from_str::<Limits>(&standing)?.patched(self.patch);
        let text = serde_json::to_string(&limits)?;
        sqlx::query(tx.sql.set_limits.clone()).bind(queue).bind(tenant).bind(text).execute(&mut *tx.connection).await?;
        tx.feed.push(FeedEvent::Limits);
        Ok(limits)
    }
}
