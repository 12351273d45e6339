//! `notification.push` against FCM (`fcm_server.py`) and APNs (`apns_server.py`) as far as we know them, and Google's own library.

mod apns;
mod fcm;
mod firebase;
mod kill;

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{python::tool, server::Server};

use crate::{http_request::Peer, outbound::tokens::key_pair};

/// A file beside this one.
fn script(name: &str) -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/it/notification_push").parse::<PathBuf>().expect("a path").join(name)
}

/// FCM's own description of its messages.
const DISCOVERY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../jobs/fcm/tests/discovery.json");

async fn serve() -> Server {
    Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await
}

/// Starts FCM, and gives the key of the service account that it lets in.
pub(crate) async fn start_fcm(server: &Server) -> (Peer, String) {
    let private_key = key_pair(server).await;
    let (script, public_key) = (script("fcm_server.py"), server.home().join("public.pem"));
    let text = |path: &PathBuf| path.to_str().expect("a UTF-8 path").to_owned();
    let arguments = ["-u".to_owned(), text(&script), text(&public_key), DISCOVERY.to_owned()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    (Peer::start(&tool("python"), "fcm", &arguments, &[], server.home()).await, private_key)
}

/// Starts FCM, and makes the connection `phones` to it.
async fn fcm(server: &Server) -> Peer {
    let (peer, private_key) = start_fcm(server).await;
    let base = format!("http://127.0.0.1:{}", peer.port);
    let config = json!({
        "project_id": "demo", "client_email": "push@demo.example", "private_key_id": "key-1", "base_url": base, "token_uri": format!("{base}/token")
    });
    connect(server, json!({ "name": "phones", "provider": "fcm", "config": config, "secrets": { "private_key": private_key } })).await;
    peer
}

async fn connect(server: &Server, connection: Value) {
    let made = server.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

/// Has a connection tested, and gives the job.
async fn tested(server: &Server, name: &str) -> Value {
    let asked = server.send(Method::POST, &format!("/v1/connections/{name}/test"), &[("prefer", "wait=30")], None).await;
    assert!(asked.status < 300, "{}", asked.body);
    server.wait(&asked.body).await
}

async fn ask(server: &Server, payload: Value, max_attempts: u32) -> Value {
    let mut payload = payload;
    for (name, value) in [("connection", json!("phones")), ("notification", json!({ "title": "Hi", "body": "There" }))] {
        if payload.get(name).is_none() {
            payload[name] = value;
        }
    }
    server.submit(json!({ "kind": "notification.push", "payload": payload, "max_attempts": max_attempts })).await
}

async fn came_of(server: &Server, payload: Value, max_attempts: u32) -> Value {
    let job = ask(server, payload, max_attempts).await;
    server.wait(&job).await
}

/// What a peer has said, beside its port.
fn lines(peer: &Peer) -> Vec<Value> {
    let output = peer.process.output();
    // Of a line that is being written nothing is read yet.
    output.split_inclusive('\n').skip(1).filter(|line| line.ends_with('\n')).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The messages that came to this token, topic or condition with an access token that was good.
fn messages(peer: &Peer, to: &str) -> Vec<Value> {
    lines(peer).into_iter().filter(|line| line["to"] == to && line["status"] != 401).collect()
}

/// How often one came with an access token that was not.
fn unauthenticated(peer: &Peer, to: &str) -> usize {
    lines(peer).iter().filter(|line| line["to"] == to && line["status"] == 401).count()
}
