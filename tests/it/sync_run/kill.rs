//! A run whose worker is killed by SIGKILL, or stands still until another has taken over: the destination is the source, and each page counts
//! once. `-- --no-capture` prints the numbers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::Rng;
use serde_json::{Value, json};
use windrow_tests::{
    cluster::Cluster,
    server::{Client, Server, is_final},
    source::{Listing, Source},
    taker::Taker,
};

use super::{assert_same, begin, connect, counts, kept::of_cluster, put, said, with};

const RECORDS: u64 = 12_000;
const PAGE: u64 = 100;

/// The sync of this provider's records into the collection `people`.
fn definition(listing: Listing) -> Value {
    json!({ "source": { "http": listing.source("directory", PAGE) }, "destination": { "records": { "collection": "people" } }, "delete": "hard" })
}

/// What the provider has, by key.
fn expected(source: &Source) -> BTreeMap<String, Value> {
    source.with(|data| data.ids_after(0).map(|id| (id.to_string(), data.record(id))).collect())
}

/// Waits until the provider was asked so often, or the job has ended.
async fn until_asked(client: &Client, job: &Value, source: &Source, requests: u64) -> bool {
    tokio::select! {
        () = source.until_requests(requests) => true,
        _ = client.wait(job) => false,
    }
}

/// Runs it to its end, killing the server each time that the provider was asked so often more.
async fn run_killed(server: &mut Server, source: &Source, kills: &[u64]) -> Value {
    let began = source.requests();
    let job = begin(server, json!({})).await;
    for at in kills {
        assert!(until_asked(server, &job, source, began + at).await, "it ended before it could be killed");
        server.kill().await;
        server.launch();
        server.until_ready().await;
    }
    server.wait(&job).await
}

#[tokio::test]
async fn however_often_it_is_killed_each_page_counts_once() {
    let mut random = windrow_tests::seed::random();
    let source = Source::start(RECORDS).await;
    let mut server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    put(&server, &definition(Listing::Cursor)).await;
    let pages = RECORDS / PAGE;

    let kills = [random.random_range(5..50), random.random_range(55..100)];
    let job = run_killed(&mut server, &source, &kills).await;
    let names = ["pages", "read", "created", "updated", "unchanged", "deleted", "failed"];
    assert_eq!(counts(&job, names), [pages, RECORDS, RECORDS, 0, 0, 0, 0], "killed at {kills:?}");
    assert_same(&said(&server).await, &expected(&source));

    source.with(|data| {
        (1..=4_000).for_each(|id| data.remove(id));
        (5_001..=7_000).for_each(|id| data.change(id));
        for _ in 0..1_000 {
            data.add();
        }
    });
    // Five times, and nobody has to send it back: it got on in between.
    let kills = [(5, 15), (20, 30), (36, 46), (52, 62), (68, 85)].map(|(from, to)| random.random_range(from..to));
    let job = run_killed(&mut server, &source, &kills).await;
    assert_eq!(counts(&job, names), [90, 9_000, 1_000, 2_000, 6_000, 4_000, 0], "killed at {kills:?}");
    assert_same(&said(&server).await, &expected(&source));
    assert!(job["attempt"].as_u64() >= Some(6) && job["crashes"].as_u64().is_some_and(|crashes| crashes <= 1), "{job:#}");
    println!(
        "{RECORDS} records by {PAGE}, then 4,000 removed, 2,000 changed, 1,000 added; killed at {kills:?} of the second: {}",
        job["result"]
    );
}

#[tokio::test]
async fn what_was_sent_elsewhere_is_sent_again_only_where_nobody_knows() {
    let mut random = windrow_tests::seed::random();
    let source = Source::start(3_000).await;
    let taker = Taker::start().await;
    let mut server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    connect(&server, "crm", &taker.url()).await;
    let mut definition = definition(Listing::Keyset);
    definition["mapping"] = json!([{ "to": "key", "from": "/id", "type": "string" }, { "to": "revision", "from": "/revision" }]);
    let call = json!({ "method": "POST", "path": "bulk", "body": {}, "record": "/records" });
    definition["destination"] = json!({ "http": { "connection": "crm",
        "bulk": { "call": call, "records_max": 30, "results": "/results", "error": "/error", "id": "/id" },
        "delete": { "method": "DELETE", "path": "contacts/{key}" } } });
    put(&server, &definition).await;
    let kills = [(2, 5), (8, 11), (14, 17), (20, 23), (26, 29)].map(|(from, to)| random.random_range(from..to));
    let job = run_killed(&mut server, &source, &kills).await;
    let [pages, read, created, unchanged, failed, repeated] = counts(&job, ["pages", "read", "created", "unchanged", "failed", "repeated"]);
    assert_eq!((pages, read, created, unchanged, failed), (31, 3_000, 3_000, 0, 0), "killed at {kills:?}");
    let writes = taker.writes();
    let twice = writes.values().filter(|times| **times > 1).count() as u64;
    println!("3,000 records by 30 at once, killed at {kills:?}: {repeated} in doubt, {twice} written again");
    assert_eq!(writes.len(), 3_000);
    assert!(writes.values().all(|times| *times <= 1 + kills.len() as u64));
    assert!(twice <= repeated && repeated <= 30 * kills.len() as u64, "only what was on its way is sent again");
    let there: BTreeMap<String, Value> = taker
        .contacts()
        .values()
        .map(|contact| (contact["key"].as_str().expect("a key").to_owned(), contact["revision"].clone()))
        .collect();
    assert_same(&there, &expected(&source).into_iter().map(|(key, record)| (key, record["revision"].clone())).collect());
}

#[tokio::test]
async fn a_list_that_is_read_twice_and_killed_in_both_readings_is_whole() {
    let mut random = windrow_tests::seed::random();
    let source = Source::start(4_000).await;
    let mut server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    put(&server, &definition(Listing::Page)).await;
    // Forty pages and an empty one, twice.
    let kills = [(5, 12), (20, 36), (45, 52), (60, 66), (72, 78)].map(|(from, to)| random.random_range(from..to));
    let job = run_killed(&mut server, &source, &kills).await;
    let names = ["pages", "read", "created", "updated", "unchanged", "deleted", "failed"];
    assert_eq!(counts(&job, names), [82, 8_000, 4_000, 0, 0, 0, 0], "killed at {kills:?}");
    assert_same(&said(&server).await, &expected(&source));
}

#[tokio::test]
async fn a_list_that_changes_while_its_reader_is_dead_loses_nothing() {
    let mut random = windrow_tests::seed::random();
    let source = Source::start(4_000).await;
    let mut server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    put(&server, &with(definition(Listing::Offset), json!({ "limits": { "passes_max": 6 } }))).await;
    let job = begin(&server, json!({})).await;
    let (mut asked, mut added) = (0, Vec::new());
    for (from, to) in [(6, 12), (6, 12), (6, 12)] {
        asked = source.requests().max(asked) + random.random_range(from..to);
        assert!(until_asked(&server, &job, &source, asked).await, "it ended before it could be killed");
        server.kill().await;
        // All behind it move, so that some would be passed over; then one is new, at the front, and they stand where they stood.
        source.with(|data| {
            for _ in 0..random.random_range(1..4) {
                let gone = data.ids_after(random.random_range(1..300)).next().expect("a record");
                data.remove(gone);
            }
            data.change(2_000);
            added.push(data.add().to_string());
        });
        server.launch();
        server.until_ready().await;
    }
    let job = server.wait(&job).await;
    assert_eq!(counts(&job, ["failed"]), [0], "{job:#}");
    // Who came or left while it was read is seen to by the next run at the latest.
    let said_now = said(&server).await;
    let passed_over: Vec<_> = expected(&source).into_keys().filter(|key| !said_now.contains_key(key) && !added.contains(key)).collect();
    assert!(passed_over.is_empty(), "{passed_over:?}");
    counts(&server.wait(&begin(&server, json!({})).await).await, ["read"]);
    assert_same(&said(&server).await, &expected(&source));
}

#[tokio::test]
async fn a_sweep_that_is_killed_deletes_each_once() {
    let mut random = windrow_tests::seed::random();
    let source = Source::start(400).await;
    let taker = Taker::start().await;
    let mut server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, "directory", &source.url()).await;
    connect(&server, "crm", &taker.url()).await;
    let mut definition = with(definition(Listing::Keyset), json!({ "limits": { "deleted_percent_max": 100 } }));
    definition["mapping"] = json!([{ "to": "key", "from": "/id", "type": "string" }]);
    definition["destination"] = json!({ "http": { "connection": "crm",
        "bulk": { "call": { "method": "POST", "path": "bulk", "record": "/records" }, "records_max": 20 },
        "delete": { "method": "DELETE", "path": "contacts/{key}" } } });
    put(&server, &definition).await;
    counts(&server.wait(&begin(&server, json!({})).await).await, ["created"]);
    source.with(|data| (1..=300).for_each(|id| data.remove(id)));
    let before = taker.requests();
    let job = begin(&server, json!({})).await;
    let kills: Vec<u64> = [(20, 60), (80, 120), (150, 180), (200, 240), (260, 290)].map(|(from, to)| random.random_range(from..to)).into();
    for at in &kills {
        taker.until_requests(before + at).await;
        server.kill().await;
        server.launch();
        server.until_ready().await;
    }
    let job = server.wait(&job).await;
    let [deleted, failed, repeated] = counts(&job, ["deleted", "failed", "repeated"]);
    let requests = taker.requests() - before;
    println!("300 deletions, killed at {kills:?}: {repeated} in doubt, {requests} requests");
    assert_eq!((deleted, failed, taker.contacts().len()), (300, 0, 100), "killed at {kills:?}");
    assert_eq!(taker.deleted().len(), 300);
    assert!(requests >= 300 && requests - 300 <= repeated && repeated <= 20 * 5, "only what was on its way is sent again");
}

/// Waits until the first worker says that so many of its attempts were lost, or their outcomes refused.
async fn until_fenced(cluster: &Cluster, attempts: u64) {
    let of = |metrics: &str| {
        let is_told = |line: &&str| {
            line.starts_with("windrow_outcomes_refused_total")
                || line.starts_with("windrow_attempt_seconds_count") && line.contains(r#"ended="lost""#)
        };
        metrics.lines().filter(is_told).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = cluster.metrics_of(0).await.expect("the worker answers probes");
        if of(&metrics) >= attempts {
            return;
        }
        assert!(Instant::now() < give_up, "the worker does not say that it was fenced:\n{metrics}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A cluster of one worker that runs two syncs, both of 4,000 records in pages of 100 and both under way: into a collection (`here`), and to
/// a provider, 20 at once (`there`).
struct TwoRuns {
    cluster: Cluster,
    source: Source,
    taker: Taker,
    here: Value,
    there: Value,
    /// Where files are kept.
    _folder: tempfile::TempDir,
}

async fn two_runs() -> TwoRuns {
    let source = Source::start(4_000).await;
    let taker = Taker::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let objects = format!("file://{}", folder.path().display());
    let variables = [
        ("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1"),
        ("WINDROW_MASTER_KEY", "the-master-key-of-this-test-0123456789"),
        ("WINDROW_OBJECTS_URL", objects.as_str()),
    ];
    let cluster = Cluster::start(1, 1, &variables).await;
    connect(&cluster, "directory", &source.url()).await;
    connect(&cluster, "crm", &taker.url()).await;
    put(&cluster, &definition(Listing::Cursor)).await;
    let mut elsewhere = definition(Listing::Keyset);
    elsewhere["mapping"] = json!([{ "to": "key", "from": "/id", "type": "string" }]);
    elsewhere["destination"] = json!({ "http": { "connection": "crm",
        "bulk": { "call": { "method": "POST", "path": "bulk", "record": "/records" }, "records_max": 20 },
        "delete": { "method": "DELETE", "path": "contacts/{key}" } } });
    let kept = cluster.send(reqwest::Method::PUT, "/v1/syncs/contacts", &[], Some(elsewhere)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);

    let here = begin(&cluster, json!({})).await;
    let there = cluster.submit(json!({ "kind": "sync.run", "payload": { "sync": "contacts" } })).await;
    taker.until_requests(20).await;
    assert!(until_asked(&cluster, &here, &source, 12).await && !is_final(&cluster.get(&there).await), "both are under way");
    TwoRuns { cluster, source, taker, here, there, _folder: folder }
}

/// Waits until both have ended with the worker that took over, and looks at what they did: each page counts once, and what was sent again was
/// on its way.
async fn both_end_well(runs: &TwoRuns) -> [Value; 2] {
    let TwoRuns { cluster, source, taker, here, there, .. } = runs;
    // The lease of thirty seconds has to run out.
    for job in [here, there] {
        cluster.clients()[0].until(job, "another takes over", |job| job["attempt"].as_u64() > Some(1)).await;
    }
    let done = [cluster.wait(here).await, cluster.wait(there).await];
    let (records, writes) = (of_cluster(cluster).await, taker.writes());
    for (job, pages) in done.iter().zip([40, 41]) {
        assert_eq!(counts(job, ["pages", "read", "created", "unchanged", "failed"]), [pages, 4_000, 4_000, 0, 0]);
        assert!(cluster.attempts(job).await.len() >= 2);
    }
    assert_same(&records.0, &expected(source));
    let twice = writes.values().filter(|times| **times > 1).count() as u64;
    let repeated = counts(&done[1], ["repeated"])[0];
    assert!(
        writes.len() == 4_000 && twice <= repeated && repeated <= 20,
        "at most what was on its way is sent again: {twice} of {repeated}"
    );
    done
}

#[tokio::test]
async fn a_worker_of_a_cluster_that_is_killed_leaves_both_runs_to_another() {
    let mut runs = two_runs().await;
    runs.cluster.workers[0].kill();
    runs.cluster.workers[0].exited().await;
    runs.cluster.add_worker();
    both_end_well(&runs).await;
}

#[tokio::test]
async fn a_worker_that_wakes_after_another_took_over_writes_nothing() {
    let mut runs = two_runs().await;
    runs.cluster.workers[0].pause();
    runs.cluster.add_worker();
    let done = both_end_well(&runs).await;
    let TwoRuns { mut cluster, taker, .. } = runs;
    let (records, writes) = (of_cluster(&cluster).await, taker.writes());
    // It goes on in the middle of what it was doing, and learns of both attempts that they are its own no more.
    let requests = taker.requests();
    cluster.workers[0].resume();
    until_fenced(&cluster, 2).await;
    cluster.workers[0].terminate();
    cluster.workers[0].exited().await;
    println!("the worker woke: {} requests of it came", taker.requests() - requests);
    for job in &done {
        assert_eq!(&cluster.get(job).await, job, "nothing of it is in the job");
    }
    assert_eq!((of_cluster(&cluster).await, taker.writes()), (records, writes));
    let told = cluster.read("/v1/syncs/people/runs").await;
    assert_eq!(told["runs"].as_array().map(Vec::len), Some(1), "{told}");
}
