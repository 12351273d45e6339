//! Ranges of the job table: added ahead of the ids that will fall into them, dropped when nothing is left in them.
//!
//! Ids begin with their time (UUIDv7), so a range of ids is a stretch of time, and all ranges but the last few only lose
//! rows. Where a range is missing the default partition takes the row: slower to leave, never refused.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::{Core, Result};

/// There is always a range for ids that are made this far ahead: longer than any outage of the scheduler that nobody notices.
const AHEAD_MS: i64 = 3 * 86_400_000;
/// The stretch of one range. Many ranges cost every plan, few keep finished rows long: a week of them is seven.
const RANGE_MS: i64 = 86_400_000;
/// How long a range that is added or dropped may wait for the table: whoever wants the table meanwhile waits behind it, and
/// whoever reads it, as a dump does, may do so for hours. The next walk tries again.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '200ms'";
/// What PostgreSQL says when a lock was not to be had in time (appendix A, `lock_not_available`).
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// And when the default partition holds rows that a new range would have to take (`check_violation`).
const CHECK_VIOLATION: &str = "23514";
/// Makes processes that add ranges wait for each other: any number that nothing else in the database uses.
const ADVISORY_LOCK: i64 = 0x7769_6e64_726f_7701;

impl Core {
    /// Adds ranges until there are enough ahead, or until somebody holds the table.
    pub(super) async fn extend_partitions(&self) -> Result<()> {
        let mut connection = self.readers.acquire().await?;
        let mut tx = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ADVISORY_LOCK).execute(&mut *tx).await?;
        let now_ms: i64 = sqlx::query_scalar(self.sql.clock.clone()).bind(self.clock_ms()).fetch_one(&mut *tx).await?;
        let mut from_ms = first_ms(range_ends(&mut tx).await?.last().copied(), now_ms);
        execute(&mut tx, LOCK_WAIT.to_owned()).await?;
        while from_ms < now_ms + AHEAD_MS {
            let to_ms = from_ms + RANGE_MS;
            let mut savepoint = tx.begin().await?;
            match add(&mut savepoint, from_ms, to_ms).await {
                Ok(()) => savepoint.commit().await?,
                // A process whose clock was ahead made an id of that day, and its job lies in the default partition.
                Err(error) if is(&error, CHECK_VIOLATION) => savepoint.rollback().await?,
                Err(error) if is(&error, LOCK_NOT_AVAILABLE) => {
                    drop(savepoint);
                    tracing::warn!(
                        hours_ahead = (from_ms - now_ms) / 3_600_000,
                        "somebody holds the table of jobs, so no range was added to it"
                    );
                    tx.rollback().await?;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            from_ms = to_ms;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Drops ranges whose time is over and that hold nothing any more, each where the table can be had at once.
    pub(super) async fn drop_empty_partitions(&self, now_ms: i64) -> Result<()> {
        let mut connection = self.readers.acquire().await?;
        // A range ago at least: an insert whose answer was lost is repeated with the ids that it had.
        let over: Vec<i64> = range_ends(&mut connection).await?.into_iter().filter(|end_ms| end_ms + RANGE_MS <= now_ms).collect();
        for end_ms in over {
            let mut tx = connection.begin().await?;
            if !is_empty(&mut tx, end_ms).await? {
                continue;
            }
            match drop_if_empty(&mut tx, end_ms).await {
                Ok(()) => tx.commit().await?,
                Err(error) if is(&error, LOCK_NOT_AVAILABLE) => return Ok(tx.rollback().await?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Where the next range begins: behind the last one, or, when no range was added for so long that rows have gone to the
/// default partition, behind tomorrow, as no range can be added that those rows would belong to.
fn first_ms(covered_ms: Option<i64>, now_ms: i64) -> i64 {
    let today_ms = now_ms - now_ms.rem_euclid(RANGE_MS);
    match covered_ms {
        None => today_ms,
        Some(covered_ms) if covered_ms > now_ms => covered_ms,
        Some(_) => today_ms + 2 * RANGE_MS,
    }
}

/// The ends of all ranges, oldest first.
async fn range_ends(connection: &mut PgConnection) -> Result<Vec<i64>> {
    let ends = "SELECT substring(relname FROM 6)::bigint AS end_ms FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid \
                WHERE inhparent = 'jobs'::regclass AND relname ~ '^jobs_[0-9]+$' ORDER BY end_ms";
    Ok(sqlx::query_scalar(ends).fetch_all(connection).await?)
}

/// One range for all ids that were made before today, for a ledger that comes from elsewhere.
pub(in crate::ledger) async fn add_past(connection: &mut PgConnection, now_ms: i64) -> Result<()> {
    Ok(add(connection, 0, now_ms - now_ms.rem_euclid(RANGE_MS)).await?)
}

async fn add(connection: &mut PgConnection, from_ms: i64, to_ms: i64) -> sqlx::Result<()> {
    let table = table(to_ms);
    let (from, to) = (first_id(from_ms), first_id(to_ms));
    execute(connection, format!("CREATE TABLE {table} PARTITION OF jobs FOR VALUES FROM ('{from}') TO ('{to}') WITH (fillfactor = 50)"))
        .await?;
    execute(connection, format!("CREATE INDEX {table}_lane ON {table} (queue, tenant, priority DESC, id)")).await
}

async fn is_empty(connection: &mut PgConnection, end_ms: i64) -> sqlx::Result<bool> {
    let look = format!("SELECT NOT EXISTS (SELECT FROM {})", table(end_ms));
    sqlx::query_scalar(AssertSqlSafe(look)).fetch_one(connection).await
}

/// Looks again once nobody can write: what came in between stays.
async fn drop_if_empty(connection: &mut PgConnection, end_ms: i64) -> sqlx::Result<()> {
    let table = table(end_ms);
    execute(connection, LOCK_WAIT.to_owned()).await?;
    // The parent first, as every statement takes them in this order.
    execute(connection, "LOCK TABLE ONLY jobs IN ACCESS EXCLUSIVE MODE".to_owned()).await?;
    execute(connection, format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
    if is_empty(connection, end_ms).await? {
        execute(connection, format!("DROP TABLE {table}")).await?;
        tracing::info!(table, "dropped an empty range of jobs");
    }
    Ok(())
}

/// The statement's names and bounds are made of numbers only.
async fn execute(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

fn is(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|given| given == code)
}

fn table(end_ms: i64) -> String {
    format!("jobs_{end_ms}")
}

/// The smallest id that can be made at this time.
fn first_id(epoch_ms: i64) -> Uuid {
    let time = u64::try_from(epoch_ms).unwrap_or(0) << 16;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&time.to_be_bytes()[..6]);
    Uuid::from_bytes(bytes)
}
