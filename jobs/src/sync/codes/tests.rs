//! Each code that is written where syncs run has its line, and each line its code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::*;

/// What makes an error, and whether another attempt may succeed; none where the caller says so.
const MAKERS: [(&str, Option<bool>); 8] = [
    ("Outcome::bury(", Some(false)),
    ("Outcome::retry(", Some(true)),
    ("Wrong::now(", Some(true)),
    ("Wrong::always(", Some(false)),
    ("JobError::new(", None),
    // Closures.
    ("again(", Some(true)),
    ("retry(", Some(true)),
    ("unclear(", Some(true)),
];
/// What stands in the place of a code in those that hand one on, whose codes are read where they are written.
const HANDED_ON: [&str; 4] = ["code", "error.code()", "code: &str", "&self"];
/// What no sync comes upon: it opens no hook, and asks for no answer that has to be good.
const ELSEWHERES: [&str; 2] = ["hook_lost", "answer_refused"];

/// The sources below this place, without tests.
fn sources(place: &str) -> Vec<(PathBuf, String)> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(place);
    let files: Vec<PathBuf> = if place.is_dir() {
        let below = fs::read_dir(&place).expect("a folder").map(|entry| entry.expect("an entry").path());
        let source_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let name = |path: &PathBuf| path.strip_prefix(&source_folder).expect("below it").to_str().expect("UTF-8").to_owned();
        return below.flat_map(|path| sources(&name(&path))).collect();
    } else {
        vec![place]
    };
    let is_source = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        (path, code)
    };
    files.into_iter().filter(is_source).map(read).collect()
}

/// The first argument after each maker, with what the maker says of trying again.
fn made(code: &str) -> Vec<(&str, Option<bool>)> {
    let mut made = Vec::new();
    for (maker, retryable) in MAKERS {
        for (at, _) in code.match_indices(maker) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            let is_named_so =
                maker.contains("::") || !(before.is_alphanumeric() || ['_', '.', ':'].contains(&before) || code[..at].ends_with("fn "));
            if is_named_so {
                let rest = code[at + maker.len()..].trim_start();
                let end = rest.find([',', ')']).unwrap_or(rest.len());
                let argument = if rest.starts_with("error.code()") { "error.code()" } else { rest[..end].trim() };
                made.push((argument, retryable));
            }
        }
    }
    made
}

#[test]
fn each_code_has_a_line_and_each_line_a_code() {
    let known: BTreeMap<&str, bool> =
        of(&[BOTH, READING, CALLING, PREVIEWING, RUNNING]).iter().map(|(code, retryable, _)| (*code, *retryable)).collect();
    let mut written: BTreeSet<String> = BTreeSet::new();
    for place in ["sync", "kinds/sync_run", "kinds/sync_preview", "connection/caller.rs"] {
        for (path, code) in sources(place) {
            for (argument, retryable) in made(&code) {
                let literal = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let Some(literal) = literal else {
                    assert!(HANDED_ON.contains(&argument), "{}: {argument:?} is no code that can be read here", path.display());
                    continue;
                };
                let line = known.get(literal);
                assert!(line.is_some(), "{}: {literal} has no line in sync/codes.rs", path.display());
                assert!(retryable.is_none_or(|retryable| line == Some(&retryable)), "{}: {literal}", path.display());
                written.insert(literal.to_owned());
            }
        }
    }
    // Those that hand a code on.
    for (place, begin) in [
        ("outbound/error.rs", "fn code(&self)"),
        ("connection.rs", "fn as_job_error(&self)"),
        ("outbound/tokens.rs", "fn as_job_error(&self)"),
    ] {
        let (_, code) = sources(place).pop().expect("a source");
        let body = code.split(begin).nth(1).expect("it is there").split("\n    }\n").next().unwrap_or_default();
        let codes: Vec<&str> = body.split('"').skip(1).step_by(2).collect();
        assert!(codes.len() >= 2, "{place}: {codes:?}");
        for code in codes.into_iter().filter(|code| !ELSEWHERES.contains(code)) {
            assert!(known.contains_key(code), "{place}: {code} has no line in sync/codes.rs");
            written.insert(code.to_owned());
        }
    }
    written.insert(crate::connection::SECRETS_UNREADABLE.to_owned());
    let never: Vec<_> = known.keys().filter(|code| !written.contains(**code)).collect();
    assert!(never.is_empty(), "no code says {never:?}");
}

#[test]
fn contracts_have_each_code_once() {
    for contract in [crate::kinds::sync_run::contract(), crate::kinds::sync_preview::contract()] {
        let errors = contract.about.expect("it says what it is").errors;
        let codes: BTreeSet<&str> = errors.iter().map(|error| &*error.code).collect();
        assert_eq!(codes.len(), errors.len(), "{}", contract.kind);
        for (code, ..) in of(&[BOTH, READING, CALLING]) {
            assert!(codes.contains(code), "{}: {code}", contract.kind);
        }
    }
}
