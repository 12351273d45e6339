//! What is refused, and where the refusal points; and that no field of one tenant leads to another's.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{
    endpoint::Endpoint,
    server::{Client, Server},
};

use super::{ALLOW, change, create, look, make, test};

const PLANTED: &str = "planted-in-the-wrong-place";

#[tokio::test]
async fn every_refusal_names_its_field_and_repeats_nothing() {
    let server = Server::start().await;
    let url = "https://example.com/";
    let with = |fields: Value| {
        let mut body = json!({ "name": "hook", "provider": "http", "config": { "url": url }, "secrets": {} });
        for (name, value) in fields.as_object().expect("fields") {
            body[name] = value.clone();
        }
        body
    };
    let cases = [
        (with(json!({ "name": PLANTED.to_uppercase() })), "/name"),
        (with(json!({ "name": [PLANTED] })), "/name"),
        (with(json!({ "name": "x".repeat(64) })), "/name"),
        (json!({ "provider": "http" }), "/name"),
        (with(json!({ "provider": PLANTED })), "/provider"),
        (with(json!({ "provider": { "x": PLANTED } })), "/provider"),
        (json!({ "name": "hook" }), "/provider"),
        (with(json!({ "config": PLANTED })), "/config"),
        (with(json!({ "config": {} })), "/config/url"),
        (with(json!({ "config": { "url": format!("https://me:{PLANTED}@example.com") } })), "/config/url"),
        (with(json!({ "config": { "url": url, "password": PLANTED } })), "/config/password"),
        (with(json!({ "secrets": PLANTED })), "/secrets"),
        (with(json!({ "secrets": { "signing_secret": PLANTED } })), "/secrets/signing_secret"),
        (with(json!({ "secrets": { "bearer_token": { "nested": PLANTED } } })), "/secrets/bearer_token"),
        (with(json!({ "secrets": { "token": PLANTED } })), "/secrets/token"),
        (with(json!({ "disabled": PLANTED })), "/disabled"),
        (with(json!({ "password": PLANTED })), "/password"),
        (json!([PLANTED]), ""),
        (json!(PLANTED), ""),
    ];
    for (body, pointer) in cases {
        let answer = create(&server, body.clone()).await;
        assert_eq!((answer.status, &answer.body["pointer"]), (422, &json!(pointer)), "{body}: {}", answer.body);
        assert!(!answer.body.to_string().to_lowercase().contains(PLANTED), "{}", answer.body);
    }
    make(&server, "hook", url).await;
    let cases = [
        (json!({ "config": { "url": null } }), "/config/url"),
        (json!({ "config": PLANTED }), "/config"),
        (json!({ "config": { "headers": { "Authorization": PLANTED } } }), "/config/headers"),
        (json!({ "secrets": { "bearer_token": 7, "x": PLANTED } }), "/secrets/x"),
        (json!({ "secrets": { "bearer_token": [PLANTED] } }), "/secrets/bearer_token"),
        (json!({ "secrets": { "signing_secret": PLANTED } }), "/secrets/signing_secret"),
        (json!({ "secrets": { "basic_password": PLANTED } }), "/secrets/basic_password"),
        (json!({ "secrets": [PLANTED] }), "/secrets"),
        (json!({ "name": PLANTED }), "/name"),
        (json!({ "provider": PLANTED }), "/provider"),
        (json!({ "disabled": PLANTED }), "/disabled"),
        (json!({ "other": PLANTED }), "/other"),
    ];
    for (patch, pointer) in cases {
        let answer = change(&server, "hook", patch.clone()).await;
        assert_eq!((answer.status, &answer.body["pointer"]), (422, &json!(pointer)), "{patch}: {}", answer.body);
        assert!(!answer.body.to_string().contains(PLANTED), "{}", answer.body);
    }
    let taken = make(&server, "hook", url).await;
    assert_eq!((taken.status, &taken.body["code"]), (409, &json!("connection_exists")));
    assert!(!server.log().contains(PLANTED));
}

#[tokio::test]
async fn no_field_of_one_tenant_leads_to_anothers_connection() {
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(200, "{}").await);
    let (owner, thief) = (server.of_tenant("owner"), server.of_tenant("thief"));
    let made = make(&owner, "hook", &endpoint.url()).await.body;
    let id = made["id"].as_str().expect("an id").to_owned();
    for name in ["hook", id.as_str(), "owner.hook", "..%2Fowner%2Fhook", "hook%00", "%2e%2e/hook"] {
        for (method, below, body) in [
            (Method::GET, "", None),
            (Method::PATCH, "", Some(json!({ "disabled": true }))),
            (Method::DELETE, "", None),
            (Method::POST, "/test", None),
        ] {
            let answer = thief.send(method.clone(), &format!("/v1/connections/{name}{below}"), &[], body).await;
            assert_eq!(answer.status, 404, "{method} {name}{below}: {}", answer.body);
        }
    }
    assert_eq!(thief.read("/v1/connections").await["connections"], json!([]));
    let job = thief.submit(json!({ "kind": "connection.test", "payload": { "connection": "hook" } })).await;
    assert_eq!(thief.wait(&job).await["error"]["code"], "connection_unknown");
    let job = thief.submit(json!({ "kind": "connection.test", "payload": { "connection": id } })).await;
    assert_eq!(thief.wait(&job).await["error"]["code"], "connection_unknown");
    let refused = thief.send(
        Method::POST,
        "/v1/jobs",
        &[],
        Some(json!({ "kind": "connection.test", "payload": { "connection": "hook", "tenant": "owner" } })),
    );
    assert_eq!(refused.await.status, 422);
    let tokens = owner.read("/v1/connections?page_size=1").await;
    assert!(tokens["next_page_token"].is_null());
    make(&owner, "hook-2", &endpoint.url()).await;
    let token = owner.read("/v1/connections?page_size=1").await["next_page_token"].as_str().expect("a token").to_owned();
    let foreign = thief.send(Method::GET, &format!("/v1/connections?page_token={token}"), &[], None).await;
    assert_eq!((foreign.status, &foreign.body["code"]), (400, &json!("page_token_invalid")));
    assert_eq!(look(&owner, "hook").await, made, "nobody has touched it");
    assert!(endpoint.seen().is_empty(), "nobody has used it");
    own_of_the_same_name(&thief, &endpoint).await;
    assert_eq!(look(&owner, "hook").await["state"], "pending");
}

async fn own_of_the_same_name(thief: &Client, endpoint: &Endpoint) {
    let secrets = json!({ "bearer_token": "the-thiefs-own" });
    create(thief, json!({ "name": "hook", "provider": "http", "config": { "url": endpoint.url() }, "secrets": secrets })).await;
    assert_eq!(test(thief, "hook").await["state"], "completed");
    assert_eq!(endpoint.seen().pop().expect("a request").header("authorization"), Some("Bearer the-thiefs-own"));
}

#[tokio::test]
async fn the_catalogue_says_what_is_asked_for() {
    let server = Server::start().await;
    let all = server.read("/v1/providers").await;
    let names: Vec<&str> = all["providers"].as_array().expect("providers").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["apns", "deepl", "fcm", "http", "oauth2", "service_account", "smtp", "twilio", "whatsapp"]);
    for name in names {
        let one = server.read(&format!("/v1/providers/{name}")).await;
        assert!(
            one["test"].is_string() && one["config_schema"]["properties"].is_object() && one["secrets_schema"]["properties"].is_object()
        );
    }
    assert_eq!(server.send(Method::GET, "/v1/providers/nobody", &[], None).await.status, 404);
}
