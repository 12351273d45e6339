//! Over HTTP: each record is written once, unless nobody can know whether it was; what a provider refuses is that record's error.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windrow_tests::{
    server::Server,
    taker::{Fault, Taker},
};

use super::{artifact, by_cursor, connect, counts, definition, people, person, provider::Provider, put, run, serve, with};

/// The sync of the directory's people into the CRM, by this way of writing.
pub(super) fn into(way: Value) -> Value {
    let mut definition = definition(by_cursor(50));
    definition["mapping"] = json!([{ "to": "key", "from": "/id" }, { "to": "email", "from": "/email" }, { "to": "name", "from": "/name" }]);
    if way.get("delete").is_some() {
        definition["delete"] = json!("hard");
    }
    definition["destination"] = json!({ "http": with(json!({ "connection": "crm" }), way) });
    definition
}

pub(super) fn bulk(records_max: u64) -> Value {
    let call = json!({ "method": "POST", "path": "bulk", "body": { "records": [] }, "record": "/records" });
    json!({ "bulk": { "call": call, "records_max": records_max, "results": "/results", "error": "/error", "id": "/id" },
        "delete": { "method": "DELETE", "path": "contacts/{key}" } })
}

pub(super) fn by_key() -> Value {
    json!({ "single": { "create": { "method": "PUT", "path": "contacts/{key}" } }, "delete": { "method": "DELETE", "path": "contacts/{key}" } })
}

pub(super) fn found_by_email() -> Value {
    json!({
        "single": {
            "create": { "method": "POST", "path": "contacts" },
            "update": { "method": "PATCH", "path": "contacts/{id}" },
            "find": { "call": { "method": "GET", "path": "contacts", "query": { "email": "{/email}" } }, "records": "/data", "id": "/id" },
            "id": "/data/id"
        },
        "delete": { "method": "DELETE", "path": "contacts/{id}" }
    })
}

pub(super) async fn stand(many: u64) -> (Provider, Taker, Server) {
    let provider = Provider::start(people(many)).await;
    let taker = Taker::start().await;
    let server = serve(&provider).await;
    connect(&server, "crm", &taker.url()).await;
    (provider, taker, server)
}

/// What the CRM says of each, by our key.
pub(super) fn names(taker: &Taker) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    taker.contacts().values().map(|contact| (text(&contact["key"]), text(&contact["name"]))).collect()
}

pub(super) fn expected(provider: &Provider) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    provider.people().iter().map(|person| (text(&person["id"]), text(&person["name"]))).collect()
}

#[tokio::test]
async fn every_way_of_writing_keeps_the_other_side_the_same() {
    for (name, way) in [("bulk", bulk(40)), ("by key", by_key()), ("found", found_by_email())] {
        let (provider, taker, server) = stand(130).await;
        put(&server, &into(way)).await;
        let told = ["created", "updated", "unchanged", "deleted", "failed", "repeated"];
        assert_eq!(counts(&run(&server, json!({ "dry_run": true })).await, told), [130, 0, 0, 0, 0, 0], "{name}");
        assert_eq!(taker.requests(), 0, "a dry run asks nobody");
        assert_eq!(counts(&run(&server, json!({})).await, told), [130, 0, 0, 0, 0, 0], "{name}");
        assert_eq!(names(&taker), expected(&provider), "{name}");
        let requests = taker.requests();
        assert_eq!(counts(&run(&server, json!({})).await, told), [0, 0, 130, 0, 0, 0], "{name}");
        assert_eq!(taker.requests(), requests, "what is the same is not sent");
        {
            let mut people = provider.people();
            people.remove(3);
            people[10]["name"] = json!("Somebody else");
            people.push(person(700, 1));
        }
        assert_eq!(counts(&run(&server, json!({})).await, told), [1, 1, 128, 1, 0, 0], "{name}");
        assert_eq!(names(&taker), expected(&provider), "{name}");
        assert!(taker.writes().values().all(|times| *times <= 2), "{name}");
        // Who comes back is made anew.
        provider.people().push(person(4, 1));
        assert_eq!(counts(&run(&server, json!({})).await, told), [1, 0, 130, 0, 0, 0], "{name}");
        assert_eq!(names(&taker), expected(&provider), "{name}");
    }
}

#[tokio::test]
async fn unless_it_says_so_nothing_is_deleted_elsewhere() {
    let (provider, taker, server) = stand(30).await;
    let mut way = by_key();
    way.as_object_mut().expect("an object").remove("delete");
    put(&server, &into(way)).await;
    run(&server, json!({})).await;
    provider.people().drain(..20);
    assert_eq!(counts(&run(&server, json!({})).await, ["unchanged", "deleted", "missing"]), [10, 0, 20]);
    assert_eq!((taker.contacts().len(), taker.deleted().len()), (30, 0));
}

#[tokio::test]
async fn whom_the_other_side_refuses_is_told_and_tried_again_by_the_next_run() {
    let atomic = {
        let mut way = bulk(40);
        way["bulk"]["call"]["body"]["atomic"] = json!(true);
        way["bulk"].as_object_mut().expect("an object").remove("results");
        way["bulk"].as_object_mut().expect("an object").remove("error");
        way["bulk"].as_object_mut().expect("an object").remove("id");
        way
    };
    for (name, way) in [("bulk", bulk(40)), ("all or none", atomic), ("by key", by_key()), ("found", found_by_email())] {
        let (provider, taker, server) = stand(100).await;
        for key in ["p0000007", "p0000050", "p0000051"] {
            taker.refuse(key);
        }
        put(&server, &into(way)).await;
        let job = run(&server, json!({})).await;
        assert_eq!(counts(&job, ["created", "failed", "repeated"]), [97, 3, 0], "{name}");
        assert_eq!(job["result"]["complete"], false);
        let errors = artifact(&server, &job, "errors.csv").await;
        let keys: Vec<_> = errors.lines().skip(1).map(|line| line.split(',').nth(2).expect("a key")).collect();
        assert_eq!(keys, ["p0000007", "p0000050", "p0000051"], "{name}: {errors}");
        assert!(taker.writes().values().all(|times| *times == 1), "{name}: {:?}", taker.writes());
        taker.accept_all();
        assert_eq!(counts(&run(&server, json!({})).await, ["created", "unchanged", "failed"]), [3, 97, 0], "{name}");
        assert_eq!(names(&taker), expected(&provider), "{name}");
    }
}

#[tokio::test]
async fn a_destination_that_is_short_or_ill_is_waited_for_and_what_is_in_doubt_is_counted() {
    for (name, way) in [("bulk", bulk(20)), ("by key", by_key())] {
        let (provider, taker, server) = stand(60).await;
        taker.script([None, Some(Fault::Busy(1)), Some(Fault::Lost), None, Some(Fault::Status(503))]);
        put(&server, &with(into(way), json!({ "limits": { "throttled_wait_s": 1 } }))).await;
        let job = run(&server, json!({})).await;
        assert_eq!(counts(&job, ["created", "failed", "repeated"]), [60, 0, 0], "{name}");
        assert_eq!(names(&taker), expected(&provider), "{name}");
        // What was taken and not confirmed was sent again, with the same key.
        let keys = taker.idempotency_keys();
        let again = keys.len() - keys.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(again, 3, "{name}");
        let twice = taker.writes().values().filter(|times| **times == 2).count();
        assert_eq!(twice, if name == "bulk" { 20 } else { 1 }, "{name}");
    }
}

#[tokio::test]
async fn one_that_refuses_everything_ends_the_run() {
    let (_provider, taker, server) = stand(60).await;
    taker.script((0..10).map(|_| Some(Fault::Status(405))));
    put(&server, &into(bulk(20))).await;
    let job = run(&server, json!({})).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("destination_refused")), "{job:#}");
    assert_eq!(taker.requests(), 1);
}

#[tokio::test]
async fn one_of_ours_is_found_among_theirs_before_it_is_made() {
    let (provider, taker, server) = stand(5).await;
    taker.plant("x1", json!({ "key": "?", "email": "p1@example.org" }));
    taker.plant("x2", json!({ "key": "?", "email": "p2@example.org" }));
    taker.plant("x3", json!({ "key": "?", "email": "p2@example.org" }));
    put(&server, &into(found_by_email())).await;
    let job = run(&server, json!({})).await;
    assert_eq!(counts(&job, ["created", "updated", "failed"]), [3, 1, 1], "{job:#}");
    assert!(artifact(&server, &job, "errors.csv").await.contains("the provider has 2 records like it: x2, x3"));
    assert_eq!(taker.contacts()["x1"]["key"], "p0000001");
    // One that somebody deletes there is made anew once it changes.
    taker.forget("x1");
    provider.people()[0]["name"] = json!("Changed");
    assert_eq!(counts(&run(&server, json!({})).await, ["created", "unchanged"]), [1, 3]);
}

#[tokio::test]
async fn who_is_told_to_come_later_has_nothing_in_doubt() {
    for (name, way) in [("bulk", bulk(20)), ("by key", by_key())] {
        let (provider, taker, server) = stand(60).await;
        taker.script([None, Some(Fault::Busy(21))]);
        put(&server, &into(way)).await;
        let job = super::begin(&server, json!({})).await;
        server.until(&job, "it waits without a slot", |job| job["state"] == "scheduled").await;
        let job = server.wait(&job).await;
        assert_eq!(counts(&job, ["created", "unchanged", "failed", "repeated"]), [60, 0, 0, 0], "{name}");
        assert!(taker.writes().values().all(|times| *times == 1), "{name}");
        assert_eq!(names(&taker), expected(&provider), "{name}");
    }
}

#[tokio::test]
async fn what_is_sent_otherwise_is_sent_again() {
    let (provider, taker, server) = stand(50).await;
    put(&server, &into(by_key())).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["created"]), [50]);
    // Another place, which has none of them.
    let mut way = by_key();
    way["single"]["create"] = json!({ "method": "PUT", "path": "contacts/other-{key}", "headers": { "x-from": "windrow" } });
    put(&server, &into(way.clone())).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["updated", "unchanged"]), [50, 0]);
    assert!((1..=50).all(|id| taker.contacts().contains_key(&format!("other-p{id:07}"))));
    // What does not say where, or what, changes nothing.
    way["single"]["create"]["headers"] = json!({ "x-from": "elsewhere" });
    put(&server, &into(way)).await;
    let requests = taker.requests();
    assert_eq!(counts(&run(&server, json!({})).await, ["updated", "unchanged"]), [0, 50]);
    assert_eq!((taker.requests(), provider.people().len()), (requests, 50));
}

#[tokio::test]
async fn of_several_that_match_the_sync_says_which_are_changed() {
    for (several, told, changed) in [("fail", [0, 1, 1], 0), ("first", [0, 2, 0], 1), ("all", [0, 2, 0], 2)] {
        let (_provider, taker, server) = stand(2).await;
        for (id, email) in [("x1", "p1@example.org"), ("x2", "p2@example.org"), ("x3", "p2@example.org")] {
            taker.plant(id, json!({ "key": "?", "email": email }));
        }
        let mut way = found_by_email();
        way["single"]["find"]["several"] = json!(several);
        // Who is deleted can be found no more: of all nobody is.
        way.as_object_mut().expect("an object").remove("delete");
        put(&server, &into(way)).await;
        let job = run(&server, json!({})).await;
        let made = counts(&job, ["created", "updated", "failed"]);
        assert_eq!(made, told, "{several}: {job:#}");
        let keys = ["x2", "x3"].map(|id| taker.contacts()[id]["key"].clone());
        assert_eq!(keys.iter().filter(|key| **key == "p0000002").count(), changed, "{several}: {keys:?}");
    }
}

#[tokio::test]
async fn more_than_a_hundred_that_match_are_not_one() {
    for (planted, told) in [(100, [1, 1, 0]), (101, [1, 0, 1])] {
        let (_provider, taker, server) = stand(2).await;
        for id in 0..planted {
            taker.plant(&format!("x{id:03}"), json!({ "key": "?", "email": "p2@example.org" }));
        }
        let mut way = found_by_email();
        way["single"]["find"]["several"] = json!("all");
        way.as_object_mut().expect("an object").remove("delete");
        put(&server, &into(way)).await;
        let job = run(&server, json!({})).await;
        assert_eq!(counts(&job, ["created", "updated", "failed"]), told, "{planted}: {job:#}");
        let changed = taker.contacts().values().filter(|contact| contact["key"] == "p0000002").count();
        assert_eq!(changed, if told[2] == 0 { 100 } else { 0 }, "{planted}");
        if told[2] > 0 {
            let errors = artifact(&server, &job, "errors.csv").await;
            assert!(errors.contains("several_match") && errors.contains("101 records like it, more than the 100"), "{errors}");
        }
    }
}

#[tokio::test]
async fn whoever_is_marked_as_deleted_there_may_come_back() {
    let (provider, taker, server) = stand(20).await;
    let mut way = by_key();
    way["delete"] = json!({ "method": "PUT", "path": "contacts/{key}", "body": { "key": "{key}", "state": "gone" } });
    let definition = with(into(way), json!({ "delete": "soft" }));
    put(&server, &definition).await;
    run(&server, json!({})).await;
    let gone = provider.people().remove(4);
    for deleted in [1, 0] {
        assert_eq!(counts(&run(&server, json!({})).await, ["unchanged", "deleted", "failed"]), [19, deleted, 0]);
        assert_eq!(taker.contacts()["p0000005"]["state"], "gone", "{:?}", taker.contacts()["p0000005"]);
    }
    provider.people().insert(4, gone);
    assert_eq!(counts(&run(&server, json!({})).await, ["created", "unchanged", "failed"]), [1, 19, 0]);
    assert_eq!(names(&taker), expected(&provider));
}
