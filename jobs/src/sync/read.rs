//! What a record of the source says of itself: its key, when it changed, whether it is deleted. Pure.
//!
//! Records are read as `reader.rs` gives them: those of the tenant's own collection, and those that a page has as an object by key, carry
//! their key as the member [`KEY`]. Next: `mapping.rs`, which asks this of each record, or `reader.rs`.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value;

use super::{
    KEY_BYTES_MAX, Source,
    definition::{Format, HttpSource, OneOrMany, Tombstone},
};
use crate::clock::Timestamp;

/// The member by which a record carries the key that it has outside of itself.
pub const KEY: &str = "@key";
/// The member by which a record of a collection carries when it changed last.
pub const UPDATED_AT: &str = "@updated_at";
/// The pointer of a key that a record has outside of itself.
pub const KEY_POINTER: &str = "/@key";
/// Numbers from here on are milliseconds since 1970, those before are seconds: it is the year 5138 in one, and 1973 in the other.
const MS_FROM: f64 = 1e11;

/// Why a record cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What is wrong, for programs.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// Where in the record.
    pub pointer: String,
}

impl Unread {
    fn new(code: &'static str, pointer: &str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), pointer: pointer.to_owned() }
    }
}

/// The key of a record of this source.
pub fn key(source: &Source, record: &Value) -> Result<String, Unread> {
    match &source.http {
        Some(http) => key_of(http, record),
        None => part(record, KEY_POINTER).and_then(|key| checked(key, KEY_POINTER)),
    }
}

/// When a record of this source changed last, where it says so.
pub fn updated_at(source: &Source, record: &Value) -> Result<Option<Timestamp>, Unread> {
    match &source.http {
        Some(http) => updated_at_of(http, record),
        None => Ok(record.get(UPDATED_AT).and_then(instant)),
    }
}

/// Whether a record of this source says that it is deleted.
pub fn deleted(source: &Source, record: &Value) -> bool {
    source.http.as_ref().is_some_and(|http| is_deleted(http, record))
}

/// The record without what it carries of outside of itself: what is taken over where there is no mapping, or by the empty pointer.
pub fn content(source: &Source, mut record: Value) -> Value {
    if let Value::Object(members) = &mut record {
        let by_key = |http: &HttpSource| matches!(&http.key, OneOrMany::One(pointer) if pointer == KEY_POINTER);
        match &source.http {
            // An attribute of XML may be called so, and is the record's own.
            Some(http) if http.list.format == Format::Xml || !by_key(http) => {}
            Some(_) => drop(members.remove(KEY)),
            None => {
                members.remove(KEY);
                members.remove(UPDATED_AT);
            }
        }
    }
    record
}

/// The key of a provider's record. Of several pointers each part stands apart from the next by a slash; a slash within one is written `~1`, a
/// tilde `~0`, so that two records never have one key by chance.
pub fn key_of(http: &HttpSource, record: &Value) -> Result<String, Unread> {
    match &http.key {
        OneOrMany::One(pointer) => part(record, pointer).and_then(|key| checked(key, pointer)),
        OneOrMany::Many(pointers) => {
            let parts: Vec<String> = pointers.iter().map(|pointer| part(record, pointer)).collect::<Result<_, _>>()?;
            let first = pointers.first().map(String::as_str).unwrap_or_default();
            match parts.as_slice() {
                [one] => checked(one.clone(), first),
                parts => {
                    let escaped = parts.iter().map(|part| part.replace('~', "~0").replace('/', "~1"));
                    checked(escaped.collect::<Vec<_>>().join("/"), first)
                }
            }
        }
    }
}

fn part(record: &Value, pointer: &str) -> Result<String, Unread> {
    match record.pointer(pointer) {
        None | Some(Value::Null) => Err(Unread::new("key_missing", pointer, "the record has no key here")),
        Some(Value::String(text)) if text.is_empty() => Err(Unread::new("key_missing", pointer, "the key is empty")),
        Some(Value::String(text)) => Ok(text.clone()),
        // One with a fraction, or too long for its digits to be kept, is nobody's name: two records might share it.
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Some(_) => Err(Unread::new("key_invalid", pointer, "a key is a text or a whole number of at most 64 bits")),
    }
}

fn checked(key: String, pointer: &str) -> Result<String, Unread> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Unread::new("key_too_long", pointer, format!("a key has at most {KEY_BYTES_MAX} bytes; this has {}", key.len())));
    }
    if key.chars().any(char::is_control) {
        return Err(Unread::new("key_invalid", pointer, "a key has no control characters"));
    }
    Ok(key)
}

/// When a provider's record changed last; none where the source does not say where that is, or the record has nothing there.
pub fn updated_at_of(http: &HttpSource, record: &Value) -> Result<Option<Timestamp>, Unread> {
    let Some(pointer) = &http.updated_at else { return Ok(None) };
    match record.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(value) => match instant(value) {
            Some(instant) => Ok(Some(instant)),
            None => Err(Unread::new("updated_at_invalid", pointer, "this is no RFC 3339 date and time, and no Unix time")),
        },
    }
}

/// Whether a provider's record says that it is deleted.
pub fn is_deleted(http: &HttpSource, record: &Value) -> bool {
    let Some(Tombstone { pointer, values }) = &http.deleted else { return false };
    match record.pointer(pointer) {
        None => false,
        Some(value) if values.is_empty() => says_something(value),
        Some(value) => values.contains(value),
    }
}

/// Whether a value is anything but `null`, `false`, 0, or an empty text, list or object.
pub fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// An instant as providers write it: RFC 3339, also with a space in the middle, without seconds, or with an offset of hours alone; a day, which
/// begins in UTC; without an offset it is UTC. A number, or a text of digits, is seconds since 1970, or milliseconds where it is that large.
pub fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => of_number(number.as_f64()?),
        Value::String(text) => of_text(text.trim()),
        _ => None,
    }
}

fn of_number(number: f64) -> Option<Timestamp> {
    let ms = if number.abs() >= MS_FROM { number } else { number * 1_000.0 };
    // Beyond the years that can be written nobody means an instant.
    (ms.abs() < 2e14).then(|| Timestamp::from_ms(ms.round() as i64))
}

fn of_text(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = Timestamp::parse_rfc3339(text) {
        return Some(instant);
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return of_number(text.parse().ok()?);
    }
    let of_zone = |form: &str| DateTime::parse_from_str(text, form).map(|instant| instant.timestamp_millis());
    let of_utc = |form: &str| NaiveDateTime::parse_from_str(text, form).map(|instant| instant.and_utc().timestamp_millis());
    let zones = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%dT%H:%M%#z"];
    let utcs = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M"];
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|day| day.and_utc().timestamp_millis());
    let read = zones.iter().find_map(|form| of_zone(form).ok()).or_else(|| utcs.iter().find_map(|form| of_utc(form).ok())).or_else(day);
    read.map(Timestamp::from_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn source(more: Value) -> HttpSource {
        let mut source = json!({ "connection": "c", "list": {}, "key": "/id" });
        source.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(source).expect("a source")
    }

    #[test]
    fn a_key_is_a_text_or_a_whole_number() {
        let of = |key: Value| key_of(&source(json!({})), &json!({ "id": key })).map_err(|error| error.code);
        assert_eq!(of(json!("a/b~c")).as_deref(), Ok("a/b~c"));
        assert_eq!(of(json!(7)).as_deref(), Ok("7"));
        assert_eq!(of(json!(18_446_744_073_709_551_615_u64)).as_deref(), Ok("18446744073709551615"));
        for (value, code) in [
            (json!(null), "key_missing"),
            (json!(""), "key_missing"),
            (json!(1.5), "key_invalid"),
            (json!(1e20), "key_invalid"),
            (json!(true), "key_invalid"),
            (json!({}), "key_invalid"),
            (json!("a\u{0}"), "key_invalid"),
            (json!("x".repeat(513)), "key_too_long"),
        ] {
            assert_eq!(of(value), Err(code));
        }
        assert_eq!(of(json!("x".repeat(512))).map(|key| key.len()), Ok(512));
        assert_eq!(key_of(&source(json!({})), &json!([])).map_err(|error| error.pointer), Err("/id".into()));
    }

    #[test]
    fn a_record_of_a_collection_carries_its_key() {
        let source: Source = serde_json::from_value(json!({ "records": { "collection": "people" } })).expect("a source");
        let record = json!({ "@key": "ann", "@updated_at": "2026-11-22T05:00:00.000Z", "id": 1 });
        assert_eq!(key(&source, &record).as_deref(), Ok("ann"));
        assert_eq!(updated_at(&source, &record).expect("read").map(|at| at.to_string()).as_deref(), Some("2026-11-22T05:00:00.000Z"));
        assert!(!deleted(&source, &record));
        assert_eq!(content(&source, record), json!({ "id": 1 }));
    }

    #[test]
    fn only_what_a_record_carries_of_outside_of_itself_is_taken_away() {
        let record = json!({ "@key": "a", "@updated_at": "b", "id": 1 });
        for (more, expected) in [
            (json!({}), record.clone()),
            (json!({ "key": "/@key", "list": { "format": "xml" } }), record.clone()),
            (json!({ "key": "/@key" }), json!({ "@updated_at": "b", "id": 1 })),
        ] {
            let source = Source { http: Some(source(more.clone())), records: None };
            assert_eq!(content(&source, record.clone()), expected, "{more}");
        }
    }

    proptest! {
        #[test]
        fn two_records_share_a_key_of_several_parts_only_if_they_share_each(
            one in prop::collection::vec("[~/01a]{1,3}", 3), other in prop::collection::vec("[~/01a]{1,3}", 3)
        ) {
            let source = source(json!({ "key": ["/0", "/1", "/2"] }));
            let of = |parts: &[String]| key_of(&source, &json!(parts)).expect("a key");
            prop_assert_eq!(of(&one) == of(&other), one == other);
        }
    }

    #[test]
    fn instants_are_read_as_providers_write_them() {
        for (value, expected) in [
            (json!("2099-12-14T08:29:00+00:00"), "2099-12-14T08:29:00.000Z"),
            // Three forms that Destination.One writes.
            (json!("2099-12-19T15:00:00+01:00"), "2099-12-19T14:00:00.000Z"),
            (json!("2099-12-19T15:00:00+01"), "2099-12-19T14:00:00.000Z"),
            (json!("2099-04-03T00:00+02:00"), "2099-04-02T22:00:00.000Z"),
            (json!("2022-10-19T16:52:15.125Z"), "2022-10-19T16:52:15.125Z"),
            (json!("2026-11-22 05:00:00"), "2026-11-22T05:00:00.000Z"),
            (json!("2026-11-22 05:00:00+0100"), "2026-11-22T04:00:00.000Z"),
            (json!("2026-11-22T05:00Z"), "2026-11-22T05:00:00.000Z"),
            (json!("2026-11-22"), "2026-11-22T00:00:00.000Z"),
            (json!(1_795_323_600), "2026-11-22T05:00:00.000Z"),
            (json!(1_795_323_600_250_u64), "2026-11-22T05:00:00.250Z"),
            (json!("1795323600"), "2026-11-22T05:00:00.000Z"),
            (json!(1_795_323_600.5), "2026-11-22T05:00:00.500Z"),
        ] {
            assert_eq!(instant(&value).map(|at| at.to_string()).as_deref(), Some(expected), "{value}");
        }
        for value in
            [json!("soon"), json!("22.11.2026"), json!(true), json!(1e300), json!("2026-13-01"), json!("-"), json!("1.2.3"), json!([])]
        {
            assert_eq!(instant(&value), None, "{value}");
        }
        let of = |record: Value| updated_at_of(&source(json!({ "updated_at": "/at" })), &record);
        assert_eq!(of(json!({})), Ok(None));
        assert_eq!(of(json!({ "at": null })), Ok(None));
        assert_eq!(of(json!({ "at": "soon" })).map_err(|error| error.code), Err("updated_at_invalid"));
        assert_eq!(updated_at_of(&source(json!({})), &json!({ "at": 1 })), Ok(None));
    }

    #[test]
    fn a_tombstone_says_what_it_is_told_to_say() {
        let gone = |tombstone: Value, record: Value| is_deleted(&source(json!({ "deleted": tombstone })), &record);
        for (value, expected) in [
            (json!(null), false),
            (json!(false), false),
            (json!(0), false),
            (json!(""), false),
            (json!([]), false),
            (json!(true), true),
            (json!("2026-01-01"), true),
            (json!(1), true),
        ] {
            assert_eq!(gone(json!({ "pointer": "/gone" }), json!({ "gone": value })), expected, "{value}");
        }
        assert!(!gone(json!({ "pointer": "/gone" }), json!({})));
        let listed = json!({ "pointer": "/status", "values": ["archived", null, 0] });
        for (record, expected) in [
            (json!({ "status": "archived" }), true),
            (json!({ "status": null }), true),
            (json!({ "status": "live" }), false),
            (json!({}), false),
        ] {
            assert_eq!(gone(listed.clone(), record), expected);
        }
        assert!(!is_deleted(&source(json!({})), &json!({ "deleted": true })));
    }
}
