//! Indexes in PostgreSQL, with pgvector, in a schema of their own beside the ledger's tables: the cluster's shape.
//!
//! A generation of few chunks is compared one by one; one that has grown gets an index of vectors (HNSW) of its own, made by [`Base::tend`],
//! so that no search walks what is another's. Words are found by GIN. The verbs are in `sql/`.

pub mod checkup;

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres, SqlSafeStr, SqlStr, Transaction,
    migrate::{Migration, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    Settings,
    points::Points,
    sql::{Base, Bound, Near, NearRow, Read, Rows, SqlSearch, Statements, exact},
};
use crate::{
    clock::{Clock, Timestamp},
    ledger::{Error, Result, schema::Schema},
};

static MIGRATIONS: Migrator = Migrator {
    ignore_missing: true,
    table_name: std::borrow::Cow::Borrowed(APPLIED),
    create_schemas: std::borrow::Cow::Borrowed(&[std::borrow::Cow::Borrowed("windrow_search")]),
    ..sqlx::migrate!("../migrations/search_postgres")
};

/// Where it is written which migrations were applied.
const APPLIED: &str = "windrow_search._sqlx_migrations";
/// How to get what is missing.
const NO_VECTORS: &str = "the database has no extension `vector` (pgvector 0.8 or later): install it on the server, and have a superuser run \
                          `CREATE EXTENSION vector` in this database, or have Qdrant keep the vectors (search.qdrant_url)";
/// Connections that write.
const WRITERS_MAX: u32 = 4;
/// Connections that search.
const READERS_MAX: u32 = 8;
/// The most connections that a process has for its indexes.
pub const CONNECTIONS_MAX: u32 = WRITERS_MAX + READERS_MAX;
/// How long a verb waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A search that takes longer is given up by the database.
const SEARCH_TIMEOUT: &str = "15s";
/// A write that takes longer is given up by the database, waiting for those before it included: a document of 10,000 chunks into an index of
/// vectors takes a minute on a small machine.
const WRITE_TIMEOUT: &str = "180s";
/// How long a transaction may wait for whoever began it.
const IDLE_TIMEOUT: &str = "30s";
/// How long a migration waits for a table.
const MIGRATION_LOCK_TIMEOUT: &str = "1s";
/// From how many chunks on a generation has an index of vectors: below, comparing all of them takes some milliseconds and is exact.
pub const EXACT_MAX: u64 = 5_000;
/// The most dimensions that an index of vectors of 32 bits has; above, it has them in 16 bits.
const WHOLE_DIMENSION_MAX: u16 = 2_000;
/// How many candidates a walk of an index of vectors keeps: more find more, and take longer. Of 10,000 chunks of country profiles with the
/// lexical model, 100 found 94.9 % of the ten nearest, 200 98.3 %, 400 98.9 %; an index as PostgreSQL makes it by itself 88, 93 and 96 %.
const EF_SEARCH: u32 = 400;
/// Memory for building an index of vectors: 10,000 vectors of 1,536 dimensions are 64 MB.
const BUILD_MEMORY: &str = "256MB";
/// Held by whoever makes indexes of vectors: one at a time, as each takes a core and memory.
const TENDING_LOCK: i64 = 0x5769_6e64_726f_7701;

/// Indexes in PostgreSQL.
pub type PostgresSearch = SqlSearch<PostgresBase>;

/// The database.
pub struct PostgresBase {
    url: PgConnectOptions,
    writers: PgPool,
    readers: PgPool,
    sql: Statements,
    /// The clock that a test put in the database's place.
    clock: Option<Arc<dyn Clock>>,
    exact_max: u64,
}

impl PostgresSearch {
    /// Connects and migrates. Without pgvector it is [`Error::Unavailable`].
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, None, Statements::postgres(), EXACT_MAX).await
    }

    /// The same, but a schema that is older than this release is an error.
    pub async fn open_checked(url: &str) -> Result<Self> {
        Self::schema(url).await?.check()?;
        Self::open(url).await
    }

    /// Where the schema of this database stands.
    pub async fn schema(url: &str) -> Result<Schema> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        Schema::of_postgres_by(&mut connection, APPLIED, &MIGRATIONS).await
    }

    /// Brings the schema up to date; where it stood before. Without pgvector it is [`Error::Unavailable`].
    pub async fn migrate(url: &str) -> Result<Schema> {
        let before = Self::schema(url).await?;
        migrate(&PgConnectOptions::from_str(url)?, true).await?;
        Ok(before)
    }

    /// The same where Qdrant keeps the vectors: pgvector need not be there.
    pub async fn migrate_without_vectors(url: &str) -> Result<Schema> {
        let before = Self::schema(url).await?;
        migrate(&PgConnectOptions::from_str(url)?, false).await?;
        Ok(before)
    }

    /// The same with a test's clock in the database's place, with other statements, and with another size from which on there are indexes
    /// of vectors.
    pub async fn open_with(url: &str, clock: Option<Arc<dyn Clock>>, sql: Statements, exact_max: u64) -> Result<Self> {
        let url = PgConnectOptions::from_str(url)?;
        migrate(&url, true).await?;
        Self::connect(url, clock, sql, exact_max).await
    }

    /// The same with vectors that lie elsewhere, of generations that are begun from now on: pgvector need not be there.
    pub async fn open_with_points(url: &str, clock: Option<Arc<dyn Clock>>, sql: Statements, points: Arc<dyn Points>) -> Result<Self> {
        let url = PgConnectOptions::from_str(url)?;
        migrate(&url, false).await?;
        Ok(Self::connect(url, clock, sql, EXACT_MAX).await?.with_points(points))
    }

    async fn connect(url: PgConnectOptions, clock: Option<Arc<dyn Clock>>, sql: Statements, exact_max: u64) -> Result<Self> {
        // Every row is found by an index, whatever the statistics say of tables that were just filled.
        let found = url.clone().options([
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
            ("idle_in_transaction_session_timeout", IDLE_TIMEOUT),
        ]);
        let pool = |max: u32, timeout| {
            let options = found.clone().options([("statement_timeout", timeout)]);
            PgPoolOptions::new().max_connections(max).acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false).connect_with(options)
        };
        let (writers, readers) = (pool(WRITERS_MAX, WRITE_TIMEOUT).await?, pool(READERS_MAX, SEARCH_TIMEOUT).await?);
        Ok(Self::over(PostgresBase { url, writers, readers, sql, clock, exact_max }))
    }
}

/// Makes the tables or brings them up to date. Where nobody needs pgvector and it is not there, the columns for vectors are of bytes, and stay
/// empty; once it is there, they become what they are elsewhere.
async fn migrate(url: &PgConnectOptions, needs_vectors: bool) -> Result<()> {
    let mut connection = url.clone().options([("lock_timeout", MIGRATION_LOCK_TIMEOUT)]).connect().await?;
    if !has_vectors(&mut connection).await? {
        // Where the server has it and this user may, there is nothing to ask anybody for.
        let made = sqlx::query("CREATE EXTENSION IF NOT EXISTS vector").execute(&mut connection).await;
        if let Err(error) = made
            && !has_vectors(&mut connection).await?
        {
            if needs_vectors {
                return Err(Error::Unavailable(format!("{NO_VECTORS} ({error})")));
            }
            without_vectors().run_direct(None, &mut connection, false).await?;
            return Ok(connection.close().await?);
        }
    }
    MIGRATIONS.run_direct(None, &mut connection, false).await?;
    if sqlx::query_scalar(include_str!("postgres/without_vectors.sql")).fetch_one(&mut connection).await? {
        sqlx::raw_sql(include_str!("postgres/with_vectors.sql")).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// The same migrations with columns of bytes in the place of those of vectors.
fn without_vectors() -> Migrator {
    let plain = |migration: &Migration| {
        let sql = migration.sql.as_str().replace("  vector", "  bytea");
        Migration { sql: AssertSqlSafe(sql).into_sql_str(), ..migration.clone() }
    };
    Migrator {
        migrations: MIGRATIONS.iter().map(plain).collect(),
        table_name: MIGRATIONS.table_name.clone(),
        create_schemas: MIGRATIONS.create_schemas.clone(),
        ..MIGRATIONS
    }
}

async fn has_vectors(connection: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT to_regtype('vector') IS NOT NULL").fetch_one(connection).await?)
}

impl PostgresBase {
    async fn now(&self, transaction: &mut PgConnection) -> Result<Timestamp> {
        let clock_ms = self.clock.as_ref().map(|clock| clock.now().ms());
        Ok(Timestamp::from_ms(sqlx::query_scalar(include_str!("postgres/clock.sql")).bind(clock_ms).fetch_one(transaction).await?))
    }

    async fn tx(&self, mut transaction: Transaction<'static, Postgres>) -> Result<PostgresTx> {
        let now = self.now(&mut transaction).await?;
        Ok(PostgresTx { transaction, now, exact_max: self.exact_max })
    }
}

impl Base for PostgresBase {
    type Tx = PostgresTx;

    fn statements(&self) -> &Statements {
        &self.sql
    }

    async fn begin(&self) -> Result<PostgresTx> {
        self.tx(self.writers.begin().await?).await
    }

    async fn begin_snapshot(&self) -> Result<PostgresTx> {
        self.tx(self.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?).await
    }

    async fn tend(&self) -> Result<bool> {
        // A connection of its own: what is held goes with it, and no time-out of the others' ends a build.
        let options = self.url.clone().options([("maintenance_work_mem", BUILD_MEMORY), ("lock_timeout", "0")]);
        let mut connection = options.connect().await?;
        if !sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(TENDING_LOCK).fetch_one(&mut connection).await? {
            return Ok(false);
        }
        let tended = tend(&mut connection, self.exact_max).await;
        connection.close().await?;
        tended
    }
}

/// Makes the index of vectors that is wanted most, or drops one that nobody needs.
async fn tend(connection: &mut PgConnection, exact_max: u64) -> Result<bool> {
    let needless: Option<String> =
        sqlx::query_scalar(include_str!("postgres/tending/needless.sql")).fetch_optional(&mut *connection).await?;
    if let Some(name) = needless {
        // The name is one of ours: letters, digits and `_`.
        let drop = AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS windrow_search.{name}"));
        sqlx::query(drop).execute(connection).await?;
        return Ok(true);
    }
    let exact_max = i64::try_from(exact_max).unwrap_or(i64::MAX);
    let wanted: Option<(i64, String)> =
        sqlx::query_as(include_str!("postgres/tending/wanted.sql")).bind(exact_max).fetch_optional(&mut *connection).await?;
    let Some((generation, settings)) = wanted else { return Ok(false) };
    let dimension = serde_json::from_str::<Settings>(&settings)?.model.dimension;
    // A build that was broken off leaves an index that is not valid, and in the way.
    let drop = AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS windrow_search.{}", index_name(generation)));
    sqlx::query(drop).execute(&mut *connection).await?;
    sqlx::query(AssertSqlSafe(filled(include_str!("postgres/tending/make.sql"), generation, dimension))).execute(&mut *connection).await?;
    sqlx::query(include_str!("postgres/tending/made.sql")).bind(generation).execute(connection).await?;
    Ok(true)
}

fn index_name(generation: i64) -> String {
    format!("chunks_near_{generation}")
}

/// A statement about one generation's index of vectors: numbers cannot be bound where an index is to be recognized.
fn filled(statement: &str, generation: i64, dimension: u16) -> String {
    let kind = if dimension > WHOLE_DIMENSION_MAX { "halfvec" } else { "vector" };
    let statement = statement.replace("{generation}", &generation.to_string()).replace("{dimension}", &dimension.to_string());
    statement.replace("{type}", kind)
}

/// A transaction.
pub struct PostgresTx {
    transaction: Transaction<'static, Postgres>,
    now: Timestamp,
    exact_max: u64,
}

impl PostgresTx {
    /// Whether the generation's vectors have an index, and that is worth it.
    async fn is_indexed(&mut self, near: &Near) -> Result<bool> {
        if near.chunks <= self.exact_max {
            return Ok(false);
        }
        let indexed: Option<i64> = sqlx::query_scalar("SELECT is_indexed FROM windrow_search.generations WHERE number = $1")
            .bind(near.generation)
            .fetch_optional(&mut *self.transaction)
            .await?;
        let Some(among) = &near.among else { return Ok(indexed == Some(1)) };
        // Few are compared one by one.
        let chunks: i64 = sqlx::query_scalar("SELECT coalesce(sum(chunks), 0)::bigint FROM windrow_search.documents WHERE id = ANY ($1)")
            .bind(among)
            .fetch_one(&mut *self.transaction)
            .await?;
        Ok(indexed == Some(1) && chunks.unsigned_abs() > self.exact_max)
    }

    async fn nearest_indexed(&mut self, near: Near) -> Result<Vec<NearRow>> {
        // Without it the statistics of a table that was just filled may have all vectors compared and sorted.
        let walk = AssertSqlSafe(format!(
            "SET LOCAL enable_sort = off; SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {}",
            EF_SEARCH.max(near.depth)
        ));
        sqlx::raw_sql(walk).execute(&mut *self.transaction).await?;
        let dimension = u16::try_from(near.vector.len()).unwrap_or(u16::MAX);
        let statement = filled(include_str!("postgres/nearest_indexed.sql"), near.generation, dimension);
        let among = near.among.map(|documents| serde_json::to_string(&documents)).transpose()?;
        let values = vec![Bound::Vector(Some(near.vector)), i64::from(near.depth).into(), Bound::Text(among)];
        self.fetch(&AssertSqlSafe(statement).into_sql_str(), values).await
    }
}

impl Rows for PostgresTx {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn fetch<R: Read>(&mut self, sql: &SqlStr, values: Vec<Bound>) -> Result<Vec<R>> {
        let mut query = sqlx::query_as::<Postgres, R>(sql.clone());
        for value in values {
            query = match value {
                Bound::Int(number) => query.bind(number),
                Bound::Text(text) => query.bind(text),
                Bound::Bytes(bytes) => query.bind(bytes),
                Bound::Vector(vector) => query.bind(vector),
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
                Bound::Vector(vector) => query.bind(vector),
            };
        }
        Ok(query.execute(&mut *self.transaction).await?.rows_affected())
    }

    async fn commit(self) -> Result<()> {
        Ok(self.transaction.commit().await?)
    }

    async fn nearest(&mut self, sql: &Statements, near: Near) -> Result<Vec<NearRow>> {
        if self.is_indexed(&near).await? { self.nearest_indexed(near).await } else { exact(self, sql, near).await }
    }
}
