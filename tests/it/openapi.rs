//! The OpenAPI document and its page, from outside: by tools that we did not write, and in a real browser.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use windrow_tests::{browser, cluster::Cluster, python, server::Server};

use crate::documents::{repository, table};

/// What no operation gives: see the document's own description.
const OF_NO_OPERATION: [&str; 3] = ["method_not_allowed", "request_invalid", "route_not_found"];

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    document["paths"].as_object().expect("paths").values().flat_map(|item| item.as_object().expect("operations").values())
}

#[tokio::test]
async fn the_document_is_valid_openapi() {
    let server = Server::start().await;
    fs::write(server.home().join("openapi.json"), server.text("/openapi.json").await).expect("written");
    let run = python::run("openapi-spec-validator", &["--schema", "3.1", "openapi.json"], &[], server.home()).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    fs::write(server.home().join("broken.json"), r#"{"openapi":"3.1.0","info":{"title":"x"},"paths":{}}"#).expect("written");
    let run = python::run("openapi-spec-validator", &["--schema", "3.1", "broken.json"], &[], server.home()).await;
    assert_eq!(run.code, Some(1), "it passes anything: {run:#?}");
}

#[tokio::test]
async fn the_server_does_what_the_document_says() {
    let server = Server::start().await;
    let document = server.read("/openapi.json").await;
    // Until the planner has spoken, `GET /v1/queues` is a 503, as any server error would be a failure below.
    server.queue("default").await;
    // From a file: from its own URL, that one operation would be left out.
    fs::write(server.home().join("openapi.json"), document.to_string()).expect("written");
    let beside = |name: &str| repository("tests/it/openapi").canonicalize().expect("the folder").join(name);
    let (settings, hooks) = (beside("schemathesis.toml"), beside("hooks.py"));
    let key = fs::read_to_string(server.data_dir().join("api-key")).expect("the server's key");
    let authorization = format!("Authorization: Bearer {}", key.trim());
    let what = ["--config-file", settings.to_str().expect("UTF-8"), "run", "openapi.json", "--url", server.url()];
    let how = ["--header", &authorization, "--report", "json", "--report-json-path", "report.json"];
    let run = python::run("schemathesis", &[what, how].concat(), &[("SCHEMATHESIS_HOOKS", &hooks)], server.home()).await;
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);

    // That it was no empty run.
    let report: Value = serde_json::from_str(&fs::read_to_string(server.home().join("report.json")).expect("a report")).expect("JSON");
    assert_eq!(report["operations"]["tested"], operations(&document).count(), "{}", run.stdout);
    for operation in [
        "POST /v1/jobs",
        "POST /v1/jobs/batch",
        "GET /v1/jobs/{id}",
        "PATCH /v1/queues/{queue}",
        "POST /v1/schedules",
        "POST /v1/schedules/preview",
        "POST /v1/builds/resolve",
    ] {
        let phases = report["valid_rates"][operation].as_object().unwrap_or_else(|| panic!("{operation}: {report}"));
        let accepted: u64 = phases.values().filter_map(|phase| phase["accepted"].as_u64()).sum();
        assert!(accepted > 0, "{operation} never succeeded: {}", run.stdout);
    }
}

#[tokio::test]
async fn every_problem_of_the_list_is_in_the_document() {
    let server = Server::start().await;
    let document = server.read("/openapi.json").await;
    let answers = operations(&document).flat_map(|operation| operation["responses"].as_object().expect("answers").values());
    let codes =
        answers.filter_map(|answer| answer["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"].as_array());
    let mut told: BTreeSet<_> = codes.flatten().filter_map(Value::as_str).collect();
    let description = document["info"]["description"].as_str().expect("a description");
    for code in OF_NO_OPERATION {
        assert!(description.contains(&format!("`{code}`")), "{code}");
        told.insert(code);
    }
    let listed = table("docs/errors.md", "## Problem documents");
    assert_eq!(told, listed.keys().map(String::as_str).collect(), "the OpenAPI document's, then docs/errors.md's");
}

#[tokio::test]
async fn the_page_shows_every_operation_and_asks_nobody_else() {
    let server = Server::start().await;
    let page = browser::load(&format!("{}/docs", server.url())).await;
    let document = server.read("/openapi.json").await;
    assert!(page.dom.contains("<title>Windrow API</title>"), "{}", page.dom);
    for operation in operations(&document) {
        let summary = operation["summary"].as_str().expect("a summary");
        assert!(page.dom.contains(&format!(">{summary}<")), "{summary:?} is not shown:\n{}", page.dom);
    }
    assert!(page.dom.contains("Authorize") && page.dom.contains("Submit a job"), "{}", page.dom);
    page.check_self_contained(server.url());
    assert!(page.requests.contains(&format!("{}/docs/swagger-ui-bundle.js", server.url())), "{:?}", page.requests);
}

#[tokio::test]
async fn the_api_of_a_cluster_has_the_same_document_and_page() {
    let cluster = Cluster::start(0, 0, &[]).await;
    let standalone = Server::start().await;
    assert_eq!(cluster.text("/openapi.json").await, standalone.text("/openapi.json").await);
    assert_eq!(cluster.text("/docs").await, standalone.text("/docs").await);
}
