//! SIGTERM: what can be finished is, the rest is handed back uncharged, nothing is lost.

use serde_json::json;
use tokio::time::Instant;
use windrow_tests::server::{Server, is_final};

use super::endings;

/// How long a stop may take beyond the grace period.
const STOP_S_MAX: f64 = 10.0;

#[tokio::test]
async fn a_job_longer_than_the_grace_period_is_handed_back_uncharged() {
    let mut server = Server::start_with(&[("WINDROW_GRACE_S", "1")]).await;
    let submission = json!({ "kind": "echo", "payload": { "message": "done", "sleep_ms": 4_000 }, "max_attempts": 1 });
    let accepted = server.submit(submission).await;
    server.until(&accepted, "running", |job| job["state"] == "running").await;
    let asked_at = Instant::now();
    server.terminate();
    assert_eq!(server.exited().await.code(), Some(0));
    let took = asked_at.elapsed().as_secs_f64();
    assert!((1.0..1.0 + STOP_S_MAX).contains(&took), "stopped after {took} s");

    server.restart().await;
    let job = server.wait(&accepted).await;
    assert_eq!((&job["state"], &job["attempt"], &job["crashes"]), (&json!("completed"), &json!(2), &json!(0)), "{job}");
    assert_eq!(endings(&server.attempts(&job).await), [(1, "released", Some("shutdown"), None), (2, "completed", None, None)]);
}

#[tokio::test]
async fn jobs_that_end_within_the_grace_period_are_completed_and_the_others_wait() {
    let mut server = Server::start_with(&[("WINDROW_QUEUES", "default=4")]).await;
    for _ in 0..12 {
        server.echo(json!({ "sleep_ms": 800 })).await;
    }
    server.until_list("state=running", "under way", |running| running.len() == 4).await;
    server.terminate();
    assert_eq!(server.exited().await.code(), Some(0));
    assert!(!server.log().contains("the grace period is over"), "{}", server.log());

    server.restart().await;
    let jobs = server.until_list("page_size=100", "final", |jobs| jobs.iter().all(is_final)).await;
    assert_eq!(jobs.len(), 12);
    for job in &jobs {
        assert_eq!((&job["state"], &job["crashes"]), (&json!("completed"), &json!(0)), "{job}");
        let attempts = server.attempts(job).await;
        // What was claimed and had not started when the signal came goes back; most were never claimed.
        for attempt in &attempts[..attempts.len() - 1] {
            assert_eq!((&attempt["outcome"], &attempt["reason"]), (&json!("released"), &json!("shutdown")), "{attempt}");
        }
    }
    let done_at_once = jobs.iter().filter(|job| job["attempt"] == 1).count();
    assert!(done_at_once >= 4, "those that ran were let finish: {jobs:?}");
}
