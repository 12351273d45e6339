//! How well chunks fit words: BM25, by the frequencies of the generation alone. A shared index's own score would tell of other tenants, by
//! how rare a word is among all; so indexes of words only find, and the score is made here. Pure.
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with the idf that is never negative (Lucene's).
//! Next: `fuse.rs`.

use std::collections::BTreeMap;

/// How soon it is of no use that a word is there again.
const K1: f64 = 1.2;
/// How much a long chunk is worth less.
const B: f64 = 0.75;
/// The most chunks that are scored for a search: words that more of them have only count, and do not find, where a rarer one does.
pub const CANDIDATES_MAX: u64 = 2_000;

/// What a generation is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corpus {
    /// Its chunks.
    pub chunks: u64,
    /// Words of all of them.
    pub words: u64,
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The word.
    pub word: String,
    /// Chunks of the generation that have it.
    pub chunks: u64,
}

/// Which of the words find: the rarest, as long as few enough chunks have them, and one in any case.
pub fn finders(wanted: &[Wanted]) -> Vec<&str> {
    let mut rarest: Vec<&Wanted> = wanted.iter().filter(|one| one.chunks > 0).collect();
    rarest.sort_by_key(|one| one.chunks);
    let mut found = 0;
    let fits = |one: &&&Wanted| {
        let is_first = found == 0;
        found += one.chunks;
        is_first || found <= CANDIDATES_MAX
    };
    rarest.iter().take_while(fits).map(|one| one.word.as_str()).collect()
}

/// How well a chunk fits that has these words, in any order, separated by spaces.
pub fn score(corpus: Corpus, wanted: &[Wanted], words: &str) -> f64 {
    let mut counts: BTreeMap<&str, u32> = wanted.iter().map(|one| (one.word.as_str(), 0)).collect();
    let mut length = 0_u32;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        length += 1;
        if let Some(count) = counts.get_mut(word) {
            *count += 1;
        }
    }
    let mean = (corpus.words as f64 / corpus.chunks.max(1) as f64).max(1.0);
    let damping = K1 * (1.0 - B + B * f64::from(length) / mean);
    let of_word = |one: &Wanted| {
        let count = f64::from(counts[one.word.as_str()]);
        idf(corpus.chunks, one.chunks) * count * (K1 + 1.0) / (count + damping)
    };
    wanted.iter().map(of_word).sum()
}

fn idf(chunks: u64, having: u64) -> f64 {
    let (chunks, having) = (chunks.max(having) as f64, having as f64);
    (1.0 + (chunks - having + 0.5) / (having + 0.5)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(word: &str, chunks: u64) -> Wanted {
        Wanted { word: word.into(), chunks }
    }

    /// Reckoned by `bm25s` 0.3.16 (PyPI), method "lucene", k1 1.2, b 0.75, which leaves the constant factor k1 + 1 out.
    #[test]
    fn scores_are_those_that_others_reckon() {
        let texts = ["the cat sat on the mat", "the dog", "a cat and a dog and a cow", "nothing at all"];
        let corpus = Corpus { chunks: 4, words: texts.iter().map(|text| text.split(' ').count() as u64).sum() };
        let query = [wanted("cat", 2), wanted("the", 2), wanted("cow", 1)];
        let scores = texts.map(|text| score(corpus, &query, text) / (K1 + 1.0));
        for (ours, theirs) in scores.into_iter().zip(SCORES_OF_BM25S) {
            assert!((ours - theirs).abs() < 1e-5, "{scores:?}");
        }
    }

    const SCORES_OF_BM25S: [f64; 4] = [0.687_807_7, 0.412_846_3, 0.673_743_5, 0.0];

    #[test]
    fn the_rarest_words_find_and_one_in_any_case() {
        let all = [wanted("the", CANDIDATES_MAX), wanted("rare", 3), wanted("nowhere", 0), wanted("less", CANDIDATES_MAX - 10)];
        assert_eq!(finders(&all), ["rare", "less"]);
        assert_eq!(finders(&[wanted("the", 10 * CANDIDATES_MAX)]), ["the"]);
        assert!(finders(&[wanted("nowhere", 0)]).is_empty());
    }

    #[test]
    fn what_every_chunk_has_is_worth_little_and_never_less_than_nothing() {
        let corpus = Corpus { chunks: 10, words: 100 };
        let score = |chunks| score(corpus, &[wanted("a", chunks)], "a b c");
        assert!(score(1) > score(5) && score(5) > score(10) && score(10) > 0.0);
    }
}
