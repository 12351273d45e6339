//! Which master key wraps whose keys, so that an operator knows when an old one may go.

use windrow_jobs::{
    connection::seal::Keyring,
    ledger::{Result, postgres::PostgresLedger, sqlite::SqliteLedger},
    settings::Settings,
};

use super::Finding;
use crate::serve::master_keys;

const CHECK: &str = "tenant_keys";

/// How many tenants' keys each master key wraps. Nothing where the ledger cannot be asked: another check says so.
pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let keyring = match master_keys(settings, false) {
        Ok(keys) => keys.as_ref().map(Keyring::new).unwrap_or_default(),
        // Said by the check of the master key itself.
        Err(_) => return Vec::new(),
    };
    match wrappings(settings).await {
        Some(Ok(wrappings)) => vec![finding(&keyring, &wrappings)],
        _ => Vec::new(),
    }
}

async fn wrappings(settings: &Settings) -> Option<Result<Vec<(String, u64)>>> {
    if let Ok(url) = settings.postgres_url() {
        return Some(PostgresLedger::wrappings_at(url).await);
    }
    let file = settings.sqlite_file().ok().filter(|file| file.exists())?;
    Some(SqliteLedger::wrappings_at(&file).await)
}

fn finding(keyring: &Keyring, wrappings: &[(String, u64)]) -> Finding {
    let total: u64 = wrappings.iter().map(|(_, tenants)| tenants).sum();
    if total == 0 {
        return Finding::ok(CHECK, "no tenant has one yet");
    }
    let first = keyring.first();
    let told = |(master, tenants): &(String, u64)| {
        let what = match () {
            () if first == Some(master) => "the first",
            () if keyring.ids().any(|id| id == master) => "another that is set",
            () => "not set here",
        };
        format!("{tenants} by {master} ({what})")
    };
    let detail = format!("wrapped: {}", wrappings.iter().map(told).collect::<Vec<_>>().join(", "));
    let missing = wrappings.iter().any(|(master, _)| !keyring.ids().any(|id| id == master));
    if missing {
        let advice = "the master key of that id is needed to open these tenants' connections: set it behind the first";
        return Finding::fail(CHECK, detail, advice);
    }
    if wrappings.iter().any(|(master, _)| first != Some(master)) {
        let advice = "a scheduler that has these master keys wraps them by the first within a minute; keep the others set until it has";
        return Finding::warn(CHECK, detail, advice);
    }
    let unused: Vec<&str> = keyring.ids().skip(1).collect();
    match unused.as_slice() {
        [] => Finding::ok(CHECK, detail),
        unused => Finding::ok(CHECK, format!("{detail}; nothing needs {} any more", unused.join(", "))),
    }
}
