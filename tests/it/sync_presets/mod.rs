//! The presets of syncs against providers that speak what was published of them (`tests/harness/providers/`), which the providers' own clients judge.

mod airtable;
mod assumed;
mod clients;
mod destination_one;
mod door;
mod gohighlevel;
mod mobilithek;
mod pages;
mod rest;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use windrow_tests::{
    provider::Provider,
    server::{Server, path},
};

/// A server that may call the providers of this machine.
async fn serve() -> Server {
    Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await
}

/// Makes a connection to a provider.
async fn connect(server: &Server, provider: &Provider, name: &str, config: Value, secrets: Value) {
    create(server, provider.connection(name, config, secrets)).await;
}

async fn create(server: &Server, connection: Value) {
    let made = server.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

/// Has a connection tested, and gives the job.
async fn tested(server: &Server, name: &str) -> Value {
    let asked = server.send(Method::POST, &format!("/v1/connections/{name}/test"), &[("prefer", "wait=30")], None).await;
    assert!(asked.status < 300, "{}", asked.body);
    server.wait(&asked.body).await
}

/// Has an endpoint asked once, and gives the job.
async fn asked(server: &Server, connection: &str, path: &str, query: Value) -> Value {
    let payload = json!({ "connection": connection, "method": "GET", "path": path, "query": query });
    let job = server.submit(json!({ "kind": "http.request", "payload": payload, "max_attempts": 1 })).await;
    server.wait(&job).await
}

/// Keeps a sync of a preset.
async fn put(server: &Server, name: &str, preset: &str, parameters: Value, own: Value) {
    let mut body = own;
    (body["preset"], body["parameters"]) = (json!(preset), parameters);
    let kept = server.send(Method::PUT, &format!("/v1/syncs/{name}"), &[], Some(body)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
}

/// Runs a sync to its end.
async fn run(server: &Server, name: &str) -> Value {
    let job = server.submit(json!({ "kind": "sync.run", "payload": { "sync": name }, "max_attempts": 1 })).await;
    server.wait(&job).await
}

/// The counts of a run that ended well, in this order.
fn counts<const N: usize>(job: &Value, names: [&str; N]) -> [u64; N] {
    assert_eq!(job["state"], "completed", "{job:#}");
    names.map(|name| job["result"][name].as_u64().unwrap_or_else(|| panic!("{name}: {job:#}")))
}

/// What a collection says, by key, as the ledger has it.
async fn said(server: &Server, collection: &str) -> BTreeMap<String, Value> {
    let text = "SELECT key, data FROM records WHERE collection = ? AND deleted_at_ms IS NULL";
    let rows: Vec<(String, String)> =
        sqlx::query_as(text).bind(collection).fetch_all(&mut ledger(server).await).await.expect("its records");
    rows.into_iter().map(|(key, data)| (key, serde_json::from_str(&data).expect("JSON"))).collect()
}

/// The keys of those whose look-up field has this value.
async fn found(server: &Server, collection: &str, field: &str, value: &str) -> Vec<String> {
    let encoded = |text: &str| text.replace('/', "%2F").replace('@', "%40");
    let found = server.read(&format!("/v1/records/{collection}?field={}&value={}", encoded(field), encoded(value))).await;
    let records = found["records"].as_array().unwrap_or_else(|| panic!("{found}"));
    records.iter().map(|record| record["key"].as_str().expect("a key").to_owned()).collect()
}

async fn ledger(server: &Server) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(server.data_dir().join("windrow.db")).read_only(true);
    options.connect().await.expect("the ledger's file")
}

/// The row errors of a run, as CSV.
async fn errors(server: &Server, job: &Value) -> String {
    let artifacts = server.read(&path(job, "/artifacts")).await;
    let named = artifacts["artifacts"].as_array().expect("a list").iter().find(|artifact| artifact["name"] == "errors.csv");
    let url = named.unwrap_or_else(|| panic!("no errors: {artifacts} {job:#}"))["url"].as_str().expect("a link").to_owned();
    let url = if url.starts_with('/') { format!("{}{url}", server.url()) } else { url };
    reqwest::get(url).await.expect("an answer").text().await.expect("a text")
}

/// The most requests that came within a second.
fn busiest_second(seen: &[Value]) -> usize {
    let at: Vec<f64> = seen.iter().map(|request| request["at"].as_f64().expect("a time")).collect();
    at.iter().map(|first| at.iter().filter(|other| (*first..first + 1.0).contains(*other)).count()).max().unwrap_or_default()
}

/// A parameter of a request.
fn parameter<'r>(request: &'r Value, name: &str) -> Option<&'r str> {
    request["query"].as_array()?.iter().find(|pair| pair[0] == name)?[1].as_str()
}
