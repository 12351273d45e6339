//! Cancelling jobs that wait and jobs that run.

use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_tests::server::Server;

use super::endings;

/// How long a running handler may take to be stopped: one second is promised, the rest is for a busy machine.
const CANCEL_S_MAX: f64 = 3.0;

#[tokio::test]
async fn a_job_that_waits_is_cancelled_at_once() {
    let server = Server::start().await;
    server.limit("default", json!({ "paused": true })).await;
    for accepted in [server.echo(json!({})).await, server.submit(json!({ "kind": "echo", "payload": {}, "delay_s": 3600 })).await] {
        let cancelled = server.cancel(&accepted).await;
        assert_eq!((cancelled.status, &cancelled.body["state"]), (200, &json!("cancelled")), "was {}", accepted["state"]);
        assert_eq!((&cancelled.body["reason"], &cancelled.body["attempt"]), (&json!("cancelled"), &json!(0)));
        assert_eq!(server.attempts(&accepted).await, Vec::<Value>::new());
        assert_eq!(server.cancel(&accepted).await.status, 200, "cancelling what is cancelled changes nothing");
    }
}

#[tokio::test]
async fn a_running_handler_is_stopped_within_a_second() {
    let server = Server::start().await;
    let accepted = server.echo(json!({ "sleep_ms": 600_000 })).await;
    server.until(&accepted, "running", |job| job["state"] == "running").await;
    let asked_at = Instant::now();
    let asked = server.cancel(&accepted).await;
    assert_eq!((asked.status, &asked.body["state"], &asked.body["cancel_requested"]), (202, &json!("running"), &json!(true)));
    let job = server.wait(&accepted).await;
    let took = asked_at.elapsed().as_secs_f64();
    assert!(took < CANCEL_S_MAX, "stopped after {took} s");
    assert_eq!((&job["state"], &job["reason"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(endings(&server.attempts(&job).await), [(1, "cancelled", Some("cancelled"), None)]);
}

#[tokio::test]
async fn a_cancelled_job_can_be_redriven() {
    let server = Server::start().await;
    let accepted = server.submit(json!({ "kind": "echo", "payload": { "message": "after all" }, "delay_s": 3600 })).await;
    server.cancel(&accepted).await;
    assert_eq!(server.redrive(&accepted).await.status, 200);
    assert_eq!(server.wait(&accepted).await["result"]["message"], "after all");
}
