//! Connections over a ledger in memory: every answer is held against the OpenAPI document. What they do over real servers is in
//! `tests/it/connections/`.

use axum::http::StatusCode;
use windrow_jobs::{
    connection::{CONNECTIONS_MAX, Connection, Facts, NewConnection, Sealed, Stored, TenantKey},
    ledger::Connections,
    tenant::TenantId,
};

use super::fixture::{Fault, Fixture};

pub(super) const HOOK: &str =
    r#"{"name":"hook","provider":"http","config":{"url":"https://example.com/"},"secrets":{"bearer_token":"planted"}}"#;

async fn hook(fixture: &Fixture) -> Connection {
    let found = fixture.ledger.model.connection(&TenantId::default_tenant(), "hook").await.expect("connection");
    found.expect("the connection is there")
}

#[tokio::test]
async fn every_verb_answers_as_the_document_says() {
    let fixture = Fixture::new();
    let made = fixture.post("/v1/connections", HOOK).await;
    assert_eq!((made.status, made.header("location")), (StatusCode::CREATED, "https://jobs.example.com/v1/connections/hook"));
    let tag = made.header("etag").to_owned();
    assert_eq!(fixture.get("/v1/connections/hook").await.header("etag"), tag);
    let known = fixture.call("GET", "/v1/connections/hook", &[("if-none-match", &tag)], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert_eq!(fixture.get("/v1/connections").await.status, StatusCode::OK);
    assert_eq!(fixture.get("/v1/providers").await.status, StatusCode::OK);
    assert_eq!(fixture.get("/v1/providers/http").await.status, StatusCode::OK);
    assert_eq!(fixture.get("/v1/providers/nobody").await.json()["code"], "provider_not_found");
    let tested = fixture.post("/v1/connections/hook/test", "").await;
    assert_eq!((tested.status, &tested.json()["kind"]), (StatusCode::ACCEPTED, &"connection.test".into()));
    let off = fixture.patch("/v1/connections/hook", r#"{"disabled":true}"#).await;
    assert_eq!((off.status, &off.json()["state"]), (StatusCode::OK, &"disabled".into()));
    assert_eq!(fixture.post("/v1/connections/hook/test", "").await.json()["code"], "connection_disabled");
    let late = fixture.call("PATCH", "/v1/connections/hook", &[("if-match", &tag)], r#"{"disabled":false}"#).await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(fixture.post("/v1/connections", HOOK).await.json()["code"], "connection_exists");
    let malformed = fixture.post("/v1/connections", r#"{"secrets":{"bearer_token":"planted""#).await;
    assert_eq!((malformed.status, malformed.json().to_string().contains("planted")), (StatusCode::BAD_REQUEST, false));
    let shredded = fixture.call("DELETE", "/v1/tenants/default/key?confirm=default", &[], "").await;
    assert_eq!(shredded.status, StatusCode::NO_CONTENT);
    assert_eq!(fixture.call("DELETE", "/v1/tenants/NOBODY/key", &[], "").await.json()["code"], "tenant_key_not_found");
    assert_eq!(fixture.call("DELETE", "/v1/connections/hook", &[], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(fixture.call("DELETE", "/v1/connections/hook", &[], "").await.json()["code"], "connection_not_found");
}

#[tokio::test]
async fn what_is_kept_is_sealed() {
    let fixture = Fixture::new();
    fixture.post("/v1/connections", HOOK).await;
    let kept = hook(&fixture).await;
    let bytes = kept.sealed.clone().expect("it has secrets").bytes;
    assert!(!bytes.windows(7).any(|window| window == b"planted") && !format!("{kept:?}").contains("planted"), "{kept:?}");
}

#[tokio::test]
async fn a_key_of_another_master_and_damaged_bytes_are_told_apart() {
    let fixture = Fixture::new();
    fixture.post("/v1/connections", HOOK).await;
    let (tenant, kept) = (TenantId::default_tenant(), hook(&fixture).await);
    let sealed = kept.sealed.clone().expect("it has secrets");
    let damaged = Sealed { bytes: sealed.bytes.iter().map(|byte| byte ^ 1).collect(), ..sealed };
    let change = kept.rotated(1, damaged).expect("a change");
    assert!(matches!(fixture.ledger.model.change_connection(&tenant, kept.id, 1, change).await, Ok(Stored::Done(_))));
    let patch = r#"{"secrets":{"bearer_token":"other"}}"#;
    let refused = fixture.patch("/v1/connections/hook", patch).await;
    assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &"secrets_damaged".into()));
    let key = fixture.ledger.model.tenant_key(&tenant).await.expect("key").expect("there is one");
    let (master, stranger) = (key.master.clone(), TenantKey { master: "another".into(), ..key });
    assert!(fixture.ledger.model.rewrap_tenant_key(stranger, &master).await.expect("rewrap"));
    let refused = fixture.patch("/v1/connections/hook", patch).await;
    assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"master_key_missing".into()));
}

#[tokio::test]
async fn a_tenant_has_no_more_than_its_number() {
    let fixture = Fixture::new();
    for number in 0..CONNECTIONS_MAX {
        let new = NewConnection {
            id: windrow_jobs::connection::ConnectionId::generate(),
            tenant: TenantId::default_tenant(),
            name: format!("c{number:03}"),
            provider: "http".into(),
            facts: Facts::new(serde_json::json!({ "url": "https://example.com" }), Vec::new(), false),
            sealed: None,
        };
        fixture.ledger.model.create_connection(new).await.expect("create");
    }
    assert_eq!(fixture.post("/v1/connections", HOOK).await.json()["code"], "connections_too_many");
    let (mut path, mut names) = ("/v1/connections?page_size=200".to_owned(), Vec::new());
    loop {
        let page = fixture.get(&path).await.json();
        names.extend(page["connections"].as_array().expect("connections").iter().map(|one| one["name"].to_string()));
        match page["next_page_token"].as_str() {
            Some(token) => path = format!("/v1/connections?page_size=200&page_token={token}"),
            None => break,
        }
    }
    assert!(names.len() == CONNECTIONS_MAX && names.is_sorted());
}

#[tokio::test]
async fn a_ledger_in_trouble_is_told_as_anywhere() {
    let fixture = Fixture::new();
    fixture.post("/v1/connections", HOOK).await;
    fixture.ledger.fail(Fault::Unavailable);
    for (method, path, body) in [
        ("POST", "/v1/connections", HOOK),
        ("GET", "/v1/connections", ""),
        ("GET", "/v1/connections/hook", ""),
        ("PATCH", "/v1/connections/hook", r#"{"disabled":true}"#),
        ("DELETE", "/v1/connections/hook", ""),
        ("POST", "/v1/connections/hook/test", ""),
        ("DELETE", "/v1/tenants/default/key?confirm=default", ""),
    ] {
        let answer = fixture.call(method, path, &[], body).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &"ledger_unavailable".into()),
            "{method} {path}"
        );
    }
}
