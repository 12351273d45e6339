//! Keys over HTTP, with clients that race each other and a server that is killed.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::{Answer, Server};

/// Sends the submission under the key.
async fn send(server: &Server, key: &str, submission: &Value) -> Answer {
    server.send(Method::POST, "/v1/jobs", &[("idempotency-key", key)], Some(submission.clone())).await
}

#[tokio::test]
async fn of_racing_submissions_with_one_key_there_is_one_job() {
    let server = Server::start().await;
    let submission = json!({ "kind": "echo", "payload": { "message": "once" }, "delay_s": 3600 });
    for key in ["a", "b", "c"] {
        let answers = join_all((0..32).map(|_| send(&server, key, &submission))).await;
        let (given, met): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
        assert!(met.iter().all(|answer| (answer.status, &answer.body["code"]) == (409, &json!("idempotency_in_flight"))), "{met:?}");
        assert!(met.iter().all(|answer| answer.headers.contains_key("retry-after")));
        assert!(given.iter().all(|answer| answer.body == given[0].body), "{given:?}");
        let first = given.iter().filter(|answer| !answer.headers.contains_key("idempotency-replayed")).count();
        assert_eq!(first, 1, "{given:?}");
    }
    assert_eq!(server.list("page_size=1000").await.len(), 3);
}

#[tokio::test]
async fn of_racing_submissions_with_one_unique_key_there_is_one_live_job() {
    let server = Server::start().await;
    let submission = json!({ "kind": "echo", "payload": {}, "delay_s": 3600, "unique_key": "nightly" });
    let answers = join_all((0..32).map(|_| server.send(Method::POST, "/v1/jobs", &[], Some(submission.clone())))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 202).count(), 1);
    assert!(answers.iter().all(|answer| answer.body["id"] == answers[0].body["id"]));
    assert!(answers.iter().all(|answer| (answer.status == 200) == (answer.body["deduplicated"] == true)), "{answers:?}");
    assert_eq!(server.cancel(&answers[0].body).await.status, 200);
    assert_eq!(server.send(Method::POST, "/v1/jobs", &[], Some(submission)).await.status, 202);
}

#[tokio::test]
async fn a_killed_server_remembers_its_answers() {
    let mut server = Server::start().await;
    let submission = json!({ "kind": "echo", "payload": {}, "delay_s": 3600, "unique_key": "nightly" });
    let first = send(&server, "k", &submission).await;
    assert_eq!(first.status, 202, "{first:?}");
    server.kill().await;
    server.restart().await;
    let again = send(&server, "k", &submission).await;
    assert_eq!((again.status, &again.body, &again.headers["idempotency-replayed"]), (202, &first.body, &"true".parse().expect("a value")));
    let other = send(&server, "l", &submission).await;
    assert_eq!((other.status, &other.body["id"]), (200, &first.body["id"]));
}
