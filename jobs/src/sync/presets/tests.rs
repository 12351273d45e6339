//! What comes out of each preset is a definition, and what is wrong with parameters is said of its field.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{PRESETS, expand, preset, presets};
use crate::{connection::catalog, sync::check};

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// What somebody would give: what has no default.
fn given(name: &str) -> Map<String, Value> {
    let all = json!({
        "connection": "provider", "token_connection": "tokens", "base_id": "appEXAMPLE1234567", "table": "tblEXAMPLE1234567",
        "merge_on": ["Email"], "location_id": "ve9EPM428h8vShlRW1KT", "subscription_id": "123456789012345678",
        "experience": "beispielstadt", "path": "v1/items"
    });
    let preset = preset(name).expect("a preset");
    let wanted = preset.parameters.iter().filter(|(_, schema)| schema.get("default").is_none());
    wanted.map(|(name, _)| (name.clone(), all[name].clone())).collect()
}

/// Every placeholder within a value.
fn placeholders(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for part in text.split("${").skip(1) {
                found.insert(part.split_once('}').unwrap_or_else(|| panic!("{text} has a placeholder without an end")).0.to_owned());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| placeholders(value, found)),
        Value::Object(members) => members.values().for_each(|value| placeholders(value, found)),
        _ => {}
    }
}

#[test]
fn every_preset_makes_a_definition_of_its_parameters() {
    assert_eq!(presets().count(), PRESETS.len());
    for preset in presets() {
        let name = preset.name.as_str();
        let made = expand(name, &given(name), &Map::new()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let definition = check::read(made.clone()).unwrap_or_else(|error| panic!("{name}: {error:?}: {made}"));
        assert!(!made.to_string().contains("${"), "{name}: {made}");
        assert_ne!(definition.source.http.is_some(), definition.source.records.is_some(), "{name}");
        let mut used = BTreeSet::new();
        placeholders(&Value::Object(preset.definition.clone()), &mut used);
        assert_eq!(used, preset.parameters.keys().cloned().collect(), "{name}: placeholders, then parameters");
    }
}

#[test]
fn presets_are_in_order_and_say_where_they_come_from() {
    let names: Vec<&str> = presets().map(|preset| preset.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    for preset in presets() {
        assert_eq!(preset.assumed, preset.specification.is_empty(), "{}: what follows no publication is assumed", preset.name);
        assert_eq!(preset.assumed, preset.title.ends_with("(shape assumed)"), "{}", preset.name);
        assert!(preset.specification.iter().all(|read| read.url.starts_with("https://") && read.read_at.len() == 10), "{}", preset.name);
    }
}

#[test]
fn the_connections_of_presets_are_such_as_the_catalogue_takes() {
    for preset in presets() {
        let named: BTreeSet<_> = preset.connections.keys().cloned().collect();
        let mut of_definition = BTreeSet::new();
        placeholders(&json!(preset.definition), &mut of_definition);
        of_definition.retain(|name| name.ends_with("connection"));
        assert_eq!(named, of_definition, "{}", preset.name);
        for needed in preset.connections.values() {
            let provider = catalog::provider(&needed.provider).unwrap_or_else(|| panic!("{}: {}", preset.name, needed.provider));
            let config = Value::Object(needed.config.clone());
            let secrets = needed.secrets.iter().map(String::as_str).collect();
            let found = provider.check_config(&config).and_then(|()| provider.check_together(&config, &secrets));
            assert_eq!(found, Ok(()), "{}", preset.name);
        }
    }
}

#[test]
fn what_is_wrong_is_said_of_its_field() {
    let refused = |name: &str, parameters: Value| expand(name, &object(&parameters), &Map::new()).expect_err("refused").pointer;
    assert_eq!(refused("nobody", json!({})), "/preset");
    assert_eq!(refused("airtable", json!({ "connection": "a", "table": "t" })), "/parameters/base_id");
    assert_eq!(refused("airtable", json!({ "connection": "a", "base_id": "b", "table": "t" })), "/parameters/base_id");
    let base = |more: Value| {
        let mut parameters = json!({ "connection": "a", "base_id": "app1", "table": "Contacts of 2026" });
        parameters.as_object_mut().expect("an object").extend(object(&more));
        parameters
    };
    assert_eq!(refused("airtable", base(json!({ "limit": 7 }))), "/parameters/limit");
    assert_eq!(refused("airtable", base(json!({ "table": "../../other" }))), "/parameters/table");
    assert_eq!(refused("airtable", base(json!({ "lookup": ["/fields/Email", "Name"] }))), "/parameters/lookup/1");
    assert_eq!(refused("airtable-push", base(json!({ "merge_on": [] }))), "/parameters/merge_on");
    assert_eq!(refused("airtable-push", base(json!({ "merge_on": ["a"], "delete": "soft" }))), "/parameters/delete");
}

#[test]
fn what_is_not_given_is_left_out_and_own_fields_are_laid_over_it() {
    let mut parameters = given("airtable");
    let list = |definition: &Value| definition["source"]["http"]["list"].clone();
    let plain = expand("airtable", &parameters, &Map::new()).expect("a definition");
    assert_eq!(list(&plain)["query"], json!({}));
    assert_eq!(list(&plain)["path"], "v0/appEXAMPLE1234567/tblEXAMPLE1234567");
    assert_eq!(plain["source"]["http"].get("updated_at"), None);

    // A parameter is a value, never a template.
    parameters.extend(object(&json!({ "formula": "{A}='${table}'", "fields": ["Name", "Email"], "updated_at": "/fields/Changed" })));
    let own = json!({
        "description": null, "mapping": [{ "to": "name", "from": "/fields/Name" }], "limits": { "pages_max": 5 },
        "source": { "http": { "list": { "query": { "timeZone": "utc" } } } }
    });
    let made = expand("airtable", &parameters, &object(&own)).expect("a definition");
    let query = json!({ "filterByFormula": "{A}='${table}'", "fields[]": ["Name", "Email"], "timeZone": "utc" });
    assert_eq!(list(&made)["query"], query);
    assert_eq!(made["source"]["http"]["updated_at"], "/fields/Changed");
    assert_eq!(made.get("description"), None);
    assert_eq!(made["limits"], json!({ "requests_per_s": 4, "pages_max": 5 }));
    let push = expand("airtable-push", &given("airtable-push"), &Map::new()).expect("a definition");
    assert_eq!(push["destination"]["http"].get("delete"), None, "nothing is deleted, so there is no call for it");
    let deleting = expand("airtable-push", &given("airtable-push"), &object(&json!({ "delete": "hard" }))).expect("a definition");
    assert_eq!(deleting["destination"]["http"]["delete"]["method"], "DELETE");
    assert_eq!(
        push["destination"]["http"]["bulk"]["call"]["body"],
        json!({ "performUpsert": { "fieldsToMergeOn": ["Email"] }, "typecast": false })
    );
}
