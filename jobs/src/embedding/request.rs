//! What a provider is asked, and which texts go together into a request. Pure.
//!
//! The body by `CreateEmbeddingRequest` of openapi.yaml (openai/openai-openapi at 57800086, read 2026-11-22); how many tokens, by the
//! description of `input` in openai 3.54.0 (PyPI, types/embedding_create_params.py, read 2026-11-22).

use std::ops::Range;

use serde_json::{Value, json};

/// The most tokens of a text.
pub const TEXT_TOKENS_MAX: u32 = 8_192;
/// The most tokens of a request, of all its texts together.
pub(super) const REQUEST_TOKENS_MAX: u32 = 300_000;
/// The largest request: what stands before a server takes a few MiB, or less.
pub(super) const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// The largest answer that is asked for; a number takes up to this many bytes of it, and a vector so many beside its numbers.
pub(super) const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
const NUMBER_BYTES: usize = 26;
const VECTOR_BYTES: usize = 256;

/// A token of English has some four bytes: what is supposed of a text of which nobody has counted the tokens.
pub(super) const BYTES_PER_TOKEN: usize = 4;

/// A text that a vector is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'t> {
    /// What it says; not empty.
    pub text: &'t str,
    /// How many tokens it has at most.
    pub tokens: u32,
}

impl<'t> Text<'t> {
    /// A text of which nobody has counted the tokens: none is shorter than a byte.
    pub fn uncounted(text: &'t str) -> Self {
        Self { text, tokens: u32::try_from(text.len()).unwrap_or(u32::MAX) }
    }

    /// How many tokens it has, in all likelihood.
    pub const fn tokens_supposed(&self) -> u64 {
        self.text.len().div_ceil(BYTES_PER_TOKEN) as u64
    }
}

/// The body that asks for vectors of these texts.
pub(super) fn body(model: &str, dimensions: Option<u16>, texts: &[Text<'_>]) -> Vec<u8> {
    let input: Vec<&str> = texts.iter().map(|text| text.text).collect();
    // A quarter of the bytes of floats; who knows no base64 gives floats all the same.
    let mut body = json!({ "model": model, "input": input, "encoding_format": "base64" });
    if let Some(dimensions) = dimensions {
        body["dimensions"] = dimensions.into();
    }
    body.to_string().into_bytes()
}

/// How long an answer with so many vectors of this dimension may be.
pub(super) const fn answer_bytes_max(vectors: usize, dimension: u16) -> usize {
    vectors * (dimension as usize * NUMBER_BYTES + VECTOR_BYTES) + 64 * 1024
}

/// Which texts go together, in their order: as many as a request, and its answer, may have.
pub(super) fn cut(texts: &[Text<'_>], texts_max: usize, dimension: u16) -> Vec<Range<usize>> {
    let texts_max = texts_max.min(ANSWER_BYTES_MAX / answer_bytes_max(1, dimension)).max(1);
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let (mut tokens, mut bytes) = (0_u32, 0);
    for (index, text) in texts.iter().enumerate() {
        let more_bytes = Value::from(text.text).to_string().len() + 1;
        let (all_tokens, all_bytes) = (tokens.saturating_add(text.tokens), bytes + more_bytes);
        match cuts.last_mut() {
            Some(last) if last.len() < texts_max && all_tokens <= REQUEST_TOKENS_MAX && all_bytes <= REQUEST_BYTES_MAX => {
                last.end = index + 1;
                (tokens, bytes) = (all_tokens, all_bytes);
            }
            _ => {
                cuts.push(index..index + 1);
                (tokens, bytes) = (text.tokens, more_bytes);
            }
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Texts that reach the limit of bytes are long to look at.
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Every text goes once, in its order; no request has more than it may, and none could take the text that begins the next.
        #[test]
        fn requests_are_as_large_as_they_may_be(
            sizes in proptest::collection::vec((1_usize..40_000, 1_u32..9_000), 0..80), texts_max in 1_usize..300, dimension in 1_u16..4_000,
        ) {
            let long = "\u{1}x".repeat(20_000);
            let texts: Vec<Text<'_>> = sizes.iter().map(|(bytes, tokens)| Text { text: &long[..*bytes], tokens: *tokens }).collect();
            let cuts = cut(&texts, texts_max, dimension);
            prop_assert_eq!(cuts.iter().cloned().flatten().collect::<Vec<_>>(), (0..texts.len()).collect::<Vec<_>>());
            let fits = |range: &Range<usize>| {
                let texts = &texts[range.clone()];
                texts.len() <= texts_max
                    && answer_bytes_max(texts.len(), dimension) <= ANSWER_BYTES_MAX + 64 * 1024 * texts.len()
                    && texts.iter().map(|text| text.tokens).sum::<u32>() <= REQUEST_TOKENS_MAX
                    && body("m", None, texts).len() <= REQUEST_BYTES_MAX + 100
            };
            for (place, range) in cuts.iter().enumerate() {
                prop_assert!(range.len() == 1 || fits(range), "{:?}", range);
                if let Some(next) = cuts.get(place + 1) {
                    let larger = range.start..next.start + 1;
                    let texts_at_most = texts_max.min(ANSWER_BYTES_MAX / answer_bytes_max(1, dimension));
                    prop_assert!(!fits(&larger) || larger.len() > texts_at_most || body("m", None, &texts[larger.clone()]).len() > REQUEST_BYTES_MAX);
                }
            }
        }
    }

    #[test]
    fn dimensions_are_asked_for_where_the_connection_says_so() {
        let texts = [Text::uncounted("a\n\"b\""), Text::uncounted("ü")];
        let told = |dimensions| serde_json::from_slice::<Value>(&body("m", dimensions, &texts)).expect("JSON");
        assert_eq!(told(None), json!({ "model": "m", "input": ["a\n\"b\"", "ü"], "encoding_format": "base64" }));
        assert_eq!(told(Some(256))["dimensions"], 256);
    }
}
