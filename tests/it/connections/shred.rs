//! A tenant's key is destroyed, or the master key is another: who can read what then.

use reqwest::Method;
use serde_json::json;
use windrow_tests::{endpoint::Endpoint, server::Server};

use super::{ALLOW, NEW, OLD, change, create, look, make, test};

#[tokio::test]
async fn a_destroyed_key_is_the_end_of_its_secrets_and_of_no_others() {
    let (server, endpoint) = (Server::start_with(&[ALLOW]).await, Endpoint::start(200, "{}").await);
    let (leaver, stayer) = (server.of_tenant("leaver"), server.of_tenant("stayer"));
    for client in [&leaver, &stayer] {
        make(client, "hook", &endpoint.url()).await;
        assert_eq!(test(client, "hook").await["state"], "completed");
    }
    create(&leaver, json!({ "name": "bare", "provider": "http", "config": { "url": endpoint.url() } })).await;
    let destroy = async |query: &str| server.send(Method::DELETE, &format!("/v1/tenants/leaver/key{query}"), &[], None).await;
    for query in ["", "?confirm=stayer", "?confirm=LEAVER"] {
        let refused = destroy(query).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("query_invalid")), "{query}: {}", refused.body);
    }
    assert_eq!(look(&leaver, "hook").await["state"], "active", "nothing has happened yet");
    assert_eq!(destroy("?confirm=leaver").await.status, 204);
    let again = destroy("?confirm=leaver").await;
    assert_eq!((again.status, &again.body["code"]), (404, &json!("tenant_key_not_found")));

    let lost = look(&leaver, "hook").await;
    assert_eq!((&lost["state"], &lost["error"]["code"]), (&json!("error"), &json!("secrets_unreadable")), "{lost}");
    assert_eq!(look(&leaver, "bare").await["state"], "pending", "it had nothing to lose");
    let (uses, job) = (endpoint.seen().len(), test(&leaver, "hook").await);
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("secrets_unreadable")), "{job}");
    assert_eq!(endpoint.seen().len(), uses, "nobody was called");
    let still = change(&leaver, "hook", json!({ "config": { "timeout_s": 3 } })).await;
    assert_eq!((&still.body["state"], &still.body["error"]["code"]), (&json!("error"), &json!("secrets_unreadable")));
    assert_eq!(test(&stayer, "hook").await["state"], "completed");

    let mended = change(&leaver, "hook", json!({ "secrets": { "bearer_token": "a-new-one" } })).await;
    assert_eq!((mended.status, &mended.body["state"]), (200, &json!("pending")), "{}", mended.body);
    assert_eq!(test(&leaver, "hook").await["state"], "completed");
    assert_eq!(endpoint.seen().pop().expect("a request").header("authorization"), Some("Bearer a-new-one"));
}

#[tokio::test]
async fn a_wrong_master_key_destroys_nothing_and_says_so() {
    let endpoint = Endpoint::start(200, "{}").await;
    let mut server = Server::start_with(&[ALLOW, ("WINDROW_MASTER_KEY", OLD)]).await;
    make(&server, "hook", &endpoint.url()).await;
    assert_eq!(test(&server, "hook").await["state"], "completed");
    let before = look(&server, "hook").await;

    server.set("WINDROW_MASTER_KEY", NEW);
    server.restart().await;
    let job = test(&server, "hook").await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("master_key_missing")), "{job}");
    let edit = change(&server, "hook", json!({ "secrets": { "bearer_token": "other" } })).await;
    assert_eq!((edit.status, &edit.body["code"]), (503, &json!("master_key_missing")), "{}", edit.body);
    let more = make(&server, "more", &endpoint.url()).await;
    assert_eq!(more.status, 503, "no second key beside the one that cannot be read: {}", more.body);
    let doctor = server.command(&["doctor"]).await;
    assert!(doctor.stdout.contains("tenant_keys") && doctor.stdout.contains("not set here"), "{doctor:?}");
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(!server.log().contains(NEW) && !server.log().contains(OLD));

    server.set("WINDROW_MASTER_KEY", OLD);
    server.restart().await;
    assert_eq!(look(&server, "hook").await["version"], before["version"]);
    assert_eq!(test(&server, "hook").await["state"], "completed");
    let doctor = server.command(&["doctor"]).await;
    assert!(doctor.stdout.contains("wrapped: 1 by"), "{doctor:?}");
}
