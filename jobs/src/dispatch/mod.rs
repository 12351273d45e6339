//! Whose turn it is, and how a worker hears of it.
//!
//! `plan.rs` decides the fair slice; it is pure, as is all it is made of: `lanes.rs` holds the heads of the
//! lanes and their turns, `rate.rs` and `window.rs` say how much may go. A `ledger::Ticket` is what is
//! handed out, and a `carrier` brings it to the workers. The duty that drives them is `scheduler/src/dispatch.rs`; the
//! worker's side is `worker/src/runner.rs`.

pub mod carrier;
mod lanes;
pub mod plan;
mod rate;
mod window;
