//! Records over a ledger in memory: written, looked at, found, deleted, by whom they belong to.

use axum::http::StatusCode;
use serde_json::{Value, json};
use windrow_jobs::{
    ledger::{Syncs, Upkeep},
    sync::{
        Definition, RECORD_BYTES_MAX, SyncId,
        state::{Kept, NewSync},
    },
    tenant::TenantId,
};

use super::fixture::{Answer, Fault, Fixture};

const ANA: &str = r#"{"name":"Ana","email":"ana@example.com"}"#;

async fn put(fixture: &Fixture, path: &str, body: &str) -> Answer {
    fixture.call("PUT", &format!("/v1/records/{path}"), &[], body).await
}

async fn get(fixture: &Fixture, path: &str) -> Answer {
    fixture.get(&format!("/v1/records{path}")).await
}

fn keys(page: &Value) -> Vec<&str> {
    page["records"].as_array().expect("records").iter().map(|record| record["key"].as_str().expect("a key")).collect()
}

/// Keeps a sync into `people` that says these look-up fields.
async fn look_up(fixture: &Fixture, lookup: &[&str]) {
    let source = json!({ "http": { "connection": "crm", "list": {}, "key": "/id" } });
    let definition = json!({ "source": source, "destination": { "records": { "collection": "people", "lookup": lookup } } });
    let definition: Definition = serde_json::from_value(definition).expect("a definition");
    let (id, tenant) = (SyncId::generate(), TenantId::default_tenant());
    let new = NewSync { id, tenant, name: "people".into(), preset: None, definition, seen: None };
    assert!(matches!(fixture.ledger.model.keep_sync(new).await.expect("kept"), Kept::Created(_) | Kept::Changed(_)));
}

#[tokio::test]
async fn every_verb_answers_as_the_document_says() {
    let fixture = Fixture::new();
    let made = put(&fixture, "people/ana", ANA).await;
    assert_eq!((made.status, made.header("location")), (StatusCode::CREATED, "https://jobs.example.com/v1/records/people/ana"));
    let told = made.json();
    assert_eq!((&told["version"], &told["sync_id"], &told["deleted_at"]), (&json!(1), &Value::Null, &Value::Null));
    assert_eq!(told["data"], json!({ "name": "Ana", "email": "ana@example.com" }));
    let tag = made.header("etag").to_owned();
    let same = put(&fixture, "people/ana", r#"{ "email": "ana@example.com", "name": "Ana" }"#).await;
    assert_eq!((same.status, same.header("etag")), (StatusCode::OK, tag.as_str()));
    let known = fixture.call("GET", "/v1/records/people/ana", &[("if-none-match", &tag)], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    let path = "/v1/records/people/ana";
    let changed = fixture.call("PUT", path, &[("if-match", &tag)], r#"{"name":"Anna"}"#).await;
    assert_eq!((changed.status, &changed.json()["version"]), (StatusCode::OK, &json!(2)));
    for (method, body) in [("PUT", "{}"), ("DELETE", "")] {
        let late = fixture.call(method, path, &[("if-match", &tag)], body).await;
        assert_eq!((late.status, &late.json()["code"]), (StatusCode::PRECONDITION_FAILED, &json!("precondition_failed")), "{method}");
        let absent = fixture.call(method, "/v1/records/people/none", &[("if-match", "*")], body).await;
        assert_eq!(absent.json()["code"], "precondition_failed", "{method}");
    }
    let tag = changed.header("etag").to_owned();
    assert_eq!(fixture.call("DELETE", path, &[("if-match", &tag)], "").await.status, StatusCode::NO_CONTENT);
    for gone in [fixture.call("DELETE", path, &[], "").await, fixture.get(path).await] {
        assert_eq!((gone.status, &gone.json()["code"]), (StatusCode::NOT_FOUND, &json!("record_not_found")));
    }
    assert_eq!(put(&fixture, "people/ana", ANA).await.json()["version"], 3, "no version is given twice");
    fixture.ledger.fail(Fault::Unavailable);
    assert_eq!(put(&fixture, "people/ana", ANA).await.json()["code"], "ledger_unavailable");
    assert_eq!(get(&fixture, "/people").await.json()["code"], "ledger_unavailable");
}

#[tokio::test]
async fn a_key_may_be_nearly_anything() {
    let fixture = Fixture::new();
    for (path, key) in [("a%2Fb", "a/b"), ("a%20b%3F%23", "a b?#"), ("%25", "%"), ("%C3%A4", "ä"), ("..%2F..", "../.."), ("%2e%2e", "..")]
    {
        let made = put(&fixture, &format!("people/{path}"), ANA).await;
        assert_eq!((made.status, &made.json()["key"]), (StatusCode::CREATED, &json!(key)), "{path}");
        let location = made.header("location").strip_prefix("https://jobs.example.com").expect("our URL").to_owned();
        assert_eq!(fixture.get(&location).await.json()["key"], key, "{location}");
    }
    let long = "k".repeat(512);
    assert_eq!(put(&fixture, &format!("people/{long}"), ANA).await.status, StatusCode::CREATED);
    let nobody =
        [format!("people/{long}k"), "people/a%00b".into(), "people/a%0Ab".into(), "people/%FF".into(), "People/a".into(), "a%20b/c".into()];
    for path in nobody {
        let refused = put(&fixture, &path, ANA).await;
        assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::NOT_FOUND, &json!("record_not_found")), "{path}");
    }
    assert_eq!(get(&fixture, "/People").await.json()["code"], "record_not_found");
}

#[tokio::test]
async fn a_record_is_an_object_of_a_bounded_size() {
    let fixture = Fixture::new();
    for body in ["[]", "1", "null", "\"text\""] {
        let refused = put(&fixture, "people/ana", body).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (422, &json!("field_invalid")), "{body}");
    }
    assert_eq!(put(&fixture, "people/ana", "{").await.json()["code"], "json_malformed");
    let room = usize::try_from(RECORD_BYTES_MAX).expect("it fits") - r#"{"a":""}"#.len();
    let largest = format!(r#"{{ "a": "{}" }}"#, "x".repeat(room));
    assert_eq!(put(&fixture, "people/ana", &largest).await.status, StatusCode::CREATED, "spaces do not count");
    let refused = put(&fixture, "people/ana", &largest.replacen('x', "xx", 1)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (413, &json!("body_too_large")));
    for _ in 0..2 {
        let many = (0..60).map(|number| (number, largest.clone()));
        for (number, body) in many {
            put(&fixture, &format!("large/{number:02}"), &body).await;
        }
    }
    let page = get(&fixture, "/large?page_size=60").await.json();
    assert_eq!(keys(&page).len(), 32, "a page ends after 8 MiB");
    let token = page["next_page_token"].as_str().expect("a token");
    let rest = get(&fixture, &format!("/large?page_size=60&page_token={token}")).await.json();
    assert_eq!((keys(&rest).len(), &rest["next_page_token"]), (28, &Value::Null));
}

#[tokio::test]
async fn records_are_listed_and_found_in_pages() {
    let fixture = Fixture::new();
    for key in ["d", "a", "c", "b", "e"] {
        put(&fixture, &format!("people/{key}"), &json!({ "email": if key < "d" { "x@y" } else { "z" }, "n": 7 }).to_string()).await;
    }
    put(&fixture, "places/a", "{}").await;
    let mut path = "/people?page_size=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = get(&fixture, &path).await;
        let page = answer.json();
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        let Some(token) = page["next_page_token"].as_str() else { break };
        assert!(answer.header("link").contains(&format!("<https://jobs.example.com/v1/records/people?page_size=2&page_token={token}>")));
        path = format!("/people?page_size=2&page_token={token}");
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    assert_eq!(get(&fixture, &path.replace("people", "places")).await.json()["code"], "page_token_invalid", "another list's");
    assert_eq!(get(&fixture, "/people?field=email&value=x@y").await.json()["code"], "query_invalid", "no look-up field");
    look_up(&fixture, &["email", "n"]).await;
    assert_eq!(get(&fixture, "/people?field=email&value=x@y").await.json()["code"], "lookup_indexing");
    while fixture.ledger.model.index_records(10).await.expect("indexed") > 0 {}
    let found = get(&fixture, "/people?field=email&value=x%40y&page_size=2").await;
    assert_eq!(keys(&found.json()), ["a", "b"]);
    assert!(found.header("link").contains("field=email&value=x%40y"), "{}", found.header("link"));
    let token = found.json()["next_page_token"].as_str().expect("a token").to_owned();
    assert_eq!(keys(&get(&fixture, &format!("/people?field=email&value=x@y&page_token={token}")).await.json()), ["c"]);
    let other = get(&fixture, &format!("/people?field=email&value=z&page_token={token}")).await;
    assert_eq!(other.json()["code"], "page_token_invalid");
    assert_eq!(keys(&get(&fixture, "/people?field=n&value=7").await.json()).len(), 5);
    assert_eq!(keys(&get(&fixture, "/people?field=n&value=8").await.json()).len(), 0);
    for bad in ["field=email", "value=x", "field=n&value=", "deleted=maybe", "limit=3", "page_size=0"] {
        assert_eq!(get(&fixture, &format!("/people?{bad}")).await.json()["code"], "query_invalid", "{bad}");
    }
    let collections = get(&fixture, "?page_size=1").await.json();
    assert_eq!(collections["collections"], json!([{ "name": "people" }]));
    let token = collections["next_page_token"].as_str().expect("a token");
    let rest = get(&fixture, &format!("?page_size=1&page_token={token}")).await.json();
    assert_eq!(rest, json!({ "collections": [{ "name": "places" }], "next_page_token": null }));
    assert_eq!(keys(&get(&fixture, "/nothing").await.json()).len(), 0);
}

#[tokio::test]
async fn records_are_their_tenants_alone() {
    let fixture = Fixture::new();
    put(&fixture, "people/ana", ANA).await;
    let other = [("x-tenant", "other")];
    assert_eq!(fixture.call("GET", "/v1/records/people/ana", &other, "").await.json()["code"], "record_not_found");
    assert_eq!(fixture.call("DELETE", "/v1/records/people/ana", &other, "").await.json()["code"], "record_not_found");
    assert_eq!(fixture.call("GET", "/v1/records", &other, "").await.json()["collections"], json!([]));
    assert_eq!(keys(&fixture.call("GET", "/v1/records/people", &other, "").await.json()).len(), 0);
    assert_eq!(fixture.call("PUT", "/v1/records/people/ana", &other, "{}").await.status, StatusCode::CREATED);
    assert_eq!(get(&fixture, "/people/ana").await.json()["data"]["name"], "Ana");
    let anonymous = fixture.anonymous("/v1/records/people/ana").await;
    assert_eq!(anonymous.json()["code"], "unauthenticated");
}
