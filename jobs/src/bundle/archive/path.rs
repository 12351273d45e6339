//! The paths of a bundle: each means one file, the same on every machine.
//!
//! Refused is what leaves the bundle, what another system reads as something else, and two paths that another system cannot tell
//! apart.

use std::collections::BTreeMap;

use super::Refused;
use crate::objects::{KEY_BYTES_MAX, SEGMENT_BYTES_MAX};

/// The most segments of a path.
const DEPTH_MAX: usize = 32;

/// Why this is no path within a bundle, if it is none.
pub fn flaw(path: &str) -> Option<&'static str> {
    let drive = |text: &str| matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let segments = || path.split('/');
    Some(match path {
        "" => "it is empty",
        _ if path.contains('\0') => "it has a NUL",
        _ if path.starts_with('/') => "it is absolute",
        _ if drive(path) => "it begins with a drive's letter",
        _ if path.contains('\\') => "it has a backslash",
        _ if path.chars().any(char::is_control) => "it has a control character",
        _ if segments().any(|segment| segment == "..") => "it leads out of its folder by ..",
        _ if segments().any(|segment| matches!(segment, "" | ".")) => "it has an empty segment or a dot alone",
        _ if segments().any(|segment| segment.len() > SEGMENT_BYTES_MAX) => "one of its segments is longer than 200 bytes",
        _ if segments().count() > DEPTH_MAX => "it is deeper than 32 segments",
        _ if path.len() > KEY_BYTES_MAX => "it is longer than 900 bytes",
        _ => return None,
    })
}

/// What the paths so far stand for, by how they look where case does not matter.
#[derive(Default)]
pub(super) struct Paths(BTreeMap<String, (String, bool)>);

impl Paths {
    pub(super) fn file(&mut self, path: &str) -> Result<String, Refused> {
        // What tar writes of a folder `.`.
        let path = path.strip_prefix("./").unwrap_or(path);
        Self::check(path)?;
        self.take(path, true)?;
        Ok(path.to_owned())
    }

    pub(super) fn folder(&mut self, path: &str) -> Result<(), Refused> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = path.strip_prefix("./").unwrap_or(path);
        if path == "." {
            return Ok(());
        }
        Self::check(path)?;
        self.take(path, false)
    }

    fn check(path: &str) -> Result<(), Refused> {
        match flaw(path) {
            None => Ok(()),
            Some(flaw) => Err(Refused::invalid("", format!("the path {path:?} is refused: {flaw}"))),
        }
    }

    fn take(&mut self, path: &str, is_file: bool) -> Result<(), Refused> {
        let parents = path.match_indices('/').map(|(at, _)| (&path[..at], false));
        for (part, is_file) in parents.chain([(path, is_file)]) {
            let folded = part.to_lowercase();
            let refused = |message: String| Err(Refused::invalid("", message));
            match self.0.get(&folded) {
                None => _ = self.0.insert(folded, (part.to_owned(), is_file)),
                Some((known, _)) if known != part => {
                    return refused(format!("{known:?} and {path:?} differ in case only, so there are systems that cannot keep both"));
                }
                Some((_, was_file)) if *was_file != is_file => return refused(format!("{part:?} is a file and a folder at once")),
                Some((_, true)) => return refused(format!("{part:?} is there twice")),
                Some((_, false)) => {}
            }
        }
        Ok(())
    }
}
