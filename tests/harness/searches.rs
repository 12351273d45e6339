//! Search stores under test, each empty and on a virtual clock, and what is put into them.

use std::{
    collections::BTreeSet,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};
use tempfile::TempDir;
use windrow_jobs::{
    clock::VirtualClock,
    job::JobId,
    search::{
        Chunk, ChunkHash, Chunking, Document, Hit, Index, Model, Query, Settings,
        filter::Filter,
        lexical,
        model::ModelSearch,
        points::Points,
        postgres::{EXACT_MAX, PostgresSearch},
        qdrant::Qdrant,
        sql::Statements,
        sqlite::{FILE, SqliteSearch},
        store::{Place, Put, SearchStore},
    },
    tenant::TenantId,
};

use crate::{
    jobs::id,
    postgres::Postgres,
    qdrant::{self, KEY},
};

/// The name of an index.
pub const INDEX: &str = "docs";

/// An empty store, and what has to live as long as it does.
pub struct Opened {
    store: Arc<dyn SearchStore>,
    below: Below,
}

/// What lies below a store.
enum Below {
    Model,
    Sqlite(TempDir),
    Postgres(String),
    /// Vectors are in Qdrant, at this URL; all else in SQLite.
    Qdrant(TempDir, String),
    /// The same with PostgreSQL, at the first URL, without pgvector.
    QdrantPostgres(String, String),
}

impl Deref for Opened {
    type Target = dyn SearchStore;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl Opened {
    /// The store, to be shared.
    pub fn shared(&self) -> Arc<dyn SearchStore> {
        self.store.clone()
    }

    /// The same data by other statements: another process's store. None of the model, which has neither.
    pub async fn again(&self, clock: &VirtualClock, change: impl Fn(&mut Statements)) -> Option<Arc<dyn SearchStore>> {
        match &self.below {
            Below::Model => None,
            Below::Sqlite(folder) => Some(sqlite_at(folder.path(), clock, change).await),
            Below::Postgres(url) => Some(postgres_at(url, clock, change, EXACT_MAX).await),
            Below::Qdrant(folder, url) => Some(qdrant_at(folder.path(), url, clock, change).await),
            Below::QdrantPostgres(database, url) => Some(qdrant_postgres_at(database, url, clock, change).await),
        }
    }

    /// The file, of SQLite.
    pub fn file(&self) -> PathBuf {
        let (Below::Sqlite(folder) | Below::Qdrant(folder, _)) = &self.below else { panic!("it has no file") };
        folder.path().join(FILE)
    }

    /// The database's URL, of PostgreSQL.
    pub fn url(&self) -> &str {
        let (Below::Postgres(url) | Below::QdrantPostgres(url, _)) = &self.below else { panic!("it has no URL") };
        url
    }
}

/// The oracle.
pub async fn model(clock: &VirtualClock) -> Opened {
    Opened { store: Arc::new(ModelSearch::new(Arc::new(clock.clone()))), below: Below::Model }
}

/// SQLite, in a file that goes with it.
pub async fn sqlite(clock: &VirtualClock) -> Opened {
    let folder = TempDir::new().expect("a folder for the file");
    Opened { store: sqlite_at(folder.path(), clock, |_| ()).await, below: Below::Sqlite(folder) }
}

/// PostgreSQL with pgvector, in a database of its own on the run's server.
pub async fn postgres(clock: &VirtualClock) -> Opened {
    postgres_indexed_from(clock, EXACT_MAX).await
}

/// The same, where generations have indexes of vectors from so many chunks on.
pub async fn postgres_indexed_from(clock: &VirtualClock, exact_max: u64) -> Opened {
    let url = Postgres::shared_with_vectors().await.database().await;
    Opened { store: postgres_at(&url, clock, |_| (), exact_max).await, below: Below::Postgres(url) }
}

/// SQLite with vectors in what answers as Qdrant does, which this run's tests share.
pub async fn qdrant(clock: &VirtualClock) -> Opened {
    qdrant_of(&qdrant::shared().await, clock).await
}

/// The same with vectors at this URL.
pub async fn qdrant_of(url: &str, clock: &VirtualClock) -> Opened {
    let folder = TempDir::new().expect("a folder for the file");
    Opened { store: qdrant_at(folder.path(), url, clock, |_| ()).await, below: Below::Qdrant(folder, url.to_owned()) }
}

/// PostgreSQL without pgvector, and vectors in what answers as Qdrant does.
pub async fn qdrant_postgres(clock: &VirtualClock) -> Opened {
    let (database, url) = (Postgres::shared().await.database().await, qdrant::shared().await);
    let store = qdrant_postgres_at(&database, &url, clock, |_| ()).await;
    Opened { store, below: Below::QdrantPostgres(database, url) }
}

async fn qdrant_at(folder: &Path, url: &str, clock: &VirtualClock, change: impl Fn(&mut Statements)) -> Arc<dyn SearchStore> {
    let mut statements = Statements::sqlite();
    change(&mut statements);
    let sqlite = SqliteSearch::open_with(&folder.join(FILE), Arc::new(clock.clone()), statements).await.expect("the store opens");
    Arc::new(sqlite.with_points(points(url)))
}

async fn qdrant_postgres_at(database: &str, url: &str, clock: &VirtualClock, change: impl Fn(&mut Statements)) -> Arc<dyn SearchStore> {
    let mut statements = Statements::postgres();
    change(&mut statements);
    let store = PostgresSearch::open_with_points(database, Some(Arc::new(clock.clone())), statements, points(url)).await;
    Arc::new(store.expect("the store opens"))
}

/// What keeps vectors at this URL.
pub fn points(url: &str) -> Arc<dyn Points> {
    Arc::new(Qdrant::new(url, Some(KEY)).expect("a client"))
}

async fn sqlite_at(folder: &Path, clock: &VirtualClock, change: impl Fn(&mut Statements)) -> Arc<dyn SearchStore> {
    let mut statements = Statements::sqlite();
    change(&mut statements);
    Arc::new(SqliteSearch::open_with(&folder.join(FILE), Arc::new(clock.clone()), statements).await.expect("the store opens"))
}

async fn postgres_at(url: &str, clock: &VirtualClock, change: impl Fn(&mut Statements), exact_max: u64) -> Arc<dyn SearchStore> {
    let mut statements = Statements::postgres();
    change(&mut statements);
    Arc::new(PostgresSearch::open_with(url, Some(Arc::new(clock.clone())), statements, exact_max).await.expect("the store opens"))
}

/// Settings with the lexical model.
pub fn lexical() -> Settings {
    Settings { connection: None, model: lexical::model(), chunking: Chunking::default() }
}

/// Settings with a model of so many dimensions.
pub fn settings(name: &str, dimension: u16) -> Settings {
    let connection = Some("openai".to_owned());
    Settings { connection, model: Model { name: name.into(), dimension }, chunking: Chunking::default() }
}

/// A chunk with this text.
pub fn chunk(text: &str) -> Chunk {
    let tokens = text.split(' ').count() as u32;
    Chunk { hash: ChunkHash::of(text), text: text.into(), heading: Vec::new(), source: None, tokens }
}

/// A document with these texts.
pub fn document(id: &str, version: JobId, texts: &[&str]) -> Document {
    let chunks = texts.iter().map(|text| chunk(text)).collect();
    Document { id: id.into(), version, title: Some(format!("About {id}")), metadata: Map::new(), chunks }
}

/// How many chunks of a version no other has.
pub const VERSIONED: u32 = 12;

/// A version of a document: chunks that no other version has, and one that all of them have, now here and now there.
pub fn versioned(version: u64) -> Document {
    let texts: Vec<String> = (0..VERSIONED).map(|n| format!("lighthouse version{version} part{n}")).collect();
    let mut told = document("a", id(version), &texts.iter().map(String::as_str).collect::<Vec<_>>());
    told.chunks.insert(version as usize % texts.len(), chunk("lighthouse in every version"));
    told
}

/// Which version a reader saw: all of it, and nothing else.
pub fn version_of(hits: &[Hit]) -> u64 {
    assert_eq!(hits.len(), VERSIONED as usize + 1, "{hits:?}");
    let version = |hit: &Hit| hit.text.split(' ').find_map(|word| word.strip_prefix("version")?.parse::<u64>().ok());
    let versions: BTreeSet<u64> = hits.iter().filter_map(version).collect();
    assert_eq!(versions.len(), 1, "{hits:?}");
    let places: BTreeSet<u32> = hits.iter().map(|hit| hit.chunk).collect();
    assert_eq!(places, (0..=VERSIONED).collect(), "each chunk once");
    *versions.first().expect("one")
}

/// A query for all of a version.
pub fn all_of_it() -> Query {
    Query { limit: 100, ..by_both("lighthouse version") }
}

/// Stages what a document's chunks need.
pub async fn stage(store: &dyn SearchStore, place: &Place, document: &Document) {
    let embed = |chunk: &Chunk| (chunk.hash, lexical::embed(&Chunk::embedded(&chunk.heading, &chunk.text)));
    let vectors: Vec<_> = document.chunks.iter().map(embed).collect();
    store.stage(place, &vectors).await.expect("vectors are staged");
}

/// An object.
pub fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

/// The current generation of an index.
pub fn place(index: &Index) -> Place {
    Place { tenant: index.tenant.clone(), index: index.name.clone(), generation: index.current.number }
}

/// The index of that name with the lexical model, made where it is not.
pub async fn open(store: &dyn SearchStore, tenant: &TenantId) -> Place {
    place(&store.open_index(tenant, INDEX, &lexical()).await.expect("an index"))
}

/// Stages the lexical vectors of a document, and puts it.
pub async fn put(store: &dyn SearchStore, place: &Place, document: &Document) -> Put {
    stage(store, place, document).await;
    store.put_document(place, document).await.expect("a document is put")
}

/// A query by words alone.
pub fn by_words(words: &str) -> Query {
    Query { words: Some(words.into()), vector: None, limit: 10, filter: Filter::default() }
}

/// A query by what the lexical model makes of it alone.
pub fn by_vector(text: &str) -> Query {
    Query { words: None, vector: Some(lexical::embed(text)), limit: 10, filter: Filter::default() }
}

/// A query by both.
pub fn by_both(text: &str) -> Query {
    Query { vector: by_vector(text).vector, ..by_words(text) }
}

/// What a search finds in an index that is there.
pub async fn hits(store: &dyn SearchStore, tenant: &TenantId, query: &Query) -> Vec<Hit> {
    store.search(tenant, INDEX, query).await.expect("a search").expect("an index")
}

/// Documents and places of hits.
pub fn found(hits: &[Hit]) -> Vec<(&str, u32)> {
    hits.iter().map(|hit| (hit.document_id.as_str(), hit.chunk)).collect()
}

/// How many of the best there are, and how many of what was found is as good as these: what has the same score is the same.
pub fn recalled(best: &[Hit], found: &[Hit]) -> (f64, f64) {
    const SAME: f64 = 1e-6;
    let last = best.last().map_or(f64::INFINITY, |hit| hit.score) - SAME;
    let good = found.iter().filter(|hit| hit.score >= last).count();
    (best.len() as f64, good.min(best.len()) as f64)
}
