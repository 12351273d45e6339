//! The payload of a fire's job: placeholders in texts, and nothing else. No expressions, so nothing can run away.

use serde_json::{Value, value::RawValue};

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

/// Fills the placeholders in; texts at `as_numbers` that are nothing but `{{ n }}` become numbers.
pub(super) fn render(payload: &RawValue, values: Values, as_numbers: &[String]) -> Result<Rendered, Unknown> {
    if !payload.get().contains("{{") {
        return Ok(Rendered { payload: payload.to_owned(), numbers: Vec::new() });
    }
    let unreadable = |error: serde_json::Error| Unknown { pointer: String::new(), message: error.to_string() };
    let mut value: Value = serde_json::from_str(payload.get()).map_err(unreadable)?;
    let mut filler = Filler { values, as_numbers, pointer: String::new(), numbers: Vec::new() };
    filler.fill(&mut value)?;
    Ok(Rendered { payload: serde_json::value::to_raw_value(&value).map_err(unreadable)?, numbers: filler.numbers })
}

struct Filler<'f> {
    values: Values,
    as_numbers: &'f [String],
    /// Where it is.
    pointer: String,
    numbers: Vec<String>,
}

impl Filler<'_> {
    fn fill(&mut self, value: &mut Value) -> Result<(), Unknown> {
        let place = self.pointer.len();
        match value {
            Value::String(text) if is_number(text) => {
                *value = if self.as_numbers.contains(&self.pointer) { self.values.n.into() } else { self.values.n.to_string().into() };
                self.numbers.push(self.pointer.clone());
            }
            Value::String(text) => {
                let filled = fill_text(text, self.values).map_err(|message| Unknown { pointer: self.pointer.clone(), message })?;
                if let Some(filled) = filled {
                    *text = filled;
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.pointer.push_str(&format!("/{index}"));
                    self.fill(item)?;
                    self.pointer.truncate(place);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    self.pointer.push('/');
                    self.pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    self.fill(field)?;
                    self.pointer.truncate(place);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
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
