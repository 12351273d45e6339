//! A file of all records: whole or as it was before, whoever is killed in between.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{artifact, begin, by_cursor, counts, definition, people, person, provider::Provider, put, run, serve, with};

fn file(format: &str) -> Value {
    with(
        definition(by_cursor(50)),
        json!({
            "mapping": [{ "to": "id", "from": "/id" }, { "to": "name", "from": "/name" }],
            "destination": { "object": { "name": "people.txt", "format": format } }
        }),
    )
}

/// The files of runs that lie in the object store.
fn parts(folder: &Path) -> usize {
    let mut count = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.components().any(|part| part.as_os_str() == "_runs") {
                count += 1;
            }
        }
    }
    count
}

#[tokio::test]
async fn the_file_has_each_record_once_in_the_order_of_the_source() {
    let provider = Provider::start(people(120)).await;
    let server = serve(&provider).await;
    put(&server, &file("json_lines")).await;
    let told = ["created", "updated", "unchanged", "deleted"];
    let job = run(&server, json!({})).await;
    assert_eq!((counts(&job, told), &job["result"]["object"]), ([120, 0, 0, 0], &json!("people.txt")));
    let lines = |text: String| text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).collect::<Vec<_>>();
    let expected = |provider: &Provider| {
        provider.people().iter().map(|person| json!({ "id": person["id"], "name": person["name"] })).collect::<Vec<_>>()
    };
    assert_eq!(lines(artifact(&server, &job, "people.txt").await), expected(&provider));
    {
        let mut people = provider.people();
        people.remove(5);
        people[7]["name"] = json!("Somebody, else");
        people.push(person(900, 1));
    }
    let dry = run(&server, json!({ "dry_run": true })).await;
    assert_eq!((counts(&dry, told), &dry["result"]["object"]), ([1, 1, 118, 1], &Value::Null), "{dry:#}");
    let job = run(&server, json!({})).await;
    assert_eq!(counts(&job, told), [1, 1, 118, 1]);
    assert_eq!(lines(artifact(&server, &job, "people.txt").await), expected(&provider));
    // Another name is another file; of another format it has a header.
    let again = server.send(reqwest::Method::PUT, "/v1/syncs/table", &[], Some(file("csv"))).await;
    assert_eq!(again.status, 201, "{}", again.body);
    let job = server.submit(json!({ "kind": "sync.run", "payload": { "sync": "table" } })).await;
    let job = server.wait(&job).await;
    let text = artifact(&server, &job, "people.txt").await;
    assert_eq!(
        (text.lines().count(), text.lines().next(), text.lines().nth(8)),
        (121, Some("id,name"), Some("p0000009,\"Somebody, else\""))
    );
    assert_eq!(parts(&server.data_dir()), 0);
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_the_file_as_it_was_and_goes_on() {
    let provider = Provider::start(people(400)).await;
    let mut server = serve(&provider).await;
    put(&server, &file("json_lines")).await;
    let before = run(&server, json!({})).await;
    for person in &mut *provider.people() {
        person["name"] = json!("New");
    }
    let first = provider.requests();
    provider.hold_from(first + 5);
    let job = begin(&server, json!({})).await;
    provider.until_requests(first + 5).await;
    server.kill().await;
    assert!(parts(&server.data_dir()) > 0);
    provider.release();
    server.launch();
    server.until_ready().await;
    let job = server.wait(&job).await;
    assert_eq!(counts(&job, ["pages", "read", "updated", "unchanged"]), [8, 400, 400, 0]);
    let text = artifact(&server, &job, "people.txt").await;
    assert_eq!(text.lines().filter(|line| line.contains("New")).count(), 400);
    assert_eq!(artifact(&server, &before, "people.txt").await, text, "there is one file");
    assert_eq!(parts(&server.data_dir()), 0);
}

#[tokio::test]
async fn a_file_is_what_one_reading_found_and_the_next_found_as_well() {
    let provider = Provider::start(people(10)).await;
    let server = serve(&provider).await;
    let style = json!({ "style": "page", "parameter": "page", "size": { "parameter": "size", "records": 5 } });
    let mut definition = file("json_lines");
    definition["source"]["http"]["list"] = super::listed(style, json!({}));
    definition["limits"] = json!({ "passes_max": 4 });
    put(&server, &definition).await;
    // While the list is read for the second time its first record leaves, so the sixth moves to the page that was read. Each had been seen, though
    // never in one reading.
    provider.script(|number, people| {
        if number == 5 {
            people.remove(0);
        }
        None
    });
    let job = run(&server, json!({})).await;
    let text = artifact(&server, &job, "people.txt").await;
    let ids: Vec<_> = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone()).collect();
    let expected: Vec<_> = provider.people().iter().map(|person| person["id"].clone()).collect();
    assert_eq!(ids, expected, "{job:#}");
}

#[tokio::test]
async fn the_parts_of_a_later_run_stay() {
    let provider = Provider::start(people(20)).await;
    let server = serve(&provider).await;
    put(&server, &file("json_lines")).await;
    run(&server, json!({})).await;
    // As whoever woke after its run had ended would find them. A key is a folder with two files.
    let written = find(&server.data_dir(), "people.txt").expect("the file");
    let part = |run: &str| written.with_file_name("_runs").join(run).join("1-1");
    for run in ["1", "99"] {
        fs::create_dir_all(part(run)).expect("a folder");
        for file in fs::read_dir(&written).expect("a folder") {
            let file = file.expect("an entry");
            fs::copy(file.path(), part(run).join(file.file_name())).expect("a copy");
        }
    }
    assert_eq!(parts(&server.data_dir()), 4);
    run(&server, json!({})).await;
    assert_eq!((parts(&server.data_dir()), part("99").join("%meta.json").exists()), (2, true));
}

/// A folder of this name below another.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(folder).ok()?.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    folders.into_iter().find_map(|path| if path.ends_with(name) { Some(path) } else { find(&path, name) })
}
