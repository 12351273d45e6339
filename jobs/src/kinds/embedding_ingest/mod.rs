//! `embedding.ingest`: makes a document of an index from a text, an object, a page or a crawl.
//!
//! Next: `source.rs` for how what is named is fetched.

#[cfg(feature = "handlers")]
pub mod source;
