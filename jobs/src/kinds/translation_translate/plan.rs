//! What is asked together, and by what an answer is found again. Pure.

use std::ops::Range;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{REQUEST_BYTES_MAX, REQUEST_TEXTS_MAX, request};
use crate::{job::JobId, translation::Hash};

/// Counts the changes of what a hash is made of.
const VERSION: &str = "deepl/1";

/// Everything that changes the answers of a target: whom is asked, for what, and by which glossary.
pub(super) struct Asked<'a> {
    /// Where the API is: what a test's server said never stands for DeepL's word.
    pub base: &'a str,
    /// What is asked of every text.
    pub options: &'a Map<String, Value>,
    /// The content of the glossary: what its id leads to may be changed.
    pub glossary: Option<[u8; 32]>,
    /// The job that shares its answers with nobody.
    pub alone: Option<JobId>,
}

impl Asked<'_> {
    /// By what the translation of a text is found again.
    pub fn hash(&self, text: &str) -> Hash {
        let mut hash = Sha256::new();
        let options = self.options.iter().map(|(name, value)| format!("{name}={value}")).collect::<std::collections::BTreeSet<_>>();
        let mut add = |part: &[u8]| {
            // With its length, so that no two lists of parts make the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(VERSION.as_bytes());
        add(self.base.as_bytes());
        add(&(options.len() as u64).to_be_bytes());
        options.iter().for_each(|option| add(option.as_bytes()));
        add(self.glossary.as_ref().map_or(&[], |glossary| glossary));
        add(self.alone.as_ref().map_or(&[], |job| job.as_bytes()));
        add(text.as_bytes());
        Hash(hash.finalize().into())
    }
}

/// Cuts texts into requests, in their order: each has as many as DeepL takes. The error is the place of a text that goes into none.
pub(super) fn cut(options: &Map<String, Value>, glossary_id: Option<&str>, texts: &[&str]) -> Result<Vec<Range<usize>>, usize> {
    let empty = request::body(options, glossary_id, &[]).len();
    let mut cuts = Vec::new();
    let (mut from, mut bytes) = (0, empty);
    for (index, text) in texts.iter().enumerate() {
        let its_bytes = request::bytes_of(text);
        if empty + its_bytes > REQUEST_BYTES_MAX {
            return Err(index);
        }
        let is_full = index - from == REQUEST_TEXTS_MAX || bytes + its_bytes + 1 > REQUEST_BYTES_MAX;
        if index > from && is_full {
            cuts.push(from..index);
            (from, bytes) = (index, empty);
        }
        bytes += its_bytes + usize::from(index > from);
    }
    if from < texts.len() {
        cuts.push(from..texts.len());
    }
    Ok(cuts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn options() -> Map<String, Value> {
        json!({ "target_lang": "DE", "context": "\"quoted\"" }).as_object().expect("an object").clone()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_text_is_asked_for_once_in_as_few_requests_as_its_order_allows(
            lengths in prop::collection::vec(prop_oneof![0..30_usize, 0..20_000_usize, 50_000..65_000_usize], 1..120),
            sign in prop::sample::select(vec!["a", "ü", "\u{1f44b}", "\"", "\n", "\u{1}"]),
        ) {
            let texts: Vec<String> = lengths.iter().map(|length| sign.repeat(length / sign.len().max(2))).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (options, id) = (options(), Some("def3a26b-3e84-45b3-84ae-0c0aaf3525f7"));
            let fits = |range: Range<usize>| {
                range.len() <= REQUEST_TEXTS_MAX && request::body(&options, id, &texts[range]).len() <= REQUEST_BYTES_MAX
            };
            match cut(&options, id, &texts) {
                Err(index) => prop_assert!(!fits(index..index + 1)),
                Ok(cuts) => {
                    prop_assert_eq!(cuts.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..texts.len()).collect::<Vec<_>>());
                    for (index, range) in cuts.iter().enumerate() {
                        prop_assert!(fits(range.clone()), "{:?}", range);
                        let is_last = index + 1 == cuts.len();
                        prop_assert!(is_last || !fits(range.start..range.end + 1), "one more would have gone into {:?}", range);
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_changes_the_answer_changes_the_hash() {
        let (first, second) = (options(), json!({ "target_lang": "DE" }).as_object().expect("an object").clone());
        let job = JobId::from_bytes([7; 16]);
        let base = "https://api.deepl.com";
        let asked = |base, options, glossary, alone, text| Asked { base, options, glossary, alone }.hash(text);
        let hashes = [
            asked(base, &first, None, None, "a"),
            asked(base, &second, None, None, "a"),
            asked(base, &first, None, None, "b"),
            asked(base, &first, Some([0; 32]), None, "a"),
            asked(base, &first, Some([1; 32]), None, "a"),
            asked(base, &first, None, Some(job), "a"),
            asked("http://127.0.0.1", &first, None, None, "a"),
        ];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "{index}");
        }
        assert_eq!(asked(base, &first, None, None, "a"), hashes[0]);
    }
}
