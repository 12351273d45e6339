use serde_json::{Value, json};
use tokio::time::Duration;
use windrow_jobs::{
    clock::Timestamp,
    contract::Contract,
    ledger::{Depths, LaneDepth, LaneKey, Timetable, Work, WorkerRecord},
    schedule::ScheduleId,
    tenant::TenantId,
};

use super::fixture::{Fault, Fixture, START_MS};

fn lane(queue: &str, tenant: &str, ready: u64, running: u64, oldest_ms: Option<i64>) -> LaneDepth {
    let lane = LaneKey { queue: queue.parse().expect("a queue"), tenant: tenant.parse().expect("a tenant") };
    LaneDepth { lane, ready, running, oldest_ms }
}

fn named<'a>(queues: &'a Value, name: &str) -> &'a Value {
    queues["queues"].as_array().expect("queues").iter().find(|queue| queue["name"] == name).expect("the queue")
}

#[tokio::test]
async fn queues_show_the_callers_lanes_or_the_platforms() {
    let fixture = Fixture::new();
    let lanes = vec![
        lane("default", "acme", 3, 1, Some(START_MS - 1_500)),
        lane("default", "default", 4, 2, Some(START_MS - 500)),
        lane("builds", "acme", 0, 1, None),
    ];
    fixture.publish_depths(Depths { at_ms: START_MS, lanes, planning: None }).await;
    fixture.clock.advance_ms(1_000);
    let own = fixture.get("/v1/queues").await.json();
    let expected = json!({
        "name": "default", "depth": 4, "running": 2, "oldest_age_s": 1.5, "paused": false,
        "concurrency": null, "rate_per_s": null, "weight": 1,
    });
    assert_eq!(named(&own, "default"), &expected);
    assert_eq!(named(&own, "builds")["depth"], 0);
    assert_eq!(own["queues"].as_array().map(Vec::len), Some(5));
    let all = fixture.get("/v1/queues?scope=platform").await.json();
    let default = named(&all, "default");
    assert_eq!((&default["depth"], &default["running"], &default["oldest_age_s"]), (&json!(7), &json!(3), &json!(2.5)));
    assert_eq!(fixture.get("/status").await.json()["status"], "up");
}

#[tokio::test]
async fn old_depths_are_an_error_and_no_number() {
    let fixture = Fixture::new();
    fixture.publish_depths(Depths { at_ms: START_MS, ..Depths::default() }).await;
    assert_eq!(fixture.get("/v1/queues").await.status, 200);
    fixture.clock.advance_ms(10_001);
    let answer = fixture.get("/v1/queues").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("depths_unavailable")));
    let status = fixture.get("/status").await.json();
    assert_eq!((&status["status"], &status["components"]["planner"]["age_ms"]), (&json!("degraded"), &json!(10_001)));
}

#[tokio::test]
async fn schedules_that_nobody_fires_show_whatever_the_leader_says() {
    let fixture = Fixture::new();
    let of = async || {
        let status = fixture.get("/status").await.json();
        (status["status"].clone(), status["components"]["schedules"].clone())
    };
    fixture.publish_depths(Depths { at_ms: START_MS, ..Depths::default() }).await;
    assert_eq!(of().await, (json!("up"), json!({ "status": "up", "overdue_s": 0.0, "next_due_at": null })));
    let job = json!({ "kind": "echo", "payload": {} });
    let definition = serde_json::from_value(json!({ "name": "each-minute", "cron": "@every 60s", "job": job })).expect("a definition");
    fixture.ledger.model.create_schedule(ScheduleId::generate(), &TenantId::default_tenant(), definition).await.expect("it is created");
    let due_at = Timestamp::from_ms(START_MS + 60_000);
    for (pass_ms, health, overdue_s) in [(60_000, "up", 0.0), (10_000, "up", 10.0), (1, "degraded", 10.001)] {
        fixture.clock.advance_ms(pass_ms);
        fixture.publish_depths(Depths { at_ms: START_MS, ..Depths::default() }).await;
        let schedules = json!({ "status": health, "overdue_s": overdue_s, "next_due_at": due_at });
        assert_eq!(of().await, (json!(health), schedules));
    }
    fixture.ledger.fail(Fault::Unavailable);
    assert_eq!(of().await, (json!("down"), json!({ "status": "down", "overdue_s": null, "next_due_at": null })));
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let fixture = Fixture::new();
    let patch = async |path: &str, body: &str| fixture.call("PATCH", path, &[], body).await;
    let set = patch("/v1/queues/builds", r#"{"paused":true,"concurrency":3,"rate_per_s":0.5,"weight":4}"#).await;
    let expected = json!({"name": "builds", "scope": "tenant", "paused": true, "concurrency": 3, "rate_per_s": 0.5, "weight": 4});
    assert_eq!((set.status.as_u16(), set.json()), (200, expected));
    let lifted = patch("/v1/queues/builds", r#"{"concurrency":null,"paused":false}"#).await.json();
    assert_eq!(lifted, json!({"name": "builds", "scope": "tenant", "paused": false, "concurrency": null, "rate_per_s": 0.5, "weight": 4}));
    assert_eq!(patch("/v1/queues/builds", "{}").await.json(), lifted, "an empty patch tells how it stands");

    let refused = [
        (r#"{"paused":true,"x":1}"#, "/x"),
        (r#"{"paused":null}"#, "/paused"),
        (r#"{"weight":null}"#, "/weight"),
        (r#"{"paused":"yes"}"#, "/paused"),
        (r#"{"concurrency":0}"#, "/concurrency"),
        (r#"{"concurrency":-1}"#, "/concurrency"),
        (r#"{"rate_per_s":0}"#, "/rate_per_s"),
        (r#"{"rate_per_s":1e9}"#, "/rate_per_s"),
        (r#"{"weight":101}"#, "/weight"),
    ];
    for (body, pointer) in refused {
        let answer = patch("/v1/queues/builds", body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["pointer"].as_str()), (422, Some(pointer)), "{body}");
    }
    assert_eq!(patch("/v1/queues/builds?scope=platform", r#"{"weight":2}"#).await.json()["pointer"], "/weight");
}

#[tokio::test]
async fn a_paused_queue_pauses_every_lane() {
    let fixture = Fixture::new();
    fixture.publish_depths(Depths { at_ms: START_MS, ..Depths::default() }).await;
    let paused = fixture.call("PATCH", "/v1/queues/syncs?scope=platform", &[], r#"{"paused":true}"#).await;
    assert_eq!(paused.json()["scope"], "platform");
    let list = fixture.call("GET", "/v1/queues", &[("x-tenant", "acme")], "").await.json();
    assert_eq!((&named(&list, "syncs")["paused"], &named(&list, "builds")["paused"]), (&json!(true), &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_a_worker_publishes_is_accepted_without_a_restart() {
    let fixture = Fixture::new();
    let submit = async || fixture.post("/v1/jobs", r#"{"kind":"acme.report","payload":7}"#).await.status.as_u16();
    assert_eq!(submit().await, 422);
    let contract = Contract::of::<u8>("acme.report");
    let broken = Contract { schema: json!({"type": 7}), ..Contract::of::<u8>("acme.broken") };
    let worker = WorkerRecord { id: "worker".into(), slots: Default::default(), kinds: vec!["acme.report".into()] };
    fixture.ledger.model.enroll(&worker, &[contract, broken]).await.expect("enrolled");
    assert_eq!(submit().await, 422, "the ledger is asked once a second");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(submit().await, 202);
    let kinds = fixture.get("/v1/kinds").await.json();
    let names: Vec<_> = kinds["kinds"].as_array().expect("kinds").iter().map(|kind| kind["kind"].clone()).collect();
    let built_in = windrow_jobs::kinds::contracts();
    let mut known: Vec<&str> = built_in.iter().map(|contract| contract.kind.as_str()).chain(["acme.report"]).collect();
    known.sort_unstable();
    assert_eq!(names, known);
    let kind = fixture.get("/v1/kinds/acme.report").await.json();
    assert_eq!((&kind["queue"], &kind["schema"]["maximum"]), (&json!("default"), &json!(255)));
}

#[tokio::test(start_paused = true)]
async fn probes_tell_the_process_from_its_ledger() {
    let fixture = Fixture::new();
    assert_eq!(fixture.get("/readyz").await.status, 200);
    for fault in [Fault::Unavailable, Fault::Hang] {
        fixture.ledger.fail(fault);
        assert_eq!(fixture.get("/healthz").await.status, 200);
        assert_eq!(fixture.get("/readyz").await.json()["code"], "ledger_unavailable");
        let status = fixture.get("/status").await;
        assert_eq!((status.status.as_u16(), &status.json()["status"]), (200, &json!("down")));
    }
}
