//! The schema's version, in the database and in this release.
//!
//! Versions are the numbers of `migrations/`, the same for both databases. A schema that is newer than this release is
//! fine: migrations only add.

use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection, migrate::Migrator};

use super::{Error, Result};

pub(super) static POSTGRES: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("../migrations/postgres") };
pub(super) static SQLITE: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("../migrations/sqlite") };

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The last migration that was applied; 0 where there is no ledger yet.
    pub applied: i64,
    /// The last that this release has.
    pub latest: i64,
}

impl Schema {
    /// Whether this release can work on it.
    pub const fn is_up_to_date(self) -> bool {
        self.applied >= self.latest
    }

    /// Where a PostgreSQL database stands.
    pub async fn of_postgres(connection: &mut PgConnection) -> Result<Self> {
        Self::of_postgres_by(connection, "_sqlx_migrations", &POSTGRES).await
    }

    /// Where what these migrations make stands, by the table that tells which were applied.
    pub(crate) async fn of_postgres_by(connection: &mut PgConnection, table: &'static str, migrations: &Migrator) -> Result<Self> {
        let exists = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(&mut *connection).await?;
        let applied = AssertSqlSafe(format!("SELECT coalesce(max(version), 0) FROM {table} WHERE success"));
        let applied = if exists { sqlx::query_scalar(applied).fetch_one(connection).await? } else { 0 };
        Ok(Self { applied, latest: latest(migrations) })
    }

    /// Where a SQLite file stands.
    pub async fn of_sqlite(connection: &mut SqliteConnection) -> Result<Self> {
        Self::of_sqlite_by(connection, &SQLITE).await
    }

    /// Where what these migrations make stands, in a file of its own.
    pub(crate) async fn of_sqlite_by(connection: &mut SqliteConnection, migrations: &Migrator) -> Result<Self> {
        let exists: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut *connection)
            .await?;
        let applied = if exists { sqlx::query_scalar(APPLIED).fetch_one(connection).await? } else { 0 };
        Ok(Self { applied, latest: latest(migrations) })
    }

    /// An error where this release cannot work on it.
    pub(crate) fn check(self) -> Result<()> {
        if self.is_up_to_date() {
            return Ok(());
        }
        Err(Error::Outdated { applied: self.applied, latest: self.latest })
    }
}

const APPLIED: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";

fn latest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}
