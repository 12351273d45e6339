//! What an operator should know of a PostgreSQL server before a ledger is trusted to it. Reads only, and migrates nothing.

use std::str::FromStr;

use sqlx::{ConnectOptions, Row, postgres::PgConnectOptions};

use super::{READERS_MAX, Result, Statements, WRITERS_MAX};
use crate::{clock::Timestamp, ledger::schema::Schema, search};

/// The oldest server that the statements are written for, as PostgreSQL numbers its versions.
pub const VERSION_MIN: i32 = 140_000;
/// Connections that one process of a cluster uses at the most.
pub const CONNECTIONS_PER_PROCESS: i64 = (WRITERS_MAX + READERS_MAX + search::postgres::CONNECTIONS_MAX) as i64;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Checkup {
    /// Its version, in words.
    pub version: String,
    /// Its version as a number that compares.
    pub version_number: i32,
    /// Whether it waits for the disk at all.
    pub fsync: bool,
    /// Whether a commit waits for it: `off` does not.
    pub synchronous_commit: String,
    /// How many connections it takes.
    pub connections_max: i64,
    /// How many there are.
    pub connections_used: i64,
    /// Where the ledger's schema stands.
    pub schema: Schema,
    /// Its clock.
    pub now: Timestamp,
}

impl Checkup {
    /// Of the server behind this URL.
    pub async fn of(url: &str) -> Result<Self> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        let schema = Schema::of_postgres(&mut connection).await?;
        let settings = sqlx::query(
            "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS version_number, \
             current_setting('fsync')::boolean AS fsync, current_setting('synchronous_commit') AS synchronous_commit, \
             current_setting('max_connections')::bigint AS connections_max, \
             (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections_used",
        )
        .fetch_one(&mut connection)
        .await?;
        // The last, so that the caller may compare it with a clock read just after.
        let now_ms = sqlx::query_scalar(Statements::default().clock).bind(None::<i64>).fetch_one(&mut connection).await?;
        Ok(Self {
            version: settings.try_get("version")?,
            version_number: settings.try_get("version_number")?,
            fsync: settings.try_get("fsync")?,
            synchronous_commit: settings.try_get("synchronous_commit")?,
            connections_max: settings.try_get("connections_max")?,
            connections_used: settings.try_get("connections_used")?,
            schema,
            now: Timestamp::from_ms(now_ms),
        })
    }
}
