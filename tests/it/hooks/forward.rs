//! Events are passed on as they came, signed anew, and again until they are taken; nowhere else.

use serde_json::{Value, json};
use windrow_tests::{endpoint::Endpoint, server::Server};

use super::{ALLOW, SECRET, connect_own, events, expect, hook, now_s, official, on, own};

#[tokio::test]
async fn an_event_is_passed_on_as_it_came_and_signed_for_who_receives_it() {
    let endpoint = Endpoint::start(503, "{}").await;
    let server = Server::start_with(&[ALLOW]).await;
    connect_own(&server, "own", SECRET).await;
    let made = hook(&server, "own", json!({ "forward_url": format!("{}/told?a=b", endpoint.url()) })).await;
    let url = on(&server, made["url"].as_str().expect("a URL"));
    let body = "{\"type\" : \"order.paid\",\r\n \"text\":\"größer\"}";
    let told = own(&url, "msg_1", now_s(), body);
    expect(&told, 200, "", "told").await;
    let forward = server.until_list("kind=hook.forward", "it was tried", |jobs| jobs.iter().any(|job| job["state"] == "retryable")).await;
    assert_eq!(server.attempts(&forward[0]).await[0]["error"]["code"], "endpoint_busy");
    endpoint.answer(204, "");
    let done = server.wait(&forward[0]).await;
    assert_eq!((&done["state"], &done["result"]["status"]), (&json!("completed"), &json!(204)), "{done}");
    let seen = endpoint.seen();
    let last = seen.last().expect("it was called");
    assert!(seen.len() >= 2 && seen.iter().all(|one| one.body == body), "byte for byte, each time");
    assert!(last.head.starts_with("POST /told?a=b HTTP/1.1"), "{}", last.head);
    assert_eq!(last.header("content-type"), Some("application/json"));
    let signature = &told.headers.iter().find(|(name, _)| *name == "webhook-signature").expect("signed").1;
    assert_eq!(last.header("windrow-original-webhook-signature"), Some(signature.as_str()), "the provider's own");
    assert_eq!(last.header("windrow-event"), events(&server, "own").await[0]["id"].as_str());
    let headers: Value = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .into_iter()
        .map(|name| (name.to_owned(), json!(last.header(name).expect("a header"))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let secret = made["forward_secret"].as_str().expect("a secret");
    let verify = |secret: &str, body: &str| json!({ "scheme": "standard_webhooks", "secret": secret, "headers": headers, "body": body });
    let verified = official(server.home(), json!([verify(secret, body), verify(secret, "{}"), verify(SECRET, body)])).await;
    assert_eq!(verified, [json!(true), json!(false), json!(false)], "the official package says so");
    assert_eq!(seen[0].header("webhook-id"), last.header("webhook-id"), "each try has the same id");
    let jobs = server.list("").await;
    assert_eq!(jobs.len(), 2, "one that applies it and one that passed it on");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_address_inside_not_called() {
    let endpoint = Endpoint::start(307, "").await;
    let server = Server::start_with(&[ALLOW]).await;
    connect_own(&server, "own", SECRET).await;
    let url = hook(&server, "own", json!({ "forward_url": endpoint.url() })).await["url"].as_str().expect("a URL").to_owned();
    expect(&own(&on(&server, &url), "msg_1", now_s(), "{}"), 200, "", "told").await;
    let jobs = server.until_list("kind=hook.forward", "it ended", |jobs| jobs.iter().any(|job| job["state"] == "dead")).await;
    assert_eq!((&jobs[0]["error"]["code"], endpoint.seen().len()), (&json!("endpoint_refused"), 1), "{jobs:?}");
    let url =
        hook(&server, "own", json!({ "forward_url": "http://169.254.169.254/latest" })).await["url"].as_str().expect("a URL").to_owned();
    expect(&own(&on(&server, &url), "msg_2", now_s(), "{}"), 200, "", "told").await;
    let jobs =
        server.until_list("kind=hook.forward", "it ended", |jobs| jobs.len() == 2 && jobs.iter().all(|job| job["state"] == "dead")).await;
    assert_eq!(jobs[0]["error"]["code"], "address_forbidden", "{jobs:?}");
}
