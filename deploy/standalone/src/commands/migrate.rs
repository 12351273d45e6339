//! `windrow migrate`: brings the schemas of the ledger and of its indexes up to date, or says whether they are; or moves a standalone ledger
//! into PostgreSQL.

use std::path::{Path, PathBuf};

use serde_json::json;
use windrow_jobs::{
    ledger::{
        postgres::PostgresLedger,
        schema::Schema,
        sqlite::SqliteLedger,
        transfer::{self, Transferred},
    },
    search::{
        postgres::{PostgresSearch, checkup::Checkup},
        sqlite::{FILE, SqliteSearch},
    },
    settings::Settings,
};

use crate::{cli::Format, failure::Failure, output, serve};

/// What to do.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Change nothing; fail if the schema is older than this release
    #[arg(long)]
    check: bool,
    /// Move the ledger of a stopped standalone server, sqlite:///path/to/windrow.db, into the empty database of
    /// WINDROW_DATABASE_URL
    #[arg(long, value_name = "URL", conflicts_with = "check")]
    from: Option<String>,
}

/// Migrates the database of the settings, or looks whether that is needed.
pub async fn run(args: &Args, settings: &Settings, format: Format) -> Result<(), Failure> {
    if let Some(from) = &args.from {
        return take_over(from, settings, format).await;
    }
    let Found { ledger, search } = if args.check { look(settings).await? } else { migrate(settings).await? };
    let reached = |schema: Schema| if args.check { schema.applied } else { schema.applied.max(schema.latest) };
    let told = |schema: Schema| {
        let Schema { applied, latest } = schema;
        json!({ "from": applied, "to": reached(schema), "latest": latest, "up_to_date": reached(schema) >= latest })
    };
    let mut body = told(ledger);
    body["search"] = search.map(told).unwrap_or_default();
    output::answer(format, &body.to_string(), || {
        let of_indexes = search.filter(|schema| !schema.is_up_to_date());
        let of_indexes = of_indexes.map(|schema| sentence("the schema of indexes", schema, reached(schema)));
        [sentence("the schema", ledger, reached(ledger))].into_iter().chain(of_indexes).collect()
    });
    if [Some(ledger), search].into_iter().flatten().any(|schema| reached(schema) < schema.latest) {
        return Err(Failure::Job("the schema is older than this release: run `windrow migrate`".into()));
    }
    Ok(())
}

/// Where schemas stood when they were looked at.
struct Found {
    ledger: Schema,
    /// That of indexes; none where there are none, and none can be.
    search: Option<Schema>,
}

fn sentence(which: &str, Schema { applied, latest }: Schema, to: i64) -> String {
    match to {
        to if to > applied => format!("{which} was at {applied} and is at {to}"),
        to if to < latest => format!("{which} is at {applied}; this release needs {latest}"),
        to => format!("{which} is at {to}, up to date"),
    }
}

async fn look(settings: &Settings) -> Result<Found, Failure> {
    let ledger = match settings.postgres_url() {
        Ok(url) => PostgresLedger::schema(url).await,
        Err(_) => SqliteLedger::schema(&settings.sqlite_file()?).await,
    };
    let ledger = ledger.map_err(|error| failed("asking the ledger for its schema", error))?;
    Ok(Found { ledger, search: of_indexes(settings).await? })
}

/// Where the schema of indexes stands; none where there is no file yet, or PostgreSQL cannot keep any.
async fn of_indexes(settings: &Settings) -> Result<Option<Schema>, Failure> {
    let found = match settings.postgres_url() {
        Ok(url) => {
            let is_usable = |checkup: &Checkup| settings.search.qdrant_url.is_some() || checkup.vectors.is_usable();
            Checkup::of(url).await.map(|checkup| is_usable(&checkup).then_some(checkup.schema))
        }
        Err(_) => {
            let file = settings.data_dir.join(FILE);
            if !file.exists() {
                return Ok(None);
            }
            SqliteSearch::schema(&file).await.map(Some)
        }
    };
    found.map_err(|error| failed("asking the store of indexes for its schema", error))
}

async fn migrate(settings: &Settings) -> Result<Found, Failure> {
    let of_ledger = |error| failed("migrating the ledger", error);
    let of_search = |error| failed("migrating the store of indexes", error);
    if let Ok(url) = settings.postgres_url() {
        let ledger = PostgresLedger::migrate(url).await.map_err(of_ledger)?;
        let search = of_indexes(settings).await?;
        if search.is_some() {
            let migrated = match settings.search.qdrant_url {
                Some(_) => PostgresSearch::migrate_without_vectors(url).await,
                None => PostgresSearch::migrate(url).await,
            };
            migrated.map_err(of_search)?;
        }
        return Ok(Found { ledger, search });
    }
    let file = settings.sqlite_file()?;
    // The server has its files to itself, and migrates them when it starts.
    let _lock = serve::take_folder(&settings.data_dir)?;
    let ledger = SqliteLedger::migrate(&file).await.map_err(of_ledger)?;
    let search = of_indexes(settings).await?;
    if search.is_some() {
        SqliteSearch::migrate(&settings.data_dir.join(FILE)).await.map_err(of_search)?;
    }
    Ok(Found { ledger, search })
}

fn failed(what: &'static str, error: windrow_jobs::ledger::Error) -> Failure {
    anyhow::Error::new(error).context(what).into()
}

/// Moves a standalone ledger into the database of the settings.
async fn take_over(from: &str, settings: &Settings, format: Format) -> Result<(), Failure> {
    let file = from.strip_prefix("sqlite://").map(PathBuf::from);
    let file = file.ok_or_else(|| Failure::Usage(format!("--from {from}: a standalone ledger is like sqlite:///path/to/windrow.db")))?;
    let url = settings.postgres_url()?;
    let folder = file.parent().filter(|folder| folder.is_dir());
    let folder = folder.ok_or_else(|| Failure::Usage(format!("--from {from}: there is no such folder")))?;
    let _locks = take_folders(folder, settings)?;
    let moved = transfer::into_postgres(&file, url).await.map_err(|error| failed("moving the ledger", error))?;
    let kept = put_aside(&file)?;
    let Transferred { ended, rows, balances } = &moved;
    let tables: serde_json::Map<_, _> = rows.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
    let body = json!({ "ended": ended, "rows": tables, "tenants": balances, "balanced": true, "kept": kept });
    output::answer(format, &body.to_string(), || {
        let count = |table: &str| rows.iter().find(|(name, _)| *name == table).map_or(0, |(_, rows)| *rows);
        vec![
            format!("moved {} jobs of {} tenants; the accounts balance on both sides", count("jobs"), balances.len()),
            format!("{ended} attempts were running when the old server ended, and are tried again"),
            format!("the old ledger is kept as {}, where no server starts on it", kept.display()),
            "files of jobs stay where they are: let WINDROW_OBJECTS_URL of the cluster name that place".into(),
            "indexes stay behind: bring their documents anew (embedding.ingest)".into(),
        ]
    });
    Ok(())
}

/// Makes sure that no server has the ledger: one locks its data folder, which need not be the folder of the file.
fn take_folders(folder: &Path, settings: &Settings) -> Result<Vec<std::fs::File>, Failure> {
    let mut locks = vec![serve::take_folder(folder)?];
    let same = |one: &Path, other: &Path| one.canonicalize().ok() == other.canonicalize().ok();
    if settings.data_dir.is_dir() && !same(folder, &settings.data_dir) {
        locks.push(serve::take_folder(&settings.data_dir)?);
    }
    Ok(locks)
}

/// Renames what was moved: a server that started on it would run the same jobs a second time.
fn put_aside(file: &Path) -> Result<PathBuf, Failure> {
    let mut kept = file.as_os_str().to_owned();
    kept.push(".moved");
    let kept = PathBuf::from(kept);
    let renamed = std::fs::rename(file, &kept);
    renamed.map_err(|error| anyhow::Error::new(error).context(format!("the ledger is moved; renaming {}", file.display())))?;
    Ok(kept)
}
