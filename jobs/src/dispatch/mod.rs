//! Whose turn it is, and how a worker hears of it.
//!
//! `lanes.rs` holds the heads of the lanes, `plan.rs` decides the fair slice (both pure), `ticket.rs` is what
//! is handed out, and a `carrier` brings it to the workers. The duty that drives them is
//! `scheduler/src/dispatch.rs`; the worker's side is `worker/src/runner.rs`.

pub mod carrier;
pub mod lanes;
pub mod plan;
pub mod ticket;
