//! Bundles against the document: every answer of every call. What is hostile, and what is built of bundles, is in `tests/it/bundles`.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use windrow_jobs::bundle::pack::pack;

use super::fixture::{Answer, Fault, Fixture, KEY};

async fn put(fixture: &Fixture, path: &str, media_type: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder().method("PUT").uri(path).header("authorization", format!("Bearer {KEY}"));
    fixture.send(request.header("content-type", media_type).body(Body::from(body)).expect("a request")).await
}

fn bundle(manifest: &str) -> Vec<u8> {
    pack(&[("bundle.toml".to_owned(), manifest.into()), ("a.js".to_owned(), b"a()".to_vec())].into()).expect("packed")
}

/// All that a manifest may say.
const WHOLE: &str = r#"
description = "All of it."
extension_points = ["features.js"]
render = ["*.js"]
executable = ["a.js"]
icons = [{ path = "icons/192.png", size = 192 }]
outputs = [{ path = "dist/**" }]
[requires]
search = "^1"
[conflicts]
legacy = "*"
[settings]
type = "object"
[settings.properties.size]
type = "integer"
default = 3
[[commands]]
name = "compile"
run = ["sh", "-c", "true"]
env = { A = "b" }
pass_env = ["PATH"]
timeout_s = 10
"#;

#[tokio::test]
async fn a_bundle_is_published_looked_at_and_listed() {
    let fixture = Fixture::new();
    let path = "/v1/templates/city/1.0.0";
    let made = put(&fixture, path, "application/zstd", bundle(WHOLE)).await;
    assert_eq!(
        (made.status.as_u16(), made.header("location")),
        (201, "https://jobs.example.com/v1/templates/city/1.0.0"),
        "{}",
        made.json()
    );
    assert_eq!(made.json()["manifest"]["commands"][0]["cpu_s"], 60);
    let same = put(&fixture, path, "application/octet-stream", bundle(WHOLE)).await;
    assert_eq!((same.status.as_u16(), same.json()), (200, made.json()));
    let read = fixture.get(path).await;
    assert_eq!((read.status.as_u16(), read.json()), (200, made.json()));
    let feature =
        put(&fixture, "/v1/features/chat/1.0.0", "application/zstd", bundle("overrides = ['a.js']\n[templates]\ncity = '^1'")).await;
    assert_eq!(feature.status, 201, "{}", feature.json());
    for (list, name) in [("templates", "city"), ("features", "chat")] {
        let page = fixture.get(&format!("/v1/{list}")).await.json();
        assert_eq!((&page["bundles"][0]["name"], &page["bundles"][0]["versions"]), (&json!(name), &json!(["1.0.0"])));
        assert_eq!(fixture.get(&format!("/v1/{list}/{name}")).await.json()["versions"][0]["version"], "1.0.0");
        assert_eq!(fixture.get(&format!("/v1/{list}/gone")).await.json()["code"], "bundle_not_found");
        assert_eq!(fixture.get(&format!("/v1/{list}/{name}/2.0.0")).await.json()["code"], "bundle_not_found");
    }
}

#[tokio::test]
async fn what_is_refused_is_a_problem_of_the_document() {
    let fixture = Fixture::new();
    let path = "/v1/features/chat/1.0.0";
    assert_eq!(put(&fixture, path, "application/zstd", bundle("")).await.status, 201);
    let cases: [(&str, Vec<u8>, u16, &str, Value); 6] = [
        ("application/zstd", bundle("description = 'other'"), 409, "version_exists", Value::Null),
        ("application/zstd", bundle("colour = 1"), 422, "bundle_invalid", json!("/colour")),
        ("application/zip", bundle(""), 422, "bundle_invalid", Value::Null),
        ("application/json", b"{}".to_vec(), 415, "media_type_unsupported", Value::Null),
        ("multipart/form-data; boundary=x", b"--x--\r\n".to_vec(), 422, "field_invalid", json!("/manifest")),
        ("application/zip", vec![0; 40 << 20], 413, "body_too_large", Value::Null),
    ];
    for (media_type, body, status, code, pointer) in cases {
        let problem = put(&fixture, path, media_type, body).await;
        let told = problem.json();
        assert_eq!((problem.status.as_u16(), &told["code"], &told["pointer"]), (status, &json!(code), &pointer), "{told}");
    }
}

#[tokio::test]
async fn what_a_build_would_be_made_of_is_told_or_explained() {
    let ask = |features: &'static str| {
        let body = format!(r#"{{"template": "task-list", "features": [{features}]}}"#);
        async move { resolved(body).await }
    };
    let good = ask(r#""shortcuts""#).await;
    assert_eq!((good.status.as_u16(), &good.json()["features"][1]["name"]), (200, &json!("shortcuts")), "{}", good.json());
    let problem = ask(r#""theme-switch", "high-contrast""#).await.json();
    assert_eq!(problem["code"], "bundle_conflict", "{problem}");
    assert_eq!(problem["conflicts"][0], "feature high-contrast 1.0.0 does not go with feature theme-switch");
    assert_eq!(problem["hints"].as_array().map(Vec::len), Some(2), "{problem}");
    assert_eq!(ask(r#""Search""#).await.json()["code"], "requirement_invalid");
    assert_eq!(ask("7").await.json()["code"], "field_invalid");
}

async fn resolved(body: String) -> Answer {
    Fixture::new().post("/v1/builds/resolve", &body).await
}

#[tokio::test]
async fn a_ledger_that_fails_is_told_as_such() {
    let fixture = Fixture::new();
    for (fault, status) in [(Fault::Unavailable, 503), (Fault::Corrupt, 500)] {
        fixture.ledger.fail(fault);
        assert_eq!(put(&fixture, "/v1/features/chat/1.0.0", "application/zstd", bundle("")).await.status, status);
        for path in ["/v1/features", "/v1/features/chat", "/v1/templates/city/1.0.0"] {
            assert_eq!(fixture.get(path).await.status, status, "{path}");
        }
        assert_eq!(fixture.post("/v1/builds/resolve", r#"{"template": "city"}"#).await.status, status);
    }
}
