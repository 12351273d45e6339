//! What is wrong with a definition: what its schema says first, then what no schema can. Pure; each answer names the place.
//!
//! It never looks whether a connection is there, which may be made later, and reads no expression, which is done where they are evaluated.
//! The pieces: `check/source.rs`, `check/mapping.rs`, `check/destination.rs`. Next: `mapping.rs`.

mod destination;
mod mapping;
mod source;

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;

use super::{
    DEFINITION_BYTES_MAX, Definition,
    definition::{Conflict, Destination, Source, Texts, Verify},
    pointer::{escaped, is_pointer},
    template::{self, Piece, segments},
};
use crate::contract::{Compiled, Contract, Violation};

/// The longest name of a parameter, in bytes.
const PARAMETER_BYTES_MAX: usize = 200;
/// The longest value of a parameter, and the longest path, in bytes.
const VALUE_BYTES_MAX: usize = 2_000;

static SCHEMA: LazyLock<Compiled> =
    LazyLock::new(|| Compiled::new(Contract::of::<Definition>("sync.definition")).expect("a schema of our own compiles"));

/// What came, as a definition that holds in itself.
pub fn read(value: Value) -> Result<Definition, Violation> {
    let bytes = value.to_string().len();
    if bytes > DEFINITION_BYTES_MAX {
        return Err(at("", format!("{bytes} bytes of the {DEFINITION_BYTES_MAX} that a definition may have")));
    }
    SCHEMA.check(&value)?;
    // What the schema lets pass can be read, but for what it cannot say.
    let definition = serde_json::from_value(value).map_err(|error| at("", error.to_string()))?;
    check(&definition)?;
    Ok(definition)
}

/// What no schema can say of it.
pub fn check(definition: &Definition) -> Result<(), Violation> {
    let Definition { source, destination, .. } = definition;
    exactly_one("/source", &[("http", source.http.is_some()), ("records", source.records.is_some())])?;
    let destinations =
        [("records", destination.records.is_some()), ("http", destination.http.is_some()), ("object", destination.object.is_some())];
    exactly_one("/destination", &destinations)?;
    if let Some(http) = &source.http {
        source::check(http, "/source/http")?;
    }
    mapping::check(&definition.mapping)?;
    destination::check(definition)?;
    together(definition, source, destination)
}

/// What source and destination ask of each other.
fn together(definition: &Definition, source: &Source, destination: &Destination) -> Result<(), Violation> {
    if let (Some(from), Some(to)) = (&source.records, &destination.records)
        && from.collection == to.collection
    {
        return Err(at("/destination/records/collection", "records are not synced into the collection that they come from"));
    }
    let pagination = source.http.as_ref().and_then(|http| http.list.pagination.as_ref());
    if definition.limits.passes_max < 2 && pagination.is_some_and(|pages| pages.verify() == Verify::SecondPass) {
        let message =
            "a list that is verified by `second_pass` is read twice at least: 2 or more, or `\"verify\": \"none\"` at its pagination";
        return Err(at("/limits/passes_max", message));
    }
    let has_clock = source.http.as_ref().is_none_or(|http| http.updated_at.is_some());
    match definition.conflict {
        Conflict::Source => Ok(()),
        _ if destination.records.is_none() => {
            Err(at("/conflict", "only records as destination know who changed them: elsewhere the source wins"))
        }
        Conflict::Newest if !has_clock => Err(at("/conflict", "whose change is later is only known with /source/http/updated_at")),
        _ => Ok(()),
    }
}

fn at(pointer: impl Into<String>, message: impl Into<String>) -> Violation {
    Violation { pointer: pointer.into(), message: message.into() }
}

fn exactly_one(pointer: &str, choices: &[(&str, bool)]) -> Result<(), Violation> {
    let names = || choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut given = choices.iter().filter(|(_, is_given)| *is_given);
    match (given.next(), given.next()) {
        (Some(_), None) => Ok(()),
        (None, _) => Err(at(pointer, format!("one of {} is needed", names()))),
        (Some(_), Some((second, _))) => {
            Err(at(format!("{pointer}/{second}"), format!("is one too many: exactly one of {} is given", names())))
        }
    }
}

/// A text that is to be a pointer.
fn pointer(text: &str, place: &str) -> Result<(), Violation> {
    if is_pointer(text) {
        Ok(())
    } else {
        Err(at(place, format!("{text:?} is no JSON Pointer (RFC 6901): empty, or `/` before each part, and `~` only in `~0` and `~1`")))
    }
}

fn optional_pointer(text: Option<&String>, place: String) -> Result<(), Violation> {
    text.map_or(Ok(()), |text| pointer(text, &place))
}

/// A path below a connection's URL, with these placeholders in it and no others.
fn path(path: &str, known: &[&str], place: &str) -> Result<(), Violation> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let strange = |segment: &str| segment.is_empty() || segment.chars().all(|c| c == '.') || segment.contains('\\');
    if path.chars().any(char::is_control) || !inner.is_empty() && segments(inner).iter().any(|segment| strange(segment)) {
        return Err(at(place, "is no path below the connection's URL: it has an empty segment, dots, a backslash or a control character"));
    }
    if inner.contains(['?', '#']) {
        return Err(at(place, "parameters have a place of their own, `query`, and fragments are not sent"));
    }
    if inner.contains("://") {
        return Err(at(place, "is no path but a URL: its beginning is the connection's"));
    }
    placeholders(path, known, place)
}

/// Parameters, with these placeholders in their values and no others.
fn query(query: &BTreeMap<String, Texts>, known: &[&str], place: &str) -> Result<(), Violation> {
    for (name, values) in query {
        let place = format!("{place}/{}", escaped(name));
        parameter_name(name, &place)?;
        let values: &[String] = match values {
            Texts::One(value) => std::slice::from_ref(value),
            Texts::Many(values) => values,
        };
        for value in values {
            if value.len() > VALUE_BYTES_MAX {
                return Err(at(place, format!("{} bytes of the {VALUE_BYTES_MAX} that a value may have", value.len())));
            }
            placeholders(value, known, &place)?;
        }
    }
    Ok(())
}

fn parameter_name(name: &str, place: &str) -> Result<(), Violation> {
    let is_name = (1..=PARAMETER_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    if is_name {
        Ok(())
    } else {
        Err(at(place, format!("a parameter's name has 1 to {PARAMETER_BYTES_MAX} bytes, none of them a control character")))
    }
}

/// What stands in braces is `key`, `id` or a pointer into the record, as far as these are known here. All else means itself.
fn placeholders(text: &str, known: &[&str], place: &str) -> Result<(), Violation> {
    template::check(text).or_else(|name| pointer(name, place))?;
    for piece in template::pieces(text) {
        let (kind, name) = match piece {
            Piece::Text(_) => continue,
            Piece::Key => ("key", "key"),
            Piece::Id => ("id", "id"),
            Piece::Pointer { pointer, .. } => ("/", pointer),
        };
        if !known.contains(&kind) {
            let known: Vec<_> =
                known.iter().map(|known| if *known == "/" { "`{/pointer}`".into() } else { format!("`{{{known}}}`") }).collect();
            let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
            return Err(at(place, format!("{{{name}}} is not known here; {known} is")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
