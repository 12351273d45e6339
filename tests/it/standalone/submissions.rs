//! What is refused is refused whole, and says where it went wrong.

use reqwest::Method;
use serde_json::json;
use windrow_tests::server::{Client, Server};

#[tokio::test]
async fn a_refused_submission_names_the_place_and_leaves_nothing() {
    let server = Server::start().await;
    let cases = [
        (json!({ "kind": "echo", "payload": {}, "colour": "red" }), "field_invalid", "/colour"),
        (json!({ "kind": "echo", "payload": {}, "callback_url": "https://example.com" }), "field_invalid", "/callback_url"),
        (json!({ "kind": "echo", "payload": { "mesage": "hello" } }), "payload_invalid", "/payload"),
        (json!({ "kind": "echo", "payload": { "sleep_ms": "long" } }), "payload_invalid", "/payload/sleep_ms"),
        (json!({ "kind": "sing", "payload": {} }), "unknown_kind", "/kind"),
        (json!({ "kind": "echo", "payload": {}, "queue": "nowhere" }), "unknown_queue", "/queue"),
        (json!({ "kind": "echo", "payload": {}, "priority": 101 }), "field_invalid", "/priority"),
    ];
    for (submission, code, pointer) in cases {
        let answer = server.send(Method::POST, "/v1/jobs", &[], Some(submission.clone())).await;
        let problem = &answer.body;
        assert_eq!((answer.status, &problem["code"], &problem["pointer"]), (422, &json!(code), &json!(pointer)), "{submission}: {problem}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["x-request-id"], problem["request_id"].as_str().unwrap_or_default());
    }
    assert!(server.list("page_size=1").await.is_empty());
}

#[tokio::test]
async fn nobody_gets_in_without_the_key() {
    let server = Server::start().await;
    let answer = Client::new(server.url(), "wr_wrong_key.0123456789").send(Method::GET, "/v1/jobs", &[], None).await;
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthenticated")));
}
