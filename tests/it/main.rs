//! The one integration-test binary: a module per promise.

mod ledger;
