//! The one integration-test binary: a module per promise.

mod audit;
mod cluster;
mod interleaving;
mod ledger;
mod objects;
mod standalone;
