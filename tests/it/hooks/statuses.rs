//! What is told of deliveries: in any order, twice, and of messages that nobody knows.

use serde_json::{Value, json};
use windrow_tests::{
    endpoint::Endpoint,
    server::{Client, Server},
};

use super::{ALLOW, SECRET, connect, events, expect, hook_url, now_s, own};

/// A job that did something by the connection, whose key a provider would repeat: `<job>.request`.
pub(super) async fn sent(client: &Client, connection: &str) -> Value {
    let job = client.submit(json!({ "kind": "http.request", "payload": { "connection": connection } })).await;
    let job = client.wait(&job).await;
    assert_eq!(job["state"], "completed", "{job}");
    job
}

pub(super) fn key(job: &Value) -> String {
    format!("{}.request", job["id"].as_str().expect("an id"))
}

pub(super) async fn connect_to(client: &Client, endpoint: &Endpoint) {
    connect(client, "own", "http", json!({ "url": endpoint.url() }), json!({ "signing_secret": SECRET })).await;
}

async fn delivery(client: &Client, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}/deliveries", job["id"].as_str().expect("an id"));
    client.read(&path).await["deliveries"][0].clone()
}

/// Waits until all that was told is applied.
async fn applied(client: &Client, count: usize) -> Vec<Value> {
    let path = "/v1/connections/own/hook/events";
    let all = |events: &[Value]| events.len() == count && events.iter().all(|event| !event["applied_at"].is_null());
    client.until_entries(path, "events", "all is applied", all).await
}

#[tokio::test]
async fn statuses_out_of_order_and_twice_end_right() {
    let endpoint = Endpoint::start(200, "{}").await;
    let server = Server::start_with(&[ALLOW]).await;
    connect_to(&server, &endpoint).await;
    let url = hook_url(&server, "own").await;
    let (one, other) = (sent(&server, "own").await, sent(&server, "own").await);
    assert_eq!(delivery(&server, &one).await, Value::Null, "nothing was heard of it");
    let report = |job: &Value, status: &str, at: Value| json!({ "key": key(job), "provider_id": "m-1", "status": status, "at": at });
    let told = [
        vec![report(&one, "read", json!("2027-01-15T08:00:03.000Z"))],
        vec![report(&one, "sent", Value::Null), report(&one, "read", json!("2027-01-15T08:00:03.000Z"))],
        vec![report(&one, "delivered", json!("2027-01-15T08:00:02.000Z")), report(&one, "failed", Value::Null)],
        vec![json!({ "provider_id": "m-1", "status": "sent" })],
        vec![json!({ "key": key(&other), "status": "failed", "error": { "code": "blocked", "message": "it was blocked" } })],
    ];
    for (number, reports) in told.iter().enumerate() {
        let body = json!({ "type": "delivery.status", "reports": reports }).to_string();
        expect(&own(&url, &format!("msg_{number}"), now_s(), &body), 200, "", "told").await;
        applied(&server, number + 1).await;
    }
    let seen = delivery(&server, &one).await;
    assert_eq!((&seen["status"], &seen["error"], &seen["provider_id"]), (&json!("read"), &Value::Null, &json!("m-1")), "{seen}");
    assert_eq!(seen["steps"].as_object().expect("steps").len(), 4, "{seen}");
    assert_eq!(seen["steps"]["delivered"]["at"], "2027-01-15T08:00:02.000Z");
    let failed = delivery(&server, &other).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("blocked")), "{failed}");
    let came: Vec<Vec<String>> = events(&server, "own")
        .await
        .iter()
        .rev()
        .map(|event| {
            event["reports"].as_array().expect("reports").iter().map(|one| one["came"].as_str().expect("came").to_owned()).collect()
        })
        .collect();
    assert_eq!(came, [vec!["applied"], vec!["applied", "unchanged"], vec!["applied", "applied"], vec!["unchanged"], vec!["applied"]]);
    let job = server.get(&json!({ "id": events(&server, "own").await[0]["job"] })).await;
    assert_eq!((&job["kind"], &job["result"]["applied"]), (&json!("hook.apply"), &json!(1)), "{job}");
}

#[tokio::test]
async fn what_nobody_can_read_is_kept_and_said_and_what_nobody_knows_is_looked_for_again() {
    let endpoint = Endpoint::start(200, "{}").await;
    let server = Server::start_with(&[ALLOW]).await;
    connect_to(&server, &endpoint).await;
    let url = hook_url(&server, "own").await;
    expect(&own(&url, "bad", now_s(), r#"{"type":"delivery.status","reports":[{"status":"sent"}]}"#), 200, "", "told").await;
    let event = applied(&server, 1).await.remove(0);
    assert_eq!(event["error"]["code"], "event_unreadable", "{event}");
    let job = server.get(&json!({ "id": event["job"] })).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("event_unreadable")), "{job}");

    // By the provider's name alone it cannot be known yet whose it is.
    let body = r#"{"type":"delivery.status","reports":[{"provider_id":"m-9","status":"read"}]}"#;
    expect(&own(&url, "early", now_s(), body), 200, "", "told").await;
    let job = json!({ "id": events(&server, "own").await[0]["job"] });
    let waits = server.until(&job, "it waits", |job| job["state"] == "scheduled").await;
    assert_eq!(waits["reason"], "snoozed", "{waits}");
    let sent = sent(&server, "own").await;
    let first = json!({ "type": "delivery.status", "reports": [{ "key": key(&sent), "provider_id": "m-9", "status": "sent" }] });
    expect(&own(&url, "first", now_s(), &first.to_string()), 200, "", "told").await;
    let done = server.wait(&job).await;
    assert_eq!((&done["state"], &done["result"]["applied"], &done["result"]["unmatched"]), (&json!("completed"), &json!(1), &json!(0)));
    assert_eq!(delivery(&server, &sent).await["status"], "read");
}
