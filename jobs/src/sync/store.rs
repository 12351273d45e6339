//! What the tenant's own calls say of records: look-ups, writes. Next: the ledger's role `Records`.

use serde_json::value::RawValue;

use super::state::{Deleted, Record};
use crate::tenant::TenantId;

/// The most records that a page of a look-up has.
pub const LOOK_MAX: usize = 1_000;

/// What is looked for in a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// The collection.
    pub collection: String,
    /// Only those of which this field (one of the collection's look-up fields) has this value, in words: several may match.
    pub field: Option<(String, String)>,
    /// Those marked as deleted as well.
    pub deleted: bool,
    /// After this key.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The records, by key.
    pub records: Vec<Record>,
    /// Whether the field is none of the collection's look-up fields.
    pub unknown_field: bool,
}

/// A record that is to be kept.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Whose.
    pub tenant: TenantId,
    /// The collection.
    pub collection: String,
    /// The key.
    pub key: String,
    /// What it says: a JSON object.
    pub data: Box<RawValue>,
    /// The version that must stand, 0 for none; whichever it is where nobody says.
    pub seen: Option<i64>,
}

/// What became of keeping a record.
#[derive(Debug, Clone)]
pub enum RecordKept {
    /// It is new, or was marked as deleted.
    Created(Record),
    /// It is changed.
    Changed(Record),
    /// It said the same already.
    Same(Record),
    /// Another version stands.
    Stale,
}

/// What became of deleting a record.
pub type RecordDeleted = Deleted;
