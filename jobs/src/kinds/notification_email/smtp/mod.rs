//! Speaking SMTP: `server.rs` what a connection's configuration says, `greet.rs` how a conversation begins, `conversation.rs` how a message is
//! given over in it, `pool.rs` who may speak when, `trouble.rs` what can go wrong.
//!
//! lettre reads answers, writes commands and escapes messages; the socket is ours (`outbound/dial.rs`), and so is its TLS (`wire.rs`).

mod address;
mod conversation;
mod greet;
pub mod pool;
mod server;
mod trouble;
mod wire;

pub use self::{
    address::{address_of, domain_of},
    conversation::{Conversation, Letter, Taken},
    server::Server,
    trouble::Trouble,
};
