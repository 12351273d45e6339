//! The one integration-test binary: a module per promise.

mod audit;
mod build;
mod cluster;
mod dependencies;
mod interleaving;
mod ledger;
mod objects;
mod standalone;
