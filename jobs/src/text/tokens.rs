//! How many tokens a text has, by the vocabulary `cl100k_base` that the embedding models of OpenAI count by; other models' counts are near.
//! Pure.

use text_splitter::ChunkSizer;
use tiktoken_rs::CoreBPE;

/// Counts tokens. Its vocabulary takes 24 MB, and a tenth of a second to load, once for a process.
#[derive(Clone, Copy)]
pub(super) struct Tokens(&'static CoreBPE);

/// The longest run of letters, or of spaces, that is counted as one. A longer one is counted in pieces, which makes at most a token more
/// of each: counting takes time by the square of a run's length (200,000 letters without a space: seconds, and that for each try to cut).
const RUN_BYTES_MAX: usize = 256;

impl Tokens {
    pub(super) fn load() -> Self {
        Self(tiktoken_rs::cl100k_base_singleton())
    }

    pub(super) fn count(self, text: &str) -> usize {
        runs(text).map(|piece| self.0.encode_ordinary(piece).len()).sum()
    }
}

impl ChunkSizer for Tokens {
    fn size(&self, chunk: &str) -> usize {
        self.count(chunk)
    }
}

/// The text in pieces, in none of which is a longer run than [`RUN_BYTES_MAX`].
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut run, mut is_space) = (0, false);
        let cut = rest.char_indices().find_map(|(at, character)| {
            if character.is_whitespace() != is_space {
                (run, is_space) = (at, character.is_whitespace());
            }
            (at + character.len_utf8() - run > RUN_BYTES_MAX).then_some(at)
        });
        let (piece, left) = rest.split_at(cut.unwrap_or(rest.len()));
        rest = left;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_counted_as_its_vocabulary_says() {
        // https://github.com/openai/openai-cookbook, How_to_count_tokens_with_tiktoken.ipynb: cl100k_base has 6 tokens for this, and 9.
        assert_eq!(Tokens::load().count("tiktoken is great!"), 6);
        assert_eq!(Tokens::load().count("お誕生日おめでとう"), 9);
        let prose = "The quick brown fox jumps over the lazy dog, and then it rests.\n\n".repeat(50);
        assert_eq!(Tokens::load().count(&prose), Tokens::load().0.encode_ordinary(&prose).len());
    }

    #[test]
    fn a_run_without_an_end_is_counted_in_pieces() {
        for run in ["a", "日", " ", "\n"] {
            let text = format!("before {} after", run.repeat(200_000 / run.len()));
            let all: Vec<&str> = runs(&text).collect();
            assert_eq!(all.concat(), text);
            assert!(all.iter().all(|piece| piece.len() <= RUN_BYTES_MAX + " after".len() + "before ".len()), "{run:?}");
            assert!(Tokens::load().count(&text) > 200);
        }
    }
}
