//! `http.request` against an endpoint that others' code judges (`endpoint.py`), and against hostile ones.

mod hostile;
mod languages;

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{
    python::tool,
    server::{Process, Server},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_SECRET: &str = "whsec_bmV4dG5leHRuZXh0bmV4dG5leHRuZXh0";
const BEARER: &str = "planted-bearer-1f2e3d";

/// A program that prints its port first, and then what it saw as lines of JSON.
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

impl Peer {
    pub(crate) async fn start(program: &Path, name: &str, arguments: &[&str], environment: &[(String, String)], folder: &Path) -> Self {
        let mut process = Process::spawn_program(program, name, arguments, environment, folder);
        let mut waited = 0;
        let port = loop {
            if let Some(port) = process.output().lines().next().and_then(|line| line.trim().parse().ok()) {
                break port;
            }
            process.check_alive();
            waited += 1;
            assert!(waited < 1_500, "{name} does not start: {}", process.log());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        Self { process, port }
    }

    async fn endpoint(server: &Server) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/http_request/endpoint.py");
        Self::start(&tool("python"), "endpoint", &["-u", script, SECRET, NEXT_SECRET], &[], server.home()).await
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Value> {
        let lines = self.process.output();
        let lines = lines.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("lines of JSON"));
        lines.filter(|line| line["path"].as_str().is_some_and(|seen| seen == path)).collect()
    }

    /// Waits for so many lines about a path.
    pub(crate) async fn until_seen(&self, path: &str, count: usize) -> Vec<Value> {
        for _ in 0..3_000 {
            let seen = self.seen(path);
            if seen.len() >= count {
                return seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{path} is not seen {count} times: {:?}", self.seen(path));
    }
}

async fn serve() -> Server {
    Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await
}

async fn connect(server: &Server, name: &str, url: &str, secrets: Value) {
    let connection = json!({ "name": name, "provider": "http", "config": { "url": url }, "secrets": secrets });
    let made = server.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

async fn ask(server: &Server, payload: Value, max_attempts: u32) -> Value {
    let mut payload = payload;
    if payload.get("connection").is_none() {
        payload["connection"] = json!("shop");
    }
    server.submit(json!({ "kind": "http.request", "payload": payload, "max_attempts": max_attempts })).await
}

async fn came_of(server: &Server, payload: Value, max_attempts: u32) -> Value {
    let job = ask(server, payload, max_attempts).await;
    server.wait(&job).await
}

#[tokio::test]
async fn requests_are_signed_keyed_and_answered_as_promised() {
    let server = serve().await;
    let endpoint = Peer::endpoint(&server).await;
    let both = format!("{SECRET} {NEXT_SECRET}");
    let url = format!("http://127.0.0.1:{}/", endpoint.port);
    connect(&server, "shop", &url, json!({ "signing_secret": both, "bearer_token": BEARER })).await;

    let payload = json!({
        "path": "ok", "query": { "a": "1 2" }, "headers": { "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
        "body": { "n": 1, "text": "größer" }, "answer_headers": ["X-Request"]
    });
    let job = came_of(&server, payload, 3).await;
    let headers = json!({ "content-type": "application/json", "x-request": "r1" });
    assert_eq!(job["result"], json!({ "status": 200, "headers": headers, "body": { "answer": 42 }, "artifact": null }), "{job}");
    let request = endpoint.until_seen("/ok?a=1+2", 1).await.remove(0);
    assert_eq!(request["verified"], 2, "the official package verifies it by either secret: {request}");
    assert_eq!(serde_json::from_str::<Value>(request["body"].as_str().expect("text")).ok(), Some(json!({ "n": 1, "text": "größer" })));
    let sent = &request["headers"];
    let id = job["id"].as_str().expect("an id");
    assert_eq!(sent["idempotency-key"], format!("{id}.request"));
    assert_eq!(sent["webhook-id"], format!("{id}_request"));
    assert_eq!((&sent["windrow-job"], &sent["windrow-attempt"], &sent["windrow-tenant"]), (&json!(id), &json!("1"), &json!("default")));
    assert_eq!(sent["authorization"], format!("Bearer {BEARER}"));
    assert!(sent["windrow-deadline"].as_str().is_some_and(|deadline| deadline.ends_with('Z')), "{sent}");
    assert!(sent["traceparent"].as_str().is_some_and(|parent| parent.starts_with("00-0af765")), "{sent}");

    assert_eq!(came_of(&server, json!({ "path": "text", "method": "GET" }), 1).await["result"]["body"], json!("grüße"));
    assert_eq!(came_of(&server, json!({ "path": "empty", "method": "DELETE" }), 1).await["result"]["body"], Value::Null);
    let large = came_of(&server, json!({ "path": "large" }), 1).await;
    assert_eq!((&large["result"]["body"], &large["result"]["artifact"]), (&Value::Null, &json!("response")));
    let artifacts = server.read(&format!("/v1/jobs/{}/artifacts", large["id"].as_str().expect("an id"))).await;
    assert_eq!((&artifacts["artifacts"][0]["bytes"], &artifacts["artifacts"][0]["media_type"]), (&json!(100_000), &json!("text/plain")));
    let huge = came_of(&server, json!({ "path": "huge" }), 5).await;
    assert_eq!((&huge["state"], &huge["error"]["code"], &huge["attempt"]), (&json!("dead"), &json!("answer_too_large"), &json!(1)));
    for method in ["PUT", "PATCH"] {
        came_of(&server, json!({ "path": "ok", "method": method, "body": {} }), 1).await;
    }
    for request in endpoint.until_seen("/ok", 2).await {
        assert_eq!(request["verified"], 2, "{request}");
    }
    let log = server.log();
    for secret in [SECRET, NEXT_SECRET, BEARER] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn statuses_decide_whether_it_is_tried_again() {
    let server = serve().await;
    let endpoint = Peer::endpoint(&server).await;
    connect(&server, "shop", &format!("http://127.0.0.1:{}", endpoint.port), json!({ "signing_secret": SECRET })).await;
    // All at once: each waits for its retry.
    let mut again = Vec::new();
    for status in ["429", "503", "500", "409", "423"] {
        again.push((status, ask(&server, json!({ "path": status }), 5).await));
    }
    for (status, job) in again {
        let job = server.wait(&job).await;
        assert_eq!((&job["result"]["body"], &job["attempt"]), (&json!("better"), &json!(2)), "{status}: {job}");
        let attempts = server.attempts(&job).await;
        let code = if ["500", "409", "423"].contains(&status) { "endpoint_failed" } else { "endpoint_busy" };
        assert_eq!(attempts[0]["error"]["code"], code, "{status}: {attempts:?}");
        let waited = windrow_tests::server::ms(&attempts[1], "started_at") - windrow_tests::server::ms(&attempts[0], "finished_at");
        assert!(waited >= 1_000, "{status}: Retry-After is 1, and it was tried again after {waited} ms");
        let requests = endpoint.until_seen(&format!("/{status}"), 2).await;
        assert_eq!(requests[0]["headers"]["idempotency-key"], requests[1]["headers"]["idempotency-key"]);
        assert_eq!(requests[0]["headers"]["webhook-id"], requests[1]["headers"]["webhook-id"]);
        assert_eq!(requests[1]["headers"]["windrow-attempt"], "2");
    }
    for status in ["400", "403", "404", "410", "302", "308"] {
        let job = came_of(&server, json!({ "path": status }), 5).await;
        assert_eq!(
            (&job["state"], &job["attempt"], &job["error"]["code"]),
            (&json!("dead"), &json!(1), &json!("endpoint_refused")),
            "{job}"
        );
        let message = job["error"]["message"].as_str().expect("a message");
        assert!(message.contains(&format!("answered {status}: no: [31mnever")), "{message}");
    }
    let late = came_of(&server, json!({ "path": "hang", "timeout_s": 1 }), 3).await;
    assert_eq!((&late["result"]["body"], &late["attempt"]), (&json!("better"), &json!(2)), "{late}");
    let effects = server.read(&format!("/v1/jobs/{}/effects", late["id"].as_str().expect("an id"))).await;
    assert_eq!((&effects["effects"][0]["unknowns"], &effects["effects"][0]["tries"]), (&json!(1), &json!(2)), "{effects}");

    let refused = came_of(&server, json!({ "path": "401" }), 1).await;
    assert_eq!(refused["error"]["code"], "connection_refused");
    let connection = server.read("/v1/connections/shop").await;
    assert_eq!((&connection["state"], &connection["error"]["code"]), (&json!("error"), &json!("connection_refused")));
    let closed = came_of(&server, json!({ "path": "ok" }), 1).await;
    assert_eq!(closed["error"]["code"], "connection_closed", "{closed}");
    assert!(endpoint.seen("/ok").is_empty());
}

#[tokio::test]
async fn an_endpoint_may_finish_later_by_its_callback() {
    let server = serve().await;
    let endpoint = Peer::endpoint(&server).await;
    connect(&server, "shop", &format!("http://127.0.0.1:{}/async", endpoint.port), json!({ "signing_secret": SECRET })).await;
    let silent = ask(&server, json!({ "path": "silent", "respond_async": true, "callback_timeout_s": 10 }), 5).await;
    let mute = ask(&server, json!({ "path": "mute", "respond_async": true, "callback_timeout_s": 10 }), 1).await;

    let done = came_of(&server, json!({ "path": "ok", "respond_async": true }), 3).await;
    assert_eq!(done["result"], json!({ "reported": { "rows": 1200 } }), "{done}");
    let lines = endpoint.until_seen("/async/ok", 2).await;
    assert_eq!(lines[0]["headers"]["prefer"], "respond-async");
    let reported = &lines[1]["reported"];
    assert_eq!((&reported[0][0], &reported[1][0]), (&json!(200), &json!(200)), "{reported}");
    let second = reported[2][1]["code"].as_str().expect("a code");
    assert!(reported[2][0] == 409 && second == "callback_reported" || reported[2][0] == 410 && second == "callback_over", "{reported}");
    let callback = lines[1]["callback"].as_str().expect("a URL").strip_prefix(server.url()).expect("of this server").to_owned();
    let over = server.send(Method::POST, &callback, &[], Some(json!({ "result": 1 }))).await;
    assert_eq!((over.status, &over.body["code"]), (410, &json!("callback_over")));
    assert_eq!(server.post(&format!("{callback}/heartbeat")).await.status, 410);

    let failed = came_of(&server, json!({ "path": "fails", "respond_async": true }), 5).await;
    assert_eq!(
        (&failed["state"], &failed["error"]),
        (&json!("dead"), &json!({ "code": "disk_full", "message": "no room", "retryable": false }))
    );
    assert_eq!(endpoint.until_seen("/async/fails", 4).await.len(), 4, "a failure that may pass is tried once more");

    for (body, pointer) in [
        (json!({}), "/result"),
        (json!({ "result": 1, "error": { "code": "a" } }), "/error"),
        (json!({ "error": { "code": "A b" } }), "/error/code"),
        (json!({ "result": "x".repeat(70_000) }), "/result"),
        (json!({ "outcome": 1 }), "/outcome"),
    ] {
        let refused = server.send(Method::POST, &callback, &[], Some(body)).await;
        assert_eq!((refused.status, refused.body["pointer"].as_str()), (422, Some(pointer)), "{}", refused.body);
    }
    let unknown = server.send(Method::POST, &format!("/v1/callbacks/{}", "0".repeat(64)), &[], Some(json!({ "result": 1 }))).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!("callback_not_found")));

    let silent = server.wait(&silent).await;
    assert_eq!(silent["result"]["body"], "better", "silence makes it unknown, and it is sent again: {silent}");
    let lines = endpoint.until_seen("/async/silent", 3).await;
    let keys: Vec<&Value> = lines.iter().filter_map(|line| line["headers"].get("idempotency-key")).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    let mute = server.wait(&mute).await;
    assert_eq!((&mute["state"], &mute["error"]["code"]), (&json!("dead"), &json!("callback_late")), "silence is charged: {mute}");
    let token = callback.rsplit('/').next().expect("a token");
    assert!(!server.log().contains(token), "the token of a callback is in the log");
}

#[tokio::test]
async fn a_person_says_that_it_was_done_and_the_job_is_completed() {
    let server = serve().await;
    let endpoint = Peer::endpoint(&server).await;
    connect(&server, "shop", &format!("http://127.0.0.1:{}", endpoint.port), json!({})).await;
    let job = came_of(&server, json!({ "path": "500" }), 1).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("endpoint_failed")));
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    for (word, state, result) in [
        (json!({ "happened": true, "result": { "id": 7 } }), "dead", Value::Null),
        (json!({ "happened": true, "provider_id": "ch_1" }), "completed", json!({ "reported": null })),
    ] {
        let said = server.send(Method::POST, &format!("{path}/effects/request"), &[], Some(word.clone())).await;
        assert_eq!((said.status, &said.body["state"]), (200, &json!("confirmed")), "{word}: {}", said.body);
        assert!(server.post(&format!("{path}/redrive")).await.status < 300);
        let after = server.wait(&job).await;
        assert_eq!((&after["state"], &after["result"]), (&json!(state), &result), "{word}: {after}");
    }
    let late = server.send(Method::POST, &format!("{path}/effects/request"), &[], Some(json!({ "happened": false }))).await;
    assert_eq!((late.status, &late.body["code"]), (409, &json!("effect_not_in_doubt")));
    assert_eq!(endpoint.seen("/500").len(), 1);
}

#[tokio::test]
async fn without_a_url_of_its_own_nothing_is_finished_later() {
    // On every address there is no single right one.
    let server = Server::start_with(&[("WINDROW_LISTEN", "0.0.0.0:0"), ("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "shop", "http://127.0.0.1:1/", json!({})).await;
    let job = came_of(&server, json!({ "respond_async": true }), 3).await;
    assert_eq!((&job["state"], &job["error"]["code"], &job["attempt"]), (&json!("dead"), &json!("setting_missing"), &json!(1)), "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|message| message.contains("WINDROW_PUBLIC_URL")), "{job}");
}
