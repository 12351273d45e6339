//! What may start from a queue, and in what order.

use serde_json::{Value, json};
use windrow_tests::server::{Server, is_final, ms};

#[tokio::test]
async fn a_cap_on_concurrency_is_never_exceeded_and_is_used() {
    const CAP: usize = 4;
    const JOBS: usize = 30;
    let server = Server::start().await;
    let limits = server.limit("default", json!({ "concurrency": CAP })).await;
    assert_eq!((&limits["concurrency"], &limits["scope"]), (&json!(CAP), &json!("tenant")));
    for _ in 0..JOBS {
        server.echo(json!({ "sleep_ms": 150 })).await;
    }
    let mut most = 0;
    let done = loop {
        let running = server.list("state=running&page_size=100").await.len();
        assert!(running <= CAP, "{running} run at once");
        most = most.max(running);
        let jobs = server.list("page_size=100").await;
        if jobs.iter().all(is_final) {
            break jobs;
        }
    };
    assert_eq!((done.len(), most), (JOBS, CAP));
    assert!(done.iter().all(|job| job["state"] == "completed" && job["attempt"] == 1), "{done:?}");
    // The ledger's own times leave nothing out between two looks.
    let most = done.iter().map(|job| overlapping(&done, ms(job, "started_at"))).max();
    assert!(most <= Some(CAP), "{most:?} ran at once");
}

/// How many of these ran at that moment.
fn overlapping(jobs: &[Value], at_ms: i64) -> usize {
    jobs.iter().filter(|job| ms(job, "started_at") <= at_ms && at_ms < ms(job, "finished_at")).count()
}

#[tokio::test]
async fn nothing_starts_from_a_paused_queue_until_it_is_resumed() {
    let server = Server::start().await;
    assert_eq!(server.limit("default", json!({ "paused": true })).await["paused"], true);
    let paused = server.echo(json!({})).await;
    // A job that was submitted later, to another queue, has come and gone: the first had its chance.
    let other = server.submit(json!({ "kind": "echo", "payload": { "sleep_ms": 300 }, "queue": "syncs" })).await;
    assert_eq!(server.wait(&other).await["state"], "completed");
    let job = server.get(&paused).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("available"), &json!(0)));
    let queue = server.until_queue("default", "one deep", |queue| queue["depth"] == 1).await;
    assert_eq!((&queue["paused"], &queue["running"]), (&json!(true), &json!(0)));
    assert!(queue["oldest_age_s"].as_f64().is_some(), "{queue}");

    assert_eq!(server.limit("default", json!({ "paused": false })).await["paused"], false);
    assert_eq!(server.wait(&paused).await["state"], "completed");
}

#[tokio::test]
async fn a_pause_outlives_a_restart() {
    let mut server = Server::start().await;
    server.limit("default", json!({ "paused": true })).await;
    let paused = server.echo(json!({})).await;
    server.restart().await;
    let other = server.submit(json!({ "kind": "echo", "payload": { "sleep_ms": 300 }, "queue": "syncs" })).await;
    server.wait(&other).await;
    assert_eq!(server.get(&paused).await["state"], "available");
    server.limit("default", json!({ "paused": false })).await;
    assert_eq!(server.wait(&paused).await["state"], "completed");
}

#[tokio::test]
async fn what_waits_starts_by_priority_and_then_by_age() {
    let server = Server::start().await;
    server.limit("default", json!({ "paused": true, "concurrency": 1 })).await;
    let priorities = [0, 5, -5, 10, 5, 100, -100, 0];
    let mut accepted = Vec::new();
    for priority in priorities {
        accepted.push(server.submit(json!({ "kind": "echo", "payload": { "sleep_ms": 20 }, "priority": priority })).await);
    }
    server.limit("default", json!({ "paused": false })).await;
    let mut jobs = Vec::new();
    for job in &accepted {
        jobs.push(server.wait(job).await);
    }
    jobs.sort_by_key(|job| ms(job, "started_at"));
    let started: Vec<_> = jobs.iter().map(|job| job["priority"].as_i64().unwrap_or_default()).collect();
    assert_eq!(started, [100, 10, 5, 5, 0, 0, -5, -100]);
    for pair in jobs.windows(2).filter(|pair| pair[0]["priority"] == pair[1]["priority"]) {
        assert!(pair[0]["id"].as_str() < pair[1]["id"].as_str(), "of equals the older starts first: {pair:?}");
    }
}
