//! Indexes in memory: plain maps under one lock, as simple as the contract allows. It is the oracle that the stores are judged by.
//!
//! Never durable and never fast: a search looks at every chunk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{
    Chunk, ChunkHash, Document, Generation, Hit, Index, Listed, Query, Settings,
    bm25::{self, CANDIDATES_MAX, Corpus, Wanted},
    diff::{self, Lying},
    ranked::{Asked, Ranked, best, unit},
    store::{Begun, DAYS_KEPT, DELETIONS_KEPT_MS, Place, Put, STAGED_MS, SearchStore, Spent, Switched, Which, day_of, sound, spend},
};
use crate::{
    clock::{Clock, Timestamp},
    job::JobId,
    ledger::Result,
    tenant::TenantId,
};

/// Indexes in memory.
pub struct ModelSearch {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    indexes: BTreeMap<(TenantId, String), Kept>,
    generations: i64,
    spent: BTreeMap<(TenantId, i64), u64>,
}

struct Kept {
    current: Space,
    next: Option<Space>,
    created_at: Timestamp,
    deletions: BTreeMap<String, (JobId, Timestamp)>,
    deleted_to: Option<JobId>,
}

/// A generation with what is in it.
struct Space {
    generation: Generation,
    documents: BTreeMap<String, (Document, Timestamp)>,
    /// Of chunks and of what is staged; none of a text without direction.
    vectors: BTreeMap<ChunkHash, Option<Vec<f32>>>,
    staged: BTreeMap<ChunkHash, (Option<Vec<f32>>, Timestamp)>,
}

impl ModelSearch {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default() }
    }

    fn transact<T>(&self, verb: impl FnOnce(&mut Tables, Timestamp) -> T) -> T {
        // A panic of a test that failed leaves nothing that the next one reads.
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        verb(&mut tables, self.clock.now())
    }
}

impl Tables {
    fn space(&mut self, settings: &Settings) -> Space {
        self.generations += 1;
        let generation = Generation { number: self.generations, settings: settings.clone() };
        Space { generation, documents: BTreeMap::new(), vectors: BTreeMap::new(), staged: BTreeMap::new() }
    }

    fn kept(&mut self, tenant: &TenantId, name: &str) -> Option<&mut Kept> {
        self.indexes.get_mut(&(tenant.clone(), name.to_owned()))
    }

    fn place(&mut self, place: &Place) -> Option<&mut Space> {
        self.kept(&place.tenant, &place.index)?.written(place.generation)
    }
}

impl Kept {
    fn written(&mut self, generation: i64) -> Option<&mut Space> {
        [Some(&mut self.current), self.next.as_mut()].into_iter().flatten().find(|space| space.generation.number == generation)
    }

    fn index(&self, tenant: &TenantId, name: &str) -> Index {
        let chunks = self.current.documents.values().map(|(document, _)| document.chunks.len() as u64).sum();
        Index {
            tenant: tenant.clone(),
            name: name.to_owned(),
            current: self.current.generation.clone(),
            next: self.next.as_ref().map(|space| space.generation.clone()),
            next_documents: self.next.as_ref().map_or(0, |space| space.documents.len() as u64),
            documents: self.current.documents.len() as u64,
            chunks,
            created_at: self.created_at,
        }
    }

    fn behind(&self) -> Vec<(String, JobId)> {
        let Some(next) = &self.next else { return Vec::new() };
        let is_behind = |id: &String, document: &Document| next.documents.get(id).is_none_or(|(there, _)| there.version < document.version);
        let current = self.current.documents.iter().filter(|(id, (document, _))| is_behind(id, document));
        current.map(|(id, (document, _))| (id.clone(), document.version)).collect()
    }

    /// Whether a later job than this one brought or deleted the document.
    fn is_older(&self, generation: i64, document: &Document) -> bool {
        let version = document.version;
        let deleted =
            self.deleted_to.is_some_and(|to| to >= version) || self.deletions.get(&document.id).is_some_and(|(by, _)| *by >= version);
        let spaces = [Some(&self.current), self.next.as_ref()];
        let there = spaces.into_iter().flatten().find(|space| space.generation.number == generation);
        let standing = there.and_then(|space| space.documents.get(&document.id)).is_some_and(|(there, _)| there.version > version);
        let is_gone = self.current.generation.number != generation && !self.current.documents.contains_key(&document.id);
        deleted || standing || is_gone
    }
}

impl Space {
    fn vector(&self, hash: ChunkHash) -> Option<&Option<Vec<f32>>> {
        self.vectors.get(&hash).or_else(|| self.staged.get(&hash).map(|(vector, _)| vector))
    }

    fn put(&mut self, document: &Document, now: Timestamp) -> Put {
        if let Some(missing) = document.chunks.iter().find(|chunk| self.vector(chunk.hash).is_none()) {
            return Put::Missing(missing.hash);
        }
        for chunk in &document.chunks {
            let vector = self.vector(chunk.hash).cloned().unwrap_or_default();
            self.vectors.insert(chunk.hash, vector);
            self.staged.remove(&chunk.hash);
        }
        let before = self.documents.insert(document.id.clone(), (document.clone(), now));
        let lying = |(n, chunk): (u32, Chunk)| Lying { id: i64::from(n), n, hash: chunk.hash, facts: diff::facts(&chunk) };
        let before: Vec<Lying> = before.map(|(before, _)| (0..).zip(before.chunks).map(lying).collect()).unwrap_or_default();
        let diff = diff::diff(&before, &document.chunks);
        self.forget_vectors();
        Put::Stored { added: diff.added.len() as u32, kept: diff.kept, removed: diff.removed.len() as u32 }
    }

    /// Vectors go with the last chunk that has them.
    fn forget_vectors(&mut self) {
        let had: BTreeSet<ChunkHash> = self.documents.values().flat_map(|(document, _)| &document.chunks).map(|chunk| chunk.hash).collect();
        self.vectors.retain(|hash, _| had.contains(hash));
    }

    fn search(&self, asked: &Asked) -> Vec<Hit> {
        let chunks = self
            .documents
            .values()
            .flat_map(|(document, _)| document.chunks.iter().enumerate().map(move |(n, chunk)| (document, n, chunk)));
        let words_of = |chunk| if asked.words.is_some() { diff::words_of(chunk) } else { Vec::new() };
        let all: Vec<(&Document, usize, &Chunk, Vec<String>)> =
            chunks.map(|(document, n, chunk)| (document, n, chunk, words_of(chunk))).collect();
        let is_wanted = |document: &Document| asked.filter.is_none_or(|filter| filter.matches(&document.metadata));
        let ranked =
            |place: usize, score| Ranked { chunk: place as i64, document_id: all[place].0.id.clone(), n: all[place].1 as i64, score };
        let places = || (0..all.len()).filter(|place| is_wanted(all[*place].0));
        let mut rankings = Vec::new();
        if let Some(wanted) = &asked.vector {
            let vector = |place: usize| self.vectors.get(&all[place].2.hash).and_then(Option::as_ref);
            let near = |place| Some(ranked(place, vector(place)?.iter().zip(wanted).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()));
            rankings.push(places().filter_map(near).collect());
        }
        if let Some(words) = &asked.words {
            let corpus = Corpus { chunks: all.len() as u64, words: all.iter().map(|(.., words)| words.len() as u64).sum() };
            let having = |word: &String| all.iter().filter(|(.., words)| words.contains(word)).count() as u64;
            let wanted: Vec<Wanted> = words.iter().map(|word| Wanted { word: word.clone(), chunks: having(word) }).collect();
            let finders = bm25::finders(&wanted);
            let found = places().filter(|place| all[*place].3.iter().any(|word| finders.contains(&word.as_str())));
            let score = |place: usize| ranked(place, bm25::score(corpus, &wanted, &all[place].3.join(" ")));
            rankings.push(found.take(CANDIDATES_MAX as usize).map(score).collect());
        }
        if rankings.is_empty() {
            return Vec::new();
        }
        let hit = |(place, score): (i64, f64)| {
            let (document, n, chunk, _) = &all[place as usize];
            Hit {
                document_id: document.id.clone(),
                chunk: *n as u32,
                score,
                text: chunk.text.clone(),
                source: chunk.source.clone(),
                heading: chunk.heading.clone(),
                title: document.title.clone(),
                metadata: document.metadata.clone(),
            }
        };
        best(rankings, asked).into_iter().map(hit).collect()
    }
}

#[async_trait]
impl SearchStore for ModelSearch {
    async fn open_index(&self, tenant: &TenantId, name: &str, or: &Settings) -> Result<Index> {
        Ok(self.transact(|tables, now| {
            if tables.kept(tenant, name).is_none() {
                let current = tables.space(or);
                let kept = Kept { current, next: None, created_at: now, deletions: BTreeMap::new(), deleted_to: None };
                tables.indexes.insert((tenant.clone(), name.to_owned()), kept);
            }
            tables.kept(tenant, name).expect("it is there").index(tenant, name)
        }))
    }

    async fn index(&self, tenant: &TenantId, name: &str) -> Result<Option<Index>> {
        Ok(self.transact(|tables, _| tables.kept(tenant, name).map(|kept| kept.index(tenant, name))))
    }

    async fn indexes(&self, tenant: &TenantId, after: Option<&str>, limit: u32) -> Result<Vec<Index>> {
        Ok(self.transact(|tables, _| {
            let theirs = tables.indexes.iter().filter(|((owner, name), _)| owner == tenant && name.as_str() > after.unwrap_or_default());
            theirs.take(limit as usize).map(|((_, name), kept)| kept.index(tenant, name)).collect()
        }))
    }

    async fn drop_index(&self, tenant: &TenantId, name: &str) -> Result<bool> {
        Ok(self.transact(|tables, _| tables.indexes.remove(&(tenant.clone(), name.to_owned())).is_some()))
    }

    async fn known(&self, place: &Place, hashes: &[ChunkHash]) -> Result<Vec<ChunkHash>> {
        Ok(self.transact(|tables, now| {
            let Some(space) = tables.place(place) else { return Vec::new() };
            let mut known = Vec::new();
            for hash in hashes {
                if space.vector(*hash).is_some() && !known.contains(hash) {
                    known.push(*hash);
                }
                if let Some((_, staged_at)) = space.staged.get_mut(hash) {
                    *staged_at = now;
                }
            }
            known
        }))
    }

    async fn stage(&self, place: &Place, vectors: &[(ChunkHash, Vec<f32>)]) -> Result<()> {
        self.transact(|tables, now| {
            let Some(space) = tables.place(place) else { return Ok(()) };
            let units = vectors.iter().map(|(hash, vector)| Ok((*hash, unit(vector, &space.generation.settings)?)));
            for (hash, vector) in units.collect::<Result<Vec<_>>>()? {
                space.staged.entry(hash).or_insert((vector, now)).1 = now;
            }
            Ok(())
        })
    }

    async fn put_document(&self, place: &Place, document: &Document) -> Result<Put> {
        sound(document)?;
        Ok(self.transact(|tables, now| {
            let Some(kept) = tables.kept(&place.tenant, &place.index) else { return Put::Moved };
            if kept.written(place.generation).is_none() {
                return Put::Moved;
            }
            if kept.is_older(place.generation, document) {
                return Put::Older;
            }
            kept.written(place.generation).expect("it is there").put(document, now)
        }))
    }

    async fn delete_documents(&self, tenant: &TenantId, name: &str, which: &Which, version: JobId) -> Result<u64> {
        Ok(self.transact(|tables, now| {
            let Some(kept) = tables.kept(tenant, name) else { return 0 };
            match which {
                Which::All => kept.deleted_to = kept.deleted_to.max(Some(version)),
                Which::Ids(ids) => {
                    for id in ids {
                        let deletion = kept.deletions.entry(id.clone()).or_insert((version, now));
                        if deletion.0 < version {
                            *deletion = (version, now);
                        }
                    }
                }
            }
            let goes = |id: &String| matches!(which, Which::All) || matches!(which, Which::Ids(ids) if ids.contains(id));
            let mut deleted = 0;
            for space in [Some(&mut kept.current), kept.next.as_mut()].into_iter().flatten().rev() {
                let before = space.documents.len();
                space.documents.retain(|id, (document, _)| !goes(id) || document.version > version);
                deleted = (before - space.documents.len()) as u64;
                space.forget_vectors();
            }
            deleted
        }))
    }

    async fn documents(&self, tenant: &TenantId, name: &str, after: Option<&str>, limit: u32) -> Result<Vec<Listed>> {
        Ok(self.transact(|tables, _| {
            let Some(kept) = tables.kept(tenant, name) else { return Vec::new() };
            let listed = |(document, written_at): &(Document, Timestamp)| Listed {
                id: document.id.clone(),
                version: document.version,
                title: document.title.clone(),
                metadata: document.metadata.clone(),
                chunks: document.chunks.len() as u32,
                written_at: *written_at,
            };
            let behind = kept.current.documents.iter().filter(|(id, _)| id.as_str() > after.unwrap_or_default());
            behind.take(limit as usize).map(|(_, document)| listed(document)).collect()
        }))
    }

    async fn search(&self, tenant: &TenantId, name: &str, query: &Query) -> Result<Option<Vec<Hit>>> {
        self.transact(|tables, _| {
            let Some(kept) = tables.kept(tenant, name) else { return Ok(None) };
            let asked = Asked::of(query, &kept.current.generation.settings)?;
            Ok(Some(kept.current.search(&asked)))
        })
    }

    async fn begin_generation(&self, tenant: &TenantId, name: &str, settings: &Settings) -> Result<Begun> {
        Ok(self.transact(|tables, _| {
            let Some(kept) = tables.kept(tenant, name) else { return Begun::Unknown };
            if kept.current.generation.settings == *settings {
                return Begun::Same;
            }
            if let Some(next) = &kept.next {
                return if next.generation.settings == *settings { Begun::Next(next.generation.clone()) } else { Begun::Busy };
            }
            let next = tables.space(settings);
            let begun = Begun::Next(next.generation.clone());
            tables.kept(tenant, name).expect("it is there").next = Some(next);
            begun
        }))
    }

    async fn behind(&self, next: &Place, limit: u32) -> Result<Vec<(String, JobId)>> {
        Ok(self.transact(|tables, _| {
            let Some(kept) = tables.kept(&next.tenant, &next.index) else { return Vec::new() };
            if kept.next.as_ref().is_none_or(|space| space.generation.number != next.generation) {
                return Vec::new();
            }
            kept.behind().into_iter().take(limit as usize).collect()
        }))
    }

    async fn document(&self, tenant: &TenantId, name: &str, id: &str) -> Result<Option<Document>> {
        Ok(self.transact(|tables, _| tables.kept(tenant, name)?.current.documents.get(id).map(|(document, _)| document.clone())))
    }

    async fn switch(&self, next: &Place) -> Result<Switched> {
        Ok(self.transact(|tables, _| {
            let Some(kept) = tables.kept(&next.tenant, &next.index) else { return Switched::Moved };
            if kept.current.generation.number == next.generation {
                return Switched::Done;
            }
            if kept.next.as_ref().is_none_or(|space| space.generation.number != next.generation) {
                return Switched::Moved;
            }
            if !kept.behind().is_empty() {
                return Switched::Behind;
            }
            kept.current = kept.next.take().expect("it is there");
            Switched::Done
        }))
    }

    async fn give_up(&self, next: &Place) -> Result<()> {
        self.transact(|tables, _| {
            if let Some(kept) = tables.kept(&next.tenant, &next.index) {
                kept.next.take_if(|space| space.generation.number == next.generation);
            }
        });
        Ok(())
    }

    async fn spend(&self, tenant: &TenantId, tokens: u64, day_max: Option<u64>) -> Result<Spent> {
        Ok(self.transact(|tables, now| {
            let standing = tables.spent.entry((tenant.clone(), day_of(now))).or_default();
            let (spent, total) = spend(*standing, tokens, day_max, now);
            *standing = total;
            spent
        }))
    }

    async fn spent(&self, tenant: &TenantId) -> Result<u64> {
        Ok(self.transact(|tables, now| tables.spent.get(&(tenant.clone(), day_of(now))).copied().unwrap_or_default()))
    }

    async fn prune(&self) -> Result<bool> {
        self.transact(|tables, now| {
            for kept in tables.indexes.values_mut() {
                kept.deletions.retain(|_, (_, deleted_at)| *deleted_at >= now.plus_ms(-DELETIONS_KEPT_MS));
                for space in [Some(&mut kept.current), kept.next.as_mut()].into_iter().flatten() {
                    space.staged.retain(|_, (_, staged_at)| *staged_at >= now.plus_ms(-STAGED_MS));
                }
            }
            tables.spent.retain(|(_, day), _| *day >= day_of(now) - DAYS_KEPT);
        });
        Ok(false)
    }
}
