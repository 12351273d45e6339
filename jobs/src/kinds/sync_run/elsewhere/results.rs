//! What an answer says: which result of many is of which record, and whether there is an error. Pure.

use serde_json::Value;

use crate::{kinds::sync_run::request::text_of, sync::definition::KnownBy};

/// What a record, or a result, is known by; none where one of the fields is empty.
pub(super) type Mark = Option<Vec<String>>;

/// The result of each record: in their order, or by their marks. Where a mark is nobody's, or several's, it is not known which is meant.
pub(super) fn of_each<'r>(known_by: Option<&KnownBy>, sent: &[Mark], results: &'r [Value]) -> Vec<Option<&'r Value>> {
    let Some(by) = known_by else { return (0..sent.len()).map(|index| results.get(index)).collect() };
    let told: Vec<Mark> = results.iter().map(|result| mark(by, result)).collect();
    let only = |wanted: &Mark| {
        let mut same = told.iter().zip(results).filter(|(told, _)| told == &wanted);
        same.next().map(|(_, result)| result).filter(|_| same.next().is_none())
    };
    sent.iter().map(|sent| if sent.is_some() { only(sent) } else { None }).collect()
}

/// The mark of a record or a result.
pub(super) fn mark(by: &KnownBy, value: &Value) -> Mark {
    let within = value.pointer(&by.within)?;
    by.fields.iter().map(|name| text_of(within.get(name))).collect()
}

/// The error that an answer tells at this place, if it does.
pub(super) fn error_in(answer: &Value, pointer: Option<&str>) -> Option<String> {
    let error = answer.pointer(pointer?).filter(|error| says(error))?;
    Some(error.as_str().map_or_else(|| error.to_string(), str::to_owned))
}

/// Whether a value says that there is an error.
fn says(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(true) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_found_by_its_fields_whatever_the_order() {
        let by = KnownBy { within: "/fields".into(), fields: vec!["Email".into(), "No".into()] };
        let of = |email: &str, no: Value| json!({ "fields": { "Email": email, "No": no, "Name": "x" } });
        let sent =
            [of("a", json!(1)), of("b", json!("2")), of("twice", json!(3)), of("gone", json!(4)), json!({ "fields": { "Email": "a" } })];
        let results = [of("b", json!(2)), of("twice", json!(3)), of("a", json!(1)), of("twice", json!(3)), of("other", json!(4))];
        let marks: Vec<_> = sent.iter().map(|record| mark(&by, record)).collect();
        assert_eq!(of_each(Some(&by), &marks, &results), [Some(&results[2]), Some(&results[0]), None, None, None]);
        assert_eq!(of_each(None, &marks, &results), results.iter().map(Some).collect::<Vec<_>>());
        assert_eq!(of_each(None, &marks, &[]), [None; 5]);
    }
}
