//! The store's verbs over a database, written once: what is asked of SQLite and of PostgreSQL is the same, in statements of the same names
//! (`sqlite/` and `postgres/`, one `.sql` each). What differs is how a transaction begins and how values are handed over: [`Base`], [`Rows`].
//!
//! A write holds its index's row first, so writes to one index come one after the other; a search reads one snapshot.
//! Decisions are elsewhere: `diff.rs`, `bm25.rs`, `ranked.rs`. Vectors may lie elsewhere too: `sql/outside.rs`. Next: `sql/put.rs`.

mod delete;
mod find;
mod generations;
mod indexes;
mod outside;
mod prune;
mod put;
mod spend;

use std::{future::Future, ops::Deref, sync::Arc};

use async_trait::async_trait;
use sqlx::{FromRow, SqlStr, postgres::PgRow, sqlite::SqliteRow};
use tokio::sync::{OnceCell, Semaphore};

use super::{
    ChunkHash, Document, Hit, Index, Listed, Query, Settings,
    points::Points,
    store::{Begun, Place, Put, SearchStore, Spent, Switched, Which},
};
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{Error, Result},
    tenant::TenantId,
};

/// The most rows that one statement is handed.
const ROWS_MAX: usize = 500;

macro_rules! statements {
    ($($name:ident),+ $(,)?) => {
        /// The statements, one per file of that name in the database's folder.
        #[derive(Clone, Debug)]
        pub struct Statements {
            $(#[doc = concat!("`", stringify!($name), ".sql`")] pub $name: SqlStr,)+
        }

        impl Statements {
            /// Those of SQLite.
            pub fn sqlite() -> Self {
                use sqlx::SqlSafeStr;
                Self { $($name: include_str!(concat!("sqlite/", stringify!($name), ".sql")).into_sql_str(),)+ }
            }

            /// Those of PostgreSQL.
            pub fn postgres() -> Self {
                use sqlx::SqlSafeStr;
                Self { $($name: include_str!(concat!("postgres/", stringify!($name), ".sql")).into_sql_str(),)+ }
            }

            /// Each of them by its name, to be replaced.
            pub fn each(&mut self) -> impl Iterator<Item = (&'static str, &mut SqlStr)> {
                [$((stringify!($name), &mut self.$name)),+].into_iter()
            }
        }
    };
}

statements! {
    add_chunks, add_generation, add_index, all_documents, behind, candidates, candidates_among, chunks_at, chunks_of, count, deletion,
    document, document_texts, documents, documents_of, doom, doomed, drop_generation, drop_index, dropped_generation, forget_doomed,
    forget_staged, generation, generation_chunks, having, held_document, hits, hold_index, hold_spent, identity, index, indexes, intend,
    keep_deletions, known, loosen, lying, metadata, move_chunks, nearest, nearest_among, points_among, prune_days, prune_deletions,
    prune_documents, prune_staged, prune_staged_of, remove_chunks, remove_documents, remove_generation, remove_texts, remove_words,
    set_deleted_to, set_generations, some_point, spent, stage, stage_point, store_document, store_spent, store_texts, store_words,
    take_points, touch_staged,
}

/// A value that a statement is handed.
#[derive(Debug, Clone)]
pub enum Bound {
    /// A number, or none.
    Int(Option<i64>),
    /// A text, or none.
    Text(Option<String>),
    /// Bytes, or none.
    Bytes(Option<Vec<u8>>),
    /// A vector, or none.
    Vector(Option<Vec<f32>>),
}

impl From<i64> for Bound {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Bound {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Bound {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&TenantId> for Bound {
    fn from(tenant: &TenantId) -> Self {
        tenant.as_str().into()
    }
}

impl From<Option<&str>> for Bound {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<JobId> for Bound {
    fn from(id: JobId) -> Self {
        Self::Bytes(Some(id.as_bytes().to_vec()))
    }
}

impl From<ChunkHash> for Bound {
    fn from(hash: ChunkHash) -> Self {
        Self::Bytes(Some(hash.0.to_vec()))
    }
}

impl From<Timestamp> for Bound {
    fn from(instant: Timestamp) -> Self {
        Self::Int(Some(instant.ms()))
    }
}

impl From<Json> for Bound {
    fn from(json: Json) -> Self {
        Self::Text(Some(json.0))
    }
}

/// Many values, in one text.
struct Json(String);

impl Json {
    fn of<T: serde::Serialize>(values: &T) -> Self {
        Self(serde_json::to_string(values).expect("texts and numbers have a JSON form"))
    }

    fn of_hashes<'h>(hashes: impl IntoIterator<Item = &'h ChunkHash>) -> Self {
        Self::of(&hashes.into_iter().map(|hash| hex(&hash.0)).collect::<Vec<_>>())
    }
}

macro_rules! bound {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::search::sql::Bound::from($value)),*]
    };
}
use bound;

/// A row that both databases give.
pub trait Read: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static {}

impl<R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static> Read for R {}

/// A database that keeps indexes.
pub trait Base: Send + Sync + 'static {
    /// A transaction; what is not committed is rolled back when it is dropped.
    type Tx: Rows;

    /// The statements.
    fn statements(&self) -> &Statements;
    /// Begins what writes.
    fn begin(&self) -> impl Future<Output = Result<Self::Tx>> + Send;
    /// Begins what reads one state.
    fn begin_snapshot(&self) -> impl Future<Output = Result<Self::Tx>> + Send;
    /// See [`SearchStore::tend`].
    fn tend(&self) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(false) }
    }
}

/// What happens within a transaction.
pub trait Rows: Send + Sized {
    /// The instant of everything in it.
    fn now(&self) -> Timestamp;
    /// Rows that a statement gives.
    fn fetch<R: Read>(&mut self, sql: &SqlStr, values: Vec<Bound>) -> impl Future<Output = Result<Vec<R>>> + Send;
    /// How many rows a statement touched.
    fn execute(&mut self, sql: &SqlStr, values: Vec<Bound>) -> impl Future<Output = Result<u64>> + Send;
    /// Commits.
    fn commit(self) -> impl Future<Output = Result<()>> + Send;
    /// The chunks whose vectors are nearest.
    fn nearest(&mut self, sql: &Statements, near: Near) -> impl Future<Output = Result<Vec<NearRow>>> + Send {
        exact(self, sql, near)
    }
}

/// What vectors are to be near to, and which are looked at.
#[derive(Debug, Clone)]
pub struct Near {
    /// The generation.
    pub generation: i64,
    /// How many chunks it has.
    pub chunks: u64,
    /// The vector, of length 1.
    pub vector: Vec<f32>,
    /// The most rows.
    pub depth: u32,
    /// The documents; none are all of the generation.
    pub among: Option<Vec<i64>>,
}

/// A chunk, its document's id, its place there, and how far its vector is.
pub type NearRow = (i64, String, i64, f64);

/// Looks at every vector.
pub(super) async fn exact<R: Rows>(rows: &mut R, sql: &Statements, near: Near) -> Result<Vec<NearRow>> {
    let vector = Bound::Vector(Some(near.vector));
    let mut values = vec![near.generation.into(), vector, i64::from(near.depth).into()];
    match near.among {
        None => rows.fetch(&sql.nearest, values).await,
        Some(documents) => {
            values.push(Json::of(&documents).into());
            rows.fetch(&sql.nearest_among, values).await
        }
    }
}

/// What keeps indexes in a database.
pub struct SqlSearch<B> {
    base: B,
    /// What keeps the vectors of generations that are begun from now on, if not the database.
    points: Option<Arc<dyn Points>>,
    identity: OnceCell<String>,
    /// Searches that may wait for it at once.
    turns: Semaphore,
}

impl<B> SqlSearch<B> {
    pub(super) fn over(base: B) -> Self {
        Self { base, points: None, identity: OnceCell::new(), turns: Semaphore::new(outside::SEARCHES_MAX) }
    }

    /// The same with vectors that lie elsewhere, of generations that are begun from now on.
    #[must_use]
    pub fn with_points(self, points: Arc<dyn Points>) -> Self {
        Self { points: Some(points), ..self }
    }
}

impl<B> Deref for SqlSearch<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.base
    }
}

/// What writes to one index: it is held until the transaction ends.
struct Held {
    id: i64,
    current: i64,
    next: Option<i64>,
    /// The latest job that deleted all of it.
    deleted_to: JobId,
}

impl<B: Base> SqlSearch<B> {
    async fn hold(&self, tx: &mut B::Tx, tenant: &TenantId, name: &str) -> Result<Option<Held>> {
        let rows: Vec<(i64, i64, Option<i64>, Vec<u8>)> = tx.fetch(&self.statements().hold_index, bound![tenant, name]).await?;
        let Some((id, current, next, deleted_to)) = rows.into_iter().next() else { return Ok(None) };
        Ok(Some(Held { id, current, next, deleted_to: version(&deleted_to)? }))
    }

    /// Holds a place's index, if the generation is one that is written to.
    async fn hold_place(&self, tx: &mut B::Tx, place: &Place) -> Result<Option<Held>> {
        let held = self.hold(tx, &place.tenant, &place.index).await?;
        Ok(held.filter(|held| held.current == place.generation || held.next == Some(place.generation)))
    }

    /// What a generation was made with, and whether its vectors lie in Qdrant.
    async fn made_with(&self, tx: &mut B::Tx, generation: i64) -> Result<(Settings, bool)> {
        let rows: Vec<(String, i64)> = tx.fetch(&self.statements().generation, bound![generation]).await?;
        let (settings, in_qdrant) = rows.first().ok_or_else(|| Error::Corrupt(format!("generation {generation} is not there")))?;
        Ok((serde_json::from_str(settings)?, *in_qdrant != 0))
    }

    async fn remove_chunks(&self, tx: &mut B::Tx, chunks: &[i64]) -> Result<()> {
        let sql = self.statements();
        for some in chunks.chunks(ROWS_MAX) {
            for statement in [&sql.remove_words, &sql.remove_texts] {
                tx.execute(statement, bound![Json::of(&some)]).await?;
            }
            self.remove(tx, &sql.remove_chunks, bound![Json::of(&some)]).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<B: Base> SearchStore for SqlSearch<B> {
    async fn open_index(&self, tenant: &TenantId, name: &str, or: &Settings) -> Result<Index> {
        self.make(tenant, name, or).await
    }

    async fn index(&self, tenant: &TenantId, name: &str) -> Result<Option<Index>> {
        let mut tx = self.begin_snapshot().await?;
        Ok(self.read_index(&mut tx, tenant, name).await?.map(|(index, _)| index))
    }

    async fn indexes(&self, tenant: &TenantId, after: Option<&str>, limit: u32) -> Result<Vec<Index>> {
        self.list(tenant, after, limit).await
    }

    async fn drop_index(&self, tenant: &TenantId, name: &str) -> Result<bool> {
        self.drop(tenant, name).await
    }

    async fn known(&self, place: &Place, hashes: &[ChunkHash]) -> Result<Vec<ChunkHash>> {
        self.have(place, hashes).await
    }

    async fn stage(&self, place: &Place, vectors: &[(ChunkHash, Vec<f32>)]) -> Result<()> {
        self.keep(place, vectors).await
    }

    async fn put_document(&self, place: &Place, document: &Document) -> Result<Put> {
        self.put(place, document).await
    }

    async fn delete_documents(&self, tenant: &TenantId, name: &str, which: &Which, version: JobId) -> Result<u64> {
        self.delete(tenant, name, which, version).await
    }

    async fn documents(&self, tenant: &TenantId, name: &str, after: Option<&str>, limit: u32) -> Result<Vec<Listed>> {
        self.list_documents(tenant, name, after, limit).await
    }

    async fn search(&self, tenant: &TenantId, name: &str, query: &Query) -> Result<Option<Vec<Hit>>> {
        self.find(tenant, name, query).await
    }

    async fn begin_generation(&self, tenant: &TenantId, name: &str, settings: &Settings) -> Result<Begun> {
        self.begin_next(tenant, name, settings).await
    }

    async fn behind(&self, next: &Place, limit: u32) -> Result<Vec<(String, JobId)>> {
        self.list_behind(next, limit).await
    }

    async fn document(&self, tenant: &TenantId, name: &str, id: &str) -> Result<Option<Document>> {
        self.read_document(tenant, name, id).await
    }

    async fn switch(&self, next: &Place) -> Result<Switched> {
        self.switch_to(next).await
    }

    async fn give_up(&self, next: &Place) -> Result<()> {
        self.drop_next(next).await
    }

    async fn spend(&self, tenant: &TenantId, tokens: u64, day_max: Option<u64>) -> Result<Spent> {
        self.count_tokens(tenant, tokens, day_max).await
    }

    async fn spent(&self, tenant: &TenantId) -> Result<u64> {
        self.counted_tokens(tenant).await
    }

    async fn tend(&self) -> Result<bool> {
        self.base.tend().await
    }

    async fn prune(&self) -> Result<bool> {
        self.forget().await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(bytes: Vec<u8>) -> Result<ChunkHash> {
    bytes.try_into().map(ChunkHash).map_err(|_| Error::Corrupt("a chunk's hash has not 32 bytes".into()))
}

fn version(bytes: &[u8]) -> Result<JobId> {
    bytes.try_into().map(JobId::from_bytes).map_err(|_| Error::Corrupt("a document's version is no job's id".into()))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::Statements;

    #[test]
    fn every_file_is_a_statement_of_both_databases() {
        for folder in ["sqlite", "postgres"] {
            let files = fs::read_dir(format!("{}/src/search/{folder}", env!("CARGO_MANIFEST_DIR"))).expect("a folder of statements");
            let names = files.map(|file| file.expect("an entry").file_name().into_string().expect("a name in letters"));
            let named: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".sql").map(str::to_owned)).collect();
            let mut statements = Statements::sqlite();
            let listed: Vec<&str> = statements.each().map(|(name, _)| name).collect();
            assert!(listed.is_sorted(), "the list is in order");
            let own: BTreeSet<String> = named.iter().filter(|name| !listed.contains(&name.as_str())).cloned().collect();
            let expected: &[&str] =
                if folder == "postgres" { &["clock", "nearest_indexed", "with_vectors", "without_vectors"] } else { &[] };
            assert_eq!(own.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{folder}");
            assert_eq!(named.len() - own.len(), listed.len(), "{folder}");
        }
    }
}
