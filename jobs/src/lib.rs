//! Windrow's domain, no matter which process runs it.
//!
//! A job's path through this crate: `submit.rs` makes it, `ledger/` keeps it, `dispatch/` decides whose turn
//! it is, `handler.rs` and `kinds/` do the work, `lifecycle.rs` decides what becomes of it.

pub mod artifact;
pub mod backoff;
#[cfg(feature = "registry")]
pub mod bundle;
pub mod children;
pub mod clock;
pub mod connection;
pub mod contract;
pub mod cron;
#[cfg(feature = "dispatch")]
pub mod dispatch;
pub mod effect;
pub mod error;
pub mod handler;
pub mod hook;
pub mod job;
pub mod keys;
pub mod kinds;
pub mod ledger;
pub mod library;
pub mod lifecycle;
pub mod merge_patch;
pub mod notification;
pub mod object;
pub mod objects;
pub mod operate;
#[cfg(feature = "outbound")]
pub mod outbound;
pub mod pace;
#[cfg(feature = "process")]
pub mod process;
pub mod queue;
#[cfg(feature = "redis-nudges")]
pub mod redis;
#[cfg(feature = "wordings")]
pub mod renderer;
pub mod schedule;
pub mod settings;
#[cfg(feature = "handlers")]
pub mod signing;
pub mod status;
pub mod submit;
pub mod sync;
pub mod tenant;
pub mod translation;
