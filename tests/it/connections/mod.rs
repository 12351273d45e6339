//! Connections, from outside: the real binaries over HTTP, a real endpoint behind them.

mod first_key;
mod grep;
mod refusals;
mod rotation;
mod second_opinion;
mod shred;
mod states;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::{Answer, Client, Server};

use crate::printed;

/// What lets the binaries call servers of this machine.
const ALLOW: (&str, &str) = ("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1");
/// Two master keys.
const OLD: &str = "old-master-key-0123456789abcdef0123456789abcdef";
const NEW: &str = "new-master-key-0123456789abcdef0123456789abcdef";

/// Makes a connection of `http`, with a token.
async fn make(client: &Client, name: &str, url: &str) -> Answer {
    let secrets = json!({ "bearer_token": "a-token-of-the-tests" });
    create(client, json!({ "name": name, "provider": "http", "config": { "url": url }, "secrets": secrets })).await
}

async fn create(client: &Client, body: Value) -> Answer {
    client.send(Method::POST, "/v1/connections", &[], Some(body)).await
}

async fn change(client: &Client, name: &str, patch: Value) -> Answer {
    client.send(Method::PATCH, &format!("/v1/connections/{name}"), &[], Some(patch)).await
}

/// Tests a connection, and returns the job, which is final.
async fn test(client: &Client, name: &str) -> Value {
    let answer = client.send(Method::POST, &format!("/v1/connections/{name}/test"), &[("prefer", "wait=30")], None).await;
    assert!(matches!(answer.status, 200 | 202), "{} {}", answer.status, answer.body);
    client.wait(&answer.body).await
}

async fn look(client: &Client, name: &str) -> Value {
    client.read(&format!("/v1/connections/{name}")).await
}

#[tokio::test]
async fn the_examples_work_as_printed() {
    let server = Server::start_with(&[ALLOW]).await;
    let steps = printed::steps("docs/connections.md", "Examples");
    assert!(steps.len() >= 8, "there are {} examples", steps.len());
    printed::run(&server, &steps).await;
}
