//! GoHighLevel: contacts by the search, and contacts into a location.

use serde_json::{Value, json};
use windrow_tests::provider::Provider;

use super::{clients::contacts, connect, counts, errors, found, put, run, said, serve};

const TOKEN: &str = "pit-of-the-tests";

fn of_location() -> Value {
    json!({ "connection": "ghl", "location_id": "loc1" })
}

#[tokio::test]
async fn contacts_are_read_after_each_other_and_the_burst_limit_is_kept_to() {
    let server = serve().await;
    let provider = Provider::start("gohighlevel", json!({ "contacts": contacts(250), "left": 2, "interval_ms": 300 })).await;
    connect(&server, &provider, "ghl", json!({}), json!({ "bearer_token": TOKEN })).await;
    put(&server, "contacts", "gohighlevel-contacts", of_location(), json!({})).await;
    let first = run(&server, "contacts").await;
    assert_eq!(counts(&first, ["created", "failed"]), [250, 0]);
    let seen = provider.seen().await;
    assert!(seen.iter().all(|request| request["headers"]["version"] == "2021-07-28" && request["path"] == "/contacts/search"), "{seen:?}");
    assert!(seen[0]["body"].get("searchAfter").is_none(), "{}", seen[0]);
    // Two contacts are of one millisecond: the place is the time and the id.
    assert_eq!(seen[1]["body"]["searchAfter"], json!([1_762_000_000_049_u64, "contact0000000000099"]));
    assert_eq!(seen.iter().filter(|request| request["status"] == 429).count(), 0, "it waited before it was too fast: {seen:?}");
    let contact = &said(&server, "contacts").await["contact0000000000007"];
    let expected = json!({
        "email": "c7@example.com", "first_name": "Ada", "last_name": "N7", "tags": ["lead"], "do_not_disturb": false,
        "custom_fields": [{ "id": "cf1", "value": "gold" }], "added_at": "2026-11-01T10:00:00.000Z", "updated_at": "2026-11-02T10:00:00.000Z"
    });
    assert_eq!(without_nulls(contact), expected);
    assert_eq!(found(&server, "contacts", "email", "c7@example.com").await, ["contact0000000000007"]);

    // A location that is not ours is refused, and nothing vanishes.
    let other = json!({ "connection": "ghl", "location_id": "loc2", "collection": "others" });
    put(&server, "others", "gohighlevel-contacts", other, json!({})).await;
    let refused = run(&server, "others").await;
    assert_eq!(refused["state"], "dead", "{refused:#}");
    assert!(refused["error"]["message"].as_str().expect("a message").contains("locationId should not be empty"), "{refused:#}");
}

/// What a mapping found nothing for may stand as `null`.
fn without_nulls(value: &Value) -> Value {
    let mut value = value.clone();
    value.as_object_mut().expect("an object").retain(|_, member| !member.is_null());
    value
}

#[tokio::test]
async fn contacts_go_into_a_location_and_are_deleted_there_by_their_ids() {
    let server = serve().await;
    let there = json!([{ "id": "known", "locationId": "loc2", "email": "C3@example.com", "tags": ["vip"], "dateAdded": "2026-01-01T00:00:00.000Z" }]);
    let from = Provider::start("gohighlevel", json!({ "contacts": contacts(20) })).await;
    let to = Provider::start("gohighlevel", json!({ "location": "loc2", "contacts": there })).await;
    connect(&server, &from, "ghl", json!({}), json!({ "bearer_token": TOKEN })).await;
    connect(&server, &to, "other", json!({}), json!({ "bearer_token": TOKEN })).await;
    put(&server, "pull", "gohighlevel-contacts", of_location(), json!({})).await;
    let push = json!({ "connection": "other", "location_id": "loc2", "delete": "hard" });
    put(&server, "push", "gohighlevel-contacts-push", push, json!({ "limits": { "deleted_percent_max": 100 } })).await;
    let mut wrong = contacts(20);
    wrong[5]["email"] = json!("no address");
    from.hold(json!({ "contacts": wrong })).await;
    assert_eq!(counts(&run(&server, "pull").await, ["created"]), [20]);
    let first = run(&server, "push").await;
    assert_eq!(counts(&first, ["failed"]), [1], "{first:#}");
    assert!(errors(&server, &first).await.contains("email must be an email"));
    let contacts_there = to.state().await["contacts"].as_array().expect("contacts").clone();
    assert_eq!(contacts_there.len(), 19, "one was known by its e-mail, one was refused");
    let known = contacts_there.iter().find(|contact| contact["id"] == "known").expect("it stays");
    assert_eq!((&known["firstName"], &known["tags"]), (&json!("Ada"), &json!(["vip"])), "tags are not sent, or they would be replaced");
    assert_eq!(counts(&run(&server, "push").await, ["created", "updated"]), [0, 0], "nothing changed");

    from.hold(json!({ "contacts": contacts(12) })).await;
    run(&server, "pull").await;
    to.seen().await;
    let last = run(&server, "push").await;
    assert_eq!(counts(&last, ["deleted"]), [8], "{last:#}");
    let deletes = to.seen().await.iter().filter(|request| request["method"] == "DELETE").count();
    assert_eq!(deletes, 8);
    assert_eq!(to.state().await["contacts"].as_array().expect("contacts").len(), 12);
}
