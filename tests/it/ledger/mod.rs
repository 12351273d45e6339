//! What every ledger promises, verb by verb, and random histories that all ledgers must tell alike.
//!
//! A case is a function of a ledger and its clock; the list at the head of each file makes a test of it for
//! every ledger in `conformance.rs`.

#[macro_use]
mod conformance;

mod approved;
mod artifacts;
mod cancel;
mod children;
mod claim;
mod connections;
mod deliveries;
mod effects;
mod feed;
mod feed_floor;
mod heartbeat;
mod history;
mod hooks;
mod insert;
mod keys;
mod lanes;
mod leader;
mod library;
mod list;
mod notes;
mod partitions;
mod promote;
mod prune;
mod reap;
mod redrive;
mod schedule_history;
mod schedules;
mod scrub;
mod settle;
mod syncs;
mod tickets;
mod translations;
mod unreadable;
mod wordings;
mod workers;
