//! Indexes of vectors (HNSW) in PostgreSQL: made when a generation has grown, used from then on, nearly exact on real text, and gone with
//! their generation.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use serde_json::json;
use sqlx::{Connection, PgConnection};
use windrow_jobs::{
    search::{
        Query,
        filter::Filter,
        lexical,
        store::{Place, SearchStore, Which},
    },
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{id, tenant, tenant_named},
    ledgers,
    searches::{self, INDEX, Opened, by_vector, chunk, document, found, hits, map, open, place, put, recalled, settings},
};

/// From how many chunks on the tests' generations are indexed.
const EXACT_MAX: u64 = 1_000;
const CHUNKS_PER_DOCUMENT: usize = 20;
const WORDS_PER_CHUNK: usize = 16;
const QUERIES: usize = 60;
/// What the index has to find of what comparing all of them finds.
const RECALL_MIN: f64 = 0.95;
const STATISTICS_TRIES: u32 = 200;

/// Real text: what this repository's documents say, cut into pieces.
fn pieces() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md"), root.join("CHANGELOG.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    let text: String = files.iter().map(|file| fs::read_to_string(file).expect("a text") + "\n").collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let pieces: BTreeSet<String> = words.chunks(WORDS_PER_CHUNK).map(|words| words.join(" ")).collect();
    // By what is in them, not by the alphabet: neighbours are in different documents.
    let mut pieces: Vec<String> = pieces.into_iter().collect();
    pieces.sort_by_key(|piece| windrow_jobs::search::ChunkHash::of(piece));
    pieces
}

async fn fill(store: &dyn SearchStore, tenant: &TenantId, pieces: &[String]) -> Place {
    let place = open(store, tenant).await;
    for (number, texts) in pieces.chunks(CHUNKS_PER_DOCUMENT).enumerate() {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut told = document(&format!("d{number}"), id(number as u64), &texts);
        told.metadata = map(json!({ "part": number % 5 }));
        put(store, &place, &told).await;
    }
    place
}

/// How many of what the exact store finds the other finds too.
async fn recall(store: &dyn SearchStore, exact: &dyn SearchStore, tenant: &TenantId, queries: &[Query]) -> f64 {
    let (mut wanted, mut there) = (0.0, 0.0);
    for query in queries {
        let (all, some) = (hits(exact, tenant, query).await, hits(store, tenant, query).await);
        let (of_all, of_some) = recalled(&all, &some);
        wanted += of_all;
        there += of_some;
    }
    assert!(wanted > 0.0, "something is found");
    there / wanted
}

async fn connect(store: &Opened) -> PgConnection {
    PgConnection::connect(store.url()).await.expect("the database")
}

async fn indexes_of_vectors(connection: &mut PgConnection) -> Vec<String> {
    let names = "SELECT relname::text FROM pg_class WHERE relname LIKE 'chunks_near%' AND relkind = 'i' ORDER BY relname";
    sqlx::query_scalar(names).fetch_all(connection).await.expect("names")
}

/// Waits until the database's statistics tell that the index was walked.
async fn is_walked(connection: &mut PgConnection) {
    for _ in 0..STATISTICS_TRIES {
        let scans = "SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE 'chunks_near%'";
        if sqlx::query_scalar::<_, i64>(scans).fetch_one(&mut *connection).await.expect("statistics") > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nobody walks the index");
}

#[tokio::test]
async fn an_index_of_vectors_finds_nearly_all_and_goes_with_its_generation() {
    let clock = ledgers::clock();
    let store = searches::postgres_indexed_from(&clock, EXACT_MAX).await;
    let exact = store.again(&clock, |_| ()).await.expect("the same data");
    let (pieces, mut connection) = (pieces(), connect(&store).await);
    assert!(pieces.len() as u64 > 2 * EXACT_MAX, "{} pieces", pieces.len());
    let other = tenant_named("other");
    fill(&*store, &other, &pieces[..200]).await;
    assert_eq!(store.tend().await, Ok(false), "few are compared one by one");
    let place = fill(&*store, &tenant(), &pieces).await;
    assert_eq!((store.tend().await, store.tend().await), (Ok(true), Ok(false)));
    assert_eq!(indexes_of_vectors(&mut connection).await, [format!("chunks_near_{}", place.generation)]);

    let words = |piece: &String| piece.split(' ').step_by(2).collect::<Vec<_>>().join(" ");
    let asked: Vec<Query> = pieces.iter().step_by(pieces.len() / QUERIES).map(|piece| by_vector(&words(piece))).collect();
    let filtered = |filter: serde_json::Value| {
        let filter = Filter::read(&map(filter)).expect("a filter");
        asked.iter().map(|query| Query { filter: filter.clone(), ..query.clone() }).collect::<Vec<_>>()
    };
    let whole = recall(&*store, &*exact, &tenant(), &asked).await;
    is_walked(&mut connection).await;
    let most = recall(&*store, &*exact, &tenant(), &filtered(json!({ "part": { "lt": 3 } }))).await;
    let few = recall(&*store, &*exact, &tenant(), &filtered(json!({ "part": 4 }))).await;
    println!("recall@10 of {} chunks: {whole:.4}; {most:.4} of three fifths, {few:.4} of one fifth", pieces.len());
    assert!(whole >= RECALL_MIN && most >= RECALL_MIN, "{whole} {most}");
    assert!((few - 1.0).abs() < 1e-9, "few are compared one by one");
    assert!((recall(&*store, &*exact, &other, &asked).await - 1.0).abs() < 1e-9);

    put(&*store, &place, &document("new", id(9_999), &["a zeppelin over Lakehurst"])).await;
    assert_eq!(hits(&*store, &tenant(), &by_vector("zeppelin Lakehurst")).await[0].document_id, "new");
    store.delete_documents(&tenant(), INDEX, &Which::Ids(vec!["new".into()]), id(10_000)).await.expect("deleted");
    assert_ne!(hits(&*store, &tenant(), &by_vector("zeppelin Lakehurst")).await[0].document_id, "new");

    store.drop_index(&tenant(), INDEX).await.expect("dropped");
    assert_eq!((store.tend().await, store.tend().await), (Ok(true), Ok(false)));
    assert_eq!(indexes_of_vectors(&mut connection).await, [""; 0]);
}

#[tokio::test]
async fn long_vectors_are_indexed_in_16_bits() {
    const DIMENSION: u16 = 2_500;
    let clock = ledgers::clock();
    let store = searches::postgres_indexed_from(&clock, 50).await;
    let index = store.open_index(&tenant(), INDEX, &settings("long", DIMENSION)).await.expect("an index");
    let place = place(&index);
    let long = |text: &str| lexical::embed(text).into_iter().cycle().take(DIMENSION.into()).collect::<Vec<f32>>();
    let texts: Vec<String> = pieces().into_iter().take(60).collect();
    let mut told = document("a", id(1), &[]);
    told.chunks = texts.iter().map(|text| chunk(text)).collect();
    let vectors: Vec<_> = told.chunks.iter().map(|chunk| (chunk.hash, long(&chunk.text))).collect();
    store.stage(&place, &vectors).await.expect("staged");
    store.put_document(&place, &told).await.expect("put");
    assert_eq!((store.tend().await, store.tend().await), (Ok(true), Ok(false)));
    for n in [0, 17, 59] {
        let query = Query { vector: Some(long(&texts[n])), ..by_vector("") };
        assert_eq!(found(&hits(&*store, &tenant(), &query).await)[0], ("a", n as u32));
    }
    is_walked(&mut connect(&store).await).await;
}
