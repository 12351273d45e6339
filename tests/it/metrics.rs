//! What Prometheus is told: every line has the text format, and what just happened shows.

use serde_json::json;
use windrow_tests::server::Server;

#[tokio::test]
async fn a_job_shows_in_the_metrics_of_its_whole_way() {
    let server = Server::start().await;
    server.wait(&server.echo(json!({ "fail_times": 1 })).await).await;
    let text = server.text("/metrics").await;
    let shown = |name: &str, labels: &[&str]| {
        let line = text.lines().find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("no {name} {labels:?} in\n{text}"));
        value.parse::<f64>().expect("a number")
    };
    assert_eq!(shown("windrow_attempt_seconds_count", &[r#"kind="echo""#, r#"ended="failed""#]), 1.0);
    assert_eq!(shown("windrow_attempt_seconds_count", &[r#"kind="echo""#, r#"ended="completed""#]), 1.0);
    assert_eq!(shown("windrow_http_request_seconds_count", &[r#"route="/v1/jobs""#, r#"status="202""#]), 1.0);
    assert!(shown("windrow_jobs_handed_out_total", &[]) >= 2.0);
    assert!(shown("windrow_duty_succeeded_at_seconds", &[r#"duty="promote""#]) > 1_700_000_000.0);
    assert_eq!(shown("windrow_leads", &[]), 1.0);
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with("windrow_") && value.parse::<f64>().is_ok(), "{line}");
    }
}
