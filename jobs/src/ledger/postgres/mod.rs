//! The ledger in PostgreSQL: the cluster's shape.
//!
//! Inserts that queued up while the last commit ran share the next (`inserts.rs`); workers settle in batches of
//! their own. Time is the database's. One `.sql` file per statement, named as in `../sqlite`.

mod approved;
mod changes;
pub mod checkup;
mod children;
mod deliveries;
mod effects;
mod floor;
mod hooks;
mod inserts;
mod inspect;
mod keys;
mod library;
mod partitions;
mod scrub;
mod sync_tables;
mod syncs;
mod timetable;
mod translations;
mod upkeep;
mod vault;
mod wordings;
mod work;

use std::{str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, PgPool, Postgres, SqlSafeStr, SqlStr, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::{Mutex, broadcast};

use self::{floor::Floor, inserts::Inserts};
pub(super) use self::{inspect::balances_on, partitions::add_past};
use super::{
    Error, FeedEvent, FeedRow, Intake, Result, guarded,
    schema::{self, Schema},
    side,
};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    job::JobId,
    keys::{Inserted, Written},
    lifecycle::Change,
    queue::{LimitScope, Limits, LimitsPatch, QueueName},
    submit::NewJob,
    tenant::TenantId,
};

/// Connections that write: past 16 the database spends its time on locks between them.
const WRITERS_MAX: u32 = 8;
/// Connections that read for people: they must not crowd the writers out.
const READERS_MAX: u32 = 4;
/// How long a verb waits for a connection before the ledger counts as not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement that takes longer is given up by the database: no verb's batch takes a tenth of it. Shorter than the time by
/// which the feed's floor trails, since a place in the feed is drawn by a transaction's last statement.
const STATEMENT_TIMEOUT_MS: i64 = 4_000;
const _: () = assert!(STATEMENT_TIMEOUT_MS < floor::TRAILS_MS, "a late commit would be looked for only by sweeps");
/// The same for what a planner reads when it takes over: all lanes and all that runs, which may be many.
const LONG_TIMEOUT: &str = "SET LOCAL statement_timeout = '60s'";
/// How long a transaction may wait for whoever began it: a process that stands still in one would keep what it holds from whoever reaps its jobs.
const IDLE_TIMEOUT: &str = "10s";
/// How long a migration waits for a table.
const MIGRATION_LOCK_TIMEOUT: &str = "1s";
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
    abdicate, already_ended, append_feed, apply, approved, approved_synced, artifacts, attempt_runs, attempts, awaited, balances, begin_wording,
    bundle, bundle_versions, bundles, bury_sync, census, children, claim, clock, close_fires, collections, conflict, conflicts,
    connection_by_id, connection_by_name, connections, contracts, count_connections, count_outcomes, count_refused, count_syncs,
    count_wordings, covering_delays, default_locale, delay, delete_connection, delete_schedule, delete_sync, delete_tenant_key,
    deleted_sync, deliveries, depths, dismiss, drop_approved, drop_conflicts, drop_due, drop_errors, drop_expired, drop_feed,
    drop_items, drop_lease, drop_records, drop_runs, drop_translations, drop_values, drop_wordings, due, due_buckets, due_schedules,
    effect, effect_stands, effects, end_hook, enroll, event, event_of_digest, events, fires, first_due, first_expiry, fold,
    forget_conflicts, forget_errors, forget_events, forget_field, forget_fires, forget_items, forget_keys, forget_sync,
    forget_translations, forget_values, forget_wording, forget_workers, get, has_conflicts, has_records, heartbeat, hold_delivery,
    hold_delivery_of, hold_event, hold_field, hold_records, hold_room, hold_run, hold_sync, hold_sync_of, hold_tenant_key, hook,
    hook_of, identity, insert, insert_approved, insert_connection, insert_delivery, insert_event, insert_records, insert_run,
    insert_schedule, insert_sync, insert_translations, insert_wording, intend, issue, job_is_live, keep_attempts, keep_conflicts,
    keep_errors, keep_items, keep_last_attempts, keep_tenant_key, keep_values, known, known_conflicts, lanes, last_instant, lead, lease, lease_rows,
    leases_after, leases_at, limits, list, lock_collection, lock_connection, lock_limits, lock_schedule, lock_sealed_connections,
    lock_snapshots, lock_wording_head, log, logs, mark_approved, mark_records, may_bear, move_schedules, note, on_offer, open_field,
    open_fires, orphan_fires, postpone_schedules, prunable, prune, prune_artifacts, prune_attempts, prune_deliveries, prune_effects,
    prune_logs, publish, publish_bundle, publish_depths, raise_floor, ready, reanswer, record, record_artifact, record_field,
    record_fields, record_floor, records, records_by_value, redriven, release, reopen_fires, reserve, reserved, revoke, revoke_all,
    rewrap_tenant_key, row_errors, running, schedule_by_id, schedule_by_name, schedule_holder, schedules, scrubbed, see_items, seen,
    set_default_locale, set_hook, set_limits, settle_fires, share_collection, shelf, snapshots, store_connection, store_delivery,
    store_event, store_field, store_room, store_run, store_schedule, store_sync, store_wording_head, sync, sync_definitions, sync_items,
    sync_runs, syncs, take_feed, take_turn, taken_until, tenant_key, tenant_keys_not_by, tickets, touch_connection, touch_translations,
    translations, turn_approved, turn_effect, unclaimed, unseen_items, unused_tenant, update_records, use_ticket, walk_records, wording,
    wording_heads, wording_languages, wording_versions, workers, wrappings, write_fires,
}

/// The ledger in PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct PostgresLedger {
    inserts: Inserts,
    core: Arc<Core>,
}

/// What every role shares.
struct Core {
    writers: PgPool,
    readers: PgPool,
    sql: Statements,
    /// The clock that a test put in the database's place.
    clock: Option<Arc<dyn Clock>>,
    nudges: broadcast::Sender<Arc<FeedRow>>,
    /// Where the next look for prunable jobs begins.
    prune_from: Mutex<JobId>,
    /// Where the next look into the feed begins.
    floor: std::sync::Mutex<Floor>,
}

impl PostgresLedger {
    /// Connects and migrates; fails at once where the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, None, Statements::default()).await
    }

    /// The same with a test's clock in the database's place, and with other statements.
    pub async fn open_with(url: &str, clock: Option<Arc<dyn Clock>>, sql: Statements) -> Result<Self> {
        Self::migrate(url).await?;
        Self::open_migrated(url, clock, sql).await
    }

    /// The same, but a schema that is older than this release is an error.
    pub async fn open_checked(url: &str) -> Result<Self> {
        Self::schema(url).await?.check()?;
        Self::open_migrated(url, None, Statements::default()).await
    }

    /// Where the schema of this database stands.
    pub async fn schema(url: &str) -> Result<Schema> {
        Schema::of_postgres(&mut PgConnectOptions::from_str(url)?.connect().await?).await
    }

    /// Brings the schema up to date; where it stood before. Of several that do it at once, one does.
    pub async fn migrate(url: &str) -> Result<Schema> {
        // Whoever wants a table meanwhile waits behind a migration that waits for it, as behind a dump: better to fail, and to
        // be tried again by whoever started this.
        let options = PgConnectOptions::from_str(url)?.options([("lock_timeout", MIGRATION_LOCK_TIMEOUT)]);
        let mut connection = options.connect().await?;
        let before = Schema::of_postgres(&mut connection).await?;
        schema::POSTGRES.run_direct(None, &mut connection, false).await?;
        Ok(before)
    }

    async fn open_migrated(url: &str, clock: Option<Arc<dyn Clock>>, sql: Statements) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let readers =
            PgPoolOptions::new().max_connections(READERS_MAX).acquire_timeout(ACQUIRE_TIMEOUT).connect_with(options.clone()).await?;
        // Every verb finds its jobs by id, one partition each: no plan may ever read a table through, whatever the
        // statistics say of tables that fill and empty a thousand times a second.
        let statement_timeout_ms = STATEMENT_TIMEOUT_MS.to_string();
        let options = options.options([
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            // A forbidden plan node counts as dear, and dear plans are compiled: 100 ms for a statement of 1 ms.
            ("jit", "off"),
            ("statement_timeout", statement_timeout_ms.as_str()),
            ("idle_in_transaction_session_timeout", IDLE_TIMEOUT),
        ]);
        let writers = PgPoolOptions::new()
            .max_connections(WRITERS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        let (nudges, _) = broadcast::channel(NUDGES_MAX);
        let prune_from = Mutex::new(JobId::from_bytes([0; 16]));
        let core = Arc::new(Core { writers, readers, sql, clock, nudges, prune_from, floor: std::sync::Mutex::default() });
        core.extend_partitions().await?;
        Ok(Self { inserts: Inserts::start(&core), core })
    }

    /// What tells this ledger from every other: the same for all processes that share it.
    pub async fn identity(&self) -> Result<String> {
        Ok(sqlx::query_scalar(self.core.sql.identity.clone()).fetch_one(&self.core.readers).await?)
    }

    /// Passes a nudge of another process on, as if its row had been committed here.
    pub fn hear(&self, row: FeedRow) {
        // No receiver is fine: only a leader listens.
        let _ = self.core.nudges.send(Arc::new(row));
    }
}

impl Core {
    /// The first parameter of statements that need the time: none means the database's own clock.
    fn clock_ms(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| clock.now().ms())
    }

    /// The time by which the floor of the feed trails. This process's own: no other compares with it, and if it is set, sweeps
    /// take what a look misses.
    fn local_now(&self) -> Timestamp {
        self.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }

    /// A panic while the floor was held leaves it whole, so its poison means nothing here.
    fn floor(&self) -> std::sync::MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Begins what reads everything as it is at one instant.
    async fn begin_snapshot(&self) -> Result<Tx<'_>> {
        let transaction = self.writers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        Ok(Tx { transaction, core: self, feed: Vec::new() })
    }

    /// Begins what may take longer than the statements of a verb.
    async fn begin_long(&self) -> Result<Tx<'_>> {
        let mut tx = self.begin().await?;
        sqlx::query(LONG_TIMEOUT).execute(tx.connection()).await?;
        Ok(tx)
    }

    /// Begins what may be lost in a crash, as a whole: its commit does not wait for the disk.
    async fn begin_relaxed(&self) -> Result<Tx<'_>> {
        let transaction = self.writers.begin_with("BEGIN; SET LOCAL synchronous_commit = off").await?;
        Ok(Tx { transaction, core: self, feed: Vec::new() })
    }

    async fn begin(&self) -> Result<Tx<'_>> {
        Ok(Tx { transaction: self.writers.begin().await?, core: self, feed: Vec::new() })
    }
}

/// A transaction that is being written.
struct Tx<'c> {
    transaction: Transaction<'static, Postgres>,
    core: &'c Core,
    /// What the planner will hear, once committed.
    feed: Vec<FeedEvent>,
}

impl Tx<'_> {
    fn sql(&self) -> &Statements {
        &self.core.sql
    }

    fn connection(&mut self) -> &mut sqlx::PgConnection {
        &mut self.transaction
    }

    /// Gives up what was written so far.
    async fn roll_back(self) -> Result<()> {
        Ok(self.transaction.rollback().await?)
    }

    /// Commits, with one feed row for all that happened.
    async fn commit(mut self) -> Result<()> {
        let row = if self.feed.is_empty() {
            None
        } else {
            let events = serde_json::to_string(&self.feed)?;
            let (seq, at_ms) = sqlx::query_as(self.sql().append_feed.clone())
                .bind(events)
                .bind(self.core.clock_ms())
                .fetch_one(&mut *self.transaction)
                .await?;
            Some(FeedRow { seq, at_ms, events: std::mem::take(&mut self.feed) })
        };
        self.transaction.commit().await?;
        if let Some(row) = row {
            // No receiver is fine: a nudge is only a hint.
            let _ = self.core.nudges.send(Arc::new(row));
        }
        Ok(())
    }
}

#[async_trait]
impl Intake for PostgresLedger {
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        self.inserts.insert(jobs).await
    }

    async fn insert_unless_reused(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        // A transaction of its own: what may have to be undone shares with nobody.
        inserts::insert_unless_reused(&self.core, &jobs).await
    }

    async fn operate(&self, tenant: &TenantId, changes: Vec<Change>) -> Result<Vec<Written>> {
        let changes: Vec<&Change> = changes.iter().collect();
        let mut tx = self.core.begin().await?;
        let written = guarded::apply(&mut tx, Some(tenant), &changes).await?;
        tx.commit().await?;
        Ok(written)
    }

    async fn set_limits(&self, queue: &QueueName, scope: &LimitScope, patch: LimitsPatch) -> Result<Limits> {
        let mut tx = self.core.begin().await?;
        let (queue, tenant) = (queue.as_str(), side::scope_text(scope));
        let none = serde_json::to_string(&Limits::default())?;
        let standing: String =
            sqlx::query_scalar(tx.sql().lock_limits.clone()).bind(queue).bind(tenant).bind(none).fetch_one(tx.connection()).await?;
        let limits = serde_json::from_str::<Limits>(&standing)?.patched(patch);
        let text = serde_json::to_string(&limits)?;
        sqlx::query(tx.sql().set_limits.clone()).bind(queue).bind(tenant).bind(text).execute(tx.connection()).await?;
        tx.feed.push(FeedEvent::Limits);
        tx.commit().await?;
        Ok(limits)
    }
}

/// Whether the same write may be tried again: the database was away, or two writers met in a deadlock.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_))
}
