//! The scrubber of a running server: what a bug left bare is found and goes on, and the repair is counted.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, sqlite::SqliteConnectOptions};
use windrow_tests::server::Server;

#[tokio::test]
async fn a_job_that_lost_its_due_time_or_its_planner_runs_all_the_same() {
    let server = Server::start().await;
    let (undue, unheard) = (server.submit(in_s(5)).await, server.submit(in_s(3_600)).await);
    // Below the ledger: one job is due and nobody is to look, the other is available and nobody was told.
    let bare =
        format!("DELETE FROM delayed; UPDATE jobs SET state = 1 WHERE id = x'{}'", unheard["id"].as_str().expect("an id").replace('-', ""));
    let file = server.data_dir().join("windrow.db");
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.expect("the ledger's file");
    sqlx::raw_sql(AssertSqlSafe(bare)).execute(&mut connection).await.expect("the ledger is damaged");
    assert_eq!(server.wait(&undue).await["state"], "completed");
    assert_eq!(server.wait(&unheard).await["state"], "completed");
    let metrics = server.text("/metrics").await;
    for line in [r#"windrow_scrub_repairs_total{cover="delayed"} 1"#, r#"windrow_scrub_repairs_total{cover="planner"} 1"#] {
        assert!(metrics.lines().any(|shown| shown == line), "no {line} in\n{metrics}");
    }
    assert!(server.log().contains("this is a bug"), "it is told");
}

/// An `echo` that is due in so many seconds.
fn in_s(seconds: u32) -> Value {
    json!({ "kind": "echo", "payload": {}, "delay_s": seconds })
}
