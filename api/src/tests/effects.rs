//! Effects over HTTP: what is shown, and a person's word.

use serde_json::{Value, json};
use windrow_jobs::{
    effect::{Facts, Intended, Intent, Policy, Standing, Turn, hash_of},
    ledger::Effects,
    lifecycle::{Ending, Snapshot},
    tenant::TenantId,
};

use super::fixture::{Fixture, failure, id_of};

/// A running job with an effect of this standing. Returns its path, and the attempt that runs.
pub(super) async fn with_effect(fixture: &Fixture, standing: Standing) -> (String, Snapshot) {
    let job = fixture.submitted("").await;
    let running = fixture.claim(&job).await;
    let id = id_of(&job);
    let intent = Intent {
        tenant: TenantId::default_tenant(),
        job: id,
        attempt: 1,
        key: "mail".into(),
        policy: Policy::Park,
        mark: 1,
        // Its token is the job's id.
        callback: Some(hash_of(&id.to_string())),
    };
    let Intended::Written(kept) = fixture.ledger.intend(intent).await.expect("intend") else { panic!("it is written") };
    let facts = Facts { standing, mark: 2, ..kept.facts };
    let turn = Turn { job: id, key: "mail".into(), seen: 1, running: None, facts, callback: None, await_ms: None };
    assert!(fixture.ledger.turn_effect(turn).await.expect("turn"));
    (job, running)
}

fn only(answer: &Value) -> &Value {
    &answer["effects"].as_array().expect("effects")[0]
}

#[tokio::test]
async fn what_a_job_did_to_the_outside_is_shown() {
    let fixture = Fixture::new();
    let (job, _) = with_effect(&fixture, Standing::Parked).await;
    let shown = fixture.get(&format!("{job}/effects")).await.json();
    let expected = json!({
        "key": "mail", "state": "parked", "policy": "park", "attempt": 1, "tries": 1, "unknowns": 0, "provider_id": null, "result": null,
        "error": null, "created_at": "2027-01-15T08:00:00.000Z", "changed_at": "2027-01-15T08:00:00.000Z", "awaited_until": null,
    });
    assert_eq!(only(&shown), &expected);
    let none = fixture.submitted("").await;
    assert_eq!(fixture.get(&format!("{none}/effects")).await.json(), json!({ "effects": [] }));
    let path = format!("{job}/effects");
    let stranger = fixture.call("GET", &path, &[("x-tenant", "other")], "").await;
    assert_eq!((stranger.status.as_u16(), &stranger.json()["code"]), (404, &json!("job_not_found")));
}

#[tokio::test]
async fn a_person_says_what_nobody_else_knows() {
    for (said, state) in [
        (json!({ "happened": true, "provider_id": "p-1", "result": { "id": 7 } }), "confirmed"),
        (json!({ "happened": false }), "withdrawn"),
    ] {
        let fixture = Fixture::new();
        let (job, running) = with_effect(&fixture, Standing::Parked).await;
        let path = format!("{job}/effects/mail");
        let early = fixture.post(&path, &said.to_string()).await;
        assert_eq!((early.status.as_u16(), &early.json()["code"]), (409, &json!("effect_not_in_doubt")), "it still runs");
        fixture.settle(&running, failure()).await;
        let resolved = fixture.call("POST", &path, &[], &said.to_string()).await;
        assert_eq!(resolved.status, 200);
        assert_eq!(resolved.json()["state"], state);
        assert_eq!(resolved.json()["result"], said["result"]);
        // A word may be taken back, until a job is completed by it.
        let other = json!({ "happened": state == "withdrawn" });
        for said in [&other, &said] {
            let again = fixture.call("POST", &path, &[], &said.to_string()).await;
            assert_eq!((again.status.as_u16(), &again.json()["result"]), (200, &said["result"]), "{}", again.json());
        }
        assert_eq!(fixture.post(&format!("{job}/redrive"), "").await.status, 200);
        let running = fixture.claim(&job).await;
        fixture.settle(&running, Ending::Done("null".into())).await;
        let late = fixture.call("POST", &path, &[], &other.to_string()).await;
        assert_eq!((late.status.as_u16(), &late.json()["code"]), (409, &json!("effect_not_in_doubt")));
    }
}

/// JSON by its grammar that no handler could read again.
pub(super) fn unreadable() -> [String; 3] {
    ["1e999".into(), r#""\ud83d""#.into(), format!("{}{}", "[".repeat(200), "]".repeat(200))]
}

#[tokio::test]
async fn a_result_that_no_handler_could_read_is_refused() {
    let fixture = Fixture::new();
    let (job, running) = with_effect(&fixture, Standing::Parked).await;
    fixture.settle(&running, failure()).await;
    for result in unreadable() {
        let answer = fixture.post(&format!("{job}/effects/mail"), &format!(r#"{{"happened":true,"result":{result}}}"#)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["pointer"]), (422, &json!("/result")), "{result}: {}", answer.json());
    }
}

#[tokio::test]
async fn a_word_that_makes_no_sense_is_refused_with_its_field() {
    let fixture = Fixture::new();
    let (job, running) = with_effect(&fixture, Standing::Parked).await;
    fixture.settle(&running, failure()).await;
    let cases = [
        (json!({ "happened": false, "provider_id": "p" }), 422, "/provider_id"),
        (json!({ "happened": false, "result": 1 }), 422, "/result"),
        (json!({ "happened": true, "result": "x".repeat(64 * 1024) }), 422, "/result"),
        (json!({ "happened": true, "provider_id": "x".repeat(256) }), 422, "/provider_id"),
        (json!({ "happened": "yes" }), 422, "/happened"),
        (json!({ "happened": true, "sure": true }), 422, "/sure"),
    ];
    for (body, status, pointer) in cases {
        let answer = fixture.call("POST", &format!("{job}/effects/mail"), &[], &body.to_string()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["pointer"]), (status, &json!(pointer)), "{}", answer.json());
    }
    for (path, code) in [(format!("{job}/effects/other"), "effect_not_found"), ("/v1/jobs/x/effects/mail".into(), "job_not_found")] {
        let answer = fixture.call("POST", &path, &[], r#"{"happened": true}"#).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (404, &json!(code)));
    }
}
