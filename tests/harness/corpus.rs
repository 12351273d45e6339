//! The corpus of `tests/fixtures/corpus/`, cut as an ingest cuts it, and the questions to it with the documents that answer them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use windrow_jobs::{
    search::{Chunk, Chunking, Document, Hit},
    text::{Asked, Texts},
};

use crate::{jobs::id, searches::map};

/// A question.
#[derive(Debug, Deserialize)]
pub struct Question {
    /// `words`: it has words of the text; `paraphrase`: it says the same in others; `translated`: in another language.
    pub kind: String,
    /// The question.
    pub query: String,
    /// The documents that answer it.
    pub documents: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus")
}

/// The questions.
pub fn questions() -> Vec<Question> {
    let text = fs::read_to_string(folder().join("queries.json")).expect("the questions");
    serde_json::from_str(&text).expect("questions")
}

/// The documents by their ids, which are the names of their files; each has its region in its metadata.
pub async fn documents() -> Vec<Document> {
    let mut files: Vec<PathBuf> = Vec::new();
    for region in fs::read_dir(folder()).expect("the corpus").map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()) {
        files.extend(fs::read_dir(region).expect("a region").map(|entry| entry.expect("a document").path()));
    }
    files.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    let texts = Texts::in_process();
    let mut documents = Vec::new();
    for (number, path) in (1..).zip(files) {
        let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
        let (media_type, source) = (Some("text/markdown".to_owned()), None);
        let asked = Asked { media_type, bytes: path.clone(), source, chunking: Chunking::default() };
        let read = texts.chunks(asked).await.unwrap_or_else(|unread| panic!("{}: {unread}", path.display()));
        let region = name(path.parent().expect("a region"));
        let metadata = map(serde_json::json!({ "region": region }));
        documents.push(Document { id: name(&path), version: id(number), title: read.title, metadata, chunks: read.chunks });
    }
    documents
}

/// What is embedded of each chunk.
pub fn embedded(documents: &[Document]) -> Vec<String> {
    let chunks = documents.iter().flat_map(|document| &document.chunks);
    chunks.map(|chunk| Chunk::embedded(&chunk.heading, &chunk.text)).collect()
}

/// How much of a question's answer is among the hits, and one by the place of the first hit that is of it (0 where none is).
pub fn judged(question: &Question, hits: &[Hit]) -> (f64, f64) {
    let is_found = |id: &&String| hits.iter().any(|hit| hit.document_id == **id);
    let found = question.documents.iter().filter(is_found).count();
    let first = hits.iter().position(|hit| question.documents.contains(&hit.document_id));
    (found as f64 / question.documents.len() as f64, first.map_or(0.0, |place| 1.0 / (place as f64 + 1.0)))
}
