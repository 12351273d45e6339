//! What cannot be taken over is told, and is never a reason to delete what the source has.

use serde_json::{Value, json};

use super::{
    artifact, assert_same, by_cursor, counts, definition, expected, people, person,
    provider::{Provider, Said},
    put, run, said, serve, with,
};

fn strict() -> Value {
    with(
        definition(by_cursor(10)),
        json!({ "mapping": [{ "to": "id", "from": "/id" }, { "to": "version", "from": "/version", "type": "integer", "required": true }] }),
    )
}

#[tokio::test]
async fn a_record_that_fails_stays_as_it_is() {
    let provider = Provider::start(people(25)).await;
    let server = serve(&provider).await;
    put(&server, &strict()).await;
    run(&server, json!({})).await;
    {
        let mut people = provider.people();
        people[2]["version"] = json!("=cmd()");
        people[3]["version"] = json!(2);
        people.remove(20);
    }
    let job = run(&server, json!({})).await;
    assert_eq!(counts(&job, ["updated", "unchanged", "failed", "deleted"]), [1, 22, 1, 1], "{job:#}");
    let said = said(&server).await;
    assert_eq!((said.len(), &said["p0000003"]["version"], &said["p0000004"]["version"]), (24, &json!(1), &json!(2)));
    let errors = artifact(&server, &job, "errors.csv").await;
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines[0], "page,index,key,code,message,pointer");
    assert!(lines.len() == 2 && lines[1].starts_with("1,2,p0000003,"), "{errors}");
}

#[tokio::test]
async fn while_a_record_has_no_key_nothing_is_deleted() {
    let provider = Provider::start(people(25)).await;
    let server = serve(&provider).await;
    put(&server, &strict()).await;
    run(&server, json!({})).await;
    {
        let mut people = provider.people();
        people[2].as_object_mut().expect("an object").remove("id");
        people.remove(20);
    }
    let job = run(&server, json!({})).await;
    assert_eq!((counts(&job, ["failed", "deleted"]), &job["result"]["complete"]), ([1, 0], &json!(false)), "{job:#}");
    assert_eq!(said(&server).await.len(), 25, "whoever has no key is one of those that were there");
}

#[tokio::test]
async fn limits_end_a_run_and_say_which() {
    for (limits, code, written) in [
        (json!({ "pages_max": 2 }), "pages_max", 20),
        (json!({ "records_max": 25 }), "records_max", 20),
        (json!({ "failed_max": 1 }), "failed_max", 18),
    ] {
        let provider = Provider::start(people(45)).await;
        let server = serve(&provider).await;
        if code == "failed_max" {
            for at in [1, 11, 22] {
                provider.people()[at]["version"] = json!("x");
            }
        }
        put(&server, &with(strict(), json!({ "limits": limits }))).await;
        let job = run(&server, json!({})).await;
        assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!(code)), "{job:#}");
        assert_eq!(said(&server).await.len(), written, "{code}: what was written stays");
        if code == "failed_max" {
            assert_eq!(artifact(&server, &job, "errors.csv").await.lines().count(), 3);
        }
        let runs = server.read("/v1/syncs/people/runs").await;
        assert_eq!((&runs["runs"][0]["state"], &runs["runs"][0]["error"]["code"]), (&json!("failed"), &json!(code)), "{runs}");
    }
}

#[tokio::test]
async fn a_source_that_fails_leaves_the_run_where_it_is() {
    let provider = Provider::start(people(45)).await;
    let server = serve(&provider).await;
    put(&server, &strict()).await;
    provider.script(|number, _| match number {
        3 => Some(Said { status: 429, retry_after_s: Some(25), body: json!({}) }),
        _ => None,
    });
    let job = super::begin(&server, json!({})).await;
    // It asks for more time than an attempt waits: the run has no slot meanwhile.
    let waits = server.until(&job, "it waits", |job| job["state"] == "scheduled").await;
    assert!(waits["progress"]["message"].is_string(), "{waits:#}");
    provider.script(|number, _| match number {
        4..=6 => Some(Said { status: 500, retry_after_s: None, body: json!({}) }),
        _ => None,
    });
    let job = server.wait(&job).await;
    assert_eq!(counts(&job, ["pages", "read", "created", "unchanged"]), [5, 45, 45, 0], "{job:#}");
    assert_same(
        &said(&server).await,
        &provider
            .people()
            .iter()
            .map(|person| (person["id"].as_str().expect("an id").to_owned(), json!({ "id": person["id"], "version": person["version"] })))
            .collect(),
    );
}

#[tokio::test]
async fn of_pages_that_share_records_each_counts_once() {
    let provider = Provider::start(people(30)).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(10))).await;
    // The second page begins with half of the first one; and one of them changed in between.
    provider.script(|number, people| {
        if number == 2 {
            for id in 1..=5 {
                people.insert(10, person(id, 1));
            }
            people.insert(12, person(6, 2));
        }
        None
    });
    let job = run(&server, json!({})).await;
    let [read, created, updated, unchanged] = counts(&job, ["read", "created", "updated", "unchanged"]);
    assert_eq!((read, created, updated, unchanged), (36, 30, 1, 5), "{job:#}");
    let mut people = people(30);
    people[5] = person(6, 2);
    assert_same(&said(&server).await, &expected(&people));
}
