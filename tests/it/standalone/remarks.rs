//! What running jobs say: progress and log lines.

use serde_json::json;
use windrow_tests::server::Server;

#[tokio::test]
async fn progress_is_seen_while_the_job_runs() {
    let server = Server::start().await;
    let accepted = server.echo(json!({ "sleep_ms": 3_000 })).await;
    let begun = server.until(&accepted, "under way", |job| job["progress"]["percent"].as_u64() > Some(0)).await;
    assert_eq!((&begun["state"], &begun["progress"]["message"]), (&json!("running"), &json!("sleeping")));
    let percent = begun["progress"]["percent"].as_u64();
    let further = server.until(&accepted, "further", |job| job["progress"]["percent"].as_u64() > percent).await;
    assert!(further["progress"]["percent"].as_u64() <= Some(100), "{further}");
    server.cancel(&accepted).await;
}

#[tokio::test]
async fn log_lines_are_kept_per_attempt_and_those_over_the_limit_counted() {
    let server = Server::start().await;
    let accepted = server.echo(json!({ "log_lines": 1_500, "fail_times": 1 })).await;
    server.wait(&accepted).await;
    let logs = server.logs(&accepted).await;
    assert_eq!(logs.iter().map(|log| &log["attempt"]).collect::<Vec<_>>(), [1, 2]);
    for log in &logs {
        let lines = log["lines"].as_array().expect("lines");
        assert_eq!((lines.len(), &log["dropped"]), (1_000, &json!(500)));
        let said: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect();
        let expected: Vec<_> = (1..=1_000).map(|number| format!("line {number}")).collect();
        assert_eq!(said, expected, "in the order in which they were written");
        assert_eq!(lines[0]["level"], "info");
    }
    let quiet = server.echo(json!({})).await;
    server.wait(&quiet).await;
    assert!(server.logs(&quiet).await.is_empty());
}
