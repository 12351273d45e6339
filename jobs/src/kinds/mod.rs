//! The built-in kinds. A kind is a folder: `mod.rs` its contract, `handler.rs` its code.
//!
//! To add one: copy `echo`, and name it in the two lists below.

pub mod build_generate;
pub mod connection_test;
pub mod echo;

use crate::contract::Contract;

/// The contracts of the built-in kinds.
pub fn contracts() -> Vec<Contract> {
    vec![build_generate::contract(), connection_test::contract(), echo::contract()]
}

/// The handlers of the built-in kinds, which call the outside world this way.
#[cfg(feature = "handlers")]
pub fn handlers(outbound: &crate::outbound::Outbound) -> crate::handler::Registry {
    crate::handler::Registry::default()
        .with(build_generate::handler::Generate)
        .with(connection_test::handler::TestConnection::new(outbound.clone()))
        .with(echo::handler::Echo)
}
