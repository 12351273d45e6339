//! `/status` over the real binaries: each rung of the degradation ladder, reached by the fault that leads to it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_tests::{
    cluster::Cluster,
    redis::Redis,
    server::{Client, Process, Server},
};

/// More than any wait of a test that passes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[tokio::test]
async fn one_process_stands_on_the_first_rung_and_tells_its_duties() {
    let server = Server::start().await;
    let status = until_rung(&server, "normal").await;
    assert_eq!((&status["status"], &status["components"]["ledger"]["status"]), (&json!("up"), &json!("up")));
    assert_eq!(status["components"]["carrier"]["in_use"], "channel");
    assert_eq!((&status["components"]["planner"]["leader"], &status["components"]["planner"]["epoch"]), (&json!("standalone"), &json!(1)));
    let duties: Vec<_> = status["duties"].as_array().expect("duties").iter().map(|duty| duty["name"].clone()).collect();
    assert_eq!(duties, ["dispatch", "fire", "promote", "prune", "reap", "rewrap", "scrub", "tend"]);
    let metrics = server.text("/metrics").await;
    assert!(metrics.contains("windrow_degradation_rung 0"), "{metrics}");
    for duty in duties {
        let line = format!("windrow_duty_lag_seconds{{duty={duty}}} ");
        let lag = metrics.lines().find_map(|shown| shown.strip_prefix(&line)).unwrap_or_else(|| panic!("no {line} in\n{metrics}"));
        assert!((0.0..10.0).contains(&lag.parse::<f64>().expect("a number")), "{line}{lag}");
    }
}

#[tokio::test]
async fn a_redis_that_is_killed_leaves_the_ledger_as_carrier_until_it_is_back() {
    let mut redis = Redis::start().await;
    let cluster = Cluster::start(0, 1, &[("WINDROW_REDIS_URL", &redis.url())]).await;
    let scheduler = probes_of(&cluster.schedulers[0]).await;
    let status = until_rung(&cluster, "normal").await;
    assert_eq!(status["components"]["carrier"]["in_use"], "redis");
    until_metric(&scheduler, 0).await;

    // Nothing is submitted meanwhile: an idle installation notices too.
    redis.kill();
    let status = until_rung(&cluster, "ledger_carrier").await;
    assert_eq!((&status["status"], &status["components"]["carrier"]["in_use"]), (&json!("degraded"), &json!("ledger")));
    assert_eq!(status["components"]["carrier"]["why"], "Redis does not answer");
    assert!(status["means"].as_str().is_some_and(|means| means.contains("every 250 ms at the least")), "the floor is stated: {status}");
    until_metric(&scheduler, 1).await;
    until_metric(&cluster, 1).await;

    redis.restart().await;
    let status = until_rung(&cluster, "normal").await;
    assert_eq!(status["components"]["carrier"]["in_use"], "redis");
    until_metric(&scheduler, 0).await;
}

#[tokio::test]
async fn a_leader_that_is_killed_without_a_standby_is_missed_until_another_leads() {
    let mut cluster = Cluster::start(0, 1, &[]).await;
    let before = until_rung(&cluster, "normal").await;
    assert_eq!(
        before["components"]["carrier"],
        json!({ "status": "up", "in_use": "ledger", "why": "no Redis is configured (dispatch.redis_url)" })
    );
    cluster.kill_leader().await;
    let status = until_rung(&cluster, "leader_gone").await;
    let planner = &status["components"]["planner"];
    assert_eq!(
        (&status["status"], &planner["status"], &planner["leader"]),
        (&json!("degraded"), &json!("degraded"), &before["components"]["planner"]["leader"])
    );
    assert!(planner["age_ms"].as_i64().is_some_and(|age_ms| age_ms > 5_000), "{planner}");
    until_metric(&cluster, 2).await;
    cluster.echo(json!({})).await;

    cluster.add_scheduler();
    let after = until_rung(&cluster, "normal").await;
    let epoch = |status: &Value| status["components"]["planner"]["epoch"].as_i64().expect("an epoch");
    assert!(epoch(&after) > epoch(&before), "{after}");
}

#[tokio::test]
async fn without_a_ledger_the_status_is_told_from_what_was_heard_last() {
    let cluster = Cluster::start(0, 1, &[]).await;
    let scheduler = probes_of(&cluster.schedulers[0]).await;
    let before = until_rung(&cluster, "normal").await;
    cluster.postgres.stop("immediate");
    let status = until_rung(&cluster, "ledger_gone").await;
    assert_eq!((&status["status"], &status["components"]["ledger"]["status"]), (&json!("down"), &json!("down")));
    assert_eq!(status["components"]["planner"]["epoch"], before["components"]["planner"]["epoch"]);
    assert_eq!(status["duties"].as_array().map(Vec::len), before["duties"].as_array().map(Vec::len));
    until_metric(&cluster, 3).await;
    until_metric(&scheduler, 3).await;
    let refused = cluster.send(reqwest::Method::POST, "/v1/jobs", &[], Some(json!({ "kind": "echo", "payload": {} }))).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));

    cluster.postgres.start();
    cluster.postgres.wait().await;
    until_rung(&cluster, "normal").await;
    until_metric(&cluster, 0).await;
}

/// Waits until the installation stands on this rung; the status that says so.
pub async fn until_rung(client: &Client, rung: &str) -> Value {
    let give_up = Instant::now() + WAIT_MAX;
    loop {
        let status = client.read("/status").await;
        if status["rung"] == rung {
            return status;
        }
        assert!(Instant::now() < give_up, "{rung} is not reached: {status}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until a process's metrics tell of this rung.
async fn until_metric(client: &Client, rung: u8) {
    let (give_up, line) = (Instant::now() + WAIT_MAX, format!("windrow_degradation_rung {rung}"));
    while !client.text("/metrics").await.lines().any(|shown| shown == line) {
        assert!(Instant::now() < give_up, "the metrics do not say {line}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A client of the probes of a process, whose address is in its log.
async fn probes_of(process: &Process) -> Client {
    let give_up = Instant::now() + WAIT_MAX;
    loop {
        let address =
            process.log().lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?["health"].as_str().map(ToOwned::to_owned));
        if let Some(address) = address {
            return Client::new(&format!("http://{address}"), "");
        }
        assert!(Instant::now() < give_up, "it answers no probes:\n{}", process.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
