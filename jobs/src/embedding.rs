//! Makes vectors of texts: by the lexical model in this process, or by a provider that speaks as OpenAI's `POST /embeddings` does.
//!
//! The pieces: `request.rs` says what a provider is asked and how many texts at once, `read.rs` reads what it answers, `openai.rs` asks, and
//! `fill.rs` sees to it that all chunks of a document have a vector in the store, paying for none twice.

pub mod fill;
pub mod openai;
mod read;
mod request;

pub use self::{
    read::Verdict,
    request::{TEXT_TOKENS_MAX, Text},
};
