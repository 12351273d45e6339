//! Syncs over a ledger in memory: what is taken, what is refused and where, and what jobs are refused for that name one. What runs do is in
//! `tests/it/sync_run/`, what previews show in `tests/it/syncs/`.

use axum::http::StatusCode;
use serde_json::{Value, json};
use windrow_jobs::{
    ledger::{Records, Syncs},
    sync::{
        SYNCS_MAX,
        definition::{Conflict, Delete},
        state::{Begin, Begun, Ending, Fence, Incoming, Page, Policy, Progress},
        store::{NewRecord, hash_of},
    },
    tenant::TenantId,
};

use super::fixture::{Answer, Fault, Fixture, id_of};

const PATH: &str = "/v1/syncs/contacts";
/// What somebody has to decide after [`with_conflict`].
pub(super) const CONFLICT: &str = "/v1/syncs/contacts/conflicts/a%2Fb%20%C3%BC";

/// From a provider into records.
pub(super) fn contacts() -> Value {
    json!({
        "source": { "http": { "connection": "crm", "list": { "path": "contacts" }, "records": "/contacts", "key": "/id" } },
        "mapping": [{ "to": "email", "from": "/email" }, { "to": "name", "expression": "record.first ~ ' ' ~ record.last" }],
        "destination": { "records": { "collection": "contacts", "lookup": ["email"] } },
        "conflict": "manual"
    })
}

async fn put(fixture: &Fixture, path: &str, body: &Value) -> Answer {
    fixture.call("PUT", path, &[], &body.to_string()).await
}

#[tokio::test]
async fn every_verb_answers_as_the_document_says() {
    let fixture = Fixture::new();
    let made = put(&fixture, PATH, &contacts()).await;
    assert_eq!(
        (made.status, made.header("location")),
        (StatusCode::CREATED, "https://jobs.example.com/v1/syncs/contacts"),
        "{}",
        made.json()
    );
    let told = made.json();
    assert_eq!(
        (&told["version"], &told["last_run"], &told["since"], &told["preset"]),
        (&json!(1), &Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(told["warnings"], json!([{ "pointer": "/source/http/connection", "message": "the tenant has no connection \"crm\" yet" }]));
    assert_eq!(told["definition"]["mapping"], contacts()["mapping"]);

    let connection = r#"{"name":"crm","provider":"http","config":{"url":"https://crm.example.com/"}}"#;
    assert_eq!(fixture.post("/v1/connections", connection).await.status, 201);
    let same = put(&fixture, PATH, &contacts()).await;
    assert_eq!((same.status, &same.json()["version"], &same.json()["warnings"]), (StatusCode::OK, &json!(1), &json!([])));
    let tag = same.header("etag").to_owned();
    let known = fixture.call("GET", PATH, &[("if-none-match", &tag)], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);

    let mut other = contacts();
    other["description"] = json!("people");
    let changed = fixture.call("PUT", PATH, &[("if-match", &tag)], &other.to_string()).await;
    assert_eq!((changed.status, &changed.json()["version"]), (StatusCode::OK, &json!(2)), "{}", changed.json());
    let late = fixture.call("PUT", PATH, &[("if-match", &tag)], &contacts().to_string()).await;
    assert_eq!(late.json()["code"], "precondition_failed");
    let absent = fixture.call("PUT", "/v1/syncs/new", &[("if-match", "*")], &contacts().to_string()).await;
    assert_eq!(absent.json()["code"], "precondition_failed");
    let mut elsewhere = contacts();
    elsewhere["destination"] = json!({ "records": { "collection": "people" } });
    let refused = put(&fixture, PATH, &elsewhere).await;
    assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::CONFLICT, &json!("sync_elsewhere")));

    for path in [PATH, "/v1/syncs/nobody"] {
        let late = fixture.call("DELETE", path, &[("if-match", &tag)], "").await;
        assert_eq!(late.status, StatusCode::PRECONDITION_FAILED, "{path}");
    }
    let tag = changed.header("etag").to_owned();
    assert_eq!(fixture.call("DELETE", PATH, &[("if-match", &tag)], "").await.status, StatusCode::NO_CONTENT);
    let below = ["", "/runs", "/conflicts"];
    for gone in below {
        assert_eq!(fixture.get(&format!("{PATH}{gone}")).await.json()["code"], "sync_not_found", "{gone}");
    }
    assert_eq!(fixture.call("DELETE", PATH, &[], "").await.json()["code"], "sync_not_found");
    assert_eq!(fixture.post(&format!("{PATH}/preview"), "").await.json()["code"], "sync_not_found");
    for path in ["/v1/syncs/Contacts", "/v1/syncs/a%00b", "/v1/syncs/a%2Fb"] {
        assert_eq!(put(&fixture, path, &contacts()).await.json()["code"], "sync_not_found", "{path}");
    }
    fixture.ledger.fail(Fault::Unavailable);
    assert_eq!(put(&fixture, PATH, &contacts()).await.json()["code"], "ledger_unavailable");
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_its_place() {
    let fixture = Fixture::new();
    let with = |pointer: &str, value: Value| {
        let mut body = contacts();
        *body.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = value;
        body
    };
    let cases = [
        (json!({}), ""),
        (with("/source/http/list/path", json!("../x")), "/source/http/list/path"),
        (with("/source/http/key", json!("id")), "/source/http/key"),
        (with("/mapping/1/expression", json!("record.first ~")), "/mapping/1/expression"),
        (with("/mapping/1/expression", json!("contact.first")), "/mapping/1/expression"),
        (with("/mapping/1/expression", json!("record.first | nope")), "/mapping/1/expression"),
        (with("/mapping/1/to", json!("email")), "/mapping/1/to"),
        (with("/conflict", json!("newest")), "/conflict"),
        (with("/conflict", json!("both")), "/conflict"),
        (json!({ "parameters": {} }), "/parameters"),
        (json!({ "preset": 7 }), "/preset"),
        (json!({ "preset": "nobody", "parameters": {} }), "/preset"),
        (json!({ "preset": "nobody", "parameters": 7 }), "/parameters"),
    ];
    for (body, pointer) in cases {
        for (method, path) in [("PUT", PATH.to_owned()), ("POST", format!("{PATH}/preview"))] {
            if method == "POST" && body == json!({}) {
                continue;
            }
            let refused = fixture.call(method, &path, &[], &body.to_string()).await;
            assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (422, &json!("field_invalid")), "{body}: {}", refused.json());
            assert_eq!(refused.json()["pointer"], pointer, "{}", refused.json());
        }
    }
    assert_eq!(fixture.call("PUT", PATH, &[], "[]").await.json()["code"], "field_invalid");
    assert_eq!(fixture.call("PUT", PATH, &[], "{").await.json()["code"], "json_malformed");
    let large = with("/source/http/list", json!({ "path": "contacts", "query": { "q": "x".repeat(70_000) } }));
    assert_eq!(put(&fixture, PATH, &large).await.json()["pointer"], "");
}

#[tokio::test]
async fn syncs_are_listed_in_pages_and_have_an_end() {
    let fixture = Fixture::new();
    for name in ["b", "c", "a"] {
        assert_eq!(put(&fixture, &format!("/v1/syncs/{name}"), &contacts()).await.status, 201);
    }
    let first = fixture.get("/v1/syncs?page_size=2").await;
    let token = first.json()["next_page_token"].as_str().expect("a token").to_owned();
    assert!(first.header("link").contains("rel=\"next\""));
    assert_eq!((&first.json()["syncs"][0]["name"], &first.json()["syncs"][0]["last_run"]), (&json!("a"), &json!(0)));
    let rest = fixture.get(&format!("/v1/syncs?page_size=2&page_token={token}")).await.json();
    assert_eq!((&rest["syncs"][0]["name"], &rest["next_page_token"]), (&json!("c"), &Value::Null), "{rest}");
    let foreign = fixture.get(&format!("/v1/syncs/a/runs?page_token={token}")).await;
    assert_eq!(foreign.json()["code"], "page_token_invalid");
    for more in 3..SYNCS_MAX {
        assert_eq!(put(&fixture, &format!("/v1/syncs/n{more}"), &contacts()).await.status, 201);
    }
    assert_eq!(put(&fixture, "/v1/syncs/one-too-many", &contacts()).await.json()["code"], "syncs_too_many");
    let all = fixture.get("/v1/syncs?page_size=1000").await.json();
    assert_eq!((all["syncs"].as_array().map(Vec::len), &all["next_page_token"]), (Some(SYNCS_MAX), &Value::Null));
}

#[tokio::test]
async fn a_job_of_a_sync_that_is_not_there_is_refused() {
    let fixture = Fixture::new();
    assert_eq!(put(&fixture, PATH, &contacts()).await.status, 201);
    let job = |sync: &str| json!({ "kind": "sync.preview", "payload": { "sync": sync } });
    let taken = fixture.post("/v1/jobs", &job("contacts").to_string()).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.json());
    for name in ["nobody", "Contacts", "a\0b"] {
        let refused = fixture.post("/v1/jobs", &job(name).to_string()).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (422, &json!("payload_invalid")), "{}", refused.json());
        assert_eq!(refused.json()["pointer"], "/payload/sync");
    }
    let schedule = json!({ "name": "hourly", "cron": "@hourly", "job": job("nobody") });
    assert_eq!(fixture.post("/v1/schedules", &schedule.to_string()).await.json()["pointer"], "/job/payload/sync");
    let other = fixture.call("POST", "/v1/jobs", &[("x-tenant", "other")], &job("contacts").to_string()).await;
    assert_eq!(other.json()["pointer"], "/payload/sync", "another tenant's is not there");
    let wrong = json!({ "kind": "sync.preview", "payload": { "definition": { "source": {}, "destination": {} } } });
    assert_eq!(fixture.post("/v1/jobs", &wrong.to_string()).await.json()["pointer"], "/payload/definition/source");
    let neither = json!({ "kind": "sync.preview", "payload": {} });
    assert_eq!(fixture.post("/v1/jobs", &neither.to_string()).await.json()["pointer"], "/payload");
}

#[tokio::test]
async fn a_preview_is_a_job_of_what_was_saved_or_is_tried() {
    let fixture = Fixture::new();
    let tried = fixture.post(&format!("{PATH}/preview"), &contacts().to_string()).await;
    assert_eq!(tried.status, StatusCode::ACCEPTED, "{}", tried.json());
    assert_eq!((&tried.json()["kind"], &tried.json()["payload"]["definition"]["conflict"]), (&json!("sync.preview"), &json!("manual")));
    assert_eq!(put(&fixture, PATH, &contacts()).await.status, 201);
    for body in ["", "{}"] {
        let saved = fixture.post(&format!("{PATH}/preview"), body).await;
        assert_eq!((saved.status, &saved.json()["payload"]), (StatusCode::ACCEPTED, &json!({ "sync": "contacts" })), "{body:?}");
    }
}

/// A page of a run of the sync, whose source says this of the record.
fn said(fence: &Fence, email: &str) -> Page {
    let data = json!({ "email": email }).to_string();
    let incoming = Incoming { key: "a/b ü".into(), hash: hash_of(&data), data, updated_at: None, is_deleted: false };
    let policy = Policy { delete: Delete::Soft, conflict: Conflict::Manual };
    let progress = Progress { from: None, place: "1".into(), pages: 1, read: 1, bytes: 10 };
    Page { fence: fence.clone(), collection: "contacts".into(), policy, incoming: vec![incoming], failed: vec![], progress }
}

async fn run_of(fixture: &Fixture, tenant: &TenantId) -> Fence {
    let job = fixture.submitted("").await;
    let (id, running) = (id_of(&job), fixture.claim(&job).await);
    assert_eq!(running.attempt, 1, "the job runs");
    let begin = Begin { tenant: tenant.clone(), name: "contacts".into(), job: id, attempt: 1, full: false, dry_run: false };
    let Begun::Run(sync, run) = fixture.ledger.model.begin_run(begin).await.expect("a ledger") else { panic!("it begins") };
    Fence { sync: sync.id, tenant: tenant.clone(), number: run.number, job: id, attempt: 1 }
}

/// The second run under way, and what its source and the tenant say of a record each: a conflict.
pub(super) async fn with_conflict(fixture: &Fixture) -> Value {
    assert_eq!(put(fixture, PATH, &contacts()).await.status, 201);
    let tenant: TenantId = "default".parse().expect("a tenant");
    let ledger = &fixture.ledger.model;
    let first = run_of(fixture, &tenant).await;
    ledger.write_page(said(&first, "one@example.com")).await.expect("written").expect("it runs");
    assert!(ledger.end_run(&first, Ending { error: None, since: None }).await.expect("a ledger"), "it ends");
    let data = r#"{"email":"own@example.com"}"#.into();
    let own = NewRecord { tenant: tenant.clone(), collection: "contacts".into(), key: "a/b ü".into(), data, seen: None };
    ledger.keep_record(own).await.expect("kept");
    let second = run_of(fixture, &tenant).await;
    ledger.write_page(said(&second, "two@example.com")).await.expect("written").expect("it runs");
    fixture.get(&format!("{PATH}/conflicts")).await.json()
}

#[tokio::test]
async fn runs_and_conflicts_are_told_and_decided() {
    let fixture = Fixture::new();
    let conflicts = with_conflict(&fixture).await;
    let conflict = &conflicts["conflicts"][0];
    assert_eq!((&conflict["key"], &conflict["run"]), (&json!("a/b ü"), &json!(2)), "{conflicts}");
    assert_eq!(
        (&conflict["source"]["email"], &conflict["destination"]["data"]["email"]),
        (&json!("two@example.com"), &json!("own@example.com"))
    );

    let runs = fixture.get(&format!("{PATH}/runs")).await.json();
    let run = &runs["runs"][0];
    assert_eq!(
        (&run["state"], &run["counts"]["created"], &run["counts"]["conflicts"]),
        (&json!("running"), &json!(0), &json!(1)),
        "{runs}"
    );
    assert_eq!(fixture.get(PATH).await.json()["last_run"], *run);

    let path = CONFLICT.to_owned();
    for (path, body, code) in [
        (format!("{PATH}/conflicts/nobody"), r#"{"keep":"source"}"#, "conflict_not_found"),
        (format!("{PATH}/conflicts/a%00b"), r#"{"keep":"source"}"#, "conflict_not_found"),
        ("/v1/syncs/nobody/conflicts/a".into(), r#"{"keep":"source"}"#, "sync_not_found"),
        (path.clone(), r#"{"keep":"both"}"#, "field_invalid"),
        (path.clone(), "{}", "field_invalid"),
    ] {
        assert_eq!(fixture.post(&path, body).await.json()["code"], code, "{path} {body}");
    }
    let stranger = fixture.call("POST", &path, &[("x-tenant", "other")], r#"{"keep":"source"}"#).await;
    assert_eq!(stranger.json()["code"], "sync_not_found");
    assert_eq!(fixture.post(&path, r#"{"keep":"source"}"#).await.status, StatusCode::NO_CONTENT);
    assert_eq!(fixture.post(&path, r#"{"keep":"source"}"#).await.json()["code"], "conflict_not_found");
    assert_eq!(fixture.get(&format!("{PATH}/conflicts")).await.json()["conflicts"], json!([]));
    let tenant: TenantId = "default".parse().expect("a tenant");
    let record = fixture.ledger.model.record(&tenant, "contacts", "a/b ü").await.expect("a ledger").expect("a record");
    assert_eq!(record.data.get(), r#"{"email":"two@example.com"}"#);
}
