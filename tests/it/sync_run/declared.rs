//! What a sync declares is what happens, over a server: who wins, what becomes of the vanished, what is asked for, what a preview shows.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use std::time::Duration;
use windrow_tests::{
    server::Server,
    source::{Listing, Source},
};

use super::{
    by_cursor, connect, counts, definition, kept, people, person,
    provider::{Provider, Said},
    put, run, said, serve, with,
};

const PERSON: &str = "/v1/records/people/p000000";

/// The tenant's own change of the person of this number.
async fn edit(server: &Server, number: u8) {
    let mine = server.send(reqwest::Method::PUT, &format!("{PERSON}{number}"), &[], Some(json!({ "name": "mine" }))).await;
    assert_eq!(mine.status, 200, "{}", mine.body);
}

/// The names of these persons, as the collection has them.
async fn names<const N: usize>(server: &Server, numbers: [u8; N]) -> [String; N] {
    let said = said(server).await;
    numbers.map(|number| said[&format!("p000000{number}")]["name"].as_str().expect("a name").to_owned())
}

#[tokio::test]
async fn the_later_change_wins_where_the_sync_says_so() {
    let provider = Provider::start(people(4)).await;
    let server = serve(&provider).await;
    put(&server, &with(definition(by_cursor(50)), json!({ "conflict": "newest" }))).await;
    run(&server, json!({})).await;
    for number in [1, 2, 4] {
        edit(&server, number).await;
    }
    for (at, changed_at) in [(0, "2999-01-01T00:00:00Z"), (1, "2026-01-02T00:00:00Z"), (2, "2026-01-02T00:00:00Z")] {
        let mut people = provider.people();
        people[at]["name"] = json!("source");
        people[at]["updated_at"] = json!(changed_at);
    }
    // The first changed at the source after our change, the second before; the third here alone, and the fourth there alone.
    for told in [[2, 2, 0, 0], [0, 0, 0, 4]] {
        let job = run(&server, json!({})).await;
        let [updated, kept, conflicts, unchanged] = counts(&job, ["updated", "kept", "conflicts", "unchanged"]);
        assert_eq!((updated, conflicts, kept + unchanged), (told[0], 0, told[1] + told[3]), "{job:#}");
        assert_eq!(names(&server, [1, 2, 3, 4]).await, ["source", "mine", "source", "mine"]);
    }
}

#[tokio::test]
async fn what_vanished_is_marked_deleted_or_kept_as_the_sync_says() {
    for (delete, told, status) in [("soft", [1, 0], 200), ("hard", [1, 0], 404), ("keep", [0, 1], 200)] {
        let provider = Provider::start(people(20)).await;
        let server = serve(&provider).await;
        put(&server, &with(definition(by_cursor(50)), json!({ "delete": delete }))).await;
        run(&server, json!({})).await;
        provider.people().remove(7);
        assert_eq!(counts(&run(&server, json!({})).await, ["deleted", "missing"]), told, "{delete}");
        let record = server.send(reqwest::Method::GET, &format!("{PERSON}8"), &[], None).await;
        assert_eq!(record.status, status, "{delete}: {}", record.body);
        let (said, marked) = kept::of_server(&server).await;
        let (there, marks) = match delete {
            "soft" => (19, 1),
            "hard" => (19, 0),
            _ => (20, 0),
        };
        assert_eq!((said.len(), marked.len()), (there, marks), "{delete}");
        assert_eq!(record.body["deleted_at"].is_string(), delete == "soft", "{delete}: {}", record.body);
        let listed = server.read("/v1/records/people").await;
        assert_eq!(listed["records"].as_array().map(Vec::len), Some(there), "{delete}: a mark is not listed");
    }
}

#[tokio::test]
async fn somebody_decides_a_conflict_and_it_stays_decided() {
    let provider = Provider::start(people(4)).await;
    let server = serve(&provider).await;
    put(&server, &with(definition(by_cursor(50)), json!({ "conflict": "manual" }))).await;
    run(&server, json!({})).await;
    for number in [1, 2] {
        edit(&server, number).await;
        provider.people()[usize::from(number) - 1]["name"] = json!("source");
    }
    assert_eq!(counts(&run(&server, json!({})).await, ["updated", "conflicts"]), [0, 2]);
    let open = server.read("/v1/syncs/people/conflicts").await;
    let told: Vec<_> = open["conflicts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| [&one["source"]["name"], &one["destination"]["data"]["name"]])
        .collect();
    assert_eq!(told, [[&json!("source"), &json!("mine")]; 2], "{open:#}");
    for (number, side, status) in [(1, "source", 204), (2, "destination", 204), (1, "source", 404), (3, "source", 404)] {
        let decision = format!("/v1/syncs/people/conflicts/p000000{number}");
        let decided = server.send(reqwest::Method::POST, &decision, &[], Some(json!({ "keep": side }))).await;
        assert_eq!(decided.status, status, "{number}: {}", decided.body);
    }
    assert_eq!(server.read("/v1/syncs/people/conflicts").await["conflicts"], json!([]));
    assert_eq!(names(&server, [1, 2]).await, ["source", "mine"]);
    assert_eq!(counts(&run(&server, json!({})).await, ["unchanged", "conflicts", "updated", "kept"]), [4, 0, 0, 0]);
    assert_eq!(names(&server, [1, 2]).await, ["source", "mine"]);
}

#[tokio::test]
async fn what_changed_is_asked_for_by_the_providers_own_mark() {
    let source = Source::start(25).await;
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    let mut http = Listing::Cursor.source("directory", 10);
    http["list"]["incremental"] = json!({ "style": "cursor", "parameter": "sync", "pointer": "/sync" });
    put(&server, &json!({ "source": { "http": http }, "destination": { "records": { "collection": "people" } } })).await;
    let names = ["read", "created", "updated", "deleted"];
    assert_eq!(counts(&run(&server, json!({})).await, names), [25, 25, 0, 0]);
    source.with(|data| (1..=12).for_each(|id| data.change(id)));
    let job = run(&server, json!({})).await;
    assert_eq!((counts(&job, names), &job["result"]["full"]), ([12, 0, 12, 0], &json!(false)), "{job:#}");
    let asked = source.seen().last().expect("a request").query.get("sync").cloned();
    assert_eq!(asked.as_deref(), Some("0"), "the mark of the first run");
    let job = run(&server, json!({})).await;
    assert_eq!((counts(&job, names), &job["result"]["full"]), ([0; 4], &json!(false)), "{job:#}");
    // A mark that the provider has forgotten: all is read, and who left is found.
    source.with(|data| {
        data.remove(3);
        data.marks_from = 1_000;
    });
    let job = run(&server, json!({})).await;
    assert_eq!((counts(&job, names), &job["result"]["full"]), ([24, 0, 0, 1], &json!(true)), "{job:#}");
}

#[tokio::test]
async fn a_list_without_an_end_is_broken_off_and_deletes_nothing() {
    let provider = Provider::start(people(20)).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(10))).await;
    run(&server, json!({})).await;
    let before = provider.requests();
    provider.script(|number, _| {
        Some(Said { status: 200, retry_after_s: None, body: json!({ "people": [], "next": format!("c{}", 1_000 + number) }) })
    });
    let job = run(&server, json!({})).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("source_endless")), "{job:#}");
    assert_eq!((provider.requests() - before, said(&server).await.len()), (101, 20));
}

#[tokio::test]
async fn a_source_is_asked_no_faster_than_the_sync_says() {
    let source = Source::start(40).await;
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    // Half of what they are to be apart: a request may come late, and the next in time.
    source.apart(Duration::from_millis(250));
    let definition = |per_s: Value| {
        json!({ "source": { "http": Listing::Cursor.source("directory", 10) }, "destination": { "records": { "collection": "people" } },
            "limits": { "requests_per_s": per_s, "throttled_wait_s": 1 } })
    };
    put(&server, &definition(json!(2))).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["pages", "created"]), [4, 40]);
    assert_eq!((source.requests(), source.too_fast()), (4, 0));
    put(&server, &definition(json!(null))).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["pages", "unchanged"]), [4, 40]);
    assert!(source.too_fast() > 0, "who says nothing goes as fast as it can");
}

/// All that the ledger keeps of the sync and its collection.
async fn all_kept(server: &Server) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(server.data_dir().join("windrow.db")).read_only(true);
    let mut connection = options.connect().await.expect("the ledger's file");
    let mut all = Vec::new();
    for text in [
        "SELECT json_array(name, version, since, last_run, updated_at_ms) FROM syncs ORDER BY name",
        "SELECT json_array(number, state, counts, place) FROM sync_runs ORDER BY number",
        "SELECT json_array(key, hex(hash), seen, version) FROM sync_items ORDER BY key",
        "SELECT json_array(key, data, version, deleted_at_ms) FROM records ORDER BY key",
        "SELECT json_array(key, run) FROM sync_conflicts ORDER BY key",
        "SELECT json_array(run, key, code) FROM sync_errors ORDER BY key",
    ] {
        let rows: Vec<String> = sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        all.push(format!("{}: {}", rows.len(), rows.join("\n")));
    }
    all
}

#[tokio::test]
async fn a_preview_touches_nothing() {
    let provider = Provider::start(people(30)).await;
    let server = serve(&provider).await;
    let mut incremental = with(definition(by_cursor(10)), json!({ "conflict": "manual" }));
    incremental["source"]["http"]["list"]["incremental"] = json!({ "style": "updated_since", "parameter": "since" });
    put(&server, &incremental).await;
    run(&server, json!({})).await;
    edit(&server, 1).await;
    {
        let mut people = provider.people();
        people[0] = person(1, 7_200);
        people[1] = person(2, 7_200);
        people.remove(5);
        people.insert(0, person(500, 7_200));
    }
    let before = (all_kept(&server).await, server.read("/v1/syncs/people").await);
    assert!(before.0.iter().take(4).all(|rows| !rows.starts_with("0:")) && before.1["since"].is_object(), "{before:#?}");
    // As it is saved, and as it might be.
    for body in [None, Some(with(incremental.clone(), json!({ "destination": { "records": { "collection": "others" } } })))] {
        let answer = server.send(reqwest::Method::POST, "/v1/syncs/people/preview", &[], body).await;
        let preview = server.wait(&answer.body).await;
        assert_eq!((&preview["state"], &preview["result"]["of"]), (&json!("completed"), &json!(10)), "{preview:#}");
        assert_eq!(preview["result"]["records"][0]["key"], "p0000500", "it shows what there is now");
    }
    assert_eq!((all_kept(&server).await, server.read("/v1/syncs/people").await), before);
}
