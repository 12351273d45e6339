//! The settings of an app: what its bundles know, by their JSON Schemas (2020-12), and what the app says of them.
//!
//! Each bundle's schema judges that bundle's own settings, so no bundle can forbid another's. A schema asks nobody: it refers to
//! nothing outside itself, its patterns are matched in linear time, and with all that it refers to it has an end (`settings/extent.rs`).

mod extent;

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

use super::{Manifest, Refused, manifest::escaped};

/// The most settings of a bundle.
const SETTINGS_MAX: usize = 256;
/// What a pattern may become.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// What is wrong with a bundle's settings, if they are not what an app can be told by.
pub(super) fn check(schema: &Value) -> Result<(), Refused> {
    let at = |pointer: &str, message: String| Err(Refused::invalid(format!("/settings{pointer}"), message));
    if schema["type"] != "object" {
        return at("/type", "settings are a JSON Schema of type object".into());
    }
    let Some(properties) = properties(schema) else {
        return at("/properties", "settings have properties, an object".into());
    };
    if properties.len() > SETTINGS_MAX {
        return at("/properties", format!("there are {} of the {SETTINGS_MAX} settings allowed", properties.len()));
    }
    if let Some(name) = properties.iter().find(|(_, property)| property.get("default").is_none()).map(|(name, _)| name) {
        return at(&format!("/properties/{}", escaped(name)), format!("the setting {name} has no default"));
    }
    if let Err((pointer, message)) = extent::check(schema) {
        return at(&pointer, format!("this JSON Schema is not taken: {message}"));
    }
    let validator = match validator(schema) {
        Ok(validator) => validator,
        Err(error) => return at(&error.instance_path().to_string(), format!("this is no JSON Schema: {error}")),
    };
    match validator.validate(&Value::Object(defaults(properties).collect())) {
        Ok(()) => Ok(()),
        Err(error) => at("", format!("the defaults break the schema themselves, at {:?}: {error}", error.instance_path().to_string())),
    }
}

/// Every setting of these bundles: what the app says, and else its default. Pointers of refusals begin at the app's settings.
pub fn fill<'a>(
    bundles: impl IntoIterator<Item = &'a Manifest>,
    given: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Refused> {
    let mut owners: BTreeMap<&str, &Manifest> = BTreeMap::new();
    let mut settings = BTreeMap::new();
    let bundles: Vec<_> = bundles.into_iter().filter_map(|bundle| bundle.settings.as_ref().map(|schema| (bundle, schema))).collect();
    for (bundle, schema) in &bundles {
        for name in properties(schema).into_iter().flat_map(Map::keys) {
            if let Some(other) = owners.insert(name, bundle) {
                return Err(Refused::new("bundle_conflict", format!("{other} and {bundle} both have a setting {name}")));
            }
        }
    }
    if let Some(unknown) = given.keys().find(|name| !owners.contains_key(name.as_str())) {
        let known: Vec<_> = owners.keys().copied().collect();
        let message = format!("no bundle of this app knows {unknown}; there are {}", known.join(", "));
        return Err(Refused { code: "setting_unknown", pointer: format!("/{}", escaped(unknown)), message });
    }
    for (bundle, schema) in bundles {
        let own = properties(schema).into_iter().flat_map(defaults);
        let own: Map<String, Value> = own.map(|(name, value)| (name.clone(), given.get(&name).cloned().unwrap_or(value))).collect();
        let own = Value::Object(own);
        let invalid = |pointer: String, message: String| Refused { code: "setting_invalid", pointer, message };
        // Checked when the bundle was published; its extent again, as it may have been before there was a limit.
        extent::check(schema)
            .map_err(|(pointer, message)| invalid(String::new(), format!("the settings of {bundle}, {pointer}: {message}")))?;
        let validator = validator(schema).map_err(|error| invalid(String::new(), format!("the settings of {bundle}: {error}")))?;
        if let Err(error) = validator.validate(&own) {
            let pointer = error.instance_path().to_string();
            let named = pointer.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
            return Err(invalid(pointer, format!("{named} of {bundle}: {error}")));
        }
        if let Value::Object(own) = own {
            settings.extend(own);
        }
    }
    Ok(settings)
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

fn defaults(properties: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    properties.iter().map(|(name, property)| (name.clone(), property["default"].clone()))
}

fn validator(schema: &Value) -> Result<Validator, jsonschema::ValidationError<'static>> {
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(patterns).build(schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bundle(name: &str, properties: Value) -> Manifest {
        serde_json::from_value(json!({
            "name": name, "version": "1.0.0", "role": "feature", "settings": { "type": "object", "properties": properties },
        }))
        .expect("a manifest")
    }

    fn given(settings: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(settings).expect("settings")
    }

    #[test]
    fn what_the_app_says_goes_before_the_defaults_of_its_bundles() {
        let bundles = [
            bundle("a", json!({ "tasks_max": { "type": "integer", "default": 100 } })),
            bundle("b", json!({ "colors": { "type": "array", "items": { "type": "string" }, "default": ["red"] } })),
        ];
        let settings = fill(&bundles, &given(json!({ "tasks_max": 7 }))).expect("they fit");
        assert_eq!(settings, given(json!({ "tasks_max": 7, "colors": ["red"] })));
        let cases = [
            (json!({ "gone": 1 }), "setting_unknown", "/gone", "no bundle of this app knows gone; there are colors, tasks_max"),
            (json!({ "tasks_max": "7" }), "setting_invalid", "/tasks_max", "tasks_max of a 1.0.0: \"7\" is not of type \"integer\""),
            (json!({ "colors": ["red", 7] }), "setting_invalid", "/colors/1", "colors of b 1.0.0: 7 is not of type \"string\""),
        ];
        for (settings, code, pointer, message) in cases {
            let refused = fill(&bundles, &given(settings)).expect_err("refused");
            assert_eq!((refused.code, refused.pointer.as_str(), refused.message.as_str()), (code, pointer, message));
        }
    }

    #[test]
    fn a_setting_of_two_bundles_is_an_error_naming_both() {
        let property = json!({ "size": { "default": 1 } });
        let refused = fill(&[bundle("a", property.clone()), bundle("b", property)], &BTreeMap::new()).expect_err("refused");
        assert_eq!((refused.code, refused.message.as_str()), ("bundle_conflict", "a 1.0.0 and b 1.0.0 both have a setting size"));
    }

    #[test]
    fn a_schema_that_no_app_can_be_told_by_is_refused() {
        let cases = [
            (json!({ "type": "string" }), "/settings/type"),
            (json!({ "type": "object" }), "/settings/properties"),
            (json!({ "type": "object", "properties": { "a/b": { "type": "string" } } }), "/settings/properties/a~1b"),
            (json!({ "type": "object", "properties": { "a": { "type": "sting", "default": 1 } } }), "/settings/properties/a/type"),
            (json!({ "type": "object", "properties": { "a": { "type": "string", "default": 1 } } }), "/settings"),
            (json!({ "type": "object", "properties": { "a": { "$ref": "https://example.com/schema.json", "default": 1 } } }), "/settings"),
            (json!({ "type": "object", "properties": { "a": { "$ref": "file:///etc/passwd", "default": 1 } } }), "/settings"),
            (
                json!({ "type": "object", "properties": { "a": { "$dynamicRef": "#a", "default": 1 } } }),
                "/settings/properties/a/$dynamicRef",
            ),
            (json!({ "type": "object", "properties": { "a": { "$ref": "#", "default": 1 } } }), "/settings/properties/a/$ref"),
            (json!({ "type": "object", "properties": { "a": { "pattern": "(?:(?:a{999}){999}){999}", "default": "" } } }), "/settings"),
        ];
        for (schema, pointer) in cases {
            let refused = check(&schema).expect_err("refused");
            assert!(refused.pointer.starts_with(pointer), "{schema}: {refused:?}");
        }
    }
}
