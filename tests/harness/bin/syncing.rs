//! Measures runs of a sync: `cargo run -p windrow-tests --bin syncing [-- RECORDS [RECORDS_OF_A_PAGE [postgres]]]`, 1,000,000 by 1,000 over
//! SQLite unless said. It starts the built binaries (`cargo build --workspace --bins --all-features`, with `--release` for both) and a provider that
//! makes its records on the fly, and prints for each run how fast it was, and what memory the process that runs it had at each tenth. The
//! runs: all new, all the same, one in a hundred changed and another removed; and one in which a third changed, in which the process is killed
//! (SIGKILL) five times at random pages. After that one the collection is compared with the provider, record by record.

use std::{env, fs, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_tests::{
    cluster::Cluster,
    server::{Client, Server, is_final},
    source::{Listing, Source},
};

/// How often it is looked how far a run is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

enum Stand {
    Alone(Box<Server>),
    Cluster(Box<Cluster>),
}

impl Stand {
    fn client(&self) -> &Client {
        match self {
            Self::Alone(server) => server,
            Self::Cluster(cluster) => cluster,
        }
    }

    /// The process that runs jobs.
    fn pid(&self) -> u32 {
        match self {
            Self::Alone(server) => server.pid(),
            Self::Cluster(cluster) => cluster.workers[0].pid(),
        }
    }

    /// Ends that process as a crash does, and starts another.
    async fn kill(&mut self) {
        match self {
            Self::Alone(server) => {
                server.kill().await;
                server.launch();
                server.until_ready().await;
            }
            Self::Cluster(cluster) => {
                cluster.workers.remove(0).kill();
                cluster.add_worker();
            }
        }
    }

    /// What the ledger takes on the disk, in MiB.
    async fn ledger_mib(&self) -> u64 {
        match self {
            Self::Alone(server) => {
                let size = |name: &str| fs::metadata(server.data_dir().join(name)).map_or(0, |file| file.len());
                (size("windrow.db") + size("windrow.db-wal")) >> 20
            }
            Self::Cluster(cluster) => {
                let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
                    .fetch_one(&mut cluster.database().await)
                    .await
                    .expect("a size");
                size.unsigned_abs() >> 20
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |at: usize, unsaid: u64| arguments.get(at).map_or(unsaid, |text| text.parse().expect("a number"));
    let (records, size) = (number(0, 1_000_000), number(1, 1_000));
    let source = Source::start(records).await;
    let folder = tempfile::tempdir().expect("a folder");
    let objects = format!("file://{}", folder.path().display());
    let allowed = ("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1");
    let mut stand = if arguments.get(2).is_some_and(|ledger| ledger == "postgres") {
        let key = ("WINDROW_MASTER_KEY", "the-master-key-of-this-bench-0123456789");
        Stand::Cluster(Box::new(Cluster::start(1, 1, &[allowed, key, ("WINDROW_OBJECTS_URL", &objects)]).await))
    } else {
        Stand::Alone(Box::new(Server::start_with(&[allowed]).await))
    };
    prepare(stand.client(), &source, size).await;
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{records} records by {size}, a {build} build, {} MiB resident before", resident_mib(stand.pid()));
    measure("all new", &stand, records).await;
    measure("all the same", &stand, records).await;
    source.with(|data| {
        for id in (1..=records).step_by(100) {
            data.change(id);
            data.remove(id + 1);
        }
    });
    measure("one in a hundred changed, another removed", &stand, records).await;
    killed(&mut stand, &source, records.div_ceil(size)).await;
}

/// A run in which a third changed, killed five times, and what it leaves.
async fn killed(stand: &mut Stand, source: &Source, pages: u64) {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    source.with(|data| {
        let ids: Vec<u64> = data.ids_after(0).step_by(3).collect();
        ids.into_iter().for_each(|id| data.change(id));
    });
    let before = source.requests();
    let job = stand.client().submit(json!({ "kind": "sync.run", "payload": { "sync": "people" } })).await;
    let began = Instant::now();
    let mut kills = Vec::new();
    for part in 0..5 {
        let at = (pages * part / 5 + random.random_range(1..=pages / 6)).max(1);
        while source.requests() < before + at {
            let job = stand.client().get(&job).await;
            assert!(!is_final(&job), "seed {seed}: it ended before it could be killed: {job:#}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        stand.kill().await;
        kills.push(at);
    }
    let job = loop {
        let job = stand.client().get(&job).await;
        if is_final(&job) {
            break job;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    assert_eq!((&job["state"], &job["result"]["complete"]), (&json!("completed"), &json!(true)), "seed {seed}: {job:#}");
    let took = began.elapsed().as_secs_f64();
    let same = compare(stand.client(), source).await;
    println!(
        "a third changed, killed five times after {kills:?} requests (seed {seed}): {took:.1} s; {same} records, each as the provider has it\n  {}",
        job["result"]
    );
}

/// How many records there are, all of which are as the provider has them, and none of which it lacks.
async fn compare(client: &Client, source: &Source) -> u64 {
    let (mut same, mut path) = (0, "/v1/records/people?page_size=1000".to_owned());
    loop {
        let page = client.read(&path).await;
        for record in page["records"].as_array().expect("records") {
            let id: u64 = record["key"].as_str().and_then(|key| key.parse().ok()).expect("a number");
            assert_eq!(record["data"], source.with(|data| data.record(id)), "{id}");
            same += 1;
        }
        let Some(next) = page["next_page_token"].as_str() else { break };
        path = format!("/v1/records/people?page_size=1000&page_token={next}");
    }
    assert_eq!(same, source.with(|data| data.len()), "keys are there once, so none is missing and none is left over");
    same
}

async fn prepare(client: &Client, source: &Source, size: u64) {
    let connection = json!({ "name": "directory", "provider": "http", "config": { "url": source.url() } });
    let made = client.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let definition = json!({
        "source": { "http": Listing::Cursor.source("directory", size) },
        "destination": { "records": { "collection": "people" } },
        "limits": { "records_max": 10_000_000, "pages_max": 1_000_000 }
    });
    let kept = client.send(Method::PUT, "/v1/syncs/people", &[], Some(definition)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
}

async fn measure(what: &str, stand: &Stand, records: u64) {
    let client = stand.client();
    let began = Instant::now();
    let job = client.submit(json!({ "kind": "sync.run", "payload": { "sync": "people" } })).await;
    let (mut at_tenths, mut tenth) = (Vec::new(), 1);
    let job = loop {
        let job = client.get(&job).await;
        let runs = client.read("/v1/syncs/people/runs?page_size=1").await;
        let read = runs["runs"][0]["counts"]["read"].as_u64().unwrap_or_default();
        while tenth <= 10 && read * 10 >= records * tenth {
            at_tenths.push(resident_mib(stand.pid()));
            tenth += 1;
        }
        if is_final(&job) {
            break job;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let took = began.elapsed().as_secs_f64();
    let result: &Value = &job["result"];
    assert_eq!(job["state"], "completed", "{job:#}");
    let pages = result["pages"].as_f64().expect("pages");
    println!(
        "{what}: {took:.1} s, {:.0} records/s, {:.1} pages/s, {:.1} ms a page; {at_tenths:?} MiB resident at each tenth; the ledger has {} MiB\n  {result}",
        records as f64 / took,
        pages / took,
        took * 1_000.0 / pages,
        stand.ledger_mib().await,
    );
}

fn resident_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    resident.unwrap_or_default() / 1_024
}
