//! The master key is changed under load, as docs/connections.md says: the new one behind the old, then first, then alone. Jobs that
//! open a connection run throughout, and none fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use windrow_tests::{
    cluster::{Cluster, Shape},
    endpoint::Endpoint,
    server::{Client, Server},
};

use super::{ALLOW, NEW, OLD, look, make, test};

/// How often something is looked at that takes a look of the duty `rewrap`, ten seconds apart.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS_MAX: u32 = 300;

/// Submits jobs that open the connection until it is told to stop, and returns them. Whoever is being replaced is asked again.
async fn load(clients: Vec<Client>, over: Arc<AtomicBool>) -> Vec<Value> {
    let (mut jobs, mut number) = (Vec::new(), 0);
    while !over.load(Ordering::SeqCst) {
        number += 1;
        let client = &clients[number % clients.len()];
        let submission = json!({ "kind": "connection.test", "payload": { "connection": "hook" } });
        if let Some(job) = client.try_submit(submission).await {
            jobs.push(job);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    jobs
}

async fn wrapped_by_one(cluster: &Cluster, before: &str) -> String {
    for _ in 0..LOOKS_MAX {
        let masters: Vec<String> = sqlx::query_scalar("SELECT DISTINCT master FROM tenant_keys")
            .fetch_all(&mut cluster.database().await)
            .await
            .expect("the masters");
        if let [only] = masters.as_slice()
            && only != before
        {
            return only.clone();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("the keys are not wrapped anew; the logs:\n{}", cluster.process_logs());
}

#[tokio::test]
async fn a_rolling_cluster_changes_its_master_key_and_no_job_fails() {
    let endpoint = Endpoint::start(200, "{}").await;
    let variables = [ALLOW, ("WINDROW_MASTER_KEY", OLD)];
    let shape = Shape { apis: 2, workers: 2, schedulers: 1, redis: false, proxied: false, variables: &variables };
    let mut cluster = Cluster::of(shape).await;
    assert_eq!(make(&cluster, "hook", &endpoint.url()).await.status, 201);
    for number in 0..20 {
        assert_eq!(make(&cluster.of_tenant(&format!("tenant-{number}")), "hook", &endpoint.url()).await.status, 201);
    }
    let first = wrapped_by_one(&cluster, "").await;
    let over = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(cluster.clients().to_vec(), over.clone()));

    cluster.set("WINDROW_MASTER_KEY", &format!("{OLD},{NEW}"));
    cluster.roll().await;
    assert_eq!(wrapped_by_one(&cluster, "").await, first, "the old one still wraps");
    cluster.set("WINDROW_MASTER_KEY", &format!("{NEW},{OLD}"));
    cluster.roll().await;
    let second = wrapped_by_one(&cluster, &first).await;
    cluster.set("WINDROW_MASTER_KEY", NEW);
    cluster.roll().await;
    assert_eq!(make(&cluster, "after", &endpoint.url()).await.status, 201);
    assert_eq!(test(&cluster, "after").await["state"], "completed");
    over.store(true, Ordering::SeqCst);

    let jobs = loading.await.expect("the load ends");
    assert!(jobs.len() >= 100, "{} jobs are no load", jobs.len());
    for job in &jobs {
        let job = cluster.wait(job).await;
        assert_eq!((&job["state"], &job["error"]), (&json!("completed"), &Value::Null), "of {} jobs: {job}", jobs.len());
        let attempts = cluster.attempts(&job).await;
        // A worker that stops hands back what it has not begun: that is no failure.
        assert!(attempts.iter().all(|attempt| attempt["error"].is_null()), "{attempts:?}");
    }
    for number in 0..20 {
        let tenant = cluster.of_tenant(&format!("tenant-{number}"));
        assert_eq!(test(&tenant, "hook").await["state"], "completed");
    }
    assert_ne!(second, first);
    println!("{} jobs ran through three rolls", jobs.len());
}

#[tokio::test]
async fn a_standalone_server_changes_its_master_key_in_its_file() {
    let endpoint = Endpoint::start(200, "{}").await;
    let mut server = Server::start_with(&[ALLOW]).await;
    make(&server, "hook", &endpoint.url()).await;
    let file = server.data_dir().join("master-key");
    let old = std::fs::read_to_string(&file).expect("the first start made it");
    std::fs::write(&file, format!("{NEW}\n{old}")).expect("the operator writes it");
    server.restart().await;
    assert_eq!(test(&server, "hook").await["state"], "completed");
    let mut looks = 0;
    loop {
        let doctor = server.command(&["doctor"]).await;
        if doctor.stdout.contains("any more") {
            break;
        }
        looks += 1;
        assert!(looks < LOOKS_MAX, "{doctor:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    std::fs::write(&file, NEW).expect("the operator writes it");
    server.restart().await;
    assert_eq!(test(&server, "hook").await["state"], "completed");
    assert_eq!(look(&server, "hook").await["state"], "active");
}
