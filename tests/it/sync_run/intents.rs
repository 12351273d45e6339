//! Over HTTP, where providers replay answers, lie, and forget: what is not known to have been done is never taken for done.

use std::time::Duration;

use serde_json::{Value, json};
use windrow_tests::taker::Fault;

use super::{
    artifact, begin, counts,
    elsewhere::{bulk, by_key, expected, found_by_email, into, names, stand},
    person, put, run, with,
};

/// Made and changed, and never looked for.
fn made_blindly() -> Value {
    let mut way = found_by_email();
    way["single"].as_object_mut().expect("an object").remove("find");
    way
}

#[tokio::test]
async fn a_provider_that_replays_answers_gets_what_the_source_says() {
    for (name, way) in [("bulk", bulk(40)), ("by key", by_key()), ("found", found_by_email())] {
        let (provider, taker, server) = stand(4).await;
        taker.recognise();
        put(&server, &into(way)).await;
        for change in ["none", "Somebody else", "as before", "gone", "back", "gone", "back"] {
            {
                let mut people = provider.people();
                match change {
                    "none" => {}
                    "gone" => drop(people.remove(1)),
                    "back" => people.insert(1, person(2, 1)),
                    "as before" => people[0] = person(1, 1),
                    other => people[0]["name"] = json!(other),
                }
            }
            let job = run(&server, json!({})).await;
            assert_eq!(counts(&job, ["failed", "repeated"]), [0, 0], "{name}, {change}: {job:#}");
            assert_eq!(names(&taker), expected(&provider), "{name}, {change}");
        }
    }
}

#[tokio::test]
async fn what_was_done_when_a_job_is_cancelled_is_not_done_again() {
    let (provider, taker, server) = stand(40).await;
    taker.recognise();
    taker.hold_from(11);
    put(&server, &into(made_blindly())).await;
    let job = begin(&server, json!({})).await;
    taker.until_requests(14).await;
    assert_eq!(server.cancel(&job).await.status, 202);
    assert_eq!(server.wait(&job).await["state"], "cancelled");
    taker.release();
    let job = run(&server, json!({})).await;
    assert_eq!(counts(&job, ["created", "unchanged", "repeated", "failed"]), [30, 10, 4, 0], "{job:#}");
    assert_eq!(names(&taker), expected(&provider));
    assert!(taker.writes().values().all(|times| *times == 1), "{:?}", taker.writes());
}

#[tokio::test]
async fn a_refusal_of_what_may_have_arrived_settles_nothing() {
    for (name, way) in [("bulk", bulk(40)), ("by key", by_key()), ("blindly", made_blindly())] {
        let (provider, taker, server) = stand(1).await;
        put(&server, &into(way)).await;
        run(&server, json!({})).await;
        let before = provider.people().clone();
        provider.people()[0]["name"] = json!("Changed");
        taker.script([Some(Fault::Lost), Some(Fault::Status(422))]);
        let job = run(&server, json!({})).await;
        assert_eq!(counts(&job, ["updated", "failed"]), [0, 1], "{name}: {job:#}");
        assert_eq!(names(&taker)["p0000001"], "Changed", "{name}: it arrived");
        *provider.people() = before;
        assert_eq!(counts(&run(&server, json!({})).await, ["updated", "unchanged", "repeated"]), [1, 0, 1], "{name}");
        assert_eq!(names(&taker), expected(&provider), "{name}");
    }
}

#[tokio::test]
async fn our_own_try_that_is_still_worked_on_is_no_refusal() {
    let (provider, taker, server) = stand(1).await;
    taker.script([Some(Fault::Lost), Some(Fault::Status(409))]);
    put(&server, &into(by_key())).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["created", "failed"]), [1, 0]);
    assert_eq!(names(&taker), expected(&provider));
}

#[tokio::test]
async fn who_was_deleted_there_and_comes_back_is_made_anew() {
    let (provider, taker, server) = stand(3).await;
    put(&server, &with(into(made_blindly()), json!({ "delete": "soft" }))).await;
    run(&server, json!({})).await;
    provider.people().remove(1);
    assert_eq!(counts(&run(&server, json!({})).await, ["deleted"]), [1]);
    provider.people().insert(1, person(2, 1));
    assert_eq!(counts(&run(&server, json!({})).await, ["created", "unchanged", "failed"]), [1, 2, 0]);
    assert_eq!(names(&taker), expected(&provider));
    // A deletion of which nobody knows whether it arrived.
    provider.people().remove(1);
    taker.script([Some(Fault::Lost), Some(Fault::Status(422))]);
    assert_eq!(counts(&run(&server, json!({})).await, ["deleted", "failed"]), [0, 1]);
    provider.people().insert(1, person(2, 1));
    assert_eq!(counts(&run(&server, json!({})).await, ["created", "unchanged", "repeated"]), [1, 2, 1]);
    assert_eq!(names(&taker), expected(&provider));
}

#[tokio::test]
async fn who_vanishes_while_nobody_knows_its_id_is_told_by_every_run() {
    let (provider, taker, server) = stand(2).await;
    put(&server, &into(made_blindly())).await;
    taker.script([Some(Fault::Lost), Some(Fault::Status(422)), Some(Fault::Lost), Some(Fault::Status(422))]);
    let first = counts(&run(&server, json!({})).await, ["failed"])[0];
    assert!(first > 0 && taker.contacts().len() > 1);
    provider.people().clear();
    for _ in 0..2 {
        let job = run(&server, json!({})).await;
        assert_eq!(job["result"]["complete"], false, "somebody may be there: {job:#}");
        assert!(artifact(&server, &job, "errors.csv").await.contains("it is not known what the provider calls it"));
    }
}

#[tokio::test]
async fn looking_believes_no_answer_that_has_no_matches() {
    for lie in [Fault::Says(json!({ "error": "busy" })), Fault::Says(json!("busy")), Fault::Page] {
        let (_provider, taker, server) = stand(1).await;
        taker.plant("x1", json!({ "key": "?", "email": "p1@example.org" }));
        taker.script([Some(lie.clone())]);
        put(&server, &into(found_by_email())).await;
        let job = run(&server, json!({})).await;
        assert_eq!(counts(&job, ["created", "updated", "failed"]), [0, 1, 0], "{lie:?}: {job:#}");
        assert_eq!(taker.contacts().len(), 1, "{lie:?}");
    }
}

#[tokio::test]
async fn whoever_takes_a_record_says_what_it_is_called() {
    for (lie, code) in [
        (json!({ "ok": true }), "destination_failed"),
        (json!({ "data": { "id": "a\u{0}b" } }), "id_invalid"),
        (json!({ "data": { "id": "x".repeat(513) } }), "id_invalid"),
        (json!({ "data": { "id": "x1" }, "fault": "no credit" }), "destination_refused"),
    ] {
        let (provider, taker, server) = stand(1).await;
        let mut way = made_blindly();
        way["single"]["error"] = json!("/fault");
        taker.script([Some(Fault::Says(lie.clone()))]);
        put(&server, &into(way)).await;
        let job = run(&server, json!({})).await;
        assert_eq!(counts(&job, ["created", "failed"]), [0, 1], "{lie}: {job:#}");
        let errors = artifact(&server, &job, "errors.csv").await;
        assert!(errors.contains(code), "{lie}: {errors}");
        assert_eq!(counts(&run(&server, json!({})).await, ["created", "failed"]), [1, 0], "{lie}");
        assert_eq!(names(&taker), expected(&provider), "{lie}");
    }
}

#[tokio::test]
async fn of_several_that_match_all_are_changed_each_time() {
    let (provider, taker, server) = stand(1).await;
    for id in ["x2", "x3"] {
        taker.plant(id, json!({ "key": "?", "email": "p1@example.org" }));
    }
    let mut way = found_by_email();
    way["single"]["find"]["several"] = json!("all");
    way.as_object_mut().expect("an object").remove("delete");
    put(&server, &into(way)).await;
    taker.recognise();
    for name in ["One", "Two"] {
        provider.people()[0]["name"] = json!(name);
        assert_eq!(counts(&run(&server, json!({})).await, ["updated", "created", "failed"]), [1, 0, 0]);
        let contacts = taker.contacts();
        assert_eq!(["x2", "x3"].map(|id| contacts[id]["name"].clone()), [name, name]);
    }
}

#[tokio::test]
async fn a_destination_is_asked_no_faster_than_the_sync_says() {
    let (provider, taker, server) = stand(4).await;
    put(&server, &with(into(by_key()), json!({ "limits": { "requests_per_s": 2 } }))).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["created"]), [4]);
    let arrivals = taker.arrivals();
    // The first may be late by half a second, and the last in time.
    let took = arrivals[3] - arrivals[0];
    assert!(took > Duration::from_millis(1_000), "four requests, two a second, within {took:?}");
    // One that has enough, and does not say for how long, is left alone as long as the sync says.
    put(&server, &with(into(by_key()), json!({ "limits": { "throttled_wait_s": 60 } }))).await;
    provider.people()[0]["name"] = json!("Changed");
    taker.script([Some(Fault::Status(429))]);
    let job = begin(&server, json!({})).await;
    let job = server.until(&job, "it waits without a slot", |job| job["state"] == "scheduled").await;
    assert_eq!(taker.requests(), 5, "{job:#}");
    server.cancel(&job).await;
}
