//! The payload of a fire's job: placeholders in texts, and nothing else. No expressions, so nothing can run away.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::clock::Timestamp;

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values {
    /// `{{ fire_at }}`: the instant of the fire, RFC 3339 in UTC.
    pub fire_at: Timestamp,
    /// `{{ n }}`: the number of the job among the schedule's, from 1.
    pub n: u64,
}

/// A placeholder that there is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// Where in the payload, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

/// A payload with its placeholders filled in.
#[derive(Debug)]
pub(super) struct Rendered {
    /// The payload; as it was where it had none.
    pub payload: Box<RawValue>,
    /// The places of texts that are nothing but `{{ n }}`, as JSON pointers: a number could stand there too.
    pub numbers: Vec<String>,
}

/// Fills the placeholders in; texts at `as_numbers` that are nothing but `{{ n }}` become numbers. What has no placeholder stays
/// as it was written, to the last digit of a number.
pub(super) fn render(payload: &RawValue, values: Values, as_numbers: &[String]) -> Result<Rendered, Unknown> {
    let mut filler = Filler { values, as_numbers, pointer: String::new(), numbers: Vec::new() };
    Ok(Rendered { payload: filler.fill(payload)?, numbers: filler.numbers })
}

struct Filler<'f> {
    values: Values,
    as_numbers: &'f [String],
    /// Where it is.
    pointer: String,
    numbers: Vec<String>,
}

impl Filler<'_> {
    fn fill(&mut self, value: &RawValue) -> Result<Box<RawValue>, Unknown> {
        let text = value.get().trim_start();
        if !text.contains("{{") {
            return Ok(value.to_owned());
        }
        match text.as_bytes().first() {
            Some(b'{') => {
                let fields: BTreeMap<String, Box<RawValue>> = self.read(text)?;
                let filled = fields.into_iter().map(|(name, field)| {
                    let place = name.replace('~', "~0").replace('/', "~1");
                    Ok((name, self.fill_at(&place, &field)?))
                });
                let filled: BTreeMap<String, Box<RawValue>> = filled.collect::<Result<_, Unknown>>()?;
                self.write(&filled)
            }
            Some(b'[') => {
                let items: Vec<Box<RawValue>> = self.read(text)?;
                let filled = items.iter().enumerate().map(|(index, item)| self.fill_at(&index.to_string(), item));
                let filled: Vec<Box<RawValue>> = filled.collect::<Result<_, Unknown>>()?;
                self.write(&filled)
            }
            _ => self.fill_text(&self.read::<String>(text)?),
        }
    }

    fn fill_at(&mut self, place: &str, value: &RawValue) -> Result<Box<RawValue>, Unknown> {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(place);
        let filled = self.fill(value)?;
        self.pointer.truncate(length);
        Ok(filled)
    }

    fn fill_text(&mut self, text: &str) -> Result<Box<RawValue>, Unknown> {
        if is_number(text) {
            let as_number = self.as_numbers.contains(&self.pointer);
            self.numbers.push(self.pointer.clone());
            return if as_number { self.write(&self.values.n) } else { self.write(&self.values.n.to_string()) };
        }
        let filled = fill_text(text, self.values).map_err(|message| self.unknown(message))?;
        self.write(&filled.as_deref().unwrap_or(text))
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, Unknown> {
        serde_json::from_str(text).map_err(|error| self.unknown(error.to_string()))
    }

    fn write<T: Serialize>(&self, value: &T) -> Result<Box<RawValue>, Unknown> {
        serde_json::value::to_raw_value(value).map_err(|error| self.unknown(error.to_string()))
    }

    fn unknown(&self, message: String) -> Unknown {
        Unknown { pointer: self.pointer.clone(), message }
    }
}

/// Whether the text is nothing but `{{ n }}`.
fn is_number(text: &str) -> bool {
    text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).is_some_and(|name| name.trim() == "n")
}

/// The text filled in, or none where it has no placeholder.
fn fill_text(text: &str, values: Values) -> Result<Option<String>, String> {
    let Some((before, rest)) = text.split_once("{{") else { return Ok(None) };
    let (mut filled, mut rest) = (before.to_owned(), rest);
    loop {
        let (name, after) = rest.split_once("}}").ok_or("a placeholder that begins with {{ must end with }}")?;
        match name.trim() {
            "n" => filled.push_str(&values.n.to_string()),
            "fire_at" => filled.push_str(&values.fire_at.to_string()),
            other => return Err(format!("there is no placeholder {{{{ {other} }}}}; there are {{{{ fire_at }}}} and {{{{ n }}}}")),
        }
        match after.split_once("{{") {
            None => {
                filled.push_str(after);
                return Ok(Some(filled));
            }
            Some((between, next)) => {
                filled.push_str(between);
                rest = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(payload: &str) -> Result<String, Unknown> {
        let payload = RawValue::from_string(payload.to_owned()).expect("JSON");
        let values = Values { fire_at: Timestamp::from_ms(1_800_000_000_000), n: 7 };
        render(&payload, values, &["/number".to_owned()]).map(|rendered| rendered.payload.get().to_owned())
    }

    #[test]
    fn placeholders_are_filled_in_wherever_texts_are() {
        let cases = [
            (r#"{ "a": 1 }"#, r#"{ "a": 1 }"#),
            (r#"{"a":"at {{ fire_at }}"}"#, r#"{"a":"at 2027-01-15T08:00:00.000Z"}"#),
            (r#"{"a":["{{n}}","{{ n }} of {{n}}"]}"#, r#"{"a":["7","7 of 7"]}"#),
            (r#"{"number":"{{ n }}","text":"{{ n }}"}"#, r#"{"number":7,"text":"7"}"#),
            (r#"["{{ n }} "]"#, r#"["7 "]"#),
            (r#"[12345678901234567890123, 1.50, {"a": "{{ n }}."}]"#, r#"[12345678901234567890123,1.50,{"a":"7."}]"#),
            (r#"{"{{ n }}":true}"#, r#"{"{{ n }}":true}"#),
            (r#"{"a":"} }} {"}"#, r#"{"a":"} }} {"}"#),
        ];
        for (payload, expected) in cases {
            assert_eq!(rendered(payload).as_deref(), Ok(expected), "{payload}");
        }
    }

    #[test]
    fn an_unknown_placeholder_is_named_with_its_place() {
        let unknown = rendered(r#"{"a":{"b/c":["x","{{ tenant }}"]}}"#).expect_err("there is no such placeholder");
        assert_eq!(unknown.pointer, "/a/b~1c/1");
        assert_eq!(unknown.message, "there is no placeholder {{ tenant }}; there are {{ fire_at }} and {{ n }}");
        assert_eq!(rendered(r#"["{{ n"]"#).expect_err("it does not end").pointer, "/0");
    }
}
