//! JSON Merge Patch (RFC 7396): what is left out stays, `null` removes, objects are merged, anything else takes the place. Pure.

use serde_json::{Map, Value};

/// `target` with `patch` laid over it.
#[must_use]
pub fn merged(target: &Value, patch: &Value) -> Value {
    match patch {
        Value::Object(patch) => Value::Object(merged_objects(target.as_object(), patch)),
        other => other.clone(),
    }
}

/// The same of objects.
fn merged_objects(target: Option<&Map<String, Value>>, patch: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = target.cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            let standing = fields.get(name).cloned().unwrap_or_default();
            fields.insert(name.clone(), merged(&standing, value));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::merged;

    /// The table of RFC 7396, appendix A: original, patch, result.
    #[test]
    fn the_examples_of_the_rfc_come_out() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), Value::Null, Value::Null),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (original, patch, expected) in cases {
            assert_eq!(merged(&original, &patch), expected, "{original} and {patch}");
        }
    }
}
