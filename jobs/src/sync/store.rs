//! What the tenant's own calls say of records: look-ups, writes. What is kept of a record's JSON, and by which of its values it is found.
//! Next: the ledger's role `Records`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

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
    /// Why the field finds nothing.
    pub unready: Option<Unready>,
}

/// Why a field finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unready {
    /// It is none of the collection's look-up fields.
    Unknown,
    /// It became one a while ago, and the records that were there are still being gone through.
    Indexing,
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
    /// What it says: a JSON object, as [`canonical`] writes it.
    pub data: String,
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

/// The most look-up fields of a collection: those that the syncs into it say.
pub const FIELDS_MAX: usize = 16;
/// A longer value is not found by.
pub const VALUE_BYTES_MAX: usize = 512;

/// How JSON is kept of which the hash matters: without spaces, with sorted keys.
pub fn canonical(value: &Value) -> String {
    serde_json::to_string(&Sorted(value)).expect("JSON has a text")
}

/// The hash of a record's text.
pub fn hash_of(data: &str) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// What a record has at a look-up field, a pointer or a name, in words; nothing where that is an object, a list, `null`, or too long.
pub fn value_at(data: &Value, field: &str) -> Option<String> {
    let value = if field.starts_with('/') { data.pointer(field) } else { data.get(field) };
    let words = match value? {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    // PostgreSQL has no texts with this byte.
    (words.len() <= VALUE_BYTES_MAX && !words.contains('\0')).then_some(words)
}

struct Sorted<'v>(&'v Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => serializer.collect_map(map.iter().map(|(key, value)| (key, Sorted(value))).collect::<BTreeMap<_, _>>()),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}
