//! Holds every answer that a test of this crate gets against the OpenAPI document: status, headers, media type, and a
//! body that has what its schema says and nothing else.

use axum::http::Method;
use serde_json::{Value, json};

use super::fixture::Answer;
use crate::openapi::document;

/// Panics unless the document has an answer like this.
pub(super) fn check(method: &Method, path: &str, answer: &Answer) {
    let what = format!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    let Some((_, item)) = find(path) else {
        return assert_eq!(answer.json()["code"], "route_not_found", "not documented: {what}");
    };
    let Some(operation) = item.get(method.as_str().to_lowercase()) else {
        assert_eq!(answer.json()["code"], "method_not_allowed", "not documented: {what}");
        return assert_eq!(answer.header("allow"), allowed(item), "{what}");
    };
    let documented = &operation["responses"][answer.status.as_str()];
    assert!(documented.is_object(), "the status is not documented: {what}");
    check_headers(documented, answer, &what);
    check_body(documented, answer, &what);
}

/// The path of the document that takes this one.
pub(super) fn find(path: &str) -> Option<(&'static String, &'static Value)> {
    let takes = |template: &str| {
        let (mut own, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (own.next(), given.next()) {
                (None, None) => return true,
                (Some("{key}"), Some(_)) => return true,
                (Some(own), Some(given)) if own == given || (own.starts_with('{') && !given.is_empty()) => {}
                _ => return false,
            }
        }
    };
    // A name that stands there beats one that is a parameter, as in the router.
    let candidates = document()["paths"].as_object().expect("paths").iter().filter(|(template, _)| takes(template));
    candidates.min_by_key(|(template, _)| template.matches('{').count())
}

/// The `Allow` of a path.
pub(super) fn allowed(item: &Value) -> String {
    let methods = ["get", "post", "patch", "put", "delete"].into_iter().filter(|method| item.get(method).is_some());
    methods.map(|method| if method == "get" { "GET,HEAD".into() } else { method.to_uppercase() }).collect::<Vec<_>>().join(",")
}

fn check_headers(documented: &Value, answer: &Answer, what: &str) {
    let components = document()["components"]["headers"].as_object().expect("headers");
    for (name, header) in components {
        let (named, value) = (documented["headers"].get(name), answer.headers.get(name));
        assert!(value.is_none() || named.is_some(), "the header {name} is not documented: {what}");
        let required = named.is_some() && header["required"] == true;
        assert!(value.is_some() || !required, "the header {name} is missing: {what}");
        if let Some(text) = value.map(|value| value.to_str().expect("ASCII")) {
            let value = if header["schema"]["type"] == "integer" { json!(text.parse::<i64>().ok()) } else { json!(text) };
            validate(&header["schema"], &value, &format!("the header {name} of {what}"));
        }
    }
}

fn check_body(documented: &Value, answer: &Answer, what: &str) {
    let Some(content) = documented["content"].as_object() else {
        return assert!(answer.bytes.is_empty(), "a body is not documented: {what}");
    };
    let media_type = answer.header("content-type");
    let same = |name: &str| name == "*/*" || name == media_type || media_type.split(';').next() == Some(name);
    let (_, media) = content.iter().find(|(name, _)| same(name)).unwrap_or_else(|| panic!("{media_type} is not documented: {what}"));
    if media_type.ends_with("json") {
        validate(&media["schema"], &answer.json(), what);
    }
}

/// Checks a value against a schema of the document.
pub(super) fn validate(schema: &Value, value: &Value, what: &str) {
    let mut root = strict(schema);
    let schemas = document()["components"]["schemas"].as_object().expect("schemas");
    let components = schemas.iter().map(|(name, schema)| (name.clone(), strict(schema))).collect::<serde_json::Map<_, _>>();
    root["components"] = json!({ "schemas": components });
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap_or_else(|error| panic!("{schema}: {error}"));
    let errors: Vec<_> = validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?} in {what}");
}

/// The same schema with nothing allowed that it does not name.
fn strict(schema: &Value) -> Value {
    let mut strict = schema.clone();
    if let Some(parts) = strict.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(|part| *part = resolved(part));
    }
    let names_its_properties = strict.get("allOf").is_some() || (strict.get("properties").is_some() && strict.get("$ref").is_none());
    if names_its_properties && strict.get("additionalProperties").is_none() {
        strict["unevaluatedProperties"] = json!(false);
    }
    strict
}

fn resolved(schema: &Value) -> Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    name.map_or_else(|| schema.clone(), |name| document()["components"]["schemas"][name].clone())
}
