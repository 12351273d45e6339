//! The presets of syncs against providers that speak what was published of them (`tests/harness/providers/`), which the providers' own clients judge.

mod clients;
mod door;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{provider::Provider, server::Server};

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
