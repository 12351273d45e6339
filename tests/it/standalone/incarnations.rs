//! One data folder, three incarnations of the server: the first is killed, the second told to stop, the third finishes.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt};

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::{Server, is_final};

use super::endings;

const JOBS: usize = 1_000;
const SLOTS: usize = 16;
/// Submitted right before each end, so that something surely runs when it comes.
const LONG: usize = 8;
/// Longer than the grace period of a second.
const LONG_MS: u32 = 4_000;
const LARGE_BYTES: usize = 100_000;
const SIGKILL: i32 = 9;

/// The jobs of a mixed load, by what is special about them.
fn mixed(number: usize) -> Value {
    let (tag, payload) = match number {
        n if n.is_multiple_of(50) => ("large", json!({ "message": format!("{n}"), "result_bytes": LARGE_BYTES })),
        n if n.is_multiple_of(10) => ("failing", json!({ "message": format!("{n}"), "fail_times": 1 })),
        n if n.is_multiple_of(3) => ("sleeping", json!({ "message": format!("{n}"), "sleep_ms": 200 })),
        n => ("plain", json!({ "message": format!("{n}") })),
    };
    json!({ "kind": "echo", "payload": payload, "tags": [tag] })
}

#[tokio::test]
async fn a_mixed_load_completes_over_three_incarnations() {
    let mut server = Server::start_with(&[("WINDROW_QUEUES", "default=16"), ("WINDROW_GRACE_S", "1")]).await;
    let batch: Vec<Value> = (1..=JOBS).map(mixed).collect();
    let answer = server.send(Method::POST, "/v1/jobs/batch", &[], Some(Value::Array(batch))).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(JOBS)), "{}", answer.body["rejected"]);

    runs_long(&server, "met by SIGKILL", json!({})).await;
    server.kill().await;
    assert_eq!(server.exited().await.signal(), Some(SIGKILL));
    server.restart().await;
    let left = server.list("state=available&page_size=1000").await.len();
    assert!((1..JOBS).contains(&left), "it was killed midway: {left} had not begun");

    // They may be tried once: being told to stop in the middle is not charged.
    runs_long(&server, "met by SIGTERM", json!({ "max_attempts": 1 })).await;
    server.terminate();
    assert_eq!(server.exited().await.code(), Some(0));
    server.restart().await;
    assert!(!server.list("state=available&page_size=1").await.is_empty(), "it was stopped midway");

    let all = JOBS + 2 * LONG;
    server.until_list("state=completed&tag=met+by+SIGTERM", "completed", |jobs| jobs.len() == LONG).await;
    let mut jobs = server.list_all("").await;
    while !jobs.iter().all(is_final) {
        jobs = server.list_all("").await;
    }
    assert_eq!(jobs.len(), all);
    let mut met = BTreeMap::new();
    for job in &jobs {
        for fault in check(&server, job).await {
            *met.entry((job["tags"][0].as_str().unwrap_or_default().to_owned(), fault)).or_insert(0) += 1;
        }
    }
    println!("{met:?}");
    let of = |tag: &str, reason: &str| met.get(&(tag.to_owned(), reason.to_owned())).copied().unwrap_or_default();
    assert_eq!((of("met by SIGKILL", "lease_lost"), of("met by SIGTERM", "shutdown")), (LONG, LONG));
    let lost: usize = met.iter().filter(|((_, reason), _)| reason == "lease_lost").map(|(_, jobs)| jobs).sum();
    assert!(lost <= 2 * SLOTS, "{lost} attempts in {SLOTS} slots crashed");
    let audit = server.command(&["audit", "ledger", "--json"]).await;
    assert_eq!(audit.code, Some(0), "the accounts balance: {audit:?}");
}

/// Submits the long jobs, which go before all others, and waits until they run, in the middle of the load.
async fn runs_long(server: &Server, tag: &str, also: Value) {
    let mut submission = json!({ "kind": "echo", "payload": { "sleep_ms": LONG_MS }, "priority": 100, "tags": [tag] });
    let fields = submission.as_object_mut().expect("an object");
    fields.extend(also.as_object().cloned().unwrap_or_default());
    for _ in 0..LONG {
        server.submit(submission.clone()).await;
    }
    let query = format!("state=running&tag={}", tag.replace(' ', "+"));
    server.until_list(&query, "running", |running| running.len() == LONG).await;
    assert!(!server.list("state=available&page_size=1").await.is_empty(), "others wait");
}

/// Checks that a job is completed with all its result, and that every attempt on the way is accounted for. Returns the
/// reasons of those that a fault ended.
async fn check(server: &Server, job: &Value) -> Vec<String> {
    let tag = job["tags"][0].as_str().unwrap_or_default();
    assert_eq!(job["state"], "completed", "{job}");
    let message = job["result"]["message"].as_str().unwrap_or_default();
    match tag {
        "large" => assert_eq!(message.len(), LARGE_BYTES),
        _ => assert_eq!(message, job["payload"]["message"].as_str().unwrap_or_default()),
    }
    let attempts = server.attempts(job).await;
    let endings = endings(&attempts);
    let (last, before) = endings.split_last().expect("an attempt");
    assert_eq!(*last, (endings.len() as u64, "completed", None, None), "{endings:?}");
    let mut faults = Vec::new();
    for (number, ending) in (1..).zip(before) {
        match *ending {
            (n, "retry", Some("lease_lost"), Some("lease_lost")) if n == number => faults.push("lease_lost".to_owned()),
            (n, "released", Some("shutdown"), None) if n == number => faults.push("shutdown".to_owned()),
            // Only the first attempt is asked to fail; where a fault was first, none did.
            (1, "retry", Some("failed"), Some("asked_to_fail")) => assert_eq!(tag, "failing", "{job}"),
            other => panic!("neither a fault nor asked for: {other:?} of {job}"),
        }
    }
    let count = |reason: &str| faults.iter().filter(|fault| *fault == reason).count();
    assert_eq!(job["crashes"], count("lease_lost"), "{job}");
    let asked_to_fail = usize::from(tag == "failing" && before.first().is_some_and(|first| first.2 == Some("failed")));
    assert_eq!(endings.len(), 1 + faults.len() + asked_to_fail, "{endings:?}");
    if tag == "failing" && faults.is_empty() {
        assert_eq!(endings.len(), 2, "{endings:?}");
    }
    faults
}
