//! Translations that were paid for, as the ledger keeps them for a tenant: by the hash of everything that changes the answer. Pure.
//!
//! What a hash is made of says `kinds/translation_translate/ask.rs`; who may see it is the ledger's to keep: a tenant sees its own.

use serde::{Deserialize, Serialize};

/// How long a translation is kept that nobody uses, in days.
pub const UNUSED_DAYS: i64 = 90;
/// The most bytes of translations that are kept of a tenant; past that those go that were not used for longest.
pub const TENANT_BYTES_MAX: i64 = 256 * 1024 * 1024;
/// What a translation counts beside its words: its hash and the rows' own.
pub const ROW_BYTES: i64 = 128;
/// How often a translation's use is noted.
pub const NOTED_EVERY_MS: i64 = 86_400_000;
/// The most translations that go in one transaction to make room.
pub const DROPPED_MAX: usize = 1_000;

/// The hash of everything that changes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translated {
    /// The translation.
    pub text: String,
    /// The language of the source, as it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The model that was used, as it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Characters that were billed for it, as they were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed: Option<u64>,
    /// The job that paid for it.
    pub job: String,
}

/// A translation that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// By what it is found.
    pub hash: Hash,
    /// What it is.
    pub translated: Translated,
}

/// How many bytes a translation counts whose facts are this text.
pub(crate) fn bytes_of(facts: &str) -> i64 {
    i64::try_from(facts.len()).unwrap_or(i64::MAX / 2) + ROW_BYTES
}
