//! The one integration-test binary: a module per promise.

mod audit;
mod bench;
mod build;
mod cluster;
mod compose;
mod doctor;
mod documents;
mod fair;
mod fires;
mod harness;
mod interleaving;
mod ledger;
mod metrics;
mod objects;
mod openapi;
mod outages;
mod own_worker;
mod printed;
mod readme;
mod redis;
mod schedules;
mod standalone;
mod status;
mod transfer;
mod tree;
mod worker_health;
