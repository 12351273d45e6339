//! Tokens from an authorization server that others wrote (oauthlib), and assertions that PyJWT verifies; by jobs over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{
    python::{self, tool},
    server::Server,
};

use crate::http_request::Peer;

const CLIENT: &str = "a client: of ours";
const SECRET: &str = "planted s&cret=+%:/ü";

/// Makes a key pair: the private key in PEM is returned, the public one lies in the folder.
pub(crate) async fn key_pair(server: &Server) -> String {
    let script = "
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(65537, 2048)
open('public.pem', 'wb').write(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
print(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode(), end='')
";
    let run = python::run("python", &["-c", script], &[], server.home()).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout
}

async fn connect(server: &Server, connection: Value) {
    let made = server.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

async fn call(server: &Server, path: &str, token_connection: &str) -> Value {
    let payload = json!({ "connection": "service", "path": path, "token_connection": token_connection });
    let job = server.submit(json!({ "kind": "http.request", "payload": payload, "max_attempts": 1 })).await;
    server.wait(&job).await
}

#[tokio::test]
async fn tokens_are_asked_for_as_their_standards_say() {
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    let private_key = key_pair(&server).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/outbound/oauth.py");
    let public_key = server.home().join("public.pem");
    let arguments = ["-u", script, CLIENT, SECRET, public_key.to_str().expect("a UTF-8 path")];
    let peer = Peer::start(&tool("python"), "oauth", &arguments, &[], server.home()).await;
    let base = format!("http://127.0.0.1:{}", peer.port);
    connect(&server, json!({ "name": "service", "provider": "http", "config": { "url": base } })).await;
    let scopes = ["read", "write:all"];
    for auth in ["basic", "body"] {
        let config = json!({ "token_url": format!("{base}/client"), "client_id": CLIENT, "client_auth": auth, "scopes": scopes });
        connect(&server, json!({ "name": auth, "provider": "oauth2", "config": config, "secrets": { "client_secret": SECRET } })).await;
    }
    let config = json!({ "token_url": format!("{base}/refresh"), "client_id": CLIENT, "grant": "refresh_token" });
    let secrets = json!({ "client_secret": SECRET, "refresh_token": "first-refresh-token" });
    connect(&server, json!({ "name": "rotating", "provider": "oauth2", "config": config, "secrets": secrets })).await;
    let config = json!({
        "token_uri": format!("{base}/assertion"), "client_email": "robot@example.com", "subject": "person@example.com",
        "private_key_id": "key-1", "scopes": scopes
    });
    connect(
        &server,
        json!({ "name": "robot", "provider": "service_account", "config": config, "secrets": { "private_key": private_key } }),
    )
    .await;
    let config = json!({ "token_url": format!("{base}/client"), "client_id": CLIENT });
    connect(&server, json!({ "name": "wrong", "provider": "oauth2", "config": config, "secrets": { "client_secret": "no" } })).await;

    for name in ["basic", "body", "robot", "rotating"] {
        for _ in 0..2 {
            let job = call(&server, "service", name).await;
            assert_eq!(job["result"]["body"], "in", "{name}: {job} {}", peer.process.log());
        }
    }
    assert_eq!(peer.seen("/assertion").len(), 1, "a token is kept");
    assert_eq!(peer.seen("/client").len(), 2);
    // It is taken back after the first call, so the second asks again: with the rotated refresh token, which went back into the connection.
    for _ in 0..2 {
        let job = call(&server, "once", "rotating").await;
        assert_eq!(job["result"]["body"], "in", "{job} {}", peer.process.log());
    }
    let refreshes = peer.seen("/refresh");
    assert_eq!(refreshes.last().map(|last| &last["status"]), Some(&json!(200)), "{refreshes:?}");
    assert_eq!(server.read("/v1/connections/rotating").await["state"], "active");

    let refused = call(&server, "service", "wrong").await;
    assert_eq!(refused["error"]["code"], "connection_refused", "{refused}");
    assert_eq!(server.read("/v1/connections/wrong").await["state"], "error");
    assert_eq!(server.read("/v1/connections/service").await["state"], "active");
    let log = server.log();
    assert!(!log.contains("planted") && !log.contains("PRIVATE KEY") && !log.contains("first-refresh-token"), "{log}");
}
