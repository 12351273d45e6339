//! Schedules over HTTP: each call, each refusal with its place. What fires when is tested where it is decided
//! (`windrow_jobs::schedule`), and that it does with the ledgers.

use serde_json::{Value, json};
use windrow_jobs::{
    clock::Timestamp,
    contract::Catalog,
    job::JobId,
    kinds,
    ledger::Upkeep,
    schedule::{Edit, Rules, ScheduleId},
};

use super::{
    errors::{Headers, check_problem},
    fixture::{FIRES_KEPT_MS, Fixture, SLOW_TENANT, START_MS},
};

const HOUR_MS: i64 = 3_600_000;

/// Lets the schedules fire that are due.
async fn fire(fixture: &Fixture) {
    let catalog = Catalog::new(kinds::contracts()).expect("the kinds' contracts");
    fixture.ledger.model.fire(&Rules { catalog, fires_kept_ms: FIRES_KEPT_MS }, 100).await.expect("fired");
}

/// A valid definition with these fields in the place of its own; `null` leaves one out.
fn definition(changes: Value) -> String {
    let mut whole = json!({ "name": "a", "cron": "@hourly", "job": { "kind": "echo", "payload": {} } });
    for (name, value) in changes.as_object().expect("an object") {
        match (name.strip_prefix("job."), value) {
            (None, Value::Null) => drop(whole.as_object_mut().expect("an object").remove(name)),
            (None, value) => whole[name] = value.clone(),
            (Some(name), Value::Null) => drop(whole["job"].as_object_mut().expect("an object").remove(name)),
            (Some(name), value) => whole["job"][name] = value.clone(),
        }
    }
    whole.to_string()
}

#[tokio::test]
async fn a_schedule_is_made_looked_at_and_deleted() {
    let fixture = Fixture::new();
    let made = fixture.post("/v1/schedules", &definition(json!({ "time_zone": "Europe/Berlin", "jitter_s": 60 }))).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let schedule = made.json();
    let path = made.header("location").strip_prefix("https://jobs.example.com").expect("an absolute location").to_owned();
    assert_eq!(path, format!("/v1/schedules/{}", schedule["id"].as_str().expect("an id")));
    let expected = json!({
        "id": schedule["id"], "tenant": "default", "name": "a", "cron": "@hourly", "time_zone": "Europe/Berlin", "starts_at": null,
        "ends_at": null, "jitter_s": 60, "misfire": "fire_once", "overlap": "allow", "paused": false, "version": 1,
        "job": { "kind": "echo", "payload": {}, "queue": null, "priority": null, "max_attempts": null, "tags": [] },
        "created_at": "2027-01-15T08:00:00.000Z", "updated_at": "2027-01-15T08:00:00.000Z",
        "next_fire_at": "2027-01-15T09:00:00.000Z", "last_fire_at": null, "jobs_made": 0,
    });
    assert_eq!(schedule, expected);

    for path in [path.as_str(), "/v1/schedules/a"] {
        let read = fixture.get(path).await;
        assert_eq!((read.status.as_u16(), read.json(), read.header("etag")), (200, schedule.clone(), made.header("etag")), "{path}");
        assert_eq!(fixture.call("GET", path, &[("if-none-match", made.header("etag"))], "").await.status, 304);
    }
    assert_eq!(fixture.call("DELETE", "/v1/schedules/a", &[], "").await.status, 204);
    check_problem(&fixture.get(&path).await, 404, "schedule_not_found", None);
    check_problem(&fixture.call("DELETE", &path, &[], "").await, 404, "schedule_not_found", None);
}

#[tokio::test]
async fn every_refused_schedule_says_what_is_wrong_and_where() {
    let fixture = Fixture::new();
    let catch_up = |max: i64, window_s: i64| json!({ "misfire": { "catch_up": { "max": max, "window_s": window_s } } });
    let cases = [
        (json!({ "name": null }), 422, "field_invalid", ""),
        (json!({ "name": "" }), 422, "field_invalid", "/name"),
        (json!({ "name": "-a" }), 422, "field_invalid", "/name"),
        (json!({ "name": "a b" }), 422, "field_invalid", "/name"),
        (json!({ "name": "a".repeat(129) }), 422, "field_invalid", "/name"),
        (json!({ "name": "preview" }), 422, "field_invalid", "/name"),
        (json!({ "name": ScheduleId::generate() }), 422, "field_invalid", "/name"),
        (json!({ "cron": "61 * * * *" }), 422, "field_invalid", "/cron"),
        (json!({ "cron": 7 }), 422, "field_invalid", "/cron"),
        (json!({ "time_zone": "Berlin" }), 422, "field_invalid", "/time_zone"),
        (json!({ "starts_at": "tomorrow" }), 422, "field_invalid", "/starts_at"),
        (json!({ "starts_at": "2027-02-01T00:00:00Z", "ends_at": "2027-01-31T00:00:00Z" }), 422, "field_invalid", "/ends_at"),
        (json!({ "jitter_s": 86_401 }), 422, "field_invalid", "/jitter_s"),
        (json!({ "jitter_s": -1 }), 422, "field_invalid", "/jitter_s"),
        (json!({ "misfire": "never" }), 422, "field_invalid", "/misfire"),
        (json!({ "misfire": 7 }), 422, "field_invalid", "/misfire"),
        (json!({ "overlap": [] }), 422, "field_invalid", "/overlap"),
        (json!({ "job": ["echo", {}] }), 422, "field_invalid", "/job"),
        (catch_up(0, 60), 422, "field_invalid", "/misfire/catch_up/max"),
        (catch_up(-1, 60), 422, "field_invalid", "/misfire/catch_up/max"),
        (catch_up(1_001, 60), 422, "field_invalid", "/misfire/catch_up/max"),
        (catch_up(1, 0), 422, "field_invalid", "/misfire/catch_up/window_s"),
        (json!({ "overlap": "wait" }), 422, "field_invalid", "/overlap"),
        (json!({ "color": 1 }), 422, "field_invalid", "/color"),
        (json!({ "paused": true }), 422, "field_invalid", "/paused"),
        (json!({ "job": [] }), 422, "field_invalid", "/job"),
        (json!({ "job.run_at": "2027-01-15T08:00:00Z" }), 422, "field_invalid", "/job/run_at"),
        (json!({ "job.kind": "no.such" }), 422, "unknown_kind", "/job/kind"),
        (json!({ "job.queue": "nowhere" }), 422, "unknown_queue", "/job/queue"),
        (json!({ "job.priority": 101 }), 422, "field_invalid", "/job/priority"),
        (json!({ "job.max_attempts": 0 }), 422, "field_invalid", "/job/max_attempts"),
        (json!({ "job.tags": ["x".repeat(65)] }), 422, "field_invalid", "/job/tags/0"),
        (json!({ "job.payload": { "sleep_ms": -1 } }), 422, "payload_invalid", "/job/payload/sleep_ms"),
        (json!({ "job.payload": { "sleep_ms": "{{ fire_at }}" } }), 422, "payload_invalid", "/job/payload/sleep_ms"),
        (json!({ "job.payload": { "message": "{{ now }}" } }), 422, "payload_invalid", "/job/payload/message"),
        (json!({ "job.payload": { "message": "x".repeat(1 << 20) } }), 413, "payload_too_large", "/job/payload"),
    ];
    for (changes, status, code, pointer) in cases {
        for path in ["/v1/schedules", "/v1/schedules?dry_run=true"] {
            check_problem(&fixture.post(path, &definition(changes.clone())).await, status, code, Some(pointer));
        }
    }
    let too_often = definition(json!({ "cron": "@every 59s" }));
    let slow = [("x-tenant", SLOW_TENANT)];
    check_problem(&fixture.call("POST", "/v1/schedules", &slow, &too_often).await, 422, "field_invalid", Some("/cron"));
    let often = definition(json!({ "cron": "@every 60s" }));
    assert_eq!(fixture.call("POST", "/v1/schedules", &slow, &often).await.status, 201);
    assert_eq!(fixture.get("/v1/schedules").await.json(), json!({ "schedules": [], "next_page_token": null }), "nothing refused is kept");
}

#[tokio::test]
async fn a_number_in_a_payload_may_be_a_placeholder() {
    let fixture = Fixture::new();
    let made = fixture.post("/v1/schedules", &definition(json!({ "job.payload": { "sleep_ms": "{{ n }}" } }))).await;
    assert_eq!(made.status, 201, "{}", made.json());
    assert_eq!(made.json()["job"]["payload"], json!({ "sleep_ms": "{{ n }}" }), "the template is kept as it was written");
}

#[tokio::test]
async fn every_refused_request_about_schedules_is_a_problem() {
    let fixture = Fixture::new();
    let path = fixture.scheduled("a", "").await;
    fixture.scheduled("b", "").await;
    let unknown = format!("/v1/schedules/{}", ScheduleId::generate());
    let (fires, run, pause) = (format!("{path}/fires"), format!("{path}/run"), format!("{path}/pause"));
    let (other, none): (Headers<'_>, Headers<'_>) = (&[("x-tenant", "other")], &[]);
    let taken = definition(json!({}));
    let seen: Headers<'_> = &[("if-match", "\"x\"")];
    let weak: Headers<'_> = &[("if-match", "W/\"x\", \"y\"")];
    let cases = [
        ("POST", "/v1/schedules", none, taken.as_str(), 409, "schedule_exists", None),
        ("POST", "/v1/schedules?dry_run=true", none, &taken, 409, "schedule_exists", None),
        ("POST", "/v1/schedules?dry_run=yes", none, &taken, 400, "query_invalid", None),
        ("POST", "/v1/schedules?dry", none, &taken, 400, "query_invalid", None),
        ("POST", "/v1/schedules", none, "{", 400, "json_malformed", None),
        ("POST", "/v1/schedules", none, "", 415, "media_type_unsupported", None),
        ("PUT", &path, none, "{}", 405, "method_not_allowed", None),
        ("GET", "/v1/schedules/preview", none, "", 405, "method_not_allowed", None),
        ("GET", "/v1/schedules?status=fired", none, "", 400, "query_invalid", None),
        ("GET", "/v1/schedules?page_size=0", none, "", 400, "query_invalid", None),
        ("GET", "/v1/schedules?page_token=abc", none, "", 400, "page_token_invalid", None),
        ("GET", &unknown, none, "", 404, "schedule_not_found", None),
        ("GET", "/v1/schedules/c", none, "", 404, "schedule_not_found", None),
        ("GET", "/v1/schedules/%ff", none, "", 404, "schedule_not_found", None),
        ("GET", &path, other, "", 404, "schedule_not_found", None),
        ("GET", "/v1/schedules/a", other, "", 404, "schedule_not_found", None),
        ("PATCH", &path, other, r#"{"cron":"@daily"}"#, 404, "schedule_not_found", None),
        ("PATCH", &path, none, r#"{"name":"b"}"#, 409, "schedule_exists", None),
        ("PATCH", "/v1/schedules/a?dry_run=true", none, r#"{"name":"b"}"#, 409, "schedule_exists", None),
        ("PATCH", &path, seen, r#"{"cron":"@daily"}"#, 412, "precondition_failed", None),
        ("PATCH", &path, weak, r#"{"cron":"@daily"}"#, 412, "precondition_failed", None),
        ("PATCH", &path, none, r#"{"cron":null}"#, 422, "field_invalid", Some("/cron")),
        ("PATCH", &path, none, r#"{"name":null}"#, 422, "field_invalid", Some("/name")),
        ("PATCH", &path, none, r#"{"job":null}"#, 422, "field_invalid", Some("/job")),
        ("PATCH", &path, none, r#"{"job":{"kind":null}}"#, 422, "field_invalid", Some("/job/kind")),
        ("PATCH", &path, none, r#"{"job":{"payload":null}}"#, 422, "payload_invalid", Some("/job/payload")),
        ("PATCH", &path, none, r#"{"job":{"delay_s":null}}"#, 422, "field_invalid", Some("/job/delay_s")),
        ("PATCH", &path, none, r#"{"job":{"queue":"nowhere"}}"#, 422, "unknown_queue", Some("/job/queue")),
        ("PATCH", &path, none, r#"{"paused":null}"#, 422, "field_invalid", Some("/paused")),
        ("PATCH", &path, none, r#"{"misfire":{"catch_up":{"max":1}}}"#, 422, "field_invalid", Some("/misfire/catch_up")),
        ("PATCH", &path, none, r#"{"time_zone":"Mars/Olympus"}"#, 422, "field_invalid", Some("/time_zone")),
        ("DELETE", &path, other, "", 404, "schedule_not_found", None),
        ("DELETE", &path, none, r#"{"why":1}"#, 400, "body_not_allowed", None),
        ("GET", &fires, other, "", 404, "schedule_not_found", None),
        ("GET", "/v1/schedules/a/fires?status=late", none, "", 400, "query_invalid", None),
        ("GET", "/v1/schedules/a/fires?page_token=abc", none, "", 400, "page_token_invalid", None),
        ("POST", &run, other, "", 404, "schedule_not_found", None),
        ("POST", &run, none, r#"{"payload":{}}"#, 400, "body_not_allowed", None),
        ("POST", &pause, other, "", 404, "schedule_not_found", None),
        ("POST", "/v1/schedules/c/resume", none, "", 404, "schedule_not_found", None),
        ("POST", "/v1/schedules/preview", none, "{}", 422, "field_invalid", Some("")),
        ("POST", "/v1/schedules/preview", none, r#"{"cron":"* * *"}"#, 422, "field_invalid", Some("/cron")),
        ("POST", "/v1/schedules/preview", none, r#"{"cron":"@daily","time_zone":"X"}"#, 422, "field_invalid", Some("/time_zone")),
        ("POST", "/v1/schedules/preview", none, r#"{"cron":"@daily","count":0}"#, 422, "field_invalid", Some("/count")),
        ("POST", "/v1/schedules/preview", none, r#"{"cron":"@daily","count":101}"#, 422, "field_invalid", Some("/count")),
        ("POST", "/v1/schedules/preview", none, r#"{"cron":"@daily","from":"now"}"#, 422, "field_invalid", Some("/from")),
        ("POST", "/v1/schedules/preview", none, r#"{"cron":"@daily","jitter_s":1}"#, 422, "field_invalid", Some("/jitter_s")),
        (
            "POST",
            "/v1/schedules/preview",
            none,
            r#"{"cron":"@daily","starts_at":"2027-01-02T00:00:00Z","ends_at":"2027-01-01T00:00:00Z"}"#,
            422,
            "field_invalid",
            Some("/ends_at"),
        ),
    ];
    let before = fixture.get("/v1/schedules").await.json();
    for (method, path, headers, body, status, code, pointer) in cases {
        check_problem(&fixture.call(method, path, headers, body).await, status, code, pointer);
    }
    assert_eq!(fixture.get("/v1/schedules").await.json(), before, "nothing refused changes anything");
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_means_the_default() {
    let fixture = Fixture::new();
    let fields = r#","time_zone":"Asia/Tokyo","starts_at":"2027-01-01T00:00:00Z","ends_at":"2028-01-01T00:00:00Z","jitter_s":5,"misfire":{"catch_up":{"max":3,"window_s":60}},"overlap":"skip""#;
    let path = fixture.scheduled("a", fields).await;
    let before = fixture.get(&path).await.json();
    let job = r#"{"job":{"queue":"syncs","priority":5,"max_attempts":2,"tags":["x"]},"cron":"30 2 * * *"}"#;
    let changed = fixture.patch(&path, job).await.json();
    let expected_job = json!({
        "kind": "echo", "payload": before["job"]["payload"], "queue": "syncs", "priority": 5, "max_attempts": 2, "tags": ["x"],
    });
    assert_eq!((&changed["job"], &changed["cron"], &changed["version"]), (&expected_job, &json!("30 2 * * *"), &json!(2)));
    assert_eq!(changed["next_fire_at"], "2027-01-15T17:30:00.000Z", "it acts at once, on the clock of Tokyo");
    for name in ["id", "name", "time_zone", "starts_at", "ends_at", "jitter_s", "misfire", "overlap", "created_at"] {
        assert_eq!(changed[name], before[name], "{name}");
    }
    assert_eq!(fixture.patch(&path, "{}").await.json(), changed, "an empty patch tells how it stands");

    let nulls = r#"{"time_zone":null,"starts_at":null,"ends_at":null,"jitter_s":null,"misfire":null,"overlap":null,
        "job":{"payload":{"message":"b"},"queue":null,"priority":null,"max_attempts":null,"tags":null}}"#;
    let plain = fixture.patch("/v1/schedules/a", nulls).await.json();
    let expected_job =
        json!({ "kind": "echo", "payload": {"message": "b"}, "queue": null, "priority": null, "max_attempts": null, "tags": [] });
    assert_eq!(plain["job"], expected_job);
    let defaults = ["time_zone", "starts_at", "ends_at", "jitter_s", "misfire", "overlap"].map(|name| plain[name].clone());
    assert_eq!(json!(defaults), json!(["UTC", null, null, 0, "fire_once", "allow"]));

    let tried = fixture.patch("/v1/schedules/a?dry_run=true", r#"{"name":"c","cron":"@daily"}"#).await.json();
    assert_eq!((&tried["name"], &tried["next_fire_at"]), (&json!("c"), &json!("2027-01-16T00:00:00.000Z")));
    assert_eq!(fixture.get(&path).await.json(), plain, "a trial writes nothing");
    assert_eq!(fixture.patch(&path, r#"{"name":"c"}"#).await.json()["name"], "c");
    assert_eq!(fixture.get("/v1/schedules/a").await.status, 404);
}

#[tokio::test]
async fn a_trial_of_a_new_schedule_writes_nothing() {
    let fixture = Fixture::new();
    let tried = fixture.post("/v1/schedules?dry_run=true", &definition(json!({}))).await;
    assert_eq!((tried.status.as_u16(), &tried.json()["next_fire_at"]), (200, &json!("2027-01-15T09:00:00.000Z")));
    assert_eq!(fixture.get("/v1/schedules/a").await.status, 404);
}

#[tokio::test]
async fn an_edit_of_somebody_else_is_never_lost() {
    let fixture = Fixture::new();
    let path = fixture.scheduled("a", "").await;
    let standing = fixture.get(&path).await;
    let meddle = || {
        let theirs = definition(json!({ "jitter_s": 7 }));
        fixture.ledger.meddle(Edit::Define(Box::new(serde_json::from_str(&theirs).expect("a definition"))));
    };
    meddle();
    let merged = fixture.patch(&path, r#"{"cron":"@daily"}"#).await.json();
    assert_eq!((&merged["jitter_s"], &merged["cron"], &merged["version"]), (&json!(7), &json!("@daily"), &json!(3)));

    let etag = fixture.get(&path).await.header("etag").to_owned();
    meddle();
    let refused = fixture.call("PATCH", &path, &[("if-match", &etag)], r#"{"cron":"@weekly"}"#).await;
    check_problem(&refused, 412, "precondition_failed", None);
    check_problem(
        &fixture.call("PATCH", &path, &[("if-match", standing.header("etag"))], r#"{"cron":"@weekly"}"#).await,
        412,
        "precondition_failed",
        None,
    );
    for tag in [fixture.get(&path).await.header("etag"), "*"] {
        let changed = fixture.call("PATCH", &path, &[("if-match", tag)], r#"{"overlap":"skip"}"#).await;
        assert_eq!(changed.status, 200, "{}", changed.json());
    }
}

#[tokio::test]
async fn a_fire_changes_the_tag_and_stands_in_no_edits_way() {
    let fixture = Fixture::new();
    let path = fixture.scheduled("a", "").await;
    let etag = fixture.get(&path).await.header("etag").to_owned();
    fixture.clock.advance_ms(HOUR_MS);
    fire(&fixture).await;
    let read = fixture.call("GET", &path, &[("if-none-match", &etag)], "").await;
    assert_eq!((read.status.as_u16(), &read.json()["jobs_made"]), (200, &json!(1)));
    assert_eq!(fixture.call("PATCH", &path, &[("if-match", &etag)], r#"{"jitter_s":1}"#).await.status, 200);
    // A schedule that was made anew under the name is not what was seen, whatever its version.
    assert_eq!(fixture.call("DELETE", &path, &[], "").await.status, 204);
    fixture.scheduled("a", "").await;
    let refused = fixture.call("PATCH", "/v1/schedules/a", &[("if-match", &etag)], r#"{"jitter_s":1}"#).await;
    check_problem(&refused, 412, "precondition_failed", None);
}

#[tokio::test]
async fn pages_cover_the_schedules_by_name_and_the_fires_from_the_latest() {
    let fixture = Fixture::new();
    for name in ["c", "a", "e", "b", "d"] {
        fixture.scheduled(name, "").await;
    }
    let names = walk(&fixture, "/v1/schedules?page_size=2", "schedules", "name").await;
    assert_eq!(names, ["a", "b", "c", "d", "e"]);

    for _ in 0..3 {
        fixture.clock.advance_ms(HOUR_MS);
        fire(&fixture).await;
    }
    assert_eq!(fixture.post("/v1/schedules/a/run", "").await.status, 202);
    let fires = walk(&fixture, "/v1/schedules/a/fires?page_size=1", "fires", "fire_at").await;
    let expected = ["2027-01-15T11:00:00.001Z", "2027-01-15T11:00:00.000Z", "2027-01-15T10:00:00.000Z", "2027-01-15T09:00:00.000Z"];
    assert_eq!(fires, expected);
    assert_eq!(walk(&fixture, "/v1/schedules/a/fires?status=fired&page_size=3", "fires", "fire_at").await, expected);
    assert!(walk(&fixture, "/v1/schedules/a/fires?status=missed", "fires", "fire_at").await.is_empty());

    let token = fixture.get("/v1/schedules/a/fires?page_size=1").await.json()["next_page_token"].as_str().expect("a token").to_owned();
    for other in ["/v1/schedules/b/fires?", "/v1/schedules/a/fires?status=fired&", "/v1/schedules?", "/v1/jobs?"] {
        check_problem(&fixture.get(&format!("{other}page_token={token}")).await, 400, "page_token_invalid", None);
    }
}

/// What this field has on all pages of a list, which are followed by their links.
async fn walk(fixture: &Fixture, path: &str, list: &str, field: &str) -> Vec<String> {
    let (mut seen, mut path) = (Vec::new(), path.to_owned());
    loop {
        let answer = fixture.get(&path).await;
        let page = answer.json();
        seen.extend(page[list].as_array().expect("a list").iter().map(|entry| entry[field].as_str().expect("text").to_owned()));
        let link = answer.header("link");
        let Some(token) = page["next_page_token"].as_str() else {
            assert_eq!(link, "", "the last page links nowhere");
            return seen;
        };
        let next = link.strip_prefix("<https://jobs.example.com").and_then(|link| link.strip_suffix(">; rel=\"next\""));
        path = next.expect("an absolute link").to_owned();
        assert!(path.contains(token), "{path}");
    }
}

#[tokio::test]
async fn an_array_is_no_object() {
    let fixture = Fixture::new();
    let path = fixture.scheduled("a", "").await;
    let fields = r#"["b","@daily","UTC",null,null,{"kind":"echo","payload":{}},0,"skip","allow"]"#;
    check_problem(&fixture.post("/v1/schedules", fields).await, 422, "field_invalid", Some(""));
    check_problem(&fixture.patch(&path, r#"["b"]"#).await, 422, "field_invalid", Some(""));
    check_problem(&fixture.patch(&path, r#"{"job":["echo"]}"#).await, 422, "field_invalid", Some("/job"));
    check_problem(&fixture.post("/v1/jobs", r#"["echo",{}]"#).await, 422, "field_invalid", Some(""));
    assert_eq!(fixture.get(&path).await.json()["name"], "a");
}

#[tokio::test]
async fn a_page_of_large_schedules_is_short_and_tells_of_the_next() {
    let fixture = Fixture::new();
    for number in 100..242 {
        let payload = json!({ "message": "x".repeat(60_000) });
        let made = fixture.post("/v1/schedules", &definition(json!({ "name": format!("s{number}"), "job.payload": payload }))).await;
        assert_eq!(made.status, 201);
    }
    let first = fixture.get("/v1/schedules?page_size=1000").await.json();
    // 139 of them are less than 8 MiB, so one more comes too.
    assert_eq!(first["schedules"].as_array().map(Vec::len), Some(140));
    let token = first["next_page_token"].as_str().expect("a token");
    let second = fixture.get(&format!("/v1/schedules?page_token={token}")).await.json();
    assert_eq!((&second["schedules"][0]["name"], &second["next_page_token"]), (&json!("s240"), &Value::Null));
}

#[tokio::test]
async fn a_fire_and_its_job_name_each_other() {
    let fixture = Fixture::new();
    let path = fixture.scheduled("a", "").await;
    fixture.clock.advance_ms(HOUR_MS + 250);
    fire(&fixture).await;
    let fires = fixture.get(&format!("{path}/fires")).await.json();
    let job = fires["fires"][0]["job_id"].as_str().expect("a job").to_owned();
    let expected = json!({ "fires": [{
        "fire_at": "2027-01-15T09:00:00.000Z", "status": "fired", "manual": false, "reason": null, "message": null, "job_id": job, "n": 1,
        "decided_at": "2027-01-15T09:00:00.250Z", "late_ms": 250,
    }], "next_page_token": null });
    assert_eq!(fires, expected);
    let payload = fixture.get(&format!("/v1/jobs/{job}")).await.json()["payload"].clone();
    assert_eq!(payload, json!({ "message": "1 at 2027-01-15T09:00:00.000Z" }));
    let schedule = fixture.get(&path).await.json();
    assert_eq!(
        (&schedule["last_fire_at"], &schedule["next_fire_at"]),
        (&json!("2027-01-15T09:00:00.000Z"), &json!("2027-01-15T10:00:00.000Z"))
    );
}

#[tokio::test]
async fn a_schedule_is_fired_by_hand_even_while_it_is_paused() {
    let fixture = Fixture::new();
    let path = fixture.scheduled("a", "").await;
    fixture.post(&format!("{path}/pause"), "").await;
    let run = fixture.post(&format!("{path}/run"), "{}").await;
    let fire = run.json();
    assert_eq!((run.status.as_u16(), &fire["manual"], &fire["status"], &fire["n"]), (202, &json!(true), &json!("fired"), &json!(1)));
    let job = run.header("location").strip_prefix("https://jobs.example.com").expect("an absolute location").to_owned();
    assert_eq!(job, format!("/v1/jobs/{}", fire["job_id"].as_str().expect("a job")));
    assert_eq!(fixture.get(&job).await.json()["payload"]["message"], format!("1 at {}", fire["fire_at"].as_str().expect("an instant")));
    assert_eq!(fixture.get(&path).await.json()["jobs_made"], 1);
    assert!(job.trim_start_matches("/v1/jobs/").parse::<JobId>().is_ok());
}

#[tokio::test]
async fn a_pause_expects_nothing_and_a_resumed_schedule_begins_anew() {
    let fixture = Fixture::new();
    let path = fixture.scheduled("a", "").await;
    let call = async |verb: &str| fixture.post(&format!("{path}/{verb}"), "").await;
    let paused = call("pause").await.json();
    assert_eq!((&paused["paused"], &paused["next_fire_at"], &paused["version"]), (&json!(true), &Value::Null, &json!(2)));
    assert_eq!(call("pause").await.json(), paused, "what is paused stays as it is");
    fixture.clock.advance_ms(3 * HOUR_MS);
    fire(&fixture).await;
    let resumed = call("resume").await.json();
    assert_eq!((&resumed["paused"], &resumed["next_fire_at"]), (&json!(false), &json!("2027-01-15T12:00:00.000Z")));
    assert_eq!(call("resume").await.json(), resumed);
    assert_eq!(fixture.get(&format!("{path}/fires")).await.json()["fires"], json!([]), "a pause expects no fires");
}

#[tokio::test]
async fn a_preview_tells_the_next_fires_on_both_clocks() {
    let fixture = Fixture::new();
    let preview = async |body: Value| {
        let answer = fixture.post("/v1/schedules/preview", &body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    };
    let instants = |preview: &Value| preview["fires"].as_array().expect("fires").iter().map(|fire| fire["utc"].clone()).collect::<Vec<_>>();

    let berlin =
        preview(json!({ "cron": "0 8 * * *", "time_zone": "Europe/Berlin", "from": "2027-03-27T12:00:00+01:00", "count": 2 })).await;
    let expected = json!([
        { "utc": "2027-03-28T06:00:00.000Z", "local": "2027-03-28T08:00:00.000+02:00" },
        { "utc": "2027-03-29T06:00:00.000Z", "local": "2027-03-29T08:00:00.000+02:00" },
    ]);
    assert_eq!(berlin["fires"], expected);
    assert!(berlin["sentence"].as_str().is_some_and(|sentence| sentence.contains("Berlin")), "{berlin}");

    let now = preview(json!({ "cron": "@hourly" })).await;
    assert_eq!((instants(&now).len(), &instants(&now)[0]), (5, &json!("2027-01-15T09:00:00.000Z")), "what comes after now");
    let every = preview(json!({ "cron": "@every 90m", "count": 1 })).await;
    assert_eq!(instants(&every), [json!(Timestamp::from_ms(START_MS + 90 * 60_000))], "counted from now");
    let anchored = json!({ "cron": "@every 90m", "starts_at": "2027-01-15T00:00:00Z", "from": "2027-01-15T07:30:00Z", "count": 1 });
    assert_eq!(instants(&preview(anchored).await), [json!("2027-01-15T09:00:00.000Z")], "counted from its beginning");
    let bounded = json!({ "cron": "@daily", "starts_at": "2027-02-01T00:00:00Z", "ends_at": "2027-02-02T00:00:00Z" });
    assert_eq!(instants(&preview(bounded).await), [json!("2027-02-01T00:00:00.000Z"), json!("2027-02-02T00:00:00.000Z")]);
    assert_eq!(preview(json!({ "cron": "@monthly", "count": 100 })).await["fires"].as_array().map(Vec::len), Some(100));
}
