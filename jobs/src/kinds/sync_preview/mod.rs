//! `sync.preview`: reads the first page of a sync's source and tells what would be made of its first records. It writes nothing, at either
//! side. `POST /v1/syncs/{name}/preview` submits it. Next: `handler.rs`.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    backoff::Backoff,
    clock::Timestamp,
    contract::{Contract, Policy, Violation},
    sync::{check, codes},
};

/// The kind's name.
pub const KIND: &str = "sync.preview";
/// The most records that are shown.
pub const SHOWN_MAX: usize = 20;
/// The most bytes of records that are shown, but for the first.
pub const SHOWN_BYTES_MAX: usize = 256 * 1024;

/// What is previewed: one of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The name of a sync, as it was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub sync: Option<String>,
    /// A definition, as `PUT /v1/syncs/{name}` takes it, without a preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Map<String, Value>>,
}

/// What would be made.
#[derive(Debug, Serialize, Deserialize)]
pub struct Preview {
    /// The first records of the page, in its order.
    pub records: Vec<Shown>,
    /// How many these are.
    pub shown: usize,
    /// How many the page has.
    pub of: usize,
    /// How many of those would fail.
    pub failed: usize,
    /// How many records there are in all, where the page says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether another page would be read.
    pub next: bool,
}

/// What would be made of a record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Its place in the page, from 0.
    pub index: usize,
    /// Its key, where it has one.
    pub key: Option<String>,
    /// What it would be at the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<RawValue>>,
    /// When the source changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Whether it says that it is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Why it would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

/// Why a record would fail.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fault {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Where.
    pub pointer: Option<String>,
}

/// What is wrong with a payload that its schema cannot say.
pub fn check(payload: &Value) -> Result<(), Violation> {
    match (payload.get("sync"), payload.get("definition")) {
        (Some(_), None) => Ok(()),
        (None, Some(definition)) => {
            let below = |violation: Violation| Violation { pointer: format!("/definition{}", violation.pointer), ..violation };
            check::read(definition.clone()).map(drop).map_err(below)
        }
        _ => Err(Violation { pointer: String::new(), message: "exactly one of `sync` and `definition` is given".into() }),
    }
}

/// The kind's contract: somebody waits for it, so what does not answer at once is soon given up.
pub fn contract() -> Contract {
    let policy = Policy { max_attempts: 2, timeout_ms: 120_000, backoff: Backoff { base_ms: 1_000, cap_ms: 5_000 }, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Reads the first page of a sync's source and tells what would be made of its first 20 records, or why they would fail. Nothing is written, at \
         either side. `POST /v1/syncs/{name}/preview` submits it ([syncs](../syncs.md)).",
        json!({ "sync": "contacts" }),
        json!({
            "records": [
                { "index": 0, "key": "17", "record": { "email": "ana@example.com", "name": "Ana" } },
                { "index": 1, "key": "18", "error": { "code": "field_missing", "message": "it is required, and nothing is at \"/email\" of the source's record",
                    "pointer": "/email" } }
            ],
            "shown": 2, "of": 2, "failed": 1, "next": false
        }),
        &codes::of(&[codes::BOTH, codes::PREVIEWING, codes::READING, codes::CALLING]),
    )
}
