//! Reports over HTTP: what is no report, and what comes of one on a job that has ended.

use serde_json::{Value, json};
use windrow_jobs::{
    effect::{Facts, Standing, Turn},
    ledger::Effects,
    lifecycle::Snapshot,
    tenant::TenantId,
};

use super::{
    effects::{unreadable, with_effect},
    fixture::{Fixture, failure, id_of},
};

/// The job's path, where reports go, and the attempt that runs.
async fn awaited(fixture: &Fixture) -> (String, String, Snapshot) {
    let (job, running) = with_effect(fixture, Standing::Awaited).await;
    let callback = format!("/v1/callbacks/{}", job.rsplit('/').next().expect("an id"));
    (job, callback, running)
}

async fn effect(fixture: &Fixture, job: &str) -> Value {
    fixture.get(&format!("{job}/effects")).await.json()["effects"][0].clone()
}

#[tokio::test]
async fn what_no_handler_could_read_is_no_report_and_null_is_one() {
    let fixture = Fixture::new();
    let (job, callback, _) = awaited(&fixture).await;
    for result in unreadable() {
        let body = format!(r#"{{"result":{result}}}"#);
        let answer = fixture.post(&callback, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["pointer"]), (422, &json!("/result")), "{body}: {}", answer.json());
        let stranger = fixture.post("/v1/callbacks/unknown", &body).await;
        assert_eq!((stranger.status.as_u16(), &stranger.json()["code"]), (404, &json!("callback_not_found")), "{body}");
    }
    assert_eq!(fixture.post(&callback, r#"{"result": null, "error": {"code": "a"}}"#).await.json()["pointer"], "/error");
    assert_eq!(fixture.post(&callback, r#"{"result": null}"#).await.status, 200);
    let effect = effect(&fixture, &job).await;
    assert_eq!((&effect["state"], &effect["result"]), (&json!("confirmed"), &json!({ "reported": null })));
}

#[tokio::test]
async fn a_report_on_a_job_that_has_ended_is_kept_for_the_case_that_it_is_sent_back() {
    for (report, state) in [(json!({ "result": 1 }), "confirmed"), (json!({ "error": { "code": "full" } }), "failed")] {
        let fixture = Fixture::new();
        let (job, callback, running) = awaited(&fixture).await;
        fixture.settle(&running, failure()).await;
        let shown = fixture.get(&job).await.json();
        let answer = fixture.post(&callback, &report.to_string()).await;
        let (status, code) = (answer.status.as_u16(), answer.json()["code"].clone());
        assert_eq!((status, code), (410, json!("callback_over")), "{shown}");
        assert_eq!(effect(&fixture, &job).await["state"], state);
    }
}

#[tokio::test]
async fn a_heartbeat_for_a_job_that_has_ended_ends_the_wait() {
    let fixture = Fixture::new();
    let (job, callback, running) = awaited(&fixture).await;
    let kept = fixture.ledger.effects(&TenantId::default_tenant(), id_of(&job)).await.expect("effects").remove(0);
    let facts = Facts { mark: 3, ..kept.facts };
    let turn = Turn { job: kept.job, key: kept.key, seen: kept.version, running: None, facts, callback: None, await_ms: Some(60_000) };
    assert!(fixture.ledger.turn_effect(turn).await.expect("turn"));
    assert_eq!(fixture.post(&format!("{callback}/heartbeat"), "").await.json()["awaited_until"], "2027-01-15T08:01:00.000Z");
    fixture.settle(&running, failure()).await;
    fixture.clock.advance_ms(1_000);
    for _ in 0..2 {
        assert_eq!(fixture.post(&format!("{callback}/heartbeat"), "").await.status, 410);
        fixture.clock.advance_ms(1_000);
    }
    assert_eq!(effect(&fixture, &job).await["awaited_until"], "2027-01-15T08:00:01.000Z", "a redrive does not wait");
}
