//! A broadcast of a CSV file whose worker is killed at 40 % and at 80 %: it goes on there, everybody gets one message, and the report has
//! everybody. `WINDROW_TEST_RECIPIENTS=50000` makes it as large as that; `-- --no-capture` prints the numbers.

use std::{collections::BTreeMap, env, fs};

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use windrow_tests::{
    cluster::{Cluster, Shape},
    endpoint::Endpoint,
    server::is_final,
};

use super::{connect, number, phones::Phones, report};

/// As many as are told in the time of a test.
const RECIPIENTS: usize = 4_000;
/// How long making the children takes at least, in seconds.
const MAKING_S: f64 = 8.0;

#[tokio::test]
async fn a_broadcast_that_is_killed_goes_on_and_tells_everybody_once() {
    let recipients = env::var("WINDROW_TEST_RECIPIENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(RECIPIENTS);
    let phones = Phones::start().await;
    // Each hundredth is listed again, at the end, and one row is broken.
    let mut rows: Vec<String> = (0..recipients).map(number).collect();
    rows.extend((0..recipients).step_by(100).map(number));
    rows.push("nobody".into());
    let file = Endpoint::start(200, format!("to\n{}\n", rows.join("\n"))).await;

    let folder = tempfile::tempdir().expect("a folder");
    let objects = format!("file://{}", folder.path().display());
    let variables = [
        ("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1"),
        ("WINDROW_MASTER_KEY", "the-master-key-of-this-test-0123456789"),
        ("WINDROW_OBJECTS_URL", objects.as_str()),
    ];
    let mut cluster = Cluster::of(Shape { apis: 1, workers: 0, schedulers: 1, redis: false, proxied: false, variables: &variables }).await;
    // One worker sends, another makes the children: the queue keeps them apart, and only the latter is killed.
    cluster.add_with("windrow-worker", &[("WINDROW_QUEUES", "notifications=32")]);
    cluster.add_with("windrow-worker", &[("WINDROW_QUEUES", "default=2")]);
    connect(&cluster, &phones, json!({})).await;
    let endpoint = json!({ "name": "crm", "provider": "http", "config": { "url": file.url() } });
    assert_eq!(cluster.send(reqwest::Method::POST, "/v1/connections", &[], Some(endpoint)).await.status, 201);
    let fetched = cluster.submit(json!({ "kind": "http.request", "payload": { "connection": "crm", "method": "GET" } })).await;
    let fetched = cluster.wait(&fetched).await;
    assert_eq!(fetched["state"], "completed", "{fetched}");
    let artifact = json!({ "job": fetched["id"], "name": fetched["result"]["artifact"] });
    // Each commit of children takes its time, so that there is one to be killed in.
    let chunks = rows.len().div_ceil(500);
    let slow = format!(
        "CREATE FUNCTION takes_its_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep({}); RETURN NULL; END $$;
         CREATE TRIGGER takes_its_time BEFORE INSERT ON jobs FOR EACH STATEMENT EXECUTE FUNCTION takes_its_time()",
        (MAKING_S / chunks as f64).min(1.0)
    );
    sqlx::raw_sql(AssertSqlSafe(slow)).execute(&mut cluster.database().await).await.expect("a trigger");
    let message = json!({ "kind": "notification.sms", "payload": { "connection": "phone", "text": "Market until six." } });
    let job = cluster
        .submit(json!({ "kind": "notification.broadcast", "queue": "default", "payload": { "message": message, "audience": { "artifact": artifact } } }))
        .await;

    let total = rows.len();
    let mut went_on = Vec::new();
    for share in [40, 80] {
        // Of the making, which is the first half of its progress.
        cluster.clients()[0]
            .until(&job, "enough are made", |job| job["progress"]["percent"].as_u64() >= Some(share / 2) || is_final(job))
            .await;
        let mut killed = cluster.workers.pop().expect("the worker that makes children");
        let before = cluster.get(&job).await;
        assert!(!is_final(&before), "{before}");
        killed.kill();
        killed.exited().await;
        went_on.push(before["progress"]["message"].clone());
        cluster.add_with("windrow-worker", &[("WINDROW_QUEUES", "default=2")]);
    }
    let most_mib = largest_mib(&cluster, &job).await;
    let job = cluster.wait(&job).await;
    assert_eq!(job["state"], "completed", "{job}");

    let (duplicates, sent) = (recipients.div_ceil(100), recipients);
    let told = &job["result"];
    let counts = ["recipients", "sent", "dead", "cancelled", "invalid", "duplicates", "forgotten"].map(|name| told[name].as_u64());
    assert_eq!(counts, [total, sent, 0, 0, 1, duplicates, 0].map(|number| Some(number as u64)), "{told}");
    let taken = phones.taken();
    let expected: BTreeMap<String, usize> = (0..recipients).map(|index| (number(index), 1)).collect();
    assert!(
        taken == expected,
        "missed {}, twice {}",
        expected.len().saturating_sub(taken.len()),
        taken.values().filter(|times| **times > 1).count()
    );
    let reported = report(&cluster, &job).await;
    assert_eq!(reported.len(), total);
    for (at, (row, to)) in reported.iter().zip(&rows).enumerate() {
        let status = if at < recipients {
            "sent"
        } else if at < total - 1 {
            "duplicate"
        } else {
            "invalid"
        };
        assert_eq!((row[0].as_str(), &row[1], row[2].as_str()), ((at + 1).to_string().as_str(), to, status));
    }
    let logs = cluster.logs(&job).await;
    let lines = logs.iter().flat_map(|chunk| chunk["lines"].as_array().into_iter().flatten());
    let resumed = lines.filter(|line| line["message"].as_str().is_some_and(|message| message.starts_with("going on at row"))).count();
    println!("{recipients} recipients, killed when {went_on:?}, went on {resumed} times, worker's memory {most_mib} MiB at most: {told}");
    assert_eq!(resumed, 2, "it began anew: {logs:?}");
    assert!(cluster.attempts(&job).await.len() >= 3);
}

/// The largest resident memory, in MiB, that the worker which makes children has until the job ends.
async fn largest_mib(cluster: &Cluster, job: &Value) -> u64 {
    let pid = cluster.workers.last().expect("a worker").pid();
    let mut most_kib = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        most_kib = most_kib.max(high.unwrap_or_default());
        if is_final(&cluster.get(job).await) {
            return most_kib / 1_024;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
