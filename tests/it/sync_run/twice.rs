//! Two runs of a sync, one that is cancelled, one whose definition changes: one at a time, and each by what it says.

use serde_json::json;
use windrow_tests::server::is_final;

use super::{assert_same, begin, by_cursor, counts, definition, expected, people, provider::Provider, put, run, said, serve, with};

#[tokio::test]
async fn of_two_runs_the_second_waits_without_a_slot() {
    let provider = Provider::start(people(100)).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(10))).await;
    provider.hold_from(4);
    let first = begin(&server, json!({})).await;
    provider.until_requests(4).await;
    let second = begin(&server, json!({})).await;
    let waits = server.until(&second, "it waits", |job| job["state"] == "scheduled").await;
    assert!(
        waits["progress"]["message"].as_str().is_some_and(|message| message.contains(first["id"].as_str().expect("an id"))),
        "{waits:#}"
    );
    provider.release();
    assert_eq!(counts(&server.wait(&first).await, ["pages", "created", "unchanged"]), [10, 100, 0]);
    let second = server.wait(&second).await;
    assert_eq!((counts(&second, ["pages", "created", "unchanged"]), &second["result"]["run"]), ([10, 0, 100], &json!(2)));
}

#[tokio::test]
async fn a_cancelled_run_keeps_what_it_wrote_and_the_next_begins_anew() {
    let provider = Provider::start(people(100)).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(10))).await;
    provider.hold_from(6);
    let job = begin(&server, json!({})).await;
    provider.until_requests(6).await;
    assert!([200, 202].contains(&server.cancel(&job).await.status));
    let job = server.wait(&job).await;
    assert_eq!(job["state"], "cancelled", "{job:#}");
    provider.release();
    let written = said(&server).await.len() as u64;
    assert!((30..=50).contains(&written), "{written}");
    assert_eq!(counts(&run(&server, json!({})).await, ["pages", "created", "unchanged"]), [10, 100 - written, written]);
    let runs = server.read("/v1/syncs/people/runs").await;
    let states: Vec<_> = runs["runs"].as_array().expect("a list").iter().map(|run| run["state"].as_str()).collect();
    assert_eq!(states, [Some("completed"), Some("abandoned")], "{runs}");
}

#[tokio::test]
async fn a_run_whose_definition_changed_begins_anew_by_what_it_says_now() {
    let provider = Provider::start(people(100)).await;
    let mut server = serve(&provider).await;
    put(&server, &definition(by_cursor(10))).await;
    provider.hold_from(6);
    let job = begin(&server, json!({})).await;
    provider.until_requests(6).await;
    server.kill().await;
    server.launch();
    server.until_ready().await;
    let fields = json!([{ "to": "id", "from": "/id" }, { "to": "called", "from": "/name" }]);
    put(&server, &with(definition(by_cursor(10)), json!({ "mapping": fields }))).await;
    provider.release();
    let job = server.wait(&job).await;
    let [pages, created, updated] = counts(&job, ["pages", "created", "updated"]);
    assert_eq!((pages, created + updated, &job["result"]["run"]), (10, 100, &json!(2)), "{job:#}");
    let says = |person: &serde_json::Value| json!({ "id": person["id"], "called": person["name"] });
    assert_same(&said(&server).await, &expected(&provider.people()).iter().map(|(key, person)| (key.clone(), says(person))).collect());
}

#[tokio::test]
async fn the_tenants_own_records_are_pushed_as_they_are() {
    let provider = Provider::start(people(450)).await;
    let taker = windrow_tests::taker::Taker::start().await;
    let server = serve(&provider).await;
    super::connect(&server, "crm", &taker.url()).await;
    put(&server, &definition(by_cursor(100))).await;
    run(&server, json!({})).await;
    let push = json!({
        "source": { "records": { "collection": "people" } },
        "destination": { "http": { "connection": "crm", "single": { "create": { "method": "PUT", "path": "contacts/{key}" } },
            "delete": { "method": "DELETE", "path": "contacts/{key}" } } },
        "mapping": [{ "to": "key", "from": "/id" }, { "to": "name", "from": "/name" }],
        "delete": "hard"
    });
    let kept = server.send(reqwest::Method::PUT, "/v1/syncs/push", &[], Some(push)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    let push = || async {
        let job = server.submit(json!({ "kind": "sync.run", "payload": { "sync": "push" } })).await;
        let job = server.wait(&job).await;
        assert!(is_final(&job));
        job
    };
    assert_eq!(counts(&push().await, ["created", "failed"]), [450, 0]);
    assert_eq!(taker.contacts()["p0000009"]["name"], "Person 9");
    let gone = server.send(reqwest::Method::DELETE, "/v1/records/people/p0000009", &[], None).await;
    assert!([200, 204].contains(&gone.status), "{}", gone.body);
    assert_eq!(counts(&push().await, ["created", "unchanged", "deleted"]), [0, 449, 1]);
    assert!(!taker.contacts().contains_key("p0000009"));
}
