//! That the OpenAPI document says of the routes what is so. Of the answers `conformance.rs` asks the same.

use std::collections::{BTreeMap, BTreeSet};

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use windrow_jobs::{
    effect::Standing,
    keys::KEY_BYTES_MAX,
    ledger::Depths,
    queue::Limits,
    schedule::{CATCH_UP_MAX, CATCH_UP_WINDOW_S_MAX, JITTER_S_MAX, NAME_BYTES_MAX},
    search::{Chunking, HITS_MAX, NAME_BYTES_MAX as NAME_MAX, QUERY_BYTES_MAX, TOKENS_MAX, TOKENS_MIN},
    submit::{DELAY_S_MAX, MAX_ATTEMPTS_MAX, PRIORITY_MAX, TAGS_MAX},
};

use super::{
    conformance::{allowed, validate},
    connections::HOOK,
    effects::with_effect,
    fixture::{Fixture, KEY, START_MS, failure},
    notification_templates::ORDER,
    syncs::{CONFLICT, with_conflict},
};
use crate::{
    limits::{PAGE_SIZE, PAGE_SIZE_MAX, PREVIEW_FIRES_MAX},
    openapi::document,
    routes,
};

fn paths() -> &'static serde_json::Map<String, Value> {
    document()["paths"].as_object().expect("paths")
}

/// The document's operations: path, method, and what it says.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let of = |(path, item): (&'static String, &'static Value)| {
        let operations = item.as_object().expect("an item");
        operations.iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    };
    paths().iter().flat_map(of)
}

#[test]
fn the_router_has_the_paths_of_the_document_and_no_others() {
    let (router, _) = routes::all().split_for_parts();
    // A router tells its paths only so; the numbers below notice if it should not any more.
    let told = format!("{router:?}");
    let known = told.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    // The last two are how a router keeps its fallback; that nothing is at `/` is tested with the other errors.
    let known = known.filter(|path| !["/", "/{*__private__axum_fallback}"].contains(path));
    let known: BTreeSet<String> = known.map(|path| path.replace("{*", "{")).collect();
    let documented: BTreeSet<String> = paths().keys().cloned().collect();
    assert_eq!(known, documented, "the router's, then the document's");
    assert!(documented.len() >= 27 && operations().count() >= 32, "{documented:?}");
}

#[tokio::test]
async fn each_path_takes_the_methods_of_the_document_and_no_others() {
    let fixture = Fixture::new();
    for (path, item) in paths() {
        let path = path.replace("{id}", "7").replace(['{', '}'], "");
        for method in ["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            let answer = fixture.call(method, &path, &[], "").await;
            if item.get(method.to_lowercase()).is_some() {
                let nothing = answer.json()["code"] == "route_not_found" && !path.starts_with("/docs/");
                assert!(answer.status != 405 && !nothing, "{method} {path}: {}", answer.json());
            } else {
                assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, allowed(item).as_str()), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn what_asks_for_a_key_is_what_the_document_says() {
    let fixture = Fixture::new();
    let mut public = Vec::new();
    for (path, method, operation) in operations() {
        let url = path.replace("{id}", "7").replace(['{', '}'], "");
        let request = Request::builder().method(method.to_uppercase().as_str()).uri(&url).body(Body::empty());
        let refused = fixture.send(request.expect("a request")).await.status == 401;
        assert_eq!(refused, operation.get("security").is_some(), "{method} {path}");
        public.extend((!refused).then_some(path));
    }
    let expected = [
        "/docs",
        "/docs/{file}",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/status",
        "/v1/callbacks/{token}",
        "/v1/callbacks/{token}/heartbeat",
        "/v1/hooks/{token}",
        "/v1/hooks/{token}",
        "/v1/objects/{key}",
    ];
    assert_eq!(public, expected);
}

#[test]
fn every_operation_says_what_it_does_and_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    let tags: BTreeSet<_> = document()["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).map(Value::to_string).collect();
    for (path, method, operation) in operations() {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} has no summary");
        assert!(names.insert(operation["operationId"].to_string()), "{method} {path}: {}", operation["operationId"]);
        assert!(tags.contains(&operation["tags"][0].to_string()), "{method} {path}: {}", operation["tags"]);
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}: {parameter}");
            assert!(!parameter["schema"].to_string().contains("null"), "{method} {path}: {parameter}");
        }
    }
}

#[test]
fn the_numbers_of_the_document_are_those_of_the_code() {
    let schemas = &document()["components"]["schemas"];
    let of = |schema: &str, field: &str, limit: &str| schemas[schema]["properties"][field][limit].as_f64();
    let cases = [
        ("Submission", "priority", "minimum", f64::from(-PRIORITY_MAX)),
        ("Submission", "priority", "maximum", f64::from(PRIORITY_MAX)),
        ("Submission", "max_attempts", "maximum", f64::from(MAX_ATTEMPTS_MAX)),
        ("Submission", "delay_s", "maximum", DELAY_S_MAX),
        ("Submission", "tags", "maxItems", TAGS_MAX as f64),
        ("Submission", "unique_key", "maxLength", KEY_BYTES_MAX as f64),
        ("Submission", "idempotency_key", "maxLength", KEY_BYTES_MAX as f64),
        ("ScheduleDefinition", "name", "maxLength", NAME_BYTES_MAX as f64),
        ("ScheduleDefinition", "jitter_s", "maximum", f64::from(JITTER_S_MAX)),
        ("SchedulePatch", "name", "maxLength", NAME_BYTES_MAX as f64),
        ("SchedulePatch", "jitter_s", "maximum", f64::from(JITTER_S_MAX)),
        ("JobTemplate", "priority", "minimum", f64::from(-PRIORITY_MAX)),
        ("JobTemplate", "priority", "maximum", f64::from(PRIORITY_MAX)),
        ("JobTemplate", "max_attempts", "maximum", f64::from(MAX_ATTEMPTS_MAX)),
        ("JobTemplate", "tags", "maxItems", TAGS_MAX as f64),
        ("JobTemplatePatch", "priority", "maximum", f64::from(PRIORITY_MAX)),
        ("JobTemplatePatch", "max_attempts", "maximum", f64::from(MAX_ATTEMPTS_MAX)),
        ("JobTemplatePatch", "tags", "maxItems", TAGS_MAX as f64),
        ("PreviewRequest", "count", "maximum", PREVIEW_FIRES_MAX as f64),
        ("QueuePatch", "weight", "maximum", f64::from(Limits::WEIGHT_MAX)),
        ("QueuePatch", "concurrency", "maximum", f64::from(routes::queues::CONCURRENCY_MAX)),
        ("QueuePatch", "rate_per_s", "maximum", routes::queues::RATE_PER_S_MAX),
        ("QueuePatch", "rate_per_s", "minimum", routes::queues::RATE_PER_S_MIN),
        ("IndexSettings", "tokens_max", "minimum", TOKENS_MIN.into()),
        ("IndexSettings", "tokens_max", "maximum", TOKENS_MAX.into()),
        ("IndexSettings", "tokens_max", "default", Chunking::default().tokens_max.into()),
        ("IndexSettings", "overlap_tokens", "maximum", Chunking::overlap_max(TOKENS_MAX).into()),
        ("SearchRequest", "index", "maxLength", NAME_MAX as f64),
        ("SearchRequest", "query", "maxLength", QUERY_BYTES_MAX as f64),
        ("SearchRequest", "limit", "maximum", HITS_MAX.into()),
    ];
    for (schema, field, limit, expected) in cases {
        assert_eq!(of(schema, field, limit), Some(expected), "{limit} of {field} of {schema}");
    }
    let choices = schemas["Misfire"]["oneOf"].as_array().expect("choices");
    let catch_up = choices.iter().find_map(|choice| choice["properties"].get("catch_up")).expect("catch_up");
    for (field, expected) in [("max", CATCH_UP_MAX), ("window_s", CATCH_UP_WINDOW_S_MAX)] {
        assert_eq!(catch_up["properties"][field]["maximum"].as_u64(), Some(expected.into()), "{catch_up}");
    }
    let lists = [
        ("/v1/jobs", routes::list::PARAMETERS.as_slice()),
        ("/v1/schedules", routes::schedules::list::PARAMETERS.as_slice()),
        ("/v1/schedules/{id}/fires", routes::schedules::fires::PARAMETERS.as_slice()),
    ];
    for (path, known) in lists {
        let query: BTreeMap<&str, &Value> =
            parameters(path, "get").filter(|(_, place, _)| *place == "query").map(|(name, _, schema)| (name, schema)).collect();
        assert_eq!(query.keys().copied().collect::<BTreeSet<_>>(), known.iter().copied().collect(), "{path}");
        assert_eq!(query["page_size"]["maximum"].as_u64(), Some(PAGE_SIZE_MAX as u64));
        assert_eq!(query["page_size"]["default"].as_u64(), Some(PAGE_SIZE as u64));
    }
}

/// Name, place and schema of each parameter of an operation.
fn parameters(path: &str, method: &str) -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let parameters = paths()[path][method]["parameters"].as_array().expect("parameters");
    let text = |value: &'static Value| value.as_str().expect("text");
    parameters.iter().map(move |parameter| (text(&parameter["name"]), text(&parameter["in"]), &parameter["schema"]))
}

/// The examples of a body: media type, schema, value.
fn examples(content: &'static Value) -> Vec<(&'static str, &'static Value, &'static Value)> {
    let of = |(media_type, media): (&'static String, &'static Value)| {
        let several = media["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
        several.chain(media.get("example")).map(|value| (media_type.as_str(), &media["schema"], value)).collect::<Vec<_>>()
    };
    content.as_object().into_iter().flatten().flat_map(of).collect()
}

#[test]
fn every_example_of_an_answer_has_its_schema() {
    let mut count = 0;
    for (path, method, operation) in operations() {
        for (status, answer) in operation["responses"].as_object().expect("answers") {
            for (_, schema, value) in examples(&answer["content"]) {
                validate(schema, value, &format!("the example of {method} {path} {status}: {value}"));
                count += 1;
            }
        }
    }
    for (name, schema) in document()["components"]["schemas"].as_object().expect("schemas") {
        if let Some(example) = schema.get("example").filter(|example| example.is_object()) {
            validate(schema, example, &format!("the example of {name}"));
            count += 1;
        }
    }
    assert!(count >= 10, "{count} examples");
}

#[tokio::test]
async fn every_example_of_a_request_is_accepted() {
    let fixture = Fixture::new();
    fixture.publish_depths(Depths { at_ms: START_MS, lanes: vec![], planning: None }).await;
    fixture.scheduled("standing", "").await;
    let (job, running) = with_effect(&fixture, Standing::Parked).await;
    fixture.settle(&running, failure()).await;
    let (awaited, _) = with_effect(&fixture, Standing::Awaited).await;
    let token = awaited.rsplit('/').next().expect("an id");
    assert_eq!(fixture.post("/v1/connections", HOOK).await.status, 201);
    assert_eq!(fixture.call("PUT", "/v1/notification-templates/order/de", &[], ORDER).await.status, 201);
    with_conflict(&fixture).await;
    assert_eq!(fixture.call("PUT", "/v1/indexes/manual", &[], "{}").await.status, 201);
    let signing = r#"{"secrets":{"signing_secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}"#;
    assert_eq!(fixture.patch("/v1/connections/hook", signing).await.status, 200);
    let mut count = 0;
    for (path, method, operation) in operations() {
        for (media_type, schema, value) in examples(&operation["requestBody"]["content"]) {
            validate(schema, value, &format!("the example of {method} {path}: {value}"));
            let body = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(
                path.replace("{queue}", "default")
                    .replace("/v1/jobs/{id}", &job)
                    .replace("{id}", "standing")
                    .replace("/v1/syncs/{name}/conflicts/{key}", CONFLICT)
                    .replace("{key}", "mail")
                    .replace("/v1/syncs/{name}/preview", "/v1/syncs/contacts/preview")
                    // Each goes elsewhere, which a sync cannot.
                    .replace("/v1/syncs/{name}", &format!("/v1/syncs/example-{count}"))
                    // Each has other settings, which an index cannot.
                    .replace("/v1/indexes/{name}", &format!("/v1/indexes/example-{count}"))
                    .replace("/v1/connections/{name}", "/v1/connections/hook")
                    .replace("/{name}/{locale}", "/order/de")
                    .replace("{collection}", "people")
                    .replace("{token}", token),
            );
            let request = request.header("authorization", format!("Bearer {KEY}")).header("content-type", media_type);
            let answer = fixture.send(request.body(Body::from(body)).expect("a request")).await;
            assert!(answer.status.is_success(), "{method} {path} {value}: {}", answer.json());
            assert_eq!(answer.json().get("rejected").unwrap_or(&json!(0)), &json!(0), "{}", answer.json());
            count += 1;
        }
    }
    assert!(count >= 14, "{count} examples");
}

#[tokio::test]
async fn the_document_and_its_page_are_for_everybody() {
    let fixture = Fixture::new();
    let answer = fixture.anonymous("/openapi.json").await;
    assert_eq!((answer.status.as_u16(), &answer.json()), (200, document()));
    assert_eq!(document()["openapi"], "3.1.0");
    let page = fixture.anonymous("/docs").await;
    let text = String::from_utf8(page.bytes.clone()).expect("text");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let files = text.split('"').filter(|text| text.starts_with("docs/"));
    let mut count = 0;
    for file in files {
        let answer = fixture.anonymous(&format!("/{file}")).await;
        assert!(answer.status == 200 && answer.bytes.len() > 100, "{file}");
        count += 1;
    }
    assert_eq!(count, 4, "{text}");
    assert_eq!(fixture.anonymous("/docs/../Cargo.toml").await.json()["code"], "route_not_found");
    assert_eq!(fixture.anonymous("/docs/swagger-initializer.js").await.json()["code"], "route_not_found");
}
