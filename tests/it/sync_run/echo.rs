//! A provider that repeats what it was sent: whoever may write a sync and look at what came of it reads no secret of a connection.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{server::Server, source::Source};

use super::{artifact, counts, kept};

const SECRET: &str = "planted-bearer-token-77";

#[tokio::test]
async fn what_a_provider_echoes_is_in_no_preview_record_or_file() {
    let source = Source::start(0).await;
    source.token(Some(SECRET));
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    let connection =
        json!({ "name": "directory", "provider": "http", "config": { "url": source.url() }, "secrets": { "bearer_token": SECRET } });
    let made = server.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let told = |text: &str| {
        assert!(!text.contains("planted"), "{text}");
        assert!(text.contains("Bearer (hidden)"), "{text}");
    };
    for (name, destination) in
        [("records", json!({ "records": { "collection": "people" } })), ("object", json!({ "object": { "name": "all.json" } }))]
    {
        let http = json!({ "connection": "directory", "list": { "path": "echo" }, "records": "/items", "key": "/id" });
        let sync = format!("/v1/syncs/{name}");
        let kept = server.send(Method::PUT, &sync, &[], Some(json!({ "source": { "http": http }, "destination": destination }))).await;
        assert_eq!(kept.status, 201, "{}", kept.body);

        let preview = server.send(Method::POST, &format!("{sync}/preview"), &[], None).await;
        let preview: Value = server.wait(&preview.body).await;
        assert_eq!(preview["state"], "completed", "{preview:#}");
        told(&preview.to_string());

        let job = server.submit(json!({ "kind": "sync.run", "payload": { "sync": name } })).await;
        let job = server.wait(&job).await;
        assert!(counts(&job, ["created"])[0] >= 3, "{job:#}");
        assert!(!job.to_string().contains("planted"), "{job:#}");
        match name {
            "records" => told(&json!(kept::of_server(&server).await.0).to_string()),
            _ => told(&artifact(&server, &job, "all.json").await),
        }
    }
}
