//! What a glossary is: which serves a target, what its terms must be, and how DeepL takes them and knows them again. Pure.
//!
//! Terms are written as `util.convert_dict_to_tsv` of deepl 1.32.0 (PyPI, read 2026-11-22) writes them, and refused as it refuses them.

use super::{Glossary, Payload, TERM_BYTES_MAX, escaped};
use crate::contract::Violation;
#[cfg(feature = "handlers")]
use sha2::{Digest, Sha256};
#[cfg(feature = "handlers")]
use std::collections::BTreeMap;

/// The glossary for a target, and by which word of the payload.
pub(super) fn of<'p>(payload: &'p Payload, target: &str) -> Option<(&'p str, &'p Glossary)> {
    let by = |wanted: &str| payload.glossary.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    by(target).or_else(|| by(base(target))).map(|(name, glossary)| (name.as_str(), glossary))
}

/// The language without its variant: DeepL's glossaries know none.
pub(super) fn base(language: &str) -> &str {
    language.split('-').next().unwrap_or(language)
}

/// What is wrong with the glossaries of a payload.
pub(super) fn check(payload: &Payload, targets: &[String]) -> Result<(), Violation> {
    let wrong = |pointer: String, message: String| Err(Violation { pointer, message });
    if !payload.glossary.is_empty() && payload.source.is_none() {
        return wrong("/source".into(), "is missing: DeepL takes a glossary only with the language of the texts".into());
    }
    for (name, glossary) in &payload.glossary {
        let serves = |target: &String| of(payload, target).is_some_and(|(served, _)| served == name);
        if !targets.iter().any(serves) {
            return wrong(format!("/glossary/{name}"), "is for no language of targets".into());
        }
        let Glossary::Terms(terms) = glossary else { continue };
        for (term, translation) in terms {
            let at = format!("/glossary/{name}/{}", escaped(term));
            if let Some(message) = flaw("the term", term).or_else(|| flaw("its translation", translation)) {
                return wrong(at, message);
            }
            if terms.keys().any(|other| other != term && other.trim() == term.trim()) {
                return wrong(at, "is there twice, but for blanks at its ends".into());
            }
        }
    }
    Ok(())
}

fn flaw(what: &str, text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return Some(format!("{what} is empty"));
    }
    if text.len() > TERM_BYTES_MAX {
        return Some(format!("{what} has more than {TERM_BYTES_MAX} bytes"));
    }
    text.chars().any(|sign| sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}')).then(|| format!("{what} has a control character"))
}

/// The terms as DeepL takes them: tab-separated.
#[cfg(feature = "handlers")]
pub(super) fn tsv(terms: &BTreeMap<String, String>) -> String {
    terms.iter().map(|(term, translation)| format!("{}\t{}", term.trim(), translation.trim())).collect::<Vec<_>>().join("\n")
}

/// What terms are called at DeepL, so that they are found again: by their hash and the languages.
#[cfg(feature = "handlers")]
pub(super) fn name_of(source: &str, target: &str, tsv: &str) -> String {
    let hash = Sha256::digest(tsv.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("windrow-{}-{}-{hash}", base(source).to_lowercase(), base(target).to_lowercase())
}
