//! The verbs, one file each.

pub mod audit;
pub mod bench;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod job;
pub mod kinds;
pub mod list;
pub mod migrate;
pub mod queues;
pub mod schedules;
pub mod serve;
pub mod status;
pub mod submit;
pub mod verify;
pub mod wait;
