//! What no annotation can say: the problems of each operation put together by status, and what every answer has.
//!
//! Works on the document as JSON, where answers are keyed by the status or, for the problems of [`super::problems`],
//! by the status and a code.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{headers, problems};
use crate::error::Code;

/// The schemas of what is sent: there `null` and leaving out mean the same, or different things.
const SENT: [&str; 33] = [
    "CallbackReport",
    "ConnectionPatch",
    "JobTemplate",
    "JobTemplatePatch",
    "NewConnection",
    "PreviewRequest",
    "QueuePatch",
    "ResolveRequest",
    "ScheduleDefinition",
    "SchedulePatch",
    "Submission",
    "IndexSettings",
    "SearchRequest",
    "HookDraft",
    "SyncDefinition",
    "SyncSource",
    "SyncRecordsSource",
    "SyncHttpSource",
    "SyncTombstone",
    "SyncList",
    "SyncErrorBody",
    "SyncPageSize",
    "SyncField",
    "SyncDestination",
    "SyncRecordsDestination",
    "SyncObjectDestination",
    "SyncHttpDestination",
    "SyncCall",
    "SyncBulk",
    "SyncSingle",
    "SyncFind",
    "SyncLimits",
    "SyncOfPreset",
];
/// What any answer may turn out to be: the edge's own problems.
const OF_THE_EDGE: [Code; 2] = [Code::INTERNAL, Code::TIMED_OUT];

pub(super) fn finished(mut document: Value) -> Value {
    let paths = taken(&mut document["paths"]);
    document["paths"] = paths.into_iter().map(|(path, item)| (template(&path), operations(item))).collect::<Map<_, _>>().into();
    let components = &mut document["components"];
    components["headers"] = headers::components();
    components["securitySchemes"] = json!({
        "key": { "type": "http", "scheme": "bearer", "description": "An API key; beside a standalone server it lies in `<data>/api-key`." },
    });
    join_closed(&mut components["schemas"]);
    for (_, schema) in entries(&mut components["schemas"]).filter(|(name, _)| !SENT.contains(&name.as_str())) {
        require_what_may_be_null(schema);
    }
    document
}

/// The path as OpenAPI writes it, which has no name for "the rest".
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

fn operations(mut item: Value) -> Value {
    for (_, operation) in entries(&mut item) {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        parameters.into_iter().flatten().for_each(|parameter| never_null(&mut parameter["schema"]));
        let (codes, mut answers): (Map<_, _>, Map<_, _>) =
            taken(&mut operation["responses"]).into_iter().partition(|(key, _)| key.contains(' '));
        if codes.contains_key("401 unauthenticated") {
            operation["security"] = json!([{ "key": [] }]);
        }
        answers.values_mut().for_each(name_headers);
        answers.extend(by_status(codes));
        operation["responses"] = answers.into();
    }
    item
}

/// A parameter that may be left out is an `Option` here, but none is ever `null`.
fn never_null(schema: &mut Value) {
    let is_null = |choice: &Value| *choice == json!("null") || choice["type"] == "null";
    for keyword in ["type", "oneOf"] {
        let Some(choices) = schema.get_mut(keyword).and_then(Value::as_array_mut) else {
            continue;
        };
        choices.retain(|choice| !is_null(choice));
        match (keyword, choices.as_mut_slice()) {
            ("type", [only]) => schema["type"] = only.take(),
            (_, [only]) => *schema = only.take(),
            _ => {}
        }
    }
}

/// Describes the headers that an answer names, and the one that all have.
fn name_headers(answer: &mut Value) {
    let named = taken(&mut answer["headers"]).into_iter().map(|(name, _)| name);
    let all = named.chain([headers::REQUEST_ID.to_owned()]);
    answer["headers"] = all.map(|name| (name.clone(), headers::reference(&name))).collect::<Map<_, _>>().into();
}

/// One answer for all problems of a status.
fn by_status(codes: Map<String, Value>) -> Map<String, Value> {
    let of_the_edge = problems(&OF_THE_EDGE).into_keys().zip(OF_THE_EDGE.map(|code| code.title.to_owned()));
    let own = codes.into_iter().map(|(key, answer)| (key, answer["description"].as_str().unwrap_or_default().to_owned()));
    let mut statuses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (key, title) in own.chain(of_the_edge) {
        let (status, code) = key.split_once(' ').unwrap_or_default();
        statuses.entry(status.to_owned()).or_default().insert(code.to_owned(), title);
    }
    statuses.into_iter().map(|(status, codes)| (status.clone(), problem(&status, &codes))).collect()
}

fn problem(status: &str, codes: &BTreeMap<String, String>) -> Value {
    let told: Vec<_> = codes.iter().map(|(code, title)| format!("- `{code}`: {title}")).collect();
    let names: Vec<_> = codes.keys().collect();
    let number: u16 = status.parse().unwrap_or_default();
    let more = match status {
        "401" => ["WWW-Authenticate"].as_slice(),
        "409" | "503" => ["Retry-After"].as_slice(),
        _ => [].as_slice(),
    };
    let headers = more.iter().copied().chain([headers::REQUEST_ID]);
    json!({
        "description": told.join("\n"),
        "headers": headers.map(|name| (name.to_owned(), headers::reference(name))).collect::<Map<_, _>>(),
        "content": { "application/problem+json": { "schema": {
            "$ref": "#/components/schemas/Problem",
            "properties": { "status": { "const": number }, "code": { "enum": names } },
        } } },
    })
}

/// What is sent takes no field that it does not name, so an answer that has all of its fields among others cannot be put together
/// of it by `allOf`: such an answer becomes one object. All of its fields are always there.
fn join_closed(schemas: &mut Value) {
    let all = schemas.clone();
    for (_, schema) in entries(schemas) {
        let parts = schema["allOf"].as_array().into_iter().flatten();
        let resolve = |part: &Value| match part["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            Some(name) => all[name].clone(),
            None => part.clone(),
        };
        let parts: Vec<Value> = parts.map(resolve).collect();
        if parts.iter().any(|part| part["additionalProperties"] == false) {
            let properties = parts.iter().filter_map(|part| part["properties"].as_object()).flatten();
            let properties: Map<_, _> = properties.map(|(name, property)| (name.clone(), property.clone())).collect();
            let required: Vec<_> = properties.keys().cloned().map(Value::from).collect();
            *schema = json!({ "type": "object", "description": schema["description"], "properties": properties, "required": required });
        }
    }
}

/// Nothing is left out of an answer for being empty, and so whatever may be `null` is always there.
fn require_what_may_be_null(schema: &mut Value) {
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(require_what_may_be_null);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let nullable: Vec<_> = properties.iter().filter(|(_, property)| may_be_null(property)).map(|(name, _)| name.clone()).collect();
    let mut required: Vec<_> = schema["required"].as_array().cloned().unwrap_or_default();
    required.extend(nullable.into_iter().map(Value::from).filter(|name| !required.contains(name)).collect::<Vec<_>>());
    schema["required"] = required.into();
}

fn may_be_null(property: &Value) -> bool {
    let is_null =
        |schema: &Value| schema["type"] == "null" || schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
    is_null(property) || property["oneOf"].as_array().is_some_and(|choices| choices.iter().any(is_null))
}

fn taken(object: &mut Value) -> Map<String, Value> {
    match object.take() {
        Value::Object(entries) => entries,
        _ => Map::new(),
    }
}

fn entries(object: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    object.as_object_mut().into_iter().flatten()
}
