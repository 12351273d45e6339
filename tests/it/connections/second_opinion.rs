//! What we seal is what libsodium (PyNaCl) opens, by the format that docs/connections.md describes: the program knows no line of ours.

use std::path::Path;

use serde_json::{Value, json};
use windrow_tests::{python, server::Server};

use super::create;

#[tokio::test]
async fn libsodium_opens_what_we_sealed() {
    let server = Server::start().await;
    let secrets = json!({ "client_secret": "grüße, \"quoted\"\nand on two lines" });
    let config = json!({ "token_url": "https://example.com/token", "client_id": "me" });
    let made =
        create(&server.of_tenant("acme"), json!({ "name": "crm", "provider": "oauth2", "config": config, "secrets": secrets })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/connections/second_opinion.py").display().to_string();
    let file = |name: &str| server.data_dir().join(name).display().to_string();
    let (master, database) = (file("master-key"), file("windrow.db"));
    let opened = python::run("python3", &[&program, &master, &database, "acme", "crm"], &[], server.home()).await;
    assert_eq!(opened.code, Some(0), "{opened:?}");
    assert_eq!(serde_json::from_str::<Value>(&opened.stdout).expect("JSON"), secrets);
}
