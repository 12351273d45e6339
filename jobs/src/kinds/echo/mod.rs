//! `echo`: gives its message back. The kind to copy; used by demos, tests and load runs.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{Contract, Policy};

/// The kind's name.
pub const KIND: &str = "echo";

/// What to echo, and how to misbehave on the way.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Payload {
    /// What comes back.
    pub message: String,
    /// Wait this long, reporting progress and heeding a cancel.
    #[schemars(range(max = 3_600_000))]
    pub sleep_ms: u32,
    /// Fail the first attempts, this many.
    pub fail_times: u32,
    /// Panic.
    pub panic: bool,
    /// End the worker's process at once, as a crash would.
    pub abort: bool,
    /// Keep a thread busy this long, deaf to everything.
    #[schemars(range(max = 60_000))]
    pub busy_ms: u32,
    /// Write this many log lines.
    #[schemars(range(max = 10_000))]
    pub log_lines: u32,
    /// Pad the result to this many bytes.
    #[schemars(range(max = 1_048_576))]
    pub result_bytes: u32,
    /// Tell in the result when this attempt started, by the worker's clock.
    pub tell_start: bool,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The message of the payload, padded if that was asked for.
    pub message: String,
    /// When the attempt started, in microseconds since the epoch, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_us: Option<u64>,
}

/// The kind's contract.
pub fn contract() -> Contract {
    let policy = Policy { timeout_ms: 3_700_000, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Gives its message back, and misbehaves on the way if asked to: for first steps, demos, tests and load.",
        json!({ "message": "hello", "log_lines": 2 }),
        json!({ "message": "hello" }),
        &[("asked_to_fail", true, "the payload's `fail_times` asked for it"), ("panic", true, "the payload's `panic` asked for it")],
    )
}
