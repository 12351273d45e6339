//! The messages against the API's own description of them (`discovery.json`, whose head says where it is from): all that it allows is
//! taken, under both of its spellings; what is written keeps to it; and nothing else is taken.

use std::collections::BTreeSet;

use fcm::{AndroidNotificationV2, SendRequest};
use proptest::{collection, prelude::*, strategy::Union};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

fn document() -> Value {
    serde_json::from_str(include_str!("discovery.json")).expect("the document is JSON")
}

/// What a request must not have: what FCM alone writes.
const OUTPUT_ONLY: [&str; 1] = ["name"];

fn properties(document: &Value, schema: &str) -> Map<String, Value> {
    let mut properties = document["schemas"][schema]["properties"].as_object().cloned().unwrap_or_else(|| panic!("no schema {schema}"));
    if schema == "Message" {
        OUTPUT_ONLY.iter().for_each(|name| assert!(properties.remove(*name).is_some()));
    }
    properties
}

/// The document as JSON Schema, which refuses what it does not name.
fn json_schema(document: &Value) -> Value {
    fn of(property: &Value) -> Value {
        if let Some(reference) = property["$ref"].as_str() {
            return json!({ "$ref": format!("#/$defs/{reference}") });
        }
        match (&property["type"], &property["format"]) {
            (kind, _) if kind == "any" => json!({}),
            (kind, _) if kind == "array" => json!({ "type": "array", "items": of(&property["items"]) }),
            (kind, _) if kind == "object" => json!({ "type": "object", "additionalProperties": of(&property["additionalProperties"]) }),
            (_, format) if format == "google-duration" => json!({ "type": "string", "pattern": r"^\d+(\.\d{1,9})?s$" }),
            (_, format) if format == "int32" => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
            (kind, _) => match &property["enum"] {
                Value::Null => json!({ "type": kind }),
                names => json!({ "enum": names }),
            },
        }
    }
    let schemas = document["schemas"].as_object().expect("schemas");
    let defs: Map<String, Value> = schemas
        .keys()
        .map(|name| {
            let fields: Map<String, Value> = properties(document, name).iter().map(|(name, one)| (name.clone(), of(one))).collect();
            (name.clone(), json!({ "type": "object", "additionalProperties": false, "properties": fields }))
        })
        .collect();
    json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/SendMessageRequest", "$defs": defs })
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,8}", "\\PC{0,6}"]
}

/// Anything that this property may hold.
fn any_of(document: &Value, property: &Value) -> BoxedStrategy<Value> {
    if let Some(reference) = property["$ref"].as_str() {
        return any_object(document, reference);
    }
    let kind = property["type"].as_str().expect("a type");
    match (kind, property["format"].as_str(), property["enum"].as_array()) {
        ("any", ..) => any_json(),
        ("array", ..) => collection::vec(any_of(document, &property["items"]), 0..3).prop_map(Value::from).boxed(),
        ("object", ..) => {
            let values = any_of(document, &property["additionalProperties"]);
            collection::btree_map("[a-z.]{1,6}", values, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
        }
        ("boolean", ..) => any::<bool>().prop_map(Value::from).boxed(),
        ("integer", ..) => any::<i32>().prop_map(Value::from).boxed(),
        ("number", ..) => (0_u8..=8).prop_map(|eighths| (f64::from(eighths) / 8.0).into()).boxed(),
        (_, Some("google-duration"), _) => "[0-9]{1,6}(\\.[0-9]{1,9})?s".prop_map(Value::from).boxed(),
        (_, _, Some(names)) => proptest::sample::select(names.clone()).boxed(),
        _ => texts().prop_map(Value::from).boxed(),
    }
}

fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts().prop_map(Value::from)
    ];
    leaf.prop_recursive(2, 6, 3, |inner| collection::vec(inner, 0..3).prop_map(Value::from)).boxed()
}

/// Any object of this schema: each property is there or not.
fn any_object(document: &Value, schema: &str) -> BoxedStrategy<Value> {
    let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = properties(document, schema)
        .into_iter()
        .map(|(name, property)| {
            let some = any_of(document, &property).prop_map(move |value| Some((name.clone(), value)));
            Union::new([Just(None).boxed(), some.boxed()]).boxed()
        })
        .collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect())).boxed()
}

fn requests() -> BoxedStrategy<Value> {
    let document = document();
    let message = any_object(&document, "Message");
    (message, any::<bool>())
        .prop_map(|(message, only)| if only { json!({ "message": message, "validateOnly": true }) } else { json!({ "message": message }) })
        .boxed()
}

fn snake_case(name: &str) -> String {
    name.chars().flat_map(|c| if c.is_ascii_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] }).collect()
}

/// The same under the names of the `.proto`.
fn spelled_otherwise(document: &Value, schema: &str, value: &Value) -> Value {
    let properties = properties(document, schema);
    let fields = value.as_object().expect("an object").iter().map(|(name, value)| {
        let value = match properties[name]["$ref"].as_str() {
            Some(reference) => spelled_otherwise(document, reference, value),
            None => value.clone(),
        };
        (snake_case(name), value)
    });
    Value::Object(fields.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_the_document_allows_is_taken_and_written_as_it_says(request in requests()) {
        let document = document();
        let validator = jsonschema::validator_for(&json_schema(&document)).expect("a schema");
        prop_assert!(validator.is_valid(&request), "the generator: {request}");
        let read: SendRequest = serde_json::from_value(request.clone()).map_err(|error| TestCaseError::fail(format!("{error}: {request}")))?;
        let written = serde_json::to_value(&read).expect("it has a JSON form");
        prop_assert!(validator.is_valid(&written), "{written}");
        prop_assert_eq!(&written, &request);
        let otherwise = spelled_otherwise(&document, "SendMessageRequest", &request);
        prop_assert_eq!(serde_json::from_value::<SendRequest>(otherwise).map_err(|error| error.to_string()), Ok(read));
    }
}

#[test]
fn no_struct_takes_what_the_document_does_not_name() {
    /// Every name that serde says it expects.
    fn taken<T: DeserializeOwned>() -> BTreeSet<String> {
        let Err(error) = serde_json::from_value::<T>(json!({ "no-such-field": 1 })) else { panic!("it takes anything") };
        let error = error.to_string();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }
    let document = document();
    for (schema, taken) in [
        ("SendMessageRequest", taken::<SendRequest>()),
        ("Message", taken::<fcm::Message>()),
        ("Notification", taken::<fcm::Notification>()),
        ("AndroidConfig", taken::<fcm::AndroidConfig>()),
        ("AndroidConfigV2", taken::<fcm::AndroidConfigV2>()),
        ("AndroidRemoteNotification", taken::<fcm::AndroidRemoteNotification>()),
        ("AndroidBackgroundSyncMessage", taken::<fcm::AndroidBackgroundSyncMessage>()),
        ("AndroidNotification", taken::<fcm::AndroidNotification>()),
        ("AndroidNotificationV2", taken::<AndroidNotificationV2>()),
        ("AndroidFcmOptions", taken::<fcm::AnalyticsOptions>()),
        ("LightSettings", taken::<fcm::LightSettings>()),
        ("GoogleFirebaseFcmV1AndroidNotificationV2LightSettings", taken::<fcm::LightSettings>()),
        ("Color", taken::<fcm::Color>()),
        ("ApnsConfig", taken::<fcm::ApnsConfig>()),
        ("ApnsFcmOptions", taken::<fcm::ApnsFcmOptions>()),
        ("WebpushConfig", taken::<fcm::WebpushConfig>()),
        ("WebpushFcmOptions", taken::<fcm::WebpushFcmOptions>()),
        ("FcmOptions", taken::<fcm::FcmOptions>()),
    ] {
        let named: BTreeSet<String> = properties(&document, schema).keys().flat_map(|name| [name.clone(), snake_case(name)]).collect();
        assert_eq!(taken, named, "{schema}");
    }
    assert_eq!(document["schemas"].as_object().map(Map::len), Some(18), "a schema that is compared with nothing");
}

#[test]
fn the_client_asks_where_the_document_says() {
    let document = document();
    assert_eq!(document["rootUrl"], format!("{}/", fcm::BASE_URL));
    assert_eq!((&document["method"]["httpMethod"], &document["method"]["path"]), (&json!("POST"), &json!("v1/{+parent}/messages:send")));
    assert!(document["method"]["scopes"].as_array().expect("scopes").contains(&json!(fcm::SCOPE)));
}
