//! What documents of a search are to have in their metadata: read from a request, and asked of a document. Pure.
//!
//! `{"language": "de", "year": {"gte": 2020}, "tags": {"any": ["a", "b"]}}`: every member is to hold. Stores that look in SQL mean what
//! [`Filter::matches`] says (`tests/it/search/` holds them to it).

use serde_json::{Map, Value};

/// The most conditions of a filter.
pub const CONDITIONS_MAX: usize = 16;
/// The most values of `any`.
pub const VALUES_MAX: usize = 100;
/// The largest filter, in bytes of its JSON.
pub const FILTER_BYTES_MAX: usize = 16 * 1024;
/// The longest name of a member, in bytes.
pub const MEMBER_BYTES_MAX: usize = 128;

/// What documents are to have: all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter(Vec<(String, Test)>);

/// What a member of the metadata is to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// One of these, or a list that has one of them. `null` is what is not there, too.
    Any(Vec<Scalar>),
    /// Within these bounds; of the same type as they are.
    Within(Vec<(Bound, Scalar)>),
}

/// A side of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Greater.
    Gt,
    /// Greater or the same.
    Gte,
    /// Less.
    Lt,
    /// Less or the same.
    Lte,
}

/// A value without parts. Numbers are compared as 64-bit floating point, texts by their code points.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// What is wrong with a filter, and where: a pointer that begins at the filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    /// Where.
    pub pointer: String,
    /// What.
    pub message: String,
}

impl Filter {
    /// Reads a filter.
    pub fn read(filter: &Map<String, Value>) -> Result<Self, Wrong> {
        if filter.len() > CONDITIONS_MAX {
            return Err(wrong("", format!("a filter has at most {CONDITIONS_MAX} conditions")));
        }
        if serde_json::to_string(filter).map_or(0, |json| json.len()) > FILTER_BYTES_MAX {
            return Err(wrong("", format!("a filter has at most {FILTER_BYTES_MAX} bytes")));
        }
        filter.iter().map(|(member, value)| Ok((member.clone(), test(member, value)?))).collect::<Result<_, _>>().map(Self)
    }

    /// Its conditions: members of the metadata, and what each is to be.
    pub fn conditions(&self) -> &[(String, Test)] {
        &self.0
    }

    /// Whether this metadata is what is looked for.
    pub fn matches(&self, metadata: &Map<String, Value>) -> bool {
        self.0.iter().all(|(member, test)| test.holds(metadata.get(member).unwrap_or(&Value::Null)))
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any(wanted), Value::Array(list)) => list.iter().filter_map(Scalar::of).any(|one| wanted.contains(&one)),
            (Self::Any(wanted), value) => Scalar::of(value).is_some_and(|one| wanted.contains(&one)),
            (Self::Within(bounds), value) => {
                Scalar::of(value).is_some_and(|one| bounds.iter().all(|(bound, limit)| bound.holds(&one, limit)))
            }
        }
    }
}

impl Bound {
    fn holds(self, value: &Scalar, limit: &Scalar) -> bool {
        let order = match (value, limit) {
            (Scalar::Number(value), Scalar::Number(limit)) => value.partial_cmp(limit),
            (Scalar::Text(value), Scalar::Text(limit)) => Some(value.cmp(limit)),
            _ => None,
        };
        order.is_some_and(|order| match self {
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
        })
    }
}

impl Scalar {
    /// None for a list or an object.
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => Self::Number(it.as_f64()?),
            Value::String(it) => Self::Text(it.clone()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }
}

fn test(member: &str, value: &Value) -> Result<Test, Wrong> {
    if member.is_empty() || member.len() > MEMBER_BYTES_MAX || member.contains(char::is_control) {
        let message = format!("a member's name has 1 to {MEMBER_BYTES_MAX} bytes, and no control characters");
        return Err(wrong(&at(member), message));
    }
    let Value::Object(parts) = value else { return Ok(Test::Any(vec![scalar(&at(member), value)?])) };
    if let (1, Some(any)) = (parts.len(), parts.get("any")) {
        return any_of(&format!("{}/any", at(member)), any);
    }
    if parts.is_empty() {
        return Err(wrong(&at(member), "says any, or gt, gte, lt, lte"));
    }
    parts.iter().map(|(name, limit)| bound(&format!("{}{}", at(member), at(name)), name, limit)).collect::<Result<_, _>>().map(Test::Within)
}

fn any_of(pointer: &str, any: &Value) -> Result<Test, Wrong> {
    let Value::Array(values) = any else { return Err(wrong(pointer, "is a list of values")) };
    if values.is_empty() || values.len() > VALUES_MAX {
        return Err(wrong(pointer, format!("has 1 to {VALUES_MAX} values")));
    }
    values.iter().enumerate().map(|(index, value)| scalar(&format!("{pointer}/{index}"), value)).collect::<Result<_, _>>().map(Test::Any)
}

fn bound(pointer: &str, name: &str, limit: &Value) -> Result<(Bound, Scalar), Wrong> {
    let bound = match name {
        "gt" => Bound::Gt,
        "gte" => Bound::Gte,
        "lt" => Bound::Lt,
        "lte" => Bound::Lte,
        _ => return Err(wrong(pointer, "is none of any (alone), gt, gte, lt, lte")),
    };
    match scalar(pointer, limit)? {
        limit @ (Scalar::Number(_) | Scalar::Text(_)) => Ok((bound, limit)),
        Scalar::Null | Scalar::Bool(_) => Err(wrong(pointer, "a bound is a number or a text")),
    }
}

fn scalar(pointer: &str, value: &Value) -> Result<Scalar, Wrong> {
    let scalar = Scalar::of(value).ok_or_else(|| wrong(pointer, "is a text, a number, true, false or null"))?;
    if matches!(&scalar, Scalar::Text(text) if text.contains('\0') || text.len() > super::METADATA_BYTES_MAX) {
        return Err(wrong(pointer, format!("a text has no NUL, and at most {} bytes", super::METADATA_BYTES_MAX)));
    }
    Ok(scalar)
}

fn at(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

fn wrong(pointer: &str, message: impl Into<String>) -> Wrong {
    Wrong { pointer: pointer.into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).expect("an object")
    }

    fn matches(filter: Value, metadata: Value) -> bool {
        Filter::read(&map(filter)).expect("a filter").matches(&map(metadata))
    }

    #[test]
    fn every_condition_is_to_hold() {
        let metadata = json!({ "language": "de", "year": 2024, "tags": ["a", "c"], "draft": false });
        for (filter, is_met) in [
            (json!({}), true),
            (json!({ "language": "de", "year": 2024.0 }), true),
            (json!({ "language": "de", "year": 2025 }), false),
            (json!({ "year": { "gte": 2024, "lt": 2025 } }), true),
            (json!({ "year": { "gt": 2024 } }), false),
            (json!({ "year": { "gt": "2023" } }), false),
            (json!({ "language": { "gte": "da", "lte": "de" } }), true),
            (json!({ "tags": "c" }), true),
            (json!({ "tags": { "any": ["b", "a"] } }), true),
            (json!({ "tags": { "any": ["b", "d"] } }), false),
            (json!({ "tags": { "gte": "a" } }), false),
            (json!({ "draft": false }), true),
            (json!({ "author": null }), true),
            (json!({ "author": { "any": [null, "x"] } }), true),
            (json!({ "language": null }), false),
        ] {
            assert_eq!(matches(filter.clone(), metadata.clone()), is_met, "{filter}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (filter, pointer) in [
            (json!({ "a": { "any": [] } }), "/a/any"),
            (json!({ "a": { "any": "x" } }), "/a/any"),
            (json!({ "a": { "any": [1, {}] } }), "/a/any/1"),
            (json!({ "a": { "any": [1], "gt": 1 } }), "/a/any"),
            (json!({ "a/b": { "near": 1 } }), "/a~1b/near"),
            (json!({ "a": { "gt": true } }), "/a/gt"),
            (json!({ "a": {} }), "/a"),
            (json!({ "a": [1] }), "/a"),
            (json!({ "": 1 }), "/"),
            (json!({ "a": "x\u{0}" }), "/a"),
        ] {
            assert_eq!(Filter::read(&map(filter.clone())).expect_err("it is wrong").pointer, pointer, "{filter}");
        }
    }
}
