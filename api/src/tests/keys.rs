//! Idempotency keys, unique keys and batches, as a client sees them.

use std::{future::Future, pin::pin, task::Poll};

use serde_json::{Value, json};
use windrow_jobs::{keys::IDEMPOTENCY_MS, lifecycle::Ending};

use super::fixture::{Answer, Fault, Fixture, failure};

const BODY: &str = r#"{"kind":"echo","payload":{"message":"hello"},"delay_s":90}"#;

async fn with_key(fixture: &Fixture, key: &str, body: &str) -> Answer {
    fixture.call("POST", "/v1/jobs", &[("idempotency-key", key)], body).await
}

async fn count(fixture: &Fixture) -> usize {
    fixture.get("/v1/jobs").await.json()["jobs"].as_array().expect("jobs").len()
}

#[tokio::test]
async fn a_submission_sent_again_is_answered_as_at_first() {
    let fixture = Fixture::new();
    let first = with_key(&fixture, "\"k\"", BODY).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (202, ""));
    let location = first.header("location").to_owned();
    fixture.clock.advance_ms(1_000);
    fixture.post(&format!("{}/cancel", location.trim_start_matches("https://jobs.example.com")), "").await;

    for (key, body) in [("k", BODY), ("\"k\"", r#"{ "delay_s": 90, "payload": {"message":"hello"}, "kind": "echo" }"#)] {
        let again = with_key(&fixture, key, body).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (first.status, "true"));
        assert_eq!((again.json(), again.header("location"), again.header("etag")), (first.json(), &*location, first.header("etag")));
    }
    let elsewhere = fixture.call("POST", "/v1/jobs", &[("idempotency-key", "k"), ("x-tenant", "acme")], BODY).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.header("idempotency-replayed")), (202, ""));
    assert_eq!(count(&fixture).await, 1);

    fixture.clock.advance_ms(IDEMPOTENCY_MS);
    let anew = with_key(&fixture, "k", BODY).await;
    assert_ne!((anew.json()["id"].clone(), anew.header("idempotency-replayed")), (first.json()["id"].clone(), "true"));
}

#[tokio::test]
async fn a_key_with_another_submission_is_refused() {
    let fixture = Fixture::new();
    with_key(&fixture, "k", BODY).await;
    let other = with_key(&fixture, "k", r#"{"kind":"echo","payload":{}}"#).await;
    assert_eq!((other.status.as_u16(), &other.json()["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!(count(&fixture).await, 1);
}

#[tokio::test]
async fn a_refused_submission_leaves_its_key_free() {
    let fixture = Fixture::new();
    assert_eq!(with_key(&fixture, "k", r#"{"kind":"echo","payload":{"no":1}}"#).await.status, 422);
    assert_eq!(with_key(&fixture, "k", BODY).await.status, 202);
}

#[tokio::test]
async fn whoever_meets_the_first_sending_is_told_to_come_back() {
    let fixture = Fixture::new();
    fixture.ledger.fail(Fault::Hang);
    {
        let mut first = pin!(with_key(&fixture, "k", BODY));
        std::future::poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        fixture.ledger.fail(Fault::None);
        let second = with_key(&fixture, "k", BODY).await;
        assert_eq!((second.status.as_u16(), &second.json()["code"]), (409, &json!("idempotency_in_flight")));
        assert_eq!(second.header("retry-after"), "2");
        assert_eq!(with_key(&fixture, "l", BODY).await.status, 202, "another key does not wait");
    }
    let third = with_key(&fixture, "k", BODY).await;
    assert_eq!((third.status.as_u16(), third.header("idempotency-replayed")), (202, ""), "a client that went away holds nothing up");
}

#[tokio::test]
async fn a_unique_key_is_answered_with_the_live_job() {
    let fixture = Fixture::new();
    let body = r#"{"kind":"echo","payload":{},"unique_key":"nightly"}"#;
    let first = fixture.post("/v1/jobs", body).await;
    assert_eq!((first.status.as_u16(), &first.json()["unique_key"], &first.json()["deduplicated"]), (202, &json!("nightly"), &Value::Null));
    let path = first.header("location").trim_start_matches("https://jobs.example.com").to_owned();
    let attempt = fixture.claim(&path).await;

    let second = fixture.post("/v1/jobs", body).await;
    assert_eq!((second.status.as_u16(), second.header("location")), (200, first.header("location")));
    assert_eq!((&second.json()["id"], &second.json()["deduplicated"]), (&first.json()["id"], &json!(true)));
    assert_eq!((&second.json()["state"], second.header("etag")), (&json!("running"), fixture.get(&path).await.header("etag")));

    fixture.settle(&attempt, failure()).await;
    assert_eq!(fixture.post("/v1/jobs", body).await.status, 202);
    let redriven = fixture.post(&format!("{path}/redrive"), "").await;
    assert_eq!((redriven.status.as_u16(), &redriven.json()["code"]), (409, &json!("unique_key_held")));
}

#[tokio::test]
async fn a_deduplicated_answer_is_replayed_after_the_job_ended() {
    let fixture = Fixture::new();
    let body = r#"{"kind":"echo","payload":{},"unique_key":"nightly"}"#;
    let path = fixture.submitted(r#","unique_key":"nightly""#).await;
    let first = with_key(&fixture, "k", body).await;
    let attempt = fixture.claim(&path).await;
    fixture.settle(&attempt, Ending::Done("7".into())).await;
    let again = with_key(&fixture, "k", body).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (200, "true"));
    assert_eq!((&again.json()["id"], &again.json()["deduplicated"]), (&first.json()["id"], &json!(true)));
}

#[tokio::test]
async fn a_batch_answers_for_each_item() {
    let fixture = Fixture::new();
    let held = fixture.submitted(r#","unique_key":"held""#).await;
    with_key(&fixture, "k", BODY).await;
    let items = [
        r#"{"kind":"echo","payload":{}}"#.to_owned(),
        r#"{"kind":"echo","payload":{"sleep_ms":"long"}}"#.to_owned(),
        r#"{"kind":"echo"}"#.to_owned(),
        r#"{"kind":"sing","payload":{}}"#.to_owned(),
        r#"{"kind":"echo","payload":{},"unique_key":"held"}"#.to_owned(),
        BODY.replacen('{', r#"{"idempotency_key":"k","#, 1),
        r#"{"kind":"echo","payload":{},"idempotency_key":"k"}"#.to_owned(),
        "7".to_owned(),
    ];
    let answer = fixture.post("/v1/jobs/batch", &format!("[{}]", items.join(","))).await;
    let report = answer.json();
    assert_eq!((answer.status.as_u16(), &report["accepted"], &report["rejected"]), (202, &json!(3), &json!(5)), "{report}");
    let problems = [
        (1, "payload_invalid", "/1/payload/sleep_ms"),
        (2, "field_invalid", "/2"),
        (3, "unknown_kind", "/3/kind"),
        (6, "idempotency_key_reused", "/6/idempotency_key"),
        (7, "field_invalid", "/7"),
    ];
    for (index, code, pointer) in problems {
        let item = &report["items"][index];
        assert_eq!((&item["index"], &item["id"]), (&json!(index), &Value::Null), "{item}");
        assert_eq!((&item["problem"]["code"], &item["problem"]["pointer"]), (&json!(code), &json!(pointer)), "{item}");
        assert!(item["problem"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    assert!(held.ends_with(report["items"][4]["id"].as_str().expect("an id")));
    assert_eq!((&report["items"][4]["deduplicated"], &report["items"][5]["replayed"]), (&json!(true), &json!(true)));
    assert_eq!(fixture.get(&format!("/v1/jobs/{}", report["items"][0]["id"].as_str().expect("an id"))).await.status, 200);
    assert_eq!(count(&fixture).await, 3);
}

#[tokio::test]
async fn an_atomic_batch_is_all_or_nothing() {
    let fixture = Fixture::new();
    with_key(&fixture, "k", BODY).await;
    let path = "/v1/jobs/batch?atomic=true";
    let cases = [
        (
            r#"[{"kind":"echo","payload":{}},{"kind":"echo","payload":{},"priority":101},{"kind":"sing","payload":{}}]"#,
            vec!["/1/priority", "/2/kind"],
        ),
        (r#"[{"kind":"echo","payload":{}},{"kind":"echo","payload":{},"idempotency_key":"k"}]"#, vec!["/1/idempotency_key"]),
    ];
    for (body, pointers) in cases {
        let answer = fixture.post(path, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (422, &json!("batch_rejected")));
        let told: Vec<Value> = answer.json()["problems"].as_array().expect("problems").iter().map(|one| one["pointer"].clone()).collect();
        assert_eq!(told, pointers);
        assert_eq!(count(&fixture).await, 1);
    }
    let all = fixture.post(path, r#"[{"kind":"echo","payload":{}},{"kind":"echo","payload":{}}]"#).await;
    assert_eq!((all.status.as_u16(), &all.json()["accepted"], count(&fixture).await), (202, &json!(2), 3));
}

#[tokio::test]
async fn a_batch_may_come_in_lines() {
    let fixture = Fixture::new();
    let lines = "{\"kind\":\"echo\",\"payload\":{}}\r\n\n{\"kind\":\n{\"kind\":\"echo\",\"payload\":{}}\n";
    let answer = fixture.call_as("application/x-ndjson", "/v1/jobs/batch", lines).await;
    let report = answer.json();
    assert_eq!((answer.status.as_u16(), &report["accepted"], &report["rejected"]), (202, &json!(2), &json!(1)), "{report}");
    assert_eq!(
        (&report["items"][1]["problem"]["code"], &report["items"][1]["problem"]["pointer"]),
        (&json!("json_malformed"), &json!("/1/kind"))
    );
}

#[tokio::test]
async fn a_batch_has_its_limits() {
    let fixture = Fixture::new();
    let item = r#"{"kind":"echo","payload":{}}"#;
    let whole = format!("[{}]", vec![item; crate::limits::BATCH_ITEMS_MAX].join(","));
    let most = fixture.post("/v1/jobs/batch", &whole).await;
    assert_eq!((most.status.as_u16(), &most.json()["accepted"]), (202, &json!(crate::limits::BATCH_ITEMS_MAX)));
    let many = fixture.post("/v1/jobs/batch", &whole.replacen('[', &format!("[{item},"), 1)).await;
    assert_eq!((many.status.as_u16(), &many.json()["code"]), (413, &json!("batch_too_large")));
    let large = format!("[{}]", " ".repeat(crate::limits::BATCH_BYTES_MAX));
    let large = fixture.post("/v1/jobs/batch", &large).await;
    assert_eq!((large.status.as_u16(), &large.json()["code"]), (413, &json!("body_too_large")));
    for (body, status, code) in [("{}", 422, "field_invalid"), ("[{]", 400, "json_malformed"), ("[] []", 400, "json_malformed")] {
        let answer = fixture.post("/v1/jobs/batch", body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(code)), "{body}");
    }
    assert_eq!(fixture.post("/v1/jobs/batch", "[]").await.json(), json!({"accepted": 0, "rejected": 0, "items": []}));
    assert_eq!(fixture.post("/v1/jobs/batch?atomic=maybe", "[]").await.status, 400);
    assert_eq!(fixture.call_as("text/csv", "/v1/jobs/batch", "a,b").await.status, 415);
}
