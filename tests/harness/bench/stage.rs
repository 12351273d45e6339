//! Windrow as it is measured: its own processes over a ledger of their own, fresh for each scenario, and a look into their books.
//!
//! A cluster is one api, one scheduler and so many workers; standalone is `windrow serve`. Next: `scenarios.rs`.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{PgPool, SqlitePool, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::time::Instant;
use windrow_jobs::{
    clock::SystemClock,
    ledger::{Ledger, postgres::PostgresLedger, sqlite::SqliteLedger},
};

use super::{
    LedgerKind, Options,
    http::{Submit, Until},
    measured::{BESIDE, Measured},
    servers::Servers,
    statistics::Times,
};
use crate::{
    postgres::free_port,
    server::{Client, Process},
};

/// The platform key of every stage.
const KEY: &str = "wr_bench_stage.0123456789abcdef";
/// How long processes may take to be ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long nothing may be completed while something is due: longer than a leadership or a lease lasts.
const STALL_MAX: Duration = Duration::from_secs(60);

/// The processes of one scenario.
pub(super) struct Stage {
    kind: LedgerKind,
    database: String,
    environment: Vec<(String, String)>,
    url: String,
    client: Client,
    workers_count: usize,
    /// Dropped before their folder is: they still write there.
    servers: Vec<Process>,
    workers: Vec<Process>,
    home: TempDir,
}

impl Stage {
    /// A stage on which nothing runs yet.
    pub(super) async fn prepare(servers: &Servers, options: &Options) -> anyhow::Result<Self> {
        let home = tempfile::Builder::new().prefix("windrow-bench-").tempdir()?;
        let database = servers.database(home.path()).await;
        let listen = format!("127.0.0.1:{}", free_port());
        let slots = format!("default={}", options.slots);
        let data_dir = home.path().join("data").display().to_string();
        let mut environment = vec![
            ("WINDROW_DATABASE_URL", database.clone()),
            ("WINDROW_API_KEY", KEY.to_owned()),
            ("WINDROW_LISTEN", listen.clone()),
            ("WINDROW_QUEUES", slots),
            ("WINDROW_DATA_DIR", data_dir),
        ];
        environment.extend(servers.redis_url().filter(|_| options.redis).map(|url| ("WINDROW_REDIS_URL", url)));
        let url = format!("http://{listen}");
        Ok(Self {
            kind: servers.kind(),
            database,
            environment: environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            client: Client::new(&url, KEY),
            url,
            workers_count: options.workers,
            servers: Vec::new(),
            workers: Vec::new(),
            home,
        })
    }

    /// Starts everything, and waits until it is ready.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        if self.kind == LedgerKind::Postgres {
            self.servers = vec![self.spawn("windrow-api", &[])?, self.spawn("windrow-scheduler", &[])?];
        }
        self.start_working().await
    }

    /// Starts what runs jobs: the workers, or standalone everything.
    pub(super) async fn start_working(&mut self) -> anyhow::Result<()> {
        self.workers = match self.kind {
            LedgerKind::Sqlite => vec![self.spawn("windrow", &["serve", "--output", "json"])?],
            LedgerKind::Postgres => (0..self.workers_count).map(|_| self.spawn("windrow-worker", &[])).collect::<Result<_, _>>()?,
        };
        let give_up = Instant::now() + READY_MAX;
        while self.client.try_get("/readyz").await.is_none_or(|answer| answer.status != 200) {
            self.check_alive();
            ensure!(Instant::now() < give_up, "Windrow does not get ready");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Stops what runs jobs, gracefully.
    pub(super) async fn stop_working(&mut self) {
        self.workers.iter().for_each(Process::terminate);
        for mut worker in self.workers.drain(..) {
            worker.exited().await;
        }
    }

    /// Each in a folder of its own.
    fn spawn(&self, binary: &str, arguments: &[&str]) -> anyhow::Result<Process> {
        let folder = self.home.path().join(format!("{binary}-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&folder)?;
        Ok(Process::spawn(binary, arguments, &self.environment, &folder))
    }

    fn check_alive(&mut self) {
        self.servers.iter_mut().chain(&mut self.workers).for_each(Process::check_alive);
    }

    /// Callers that submit over HTTP, a connection each, so many jobs at a time.
    pub(super) async fn submitters(&self, connections: usize, job: &Value, jobs: u64, until: Until) -> anyhow::Result<Vec<Submit>> {
        let mut submitters = Vec::with_capacity(connections);
        for _ in 0..connections {
            submitters.push(Submit::open(&self.url, KEY, job, jobs, until).await?);
        }
        Ok(submitters)
    }

    /// Callers that submit the jobs of their number in turn, until accepted.
    pub(super) async fn in_turn(&self, connections: usize, jobs: impl Fn(usize) -> Vec<Value>) -> anyhow::Result<Vec<Submit>> {
        self.in_turn_of("default", connections, jobs, Until::Accepted).await
    }

    /// The same for a tenant.
    pub(super) async fn in_turn_of(
        &self,
        tenant: &str,
        connections: usize,
        jobs: impl Fn(usize) -> Vec<Value>,
        until: Until,
    ) -> anyhow::Result<Vec<Submit>> {
        let mut submitters = Vec::with_capacity(connections);
        for caller in 0..connections {
            submitters.push(Submit::open_in_turn(&self.url, KEY, tenant, &jobs(caller), until).await?);
        }
        Ok(submitters)
    }

    /// The ledger as a program opens it that links the library.
    pub(super) async fn library(&self) -> anyhow::Result<Arc<dyn Ledger>> {
        Ok(match self.kind {
            LedgerKind::Postgres => Arc::new(PostgresLedger::open(&self.database).await?),
            LedgerKind::Sqlite => Arc::new(SqliteLedger::open(Path::new(self.file()), Arc::new(SystemClock)).await?),
        })
    }

    fn file(&self) -> &str {
        self.database.trim_start_matches("sqlite://")
    }

    /// Holds the jobs back, or lets them go.
    pub(super) async fn pause(&self, paused: bool) -> anyhow::Result<()> {
        let answer = self.client.send(Method::PATCH, "/v1/queues/default", &[], Some(json!({ "paused": paused }))).await;
        ensure!(answer.status == 200, "pausing the queue: {}", answer.body);
        Ok(())
    }

    /// Waits until so many jobs are completed.
    pub(super) async fn wait_completed(&mut self, books: &Books, jobs: u64) -> anyhow::Result<()> {
        let (mut last, mut moved_at) = (0, Instant::now());
        loop {
            let completed = books.completed().await?;
            if completed >= jobs {
                return Ok(());
            }
            if completed > last {
                (last, moved_at) = (completed, Instant::now());
            }
            self.check_alive();
            if moved_at.elapsed() > STALL_MAX {
                bail!("{completed} of {jobs} jobs are completed, and nothing moves: {}", self.audit().await);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Fails unless the ledger's audit says that exactly so many jobs were accepted, and all of them completed.
    pub(super) async fn check_accounts(&self, measured: &Measured) -> anyhow::Result<()> {
        check_accounts(&self.audit().await, measured.accepted, measured.beside)
    }

    async fn audit(&self) -> Value {
        self.client.read("/v1/audit/ledger").await
    }

    /// The ledger's tables, to be read beside the processes.
    pub(super) async fn books(&self) -> anyhow::Result<Books> {
        Ok(match self.kind {
            LedgerKind::Postgres => Books::Postgres(PgPool::connect(&self.database).await?),
            LedgerKind::Sqlite => {
                let options = SqliteConnectOptions::new().filename(self.file()).read_only(true);
                Books::Sqlite(SqlitePool::connect_with(options).await?)
            }
        })
    }
}

fn check_accounts(audit: &Value, accepted: u64, beside: u64) -> anyhow::Result<()> {
    let of = |tenant: &str, accepted: u64| {
        json!({ "tenant": tenant, "accepted": accepted, "completed": accepted, "dead": 0, "cancelled": 0, "live": 0, "pruned": 0,
        "outcomes": { "completed": accepted, "dead": 0, "cancelled": 0 } })
    };
    let of_beside = (beside > 0).then(|| of(BESIDE, beside));
    let expected: Vec<Value> = of_beside.into_iter().chain([of("default", accepted)]).collect();
    ensure!(
        audit["balanced"] == true && audit["tenants"] == json!(expected),
        "{accepted} jobs were accepted, and {beside} of a second tenant, and the ledger's audit says {audit}"
    );
    Ok(())
}

/// A ledger's tables. Only what was written last is asked for while something is measured.
pub(super) enum Books {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Books {
    /// How many jobs are completed, by the outcomes as they were counted.
    pub(super) async fn completed(&self) -> anyhow::Result<u64> {
        const SUM: &str = "SELECT CAST(coalesce(sum(completed), 0) AS bigint) FROM outcomes";
        let completed: i64 = match self {
            Self::Postgres(pool) => sqlx::query_scalar(SUM).fetch_one(pool).await?,
            Self::Sqlite(pool) => sqlx::query_scalar(SUM).fetch_one(pool).await?,
        };
        Ok(completed.unsigned_abs())
    }

    /// When the first of the jobs started that started at `since_ms` or later, and when the last of them finished.
    pub(super) async fn span_ms(&self, since_ms: i64) -> anyhow::Result<(i64, i64)> {
        const SPAN: &str = "SELECT min(started_at_ms), max(finished_at_ms) FROM jobs WHERE started_at_ms >= $1";
        let span: (Option<i64>, Option<i64>) = match self {
            Self::Postgres(pool) => sqlx::query_as(SPAN).bind(since_ms).fetch_one(pool).await?,
            Self::Sqlite(pool) => sqlx::query_as(SPAN).bind(since_ms).fetch_one(pool).await?,
        };
        Ok((span.0.context("no job has started")?, span.1.context("no job has finished")?))
    }

    /// How much later than their `run_at` the jobs with these tags started, as their handlers told of their last attempts.
    pub(super) async fn late(&self, tags: &str) -> anyhow::Result<Times> {
        const ROWS: &str = "SELECT run_at_ms, result FROM jobs WHERE tags = $1";
        let rows: Vec<(i64, String)> = match self {
            Self::Postgres(pool) => sqlx::query_as(ROWS).bind(tags).fetch_all(pool).await?,
            Self::Sqlite(pool) => sqlx::query_as(ROWS).bind(tags).fetch_all(pool).await?,
        };
        let mut late = Times::default();
        for (run_at_ms, result) in rows {
            late.add_us(started_at_us(&result)? - run_at_ms * 1_000);
        }
        Ok(late)
    }

    /// How much later than their `run_at` those jobs were claimed that were submitted before `since_ms` and due then or later.
    pub(super) async fn late_between(&self, since_ms: i64) -> anyhow::Result<Times> {
        const ROWS: &str = "SELECT started_at_ms - run_at_ms FROM jobs WHERE created_at_ms < $1 AND run_at_ms >= $1";
        let rows: Vec<i64> = match self {
            Self::Postgres(pool) => sqlx::query_scalar(ROWS).bind(since_ms).fetch_all(pool).await?,
            Self::Sqlite(pool) => sqlx::query_scalar(ROWS).bind(since_ms).fetch_all(pool).await?,
        };
        let mut late = Times::default();
        rows.into_iter().for_each(|late_ms| late.add_us(late_ms * 1_000));
        Ok(late)
    }

    /// How much later than this instant the fires of it were decided, and their handlers started.
    pub(super) async fn fires_at(&self, instant_ms: i64) -> anyhow::Result<(Times, Times)> {
        const ROWS: &str = "SELECT fires.late_ms, jobs.result FROM fires JOIN jobs ON jobs.id = fires.job_id WHERE fires.fire_at_ms = $1";
        let rows: Vec<(i64, String)> = match self {
            Self::Postgres(pool) => sqlx::query_as(ROWS).bind(instant_ms).fetch_all(pool).await?,
            Self::Sqlite(pool) => sqlx::query_as(ROWS).bind(instant_ms).fetch_all(pool).await?,
        };
        let (mut decided, mut started) = (Times::default(), Times::default());
        for (late_ms, result) in rows {
            decided.add_us(late_ms * 1_000);
            started.add_us(started_at_us(&result)? - instant_ms * 1_000);
        }
        Ok((decided, started))
    }

    /// Whether there are due times at all.
    pub(super) async fn are_delayed(&self) -> anyhow::Result<bool> {
        const ANY: &str = "SELECT CAST(count(*) AS bigint) FROM (SELECT 1 FROM delayed LIMIT 1) AS any_delayed";
        let any: i64 = match self {
            Self::Postgres(pool) => sqlx::query_scalar(ANY).fetch_one(pool).await?,
            Self::Sqlite(pool) => sqlx::query_scalar(ANY).fetch_one(pool).await?,
        };
        Ok(any > 0)
    }
}

/// When a handler started, as it tells in its result.
fn started_at_us(result: &str) -> anyhow::Result<i64> {
    let result: Value = serde_json::from_str(result)?;
    result["started_at_us"].as_i64().context("a handler does not say when it started")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_that_miss_or_double_a_job_are_refused() {
        let audit = |balanced: bool, accepted: u64, completed: u64, live: u64, outcomes: u64| {
            json!({ "balanced": balanced, "tenants": [{ "tenant": "default", "accepted": accepted, "completed": completed, "dead": 0,
                "cancelled": 0, "live": live, "pruned": 0, "outcomes": { "completed": outcomes, "dead": 0, "cancelled": 0 } }] })
        };
        check_accounts(&audit(true, 7, 7, 0, 7), 7, 0).expect("an honest ledger");
        let lies = [
            ("one that was accepted is not in the ledger", audit(true, 6, 6, 0, 6)),
            ("one that nobody asked for is there", audit(true, 8, 8, 0, 8)),
            ("one is not done", audit(true, 7, 6, 1, 6)),
            ("one outcome was written twice", audit(false, 7, 7, 0, 8)),
            ("the ledger says so itself", audit(false, 7, 7, 0, 7)),
            ("there is no tenant", json!({ "balanced": true, "tenants": [] })),
        ];
        for (lie, audit) in lies {
            assert!(check_accounts(&audit, 7, 0).is_err(), "{lie}");
        }
        assert!(check_accounts(&audit(true, 7, 7, 0, 7), 7, 1).is_err(), "another tenant's job is missing");
    }
}
