//! The ledgers under test, each empty and on a virtual clock.

use std::{ops::Deref, sync::Arc};

use tempfile::TempDir;
use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    ledger::{
        Ledger,
        model::ModelLedger,
        postgres::{self, PostgresLedger},
        sqlite::{self, SqliteLedger},
    },
};

use crate::postgres::Postgres;

/// When tests begin: 2027-01-15, 08:00 UTC.
pub const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// An empty ledger, and what has to live as long as it does.
pub struct Opened {
    ledger: Box<dyn Ledger>,
    _directory: Option<TempDir>,
}

impl Deref for Opened {
    type Target = dyn Ledger;

    fn deref(&self) -> &Self::Target {
        &*self.ledger
    }
}

/// A clock that shows [`START`].
pub fn clock() -> VirtualClock {
    VirtualClock::starting_at(START)
}

/// The oracle.
pub async fn model(clock: &VirtualClock) -> Opened {
    Opened { ledger: Box::new(ModelLedger::new(Arc::new(clock.clone()))), _directory: None }
}

/// SQLite, in a file that goes with it.
pub async fn sqlite(clock: &VirtualClock) -> Opened {
    sqlite_with(clock, sqlite::Statements::default()).await
}

/// SQLite with other statements than the shipped ones.
pub async fn sqlite_with(clock: &VirtualClock, statements: sqlite::Statements) -> Opened {
    let directory = TempDir::new().expect("a directory for the ledger's file");
    let path = directory.path().join("ledger.sqlite");
    let ledger = SqliteLedger::open_with(&path, Arc::new(clock.clone()), statements).await.expect("the ledger opens");
    Opened { ledger: Box::new(ledger), _directory: Some(directory) }
}

/// PostgreSQL, in a database of its own on the run's server.
pub async fn postgres(clock: &VirtualClock) -> Opened {
    postgres_with(clock, postgres::Statements::default()).await
}

/// PostgreSQL with other statements than the shipped ones.
pub async fn postgres_with(clock: &VirtualClock, statements: postgres::Statements) -> Opened {
    let url = Postgres::shared().await.database().await;
    let ledger = PostgresLedger::open_with(&url, Some(Arc::new(clock.clone())), statements).await.expect("the ledger opens");
    Opened { ledger: Box::new(ledger), _directory: None }
}
