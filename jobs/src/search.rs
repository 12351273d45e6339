//! Indexes: texts of a tenant's documents in chunks, found again by meaning and by words. What is kept, and how it is asked for; pure.
//!
//! An index has one *generation* that is searched; a reindex to another model makes the next one beside it and switches. A document comes as a
//! whole, by one write of the store, so a reader sees the old one until the new one is complete. What the store promises: `store.rs`.
//! Next: `lexical.rs` for the model that needs no key and no network, `fuse.rs` for how two rankings become one, `sql.rs` for how databases
//! keep it.

pub mod bm25;
pub mod diff;
pub mod filter;
pub mod fuse;
pub mod lazily;
pub mod lexical;
pub mod model;
pub mod points;
pub mod postgres;
#[cfg(feature = "qdrant")]
pub mod qdrant;
pub mod ranked;
pub mod sql;
pub mod sqlite;
pub mod store;
pub mod words;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{clock::Timestamp, job::JobId, tenant::TenantId};

/// What an index is called: letters of this pattern.
pub const NAME: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";
/// The longest name of an index, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// The longest id of a document, in bytes.
pub const DOCUMENT_ID_BYTES_MAX: usize = 512;
/// The most bytes of a document's metadata, as JSON.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;
/// The most chunks of a document, of all its pages together.
pub const CHUNKS_MAX: usize = 10_000;
/// The longest text of a chunk, in bytes.
pub const CHUNK_BYTES_MAX: usize = 32 * 1024;
/// The fewest tokens that chunks of an index may be limited to.
pub const TOKENS_MIN: u16 = 40;
/// The most: more dilute what a vector can say.
pub const TOKENS_MAX: u16 = 2_000;
/// The most dimensions of a vector.
pub const DIMENSION_MAX: u16 = 4_000;
/// The most hits of a search.
pub const HITS_MAX: u16 = 100;
/// The longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;
/// How long a vector that was paid for is kept while no document has it, in hours: a killed attempt finds it again.
pub const STAGED_HOURS: i64 = 24;

/// Whether this may be an index's name: what [`NAME`] says.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first && name.len() <= NAME_BYTES_MAX && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// What makes vectors of texts. Vectors of two models are never compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its name: `lexical-1`, or what its provider calls it.
    pub name: String,
    /// The dimensions of its vectors.
    pub dimension: u16,
}

/// How texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// The most tokens of a chunk.
    pub tokens_max: u16,
    /// The tokens at its beginning that it has in common with the chunk before.
    pub overlap_tokens: u16,
}

impl Default for Chunking {
    fn default() -> Self {
        Self { tokens_max: 400, overlap_tokens: 40 }
    }
}

impl Chunking {
    /// The most tokens that chunks of this size may have in common: half of them.
    pub const fn overlap_max(tokens_max: u16) -> u16 {
        tokens_max / 2
    }
}

/// What an index is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The connection by which its texts are embedded; none for the lexical model.
    pub connection: Option<String>,
    /// The model.
    pub model: Model,
    /// How texts are cut.
    pub chunking: Chunking,
}

/// A space of vectors of its own: of one tenant, one index and one model. Numbers are never given twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number.
    pub number: i64,
    /// What it was made with.
    pub settings: Settings,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its owner.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// What is searched, and where documents are written.
    pub current: Generation,
    /// What a reindex makes beside it.
    pub next: Option<Generation>,
    /// Documents that this one has by now.
    pub next_documents: u64,
    /// Documents in it.
    pub documents: u64,
    /// Chunks of these.
    pub chunks: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// SHA-256 of what a chunk's vector is made of: two chunks with the same hash have the same vector.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkHash(pub [u8; 32]);

impl ChunkHash {
    /// Of the text that is embedded.
    pub fn of(embedded: &str) -> Self {
        Self(Sha256::digest(embedded.as_bytes()).into())
    }
}

impl fmt::Debug for ChunkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Of what is embedded.
    pub hash: ChunkHash,
    /// What it says.
    pub text: String,
    /// The headings above it, the outermost first.
    pub heading: Vec<String>,
    /// Where it was read: a URL or an object's key, of a PDF with the page (`#page=3`); none of a text that was sent.
    pub source: Option<String>,
    /// Its tokens, as they were counted when it was cut.
    pub tokens: u32,
}

impl Chunk {
    /// The text that is embedded: with the headings, as these say what it is about.
    pub fn embedded(heading: &[String], text: &str) -> String {
        if heading.is_empty() { text.to_owned() } else { format!("{}\n\n{text}", heading.join(" > ")) }
    }
}

/// A document as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id in the index.
    pub id: String,
    /// The job that brings it: ids grow with time, and a later one wins, whoever comes last.
    pub version: JobId,
    /// What it is called.
    pub title: Option<String>,
    /// What it can be found by beside its text.
    pub metadata: Map<String, Value>,
    /// Its chunks, in their order.
    pub chunks: Vec<Chunk>,
}

/// A document as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id in the index.
    pub id: String,
    /// The job that brought it.
    pub version: JobId,
    /// What it is called.
    pub title: Option<String>,
    /// What it can be found by beside its text.
    pub metadata: Map<String, Value>,
    /// How many chunks it has.
    pub chunks: u32,
    /// When it was written.
    pub written_at: Timestamp,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Words that chunks are to have; none to look by the vector alone.
    pub words: Option<String>,
    /// The vector of what is looked for, of the generation's model; none to look by words alone.
    pub vector: Option<Vec<f32>>,
    /// The most hits.
    pub limit: u16,
    /// What documents are to have.
    pub filter: filter::Filter,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The document.
    pub document_id: String,
    /// Which of its chunks, from 0.
    pub chunk: u32,
    /// How well it fits: larger is better; of use for comparing hits of one search only.
    pub score: f64,
    /// What it says.
    pub text: String,
    /// Where it was read.
    pub source: Option<String>,
    /// The headings above it.
    pub heading: Vec<String>,
    /// What its document is called.
    pub title: Option<String>,
    /// What its document can be found by.
    pub metadata: Map<String, Value>,
}
