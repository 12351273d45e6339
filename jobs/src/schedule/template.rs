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

/// The payload with its placeholders filled in; as it is where it has none.
pub(super) fn render(payload: &RawValue, values: Values) -> Result<Box<RawValue>, Unknown> {
    if !payload.get().contains("{{") {
        return Ok(payload.to_owned());
    }
    let unreadable = |error: serde_json::Error| Unknown { pointer: String::new(), message: error.to_string() };
    let mut value: Value = serde_json::from_str(payload.get()).map_err(unreadable)?;
    fill(&mut value, &mut String::new(), values)?;
    serde_json::value::to_raw_value(&value).map_err(unreadable)
}

fn fill(value: &mut Value, pointer: &mut String, values: Values) -> Result<(), Unknown> {
    let place = pointer.len();
    match value {
        Value::String(text) => {
            if let Some(filled) = fill_text(text, values).map_err(|message| Unknown { pointer: pointer.clone(), message })? {
                *value = filled;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                pointer.push_str(&format!("/{index}"));
                fill(item, pointer, values)?;
                pointer.truncate(place);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                fill(field, pointer, values)?;
                pointer.truncate(place);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// The text filled in, or none where it has no placeholder.
fn fill_text(text: &str, values: Values) -> Result<Option<Value>, String> {
    let Some((before, rest)) = text.split_once("{{") else { return Ok(None) };
    let (mut filled, mut rest) = (before.to_owned(), rest);
    let mut alone = before.is_empty();
    loop {
        let (name, after) = rest.split_once("}}").ok_or("a placeholder that begins with {{ must end with }}")?;
        match name.trim() {
            "n" if alone && after.is_empty() => return Ok(Some(values.n.into())),
            "n" => filled.push_str(&values.n.to_string()),
            "fire_at" => filled.push_str(&values.fire_at.to_string()),
            other => return Err(format!("there is no placeholder {{{{ {other} }}}}; there are {{{{ fire_at }}}} and {{{{ n }}}}")),
        }
        alone = false;
        match after.split_once("{{") {
            None => {
                filled.push_str(after);
                return Ok(Some(filled.into()));
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
        render(&payload, Values { fire_at: Timestamp::from_ms(1_800_000_000_000), n: 7 }).map(|rendered| rendered.get().to_owned())
    }

    #[test]
    fn placeholders_are_filled_in_wherever_texts_are() {
        let cases = [
            (r#"{ "a": 1 }"#, r#"{ "a": 1 }"#),
            (r#"{"a":"at {{ fire_at }}"}"#, r#"{"a":"at 2027-01-15T08:00:00.000Z"}"#),
            (r#"{"a":["{{n}}","{{ n }} of {{n}}"]}"#, r#"{"a":[7,"7 of 7"]}"#),
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
