//! The ledgers under test, each empty and on a virtual clock.

use std::{ops::Deref, path::PathBuf, sync::Arc};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    job::JobId,
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
    ledger: Arc<dyn Ledger>,
    below: Below,
}

/// What lies below a ledger.
enum Below {
    Model(Arc<ModelLedger>),
    Sqlite(TempDir),
    Postgres(String),
}

impl<'o> From<&'o Opened> for &'o dyn Ledger {
    fn from(opened: &'o Opened) -> Self {
        &**opened
    }
}

impl Opened {
    /// Deletes every row of the feed, of the leases and of the due times, as no verb ever does.
    pub async fn lose_side_rows(&self) {
        match &self.below {
            Below::Model(model) => model.lose_side_rows(),
            _ => self.execute("DELETE FROM feed; DELETE FROM leases; DELETE FROM delayed;").await,
        }
    }
}

impl Opened {
    /// Sets every schedule back by so much, as no verb ever does.
    pub async fn rewind_schedules(&self, by_ms: i64) {
        match &self.below {
            Below::Model(model) => model.rewind_schedules(by_ms),
            _ => {
                let set = format!("next_fire_at_ms = next_fire_at_ms - {by_ms}, due_at_ms = due_at_ms - {by_ms}");
                self.execute(&format!("UPDATE schedules SET {set};")).await;
            }
        }
    }

    /// The condition that a row's id is this one, as the database below says it.
    pub fn where_id(&self, id: JobId) -> String {
        match &self.below {
            Below::Sqlite(_) => format!("id = unhex('{}')", id.to_string().replace('-', "")),
            _ => format!("id = '{id}'"),
        }
    }

    /// Has the database below do what no verb ever does. The model has none.
    pub async fn execute(&self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        match &self.below {
            Below::Model(_) => panic!("the model has no database"),
            Below::Sqlite(directory) => {
                let mut connection = SqliteConnectOptions::new().filename(file(directory)).connect().await.expect("the ledger's file");
                sqlx::raw_sql(statements).execute(&mut connection).await.expect("the statements are executed");
            }
            Below::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.expect("the ledger's database");
                sqlx::raw_sql(statements).execute(&mut connection).await.expect("the statements are executed");
            }
        }
    }
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("ledger.sqlite")
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
    let model = Arc::new(ModelLedger::new(Arc::new(clock.clone())));
    Opened { ledger: model.clone(), below: Below::Model(model) }
}

/// SQLite, in a file that goes with it.
pub async fn sqlite(clock: &VirtualClock) -> Opened {
    sqlite_with(clock, sqlite::Statements::default()).await
}

/// SQLite with other statements than the shipped ones.
pub async fn sqlite_with(clock: &VirtualClock, statements: sqlite::Statements) -> Opened {
    let directory = TempDir::new().expect("a directory for the ledger's file");
    let ledger = SqliteLedger::open_with(&file(&directory), Arc::new(clock.clone()), statements).await.expect("the ledger opens");
    Opened { ledger: Arc::new(ledger), below: Below::Sqlite(directory) }
}

/// PostgreSQL, in a database of its own on the run's server.
pub async fn postgres(clock: &VirtualClock) -> Opened {
    postgres_with(clock, postgres::Statements::default()).await
}

/// PostgreSQL with other statements than the shipped ones.
pub async fn postgres_with(clock: &VirtualClock, statements: postgres::Statements) -> Opened {
    let url = Postgres::shared().await.database().await;
    let ledger = PostgresLedger::open_with(&url, Some(Arc::new(clock.clone())), statements).await.expect("the ledger opens");
    Opened { ledger: Arc::new(ledger), below: Below::Postgres(url) }
}
