//! No tenant sees or touches another's jobs.

use reqwest::Method;
use serde_json::json;
use windrow_tests::server::{Server, path};

#[tokio::test]
async fn another_tenants_job_is_not_there() {
    let server = Server::start().await;
    let (ours, theirs) = (server.of_tenant("acme"), server.of_tenant("globex"));
    let job = ours.submit(json!({ "kind": "echo", "payload": {}, "delay_s": 3600, "tags": ["mine"] })).await;
    assert_eq!(job["tenant"], "acme");
    for (method, below) in
        [(Method::GET, ""), (Method::GET, "/attempts"), (Method::GET, "/logs"), (Method::POST, "/cancel"), (Method::POST, "/redrive")]
    {
        let answer = theirs.send(method.clone(), &path(&job, below), &[], None).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("job_not_found")), "{method} {below}");
    }
    assert!(theirs.list("tag=mine").await.is_empty());
    assert!(server.list("tag=mine").await.is_empty(), "the default tenant is a tenant like any other");
    assert_eq!(ours.list("tag=mine").await, [ours.get(&job).await]);
    assert_eq!(ours.get(&job).await["state"], "scheduled", "nobody else's cancel reached it");
}

#[tokio::test]
async fn a_lane_that_is_paused_stops_its_own_tenant_only() {
    let server = Server::start().await;
    let (ours, theirs) = (server.of_tenant("acme"), server.of_tenant("globex"));
    ours.limit("default", json!({ "paused": true })).await;
    let waiting = ours.echo(json!({})).await;
    assert_eq!(theirs.wait(&theirs.echo(json!({ "sleep_ms": 200 })).await).await["state"], "completed");
    assert_eq!(ours.get(&waiting).await["state"], "available");
    assert_eq!((&ours.queue("default").await["paused"], &theirs.queue("default").await["paused"]), (&json!(true), &json!(false)));
}
