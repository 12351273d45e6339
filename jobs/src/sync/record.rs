//! What a record of the source says of itself: its key, when it changed, whether it is deleted. Pure.
//!
//! What is made of the rest of it is in `mapping.rs`; how a value is read as an instant in `typed.rs`. Next: `mapping.rs`.

use serde_json::Value;

use super::{
    KEY_BYTES_MAX,
    definition::{HttpSource, OneOrMany, Tombstone},
    typed,
};
use crate::clock::Timestamp;

/// What is wrong with a record, or with a field of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// For programs.
    pub code: &'static str,
    /// For people; quotes nothing of the record but short values.
    pub message: String,
    /// Where: in the source's record, or for what was mapped, in what is made of it.
    pub pointer: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, pointer: &str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), pointer: pointer.to_owned() }
    }
}

/// The record's key. Several values make one key as a JSON list of texts, so that no two records share one by how it is put together.
pub fn key_of(source: &HttpSource, record: &Value) -> Result<String, Fault> {
    match &source.key {
        OneOrMany::One(pointer) => part(pointer, record),
        OneOrMany::Many(pointers) if pointers.len() == 1 => part(&pointers[0], record),
        OneOrMany::Many(pointers) => {
            let parts = pointers.iter().map(|pointer| part(pointer, record)).collect::<Result<Vec<_>, _>>()?;
            Ok(serde_json::to_string(&parts).expect("a list of texts can be written"))
        }
    }
}

fn part(pointer: &str, record: &Value) -> Result<String, Fault> {
    let text = match record.pointer(pointer) {
        None | Some(Value::Null) => return Err(Fault::new("key_missing", pointer, "the record has no key here")),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => match typed::imprecise(number) {
            Some(message) => return Err(Fault::new("number_imprecise", pointer, message)),
            None => number.to_string(),
        },
        Some(other) => {
            let message = format!("a key is a text or a number, and this is {}", typed::kind(other));
            return Err(Fault::new("key_invalid", pointer, message));
        }
    };
    if text.is_empty() {
        return Err(Fault::new("key_missing", pointer, "the key is empty"));
    }
    Ok(text)
}

/// As much of a key as an error names; none of none.
pub(super) fn shown_key(key: &str) -> Option<String> {
    let cut = key.floor_char_boundary(KEY_BYTES_MAX);
    (cut > 0).then(|| key[..cut].replace('\0', "\u{fffd}"))
}

/// Whether this can be a key: up to 512 bytes, and no zero character, which not every database keeps.
pub fn check_key(key: &str) -> Result<(), Fault> {
    if key.is_empty() {
        Err(Fault::new("key_missing", "", "the key is empty"))
    } else if key.len() > KEY_BYTES_MAX {
        Err(Fault::new("key_too_long", "", format!("the key has {} bytes of the {KEY_BYTES_MAX} allowed", key.len())))
    } else if key.contains('\0') {
        Err(Fault::new("key_invalid", "", "the key has a zero character"))
    } else {
        Ok(())
    }
}

/// When the source changed the record; none where it does not say. What cannot be read as an instant is an error: it would decide conflicts.
pub fn updated_at_of(source: &HttpSource, record: &Value) -> Result<Option<Timestamp>, Fault> {
    let Some(pointer) = &source.updated_at else { return Ok(None) };
    match record.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(value) => typed::instant(value).map(Some).map_err(|message| Fault::new("updated_at_invalid", pointer, message)),
    }
}

/// Whether the record says that it is deleted.
pub fn is_deleted(tombstone: Option<&Tombstone>, record: &Value) -> bool {
    let Some(Tombstone { pointer, values }) = tombstone else { return false };
    let Some(value) = record.pointer(pointer) else { return false };
    if !values.is_empty() {
        return values.contains(value);
    }
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
