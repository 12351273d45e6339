//! The built-in kinds. A kind is a folder: `mod.rs` its contract, `handler.rs` its code.
//!
//! To add one: copy `echo`, and name it in the two lists below.

pub mod build_generate;
pub mod echo;

use crate::contract::Contract;

/// The contracts of the built-in kinds.
pub fn contracts() -> Vec<Contract> {
    vec![build_generate::contract(), echo::contract()]
}

/// The handlers of the built-in kinds.
#[cfg(feature = "handlers")]
pub fn handlers(
    settings: &crate::settings::Settings,
    shape: build_generate::tools::Shape,
) -> Result<crate::handler::Registry, crate::settings::Error> {
    let build = build_generate::handler::Generate(build_generate::tools::Tools::of(settings, shape)?);
    Ok(crate::handler::Registry::default().with(build).with(echo::handler::Echo))
}
