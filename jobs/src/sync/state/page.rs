//! What goes from a run to the ledger and back with each page: records, what is remembered of them, what is meant to be done elsewhere, and what
//! came of that.

use serde::{Deserialize, Serialize};

use super::Fence;
use crate::{
    clock::Timestamp,
    sync::{
        KEY_BYTES_MAX,
        decide::Elsewhere,
        definition::{Conflict, Delete},
    },
};

/// The longest name that a provider may have for a record, in bytes.
pub const REMOTE_ID_BYTES_MAX: usize = KEY_BYTES_MAX;
/// How much is kept of what an error says, and of where, in characters.
const ERROR_CHARS_MAX: usize = 1_000;

/// Whether a provider's name for a record can be kept, and stand in a URL: no ledger has texts with control characters in common.
pub fn is_remote_id(id: &str) -> bool {
    (1..=REMOTE_ID_BYTES_MAX).contains(&id.len()) && !id.chars().any(char::is_control)
}

/// A record as it comes from the source, mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its key.
    pub key: String,
    /// What it says, as JSON with sorted keys.
    pub data: String,
    /// SHA-256 of that.
    pub hash: [u8; 32],
    /// When the source changed it.
    pub updated_at: Option<Timestamp>,
    /// Whether it says that it is deleted.
    pub is_deleted: bool,
}

/// What a sync remembers of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The key.
    pub key: String,
    /// The source's record when it was last taken over, or looked at and passed over.
    pub hash: [u8; 32],
    /// The number of the run that saw it last at the source.
    pub seen: u32,
    /// The version at which the sync left the record; none of what is elsewhere, and of what the sync never wrote.
    pub version: Option<i64>,
    /// Whether it was deleted at the destination, and remembered to be.
    pub is_deleted: bool,
    /// What was about to be written elsewhere, and is not known to have been.
    pub pending: Option<Intent>,
    /// What the provider elsewhere calls it.
    pub remote_id: Option<String>,
}

/// What is about to be written elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// The record's hash; [`NEVER`](crate::sync::decide::NEVER) where it is to be deleted.
    pub hash: [u8; 32],
    /// When it was noted first. Whoever means the same again after it was settled has another: so a provider can tell a try that is repeated
    /// from a change that is made again.
    pub at: Timestamp,
}

/// A record in a collection, as far as a decision about it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Grows with each change.
    pub version: i64,
    /// SHA-256 of its data.
    pub hash: [u8; 32],
    /// When it changed last, by the ledger's clock.
    pub updated_at: Timestamp,
    /// Whether it is marked as deleted.
    pub is_deleted: bool,
}

/// The sync's say in what becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For those that vanished.
    pub delete: Delete,
    /// For those that both sides changed.
    pub conflict: Conflict,
}

/// Why a row was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Its key, where it has one.
    pub key: Option<String>,
    /// The page, from 1; 0 where it belongs to none.
    pub page: u64,
    /// Its place in the page, from 0.
    pub index: u32,
    /// What is wrong, for programs.
    pub code: String,
    /// What is wrong, for people; never a secret.
    pub message: String,
    /// Where in the record.
    pub pointer: Option<String>,
}

impl RowError {
    /// The error as it is kept: what others said in it is cut, and has no control characters, which not every ledger takes.
    #[must_use]
    pub fn as_kept(&self) -> Self {
        let plain = |text: &String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ERROR_CHARS_MAX).collect::<String>();
        let (code, message, pointer) = (plain(&self.code), plain(&self.message), self.pointer.as_ref().map(plain));
        Self { key: self.key.as_ref().map(plain), code, message, pointer, ..*self }
    }
}

/// How far a run is after a page, beside what became of the records.
///
/// A write counts once: it is done at the place that it comes from, and one that finds the run at its own place already was done by a try
/// whose answer was lost. So no two writes of a run lead to the same place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where the run stood when this was read.
    pub from: Option<String>,
    /// Where it goes on.
    pub place: String,
    /// Pages, to be added.
    pub pages: u64,
    /// Records that were read, to be added.
    pub read: u64,
    /// Bytes, to be added.
    pub bytes: u64,
}

/// A page for a collection of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Who writes.
    pub fence: Fence,
    /// Where.
    pub collection: String,
    /// What decides.
    pub policy: Policy,
    /// What came, at most [`BATCH_RECORDS_MAX`](crate::sync::BATCH_RECORDS_MAX) and some [`BATCH_BYTES_MAX`](crate::sync::BATCH_BYTES_MAX), each key once.
    pub incoming: Vec<Incoming>,
    /// What could not be mapped.
    pub failed: Vec<RowError>,
    /// How far the run is then.
    pub progress: Progress,
}

/// What is to be done elsewhere with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The key.
    pub key: String,
    /// What is to be done.
    pub fate: Elsewhere,
    /// What the provider calls it.
    pub remote_id: Option<String>,
    /// Whether an earlier try may have arrived.
    pub in_doubt: bool,
    /// When this was meant first; earlier tries have the same.
    pub meant_at: Timestamp,
}

/// What came of doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The key.
    pub key: String,
    /// What came of it.
    pub outcome: SettledAs,
}

/// What came of doing something elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledAs {
    /// It was made (or made anew): the intent becomes what is remembered.
    Created {
        /// What the provider calls it.
        remote_id: Option<String>,
    },
    /// It was changed.
    Updated {
        /// What the provider calls it.
        remote_id: Option<String>,
    },
    /// It was deleted, or marked so: `forget` where nothing is remembered of it.
    Deleted {
        /// Whether nothing is remembered of it.
        forget: bool,
    },
    /// It is known not to have been done: the intent goes, so that the next run tries again. Its error is among `failed`.
    Refused,
}
