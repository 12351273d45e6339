//! The object store: bundles, artifacts and whatever else is too large for the ledger, by key.
//!
//! Never a truth of its own: what lies here is found through the ledger or by a key that says what it is.
//! Two stores keep this contract, `folder.rs` and `s3.rs` (feature `objects`); one suite holds both to it.

#[cfg(feature = "objects")]
pub mod folder;
#[cfg(feature = "objects")]
pub mod link;
#[cfg(feature = "objects")]
pub mod s3;

use std::{fmt, path::PathBuf, pin::Pin, str::FromStr, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::clock::Timestamp;

/// The longest key: S3 allows 1,024 bytes, and a folder adds its own path.
pub const KEY_BYTES_MAX: usize = 900;
/// The longest segment of a key: a file's name has up to 255 bytes.
pub const SEGMENT_BYTES_MAX: usize = 200;

/// Where an object lies: segments joined by `/`. There is no key that leaves the store or hides in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |why: &str| Err(Error::Refused(format!("{text:?} is no key: {why}")));
        if text.len() > KEY_BYTES_MAX {
            return refused("it is too long");
        }
        // `%` marks the folder store's own files, a backslash is a separator elsewhere.
        if text.chars().any(|character| character.is_control() || matches!(character, '\\' | '%')) {
            return refused("it has a control character, a backslash or a percent sign");
        }
        let plain = |segment: &str| !matches!(segment, "" | "." | "..") && segment.len() <= SEGMENT_BYTES_MAX;
        if !text.split('/').all(plain) {
            return refused("its segments are joined by single slashes, none is . or .. or too long");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Key {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// Why an object could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store cannot be reached, or has no room; trying again later may help.
    #[error("the object store is not available: {0}")]
    Unavailable(String),
    /// The store will not do this, however often it is asked.
    #[error("the object store refused: {0}")]
    Refused(String),
}

/// What the store answers.
pub type Result<T> = std::result::Result<T, Error>;

/// What is to be kept.
#[derive(Debug, Clone)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// This file's.
    File(PathBuf),
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<PathBuf> for Content {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content in lower-case hexadecimal; none where something else put it there.
    pub sha256: Option<String>,
    /// Its media type.
    pub media_type: String,
}

/// An object, being read.
pub struct Object {
    /// What is known of it.
    pub meta: Meta,
    /// Its content.
    pub content: Pin<Box<dyn AsyncRead + Send>>,
}

impl Object {
    /// Its whole content, if that has at most `bytes_max`.
    pub async fn bytes(self, bytes_max: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.content.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).await;
        read.map_err(|error| Error::Unavailable(format!("reading an object: {error}")))?;
        if bytes.len() as u64 > bytes_max {
            return Err(Error::Refused(format!("an object has more than the {bytes_max} bytes expected")));
        }
        if bytes.len() as u64 != self.meta.bytes {
            return Err(Error::Unavailable(format!("{} of {} bytes arrived", bytes.len(), self.meta.bytes)));
        }
        Ok(bytes)
    }
}

/// A link that opens one object, for a time, for whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The URL.
    pub url: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A store of objects.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Keeps content under this key, in the place of what was there. A reader sees the one or the other, never a part.
    async fn put(&self, key: &Key, media_type: &str, content: Content) -> Result<Meta>;

    /// What is known of an object, if there is one.
    async fn head(&self, key: &Key) -> Result<Option<Meta>>;

    /// Opens an object, if there is one.
    async fn get(&self, key: &Key) -> Result<Option<Object>>;

    /// Keys that begin with `prefix` and come after `after`, in their order, at most `limit` (and 1,000).
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>>;

    /// Removes an object. One that is not there counts as removed.
    async fn delete(&self, key: &Key) -> Result<()>;

    /// A link to an object that works from `now` for this long, whether or not there is one.
    async fn link(&self, key: &Key, now: Timestamp, lasts: Duration) -> Result<Link>;
}

#[cfg(feature = "objects")]
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_within_the_store() {
        for text in ["a", "registry/web/1.0.0/bundle.json", "tenants/a/größe 1.csv", "...", "a/.b"] {
            assert!(text.parse::<Key>().is_ok(), "{text:?}");
        }
        let long = "x".repeat(SEGMENT_BYTES_MAX + 1);
        let longer = ["x"; KEY_BYTES_MAX].join("/");
        for text in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\nb", "a\u{7f}", "a%2e", &long, &longer] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
    }
}
