//! What is made of each record of a page: pointers, constants and expressions become fields, fields get their types, and the whole is written
//! as JSON with sorted keys, by whose hash a record is known to be unchanged.
//!
//! A page is mapped at once, in its order. Expressions are evaluated in a renderer's process, whose memory and time are bounded; nothing else
//! waits for anything. What cannot be mapped is an error of its record, never of the page. Next: `record.rs`, `typed.rs`,
//! `renderer/expressions.rs`.

use serde_json::Value;

use super::{
    Definition,
    state::{Incoming, RowError},
};
use crate::renderer::pool::Renderers;

/// What is made of the records of a sync.
#[derive(Debug, Clone)]
pub struct Mapping {
    definition: Definition,
}

/// Why nothing was made of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// Its key, where it has one.
    pub key: Option<String>,
    /// Its place in the page, from 0.
    pub index: u32,
    /// What is wrong, for programs.
    pub code: &'static str,
    /// What is wrong, for people: never the whole record.
    pub message: String,
    /// Where: in the source's record for its key and `updated_at`, else in what is made of it (`to`).
    pub pointer: Option<String>,
}

impl Unmapped {
    /// The error of a row in this page, from 1.
    pub fn on_page(self, page: u64) -> RowError {
        RowError { key: self.key, page, index: self.index, code: self.code.to_owned(), message: self.message, pointer: self.pointer }
    }
}

/// Why nothing was made of a whole page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// The mapping's expressions take more time or memory than they may, record after record: the run fails (`mapping_too_costly`).
    #[error("the mapping: {0}")]
    Costly(String),
    /// For the renderer, or the machine: it may go well another time.
    #[error("the renderer: {0}")]
    Unavailable(String),
}

impl Mapping {
    /// That of this definition, which was checked.
    pub fn new(definition: &Definition) -> Self {
        Self { definition: definition.clone() }
    }

    /// The records of a page, in their order. Those of a source of records are `{key, data, updated_at, deleted}`.
    pub async fn map(&self, _renderers: &Renderers, _records: Vec<Value>) -> Result<Vec<Result<Incoming, Unmapped>>, Unmade> {
        Err(Unmade::Unavailable("not yet".into()))
    }
}
