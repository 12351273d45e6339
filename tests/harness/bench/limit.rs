//! The ceiling that Windrow is measured against: a bare pipeline of the same durable steps, and nothing else.
//!
//! A job is inserted (callers share commits), its id handed over (a Redis list beside PostgreSQL, a channel beside SQLite),
//! claimed and completed, each step committed with fsync before the next. Without HTTP, contracts, tenants, fairness, limits,
//! leases, retries, feed. Kept within 200 lines, so that anybody can see that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::{path::Path, str::FromStr, sync::Arc, time::SystemTime};

use anyhow::{Context, Result, ensure};
use redis::{AsyncCommands, Direction, aio::ConnectionManager};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode::Wal, SqliteSynchronous::Full};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

/// The most jobs of one statement.
const BATCH_MAX: usize = 500;
/// Tasks that insert, and that claim and complete: more gain nothing on two cores. SQLite has one writer.
const COMMITTERS_AND_CONSUMERS: (usize, usize) = (2, 4);
/// The Redis list of ids, and how long a look into it waits: less than the connection's own time-out.
const LIST: &str = "limit";
const LOOK_S: f64 = 1.0;

/// Each statement for PostgreSQL, then for SQLite. State is in no index, so that every update is a heap-only one.
const CREATE: [&str; 2] = [
    "CREATE TABLE limit_jobs (id uuid PRIMARY KEY, state smallint NOT NULL, attempt integer NOT NULL DEFAULT 0,
        started_at timestamptz, finished_at timestamptz, payload text NOT NULL, result text) WITH (fillfactor = 50)",
    "CREATE TABLE limit_jobs (id BLOB PRIMARY KEY, state INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
        started_at INTEGER, finished_at INTEGER, payload TEXT NOT NULL, result TEXT) STRICT",
];
const INSERT: [&str; 2] = [
    "INSERT INTO limit_jobs (id, state, payload) SELECT id, 1, text FROM unnest($1::uuid[], $2::text[]) AS new (id, text)",
    "INSERT INTO limit_jobs (id, state, payload) SELECT unhex(value ->> 0), 1, value ->> 1 FROM json_each(?1)",
];
const CLAIM: [&str; 2] = [
    "UPDATE limit_jobs SET state = 2, attempt = attempt + 1, started_at = clock_timestamp()
        WHERE id = ANY ($1) AND state IS NOT DISTINCT FROM 1 AND $2::text[] IS NOT NULL RETURNING id, payload",
    "UPDATE limit_jobs SET state = 2, attempt = attempt + 1, started_at = unixepoch()
        WHERE id IN (SELECT unhex(value ->> 0) FROM json_each(?1)) AND state = 1 RETURNING id, payload",
];
const COMPLETE: [&str; 2] = [
    "UPDATE limit_jobs SET state = 5, finished_at = clock_timestamp(), result = text FROM unnest($1::uuid[], $2::text[]) AS done (id, text)
        WHERE limit_jobs.id = done.id AND state IS NOT DISTINCT FROM 2 RETURNING done.id, ''",
    "UPDATE limit_jobs SET state = 5, finished_at = unixepoch(), result = value ->> 1 FROM json_each(?1)
        WHERE limit_jobs.id = unhex(value ->> 0) AND state = 2 RETURNING id, ''",
];

/// A pipeline. Cheap to clone.
#[derive(Clone)]
pub struct Limit {
    shared: Arc<Shared>,
    asks: mpsc::UnboundedSender<(usize, oneshot::Sender<()>)>,
    /// How many jobs were completed.
    pub completed: Arc<AtomicU64>,
}

struct Shared {
    store: Store,
    redis: Option<redis::Client>,
    payload: String,
    hand_over: bool,
    /// Inserts that wait: so many jobs, and whom to tell.
    asks: Mutex<mpsc::UnboundedReceiver<(usize, oneshot::Sender<()>)>>,
    /// How ids get to the claiming side where there is no Redis.
    channel: (mpsc::UnboundedSender<Uuid>, Mutex<mpsc::UnboundedReceiver<Uuid>>),
}

impl Limit {
    /// Over PostgreSQL and Redis. `payload` is that of every job; unless `hand_over`, jobs are inserted and nothing more.
    pub async fn postgres(url: &str, redis: redis::Client, payload: &str, hand_over: bool) -> Result<Self> {
        let plans = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"].map(|plan| (plan, "off"));
        let options = PgConnectOptions::from_str(url)?.options(plans).options([("plan_cache_mode", "force_generic_plan")]);
        let pool = PgPoolOptions::new().max_connections(8).test_before_acquire(false).connect_with(options).await?;
        sqlx::query(CREATE[0]).execute(&pool).await?;
        Self::start(Store::Postgres(pool), Some(redis), payload, hand_over).await
    }

    /// Over an SQLite file and a channel.
    pub async fn sqlite(path: &Path, payload: &str, hand_over: bool) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).journal_mode(Wal).synchronous(Full);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::query(CREATE[1]).execute(&mut connection).await?;
        Self::start(Store::Sqlite(Mutex::new(connection)), None, payload, hand_over).await
    }

    async fn start(store: Store, redis: Option<redis::Client>, payload: &str, hand_over: bool) -> Result<Self> {
        let (asks, waiting) = mpsc::unbounded_channel();
        let (sender, receiver) = mpsc::unbounded_channel();
        let (channel, waiting) = ((sender, Mutex::new(receiver)), Mutex::new(waiting));
        let shared = Arc::new(Shared { store, redis, payload: payload.to_owned(), hand_over, asks: waiting, channel });
        let limit = Self { shared, asks, completed: Arc::default() };
        for _ in 0..if limit.shared.redis.is_some() { COMMITTERS_AND_CONSUMERS.0 } else { 1 } {
            tokio::spawn(limit.hand().await?.insert_all());
        }
        Ok(limit)
    }

    /// Inserts so many jobs, which are committed when it returns.
    pub async fn insert(&self, jobs: usize) -> Result<()> {
        let (reply, committed) = oneshot::channel();
        self.asks.send((jobs, reply)).ok().context("the committers have ended")?;
        committed.await.context("a commit has failed")
    }

    /// Claims and completes whatever is handed over, until the tasks are dropped.
    pub async fn work(&self) -> Result<JoinSet<Result<()>>> {
        let mut working = JoinSet::new();
        for _ in 0..if self.shared.redis.is_some() { COMMITTERS_AND_CONSUMERS.1 } else { 1 } {
            let mut hand = self.hand().await?;
            working.spawn(async move {
                loop {
                    hand.step(BATCH_MAX).await?;
                }
            });
        }
        Ok(working)
    }

    /// One that claims and completes a batch at a time.
    pub async fn hand(&self) -> Result<Hand> {
        let redis = if let Some(client) = &self.shared.redis { Some(windrow_jobs::redis::connect(client).await?) } else { None };
        Ok(Hand { shared: self.shared.clone(), redis, completed: self.completed.clone() })
    }
}

/// One task of a pipeline, with its own connection to Redis.
pub struct Hand {
    shared: Arc<Shared>,
    redis: Option<ConnectionManager>,
    completed: Arc<AtomicU64>,
}

impl Hand {
    /// Inserts what queued up while the last commit ran.
    async fn insert_all(mut self) -> Result<()> {
        loop {
            let mut waiting = self.shared.asks.lock().await;
            let Some(first) = waiting.recv().await else { return Ok(()) };
            let more = std::iter::from_fn(|| waiting.try_recv().ok()).take(BATCH_MAX / first.0);
            let batch: Vec<_> = [first].into_iter().chain(more).collect();
            drop(waiting);
            let new: Vec<_> =
                (0..batch.iter().map(|(jobs, _)| jobs).sum::<usize>()).map(|_| (Uuid::now_v7(), self.shared.payload.clone())).collect();
            self.shared.store.run(INSERT, &new).await?;
            match &mut self.redis {
                _ if !self.shared.hand_over => {}
                Some(redis) => redis.rpush(LIST, new.iter().map(|(id, _)| id.as_bytes()).collect::<Vec<_>>()).await?,
                None => new.iter().try_for_each(|(id, _)| self.shared.channel.0.send(*id))?,
            }
            batch.into_iter().for_each(|(_, reply)| reply.send(()).unwrap_or_default());
        }
    }

    /// Claims and completes at most so many jobs; their work is to give the payload back. Returns when that could start.
    pub async fn step(&mut self, most: usize) -> Result<SystemTime> {
        let ids = self.take(most).await?;
        let claimed = self.shared.store.run(CLAIM, &ids).await?;
        let started = SystemTime::now();
        let completed = self.shared.store.run(COMPLETE, &claimed).await?;
        self.completed.fetch_add(completed.len() as u64, Ordering::Relaxed);
        Ok(started)
    }

    async fn take(&mut self, most: usize) -> Result<Vec<(Uuid, String)>> {
        let mut ids = Vec::new();
        while ids.is_empty() {
            if let Some(redis) = &mut self.redis {
                let found: Option<(String, Vec<Vec<u8>>)> = redis.blmpop(LOOK_S, 1, LIST, Direction::Left, most).await?;
                ids = found.into_iter().flat_map(|(_, ids)| ids).map(|id| Uuid::from_slice(&id)).collect::<Result<_, _>>()?;
            } else {
                ensure!(self.shared.channel.1.lock().await.recv_many(&mut ids, most).await > 0, "the channel is closed");
            }
        }
        Ok(ids.into_iter().map(|id| (id, String::new())).collect())
    }
}

enum Store {
    Postgres(PgPool),
    Sqlite(Mutex<SqliteConnection>),
}

impl Store {
    /// Runs a statement for all these jobs at once, in a commit of its own.
    async fn run(&self, statement: [&'static str; 2], jobs: &[(Uuid, String)]) -> Result<Vec<(Uuid, String)>> {
        Ok(match self {
            Self::Postgres(pool) => {
                let (ids, texts): (Vec<Uuid>, Vec<&str>) = jobs.iter().map(|(id, text)| (*id, text.as_str())).unzip();
                sqlx::query_as(statement[0]).bind(ids).bind(texts).fetch_all(pool).await?
            }
            Self::Sqlite(connection) => {
                let jobs = serde_json::to_string(&jobs.iter().map(|(id, text)| (id.simple().to_string(), text)).collect::<Vec<_>>())?;
                sqlx::query_as(statement[1]).bind(jobs).fetch_all(&mut *connection.lock().await).await?
            }
        })
    }
}
