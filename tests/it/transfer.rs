//! `windrow migrate --from sqlite://…`: a standalone ledger goes on in a cluster, job by job, and nothing is lost or run twice.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use windrow_jobs::{
    clock::SystemClock,
    ledger::{Inspect, Upkeep, postgres::PostgresLedger, sqlite::SqliteLedger},
};
use windrow_tests::{
    cluster::{Cluster, Shape},
    postgres::Postgres,
    server::{Finished, Server, run},
};

/// Moves the ledger of this file into this database.
async fn move_ledger(file: &Path, database: &str) -> Finished {
    let from = format!("sqlite://{}", file.display());
    let data_dir = file.parent().expect("a folder").join("nobody").display().to_string();
    let environment = [("WINDROW_DATABASE_URL", database.to_owned()), ("WINDROW_DATA_DIR", data_dir)];
    run("windrow", &["migrate", "--from", &from, "--output", "json"], &environment.map(|(name, value)| (name.to_owned(), value))).await
}

#[tokio::test]
async fn a_standalone_ledger_goes_on_in_a_cluster() {
    let mut server = Server::start().await;
    let file = server.data_dir().join("windrow.db");
    let submit = async |submission: Value| server.submit(submission).await;
    let other = server.of_tenant("a-tenant");

    let postgres = Postgres::own().await;
    let database = postgres.database().await;
    let refused = move_ledger(&file, &database).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(&format!("is in use by process {}", server.pid())), "{refused:?}");

    let mut over = Vec::new();
    over.push(
        server.wait(&submit(json!({ "kind": "echo", "payload": { "message": "grüße", "log_lines": 3 }, "tags": ["a", "b"] })).await).await,
    );
    over.push(server.wait(&submit(json!({ "kind": "echo", "payload": { "fail_times": 1 } })).await).await);
    over.push(server.wait(&submit(json!({ "kind": "echo", "payload": { "fail_times": 9 }, "max_attempts": 1 })).await).await);
    over.push(submit(json!({ "kind": "echo", "payload": {}, "delay_s": 3_600 })).await);
    server.cancel(&over[3]).await;
    over[3] = server.wait(&over[3]).await;
    other.wait(&other.echo(json!({})).await).await;

    let keyed = json!({ "kind": "echo", "payload": { "message": "once" } });
    let key = [("idempotency-key", "\"one\"")];
    let first = server.send(Method::POST, "/v1/jobs", &key, Some(keyed.clone())).await;
    over.push(server.wait(&first.body).await);
    let unique = json!({ "kind": "echo", "payload": {}, "delay_s": 3_600, "unique_key": "live" });
    let live = submit(unique.clone()).await;
    let paused = server.send(Method::PATCH, "/v1/queues/syncs", &[], Some(json!({ "paused": true }))).await;
    assert_eq!(paused.status, 200);
    let (attempts, logs) = (server.attempts(&over[1]).await, server.logs(&over[0]).await);
    let beat = json!({ "name": "beat", "cron": "@every 365d", "job": { "kind": "echo", "payload": { "message": "{{ n }}" } } });
    assert_eq!(server.send(Method::POST, "/v1/schedules", &[], Some(beat)).await.status, 201);
    assert_eq!(server.send(Method::POST, "/v1/schedules/beat/pause", &[], None).await.status, 200);
    let by_hand = server.send(Method::POST, "/v1/schedules/beat/run", &[], None).await.body;
    over.push(server.wait(&json!({ "id": by_hand["job_id"] })).await);
    let hook = json!({
        "name": "hook", "provider": "http", "config": { "url": "https://example.com/" }, "secrets": { "bearer_token": "a-token" }
    });
    assert_eq!(server.send(Method::POST, "/v1/connections", &[], Some(hook)).await.status, 201);
    let hook = server.read("/v1/connections/hook").await;
    let master_key = std::fs::read_to_string(server.data_dir().join("master-key")).expect("the server keeps its master key");
    let due = submit(json!({ "kind": "echo", "payload": { "message": "due" }, "delay_s": 5 })).await;
    let running = submit(json!({ "kind": "echo", "payload": { "sleep_ms": 4_000, "message": "interrupted" } })).await;
    server.until(&running, "running", |job| job["state"] == "running").await;

    let app = json!({ "template": "task-list", "features": ["search"] });
    assert_eq!(server.send(Method::POST, "/v1/builds/resolve", &[], Some(app)).await.status, 200, "the demo's bundles are published");
    let bundle = server.read("/v1/features/search/1.0.0").await;
    for text in ["Grüße", "Grüße {{ name }}"] {
        let template = Some(json!({ "text": text }));
        assert!(server.send(Method::PUT, "/v1/notification-templates/hello/de", &[], template).await.status < 300);
    }
    let record = Some(json!({ "name": "Grüße", "n": 1.5 }));
    assert_eq!(server.send(Method::PUT, "/v1/records/people/a%2Fb", &[], record).await.status, 201);
    let record = server.read("/v1/records/people/a%2Fb").await;
    let language = Some(json!({ "default_locale": "de-AT" }));
    assert_eq!(server.send(Method::PUT, "/v1/notification-settings", &[], language).await.status, 200);
    let template = server.read("/v1/notification-templates/hello/de").await;

    server.kill().await;
    let moved = move_ledger(&file, &database).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let told: Value = serde_json::from_str(&moved.stdout).expect("JSON");
    assert_eq!((&told["ended"], &told["rows"]["jobs"], &told["balanced"]), (&json!(1), &json!(10), &json!(true)), "{told}");
    let kept = Path::new(told["kept"].as_str().expect("a path"));
    let accounts = |balances: Vec<windrow_jobs::ledger::Balance>| balances.iter().map(|balance| balance.accepted).sum::<i64>();
    let old = SqliteLedger::open(kept, Arc::new(SystemClock)).await.expect("the old ledger is whole");
    assert_eq!(accounts(old.balances().await.expect("balances")), 10);
    assert!(!file.exists(), "no server starts on it");

    let variables = [("WINDROW_MASTER_KEY", master_key.trim())];
    let shape = Shape { apis: 1, workers: 1, schedulers: 1, redis: false, proxied: false, variables: &variables };
    let cluster = Cluster::over(postgres, database, shape).await;
    assert_eq!(cluster.read("/v1/connections/hook").await, hook);
    // Merging opens what the old server sealed.
    let merged = json!({ "secrets": { "signing_secret": format!("whsec_{}", "A".repeat(32)) } });
    let merged = cluster.send(Method::PATCH, "/v1/connections/hook", &[], Some(merged)).await;
    assert_eq!((merged.status, &merged.body["secrets"]), (200, &json!(["bearer_token", "signing_secret"])), "{}", merged.body);
    for job in &over {
        assert_eq!(cluster.get(job).await, *job);
    }
    assert_eq!((cluster.attempts(&over[1]).await, cluster.logs(&over[0]).await), (attempts, logs));
    let again = cluster.wait(&running).await;
    assert_eq!((&again["state"], &again["attempt"], &again["result"]["message"]), (&json!("completed"), &json!(2), &json!("interrupted")));
    assert_eq!(cluster.wait(&due).await["state"], "completed");
    let replayed = cluster.send(Method::POST, "/v1/jobs", &key, Some(keyed)).await;
    assert_eq!((replayed.status, &replayed.body["id"]), (202, &first.body["id"]), "an answer that was given stands");
    assert!(replayed.headers.contains_key("idempotency-replayed"));
    let deduplicated = cluster.send(Method::POST, "/v1/jobs", &[], Some(unique)).await;
    assert_eq!((deduplicated.status, &deduplicated.body["id"]), (200, &live["id"]));
    let accounts = cluster.read("/v1/audit/ledger").await;
    assert_eq!((&accounts["balanced"], accounts["tenants"].as_array().map(Vec::len)), (&json!(true), Some(2)), "{accounts}");
    assert_eq!(cluster.read("/v1/features/search/1.0.0").await, bundle);
    assert_eq!((&template["version"], &cluster.read("/v1/notification-templates/hello/de").await), (&json!(2), &template));
    assert_eq!(cluster.read("/v1/notification-templates/hello/de?version=1").await["text"], "Grüße");
    assert_eq!(cluster.read("/v1/records/people/a%2Fb").await, record);
    assert_eq!(cluster.read("/v1/notification-settings").await["default_locale"], "de-AT");
    assert_eq!(cluster.read("/v1/notification-templates").await["templates"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        cluster.read("/v1/schedules/beat/fires?status=fired").await["fires"].as_array().and_then(|fires| fires.last()),
        Some(&by_hand)
    );
    let sooner = json!({ "cron": "@every 1s" });
    assert_eq!(cluster.send(Method::PATCH, "/v1/schedules/beat", &[], Some(sooner)).await.status, 200);
    assert_eq!(cluster.send(Method::POST, "/v1/schedules/beat/resume", &[], None).await.status, 200);
    let second = loop {
        let fires = cluster.read("/v1/schedules/beat/fires?status=fired").await;
        if let Some(fire) = fires["fires"].as_array().expect("fires").iter().find(|fire| fire["n"] == 2) {
            break fire.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(cluster.wait(&json!({ "id": second["job_id"] })).await["result"]["message"], "2", "its numbers go on");
    let queues = cluster.read("/v1/queues").await;
    let syncs = queues["queues"].as_array().expect("queues").iter().find(|queue| queue["name"] == "syncs").expect("the queue");
    assert_eq!(syncs["paused"], true);
}

#[tokio::test]
async fn nothing_is_moved_under_a_scheduler_that_leads() {
    let mut server = Server::start().await;
    server.wait(&server.echo(json!({})).await).await;
    server.kill().await;
    let file = server.data_dir().join("windrow.db");
    let database = Postgres::shared().await.database().await;
    let ledger = PostgresLedger::open(&database).await.expect("the ledger opens");
    assert!(ledger.lead("dispatch", "scheduler", 600_000).await.expect("lead").is_some());
    let refused = move_ledger(&file, &database).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("a scheduler runs over the database"), "{refused:?}");
    ledger.abdicate("dispatch", "scheduler").await.expect("abdicate");
    assert_eq!(move_ledger(&file, &database).await.code, Some(0));
}

#[tokio::test]
async fn a_ledger_is_moved_into_an_empty_database_only() {
    let database = Postgres::shared().await.database().await;
    let stopped = async || {
        let mut server = Server::start().await;
        server.wait(&server.echo(json!({})).await).await;
        server.terminate();
        assert!(server.exited().await.success());
        server
    };
    let (one, two) = (stopped().await, stopped().await);
    let file = |server: &Server| server.data_dir().join("windrow.db");
    assert_eq!(move_ledger(&file(&one), &database).await.code, Some(0));
    let refused = move_ledger(&file(&two), &database).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("the database holds a ledger already: table jobs has rows"), "{refused:?}");
    assert!(file(&two).exists(), "it is left as it was");
    let nothing = move_ledger(&file(&one), &database).await;
    assert!(nothing.code == Some(1) && nothing.stderr.contains("there is no ledger at"), "{nothing:?}");

    let usage = run("windrow", &["migrate", "--from", "windrow.db"], &[]).await;
    assert_eq!(usage.code, Some(2), "{usage:?}");
    let nowhere = run("windrow", &["migrate", "--from", &format!("sqlite://{}", file(&two).display())], &[]).await;
    assert!(nowhere.code == Some(2) && nowhere.stderr.contains("ledger.database_url"), "{nowhere:?}");
}
