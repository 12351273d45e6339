//! Indexes in one SQLite file, beside the ledger's, so that long writes never hold the ledger's writer: the standalone shape.
//!
//! Vectors lie in their chunks' rows and are compared one by one (sqlite-vec): exact, and within the transaction. Words are found by FTS5.
//! The verbs are in `sql/`.

use std::{
    ffi::{c_char, c_int},
    path::Path,
    sync::Arc,
    time::Duration,
};

use libsqlite3_sys::{SQLITE_OK, sqlite3, sqlite3_api_routines, sqlite3_auto_extension};
use sqlx::{
    ConnectOptions, Connection, SqlStr, Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::sql::{Base, Bound, Read, Rows, SqlSearch, Statements};
use crate::{
    clock::{Clock, Timestamp},
    ledger::{Error, Result, schema::Schema},
};

static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("../migrations/search_sqlite") };

/// What the file is called in the data folder.
pub const FILE: &str = "search.db";
/// Connections that search: more than the cores of a small machine gain nothing.
const READERS_MAX: u32 = 4;
/// How long a write waits for those before it: a document of 10,000 chunks takes seconds.
const TURN_MAX: Duration = Duration::from_secs(60);
/// How long the start waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Indexes in one SQLite file.
pub type SqliteSearch = SqlSearch<SqliteBase>;

/// The file.
pub struct SqliteBase {
    /// One connection: writes come one after the other.
    writer: SqlitePool,
    readers: SqlitePool,
    sql: Statements,
    clock: Arc<dyn Clock>,
}

impl SqliteSearch {
    /// Opens the file, making or migrating it as needed.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_with(path, clock, Statements::sqlite()).await
    }

    /// The same, but a schema that is older than this release is an error. A file that is yet to be made is not.
    pub async fn open_checked(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        if path.exists() {
            Self::schema(path).await?.check()?;
        }
        Self::open(path, clock).await
    }

    /// Where the schema of this file stands; an empty one where there is no file.
    pub async fn schema(path: &Path) -> Result<Schema> {
        if !path.exists() {
            return Schema::of_sqlite_by(&mut SqliteConnectOptions::new().in_memory(true).connect().await?, &MIGRATIONS).await;
        }
        let mut connection = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
        Schema::of_sqlite_by(&mut connection, &MIGRATIONS).await
    }

    /// Brings the schema up to date, or makes the file; where it stood before. Nobody else may have the file.
    pub async fn migrate(path: &Path) -> Result<Schema> {
        let before = Self::schema(path).await?;
        let mut connection = SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await?;
        MIGRATIONS.run_direct(None, &mut connection, false).await?;
        connection.close().await?;
        Ok(before)
    }

    /// The same with other statements: tests break one and see what is left.
    pub async fn open_with(path: &Path, clock: Arc<dyn Clock>, sql: Statements) -> Result<Self> {
        register_vectors()?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        MIGRATIONS.run_direct(None, &mut options.connect().await?, false).await?;
        let options = options.create_if_missing(false);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(TURN_MAX)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(TURN_MAX)
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true));
        Ok(Self::over(SqliteBase { writer, readers, sql, clock }))
    }
}

/// Has every connection of this process that is opened from now on know vectors. Any number of times is once.
#[allow(unsafe_code, reason = "SQLite takes an extension that is linked in by its C entry point alone")]
fn register_vectors() -> Result<()> {
    type Entry = unsafe extern "C" fn(*mut sqlite3, *mut *mut c_char, *const sqlite3_api_routines) -> c_int;
    let entry: unsafe extern "C" fn() = sqlite_vec::sqlite3_vec_init;
    // SAFETY: the function has the signature of an entry point (`sqlite3_vec_init` in sqlite-vec.h), which the crate declares without its
    // arguments, and it is linked in, so it outlives every connection.
    let code = unsafe { sqlite3_auto_extension(Some(std::mem::transmute::<unsafe extern "C" fn(), Entry>(entry))) };
    if code == SQLITE_OK { Ok(()) } else { Err(Error::Unavailable(format!("SQLite does not take sqlite-vec: code {code}"))) }
}

impl Base for SqliteBase {
    type Tx = SqliteTx;

    fn statements(&self) -> &Statements {
        &self.sql
    }

    async fn begin(&self) -> Result<SqliteTx> {
        Ok(SqliteTx { transaction: self.writer.begin_with("BEGIN IMMEDIATE").await?, now: self.clock.now() })
    }

    async fn begin_snapshot(&self) -> Result<SqliteTx> {
        Ok(SqliteTx { transaction: self.readers.begin().await?, now: self.clock.now() })
    }
}

/// A transaction.
pub struct SqliteTx {
    transaction: Transaction<'static, Sqlite>,
    now: Timestamp,
}

impl Rows for SqliteTx {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn fetch<R: Read>(&mut self, sql: &SqlStr, values: Vec<Bound>) -> Result<Vec<R>> {
        let mut query = sqlx::query_as::<Sqlite, R>(sql.clone());
        for value in values {
            query = match value {
                Bound::Int(number) => query.bind(number),
                Bound::Text(text) => query.bind(text),
                Bound::Bytes(bytes) => query.bind(bytes),
                Bound::Vector(vector) => query.bind(vector.map(little_endian)),
            };
        }
        Ok(query.fetch_all(&mut *self.transaction).await?)
    }

    async fn execute(&mut self, sql: &SqlStr, values: Vec<Bound>) -> Result<u64> {
        let mut query = sqlx::query(sql.clone());
        for value in values {
            query = match value {
                Bound::Int(number) => query.bind(number),
                Bound::Text(text) => query.bind(text),
                Bound::Bytes(bytes) => query.bind(bytes),
                Bound::Vector(vector) => query.bind(vector.map(little_endian)),
            };
        }
        Ok(query.execute(&mut *self.transaction).await?.rows_affected())
    }

    async fn commit(self) -> Result<()> {
        Ok(self.transaction.commit().await?)
    }
}

/// As sqlite-vec reads vectors.
fn little_endian(vector: Vec<f32>) -> Vec<u8> {
    vector.into_iter().flat_map(f32::to_le_bytes).collect()
}
