use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use windrow_jobs::{
    job::{JobError, Progress},
    ledger::{LogLine, Note, Work},
    lifecycle::Ending,
};

use super::fixture::{Fault, Fixture, START_MS, failure, id_of};

#[tokio::test]
async fn an_accepted_job_is_answered_as_the_ledger_keeps_it() {
    let fixture = Fixture::new();
    let body = r#"{"kind":"echo","payload":{"message":"hé"},"priority":-3,"delay_s":90.5,"tags":["a"],"max_attempts":2}"#;
    let answer = fixture.post("/v1/jobs", body).await;
    assert_eq!(answer.status, 202);
    let job = answer.json();
    assert_eq!(answer.header("location"), format!("https://jobs.example.com/v1/jobs/{}", job["id"].as_str().expect("an id")));
    assert_eq!(answer.header("retry-after"), "60");
    let expected = json!({
        "tenant": "default", "queue": "default", "kind": "echo", "state": "scheduled", "priority": -3, "attempt": 0,
        "max_attempts": 2, "created_at": "2027-01-15T08:00:00.000Z", "run_at": "2027-01-15T08:01:30.500Z",
        "payload": {"message": "hé"}, "tags": ["a"], "result": null, "error": null, "progress": null,
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&job[field], value, "{field}");
    }
    let read = fixture.get(answer.header("location").trim_start_matches("https://jobs.example.com")).await;
    assert_eq!((read.json(), read.header("etag")), (job, answer.header("etag")));
}

#[tokio::test]
async fn a_job_is_its_tenants() {
    let fixture = Fixture::new();
    let answer = fixture.call("POST", "/v1/jobs", &[("x-tenant", "acme")], r#"{"kind":"echo","payload":{}}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["tenant"]), (202, &json!("acme")));
    let path = format!("/v1/jobs/{}", answer.json()["id"].as_str().expect("an id"));
    assert_eq!(fixture.get(&path).await.status, 404);
    assert_eq!(fixture.call("GET", &path, &[("x-tenant", "acme")], "").await.status, 200);
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let first = fixture.get(&path).await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "a strong tag: {etag}");
    for known in [etag.as_str(), &format!("\"x\", {etag}"), &format!("W/{etag}"), "*"] {
        let again = fixture.call("GET", &path, &[("if-none-match", known)], "").await;
        assert_eq!((again.status.as_u16(), again.header("etag"), again.bytes.len()), (304, etag.as_str(), 0), "{known}");
    }
    fixture.claim(&path).await;
    let changed = fixture.call("GET", &path, &[("if-none-match", &etag)], "").await;
    assert_eq!((changed.status.as_u16(), &changed.json()["state"]), (200, &json!("running")));
    assert_ne!(changed.header("etag"), etag);
    assert_eq!(changed.header("retry-after"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_read_is_held_until_the_job_is_final() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let start = Instant::now();
    let waited = fixture.call("GET", &path, &[("prefer", "wait=3")], "").await;
    assert_eq!((waited.status.as_u16(), waited.header("preference-applied"), start.elapsed().as_secs()), (200, "wait=3", 3));
    assert_eq!(waited.json()["state"], "available");

    let finish = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let attempt = fixture.claim(&path).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        fixture.settle(&attempt, Ending::Done("7".into())).await;
    };
    let start = Instant::now();
    let (waited, ()) = tokio::join!(fixture.call("GET", &path, &[("prefer", "wait=60")], ""), finish);
    assert_eq!((waited.json()["state"].as_str(), &waited.json()["result"]), (Some("completed"), &json!(7)));
    assert!(start.elapsed() < Duration::from_millis(20_300), "{:?}", start.elapsed());
    assert!(!waited.headers.contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_read_with_a_tag_is_held_until_the_job_changes() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let etag = fixture.get(&path).await.header("etag").to_owned();
    let headers = [("prefer", "wait=60"), ("if-none-match", etag.as_str())];
    let start = Instant::now();
    let same = fixture.call("GET", &path, &headers, "").await;
    assert_eq!((same.status.as_u16(), same.header("preference-applied"), start.elapsed().as_secs()), (304, "wait=60", 60));

    let attempt = fixture.claim(&path).await;
    let etag = fixture.get(&path).await.header("etag").to_owned();
    let headers = [("prefer", "wait=60"), ("if-none-match", etag.as_str())];
    let progress = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let progress = Some(Progress { percent: 40, message: "on it".into() });
        let note = Note { id: attempt.id, attempt: attempt.attempt, progress, checkpoint: None, lines: vec![], dropped: 0 };
        fixture.ledger.model.note(vec![note]).await.expect("noted");
        fixture.changes.wake([attempt.id]);
    };
    let start = Instant::now();
    let (changed, ()) = tokio::join!(fixture.call("GET", &path, &headers, ""), progress);
    assert_eq!((changed.status.as_u16(), &changed.json()["progress"]["percent"]), (200, &json!(40)));
    assert_eq!(start.elapsed(), Duration::from_secs(5), "the wake-up ended the wait");
}

#[tokio::test(start_paused = true)]
async fn a_submission_may_wait_for_its_outcome() {
    let fixture = Fixture::new();
    let body = r#"{"kind":"echo","payload":{}}"#;
    let late = fixture.call("POST", "/v1/jobs", &[("prefer", "wait=2")], body).await;
    assert_eq!((late.status.as_u16(), late.header("preference-applied")), (202, "wait=2"));

    let finish = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let list = fixture.get("/v1/jobs").await.json();
        let path = format!("/v1/jobs/{}", list["jobs"][0]["id"].as_str().expect("an id"));
        let attempt = fixture.claim(&path).await;
        fixture.settle(&attempt, failure()).await;
    };
    let (done, ()) = tokio::join!(fixture.call("POST", "/v1/jobs", &[("prefer", "wait=60")], body), finish);
    assert_eq!((done.status.as_u16(), &done.json()["state"], &done.json()["error"]["code"]), (200, &json!("dead"), &json!("no_use")));
    assert!(done.headers.contains_key("location"));

    let fail = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fixture.ledger.fail(Fault::Unavailable);
    };
    let (accepted, ()) = tokio::join!(fixture.call("POST", "/v1/jobs", &[("prefer", "wait=60")], body), fail);
    assert_eq!(accepted.status, 202, "what is committed is accepted, even if the ledger is gone since");
}

#[tokio::test(start_paused = true)]
async fn a_stopping_process_answers_those_who_wait() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fixture.shutdown.cancel();
    };
    let start = Instant::now();
    let (answer, ()) = tokio::join!(fixture.call("GET", &path, &[("prefer", "wait=60")], ""), stop);
    assert_eq!((answer.status.as_u16(), start.elapsed().as_secs()), (200, 1));
    assert_eq!(fixture.get("/readyz").await.json()["code"], "stopping");
    assert_eq!(fixture.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked() {
    let fixture = Fixture::new();
    let waiting = fixture.submitted("").await;
    let cancel = format!("{waiting}/cancel");
    for body in ["", "{}"] {
        let answer = fixture.post(&cancel, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("cancelled")), "twice is no error");
    }

    let running = fixture.submitted("").await;
    let attempt = fixture.claim(&running).await;
    for _ in 0..2 {
        let answer = fixture.post(&format!("{running}/cancel"), "").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["cancel_requested"]), (202, &json!(true)));
        assert_eq!(answer.json()["state"], "running");
    }
    let asked = windrow_jobs::lifecycle::Snapshot { cancel_requested: true, ..attempt };
    fixture.settle(&asked, Ending::Cancel(None)).await;
    assert_eq!(fixture.post(&format!("{running}/cancel"), "").await.status, 200);
}

#[tokio::test]
async fn a_dead_job_is_sent_back_with_all_its_attempts() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let attempt = fixture.claim(&path).await;
    fixture.settle(&attempt, failure()).await;
    let answer = fixture.post(&format!("{path}/redrive"), "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("available")));
    assert_eq!(fixture.post(&format!("{path}/redrive"), "").await.status, 409);
    let attempts = fixture.get(&format!("{path}/attempts")).await.json();
    assert_eq!(attempts["attempts"][0]["outcome"], "dead");
    assert_eq!(attempts["attempts"][0]["worker"], "worker");
}

#[tokio::test]
async fn log_lines_are_answered_per_attempt() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    assert_eq!(fixture.get(&format!("{path}/logs")).await.json(), json!({"logs": []}));
    assert_eq!(fixture.get(&format!("{path}/attempts")).await.json(), json!({"attempts": []}));
    let at = windrow_jobs::clock::Timestamp::from_ms(START_MS);
    for (message, dropped) in [("one", 0), ("two", 3)] {
        if message == "one" {
            fixture.claim(&path).await;
        }
        let lines = vec![LogLine { at, level: "info".into(), message: message.into() }];
        let note = Note { id: id_of(&path), attempt: 1, progress: None, checkpoint: None, lines, dropped };
        fixture.ledger.model.note(vec![note]).await.expect("noted");
    }
    let logs = fixture.get(&format!("{path}/logs")).await.json();
    let messages: Vec<_> = logs["logs"][0]["lines"].as_array().expect("lines").iter().map(|line| line["message"].clone()).collect();
    assert_eq!(
        (messages, &logs["logs"][0]["attempt"], &logs["logs"][0]["dropped"]),
        (vec![json!("one"), json!("two")], &json!(1), &json!(3))
    );
}

#[tokio::test]
async fn an_attempt_that_failed_says_why() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let attempt = fixture.claim(&path).await;
    let error = JobError::new("busy", "come back later", true);
    fixture.settle(&attempt, Ending::Retry { error, after_ms: Some(7_000) }).await;
    let job = fixture.get(&path).await;
    assert_eq!((&job.json()["state"], &job.json()["error"]["code"]), (&json!("retryable"), &json!("busy")));
    let retry_after: u64 = job.header("retry-after").parse().expect("seconds");
    assert!((7..=60).contains(&retry_after), "{retry_after}");
}
