//! What is sent to the outside, judged by others.

mod addresses;
pub(crate) mod tokens;
