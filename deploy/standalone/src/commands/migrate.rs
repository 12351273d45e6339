//! `windrow migrate`: brings the ledger's schema up to date, or says whether it is.

use serde_json::json;
use windrow_jobs::{
    ledger::{postgres::PostgresLedger, schema::Schema, sqlite::SqliteLedger},
    settings::Settings,
};

use crate::{cli::Format, failure::Failure, output, serve};

/// What to do.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Change nothing; fail if the schema is older than this release
    #[arg(long)]
    check: bool,
}

/// Migrates the database of the settings, or looks whether that is needed.
pub async fn run(args: &Args, settings: &Settings, format: Format) -> Result<(), Failure> {
    let before = if args.check { look(settings).await? } else { migrate(settings).await? };
    let to = if args.check { before.applied } else { before.applied.max(before.latest) };
    let body = json!({ "from": before.applied, "to": to, "latest": before.latest, "up_to_date": to >= before.latest });
    output::answer(format, &body.to_string(), || vec![sentence(before, to)]);
    if to < before.latest {
        return Err(Failure::Job("the schema is older than this release: run `windrow migrate`".into()));
    }
    Ok(())
}

fn sentence(Schema { applied, latest }: Schema, to: i64) -> String {
    match to {
        to if to > applied => format!("the schema was at {applied} and is at {to}"),
        to if to < latest => format!("the schema is at {applied}; this release needs {latest}"),
        to => format!("the schema is at {to}, up to date"),
    }
}

async fn look(settings: &Settings) -> Result<Schema, Failure> {
    let schema = match settings.postgres_url() {
        Ok(url) => PostgresLedger::schema(url).await,
        Err(_) => SqliteLedger::schema(&settings.sqlite_file()?).await,
    };
    schema.map_err(|error| failed("asking the ledger for its schema", error))
}

async fn migrate(settings: &Settings) -> Result<Schema, Failure> {
    if let Ok(url) = settings.postgres_url() {
        return PostgresLedger::migrate(url).await.map_err(|error| failed("migrating the ledger", error));
    }
    let file = settings.sqlite_file()?;
    // The server has its file to itself, and migrates it when it starts.
    let _lock = serve::take_folder(&settings.data_dir)?;
    SqliteLedger::migrate(&file).await.map_err(|error| failed("migrating the ledger", error))
}

fn failed(what: &'static str, error: windrow_jobs::ledger::Error) -> Failure {
    anyhow::Error::new(error).context(what).into()
}
