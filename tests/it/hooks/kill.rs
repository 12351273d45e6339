//! What was answered is there, whatever dies when; and it counts once.

use std::{collections::BTreeMap, time::Instant};

use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use windrow_tests::{endpoint::Endpoint, server::Server};

use super::{
    ALLOW, SECRET, connect_own, events, expect, hook_url, now_s, on, own,
    statuses::{connect_to, key},
};

#[tokio::test]
async fn what_was_answered_is_applied_by_whoever_comes_after_a_crash() {
    let mut server = Server::start().await;
    connect_own(&server, "own", SECRET).await;
    let url = hook_url(&server, "own").await;
    // Nothing may start meanwhile.
    server.limit("default", json!({ "paused": true })).await;
    let told = own(&url, "msg_1", now_s(), r#"{"type":"delivery.status","reports":[]}"#);
    expect(&told, 200, "", "told").await;
    server.restart().await;
    let kept = events(&server, "own").await;
    let jobs = server.list("kind=hook.apply").await;
    assert_eq!((kept.len(), jobs.len(), &kept[0]["job"]), (1, 1, &jobs[0]["id"]), "both, by one commit");
    assert_eq!(kept[0]["applied_at"], Value::Null);
    expect(&told.at(&on(&server, &url)), 200, "", "told again, since it may not have heard the answer").await;
    server.limit("default", json!({ "paused": false })).await;
    let done = server.wait(&jobs[0]).await;
    assert_eq!((&done["state"], events(&server, "own").await.len()), (&json!("completed"), 1), "{done}");
    assert!(!events(&server, "own").await[0]["applied_at"].is_null());
}

/// Jobs whose messages are reported on, and how often each.
const JOBS: usize = 500;
const STATUSES: [&str; 4] = ["read", "sent", "failed", "delivered"];
const KILLS: usize = 3;

#[tokio::test]
async fn two_thousand_events_through_three_crashes_are_all_there_and_count_once() {
    let endpoint = Endpoint::start(200, "{}").await;
    let mut server = Server::start_with(&[ALLOW]).await;
    connect_to(&server, &endpoint).await;
    let path = hook_url(&server, "own").await;
    let batch: Vec<Value> = (0..JOBS).map(|_| json!({ "kind": "http.request", "payload": { "connection": "own" } })).collect();
    for item in &batch {
        server.submit(item.clone()).await;
    }
    let all = |jobs: &[Value]| jobs.len() == JOBS && jobs.iter().all(|job| job["state"] == "completed");
    let jobs = server.until_list("kind=http.request&page_size=1000", "all are sent", all).await;
    let began = Instant::now();

    let report = |job: &Value, status: &str| json!({ "key": key(job), "status": status });
    let mut bodies: Vec<(String, String)> = Vec::new();
    for status in STATUSES {
        for (number, job) in jobs.iter().enumerate() {
            let body = json!({ "type": "delivery.status", "reports": [report(job, status)] }).to_string();
            bodies.push((format!("msg_{number}_{status}"), body));
        }
    }
    // Some that report on all messages at once, so that a crash finds them half applied.
    for (number, status) in STATUSES.iter().enumerate() {
        let reports: Vec<Value> = jobs.iter().map(|job| report(job, status)).collect();
        bodies.insert(number * 400, (format!("large_{number}"), json!({ "type": "delivery.status", "reports": reports }).to_string()));
    }
    let total = bodies.len();
    let (mut answered, mut pieces) = (0_usize, bodies.chunks(total.div_ceil(KILLS + 1)));
    for round in 0..=KILLS {
        let url = on(&server, &path);
        let piece = pieces.next().unwrap_or_default();
        let told: Vec<u16> = stream::iter(piece)
            .map(|(id, body)| {
                let told = own(&url, id, now_s(), body);
                async move { told.call().await.0 }
            })
            .buffer_unordered(16)
            .collect()
            .await;
        answered += told.iter().filter(|status| **status == 200).count();
        if round < KILLS {
            // While what it was told is being applied.
            server.restart().await;
        }
    }
    assert_eq!(answered, total);
    let told_in_s = began.elapsed().as_secs_f64();
    let waits = |jobs: &[Value]| jobs.is_empty();
    for state in ["available", "running", "retryable", "scheduled"] {
        server.until_list(&format!("kind=hook.apply&state={state}"), "all are applied", waits).await;
    }

    let mut list: Vec<Value> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let token = next.map(|token| format!("&page_token={token}")).unwrap_or_default();
        let page = server.read(&format!("/v1/connections/own/hook/events?page_size=500{token}")).await;
        list.extend(page["events"].as_array().expect("events").iter().cloned());
        next = page["next_page_token"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    assert_eq!(list.len(), total, "none lost, none twice");
    assert!(list.iter().all(|event| !event["applied_at"].is_null() && event["error"].is_null()));
    let applies = server.list_all("kind=hook.apply").await;
    assert_eq!(applies.len(), total);
    let mut came: BTreeMap<&str, u64> = BTreeMap::new();
    for job in &applies {
        assert_eq!(job["state"], "completed", "{job}");
        for name in ["applied", "unchanged", "unmatched"] {
            *came.entry(name).or_default() += job["result"][name].as_u64().expect("a count");
        }
    }
    // Of two events that say the same of a message one says something new, whoever was killed in between.
    let said = (JOBS * STATUSES.len()) as u64;
    assert_eq!((came["applied"], came["unchanged"], came["unmatched"]), (said, (STATUSES.len() * JOBS) as u64, 0));
    for job in &jobs {
        let seen = server.read(&format!("/v1/jobs/{}/deliveries", job["id"].as_str().expect("an id"))).await;
        assert_eq!((&seen["deliveries"][0]["status"], &seen["deliveries"][1]), (&json!("read"), &Value::Null), "{seen}");
        assert_eq!(seen["deliveries"][0]["steps"].as_object().expect("steps").len(), 4, "{seen}");
    }
    let interrupted = applies.iter().filter(|job| job["attempt"].as_u64() > Some(1)).count();
    println!(
        "{total} events with {} reports told in {told_in_s:.1} s through {KILLS} crashes, applied after {:.1} s; {interrupted} ran again",
        said as usize + STATUSES.len() * JOBS,
        began.elapsed().as_secs_f64()
    );
}
