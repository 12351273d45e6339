//! `docs/examples/own-worker`: a kind that Windrow does not know, in a worker of its own, joins a running cluster.

use serde_json::json;
use windrow_tests::cluster::Cluster;

#[tokio::test]
async fn a_kind_of_ones_own_is_learnt_and_run_without_a_restart() {
    let mut cluster = Cluster::start(1, 1, &[]).await;
    let greeting = json!({ "kind": "greeting.send", "payload": { "name": "Ada" } });
    let refused = cluster.send(reqwest::Method::POST, "/v1/jobs", &[], Some(greeting.clone())).await;
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("unknown_kind")));

    cluster.add("own-worker");
    cluster.until_status("/v1/kinds/greeting.send", 200).await;
    let job = cluster.submit(greeting).await;
    assert_eq!(cluster.wait(&job).await["result"], json!({ "message": "Hello, Ada!" }));
    let wrong = json!({ "kind": "greeting.send", "payload": { "name": 7 } });
    let refused = cluster.send(reqwest::Method::POST, "/v1/jobs", &[], Some(wrong)).await;
    assert_eq!((refused.status, &refused.body["pointer"]), (422, &json!("/payload/name")));
}
