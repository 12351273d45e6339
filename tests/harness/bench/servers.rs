//! The servers of a run: PostgreSQL and Redis started for it, or nothing but a folder for SQLite's files.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::{LedgerKind, limit::Limit};
use crate::{postgres::Postgres, redis::Redis};

/// As durable as PostgreSQL is by itself: a commit is on disk. Memory and log are those of a small production machine,
/// so that the figures are not those of checkpoints.
const POSTGRES_SETTINGS: [&str; 5] = ["fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=1GB", "max_wal_size=4GB"];
/// What is said of it.
const POSTGRES_SHOWN: [&str; 6] = ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"];

/// Started servers; they end with the run.
pub(super) enum Servers {
    /// For `--ledger sqlite`.
    Sqlite(TempDir),
    /// For `--ledger postgres`.
    Postgres(Box<Postgres>, Box<Redis>, TempDir),
}

impl Servers {
    pub(super) async fn start(kind: LedgerKind) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("windrow-bench-").tempdir()?;
        Ok(match kind {
            LedgerKind::Sqlite => Self::Sqlite(folder),
            LedgerKind::Postgres => {
                Self::Postgres(Postgres::own_with(&POSTGRES_SETTINGS).await.into(), Redis::start().await.into(), folder)
            }
        })
    }

    pub(super) fn kind(&self) -> LedgerKind {
        match self {
            Self::Sqlite(_) => LedgerKind::Sqlite,
            Self::Postgres(..) => LedgerKind::Postgres,
        }
    }

    /// A folder on the disk that the data lies on.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(folder) | Self::Postgres(_, _, folder) => folder.path(),
        }
    }

    /// An empty database; for SQLite its file, in `home`.
    pub(super) async fn database(&self, home: &Path) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite://{}", home.join("windrow.db").display()),
            Self::Postgres(postgres, ..) => postgres.database().await,
        }
    }

    pub(super) fn redis_url(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_, redis, _) => Some(redis.url()),
        }
    }

    /// A bare pipeline over an empty database of the same server, or an empty file on the same disk; only its inserting
    /// side unless `hand_over`.
    pub(super) async fn limit(&self, payload: &str, hand_over: bool) -> anyhow::Result<Limit> {
        match self {
            Self::Sqlite(folder) => {
                let name = format!("limit-{}.db", uuid::Uuid::now_v7().simple());
                Limit::sqlite(&folder.path().join(name), payload, hand_over).await
            }
            Self::Postgres(postgres, redis, _) => {
                redis.flush().await;
                Limit::postgres(&postgres.database().await, redis.client(), payload, hand_over).await
            }
        }
    }

    /// Versions, and the settings that matter.
    pub(super) async fn environment(&self) -> anyhow::Result<Value> {
        let Self::Postgres(postgres, redis, _) = self else {
            let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
            let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await?;
            return Ok(json!({ "sqlite": { "version": version, "journal_mode": "WAL", "synchronous": "FULL" } }));
        };
        let mut connection = PgConnection::connect(&postgres.database().await).await?;
        let mut settings = serde_json::Map::new();
        for name in POSTGRES_SHOWN {
            let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut connection).await?;
            settings.insert(name.to_owned(), value.into());
        }
        let info: redis::InfoDict = redis::cmd("INFO").arg("server").query_async(&mut redis.connection().await).await?;
        let redis = json!({ "version": info.get::<String>("redis_version"), "save": "", "appendonly": "no" });
        Ok(json!({ "postgres": settings, "redis": redis }))
    }
}
