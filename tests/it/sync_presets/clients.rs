//! The providers' own clients find at our servers what they would find at theirs: pyairtable, and HighLevel's SDK for Python.

use serde_json::{Value, json};
use windrow_tests::{provider::Provider, python};

/// So many records of a table; every third has the e-mail of the one before.
pub(super) fn records(count: u64) -> Value {
    let one = |number: u64| {
        let email = format!("{}@example.com", number - u64::from(number % 3 == 2));
        let fields = json!({ "Name": format!("Name {number}"), "Email": email, "Active": number.is_multiple_of(2), "Tags": [] });
        json!({ "id": format!("rec{number:014}"), "createdTime": "2026-01-01T00:00:00.000Z", "fields": fields })
    };
    (0..count).map(one).collect()
}

/// So many contacts, two of a millisecond each.
pub(super) fn contacts(count: u64) -> Value {
    let one = |number: u64| {
        json!({
            "id": format!("contact{number:013}"), "locationId": "loc1", "email": format!("c{number}@example.com"), "firstName": "Ada",
            "lastName": format!("N{number}"), "tags": ["lead"], "dateAdded": "2026-11-01T10:00:00.000Z", "dateUpdated": "2026-11-02T10:00:00.000Z",
            "millis": 1_762_000_000_000_u64 + number / 2, "customFields": [{ "id": "cf1", "value": "gold" }]
        })
    };
    (0..count).map(one).collect()
}

async fn judged(provider: &Provider, script: &str) -> Value {
    let path = format!("{}/it/sync_presets/{script}", env!("CARGO_MANIFEST_DIR"));
    let run = python::run("python3", &[&path, &provider.url()], &[], provider.folder()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(run.stdout.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

#[tokio::test]
async fn pyairtable_reads_and_writes_our_airtable() {
    let provider = Provider::start("airtable", json!({ "tables": { "appB/tblT": records(250) } })).await;
    provider.fault(json!([{ "when": "GET /v0/appB/tblT", "pass": 1, "status": 429, "body": { "error": "RATE_LIMIT_REACHED" } }])).await;
    let said = judged(&provider, "airtable_client.py").await;
    assert_eq!(said["all"], 250);
    assert_eq!(said["second"], json!({ "Name": "Name 1", "Email": "1@example.com" }), "empty fields are left out");
    assert_eq!(said["of_one_email"], json!(["rec00000000000001", "rec00000000000002"]));
    assert_eq!(said["upserted"], json!([10, 2]), "updated, created");
    assert!(
        said["several"].as_str().expect("an error").contains("More than one record matched: rec00000000000001, rec00000000000002"),
        "{said}"
    );
    assert_eq!(said["deleted"], 12);
    assert_eq!(said["left"], 240);
    let seen = provider.seen().await;
    assert_eq!(seen.iter().filter(|request| request["status"] == 429).count(), 1, "and it tried again");
}

#[tokio::test]
async fn the_sdk_of_highlevel_reads_and_writes_our_contacts() {
    let provider = Provider::start("gohighlevel", json!({ "contacts": contacts(7) })).await;
    let said = judged(&provider, "gohighlevel_client.py").await;
    let all: Vec<String> = (0..7).map(|number| format!("contact{number:013}")).collect();
    assert_eq!(said["all"], json!(all));
    assert_eq!((&said["changed"]["new"], &said["changed"]["id"]), (&json!(false), &json!(all[3])), "known by its e-mail");
    assert_eq!(said["made"]["new"], true);
    assert_eq!(said["deleted"], json!({ "succeded": true }));
    assert_eq!(said["refused"], 422);
}
