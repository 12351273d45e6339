//! What keeps indexes: one promise, kept by SQLite (with sqlite-vec), by PostgreSQL (with pgvector), by either with the vectors in Qdrant, and in
//! memory as the oracle of all.
//!
//! Every call names its tenant, and nothing that it names leads to another's: an index is a tenant's by its name, a generation belongs to one
//! index. Every write bears being repeated. The contract is `tests/it/search/`.

use async_trait::async_trait;

use super::{CHUNKS_MAX, Chunk, ChunkHash, Document, Generation, Hit, Index, Listed, Query, STAGED_HOURS, Settings};
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{Error, Result},
    tenant::TenantId,
};

/// How long vectors are staged.
pub const STAGED_MS: i64 = STAGED_HOURS * 3_600_000;
/// How long deletions are remembered: no job that is older runs by then.
pub const DELETIONS_KEPT_MS: i64 = 90 * DAY_MS;
/// How many days' tokens are remembered, beside this one's.
pub const DAYS_KEPT: i64 = 7;
/// The most rows of a kind that go at once, when they are forgotten.
pub const PRUNED_MAX: u64 = 1_000;
const DAY_MS: i64 = 86_400_000;

/// A generation of a tenant's index, as somebody read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The owner.
    pub tenant: TenantId,
    /// The index.
    pub index: String,
    /// The generation's number.
    pub generation: i64,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there as a whole, and nothing of the one before.
    Stored {
        /// Chunks that were not there before.
        added: u32,
        /// Chunks that were there and stay.
        kept: u32,
        /// Chunks that are gone.
        removed: u32,
    },
    /// A later job brought or deleted it: nothing was done.
    Older,
    /// A vector of this chunk is not there: it is to be staged first. Nothing was done.
    Missing(ChunkHash),
    /// The generation is no longer written to: the index is gone, or was switched to another. Nothing was done.
    Moved,
}

/// Which documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those with these ids.
    Ids(Vec<String>),
    /// All of the index.
    All,
}

/// How a generation beside the current one began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is there, made now or by an attempt before.
    Next(Generation),
    /// The index has these settings already.
    Same,
    /// Another job makes one with other settings.
    Busy,
    /// There is no such index.
    Unknown,
}

/// Whether the index was switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switched {
    /// It was, now or before.
    Done,
    /// Documents came, changed or went meanwhile: first these, then again.
    Behind,
    /// The generation is not the index's next one.
    Moved,
}

/// Whether a tenant may have so many tokens embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It may: they are counted.
    Counted,
    /// The day's are used up: none were counted.
    Over {
        /// When the next day begins (UTC).
        until: Timestamp,
    },
}

/// What keeps indexes.
#[async_trait]
pub trait SearchStore: Send + Sync {
    /// The index of this name, made with these settings where there is none.
    async fn open_index(&self, tenant: &TenantId, name: &str, or: &Settings) -> Result<Index>;
    /// The index of this name.
    async fn index(&self, tenant: &TenantId, name: &str) -> Result<Option<Index>>;
    /// The tenant's indexes behind this name, by their names.
    async fn indexes(&self, tenant: &TenantId, after: Option<&str>, limit: u32) -> Result<Vec<Index>>;
    /// Removes an index with all its documents: none of them is found from now on. False where there is none.
    async fn drop_index(&self, tenant: &TenantId, name: &str) -> Result<bool>;

    /// Which of these have a vector in this generation, of a document or staged. Those that are staged stay so for longer.
    async fn known(&self, place: &Place, hashes: &[ChunkHash]) -> Result<Vec<ChunkHash>>;
    /// Keeps vectors that were paid for, before their document is complete. They have the generation's dimension.
    async fn stage(&self, place: &Place, vectors: &[(ChunkHash, Vec<f32>)]) -> Result<()>;
    /// Puts a document in the place of the one with its id, as a whole, with the vectors that are known.
    async fn put_document(&self, place: &Place, document: &Document) -> Result<Put>;
    /// Deletes documents that no later job brought, from the current and the next generation, and remembers it, so that no earlier job
    /// brings them back. Returns how many were there.
    async fn delete_documents(&self, tenant: &TenantId, name: &str, which: &Which, version: JobId) -> Result<u64>;
    /// Documents behind this id, by their ids.
    async fn documents(&self, tenant: &TenantId, name: &str, after: Option<&str>, limit: u32) -> Result<Vec<Listed>>;
    /// What fits best, of one state of the index; none where there is no such index. A vector of another dimension is refused.
    async fn search(&self, tenant: &TenantId, name: &str, query: &Query) -> Result<Option<Vec<Hit>>>;

    /// Begins, or goes on with, a generation beside the current one.
    async fn begin_generation(&self, tenant: &TenantId, name: &str, settings: &Settings) -> Result<Begun>;
    /// Documents of the current generation that this next one lacks or has older, by their ids.
    async fn behind(&self, next: &Place, limit: u32) -> Result<Vec<(String, JobId)>>;
    /// A document of the current generation as it is.
    async fn document(&self, tenant: &TenantId, name: &str, id: &str) -> Result<Option<Document>>;
    /// Makes the next generation the current one, if it has all that the current one has, and nothing else. The other is dropped.
    async fn switch(&self, next: &Place) -> Result<Switched>;
    /// Gives a next generation up.
    async fn give_up(&self, next: &Place) -> Result<()>;

    /// Counts tokens of a tenant's day, if these do not lead over its quota.
    async fn spend(&self, tenant: &TenantId, tokens: u64, day_max: Option<u64>) -> Result<Spent>;
    /// Tokens of the tenant's day until now.
    async fn spent(&self, tenant: &TenantId) -> Result<u64>;
    /// Makes what searches are faster with, where something has grown that much; it may take minutes, and nobody waits for it. True where it
    /// made something: there may be more.
    async fn tend(&self) -> Result<bool> {
        Ok(false)
    }
    /// Forgets some of what nobody needs: vectors staged long ago, dropped generations, days long gone, deletions that no job can come
    /// before. True where there is more.
    async fn prune(&self) -> Result<bool>;
}

/// The chunks of a document whose vectors are not among those that are known, each once, in their order.
pub fn unknown<'d>(chunks: &'d [Chunk], known: &[ChunkHash]) -> Vec<&'d Chunk> {
    let mut seen: std::collections::BTreeSet<ChunkHash> = known.iter().copied().collect();
    chunks.iter().filter(|chunk| seen.insert(chunk.hash)).collect()
}

/// Refuses a document that no store can keep: databases have no NUL in their texts.
pub fn sound(document: &Document) -> Result<()> {
    let refused = |what: &str| Err(Error::Refused(format!("document {:?}: {what}", document.id)));
    if document.chunks.len() > CHUNKS_MAX {
        return refused("too many chunks");
    }
    let of_chunk = |chunk: &Chunk| chunk.text.contains('\0') || chunk.source.as_ref().is_some_and(|source| source.contains('\0'));
    let has_nul = document.id.contains('\0')
        || document.title.as_ref().is_some_and(|title| title.contains('\0'))
        || document.chunks.iter().any(of_chunk);
    if has_nul { refused("a text with NUL") } else { Ok(()) }
}

/// What an error of a store says to people: the same as a ledger's, of another thing.
pub fn said(error: &Error) -> String {
    match error {
        Error::Unavailable(said) => format!("the store of indexes is not available: {said}"),
        Error::Refused(said) => format!("the store of indexes cannot keep this: {said}"),
        Error::Outdated { applied, latest } => {
            format!("the schema of indexes is at {applied}, this release needs {latest}: run `windrow migrate` (ledger.migrate is check)")
        }
        Error::Corrupt(said) => format!("a row of the store of indexes cannot be read: {said}"),
    }
}

/// The day of an instant (UTC), counted from 1970.
pub const fn day_of(now: Timestamp) -> i64 {
    now.ms().div_euclid(DAY_MS)
}

/// Whether so many tokens may be spent beside those that were, and how many it is then.
pub fn spend(standing: u64, tokens: u64, day_max: Option<u64>, now: Timestamp) -> (Spent, u64) {
    let total = standing.saturating_add(tokens);
    if day_max.is_some_and(|max| total > max) {
        return (Spent::Over { until: Timestamp::from_ms((day_of(now) + 1) * DAY_MS) }, standing);
    }
    (Spent::Counted, total)
}
