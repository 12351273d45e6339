//! How large a schema is with all that it refers to in its place: what judging by it may cost. Counted without doing it, each part once.

use std::collections::HashMap;

use serde_json::Value;

use super::escaped;

/// Values of a schema, with what they refer to in their place.
const NODES_MAX: u64 = 10_000;
/// References that lead to references.
const DEPTH_MAX: usize = 32;
/// Patterns of a schema, counted like its values: each is made ready anew for every build.
const PATTERNS_MAX: u64 = 64;
/// The longest pattern.
const PATTERN_BYTES_MAX: usize = 1_000;

/// Why a schema is refused: where, and what is wrong.
type Flaw = (String, String);

/// What is wrong with the extent of this schema.
pub(super) fn check(schema: &Value) -> Result<(), Flaw> {
    let extent = Walk { schema, known: HashMap::new() }.of(schema, "")?;
    if extent.nodes > NODES_MAX {
        return Err((String::new(), format!("with all that it refers to in its place it has more than the {NODES_MAX} values allowed")));
    }
    if extent.patterns > PATTERNS_MAX {
        return Err((
            String::new(),
            format!("with all that it refers to in its place it has more than the {PATTERNS_MAX} patterns allowed"),
        ));
    }
    Ok(())
}

#[derive(Clone, Copy, Default)]
struct Extent {
    nodes: u64,
    patterns: u64,
    depth: usize,
}

impl Extent {
    fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.patterns = self.patterns.saturating_add(other.patterns);
        self.depth = self.depth.max(other.depth);
    }
}

struct Walk<'s> {
    schema: &'s Value,
    /// What was referred to; nothing where that is still being counted.
    known: HashMap<&'s str, Option<Extent>>,
}

impl<'s> Walk<'s> {
    fn of(&mut self, value: &'s Value, at: &str) -> Result<Extent, Flaw> {
        let mut extent = Extent { nodes: 1, ..Extent::default() };
        match value {
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    extent.add(self.of(item, &format!("{at}/{place}"))?);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let at = format!("{at}/{}", escaped(name));
                    extent.add(self.of(field, &at)?);
                    extent.add(self.keyword(name, field, at)?);
                }
            }
            _ => {}
        }
        Ok(extent)
    }

    /// What a field adds by its meaning. One that only has the name of a keyword, such as in `const`, is judged alike.
    fn keyword(&mut self, name: &str, field: &'s Value, at: String) -> Result<Extent, Flaw> {
        let patterns: Vec<&str> = match (name, field) {
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => return Err((at, format!("{name} is not followed"))),
            // It would give what lies below another beginning to refer to.
            ("$id", Value::String(_)) if at != "/$id" => return Err((at, "only the whole schema has an $id".into())),
            ("$ref", Value::String(target)) => return self.reference(target, at),
            ("pattern", Value::String(pattern)) => vec![pattern],
            ("patternProperties", Value::Object(patterns)) => patterns.keys().map(String::as_str).collect(),
            _ => return Ok(Extent::default()),
        };
        if patterns.iter().any(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
            return Err((at, format!("a pattern is longer than the {PATTERN_BYTES_MAX} bytes allowed")));
        }
        Ok(Extent { patterns: patterns.len() as u64, ..Extent::default() })
    }

    fn reference(&mut self, target: &'s str, at: String) -> Result<Extent, Flaw> {
        let known = match self.known.get(target) {
            Some(Some(known)) => *known,
            Some(None) => return Err((at, format!("{target} leads back to itself"))),
            None => self.follow(target, &at)?,
        };
        if known.depth >= DEPTH_MAX {
            return Err((at, format!("more than {DEPTH_MAX} references lead to each other")));
        }
        Ok(Extent { depth: known.depth + 1, ..known })
    }

    fn follow(&mut self, target: &'s str, at: &str) -> Result<Extent, Flaw> {
        if !target.starts_with("#/") && target != "#" || target.contains('%') {
            return Err((at.to_owned(), format!("{target:?} is no place in it, like #/$defs/name")));
        }
        let Some(found) = self.schema.pointer(&target[1..]) else {
            return Err((at.to_owned(), format!("there is no {target}")));
        };
        // Those that are still being counted are the way here: as many as the stack must hold.
        if self.known.values().filter(|known| known.is_none()).count() > DEPTH_MAX {
            return Err((at.to_owned(), format!("more than {DEPTH_MAX} references lead to each other")));
        }
        self.known.insert(target, None);
        let extent = self.of(found, &target[1..])?;
        self.known.insert(target, Some(extent));
        Ok(extent)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    /// `x0` is all of two `x1`, and so on, up to this many.
    fn doubling(many: usize) -> Value {
        let next = |number: usize| json!({ "$ref": format!("#/$defs/x{}", number + 1) });
        let mut defs: Map<String, Value> =
            (0..many).map(|number| (format!("x{number}"), json!({ "allOf": [next(number), next(number)] }))).collect();
        defs.insert(format!("x{many}"), json!({ "type": "integer" }));
        json!({ "$defs": defs, "type": "object", "properties": { "a": { "$ref": "#/$defs/x0", "default": 1 } } })
    }

    #[test]
    fn what_grows_by_references_is_counted_and_not_judged_by() {
        assert!(check(&doubling(8)).is_ok());
        for (many, says) in [
            (12, "more than the 10000 values"),
            (25, "more than the 10000 values"),
            (40, "more than 32 references"),
            (3_000, "more than 32"),
        ] {
            let (_, message) = check(&doubling(many)).expect_err("refused");
            assert!(message.contains(says), "{many}: {message}");
        }
    }

    #[test]
    fn what_leads_back_or_away_is_refused_at_its_place() {
        let cases = [
            (json!({ "$ref": "#" }), "/a/$ref", "leads back to itself"),
            (json!({ "items": { "$ref": "#/a" } }), "/a/items/$ref", "leads back to itself"),
            (json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" }), "/a/$ref", "is no place in it"),
            (json!({ "$ref": "#name" }), "/a/$ref", "is no place in it"),
            (json!({ "$ref": "#/b" }), "/a/$ref", "there is no #/b"),
            (json!({ "$dynamicRef": "#/a" }), "/a/$dynamicRef", "is not followed"),
            (json!({ "$id": "http://a" }), "/a/$id", "only the whole schema"),
            (json!({ "pattern": "a".repeat(1_001) }), "/a/pattern", "longer than the 1000 bytes"),
            (json!((0..65).map(|_| json!({ "pattern": "a" })).collect::<Vec<_>>()), "", "more than the 64 patterns"),
        ];
        for (schema, at, says) in cases {
            let (pointer, message) = check(&json!({ "a": schema })).expect_err("refused");
            assert!(pointer == at && message.contains(says), "{schema}: {pointer}: {message}");
        }
        let names = json!({ "properties": { "$ref": { "default": 1 }, "pattern": { "default": 1 } }, "$id": "a", "b": { "$ref": "#/properties/$ref" } });
        assert_eq!(check(&names), Ok(()));
    }
}
