//! JSON Pointers (RFC 6901), as far as a sync needs more of them than reading: whether one is well-formed, and where a field is placed. Pure.

use serde_json::{Map, Value};

/// Whether this is a JSON Pointer: empty, or `/` before each part, with `~` only as `~0` and `~1`.
pub fn is_pointer(text: &str) -> bool {
    let escapes = || text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    text.is_empty() || text.starts_with('/') && escapes()
}

/// A name as a part of a pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The pointer through these names.
pub fn of(names: &[String]) -> String {
    names.iter().map(|name| format!("/{}", escaped(name))).collect()
}

/// The names on the way to where a field is placed: a pointer's parts, or a name alone.
pub fn to_place(to: &str) -> Vec<String> {
    match to.strip_prefix('/') {
        Some(parts) => parts.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
        None => vec![to.to_owned()],
    }
}

/// Puts a value in its place; objects on the way are made. No two of a mapping's places are within each other.
pub fn place(object: &mut Map<String, Value>, names: &[String], value: Value) {
    let Some((name, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        object.insert(name.clone(), value);
        return;
    }
    let within = object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(within) = within {
        place(within, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_are_told_from_other_texts() {
        for good in ["", "/", "/a", "/a/b~0c~1d", "/0/ö", "//"] {
            assert!(is_pointer(good), "{good}");
        }
        for bad in ["a", "a/b", "/a~", "/a~2", "~0", "#/a"] {
            assert!(!is_pointer(bad), "{bad}");
        }
    }

    #[test]
    fn a_value_is_placed_where_its_pointer_says() {
        let mut object = Map::new();
        for (to, value) in [("a", 1), ("/b/c", 2), ("/b/0", 3), ("x/y", 4), ("/x~1z/~0", 5), ("/", 6)] {
            place(&mut object, &to_place(to), json!(value));
        }
        assert_eq!(Value::Object(object), json!({ "a": 1, "b": { "c": 2, "0": 3 }, "x/y": 4, "x/z": { "~": 5 }, "": 6 }));
        assert_eq!(of(&to_place("/x~1z/~0")), "/x~1z/~0");
        assert_eq!(of(&to_place("x/y")), "/x~1y");
    }
}
