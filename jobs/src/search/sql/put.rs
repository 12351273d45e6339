//! Documents: staging their vectors, and putting them in the place of what was there, in one transaction. Chunks that stay are left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Base, Bound, Held, Json, ROWS_MAX, Rows, SqlSearch, bound, hash, hex, version};
use crate::{
    ledger::{Error, Result},
    search::{
        Chunk, ChunkHash, Document,
        diff::{self, Diff, Lying},
        ranked::unit,
        store::{Place, Put, sound},
    },
};

/// The most bytes of texts that one statement is handed.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// What lies there of a document.
#[derive(Default)]
struct Before {
    is_there: bool,
    words: i64,
    chunks: Vec<Lying>,
}

impl<B: Base> SqlSearch<B> {
    pub(super) async fn have(&self, place: &Place, hashes: &[ChunkHash]) -> Result<Vec<ChunkHash>> {
        let mut tx = self.begin().await?;
        if self.hold_place(&mut tx, place).await?.is_none() {
            return Ok(Vec::new());
        }
        let known = self.with_vectors(&mut tx, place.generation, hashes).await?;
        tx.commit().await?;
        let mut seen = BTreeSet::new();
        Ok(hashes.iter().copied().filter(|one| known.contains(one) && seen.insert(*one)).collect())
    }

    pub(super) async fn keep(&self, place: &Place, vectors: &[(ChunkHash, Vec<f32>)]) -> Result<()> {
        let mut tx = self.begin().await?;
        if self.hold_place(&mut tx, place).await?.is_none() {
            return Ok(());
        }
        let (settings, in_qdrant) = self.made_with(&mut tx, place.generation).await?;
        if in_qdrant {
            return self.keep_outside(tx, place, &settings, vectors).await;
        }
        let now = tx.now();
        for (hash, vector) in vectors {
            let vector = Bound::Vector(unit(vector, &settings)?);
            tx.execute(&self.statements().stage, bound![place.generation, *hash, vector, now]).await?;
        }
        tx.commit().await
    }

    pub(super) async fn put(&self, place: &Place, document: &Document) -> Result<Put> {
        sound(document)?;
        let mut tx = self.begin().await?;
        let Some(held) = self.hold_place(&mut tx, place).await? else { return Ok(Put::Moved) };
        let Some(before) = self.before(&mut tx, &held, place, document).await? else { return Ok(Put::Older) };
        let hashes: Vec<ChunkHash> = document.chunks.iter().map(|chunk| chunk.hash).collect();
        let known = self.with_vectors(&mut tx, place.generation, &hashes).await?;
        if let Some(missing) = hashes.iter().find(|hash| !known.contains(hash)) {
            return Ok(Put::Missing(*missing));
        }
        let diff = diff::diff(&before.chunks, &document.chunks);
        self.write(&mut tx, place.generation, document, &before, &diff).await?;
        tx.commit().await?;
        let count = |chunks: usize| u32::try_from(chunks).unwrap_or(u32::MAX);
        Ok(Put::Stored { added: count(diff.added.len()), kept: diff.kept, removed: count(diff.removed.len()) })
    }

    /// What lies there, unless a later job brought or deleted it.
    async fn before(&self, tx: &mut B::Tx, held: &Held, place: &Place, document: &Document) -> Result<Option<Before>> {
        let sql = self.statements();
        let deletions: Vec<(Vec<u8>,)> = tx.fetch(&sql.deletion, bound![held.id, document.id.as_str()]).await?;
        let deleted = deletions.first().map(|(bytes,)| version(bytes)).transpose()?;
        if held.deleted_to >= document.version || deleted.is_some_and(|deleted| deleted >= document.version) {
            return Ok(None);
        }
        if held.current != place.generation && self.standing(tx, held.current, &document.id).await?.is_none() {
            // The next generation has nothing that the current one has not: otherwise a switch would bring it back.
            return Ok(None);
        }
        let Some((id, standing, words)) = self.standing(tx, place.generation, &document.id).await? else {
            return Ok(Some(Before::default()));
        };
        if standing > document.version.as_bytes().to_vec() {
            return Ok(None);
        }
        let rows: Vec<(i64, i64, Vec<u8>, Vec<u8>)> = tx.fetch(&sql.lying, bound![id]).await?;
        Ok(Some(Before { is_there: true, words, chunks: rows.into_iter().map(lying).collect::<Result<_>>()? }))
    }

    /// A document's row, its version and how many words it has.
    async fn standing(&self, tx: &mut B::Tx, generation: i64, id: &str) -> Result<Option<(i64, Vec<u8>, i64)>> {
        let rows: Vec<(i64, Vec<u8>, i64, i64)> = tx.fetch(&self.statements().held_document, bound![generation, id]).await?;
        Ok(rows.into_iter().next().map(|(id, version, _, words)| (id, version, words)))
    }

    /// Which of these have a vector. Those that are staged are held, so that none is forgotten as old meanwhile.
    async fn with_vectors(&self, tx: &mut B::Tx, generation: i64, hashes: &[ChunkHash]) -> Result<BTreeSet<ChunkHash>> {
        let distinct: Vec<ChunkHash> = hashes.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut known = BTreeSet::new();
        let now = tx.now();
        for some in distinct.chunks(ROWS_MAX) {
            tx.execute(&self.statements().touch_staged, bound![generation, Json::of_hashes(some), now]).await?;
            let rows: Vec<(Vec<u8>,)> = tx.fetch(&self.statements().known, bound![generation, Json::of_hashes(some)]).await?;
            for (bytes,) in rows {
                known.insert(hash(bytes)?);
            }
        }
        Ok(known)
    }

    async fn write(&self, tx: &mut B::Tx, generation: i64, document: &Document, before: &Before, diff: &Diff) -> Result<()> {
        let sql = self.statements();
        let words: Vec<Vec<String>> = document.chunks.iter().map(diff::words_of).collect();
        let all: i64 = words.iter().map(|words| words.len() as i64).sum();
        let (chunks, now) = (document.chunks.len() as i64, tx.now());
        let id = document.id.as_str();
        let (title, metadata) = (document.title.as_deref(), Json::of(&document.metadata));
        let values = bound![generation, id, document.version, title, metadata, chunks, all, now];
        let rows: Vec<(i64,)> = tx.fetch(&sql.store_document, values).await?;
        let (row,) = *rows.first().ok_or_else(|| Error::Corrupt("a document without a number".into()))?;

        self.add(tx, generation, row, document, &words, &diff.added).await?;
        self.change(tx, document, &diff.changed).await?;
        self.remove_chunks(tx, &diff.removed).await?;
        let (documents, chunks) = (i64::from(!before.is_there), chunks - before.chunks.len() as i64);
        tx.execute(&sql.count, bound![generation, documents, chunks, all - before.words]).await?;
        let added: Vec<ChunkHash> = document.chunks.iter().map(|chunk| chunk.hash).collect();
        for some in added.chunks(ROWS_MAX) {
            self.remove(tx, &sql.forget_staged, bound![generation, Json::of_hashes(some)]).await?;
        }
        Ok(())
    }

    async fn add(
        &self,
        tx: &mut B::Tx,
        generation: i64,
        row: i64,
        document: &Document,
        words: &[Vec<String>],
        added: &[usize],
    ) -> Result<()> {
        let sql = self.statements();
        for some in batches(added, |index| document.chunks[*index].text.len()) {
            let one = |index: &usize| {
                let chunk = &document.chunks[*index];
                (index.to_owned(), hex(&chunk.hash.0), hex(&diff::facts(chunk)), words[*index].len())
            };
            let rows: Vec<_> = some.iter().map(one).collect();
            let made: Vec<(i64, i64)> = tx.fetch(&sql.add_chunks, bound![generation, row, Json::of(&rows)]).await?;
            let numbers: BTreeMap<i64, i64> = made.into_iter().map(|(id, n)| (n, id)).collect();
            let number = |index: &usize| {
                let number = numbers.get(&(*index as i64)).copied();
                number.ok_or_else(|| Error::Corrupt("a chunk without a number".into()))
            };
            let mut texts = Vec::new();
            let mut terms = Vec::new();
            for index in some {
                let (id, words) = (number(index)?, &words[*index]);
                texts.push(text(id, &document.chunks[*index], &words.join(" ")));
                let distinct: BTreeSet<&String> = words.iter().collect();
                terms.push((id, distinct.into_iter().map(|word| term(generation, word)).collect::<Vec<_>>().join(" ")));
            }
            tx.execute(&sql.store_texts, bound![Json::of(&texts)]).await?;
            tx.execute(&sql.store_words, bound![Json::of(&terms)]).await?;
        }
        Ok(())
    }

    async fn change(&self, tx: &mut B::Tx, document: &Document, changed: &[(i64, usize)]) -> Result<()> {
        let sql = self.statements();
        for some in batches(changed, |(_, index)| document.chunks[*index].text.len()) {
            let moved: Vec<_> = some.iter().map(|(id, index)| (id, index, hex(&diff::facts(&document.chunks[*index])))).collect();
            tx.execute(&sql.move_chunks, bound![Json::of(&moved)]).await?;
            // The words are those of what is embedded, which is the same: the row that is there keeps them.
            let texts: Vec<_> = some.iter().map(|(id, index)| text(*id, &document.chunks[*index], "")).collect();
            tx.execute(&sql.store_texts, bound![Json::of(&texts)]).await?;
        }
        Ok(())
    }
}

/// A word as the index of words has it: nobody else's.
pub(super) fn term(generation: i64, word: &str) -> String {
    format!("{generation}_{word}")
}

/// A row of the texts.
fn text<'c>(id: i64, chunk: &'c Chunk, words: &str) -> (i64, &'c str, String, Option<&'c str>, u32, String) {
    (id, &chunk.text, Json::of(&chunk.heading).0, chunk.source.as_deref(), chunk.tokens, words.to_owned())
}

/// As many at once as a statement is handed.
fn batches<T>(all: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut batches = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (index, one) in all.iter().enumerate() {
        let bytes = bytes(one);
        if index > start && (index - start == ROWS_MAX || size + bytes > TEXT_BYTES_MAX) {
            batches.push(&all[start..index]);
            (start, size) = (index, 0);
        }
        size += bytes;
    }
    if start < all.len() {
        batches.push(&all[start..]);
    }
    batches
}

fn lying((id, n, bytes, facts): (i64, i64, Vec<u8>, Vec<u8>)) -> Result<Lying> {
    let facts = facts.try_into().map_err(|_| Error::Corrupt("what is shown of a chunk has a hash of 32 bytes".into()))?;
    Ok(Lying { id, n: u32::try_from(n).unwrap_or(u32::MAX), hash: hash(bytes)?, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_neither_long_nor_heavy() {
        let sizes = |all: &[usize]| batches(all, |bytes| *bytes).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[TEXT_BYTES_MAX * 2, 1, TEXT_BYTES_MAX, 1]), [1, 1, 1, 1]);
        assert_eq!(sizes(&[1; 2 * ROWS_MAX + 1]), [ROWS_MAX, ROWS_MAX, 1]);
        assert_eq!(sizes(&[TEXT_BYTES_MAX / 2, TEXT_BYTES_MAX / 2, 1]), [2, 1]);
    }
}
