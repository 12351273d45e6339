//! What `windrow serve` and the command line promise to users, over the real binary.

mod cancel;
mod commands;
mod crash;
mod demo;
mod drain;
mod incarnations;
mod keys;
mod outcomes;
mod queues;
mod remarks;
mod scrub;
mod start;
mod submissions;
mod tenants;
mod times;

use serde_json::Value;

/// The number and the ending of each attempt: outcome, reason, error code.
fn endings(attempts: &[Value]) -> Vec<(u64, &str, Option<&str>, Option<&str>)> {
    attempts
        .iter()
        .map(|attempt| {
            let text = |pointer| attempt.pointer(pointer).and_then(Value::as_str);
            (attempt["attempt"].as_u64().unwrap_or_default(), text("/outcome").unwrap_or("none"), text("/reason"), text("/error/code"))
        })
        .collect()
}
