//! Where two archives of one app differ: the first file, by name, and in what.

use std::{
    cmp::Ordering,
    io::{self, Read},
};

use sha2::{Digest, Sha256};

/// What an archive says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    path: String,
    mode: u32,
    bytes: u64,
    digest: Vec<u8>,
}

/// What is different first between what was built before and what is built now; none where all files are the same, though
/// the archives may not be. One file at a time is looked at, as an app may be large.
pub fn difference(before: impl Read, now: impl Read) -> io::Result<Option<String>> {
    let mut before = tar::Archive::new(zstd::Decoder::new(before)?);
    let mut now = tar::Archive::new(zstd::Decoder::new(now)?);
    let (mut before, mut now) = (before.entries()?, now.entries()?);
    loop {
        // Both are sorted, so the first pair that is none is the first difference.
        return Ok(match (next(&mut before)?, next(&mut now)?) {
            (None, None) => None,
            (Some(before), Some(now)) if before == now => continue,
            (Some(before), Some(now)) => Some(told(&before, &now)),
            (Some(before), None) => Some(format!("{} is missing now", before.path)),
            (None, Some(now)) => Some(format!("{} was not there before", now.path)),
        });
    }
}

fn told(before: &Entry, now: &Entry) -> String {
    match before.path.cmp(&now.path) {
        Ordering::Less => format!("{} is missing now", before.path),
        Ordering::Greater => format!("{} was not there before", now.path),
        Ordering::Equal if before.mode != now.mode => format!("{} had mode {:o} and has {:o} now", now.path, before.mode, now.mode),
        Ordering::Equal if before.bytes != now.bytes => format!("{} had {} bytes and has {} now", now.path, before.bytes, now.bytes),
        Ordering::Equal => format!("{} has another content of the same length", now.path),
    }
}

fn next<R: Read>(entries: &mut tar::Entries<'_, R>) -> io::Result<Option<Entry>> {
    let Some(entry) = entries.next() else {
        return Ok(None);
    };
    let mut entry = entry?;
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut entry, &mut hash)?;
    let path = entry.path()?.to_string_lossy().into_owned();
    Ok(Some(Entry { path, mode: entry.header().mode()?, bytes, digest: hash.finalize().to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, mode and content.
    type File<'f> = (&'f str, u32, &'f str);

    fn archive(files: &[File<'_>]) -> Vec<u8> {
        let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).expect("zstd"));
        for (path, mode, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            tar.append_data(&mut header, path, content.as_bytes()).expect("appended");
        }
        tar.into_inner().expect("a tar").finish().expect("zstd")
    }

    #[test]
    fn the_first_file_that_differs_is_named() {
        let before = [("a", 0o644, "a"), ("b", 0o644, "b"), ("d", 0o644, "d")];
        let cases: [(&[File<'_>], Option<&str>); 7] = [
            (&before, None),
            (&[("a", 0o644, "a"), ("b", 0o644, "x"), ("d", 0o644, "y")], Some("b has another content of the same length")),
            (&[("a", 0o644, "a"), ("b", 0o755, "b"), ("d", 0o644, "d")], Some("b had mode 644 and has 755 now")),
            (&[("a", 0o644, "a"), ("b", 0o644, "bb"), ("d", 0o644, "d")], Some("b had 1 bytes and has 2 now")),
            (&[("a", 0o644, "a"), ("c", 0o644, "c"), ("d", 0o644, "d")], Some("b is missing now")),
            (&[("a", 0o644, "a"), ("aa", 0o644, "")], Some("aa was not there before")),
            (&[("a", 0o644, "a"), ("b", 0o644, "b")], Some("d is missing now")),
        ];
        for (now, expected) in cases {
            let found = difference(archive(&before).as_slice(), archive(now).as_slice()).expect("read");
            assert_eq!(found.as_deref(), expected);
        }
    }
}
