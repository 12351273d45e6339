//! Templates of notifications over a ledger in memory, and what jobs are refused for that name one. What templates make, in processes with
//! limits, is in `tests/it/notification_templates/`.

use axum::http::StatusCode;
use serde_json::{Value, json};
use windrow_jobs::{
    artifact::Artifact,
    contract::Contract,
    kinds::notification_email::ATTACHED_BYTES_MAX,
    ledger::{Work, WorkerRecord},
    queue::QueueName,
};

use super::fixture::{Answer, Fault, Fixture, id_of};

pub(super) const ORDER: &str = r#"{"subject":"{{ order.id }}","html":"<p>{{ name }}</p>{% for item in order.items %}{{ item.name }}{% endfor %}",
    "sample":{"name":"Ana","order":{"id":"A-7","items":[]}}}"#;
const PATH: &str = "/v1/notification-templates/order/de";

async fn put(fixture: &Fixture, path: &str, body: &str) -> Answer {
    fixture.call("PUT", path, &[], body).await
}

#[tokio::test]
async fn every_verb_answers_as_the_document_says() {
    let fixture = Fixture::new();
    let made = put(&fixture, PATH, ORDER).await;
    assert_eq!(
        (made.status, made.header("location")),
        (StatusCode::CREATED, "https://jobs.example.com/v1/notification-templates/order/de")
    );
    assert_eq!(made.json()["needs"], json!(["name", "order.id", "order.items", "order.items[].name"]));
    let tag = made.header("etag").to_owned();
    let same = put(&fixture, PATH, ORDER).await;
    assert_eq!((same.status, same.header("etag"), &same.json()["version"]), (StatusCode::OK, tag.as_str(), &json!(1)));
    let known = fixture.call("GET", PATH, &[("if-none-match", &tag)], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    let changed = fixture.call("PUT", PATH, &[("if-match", &tag)], r#"{"text":"x","defaults":{"a":1}}"#).await;
    assert_eq!((changed.status, &changed.json()["version"]), (StatusCode::OK, &json!(2)));
    let late = fixture.call("PUT", PATH, &[("if-match", &tag)], r#"{"text":"y"}"#).await;
    assert_eq!(late.json()["code"], "precondition_failed");
    let absent = fixture.call("PUT", "/v1/notification-templates/new/de", &[("if-match", "*")], r#"{"text":"y"}"#).await;
    assert_eq!(absent.json()["code"], "precondition_failed");
    assert_eq!(fixture.get(&format!("{PATH}?version=1")).await.json()["subject"], "{{ order.id }}");
    assert_eq!(fixture.get(&format!("{PATH}?version=9")).await.json()["code"], "wording_not_found");
    assert_eq!(fixture.get(&format!("{PATH}/versions")).await.json()["versions"][0]["version"], 2);
    let listed = fixture.get("/v1/notification-templates").await.json();
    assert_eq!((&listed["templates"][0]["name"], &listed["templates"][0]["version"]), (&json!("order"), &json!(2)));
    let preview = fixture.post(&format!("{PATH}/preview"), r#"{"version":1}"#).await.json();
    assert_eq!((&preview["subject"], &preview["version"]), (&json!("A-7"), &json!(1)), "{preview}");
    let missing =
        fixture.post(&format!("{PATH}/preview"), r#"{"version":1,"variables":{"name":"x","order":{"id":"1","items":[{}]}}}"#).await;
    assert_eq!(missing.json()["pointer"], "/variables/order/items/0/name");
    assert_eq!(put(&fixture, "/v1/notification-settings", r#"{"default_locale":"DE-at"}"#).await.json()["default_locale"], "de-AT");
    assert_eq!(put(&fixture, "/v1/notification-settings", r#"{"default_locale":"fr"}"#).await.json()["pointer"], "/default_locale");
    assert_eq!(fixture.get("/v1/notification-settings").await.json()["default_locale"], "de-AT");
    for path in [PATH, "/v1/notification-templates/new/de"] {
        let late = fixture.call("DELETE", path, &[("if-match", &tag)], "").await;
        assert_eq!((late.status, &late.json()["code"]), (StatusCode::PRECONDITION_FAILED, &json!("precondition_failed")), "{path}");
    }
    let tag = changed.header("etag").to_owned();
    assert_eq!(fixture.call("DELETE", PATH, &[("if-match", &tag)], "").await.status, StatusCode::NO_CONTENT);
    for gone in [fixture.call("DELETE", PATH, &[], "").await, fixture.get(PATH).await, fixture.get(&format!("{PATH}/versions")).await] {
        assert_eq!(gone.json()["code"], "wording_not_found");
    }
    fixture.ledger.fail(Fault::Unavailable);
    assert_eq!(put(&fixture, PATH, ORDER).await.json()["code"], "ledger_unavailable");
}

#[tokio::test]
async fn templates_are_listed_in_pages() {
    let fixture = Fixture::new();
    for path in ["b/de", "a/en", "a/de"] {
        put(&fixture, &format!("/v1/notification-templates/{path}"), r#"{"text":"x"}"#).await;
    }
    let first = fixture.get("/v1/notification-templates?page_size=2").await;
    let token = first.json()["next_page_token"].as_str().expect("a token").to_owned();
    assert!(first.header("link").contains("rel=\"next\""));
    let rest = fixture.get(&format!("/v1/notification-templates?page_size=2&page_token={token}")).await.json();
    assert_eq!((&rest["templates"][0]["name"], &rest["next_page_token"]), (&json!("b"), &Value::Null), "{rest}");
}

/// A fixture that knows a kind of notifications whose payload may be anything, and the template `order`.
async fn notifying() -> Fixture {
    let fixture = Fixture::new();
    let worker =
        WorkerRecord { id: "mailer".into(), slots: [(QueueName::default_queue(), 1)].into(), kinds: vec!["notification.test".into()] };
    let contract = Contract::of::<Value>("notification.test");
    fixture.ledger.model.enroll(&worker, &[contract]).await.expect("enrolled");
    put(&fixture, "/v1/notification-templates/order/en", ORDER).await;
    fixture
}

fn job(payload: &Value) -> String {
    json!({ "kind": "notification.test", "payload": payload }).to_string()
}

#[tokio::test]
async fn a_job_is_refused_for_what_its_template_lacks() {
    let fixture = notifying().await;
    let order = json!({ "id": "1", "items": [{ "name": "a" }, {}] });
    let cases = [
        (json!({ "name": "nobody" }), "/name"),
        (json!({ "name": "order", "locale": "de_AT" }), "/locale"),
        (json!({ "name": "order", "version": 7 }), "/version"),
        (json!({ "name": "order" }), "/variables/name"),
        (json!({ "name": "order", "variables": { "name": "x", "order": order } }), "/variables/order/items/1/name"),
        (json!({ "name": "order", "variables": { "name": "x", "order": "y" } }), "/variables/order/id"),
    ];
    for (template, place) in cases {
        let payload = json!({ "template": template });
        let refused = fixture.post("/v1/jobs", &job(&payload)).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (422, &json!("payload_invalid")), "{}", refused.json());
        assert_eq!(refused.json()["pointer"], format!("/payload/template{place}"), "{}", refused.json());
        let schedule = json!({ "name": "s", "cron": "@hourly", "job": { "kind": "notification.test", "payload": payload } });
        let refused = fixture.post("/v1/schedules", &schedule.to_string()).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["pointer"]), (422, &json!(format!("/job/payload/template{place}"))));
        let batch = format!("[{{\"kind\":\"echo\",\"payload\":{{}}}},{}]", job(&payload));
        let report = fixture.post("/v1/jobs/batch", &batch).await.json();
        assert_eq!(
            (&report["accepted"], &report["items"][1]["problem"]["pointer"]),
            (&json!(1), &json!(format!("/1/payload/template{place}")))
        );
        assert_eq!(fixture.post("/v1/jobs/batch?atomic=true", &batch).await.json()["code"], "batch_rejected");
    }
    let variables = json!({ "name": "x", "order": { "id": 1, "items": [] } });
    for locale in [json!("en"), json!("de-AT"), json!("zh-Hant"), Value::Null] {
        let payload = json!({ "template": { "name": "order", "locale": locale, "variables": variables } });
        assert_eq!(fixture.post("/v1/jobs", &job(&payload)).await.status, StatusCode::ACCEPTED, "{locale}");
    }
    // Where the tenant's own language is another, there is nothing to fall back to.
    put(&fixture, "/v1/notification-settings", r#"{"default_locale":"tr"}"#).await;
    let payload = json!({ "template": { "name": "order", "locale": "de-AT", "variables": variables } });
    let refused = fixture.post("/v1/jobs", &job(&payload)).await.json();
    assert_eq!(refused["pointer"], "/payload/template/locale", "{refused}");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.ends_with("de-AT, de, tr")), "{refused}");
}

#[tokio::test]
async fn what_a_layout_needs_is_needed_too() {
    let fixture = notifying().await;
    let layout = r#"{"html":"<html><body>{{ content }} {{ brand }} {{ year }}</body></html>","defaults":{"year":2027}}"#;
    let layout = put(&fixture, "/v1/notification-templates/base/en", layout).await;
    assert_eq!(layout.json()["needs"], json!(["brand", "content"]));
    put(&fixture, "/v1/notification-templates/note/de", r#"{"html":"<p>{{ a }}</p>","layout":"base"}"#).await;
    let ask = async |variables: Value| {
        let payload = json!({ "template": { "name": "note", "locale": "de", "variables": variables } });
        fixture.post("/v1/jobs", &job(&payload)).await.json()
    };
    assert_eq!(ask(json!({ "a": 1 })).await["pointer"], "/payload/template/variables/brand");
    assert_eq!(ask(json!({ "a": 1, "brand": "W" })).await["state"], "available");
    fixture.call("DELETE", "/v1/notification-templates/base/en", &[], "").await;
    let refused = ask(json!({ "a": 1, "brand": "W" })).await;
    assert_eq!(refused["pointer"], "/payload/template/name", "{refused}");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.starts_with("its layout: ")), "{refused}");
}

#[tokio::test]
async fn an_attachment_has_to_be_there_and_not_too_large() {
    let fixture = notifying().await;
    let path = fixture.submitted("").await;
    fixture.claim(&path).await;
    let id = id_of(&path);
    for (name, bytes) in [("small.pdf", 10), ("large.pdf", ATTACHED_BYTES_MAX - 5)] {
        let artifact = Artifact {
            name: name.into(),
            attempt: 1,
            bytes,
            sha256: String::new(),
            media_type: "application/pdf".into(),
            key: format!("tenants/default/jobs/{id}/1/{name}"),
        };
        assert!(fixture.ledger.model.record_artifact(id, artifact).await.expect("recorded"));
    }
    let ask = async |names: &[&str]| {
        let attachments: Vec<Value> = names.iter().map(|name| json!({ "job": id, "artifact": name })).collect();
        fixture.post("/v1/jobs", &job(&json!({ "attachments": attachments }))).await.json()
    };
    assert_eq!(ask(&["small.pdf"]).await["state"], "available");
    assert_eq!(ask(&["small.pdf", "none.pdf"]).await["pointer"], "/payload/attachments/1");
    let refused = ask(&["small.pdf", "large.pdf"]).await;
    assert_eq!((&refused["code"], &refused["pointer"]), (&json!("payload_invalid"), &json!("/payload/attachments/1")), "{refused}");
}

#[tokio::test]
async fn other_kinds_are_not_looked_at() {
    let fixture = notifying().await;
    let payload = json!({ "kind": "echo", "payload": { "message": "x" } });
    assert_eq!(fixture.post("/v1/jobs", &payload.to_string()).await.status, StatusCode::ACCEPTED);
    let other = json!({ "template": "a text", "attachments": 7 });
    assert_eq!(fixture.post("/v1/jobs", &job(&other)).await.status, StatusCode::ACCEPTED, "another meaning of the word");
}
