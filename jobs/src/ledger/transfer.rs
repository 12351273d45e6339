//! Moves a standalone ledger into PostgreSQL: every table that keeps something, in one transaction, with the accounts compared
//! on both sides before it is committed.
//!
//! What runs is ended first as a restart would end it, so that no lease moves. What only the running process knows does not
//! move: feed, tickets, workers, leaders and depths are made anew by whoever leads next, from the jobs themselves.

use std::{path::Path, str::FromStr, sync::Arc};

use futures::TryStreamExt;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection, postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

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

/// A table that moves: each column's name, and its type in PostgreSQL.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const TABLES: [Table; 37] = [
    Table {
        name: "jobs",
        columns: &[
            ("id", "uuid"),
            ("tenant", "text"),
            ("queue", "text"),
            ("kind", "text"),
            ("contract_version", "integer"),
            ("state", "smallint"),
            ("priority", "smallint"),
            ("attempt", "integer"),
            ("forgiven", "integer"),
            ("crashes", "integer"),
            ("max_attempts", "integer"),
            ("cancel_requested", "boolean"),
            ("created_at_ms", "bigint"),
            ("run_at_ms", "bigint"),
            ("started_at_ms", "bigint"),
            ("finished_at_ms", "bigint"),
            ("lease_until_ms", "bigint"),
            ("deadline_at_ms", "bigint"),
            ("worker", "text"),
            ("outcome", "text"),
            ("reason", "text"),
            ("error", "text"),
            ("result", "text"),
            ("progress", "text"),
            ("checkpoint", "text"),
            ("payload", "text"),
            ("tags", "text"),
            ("unique_key", "text"),
        ],
    },
    Table {
        name: "attempts",
        columns: &[
            ("job_id", "uuid"),
            ("attempt", "integer"),
            ("worker", "text"),
            ("started_at_ms", "bigint"),
            ("finished_at_ms", "bigint"),
            ("outcome", "text"),
            ("reason", "text"),
            ("error", "text"),
        ],
    },
    // Without its own ids, which nothing names: the order is kept.
    Table { name: "logs", columns: &[("job_id", "uuid"), ("attempt", "integer"), ("lines", "text"), ("dropped", "integer")] },
    Table {
        name: "artifacts",
        columns: &[
            ("job_id", "uuid"),
            ("name", "text"),
            ("attempt", "integer"),
            ("bytes", "bigint"),
            ("sha256", "text"),
            ("media_type", "text"),
            ("object_key", "text"),
        ],
    },
    Table {
        name: "effects",
        columns: &[
            ("job_id", "uuid"),
            ("key", "text"),
            ("tenant", "text"),
            ("version", "integer"),
            ("facts", "text"),
            ("callback", "bytea"),
            ("created_at_ms", "bigint"),
            ("changed_at_ms", "bigint"),
            ("until_at_ms", "bigint"),
        ],
    },
    Table { name: "delayed", columns: &[("bucket", "smallint"), ("due_at_ms", "bigint"), ("id", "uuid")] },
    Table {
        name: "keys",
        columns: &[
            ("tenant", "text"),
            ("scope", "text"),
            ("key", "text"),
            ("job_id", "uuid"),
            ("body_hash", "bytea"),
            ("answer", "text"),
            ("expires_at_ms", "bigint"),
        ],
    },
    Table { name: "contracts", columns: &[("kind", "text"), ("version", "integer"), ("contract", "text")] },
    Table { name: "limits", columns: &[("queue", "text"), ("tenant", "text"), ("limits", "text")] },
    Table {
        name: "schedules",
        columns: &[
            ("id", "uuid"),
            ("tenant", "text"),
            ("name", "text"),
            ("definition", "text"),
            ("paused", "boolean"),
            ("version", "integer"),
            ("created_at_ms", "bigint"),
            ("updated_at_ms", "bigint"),
            ("next_fire_at_ms", "bigint"),
            ("last_fire_at_ms", "bigint"),
            ("jobs_made", "bigint"),
            ("due_at_ms", "bigint"),
        ],
    },
    Table {
        name: "fires",
        columns: &[
            ("schedule_id", "uuid"),
            ("fire_at_ms", "bigint"),
            ("status", "text"),
            ("manual", "boolean"),
            ("reason", "text"),
            ("message", "text"),
            ("job_id", "uuid"),
            ("n", "bigint"),
            ("decided_at_ms", "bigint"),
            ("late_ms", "bigint"),
            ("is_open", "boolean"),
        ],
    },
    // Sealed as they are: whoever goes on needs the same master keys.
    Table {
        name: "connections",
        columns: &[
            ("id", "uuid"),
            ("tenant", "text"),
            ("name", "text"),
            ("provider", "text"),
            ("version", "integer"),
            ("facts", "text"),
            ("sealed_by", "uuid"),
            ("sealed", "bytea"),
            ("created_at_ms", "bigint"),
            ("updated_at_ms", "bigint"),
            ("tested_at_ms", "bigint"),
            ("erred_at_ms", "bigint"),
            ("last_used_at_ms", "bigint"),
        ],
    },
    Table {
        name: "deliveries",
        columns: &[
            ("job_id", "uuid"),
            ("key", "text"),
            ("tenant", "text"),
            ("connection", "uuid"),
            ("provider_id", "text"),
            ("version", "integer"),
            ("facts", "text"),
            ("created_at_ms", "bigint"),
            ("changed_at_ms", "bigint"),
        ],
    },
    Table {
        name: "hooks",
        columns: &[
            ("connection", "uuid"),
            ("tenant", "text"),
            ("salt", "uuid"),
            ("token", "bytea"),
            ("forward_url", "text"),
            ("refused", "bigint"),
            ("refused_at_ms", "bigint"),
            ("created_at_ms", "bigint"),
            ("rotated_at_ms", "bigint"),
        ],
    },
    Table {
        name: "hook_events",
        columns: &[
            ("id", "uuid"),
            ("tenant", "text"),
            ("connection", "uuid"),
            ("digest", "bytea"),
            ("received_at_ms", "bigint"),
            ("facts", "text"),
            ("payload", "bytea"),
        ],
    },
    Table {
        name: "tenant_keys",
        columns: &[
            ("tenant", "text"),
            ("id", "uuid"),
            ("wrapped", "bytea"),
            ("master", "text"),
            ("created_at_ms", "bigint"),
            ("wrapped_at_ms", "bigint"),
        ],
    },
    Table {
        name: "bundles",
        columns: &[
            ("tenant", "text"),
            ("role", "text"),
            ("name", "text"),
            ("version", "text"),
            ("description", "text"),
            ("digest", "text"),
            ("needs", "text"),
            ("manifest", "text"),
            ("object_key", "text"),
            ("bytes", "bigint"),
            ("published_at_ms", "bigint"),
        ],
    },
    Table {
        name: "wordings",
        columns: &[
            ("tenant", "text"),
            ("name", "text"),
            ("locale", "text"),
            ("version", "integer"),
            ("content", "text"),
            ("needs", "text"),
            ("created_at_ms", "bigint"),
        ],
    },
    Table {
        name: "wording_heads",
        columns: &[
            ("tenant", "text"),
            ("name", "text"),
            ("locale", "text"),
            ("version", "integer"),
            ("is_live", "boolean"),
            ("created_at_ms", "bigint"),
            ("updated_at_ms", "bigint"),
        ],
    },
    Table { name: "default_locales", columns: &[("tenant", "text"), ("locale", "text")] },
    Table { name: "approved_syncs", columns: &[("connection", "uuid"), ("tenant", "text"), ("synced_at_ms", "bigint")] },
    Table {
        name: "approved_templates",
        columns: &[
            ("connection", "uuid"),
            ("name", "text"),
            ("language", "text"),
            ("status", "text"),
            ("facts", "text"),
            ("as_of_ms", "bigint"),
        ],
    },
    Table {
        name: "syncs",
        columns: &[
            ("id", "uuid"),
            ("tenant", "text"),
            ("name", "text"),
            ("version", "integer"),
            ("preset", "text"),
            ("definition", "text"),
            ("collection", "text"),
            ("since", "text"),
            ("last_run", "integer"),
            ("created_at_ms", "bigint"),
            ("updated_at_ms", "bigint"),
        ],
    },
    Table { name: "deleted_syncs", columns: &[("id", "uuid")] },
    Table {
        name: "sync_runs",
        columns: &[
            ("sync", "uuid"),
            ("number", "integer"),
            ("tenant", "text"),
            ("version", "integer"),
            ("job_id", "uuid"),
            ("attempt", "integer"),
            ("state", "text"),
            ("is_full", "boolean"),
            ("is_dry", "boolean"),
            ("counts", "text"),
            ("place", "text"),
            ("error", "text"),
            ("started_at_ms", "bigint"),
            ("finished_at_ms", "bigint"),
        ],
    },
    Table {
        name: "sync_items",
        columns: &[
            ("sync", "uuid"),
            ("key", "text"),
            ("hash", "bytea"),
            ("seen", "integer"),
            ("version", "bigint"),
            ("is_deleted", "boolean"),
            ("pending", "bytea"),
            ("remote_id", "text"),
        ],
    },
    Table {
        name: "sync_errors",
        columns: &[
            ("sync", "uuid"),
            ("run", "integer"),
            ("n", "bigint"),
            ("key", "text"),
            ("page", "bigint"),
            ("row_index", "integer"),
            ("code", "text"),
            ("message", "text"),
            ("pointer", "text"),
        ],
    },
    Table {
        name: "sync_conflicts",
        columns: &[
            ("sync", "uuid"),
            ("key", "text"),
            ("source", "text"),
            ("hash", "bytea"),
            ("run", "integer"),
            ("created_at_ms", "bigint"),
        ],
    },
    Table {
        name: "records",
        columns: &[
            ("tenant", "text"),
            ("collection", "text"),
            ("key", "text"),
            ("data", "text"),
            ("hash", "bytea"),
            ("version", "bigint"),
            ("sync", "uuid"),
            ("created_at_ms", "bigint"),
            ("updated_at_ms", "bigint"),
            ("deleted_at_ms", "bigint"),
        ],
    },
    Table { name: "record_floors", columns: &[("tenant", "text"), ("collection", "text"), ("version", "bigint")] },
    Table {
        name: "record_fields",
        columns: &[("tenant", "text"), ("collection", "text"), ("field", "text"), ("state", "text"), ("walked", "text")],
    },
    Table {
        name: "record_values",
        columns: &[("tenant", "text"), ("collection", "text"), ("key", "text"), ("field", "text"), ("value", "text")],
    },
    Table { name: "translation_rooms", columns: &[("tenant", "text"), ("bytes", "bigint")] },
    Table {
        name: "translations",
        columns: &[("tenant", "text"), ("hash", "bytea"), ("facts", "text"), ("bytes", "bigint"), ("used_at_ms", "bigint")],
    },
    Table { name: "intake", columns: &[("tenant", "text"), ("accepted", "bigint")] },
    Table { name: "outcomes", columns: &[("tenant", "text"), ("completed", "bigint"), ("dead", "bigint"), ("cancelled", "bigint")] },
    Table { name: "totals", columns: &[("tenant", "text"), ("completed", "bigint"), ("dead", "bigint"), ("cancelled", "bigint")] },
];

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
