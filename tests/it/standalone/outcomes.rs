//! How jobs end, and what is on record of every attempt.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::{Server, is_final, ms, path};

use super::endings;

/// How late a job may be for reasons of a busy machine.
const LATE_MS_MAX: i64 = 2_000;

#[tokio::test]
async fn a_submitted_job_is_completed_with_its_result() {
    let server = Server::start().await;
    let accepted = server.echo(json!({ "message": "hello" })).await;
    assert_eq!((&accepted["state"], &accepted["attempt"], &accepted["result"]), (&json!("available"), &json!(0), &json!(null)));
    let job = server.wait(&accepted).await;
    assert_eq!((&job["state"], &job["result"], &job["error"]), (&json!("completed"), &json!({ "message": "hello" }), &json!(null)));
    assert!(ms(&job, "created_at") <= ms(&job, "started_at") && ms(&job, "started_at") <= ms(&job, "finished_at"), "{job}");
    assert_eq!(endings(&server.attempts(&job).await), [(1, "completed", None, None)]);
}

#[tokio::test]
async fn a_submission_that_prefers_to_wait_is_answered_with_the_outcome() {
    let server = Server::start().await;
    let submission = json!({ "kind": "echo", "payload": { "message": "now", "sleep_ms": 100 } });
    let answer = server.send(Method::POST, "/v1/jobs", &[("prefer", "wait=30")], Some(submission)).await;
    assert_eq!((answer.status, &answer.body["state"], &answer.body["result"]["message"]), (200, &json!("completed"), &json!("now")));
    assert_eq!(answer.headers["preference-applied"], "wait=30");
    assert!(!answer.headers.contains_key("retry-after"), "there is nothing left to come back for");

    let submission = json!({ "kind": "echo", "payload": {}, "delay_s": 3600 });
    let answer = server.send(Method::POST, "/v1/jobs", &[("prefer", "wait=1")], Some(submission)).await;
    assert_eq!((answer.status, &answer.body["state"]), (202, &json!("scheduled")), "the time is up before the job's has come");
}

#[tokio::test]
async fn a_failed_job_is_tried_again_after_its_backoff() {
    let server = Server::start().await;
    let accepted = server.echo(json!({ "message": "at last", "fail_times": 2 })).await;
    let seen = follow(&server, &accepted).await;
    let job = seen.last().expect("it was seen");
    assert_eq!((&job["state"], &job["attempt"], &job["error"]), (&json!("completed"), &json!(3), &json!(null)), "{job}");
    assert_eq!(job["result"], json!({ "message": "at last" }));

    let attempts = server.attempts(&accepted).await;
    let failed = (Some("failed"), Some("asked_to_fail"));
    assert_eq!(endings(&attempts), [(1, "retry", failed.0, failed.1), (2, "retry", failed.0, failed.1), (3, "completed", None, None)]);
    for (pair, bound_ms) in attempts.windows(2).zip([1_000, 2_000]) {
        let waited_ms = ms(&pair[1], "started_at") - ms(&pair[0], "finished_at");
        assert!((0..=bound_ms + LATE_MS_MAX).contains(&waited_ms), "waited {waited_ms} ms after attempt {}", pair[0]["attempt"]);
    }
    // A backoff is anything from nothing on, so that a job need not be seen while it waits.
    for job in seen.iter().filter(|job| job["state"] == "retryable") {
        let next =
            attempts.iter().find(|attempt| attempt["attempt"].as_u64() > job["attempt"].as_u64()).expect("there was another attempt");
        assert!(ms(next, "started_at") >= ms(job, "run_at"), "{next} came before {}", job["run_at"]);
        assert_eq!(job["error"]["retryable"], true);
    }
}

/// Every state of a job as the server tells of it, up to a final one.
async fn follow(server: &Server, job: &Value) -> Vec<Value> {
    let (mut seen, mut etag) = (Vec::new(), "\"none\"".to_owned());
    while !seen.last().is_some_and(is_final) {
        let answer = server.send(Method::GET, &path(job, ""), &[("prefer", "wait=30"), ("if-none-match", &etag)], None).await;
        assert_eq!(answer.status, 200, "the job does not go on: {seen:?}");
        etag = answer.headers["etag"].to_str().expect("an etag is text").to_owned();
        seen.push(answer.body);
    }
    seen
}

#[tokio::test]
async fn a_job_without_attempts_left_is_dead_until_it_is_redriven() {
    let server = Server::start().await;
    let submission = json!({ "kind": "echo", "payload": { "message": "back", "fail_times": 3 }, "max_attempts": 2 });
    let accepted = server.submit(submission).await;
    let dead = server.wait(&accepted).await;
    assert_eq!((&dead["state"], &dead["reason"], &dead["attempt"]), (&json!("dead"), &json!("exhausted"), &json!(2)));
    assert_eq!(dead["error"]["code"], "asked_to_fail");

    let redriven = server.redrive(&dead).await;
    assert_eq!(redriven.status, 200, "{}", redriven.body);
    let job = server.wait(&accepted).await;
    assert_eq!((&job["state"], &job["attempt"], &job["reason"]), (&json!("completed"), &json!(4), &json!(null)));
    let error = Some("asked_to_fail");
    assert_eq!(
        endings(&server.attempts(&job).await),
        [
            (1, "retry", Some("failed"), error),
            (2, "dead", Some("exhausted"), error),
            (3, "retry", Some("failed"), error),
            (4, "completed", None, None)
        ]
    );
    let again = server.redrive(&job).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("not_redrivable")));
}

#[tokio::test]
async fn what_can_never_work_is_dead_at_once() {
    let server = Server::start().await;
    let job = server.wait(&server.echo(json!({ "result_bytes": 1_048_576 })).await).await;
    assert_eq!((&job["state"], &job["reason"], &job["attempt"]), (&json!("dead"), &json!("permanent"), &json!(1)));
    assert_eq!((&job["error"]["code"], &job["error"]["retryable"]), (&json!("result_too_large"), &json!(false)));
}

#[tokio::test]
async fn a_panic_is_recorded_and_harms_nobody_else() {
    let server = Server::start().await;
    let neighbour = server.echo(json!({ "sleep_ms": 500 })).await;
    let job = server.wait(&server.submit(json!({ "kind": "echo", "payload": { "panic": true }, "max_attempts": 2 })).await).await;
    assert_eq!((&job["state"], &job["reason"], &job["crashes"]), (&json!("dead"), &json!("exhausted"), &json!(0)));
    assert_eq!(job["error"], json!({ "code": "panic", "message": "asked to panic", "retryable": true }));
    assert_eq!(
        endings(&server.attempts(&job).await),
        [(1, "retry", Some("panic"), Some("panic")), (2, "dead", Some("exhausted"), Some("panic"))]
    );
    let neighbour = server.wait(&neighbour).await;
    assert_eq!((&neighbour["state"], &neighbour["attempt"]), (&json!("completed"), &json!(1)));
}
