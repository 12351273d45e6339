//! When jobs start, and when they are too late to.

use serde_json::{Value, json};
use windrow_jobs::clock::{Clock, SystemClock};
use windrow_tests::server::{Server, ms};

use super::endings;

/// How late a job may be for reasons of a busy machine.
const LATE_MS_MAX: i64 = 1_000;

/// A point in time so far from now.
fn in_ms(delay_ms: i64) -> Value {
    SystemClock.now().plus_ms(delay_ms).to_string().into()
}

#[tokio::test]
async fn a_delayed_job_starts_when_its_time_comes() {
    let server = Server::start().await;
    let accepted = server.submit(json!({ "kind": "echo", "payload": {}, "delay_s": 1.2 })).await;
    assert_eq!(accepted["state"], "scheduled");
    assert_eq!(ms(&accepted, "run_at") - ms(&accepted, "created_at"), 1_200);
    let run_at = server.submit(json!({ "kind": "echo", "payload": {}, "run_at": in_ms(700) })).await;
    for accepted in [run_at, accepted] {
        let job = server.wait(&accepted).await;
        assert_eq!((&job["state"], &job["attempt"]), (&json!("completed"), &json!(1)));
        let late_ms = ms(&job, "started_at") - ms(&job, "run_at");
        assert!((0..=LATE_MS_MAX).contains(&late_ms), "started {late_ms} ms late");
    }
}

#[tokio::test]
async fn a_time_gone_by_means_now() {
    let server = Server::start().await;
    let accepted = server.submit(json!({ "kind": "echo", "payload": {}, "run_at": "2001-02-03T04:05:06Z" })).await;
    assert_eq!((&accepted["state"], &accepted["run_at"]), (&json!("available"), &accepted["created_at"]));
    assert_eq!(server.wait(&accepted).await["state"], "completed");
}

#[tokio::test]
async fn a_job_past_its_deadline_is_dead_and_was_never_started() {
    let server = Server::start().await;
    server.limit("default", json!({ "paused": true })).await;
    let waiting = json!({ "kind": "echo", "payload": {}, "deadline": in_ms(700) });
    let scheduled = json!({ "kind": "echo", "payload": {}, "delay_s": 3600, "deadline": in_ms(700) });
    for submission in [waiting, scheduled] {
        let job = server.wait(&server.submit(submission.clone()).await).await;
        assert_eq!((&job["state"], &job["reason"], &job["error"]["code"]), (&json!("dead"), &json!("deadline"), &json!("deadline")));
        assert_eq!((&job["attempt"], &job["started_at"]), (&json!(0), &json!(null)), "{submission}");
        assert_eq!(server.attempts(&job).await, Vec::<Value>::new());
        assert!(ms(&job, "finished_at") >= ms(&job, "deadline"), "{job}");
    }
}

#[tokio::test]
async fn a_job_submitted_past_its_deadline_does_nothing() {
    let server = Server::start().await;
    let submission = json!({ "kind": "echo", "payload": { "log_lines": 1 }, "deadline": "2001-02-03T04:05:06Z" });
    let job = server.wait(&server.submit(submission).await).await;
    assert_eq!((&job["state"], &job["reason"], &job["error"]["code"]), (&json!("dead"), &json!("deadline"), &json!("deadline")));
    // A worker may have claimed it before the scheduler looked; its handler is not called.
    assert_eq!(server.logs(&job).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_job_that_runs_into_its_deadline_is_dead() {
    let server = Server::start().await;
    let submission = json!({ "kind": "echo", "payload": { "sleep_ms": 600_000 }, "deadline": in_ms(1_500) });
    let job = server.wait(&server.submit(submission).await).await;
    assert_eq!((&job["state"], &job["reason"]), (&json!("dead"), &json!("deadline")));
    assert_eq!(endings(&server.attempts(&job).await), [(1, "dead", Some("deadline"), Some("deadline"))]);
    let late_ms = ms(&job, "finished_at") - ms(&job, "deadline");
    // The worker reckons with the time that its claim took to come back, and may be early by that.
    assert!((-LATE_MS_MAX..=LATE_MS_MAX).contains(&late_ms), "ended {late_ms} ms late");
}
