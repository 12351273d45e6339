//! Airtable: what a table has, and records into a table, ten at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windrow_tests::provider::Provider;

use super::{busiest_second, clients::records, connect, counts, errors, found, parameter, put, run, said, serve};

const TOKEN: &str = "pat-of-the-tests";

fn of_table() -> Value {
    json!({ "connection": "airtable", "base_id": "appB", "table": "tblT", "collection": "people" })
}

/// As Airtable shows them: without fields that are empty.
fn shown(records: &Value) -> BTreeMap<String, Value> {
    let is_empty = |value: &Value| matches!(value, Value::Bool(false)) || *value == json!("") || *value == json!([]);
    let one = |record: &Value| {
        let mut record = record.clone();
        record["fields"].as_object_mut().expect("fields").retain(|_, value| !is_empty(value));
        (record["id"].as_str().expect("an id").to_owned(), record)
    };
    records.as_array().expect("a list").iter().map(one).collect()
}

#[tokio::test]
async fn a_table_is_read_whole_though_airtable_shuts_us_out_and_forgets_its_mark() {
    let server = serve().await;
    let provider = Provider::start("airtable", json!({ "tables": { "appB/tblT": records(650) } })).await;
    connect(&server, &provider, "airtable", json!({}), json!({ "bearer_token": TOKEN })).await;
    put(&server, "people", "airtable", of_table(), json!({})).await;
    let first = run(&server, "people").await;
    assert_eq!(counts(&first, ["created", "pages", "failed"]), [650, 7, 0]);
    assert_eq!(said(&server, "people").await, shown(&records(650)));
    let seen = provider.seen().await;
    assert!(busiest_second(&seen) <= 5, "Airtable allows five requests a second");
    assert_eq!(seen.iter().map(|request| parameter(request, "pageSize")).collect::<Vec<_>>(), [Some("100"); 7]);
    assert_eq!(
        seen.iter().map(|request| parameter(request, "offset").is_some()).collect::<Vec<_>>(),
        [false, true, true, true, true, true, true]
    );

    // By an e-mail there may be several.
    assert_eq!(found(&server, "people", "/fields/Email", "1@example.com").await, ["rec00000000000001", "rec00000000000002"]);

    // "You will receive a 429 status code and will need to wait", and "the client will receive a 422 response": it begins anew.
    let mut fewer = records(650);
    fewer.as_array_mut().expect("a list").truncate(640);
    provider.hold(json!({ "tables": { "appB/tblT": fewer } })).await;
    let gone = json!({ "error": { "type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "message": "The iterator is gone" } });
    provider
        .fault(json!([
            { "when": "GET /v0/appB/tblT", "pass": 1, "status": 429, "body": { "error": "RATE_LIMIT_REACHED" } },
            { "when": "GET /v0/appB/tblT", "pass": 2, "status": 422, "body": gone }
        ]))
        .await;
    let second = run(&server, "people").await;
    assert_eq!(counts(&second, ["created", "updated", "deleted", "failed"]), [0, 0, 10, 0]);
    assert_eq!(said(&server, "people").await, shown(&fewer));
    let statuses: Vec<u64> = provider.seen().await.iter().map(|request| request["status"].as_u64().expect("a status")).collect();
    assert_eq!(statuses, [200, 429, 200, 422, 200, 200, 200, 200, 200, 200, 200]);
}

#[tokio::test]
async fn a_wrong_base_or_token_ends_the_run_and_deletes_nothing() {
    let server = serve().await;
    let provider = Provider::start("airtable", json!({ "tables": { "appB/tblT": records(3) } })).await;
    connect(&server, &provider, "airtable", json!({}), json!({ "bearer_token": TOKEN })).await;
    put(&server, "people", "airtable", of_table(), json!({})).await;
    assert_eq!(counts(&run(&server, "people").await, ["created"]), [3]);
    provider.hold(json!({ "tables": {} })).await;
    let refused = run(&server, "people").await;
    assert_eq!(refused["state"], "dead", "{refused:#}");
    assert!(refused["error"]["message"].as_str().expect("a message").contains("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"), "{refused:#}");
    assert_eq!(said(&server, "people").await.len(), 3);
}

#[tokio::test]
async fn records_go_into_a_table_ten_at_once_and_one_that_several_match_is_told() {
    let server = serve().await;
    let tables = json!({ "appB/tblT": records(35), "appB/tblTo": [
        { "id": "recOLD", "createdTime": "2026-01-01T00:00:00.000Z", "fields": { "Name": "Name 4", "Phone": "1" } },
        { "id": "recTWIN1", "createdTime": "2026-01-01T00:00:00.000Z", "fields": { "Name": "Name 7" } },
        { "id": "recTWIN2", "createdTime": "2026-01-01T00:00:00.000Z", "fields": { "Name": "Name 7" } }
    ] });
    let provider = Provider::start("airtable", json!({ "tables": tables })).await;
    connect(&server, &provider, "airtable", json!({}), json!({ "bearer_token": TOKEN })).await;
    let mapping = json!([{ "to": "Name", "from": "/fields/Name" }, { "to": "Email", "from": "/fields/Email" }]);
    let mut pull = of_table();
    pull["lookup"] = json!(["/Email"]);
    put(&server, "pull", "airtable", pull, json!({ "mapping": mapping })).await;
    let to = json!({ "connection": "airtable", "base_id": "appB", "table": "tblTo", "collection": "people", "merge_on": ["Name"], "delete": "hard" });
    put(&server, "push", "airtable-push", to, json!({})).await;
    assert_eq!(counts(&run(&server, "pull").await, ["created"]), [35]);
    provider.seen().await;
    let first = run(&server, "push").await;
    assert_eq!(counts(&first, ["failed"]), [1], "{first:#}");
    let errors = errors(&server, &first).await;
    assert!(errors.contains("rec00000000000007") && errors.contains("recTWIN1, recTWIN2"), "{errors}");
    let table = |state: &Value| state["tables"]["appB/tblTo"].as_array().expect("a table").clone();
    let after = table(&provider.state().await);
    assert_eq!(after.len(), 3 + 33, "one was there, one was refused");
    let old = after.iter().find(|record| record["id"] == "recOLD").expect("it is there");
    assert_eq!(old["fields"], json!({ "Name": "Name 4", "Phone": "1", "Email": "4@example.com" }), "what is not sent stays");
    let seen = provider.seen().await;
    assert!(seen.iter().all(|request| request["body"]["records"].as_array().is_some_and(|records| records.len() <= 10)), "{seen:?}");
    // The request of `batch_upsert`, but for what is the default.
    let body = json!({ "performUpsert": { "fieldsToMergeOn": ["Name"] }, "typecast": false, "records": seen[0]["body"]["records"] });
    assert_eq!((&seen[0]["method"], &seen[0]["body"]), (&json!("PATCH"), &body));
    assert_eq!(seen[0]["body"]["records"][0], json!({ "fields": { "Name": "Name 0", "Email": "0@example.com" } }));

    // What did not change is not sent; what is gone here is deleted there, by the id that Airtable gave it.
    let mut fewer = records(35);
    fewer.as_array_mut().expect("a list").truncate(33);
    let mut tables = provider.state().await["tables"].clone();
    tables["appB/tblT"] = fewer;
    provider.hold(json!({ "tables": tables })).await;
    assert_eq!(counts(&run(&server, "pull").await, ["deleted"]), [2]);
    provider.seen().await;
    assert_eq!(counts(&run(&server, "push").await, ["created", "updated", "deleted"]), [0, 0, 2]);
    let writes: Vec<Value> = provider.seen().await;
    assert!(writes.iter().any(|request| request["method"] == "DELETE" && parameter(request, "records[]").is_some()), "{writes:?}");
    let left = table(&provider.state().await);
    assert!(!left.iter().any(|record| record["fields"]["Name"] == "Name 34"), "{left:?}");
}
