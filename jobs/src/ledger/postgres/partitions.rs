//! Ranges of the job table, added ahead of the ids that will fall into them.
//!
//! Ids begin with their time (UUIDv7), so a range of ids is a stretch of time; a range is only ever added after
//! the last one, so adding it never moves a row.

use sqlx::{AssertSqlSafe, Connection, Row};
use uuid::Uuid;

use super::{Core, Result};

/// There is always a range for ids that are made this far ahead: longer than any outage of the scheduler that nobody notices.
const AHEAD_MS: i64 = 3 * 86_400_000;
/// The stretch of one range. Many ranges cost every plan, few keep finished rows long: a week of them is seven.
const RANGE_MS: i64 = 86_400_000;
/// Makes processes that add ranges wait for each other: any number that nothing else in the database uses.
const ADVISORY_LOCK: i64 = 0x7769_6e64_726f_7701;

impl Core {
    /// Adds ranges until there are enough ahead.
    pub(super) async fn extend_partitions(&self) -> Result<()> {
        let mut connection = self.readers.acquire().await?;
        let mut tx = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ADVISORY_LOCK).execute(&mut *tx).await?;
        let now_ms: i64 = sqlx::query_scalar(self.sql.clock.clone()).bind(self.clock_ms()).fetch_one(&mut *tx).await?;
        let covered = "SELECT max(substring(relname FROM 6)::bigint) AS end_ms FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid \
                       WHERE inhparent = 'jobs'::regclass AND relname ~ '^jobs_[0-9]+$'";
        let covered: Option<i64> = sqlx::query(covered).fetch_one(&mut *tx).await?.try_get("end_ms")?;
        let mut from_ms = covered.unwrap_or(now_ms - now_ms.rem_euclid(RANGE_MS));
        while from_ms < now_ms + AHEAD_MS {
            let to_ms = from_ms + RANGE_MS;
            // Names and bounds are made of numbers only.
            let table = format!("jobs_{to_ms}");
            let (from, to) = (first_id(from_ms), first_id(to_ms));
            for statement in [
                format!("CREATE TABLE {table} PARTITION OF jobs FOR VALUES FROM ('{from}') TO ('{to}') WITH (fillfactor = 50)"),
                format!("CREATE INDEX {table}_lane ON {table} (queue, tenant, priority DESC, id)"),
            ] {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
            }
            from_ms = to_ms;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// The smallest id that can be made at this time.
fn first_id(epoch_ms: i64) -> Uuid {
    let time = u64::try_from(epoch_ms).unwrap_or(0) << 16;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&time.to_be_bytes()[..6]);
    Uuid::from_bytes(bytes)
}
