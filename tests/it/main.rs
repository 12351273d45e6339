//! The one integration-test binary: a module per promise.

mod audit;
mod bench;
mod build;
mod cluster;
mod documents;
mod interleaving;
mod ledger;
mod metrics;
mod objects;
mod own_worker;
mod readme;
mod redis;
mod standalone;
mod tree;
