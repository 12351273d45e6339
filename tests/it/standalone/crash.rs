//! What is left after a process died without a word.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt};

use serde_json::{Value, json};
use windrow_tests::server::{Server, is_final};

use super::endings;

const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;

#[tokio::test]
async fn every_accepted_job_is_completed_though_the_process_was_killed_in_between() {
    const JOBS: usize = 300;
    const SLOTS: usize = 16;
    let mut server = Server::start_with(&[("WINDROW_QUEUES", "default=16")]).await;
    server.limit("default", json!({ "paused": true })).await;
    let mut accepted = BTreeSet::new();
    for number in 0..JOBS {
        let job = server.echo(json!({ "message": number.to_string(), "sleep_ms": 150 })).await;
        accepted.insert(id(&job));
    }
    server.limit("default", json!({ "paused": false })).await;
    server.until_list("state=running&page_size=1000", "under way", |running| running.len() >= SLOTS / 2).await;
    assert!(!server.list("state=available&page_size=1").await.is_empty(), "there are jobs that never started");
    server.kill().await;
    assert_eq!(server.exited().await.signal(), Some(SIGKILL));

    server.restart().await;
    let jobs = server.until_list("page_size=1000", "final", |jobs| jobs.iter().all(is_final)).await;
    assert_eq!(jobs.iter().map(id).collect::<BTreeSet<_>>(), accepted, "what was accepted is what ended");
    assert_eq!(jobs.len(), JOBS, "and each once");
    for job in &jobs {
        assert_eq!((&job["state"], &job["result"]["message"]), (&json!("completed"), &job["payload"]["message"]), "{job}");
    }
    let crashed: Vec<_> = jobs.iter().filter(|job| job["crashes"] != 0).collect();
    // A slot is free again while its last outcome is on the way to the ledger, so that more may run by the ledger than there are slots.
    assert!((1..=2 * SLOTS).contains(&crashed.len()), "{} attempts in {SLOTS} slots crashed", crashed.len());
    for job in crashed {
        assert_eq!((&job["crashes"], &job["attempt"]), (&json!(1), &json!(2)));
        let lost = (1, "retry", Some("lease_lost"), Some("lease_lost"));
        assert_eq!(endings(&server.attempts(job).await), [lost, (2, "completed", None, None)]);
    }
    assert!(jobs.iter().filter(|job| job["crashes"] == 0).all(|job| job["attempt"] == 1), "nothing that had not begun was charged");
    let audit = server.command(&["audit", "ledger", "--json"]).await;
    assert_eq!(audit.code, Some(0), "the accounts balance: {audit:?}");
}

fn id(job: &Value) -> String {
    job["id"].as_str().expect("a job has an id").to_owned()
}

#[tokio::test]
async fn a_job_that_takes_the_process_down_again_and_again_is_quarantined() {
    let mut server = Server::start().await;
    let bystander = server.submit(json!({ "kind": "echo", "payload": { "message": "unharmed" }, "queue": "syncs", "delay_s": 8 })).await;
    let accepted = server.submit(json!({ "kind": "echo", "payload": { "abort": true }, "max_attempts": 50 })).await;
    for _ in 0..2 {
        assert_eq!(server.exited().await.signal(), Some(SIGABRT));
        server.launch();
    }
    assert_eq!(server.exited().await.signal(), Some(SIGABRT));
    server.restart().await;
    let job = server.get(&accepted).await;
    assert_eq!((&job["state"], &job["reason"], &job["crashes"]), (&json!("dead"), &json!("quarantined"), &json!(3)));
    let lost = |number, outcome, reason| (number, outcome, Some(reason), Some("lease_lost"));
    assert_eq!(
        endings(&server.attempts(&job).await),
        [lost(1, "retry", "lease_lost"), lost(2, "retry", "lease_lost"), lost(3, "dead", "quarantined")]
    );
    assert_eq!(server.wait(&bystander).await["result"]["message"], "unharmed");
}
