//! Opening the ledger that the cluster's binaries share.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{self, postgres::PostgresLedger},
    settings::{self, Migrate, Settings},
};

/// How long a start waits for its database: a machine that boots starts both at once.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The pause between two tries.
const WAIT_PAUSE: Duration = Duration::from_millis(500);

/// Opens the PostgreSQL ledger of the settings, waiting for the database for up to 30 s.
///
/// Fails with a [`settings::Error`] where the settings name another kind of ledger.
pub async fn open(settings: &Settings, shutdown: &CancellationToken) -> anyhow::Result<PostgresLedger> {
    let url = settings.postgres_url()?;
    let started = Instant::now();
    loop {
        let opened = match settings.ledger.migrate {
            Migrate::Auto => PostgresLedger::open(url).await,
            Migrate::Check => PostgresLedger::open_checked(url).await,
        };
        match opened {
            Ok(ledger) => return Ok(ledger),
            // Waiting does not migrate it.
            Err(error @ ledger::Error::Outdated { .. }) => return Err(error).context("opening the ledger (ledger.database_url)"),
            Err(error) if started.elapsed() >= WAIT_MAX || shutdown.is_cancelled() => {
                return Err(error).context(format!("opening the ledger (ledger.database_url), after {} s", started.elapsed().as_secs()));
            }
            Err(error) => tracing::warn!(%error, "the ledger does not answer yet"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(WAIT_PAUSE) => {}
        }
    }
}

impl Settings {
    /// The URL of the ledger that several processes share, or the key that asks for something else.
    pub fn postgres_url(&self) -> Result<&str, settings::Error> {
        let url = self.ledger.database_url.as_ref().map(|url| url.as_str());
        match url.filter(|url| url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            Some(url) => Ok(url),
            None => {
                let message =
                    "processes that share a ledger need a postgres:// URL; SQLite is for `windrow serve`, which is all of them in one";
                Err(settings::Error::at("ledger.database_url", message))
            }
        }
    }
}
