//! `windrow kinds`: what can be submitted, and what payload it takes.

use serde_json::Value;

use crate::{
    cli::Format,
    client::{Client, path_segment},
    failure::Failure,
    output::{self, text},
};

/// All kinds, or one of them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this kind's whole contract, its payload's JSON Schema included
    kind: Option<String>,
}

/// Shows the kinds.
pub async fn run(args: &Args, client: &Client, format: Format) -> Result<(), Failure> {
    match &args.kind {
        Some(kind) => one(kind, client, format).await,
        None => all(client, format).await,
    }
}

async fn all(client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get("/v1/kinds", &[]).await?;
    output::answer(format, &reply.body, || {
        let rows: Vec<_> = reply.json()["kinds"].as_array().into_iter().flatten().map(row).collect();
        output::table(&["KIND", "VERSION", "QUEUE", "MAX ATTEMPTS", "TIME-OUT (S)"], &rows)
    });
    Ok(())
}

fn row(contract: &Value) -> Vec<String> {
    let policy = &contract["policy"];
    let timeout_s = policy["timeout_ms"].as_f64().map(|timeout_ms| (timeout_ms / 1_000.0).to_string());
    vec![
        text(&contract["kind"]),
        text(&contract["version"]),
        text(&contract["queue"]),
        text(&policy["max_attempts"]),
        timeout_s.unwrap_or_default(),
    ]
}

async fn one(kind: &str, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get(&format!("/v1/kinds/{}", path_segment(kind)), &[]).await?;
    // A schema is read as JSON by people too, but not on one line.
    let lines = || serde_json::to_string_pretty(&reply.json()).map(|text| text.lines().map(ToOwned::to_owned).collect());
    output::answer(format, &reply.body, || lines().unwrap_or_default());
    Ok(())
}
