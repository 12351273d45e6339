//! Syncs: what one system has, kept the same in another, by a declaration instead of code.
//!
//! A sync says where records come from and how they are listed ([`Source`]), what is made of each (`mapping.rs`), where they go
//! ([`Destination`]), and what becomes of those that vanished or that both sides changed. A run (kind `sync.run`) reads page by page, decides
//! by what it remembers of each key ([`state::Item`], `decide.rs`), writes in batches, and keeps its place with each page.
//! What a definition says is in `definition.rs`, what the ledger keeps in `state.rs`. Next: `decide.rs`, then `kinds/sync_run/handler.rs`.

pub mod admit;
pub mod check;
pub mod codes;
pub mod decide;
pub mod definition;
#[cfg(feature = "handlers")]
pub mod mapping;
pub mod pointer;
pub mod presets;
pub mod read;
#[cfg(feature = "handlers")]
pub mod reader;
pub mod state;
pub mod store;
pub mod template;
pub mod typed;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::definition::{Definition, Destination, Source};

/// The longest name of a sync or of a collection, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// The most syncs of a tenant.
pub const SYNCS_MAX: usize = 1_000;
/// The largest definition, in bytes of JSON.
pub const DEFINITION_BYTES_MAX: usize = 64 * 1024;
/// The longest key of a record, in bytes.
pub const KEY_BYTES_MAX: usize = 512;
/// The largest record, mapped, in bytes of JSON.
pub const RECORD_BYTES_MAX: u64 = 256 * 1024;
/// The most records that one commit writes.
pub const BATCH_RECORDS_MAX: usize = 1_000;
/// The bytes of records that one commit is begun with at the most; others wait for it.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The runs of a sync that are remembered.
pub const RUNS_KEPT: u32 = 100;

/// A sync's id: a UUIDv7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = "uuid"))]
pub struct SyncId(pub Uuid);

impl SyncId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Whether this may be the name of a sync or of a collection: `[a-z0-9][a-z0-9_-]*`, up to 63 bytes.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first && name.len() <= NAME_BYTES_MAX && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}
