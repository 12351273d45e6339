//! Moves a standalone ledger into PostgreSQL: every table that keeps something, in one transaction, with the accounts compared
//! on both sides before it is committed.
//!
//! What runs is ended first as a restart would end it, so that no lease moves. What only the running process knows does not
//! move: feed, tickets, workers, leaders and depths are made anew by whoever leads next, from the jobs themselves. Which tables move: `transfer/tables.rs`.

mod tables;

use std::{path::Path, str::FromStr, sync::Arc};

use futures::TryStreamExt;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection, postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

use self::tables::{TABLES, Table};
use super::{
    Balance, Error, Inspect, Result, Upkeep,
    postgres::{PostgresLedger, add_past, balances_on},
    sqlite::SqliteLedger,
};
use crate::clock::{Clock, SystemClock};

/// Rows that go in one statement.
const ROWS_MAX: usize = 500;
/// The bytes that a statement is begun with at the most: payloads and results have up to a mebibyte each.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// Attempts that were running when the old process ended.
    pub ended: u64,
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
    /// The accounts, the same on both sides.
    pub balances: Vec<Balance>,
}

/// Moves the ledger of this file into this database, which must hold none. Nobody else may have the file. An error leaves the
/// database as empty as it was.
pub async fn into_postgres(file: &Path, url: &str) -> Result<Transferred> {
    let (ended, balances) = close_accounts(file).await?;
    // Migrates, and makes the ranges that today's jobs belong to.
    PostgresLedger::open(url).await?;
    let mut from = SqliteConnectOptions::new().filename(file).connect().await?;
    let mut to = PgConnectOptions::from_str(url)?.connect().await?;
    let mut tx = to.begin().await?;
    for table in TABLES.iter().map(|table| table.name).chain(LIVE) {
        refuse_filled(&mut tx, table).await?;
    }
    refuse_led(&mut tx).await?;
    // Apart from the default partition, which every new day's range looks through.
    add_past(&mut tx, SystemClock.now().ms()).await?;
    let mut rows = Vec::new();
    for table in &TABLES {
        rows.push((table.name, table.copy(&mut from, &mut tx).await?));
    }
    // Each database has an order of its own for text.
    let by_tenant = |one: &Balance, other: &Balance| one.tenant.cmp(&other.tenant);
    let (mut moved, mut balances) = (balances_on(&mut tx).await?, balances);
    moved.sort_by(by_tenant);
    balances.sort_by(by_tenant);
    if moved != balances {
        return Err(Error::Corrupt(format!("the accounts differ: {balances:?} became {moved:?}; nothing was moved")));
    }
    // Before the commit: afterwards nothing may fail, or both ledgers could be started.
    fold_log(&mut from).await?;
    tx.commit().await?;
    from.close().await?;
    Ok(Transferred { ended, rows, balances })
}

/// Ends what runs, as a restart does, and reads the accounts, which must balance.
async fn close_accounts(file: &Path) -> Result<(u64, Vec<Balance>)> {
    if !file.exists() {
        return Err(Error::Refused(format!("there is no ledger at {}", file.display())));
    }
    let ledger = SqliteLedger::open(file, Arc::new(SystemClock)).await?;
    let ended = ledger.reap(usize::MAX, true).await?;
    let balances = ledger.balances().await?;
    match balances.iter().find(|balance| !balance.holds()) {
        None => Ok((ended, balances)),
        Some(balance) => Err(Error::Refused(format!("the accounts of tenant {} do not balance: {balance:?}", balance.tenant))),
    }
}

/// Brings all that was written into the file itself, so that it is whole under any name.
async fn fold_log(from: &mut SqliteConnection) -> Result<()> {
    let (busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(from).await?;
    if busy == 0 { Ok(()) } else { Err(Error::Unavailable("somebody still has the old file open; nothing was moved".into())) }
}

/// Tables that are not moved, and whose rows mean that the database is somebody's.
const LIVE: [&str; 4] = ["feed", "tickets", "leases", "workers"];

async fn refuse_filled(to: &mut PgConnection, table: &str) -> Result<()> {
    let filled: bool = sqlx::query_scalar(AssertSqlSafe(format!("SELECT EXISTS (SELECT FROM {table})"))).fetch_one(to).await?;
    if filled {
        return Err(Error::Refused(format!("the database holds a ledger already: table {table} has rows; name an empty database")));
    }
    Ok(())
}

/// A planner that leads already would not hear of the jobs that come.
async fn refuse_led(to: &mut PgConnection) -> Result<()> {
    let led = "SELECT EXISTS (SELECT FROM leaders WHERE expires_at_ms > extract(epoch FROM clock_timestamp()) * 1000)";
    if sqlx::query_scalar(led).fetch_one(to).await? {
        return Err(Error::Refused("a scheduler runs over the database: stop it until the ledger is moved".into()));
    }
    Ok(())
}

impl Table {
    /// Copies every row. Returns how many.
    async fn copy(&self, from: &mut SqliteConnection, to: &mut PgConnection) -> Result<u64> {
        let (select, insert) = (self.select(), self.insert());
        let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(select)).fetch(from);
        let (mut batch, mut bytes, mut copied) = (Vec::new(), 0, 0);
        while let Some(row) = rows.try_next().await? {
            bytes += row.len();
            batch.push(row);
            if batch.len() >= ROWS_MAX || bytes >= BYTES_MAX {
                copied += write(to, &insert, &std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        copied += write(to, &insert, &batch).await?;
        Ok(copied)
    }

    /// Reads each row as a JSON object, bytes in hexadecimal. Names are our own.
    fn select(&self) -> String {
        let column = |(name, kind): &(&str, &str)| match *kind {
            "uuid" | "bytea" => format!("'{name}', CASE WHEN {name} IS NULL THEN NULL ELSE hex({name}) END"),
            _ => format!("'{name}', {name}"),
        };
        let order = if self.name == "logs" { " ORDER BY id" } else { "" };
        format!("SELECT json_object({}) FROM {}{order}", self.columns.iter().map(column).collect::<Vec<_>>().join(", "), self.name)
    }

    /// Writes an array of such objects.
    fn insert(&self) -> String {
        let names = self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let value = |(name, kind): &(&str, &str)| if *kind == "bytea" { format!("decode({name}, 'hex')") } else { (*name).to_owned() };
        let typed = |(name, kind): &(&str, &str)| format!("{name} {}", if *kind == "bytea" { "text" } else { kind });
        let values = self.columns.iter().map(value).collect::<Vec<_>>().join(", ");
        let types = self.columns.iter().map(typed).collect::<Vec<_>>().join(", ");
        format!("INSERT INTO {} ({names}) SELECT {values} FROM json_to_recordset($1::json) AS given ({types})", self.name)
    }
}

async fn write(to: &mut PgConnection, insert: &str, rows: &[String]) -> Result<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let array = format!("[{}]", rows.join(","));
    let written = sqlx::query(AssertSqlSafe(insert.to_owned())).bind(array).execute(to).await?.rows_affected();
    if written == rows.len() as u64 { Ok(written) } else { Err(Error::Corrupt(format!("{written} of {} rows were written", rows.len()))) }
}
