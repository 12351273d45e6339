//! The one integration-test binary: a module per promise.

mod audit;
mod bench;
mod build;
mod cluster;
mod compose;
mod cron;
mod doctor;
mod documents;
mod fair;
mod harness;
mod interleaving;
mod ledger;
mod metrics;
mod objects;
mod openapi;
mod outages;
mod own_worker;
mod readme;
mod redis;
mod standalone;
mod status;
mod transfer;
mod tree;
mod worker_health;
