//! What a value is made into: a field's `type`. Pure.
//!
//! Numbers keep their digits or are refused: JSON's are read as 64-bit integers and floats here, so a longer integer has lost some already.
//! Next: `mapping.rs`, which says where values come from.

use chrono::{NaiveDate, TimeZone, Utc};
use serde_json::{Number, Value};

use super::{definition::FieldType, read};
use crate::clock::Timestamp;

/// Two to the power of 64 and of 128: whole floats between them were longer integers, of which the last digits are lost.
const LOST: std::ops::Range<f64> = 18_446_744_073_709_551_616.0..340_282_366_920_938_463_463_374_607_431_768_211_456.0;
/// The most of a text that a message quotes.
const QUOTED_CHARS_MAX: usize = 40;

/// The value as this type. The error says why it cannot be.
pub fn made(value: Value, r#type: FieldType) -> Result<Value, String> {
    match r#type {
        FieldType::String => string(value),
        FieldType::Integer => integer(&value),
        FieldType::Number => number(value),
        FieldType::Boolean => boolean(&value),
        FieldType::Timestamp => instant(&value).map(|at| Value::String(at.to_string())),
        FieldType::Date => date(&value).map(|day| Value::String(day.format("%Y-%m-%d").to_string())),
        FieldType::Object if value.is_object() => Ok(value),
        FieldType::Array if value.is_array() => Ok(value),
        FieldType::Object => Err(format!("{} is no object", quoted(&value))),
        FieldType::Array => Err(format!("{} is no list", quoted(&value))),
    }
}

/// Whether a value counts as not there for this type: nothing, and for all but texts an empty text, as CSV writes it.
pub fn is_nothing(value: &Value, r#type: Option<FieldType>) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty() && r#type.is_some_and(|r#type| r#type != FieldType::String),
        _ => false,
    }
}

fn string(value: Value) -> Result<Value, String> {
    match value {
        Value::String(_) => Ok(value),
        Value::Bool(is) => Ok(Value::String(is.to_string())),
        Value::Number(number) => match imprecise(&number) {
            Some(message) => Err(message),
            None => Ok(Value::String(number.to_string())),
        },
        other => Err(format!("{} is no text", quoted(&other))),
    }
}

fn integer(value: &Value) -> Result<Value, String> {
    let whole = match value {
        Value::Number(number) => match (imprecise(number), number.as_f64()) {
            (Some(message), _) => return Err(message),
            (None, _) if number.is_i64() || number.is_u64() => Some(number.clone()),
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within what a float holds exactly")]
            (None, Some(float)) if float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 => Some(Number::from(float as i64)),
            _ => None,
        },
        Value::String(text) => digits(text.trim()),
        _ => None,
    };
    whole.map(Value::Number).ok_or_else(|| format!("{} is no whole number within 64 bits", quoted(value)))
}

fn digits(text: &str) -> Option<Number> {
    text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok()
}

fn number(value: Value) -> Result<Value, String> {
    let Value::String(text) = &value else {
        return if value.is_number() { Ok(value) } else { Err(format!("{} is no number", quoted(&value))) };
    };
    let text = text.trim();
    // "inf" and "nan" are numbers to Rust and to nobody else.
    let float = || text.parse::<f64>().ok().filter(|_| !text.contains(['n', 'N', 'y', 'Y'])).and_then(Number::from_f64);
    digits(text).or_else(float).map(Value::Number).ok_or_else(|| format!("{} is no number", quoted(&value)))
}

fn boolean(value: &Value) -> Result<Value, String> {
    let is = match value {
        Value::Bool(is) => Some(*is),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    is.map(Value::Bool).ok_or_else(|| format!("{} is neither true nor false", quoted(value)))
}

fn instant(value: &Value) -> Result<Timestamp, String> {
    // What lies beyond the years that RFC 3339 can write would not be read again.
    let of_years = |at: &Timestamp| Timestamp::parse_rfc3339(&at.to_string()).as_ref() == Ok(at);
    let no_instant = || format!("{} is no instant: RFC 3339, a day, or Unix seconds or milliseconds", quoted(value));
    read::instant(value).filter(of_years).ok_or_else(no_instant)
}

/// The value as a day: as it is written, or that of an instant, as written or else in UTC.
fn date(value: &Value) -> Result<NaiveDate, String> {
    let no_day = |_| format!("{} is no day", quoted(value));
    let at = instant(value).map_err(no_day)?;
    let written = value.as_str().and_then(|text| day(text.trim().get(..10)?));
    let of_instant = || Utc.timestamp_millis_opt(at.ms()).single().map(|at| at.date_naive());
    written.or_else(of_instant).ok_or_else(|| no_day(String::new()))
}

fn day(text: &str) -> Option<NaiveDate> {
    let has_shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| has_shape)
}

/// Why a number is not what the source wrote, if so.
pub fn imprecise(number: &Number) -> Option<String> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    (LOST.contains(&float.abs()) && float.fract() == 0.0).then(|| {
        "it is an integer of more than 64 bits, whose last digits are lost: have the provider send it as text, or say `type: number`"
            .to_owned()
    })
}

/// What a value is, for messages.
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value for messages: short ones as they are, all else by what it is.
fn quoted(value: &Value) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= QUOTED_CHARS_MAX => format!("{text:?}"),
        Value::String(text) => format!("{:?}…", text.chars().take(QUOTED_CHARS_MAX).collect::<String>()),
        other => kind(other).to_owned(),
    }
}
