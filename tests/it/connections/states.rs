//! How a connection comes to stand: by edits, by its test, by what the provider says.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{endpoint::Endpoint, server::Server};

use super::{ALLOW, change, create, look, make, test};

fn state(connection: &Value) -> &str {
    connection["state"].as_str().expect("a state")
}

#[tokio::test]
async fn a_connection_goes_through_its_states() {
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(204, "").await);
    let made = make(&server, "hook", &endpoint.url()).await;
    assert_eq!((made.status, state(&made.body)), (201, "pending"), "{}", made.body);
    assert_eq!(made.headers["location"], format!("{}/v1/connections/hook", server.url()));
    assert_eq!(made.body["secrets"], json!(["bearer_token"]));
    assert_eq!((&made.body["last_used_at"], &made.body["tested_at"], &made.body["version"]), (&Value::Null, &Value::Null, &json!(1)));

    let job = test(&server, "hook").await;
    assert_eq!((&job["state"], &job["kind"]), (&json!("completed"), &json!("connection.test")), "{job}");
    let seen = endpoint.seen().pop().expect("a request");
    assert!(seen.head.starts_with("POST / HTTP/1.1"), "{}", seen.head);
    assert_eq!((seen.header("authorization"), seen.body.as_str()), (Some("Bearer a-token-of-the-tests"), r#"{"type":"connection.test"}"#));
    let active = look(&server, "hook").await;
    assert_eq!(state(&active), "active");
    assert!(active["tested_at"].is_string() && active["last_used_at"].is_string() && active["error"].is_null(), "{active}");

    endpoint.answer(401, r#"{"error":"the token a-token-of-the-tests is not good"}"#);
    let job = test(&server, "hook").await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("connection_refused")), "{job}");
    let refused = look(&server, "hook").await;
    assert_eq!((state(&refused), &refused["error"]["code"]), ("error", &json!("connection_refused")), "{refused}");
    assert!(refused["error_at"].is_string());

    let edited = change(&server, "hook", json!({ "secrets": { "bearer_token": "another" } })).await;
    assert_eq!(
        (edited.status, state(&edited.body), &edited.body["error"], &edited.body["version"]),
        (200, "pending", &Value::Null, &json!(2))
    );
    endpoint.answer(200, "{}");
    test(&server, "hook").await;
    assert_eq!(endpoint.seen().pop().expect("a request").header("authorization"), Some("Bearer another"));
    assert_eq!(state(&look(&server, "hook").await), "active");
    let config = change(&server, "hook", json!({ "config": { "timeout_s": 5 } })).await;
    assert_eq!((state(&config.body), &config.body["config"]["url"]), ("pending", &json!(endpoint.url())), "a merge patch");

    let off = change(&server, "hook", json!({ "disabled": true })).await;
    assert_eq!(state(&off.body), "disabled");
    let refused = server.post("/v1/connections/hook/test").await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("connection_disabled")));
    let edited = change(&server, "hook", json!({ "config": { "timeout_s": null } })).await;
    assert_eq!((state(&edited.body), edited.body["config"].get("timeout_s")), ("disabled", None), "until it is enabled");
    assert_eq!(state(&change(&server, "hook", json!({ "disabled": false })).await.body), "pending");

    let gone = server.send(Method::DELETE, "/v1/connections/hook", &[], None).await;
    assert_eq!(gone.status, 204);
    assert_eq!(server.send(Method::GET, "/v1/connections/hook", &[], None).await.status, 404);
}

#[tokio::test]
async fn an_endpoint_in_trouble_says_nothing_of_the_connection() {
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(200, "{}").await);
    make(&server, "hook", &endpoint.url()).await;
    test(&server, "hook").await;
    endpoint.answer(503, "");
    let job = test(&server, "hook").await;
    assert_eq!((&job["state"], &job["attempt"], &job["error"]["code"]), (&json!("dead"), &json!(2), &json!("answer_refused")), "{job}");
    assert_eq!(state(&look(&server, "hook").await), "active");
}

#[tokio::test]
async fn a_private_address_is_refused_unless_an_operator_allows_it() {
    let (server, endpoint) = (Server::start().await, Endpoint::start(200, "{}").await);
    make(&server, "hook", &endpoint.url()).await;
    let job = test(&server, "hook").await;
    assert_eq!(job["error"]["code"], "address_forbidden", "{job}");
    assert!(endpoint.seen().is_empty());
    assert_eq!(state(&look(&server, "hook").await), "error");
}

#[tokio::test]
async fn a_token_is_fetched_to_test_a_token_endpoint() {
    let token = r#"{"access_token":"a-token","token_type":"Bearer","expires_in":3600}"#;
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(200, token).await);
    let config = json!({ "token_url": format!("{}/token", endpoint.url()), "client_id": "me", "scopes": ["a", "b"] });
    create(&server, json!({ "name": "crm", "provider": "oauth2", "config": config, "secrets": { "client_secret": "s3cret-s3cret" } }))
        .await;
    let job = test(&server, "crm").await;
    assert_eq!(job["state"], "completed", "{job}");
    let asked = endpoint.seen().pop().expect("a request");
    assert!(asked.body.contains("grant_type=client_credentials") && asked.body.contains("scope=a+b"), "{}", asked.body);
    assert_eq!(state(&look(&server, "crm").await), "active");
    // A test asks anew: what is kept would say nothing of the secrets.
    endpoint.answer(401, r#"{"error":"invalid_client","error_description":"the secret s3cret-s3cret is wrong"}"#);
    let job = test(&server, "crm").await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("connection_refused")), "{job}");
    let refused = look(&server, "crm").await;
    assert_eq!(state(&refused), "error");
    assert!(
        refused["error"]["message"].as_str().is_some_and(|text| text.contains("invalid_client") && !text.contains("s3cret")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_and_counts_as_no_edit() {
    let rotating = r#"{"access_token":"a-token","token_type":"Bearer","expires_in":3600,"refresh_token":"the-second-one"}"#;
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(200, rotating).await);
    let config = json!({ "token_url": endpoint.url(), "client_id": "me", "grant": "refresh_token" });
    create(&server, json!({ "name": "crm", "provider": "oauth2", "config": config, "secrets": { "refresh_token": "the-first-one" } }))
        .await;
    assert_eq!(test(&server, "crm").await["state"], "completed");
    let standing = look(&server, "crm").await;
    assert_eq!((state(&standing), &standing["version"]), ("active", &json!(1)), "{standing}");
    assert_eq!(test(&server, "crm").await["state"], "completed");
    let asked: Vec<String> = endpoint.seen().into_iter().map(|received| received.body).collect();
    assert!(asked[0].contains("the-first-one") && asked[1].contains("the-second-one"), "{asked:?}");
}

#[tokio::test]
async fn a_service_account_signs_for_a_token() {
    let pem = std::process::Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-quiet"]).output().expect("openssl runs");
    assert!(pem.status.success(), "{}", String::from_utf8_lossy(&pem.stderr));
    let key = String::from_utf8(pem.stdout).expect("PEM");
    let token = r#"{"access_token":"a-token","token_type":"Bearer","expires_in":3600}"#;
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(200, token).await);
    let config = json!({ "token_uri": endpoint.url(), "client_email": "a@b.example", "scopes": ["s"] });
    let made =
        create(&server, json!({ "name": "push", "provider": "service_account", "config": config, "secrets": { "private_key": key } }))
            .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let job = test(&server, "push").await;
    assert_eq!(job["state"], "completed", "{job}");
    let asked = endpoint.seen().pop().expect("a request");
    assert!(asked.body.contains("jwt-bearer") && asked.body.contains("assertion="), "{}", asked.body);
}

#[tokio::test]
async fn an_edit_that_saw_another_edition_is_refused() {
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(200, "{}").await);
    let tag = make(&server, "hook", &endpoint.url()).await.headers["etag"].to_str().expect("ASCII").to_owned();
    let patch = async |tag: &str, timeout_s: u32| {
        let body = json!({ "config": { "timeout_s": timeout_s } });
        server.send(Method::PATCH, "/v1/connections/hook", &[("if-match", tag)], Some(body)).await
    };
    test(&server, "hook").await;
    let first = patch(&tag, 5).await;
    assert_eq!(first.status, 200, "a test is no edit: {}", first.body);
    let late = patch(&tag, 6).await;
    assert_eq!((late.status, &late.body["code"]), (412, &json!("precondition_failed")));
    let next = first.headers["etag"].to_str().expect("ASCII").to_owned();
    assert_eq!(patch(&next, 6).await.status, 200);
    let same = server.send(Method::GET, "/v1/connections/hook", &[], None).await.headers["etag"].to_str().expect("ASCII").to_owned();
    let known = server.send(Method::GET, "/v1/connections/hook", &[("if-none-match", &same)], None).await;
    assert_eq!(known.status, 304);
}
