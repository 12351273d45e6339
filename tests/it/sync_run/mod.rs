//! `sync.run` on the real binaries: whatever happens to a run, its destination is what its source is, or it says what is not.

mod declared;
mod echo;
mod elsewhere;
mod fails;
mod intents;
mod kept;
mod kill;
mod object;
mod provider;
mod twice;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{
    server::{Client, Server, path},
    source::{Listing, Source},
};

use self::provider::{Provider, people, person};

/// A server that may call servers of this machine, with a connection to this provider.
async fn serve(provider: &Provider) -> Server {
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &provider.url()).await;
    server
}

async fn connect(client: &Client, name: &str, url: &str) {
    let connection = json!({ "name": name, "provider": "http", "config": { "url": url, "timeout_s": 30 } });
    let made = client.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

/// The sync `people` of the provider's people, listed so, into the collection of that name.
fn definition(list: Value) -> Value {
    json!({
        "source": { "http": { "connection": "directory", "list": list, "records": "/people", "key": "/id", "updated_at": "/updated_at" } },
        "destination": { "records": { "collection": "people" } }
    })
}

fn listed(pagination: Value, query: Value) -> Value {
    json!({ "path": "people", "query": query, "pagination": pagination })
}

fn by_cursor(size: u64) -> Value {
    listed(
        json!({ "style": "cursor", "parameter": "cursor", "pointer": "/next", "size": { "parameter": "size", "records": size } }),
        json!({}),
    )
}

/// The definition with these members in the place of what it says there.
fn with(mut definition: Value, members: Value) -> Value {
    for (name, value) in members.as_object().expect("an object") {
        definition[name] = value.clone();
    }
    definition
}

async fn put(client: &Client, definition: &Value) {
    let kept = client.send(Method::PUT, "/v1/syncs/people", &[], Some(definition.clone())).await;
    assert!([200, 201].contains(&kept.status), "{} {}", kept.status, kept.body);
}

async fn begin(client: &Client, more: Value) -> Value {
    client.submit(json!({ "kind": "sync.run", "payload": with(json!({ "sync": "people" }), more) })).await
}

/// Runs it to its end.
async fn run(client: &Client, more: Value) -> Value {
    let job = begin(client, more).await;
    client.wait(&job).await
}

/// The counts of a run that ended well, in this order.
fn counts<const N: usize>(job: &Value, names: [&str; N]) -> [u64; N] {
    assert_eq!(job["state"], "completed", "{job:#}");
    names.map(|name| job["result"][name].as_u64().unwrap_or_else(|| panic!("{name}: {job:#}")))
}

/// What the collection says, by key.
async fn said(server: &Server) -> BTreeMap<String, Value> {
    kept::of_server(server).await.0
}

/// What it has to say, if it is what the source is.
fn expected(people: &[Value]) -> BTreeMap<String, Value> {
    people.iter().map(|person| (person["id"].as_str().expect("an id").to_owned(), person.clone())).collect()
}

fn assert_same(said: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    let missing: Vec<_> = expected.keys().filter(|key| !said.contains_key(*key)).take(5).collect();
    let extra: Vec<_> = said.keys().filter(|key| !expected.contains_key(*key)).take(5).collect();
    let other: Vec<_> = expected.iter().filter(|(key, value)| said.get(*key).is_some_and(|said| said != *value)).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty() && other.is_empty(), "missing {missing:?}, too many {extra:?}, otherwise {other:?}");
}

/// A job's artifact as text.
async fn artifact(client: &Client, job: &Value, name: &str) -> String {
    let artifacts = client.read(&path(job, "/artifacts")).await;
    let named = artifacts["artifacts"].as_array().expect("a list").iter().find(|artifact| artifact["name"] == name);
    let url = named.unwrap_or_else(|| panic!("no {name}: {artifacts}"))["url"].as_str().expect("a link").to_owned();
    let url = if url.starts_with('/') { format!("{}{url}", client.url()) } else { url };
    reqwest::get(url).await.expect("an answer").text().await.expect("a text")
}

#[tokio::test]
async fn every_style_of_pages_brings_all() {
    const RECORDS: u64 = 230;
    for listing in Listing::ALL {
        let source = Source::start(RECORDS).await;
        let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
        connect(&server, "directory", &source.url()).await;
        let definition =
            json!({ "source": { "http": listing.source("directory", 50) }, "destination": { "records": { "collection": "people" } } });
        put(&server, &definition).await;
        for (created, unchanged) in [(RECORDS, 0), (0, RECORDS)] {
            let job = run(&server, json!({})).await;
            // A list by numbers is read twice, and what is read again counts once.
            let twice = matches!(listing, Listing::Page | Listing::PageOfTotal | Listing::Xml);
            let told = counts(&job, ["created", "unchanged", "updated", "deleted", "failed"]);
            assert_eq!(told, [created, unchanged, 0, 0, 0], "{listing:?}: {job:#}");
            assert_eq!(counts(&job, ["read"])[0] >= 2 * RECORDS, twice, "{listing:?}: {job:#}");
        }
        let said = said(&server).await;
        assert_eq!(said.len() as u64, RECORDS, "{listing:?}");
        if !matches!(listing, Listing::Csv | Listing::Xml) {
            assert_same(&said, &source.with(|data| data.ids_after(0).map(|id| (id.to_string(), data.record(id))).collect()));
        }
    }
}

#[tokio::test]
async fn what_came_changed_and_vanished_is_told_and_done() {
    let provider = Provider::start(people(120)).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(50))).await;
    let names = ["pages", "read", "created", "updated", "unchanged", "deleted"];
    assert_eq!(counts(&run(&server, json!({})).await, names), [3, 120, 120, 0, 0, 0]);
    {
        let mut people = provider.people();
        people.remove(7);
        people[20] = person(22, 2);
        people.push(person(500, 1));
    }
    let dry = run(&server, json!({ "dry_run": true })).await;
    assert_eq!((&dry["result"]["dry_run"], &dry["result"]["run"]), (&json!(true), &json!(2)));
    assert_eq!(counts(&dry, names), [3, 120, 1, 1, 118, 1]);
    assert_same(&said(&server).await, &expected(&people(120)));
    let real = run(&server, json!({})).await;
    assert_eq!(counts(&real, names), [3, 120, 1, 1, 118, 1]);
    assert_eq!(real["result"]["complete"], true);
    assert_same(&said(&server).await, &expected(&provider.people()));
    assert_eq!(kept::of_server(&server).await.1, ["p0000008"]);
    // It came back.
    provider.people().insert(7, person(8, 1));
    assert_eq!(counts(&run(&server, json!({})).await, names), [3, 121, 1, 0, 120, 0]);
    assert_same(&said(&server).await, &expected(&provider.people()));
}

#[tokio::test]
async fn a_source_that_is_suddenly_empty_deletes_nothing() {
    let provider = Provider::start(Vec::new()).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(500))).await;
    // At first there is nothing to lose.
    assert_eq!(counts(&run(&server, json!({})).await, ["pages", "read", "deleted"]), [1, 0, 0]);
    *provider.people() = people(1_000);
    assert_eq!(counts(&run(&server, json!({})).await, ["created"]), [1_000]);
    provider.people().clear();
    let refused = run(&server, json!({})).await;
    assert_eq!((&refused["state"], &refused["error"]["code"]), (&json!("dead"), &json!("deleted_percent_max")), "{refused:#}");
    assert_same(&said(&server).await, &expected(&people(1_000)));
    put(&server, &with(definition(by_cursor(500)), json!({ "limits": { "deleted_percent_max": 100 } }))).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["deleted"]), [1_000]);
    assert!(said(&server).await.is_empty());
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_again() {
    let size = json!({ "parameter": "size", "records": 10 });
    for (style, verified) in [
        (json!({ "style": "page", "parameter": "page", "size": size }), "another pass finds nothing new"),
        (
            json!({ "style": "page", "parameter": "page", "size": size, "total": "/total" }),
            "another pass finds nothing new, and as many as there are",
        ),
        (json!({ "style": "offset", "parameter": "offset", "size": size }), "pages overlap"),
    ] {
        let provider = Provider::start(people(35)).await;
        let server = serve(&provider).await;
        put(&server, &definition(listed(style, json!({ "total": "1" })))).await;
        assert_eq!(counts(&run(&server, json!({})).await, ["created"]), [35], "{verified}");
        // After the first page somebody deletes one of it: all others move, and the eleventh would be passed over.
        let first = provider.requests();
        provider.script(move |number, people| {
            if number == first + 2 {
                people.remove(3);
            }
            None
        });
        let job = run(&server, json!({})).await;
        let [created, updated, deleted] = counts(&job, ["created", "updated", "deleted"]);
        assert!(created == 0 && updated == 0 && deleted <= 1, "{verified}: {job:#}");
        let said = said(&server).await;
        assert!(
            expected(&provider.people()).keys().all(|key| said.contains_key(key)),
            "{verified}: something was deleted that the source has"
        );
        // Whoever left while the list was read is gone with the next run at the latest.
        provider.script(|_, _| None);
        run(&server, json!({})).await;
        assert_same(&self::said(&server).await, &expected(&provider.people()));
    }
}

#[tokio::test]
async fn one_that_leaves_while_another_comes_hides_none() {
    for total in [json!(null), json!("/total")] {
        let provider = Provider::start(people(10)).await;
        let server = serve(&provider).await;
        let size = json!({ "parameter": "size", "records": 5 });
        let mut style = json!({ "style": "page", "parameter": "page", "size": size });
        if total.is_string() {
            style["total"] = total.clone();
        }
        put(&server, &definition(listed(style, json!({ "total": "1" })))).await;
        // Before its second page is read the first one leaves and an eleventh comes: there are ten of ten, and the sixth is none of them.
        provider.script(|number, people| {
            if number == 2 {
                people.remove(0);
                people.push(person(11, 1));
            }
            None
        });
        run(&server, json!({})).await;
        let said = said(&server).await;
        assert!(expected(&provider.people()).keys().all(|key| said.contains_key(key)), "{total}: {:?}", said.keys());
    }
}

#[tokio::test]
async fn what_is_read_again_counts_once() {
    let provider = Provider::start(people(35)).await;
    let server = serve(&provider).await;
    let style = json!({ "style": "page", "parameter": "page", "size": { "parameter": "size", "records": 10 } });
    // The limits are those of a reading.
    let limits = json!({ "pages_max": 4, "records_max": 35 });
    let pages = with(definition(listed(style, json!({}))), json!({ "conflict": "manual", "limits": limits }));
    put(&server, &pages).await;
    run(&server, json!({})).await;
    let mine = server.send(Method::PUT, "/v1/records/people/p0000001", &[], Some(json!({ "name": "mine" }))).await;
    assert_eq!(mine.status, 200, "{}", mine.body);
    provider.people()[0]["name"] = json!("source");
    let job = run(&server, json!({})).await;
    assert_eq!(counts(&job, ["read", "unchanged", "conflicts", "updated"]), [70, 34, 1, 0], "{job:#}");
}

#[tokio::test]
async fn a_dry_run_may_delete_as_much_as_a_real_one() {
    let provider = Provider::start(people(100)).await;
    let server = serve(&provider).await;
    put(&server, &definition(by_cursor(50))).await;
    run(&server, json!({})).await;
    {
        let mut people = provider.people();
        people.drain(..40);
        people.extend((1_001..=1_060).map(|id| person(id, 1)));
    }
    for dry_run in [true, false] {
        assert_eq!(counts(&run(&server, json!({ "dry_run": dry_run })).await, ["created", "unchanged", "deleted"]), [60, 60, 40]);
    }
}

#[tokio::test]
async fn a_list_that_never_stands_still_deletes_nothing_and_says_so() {
    let provider = Provider::start(people(40)).await;
    let server = serve(&provider).await;
    let size = json!({ "parameter": "size", "records": 10 });
    let style = listed(json!({ "style": "page", "parameter": "page", "size": size }), json!({}));
    put(&server, &definition(style)).await;
    counts(&run(&server, json!({})).await, ["created"]);
    let gone = provider.people().remove(39);
    let mut next = 1_000;
    provider.script(move |_, people| {
        next += 1;
        people.insert(0, person(next, 1));
        None
    });
    let job = run(&server, json!({})).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("source_changed")), "{job:#}");
    let said = said(&server).await;
    assert!(said.contains_key(gone["id"].as_str().expect("an id")), "nothing is deleted");
    assert!(said.contains_key("p0001001"), "what was read is written");
}

#[tokio::test]
async fn only_what_changed_is_asked_for_and_a_run_that_failed_for_a_record_asks_again() {
    let provider = Provider::start(people(60)).await;
    let server = serve(&provider).await;
    let mut definition = with(
        definition(by_cursor(50)),
        json!({ "mapping": [
        { "to": "id", "from": "/id" }, { "to": "name", "from": "/name", "required": true }, { "to": "version", "from": "/version", "type": "integer" }
    ] }),
    );
    definition["source"]["http"]["list"]["incremental"] =
        json!({ "style": "updated_since", "parameter": "since", "overlap_s": 1, "full_every": 5 });
    definition["source"]["http"]["deleted"] = json!({ "pointer": "/gone" });
    put(&server, &definition).await;
    let first = run(&server, json!({})).await;
    assert_eq!((counts(&first, ["read", "created"]), &first["result"]["full"]), ([60, 60], &json!(true)));
    {
        let mut people = provider.people();
        people[3] = person(4, 7_200);
        people[5] = with(person(6, 7_200), json!({ "gone": true }));
        people[8] = with(person(9, 7_200), json!({ "name": null }));
    }
    for _ in 0..2 {
        // One of them fails, so the next run asks for all of them again.
        let job = run(&server, json!({})).await;
        assert_eq!(
            (counts(&job, ["failed"]), &job["result"]["full"], &job["result"]["complete"]),
            ([1], &json!(false), &json!(false)),
            "{job:#}"
        );
        assert_eq!(artifact(&server, &job, "errors.csv").await.lines().count(), 2);
    }
    provider.people()[8] = person(9, 7_200);
    let job = run(&server, json!({})).await;
    assert_eq!(counts(&job, ["updated", "failed", "deleted"]), [1, 0, 0], "{job:#}");
    let before = counts(&job, ["read"])[0];
    let job = run(&server, json!({})).await;
    // At first nothing was known but that of the first run; now the three that changed are asked for again, as clocks differ.
    assert_eq!((before, counts(&job, ["read"]), &job["result"]["full"]), (60, [3], &json!(false)), "{job:#}");
    let said = said(&server).await;
    assert_eq!((said.len(), &said["p0000004"]["version"], said.contains_key("p0000006")), (59, &json!(7_200), false));
    // Every fifth reads all, and finds who vanished without a word.
    provider.people().remove(30);
    for full in [true, false] {
        let job = run(&server, json!({})).await;
        assert_eq!((&job["result"]["full"], counts(&job, ["deleted"])), (&json!(full), [u64::from(full)]), "{job:#}");
    }
}

#[tokio::test]
async fn a_list_with_a_validator_is_not_read_again_while_it_is_the_same() {
    let provider = Provider::start(people(30)).await;
    let server = serve(&provider).await;
    let list = json!({ "path": "people", "query": { "all": "1" }, "incremental": { "style": "validators" } });
    put(&server, &definition(list)).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["read", "created"]), [30, 30]);
    for _ in 0..2 {
        assert_eq!(counts(&run(&server, json!({})).await, ["read", "deleted"]), [0, 0]);
    }
    provider.people().remove(2);
    assert_eq!(counts(&run(&server, json!({})).await, ["read", "deleted"]), [29, 1]);
    assert_same(&said(&server).await, &expected(&provider.people()));
}

#[tokio::test]
async fn a_validator_is_believed_only_where_the_last_run_learned_it() {
    let provider = Provider::start(people(30)).await;
    let server = serve(&provider).await;
    let list = json!({ "path": "people", "query": { "all": "1" }, "incremental": { "style": "validators" } });
    let required = json!({ "mapping": [{ "to": "id", "from": "/id" }, { "to": "name", "from": "/name", "required": true },
        { "to": "version", "from": "/version" }] });
    put(&server, &with(definition(list), required)).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["created"]), [30]);
    let before = provider.people().clone();
    {
        let mut people = provider.people();
        people.iter_mut().for_each(|person| person["version"] = json!(2));
        people[3]["name"] = json!(null);
    }
    // What it says now is written, and one of them fails.
    assert_eq!(counts(&run(&server, json!({})).await, ["updated", "failed"]), [29, 1]);
    *provider.people() = before;
    // A dry run tells, and changes nothing about what the next has to read.
    for dry_run in [true, false] {
        let job = run(&server, json!({ "dry_run": dry_run })).await;
        assert_eq!(counts(&job, ["read", "updated", "failed"]), [30, 29, 0], "it is read again, though it is as it was: {job:#}");
    }
    let versions: Vec<_> = said(&server).await.values().map(|person| person["version"].clone()).collect();
    assert!(versions.iter().all(|version| *version == 1), "{versions:?}");
    // Now the last real run learned it.
    run(&server, json!({ "dry_run": true })).await;
    assert_eq!(counts(&run(&server, json!({})).await, ["read"]), [0]);
}

#[tokio::test]
async fn who_wins_is_what_the_sync_says() {
    let provider = Provider::start(people(4)).await;
    let server = serve(&provider).await;
    for (conflict, expected) in [("source", ["source", "source"]), ("destination", ["mine", "source"]), ("manual", ["mine", "source"])] {
        *provider.people() = people(4);
        put(&server, &with(definition(by_cursor(50)), json!({ "conflict": "source" }))).await;
        run(&server, json!({})).await;
        put(&server, &with(definition(by_cursor(50)), json!({ "conflict": conflict }))).await;
        run(&server, json!({})).await;
        let mine = server.send(Method::PUT, "/v1/records/people/p0000001", &[], Some(json!({ "name": "mine" }))).await;
        assert_eq!(mine.status, 200, "{}", mine.body);
        for person in &mut *provider.people() {
            person["name"] = json!("source");
        }
        let job = run(&server, json!({})).await;
        let said = said(&server).await;
        assert_eq!(["p0000001", "p0000002"].map(|key| said[key]["name"].as_str()), expected.map(Some), "{conflict}: {job:#}");
        let told = counts(&job, ["updated", "kept", "conflicts"]);
        assert_eq!(
            told,
            match conflict {
                "source" => [4, 0, 0],
                "destination" => [3, 1, 0],
                _ => [3, 0, 1],
            },
            "{conflict}"
        );
    }
}
