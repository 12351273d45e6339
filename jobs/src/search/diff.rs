//! What of a document's chunks stays, comes and goes, when it is written again: by their hashes, so that nothing that stays is embedded or
//! indexed anew. Pure.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest, Sha256};

use super::{Chunk, ChunkHash, words::words};

/// A chunk as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    /// The store's number of it.
    pub id: i64,
    /// Its place in the document.
    pub n: u32,
    /// Of what is embedded.
    pub hash: ChunkHash,
    /// Of what is shown: see [`facts`].
    pub facts: [u8; 32],
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Chunks that stay, and whose place changes or what is shown of them: the store's number, and which of the new ones they are.
    pub changed: Vec<(i64, usize)>,
    /// How many of the chunks that were there stay.
    pub kept: u32,
    /// Which of the new ones come.
    pub added: Vec<usize>,
    /// Those that go.
    pub removed: Vec<i64>,
}

/// Compares what lies there with what is to be there.
pub fn diff(lying: &[Lying], chunks: &[Chunk]) -> Diff {
    let mut there: BTreeMap<ChunkHash, VecDeque<&Lying>> = BTreeMap::new();
    lying.iter().for_each(|one| there.entry(one.hash).or_default().push_back(one));
    let mut diff = Diff::default();
    for (index, chunk) in chunks.iter().enumerate() {
        let Some(one) = there.get_mut(&chunk.hash).and_then(VecDeque::pop_front) else {
            diff.added.push(index);
            continue;
        };
        diff.kept += 1;
        if one.n as usize != index || one.facts != facts(chunk) {
            diff.changed.push((one.id, index));
        }
    }
    diff.removed = there.into_values().flatten().map(|one| one.id).collect();
    diff.removed.sort_unstable();
    diff
}

/// SHA-256 of all that is shown of a chunk.
pub fn facts(chunk: &Chunk) -> [u8; 32] {
    let shown = serde_json::to_vec(&(&chunk.text, &chunk.heading, &chunk.source, chunk.tokens));
    Sha256::digest(shown.expect("texts and numbers have a JSON form")).into()
}

/// The words by which a chunk is found: of what is embedded, headings too.
pub fn words_of(chunk: &Chunk) -> Vec<String> {
    words(&Chunk::embedded(&chunk.heading, &chunk.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &str, source: Option<&str>) -> Chunk {
        let hash = ChunkHash::of(text);
        Chunk { hash, text: text.into(), heading: Vec::new(), source: source.map(str::to_owned), tokens: 1 }
    }

    fn lying(texts: &[&str]) -> Vec<Lying> {
        let one = |(n, text): (u32, &&str)| {
            let chunk = chunk(text, None);
            Lying { id: 100 + i64::from(n), n, hash: chunk.hash, facts: facts(&chunk) }
        };
        (0..).zip(texts).map(one).collect()
    }

    #[test]
    fn what_stays_is_left_alone_wherever_it_lies() {
        let chunks = [chunk("new", None), chunk("a", None), chunk("c", Some("x")), chunk("a", None)];
        let diff = diff(&lying(&["a", "b", "c", "a", "a"]), &chunks);
        assert_eq!(diff, Diff { changed: vec![(100, 1)], kept: 3, added: vec![0], removed: vec![101, 104] }.with((102, 2)));
    }

    impl Diff {
        fn with(mut self, changed: (i64, usize)) -> Self {
            self.changed.push(changed);
            self
        }
    }

    #[test]
    fn the_same_again_is_nothing_to_do() {
        let chunks = [chunk("a", None), chunk("a", None), chunk("b", None)];
        assert_eq!(diff(&lying(&["a", "a", "b"]), &chunks), Diff { kept: 3, ..Diff::default() });
    }
}
