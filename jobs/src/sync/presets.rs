//! The presets: definitions for providers that many have, with a few parameters instead of a whole declaration. Pure.
//!
//! Each is a file in `presets/`, which says after what it was made ([`Preset::specification`]). To add one: a file, its name in [`PRESETS`], a page in
//! `docs/syncs/`, and a server in `tests/harness/providers/` that speaks what was read. One that follows no publication is `assumed`.
//! A text of its definition that is a placeholder (`${table}`) becomes the parameter's value, and is left out where that is `null`; within a text it
//! becomes a part of it. Over what comes out the caller's own fields are laid (RFC 7396). Next: `definition.rs`, then `check.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{connection::catalog::first_of, contract::Violation, merge_patch::merged};

/// A definition for a provider that many have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncPreset))]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub title: String,
    /// What it does.
    pub description: String,
    /// After what it was made.
    pub specification: Vec<Reading>,
    /// Whether it follows no publication, and only shows how such a provider would be declared.
    pub assumed: bool,
    /// The connections that it needs, by the parameter that names each.
    pub connections: BTreeMap<String, NeededConnection>,
    /// Its parameters, by name: the JSON Schema (draft 2020-12) of each. One with a `default` need not be given.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub parameters: BTreeMap<String, Value>,
    /// What becomes a sync's definition: `${name}` stands for a parameter.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub definition: Map<String, Value>,
}

/// What was read of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncPresetReading))]
pub struct Reading {
    /// Where it is.
    pub url: String,
    /// The day.
    #[cfg_attr(feature = "openapi", schema(format = "date"))]
    pub read_at: String,
}

/// A connection that a preset needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncPresetConnection))]
pub struct NeededConnection {
    /// Its provider.
    pub provider: String,
    /// Its configuration.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub config: Map<String, Value>,
    /// The names of its secrets.
    pub secrets: BTreeSet<String>,
}

struct Compiled {
    preset: Preset,
    parameters: jsonschema::Validator,
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => { [$(include_str!(concat!("presets/", $name, ".json"))),+] };
}

const PRESETS: [&str; 13] = files![
    "airtable",
    "airtable-push",
    "cbb",
    "chat365-messages",
    "destination-one-events",
    "doktor365-appointments",
    "doktor365-patients",
    "gohighlevel-contacts",
    "gohighlevel-contacts-push",
    "mobilithek-parking",
    "mobilithek-parking-status",
    "onlychannel-contacts",
    "rest-oauth2",
];

static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| PRESETS.iter().map(|text| Compiled::read(text)).collect());

impl Compiled {
    fn read(text: &str) -> Self {
        let preset: Preset = serde_json::from_str(text).expect("the presets are read: a test does it");
        let required: Vec<&String> =
            preset.parameters.iter().filter(|(_, schema)| schema.get("default").is_none()).map(|(name, _)| name).collect();
        let schema = json!({ "type": "object", "additionalProperties": false, "required": required, "properties": preset.parameters });
        let parameters = jsonschema::validator_for(&schema).expect("the schemas of parameters compile: a test does it");
        Self { preset, parameters }
    }
}

/// Every preset, by name.
pub fn presets() -> impl Iterator<Item = &'static Preset> {
    COMPILED.iter().map(|compiled| &compiled.preset)
}

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    presets().find(|preset| preset.name == name)
}

/// The definition that a preset makes of parameters, with the caller's own fields laid over it. Pointers begin at the body of the request, whose
/// fields `preset` and `parameters` these are.
pub fn expand(name: &str, parameters: &Map<String, Value>, own: &Map<String, Value>) -> Result<Value, Violation> {
    let unknown = || Violation { pointer: "/preset".into(), message: "is no preset: GET /v1/sync-presets lists them".into() };
    let compiled = COMPILED.iter().find(|compiled| compiled.preset.name == name).ok_or_else(unknown)?;
    let below = |found: Violation| Violation { pointer: format!("/parameters{}", found.pointer), ..found };
    first_of(&compiled.parameters, &Value::Object(parameters.clone())).map_err(below)?;
    let given = |name: &str| parameters.get(name).or_else(|| compiled.preset.parameters.get(name)?.get("default")).unwrap_or(&Value::Null);
    let members = compiled.preset.definition.iter();
    let definition = members.filter_map(|(name, value)| Some((name.clone(), filled(value, &given)?))).collect();
    let mut made = merged(&Value::Object(definition), &Value::Object(own.clone()));
    // A preset has the call that deletes for who wants it; a definition has none that is never made.
    let is_own = own.get("destination").is_some_and(|destination| destination.pointer("/http/delete").is_some());
    if made["delete"] == "keep"
        && !is_own
        && let Some(http) = made.pointer_mut("/destination/http").and_then(Value::as_object_mut)
    {
        http.remove("delete");
    }
    Ok(made)
}

/// The value with parameters in their places; none where nothing was given for it.
fn filled<'p>(value: &Value, given: &impl Fn(&str) -> &'p Value) -> Option<Value> {
    match value {
        Value::String(text) => filled_text(text, given),
        Value::Array(values) => Some(values.iter().filter_map(|value| filled(value, given)).collect()),
        Value::Object(members) => {
            Some(members.iter().filter_map(|(name, value)| Some((name.clone(), filled(value, given)?))).collect::<Map<_, _>>().into())
        }
        other => Some(other.clone()),
    }
}

fn filled_text<'p>(text: &str, given: &impl Fn(&str) -> &'p Value) -> Option<Value> {
    let mut parts = text.split("${");
    let mut made = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("a placeholder ends: a test reads them all");
        match given(name) {
            Value::Null => return None,
            value if made.is_empty() && rest.is_empty() && text.len() == name.len() + 3 => return Some(value.clone()),
            Value::String(value) => made.push_str(value),
            value => made.push_str(&value.to_string()),
        }
        made.push_str(rest);
    }
    Some(Value::String(made))
}

#[cfg(test)]
mod tests;
