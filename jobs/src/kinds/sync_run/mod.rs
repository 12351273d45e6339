//! `sync.run`: makes a sync's destination what its source is.
//!
//! It reads as: begin or go on, read page by page, see that nothing was passed over, see to what vanished, report, end. Where a run is
//! (`place.rs`) is written with each page in one transaction, so whoever is killed in between goes on there, and every page counts once.
//! The pieces: `running.rs` goes through the phases, in `read.rs`, `write.rs` and `finish.rs`; `batch.rs` makes batches of a page, `verify.rs` says whether all was read, `elsewhere.rs` and `object.rs` are the destinations
//! that the ledger does not keep. Next: `handler.rs`.

#[cfg(feature = "handlers")]
mod batch;
#[cfg(feature = "handlers")]
mod elsewhere;
#[cfg(feature = "handlers")]
mod finish;
#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod object;
#[cfg(feature = "handlers")]
mod place;
#[cfg(feature = "handlers")]
mod read;
#[cfg(feature = "handlers")]
mod report;
#[cfg(feature = "handlers")]
mod request;
#[cfg(feature = "handlers")]
mod room;
#[cfg(feature = "handlers")]
mod running;
#[cfg(feature = "handlers")]
mod verify;
#[cfg(feature = "handlers")]
mod write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    contract::{Contract, Policy},
    sync::codes,
};

/// The kind's name.
pub const KIND: &str = "sync.run";
/// The artifact that tells what could not be taken over.
pub const ERRORS: &str = "errors.csv";
/// The longest attempt: twelve hours. One that is stopped goes on where it was.
const TIMEOUT_MS: u32 = 12 * 3_600 * 1_000;

/// Which sync, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The sync's name.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9][a-z0-9_-]*$"))]
    pub sync: String,
    /// Only tells what it would do.
    #[serde(default)]
    pub dry_run: bool,
    /// Reads all, though what changed could be asked for.
    #[serde(default)]
    pub full: bool,
}

/// The kind's contract.
pub fn contract() -> Contract {
    let policy = Policy { timeout_ms: TIMEOUT_MS, ticket_jobs_max: 1, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Runs a sync (`PUT /v1/syncs/{name}`): reads its source page by page, writes what changed to its destination, and sees to what the source no \
         longer has. A run that is interrupted goes on at its page, and each page counts once. Of a sync one run goes on at a time; another waits for \
         it, without a slot. A run that fails keeps what it wrote and deletes nothing more. With `dry_run` it only counts what it would do. Records that \
         could not be taken over are told in the artifact `errors.csv`; `complete` says whether all of the source was seen to.",
        json!({ "sync": "contacts" }),
        json!({
            "run": 1, "full": true, "dry_run": false, "complete": true, "pages": 1, "read": 3, "bytes": 215, "created": 3, "updated": 0, "unchanged": 0,
            "deleted": 0, "missing": 0, "kept": 0, "conflicts": 0, "failed": 0, "repeated": 0
        }),
        &codes::of(&[codes::BOTH, codes::RUNNING, codes::READING, codes::CALLING]),
    )
}
