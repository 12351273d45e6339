//! The same over PostgreSQL, with two apis.

use futures::future::join_all;
use serde_json::{Value, json};
use windrow_tests::{
    cluster::{Cluster, Shape},
    endpoint::Endpoint,
};

use super::{
    ALLOW, REFUSED, Told, events, expect, hook, now_s, on, own,
    statuses::{connect_to, key, sent},
};

#[tokio::test]
async fn two_apis_keep_the_same_once_and_any_worker_says_the_url() {
    let endpoint = Endpoint::start(200, "{}").await;
    let variables =
        [ALLOW, ("WINDROW_MASTER_KEY", "a-master-key-of-the-tests-0123456789abcdef"), ("WINDROW_PUBLIC_URL", "https://jobs.example.com")];
    let shape = Shape { apis: 2, workers: 2, schedulers: 1, redis: false, proxied: false, variables: &variables };
    let cluster = Cluster::of(shape).await;
    let (one, other) = (&cluster.clients()[0], &cluster.clients()[1]);
    connect_to(one, &endpoint).await;
    let made = hook(one, "own", json!({ "forward_url": endpoint.url() })).await;
    let url = made["url"].as_str().expect("a URL");
    let job = sent(one, "own").await;
    let body = json!({ "type": "delivery.status", "reports": [{ "key": key(&job), "status": "delivered" }] }).to_string();
    let calls: Vec<Told> = (0..20).map(|number| own(&on([one, other][number % 2], url), "msg_1", now_s(), &body)).collect();
    let answered = join_all(calls.iter().map(Told::call)).await;
    assert!(answered.iter().all(|(status, _)| *status == 200), "{answered:?}");
    expect(&calls[0].with_body("{}"), REFUSED.0, REFUSED.1, "tampered").await;
    let kept = events(other, "own").await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    for kind in ["hook.apply", "hook.forward"] {
        let done = |jobs: &[Value]| jobs.len() == 1 && jobs[0]["state"] == "completed";
        one.until_list(&format!("kind={kind}"), "it is done once", done).await;
    }
    let path = format!("/v1/jobs/{}/deliveries", job["id"].as_str().expect("an id"));
    assert_eq!(other.read(&path).await["deliveries"][0]["status"], "delivered");
    let passed_on: Vec<_> = endpoint.seen().into_iter().filter(|one| one.body == body).collect();
    assert_eq!(passed_on.len(), 1, "a worker knows the secret that the api told");
}
