//! What cannot be taken over is told, and is never a reason to delete what the source has.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use windrow_tests::{
    server::Server,
    source::{Fault, Listing, Source},
    taker::{self, Taker},
};

use super::{
    artifact, assert_same, by_cursor, connect, counts, definition, expected, people, person,
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
        (json!({ "bytes_max": 2_500 }), "bytes_max", 20),
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
    assert_eq!((read, created, updated, unchanged), (36, 30, 1, 0), "{job:#}");
    let mut people = people(30);
    people[5] = person(6, 2);
    assert_same(&said(&server).await, &expected(&people));
}

#[tokio::test]
async fn a_run_that_gets_on_fails_as_often_as_it_likes() {
    let provider = Provider::start(people(60)).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(10))).await;
    // An attempt asks three times, and is given up. Each one reads a page more.
    let mut failures = 0;
    provider.script(move |number, _| {
        failures = if number % 4 == 1 { 0 } else { failures + 1 };
        (failures > 0).then(|| Said { status: 500, retry_after_s: None, body: json!({}) })
    });
    let job = server.submit(json!({ "kind": "sync.run", "payload": { "sync": "people" }, "max_attempts": 2 })).await;
    let job = server.wait(&job).await;
    assert_eq!(counts(&job, ["pages", "read", "created", "failed"]), [6, 60, 60, 0], "{job:#}");
    assert!(job["attempt"].as_u64() > Some(3), "{job:#}");
    assert_same(&said(&server).await, &expected(&provider.people()));
    // One that does not get on has the attempts that it has.
    provider.script(|_, _| Some(Said { status: 500, retry_after_s: None, body: json!({}) }));
    let job = server.submit(json!({ "kind": "sync.run", "payload": { "sync": "people" }, "max_attempts": 2 })).await;
    let job = server.wait(&job).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("dead"), &json!(2)), "{job:#}");
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_a_day() {
    let provider = Provider::start(people(45)).await;
    let server = serve(&provider).await;
    put(&server, &strict()).await;
    provider.script(|_, _| Some(Said { status: 429, retry_after_s: Some(u32::MAX), body: json!({}) }));
    let job = super::begin(&server, json!({})).await;
    let job = server.until(&job, "it waits", |job| job["state"] == "scheduled").await;
    let at = |name: &str| chrono::DateTime::parse_from_rfc3339(job[name].as_str().expect("a text")).expect("an instant");
    let waits_s = (at("run_at") - at("created_at")).num_seconds();
    assert!((86_000..90_000).contains(&waits_s), "{job:#}");
}

#[tokio::test]
async fn who_is_told_to_wait_again_and_again_pays_for_it() {
    let provider = Provider::start(people(45)).await;
    let mut server = serve(&provider).await;
    put(&server, &strict()).await;
    provider.hold_from(3);
    let job = super::begin(&server, json!({})).await;
    provider.until_requests(3).await;
    server.until(&job, "a page is written", |job| job["progress"]["message"].is_string()).await;
    server.kill().await;
    // As if it had waited twenty times since.
    let mut place = place(&server).await;
    place["waits"] = json!(20);
    set_place(&server, &place).await;
    provider.script(|_, _| Some(Said { status: 429, retry_after_s: Some(21), body: json!({}) }));
    provider.release();
    server.launch();
    server.until_ready().await;
    let job = server.until(&job, "the wait is charged", |job| job["error"]["code"] == "provider_busy").await;
    assert_eq!(job["state"], "retryable", "{job:#}");
    // A page is enough for it to wait for nothing again.
    let mut pages = 0;
    provider.script(move |_, _| {
        pages += 1;
        (pages == 2).then(|| Said { status: 429, retry_after_s: Some(21), body: json!({}) })
    });
    server.until(&job, "it waits uncharged", |job| job["state"] == "scheduled").await;
    assert_eq!(self::place(&server).await["waits"], 1);
}

#[tokio::test]
async fn a_sweep_that_has_to_wait_keeps_no_list_of_what_it_did() {
    let provider = Provider::start(people(60)).await;
    let taker = Taker::start().await;
    let server = serve(&provider).await;
    connect(&server, "crm", &taker.url()).await;
    let mut push = with(definition(by_cursor(50)), json!({ "delete": "hard", "limits": { "deleted_percent_max": 100 } }));
    push["mapping"] = json!([{ "to": "key", "from": "/id" }]);
    push["destination"] = json!({ "http": { "connection": "crm", "single": { "create": { "method": "PUT", "path": "contacts/{key}" } },
        "delete": { "method": "DELETE", "path": "contacts/{key}" } } });
    put(&server, &push).await;
    run(&server, json!({})).await;
    provider.people().drain(..40);
    let before = taker.requests();
    taker.script((0..10).map(|_| None).chain([Some(taker::Fault::Busy(21))]));
    let job = super::begin(&server, json!({})).await;
    server.until(&job, "it waits", |job| job["state"] == "scheduled").await;
    assert_eq!(place(&server).await["ahead"], json!([]));
    assert!(taker.deleted().len() >= 10);
    let job = server.wait(&job).await;
    assert_eq!(counts(&job, ["deleted", "failed", "repeated"]), [40, 0, 0], "{job:#}");
    assert_eq!((taker.deleted().len(), taker.requests() - before), (40, 41), "each is asked for once, and the one that was to wait again");
}

/// Where the latest run is, as the ledger's file has it.
async fn place(server: &Server) -> Value {
    let options = SqliteConnectOptions::new().filename(server.data_dir().join("windrow.db"));
    let text = sqlx::query_scalar("SELECT place FROM sync_runs ORDER BY started_at_ms DESC, number DESC LIMIT 1");
    let text: String = text.fetch_one(&mut options.connect().await.expect("the ledger's file")).await.expect("a place");
    serde_json::from_str(&text).expect("JSON")
}

/// Says that it is there, while no server runs.
async fn set_place(server: &Server, place: &Value) {
    let options = SqliteConnectOptions::new().filename(server.data_dir().join("windrow.db"));
    let mut ledger = options.connect().await.expect("the ledger's file");
    sqlx::query("UPDATE sync_runs SET place = ?1").bind(place.to_string()).execute(&mut ledger).await.expect("written");
}

#[tokio::test]
async fn a_source_that_lies_or_never_ends_is_told_and_deletes_nothing() {
    let source = Source::start(300).await;
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    let limits = json!({ "page_timeout_s": 1, "page_bytes_max": 200_000 });
    let definition = json!({ "source": { "http": Listing::Cursor.source("directory", 100) }, "limits": limits, "delete": "hard",
        "destination": { "records": { "collection": "people" } } });
    put(&server, &definition).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["created"]), [300]);
    let before = said(&server).await;
    source.with(|data| (1..=20).for_each(|id| data.remove(id)));
    let html = ("text/html".to_owned(), "<html>Sign in</html>".to_owned());
    let error = ("application/json".to_owned(), r#"{"error":"no such user"}"#.to_owned());
    for (fault, code) in [
        (Fault::Lie(html.0, html.1), "page_unreadable"),
        (Fault::Lie(error.0, error.1), "records_missing"),
        (Fault::Truncate, "connection_broken"),
        (Fault::Half, "page_unreadable"),
        (Fault::Endless, "page_too_large"),
        (Fault::Stall, "answer_late"),
        (Fault::Drop, "connection_broken"),
        (Fault::Bomb(50_000_000), "page_too_large"),
        (Fault::Redirect(302, "http://127.0.0.2:1/elsewhere".into()), "redirected_elsewhere"),
    ] {
        // At its first page, and after a good one.
        for good in [0, 1] {
            source.always(None);
            let from = source.requests() + 1 + good;
            (from..from + 12).for_each(|number| source.fault(number, fault.clone()));
            let job = server.submit(json!({ "kind": "sync.run", "payload": { "sync": "people" }, "max_attempts": 1 })).await;
            let job = server.wait(&job).await;
            assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!(code)), "{fault:?}: {job:#}");
            assert!(job["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{job:#}");
            assert_same(&said(&server).await, &before);
            (from..from + 12).for_each(|number| source.fault(number, Fault::Headers(Vec::new())));
        }
    }
    assert_eq!(counts(&run(&server, json!({})).await, ["deleted", "unchanged", "failed"]), [20, 280, 0]);
    assert_same(&said(&server).await, &source.with(|data| data.ids_after(0).map(|id| (id.to_string(), data.record(id))).collect()));
}
