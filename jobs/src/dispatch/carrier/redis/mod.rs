//! The cluster's normal carrier: tickets through apalis-redis. Redis holds nothing that is not in the ledger too.
//!
//! Every ticket is a ledger row first; what goes through Redis only says so sooner. The planner's end (`tickets.rs`)
//! pushes by scripts of our own, a worker's end (`looks.rs`) is fetched for by an apalis worker per queue over
//! `backend.rs`, which keeps apalis-redis's known defects away: the list of them is in `backend.rs`.

mod backend;
mod gate;
mod looks;
mod tickets;

use apalis_redis::Config;

pub use self::{looks::RedisLooks, tickets::RedisTickets};
use crate::queue::QueueName;

/// Where workers hear that a queue has a new ticket; the message is the queue's name.
const NUDGES: &str = "windrow:tickets";
/// The set of all queues that ever had a ticket.
const QUEUES: &str = "windrow:queues";

/// The names of a queue's keys, and how apalis-redis is to treat them; why is said in `backend.rs`.
fn config(queue: &QueueName) -> Config {
    Config::default()
        .queue(format!("windrow:{queue}"))
        .batch_size(1)
        .heartbeat_interval(backend::HEARTBEAT_EVERY)
        .missed_heartbeats(backend::HEARTBEATS_MISSED_MAX)
        .persist_results(true)
        .lock_tasks(false)
        .emit_events(false)
}
