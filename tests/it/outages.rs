//! The promise "accepted is durable", against every outage in one run: real binaries under a steady load, and outside
//! of them a file with each id at the moment of its 202. Each fault proves that it took effect.

mod load;

use std::{collections::BTreeSet, path::Path, time::Duration};

use redis::AsyncCommands;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use windrow_tests::{
    cluster::{Cluster, Shape},
    server::is_final,
};

use self::load::Load;

/// How long Redis is away.
const REDIS_AWAY: Duration = Duration::from_secs(20);
/// How many more jobs must be completed while a fault lasts, or after it, to say that jobs go on.
const PROGRESS: i64 = 50;
/// More than any wait of a test that passes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const WAIT_PAUSE: Duration = Duration::from_millis(50);
/// The pause between two looks at everything, which cost the ledger more.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_what_ends_over_every_outage() {
    let mut cluster = Cluster::of(Shape { apis: 2, workers: 3, schedulers: 2, redis: true, proxied: true, variables: &[] }).await;
    let home = tempfile::tempdir().expect("a folder");
    let ids = home.path().join("accepted");
    let load = Load::start(cluster.clients(), &ids);
    goes_on(&cluster).await;

    // First what may cost a claim its answer: the leases of those run out during the others.
    workers_are_cut_off_postgres(&cluster, &load).await;
    postgres_crashes(&cluster, &load).await;
    the_leader_is_killed(&mut cluster).await;
    redis_is_flushed(&mut cluster).await;
    redis_is_killed_and_away(&mut cluster, &load).await;
    workers_lose_sight_of_redis(&cluster).await;

    load.stop().await;
    let accepted = accepted(&ids);
    assert!(accepted.len() > 1_000, "it was a load: {}", accepted.len());
    all_ended_once(&cluster, &accepted).await;
}

async fn redis_is_flushed(cluster: &mut Cluster) {
    let mut redis = cluster.redis().connection().await;
    let registered = async |redis: &mut redis::aio::ConnectionManager| -> BTreeSet<String> {
        redis.zrange("windrow:default:workers", 0, -1).await.expect("ZRANGE")
    };
    well(cluster, 1.0).await;
    let (keys, before) = (redis.keys::<_, Vec<String>>("*").await.expect("KEYS").len(), registered(&mut redis).await);
    assert!(keys > 0 && before.len() == 3, "there is something to lose: {keys} keys, {before:?}");
    cluster.redis().flush().await;
    assert!(calls(cluster, "flushall").await > 0, "it was flushed");
    // Every worker notices that it is not known any more, and comes back by another name.
    until("the workers register anew", async || {
        let after = registered(&mut redis.clone()).await;
        after.len() == 3 && after.is_disjoint(&before)
    })
    .await;
    goes_on(cluster).await;
}

async fn redis_is_killed_and_away(cluster: &mut Cluster, load: &Load) {
    let (address, pid) = (cluster.redis().address(), cluster.redis().pid());
    cluster.redis().kill();
    let (away_since, accepted_before, completed_before) = (Instant::now(), load.accepted(), completed(cluster).await);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "its process is gone");
    assert!(TcpStream::connect(address).await.is_err(), "nobody answers there");
    well(cluster, 0.0).await;
    while away_since.elapsed() < REDIS_AWAY {
        goes_on(cluster).await;
    }
    let (accepted, completed) = (load.accepted() - accepted_before, completed(cluster).await - completed_before);
    println!("without Redis for {:?}: {accepted} accepted, {completed} completed", away_since.elapsed());
    assert!(completed * 2 > accepted as i64, "jobs went on while Redis was away: {completed} of {accepted}");
    assert_eq!(cluster.of_workers("windrow_redis_well").await, [Some(0.0); 3], "it was away all the time");
    assert!(TcpStream::connect(address).await.is_err(), "nobody answered there");
    cluster.redis().restart().await;
    well(cluster, 1.0).await;
    goes_on(cluster).await;
    assert!(calls(cluster, "rpush").await > 0, "tickets are pushed again");
}

/// The planner and the apis see Redis, and the workers do not: what is pushed is not fetched.
async fn workers_lose_sight_of_redis(cluster: &Cluster) {
    let link = &cluster.links().redis;
    let before = link.counts();
    link.black_hole();
    well(cluster, 0.0).await;
    goes_on(cluster).await;
    let during = link.counts();
    assert!(during.swallowed_bytes > before.swallowed_bytes, "{link:?}");
    link.restore().await;
    well(cluster, 1.0).await;
    assert!(link.counts().forwarded_bytes > during.forwarded_bytes, "{link:?}");
    goes_on(cluster).await;
}

/// Jobs are accepted and none ends; then all go on, and no attempt is lost: the leases outlast it.
async fn workers_are_cut_off_postgres(cluster: &Cluster, load: &Load) {
    let link = &cluster.links().postgres;
    let before = link.counts();
    link.cut().await;
    until("the workers' connections are reset", async || link.counts().cut > before.cut + 2).await;
    assert!(TcpStream::connect(link.address()).await.is_err(), "it refuses");
    // What was under way when the connections were reset is through.
    load.until_accepted(20).await;
    let stopped = completed(cluster).await;
    load.until_accepted(40).await;
    assert_eq!(completed(cluster).await, stopped, "nobody can settle");
    link.restore().await;
    goes_on(cluster).await;
}

async fn postgres_crashes(cluster: &Cluster, load: &Load) {
    cluster.postgres.stop("immediate");
    assert!(TcpStream::connect(cluster.postgres.address()).await.is_err(), "nobody answers there");
    let down_since = Instant::now();
    until("a submission is refused", async || load.refused_since(down_since) > 0).await;
    assert!(TcpStream::connect(cluster.postgres.address()).await.is_err(), "nobody answered there");
    let down_until = Instant::now();
    cluster.postgres.start();
    cluster.postgres.wait().await;
    goes_on(cluster).await;
    load.check_none_accepted(down_since, down_until);
}

async fn the_leader_is_killed(cluster: &mut Cluster) {
    let epoch = cluster.epoch().await;
    cluster.kill_leader().await;
    until("another leads", async || cluster.epoch().await > epoch).await;
    goes_on(cluster).await;
}

/// The ids of the file, the file system's and not ours.
fn accepted(ids: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(ids).expect("the ids were written");
    let accepted: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
    assert_eq!(accepted.len(), text.lines().count(), "no id was given twice");
    accepted
}

/// What the ledger has are the accepted jobs and no others, and each was completed, once.
async fn all_ended_once(cluster: &Cluster, accepted: &BTreeSet<String>) {
    let n = accepted.len();
    // A claim whose answer was lost is given back once its lease and a new leader's patience are over.
    let give_up = Instant::now() + WAIT_MAX;
    while account(cluster).await["live"] != 0 {
        if Instant::now() > give_up {
            let mut left = cluster.list_all("").await;
            left.retain(|job| !is_final(job));
            panic!("not final within {WAIT_MAX:?}: {left:?}");
        }
        sleep(LOOK_PAUSE).await;
    }
    let mut final_ids = BTreeSet::new();
    for job in cluster.list_all("").await {
        assert_eq!(job["state"], "completed", "{job}");
        assert!(final_ids.insert(job["id"].as_str().expect("an id").to_owned()), "{job} is listed twice");
    }
    assert!(final_ids == *accepted, "{} accepted, {} final", n, final_ids.len());

    let audit = cluster.command(&["audit", "ledger", "--json"]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    let accounts: Value = serde_json::from_str(&audit.stdout).expect("JSON");
    let expected = json!({ "tenant": "default", "accepted": n, "completed": n, "dead": 0, "cancelled": 0, "live": 0, "pruned": 0,
        "outcomes": { "completed": n, "dead": 0, "cancelled": 0 } });
    assert_eq!((&accounts["balanced"], &accounts["tenants"]), (&json!(true), &json!([expected])));
}

/// Waits until this many more jobs are completed.
async fn goes_on(cluster: &Cluster) {
    let before = completed(cluster).await;
    until("jobs go on", async || completed(cluster).await >= before + PROGRESS).await;
}

async fn completed(cluster: &Cluster) -> i64 {
    // Before its first job the tenant has no account.
    account(cluster).await["completed"].as_i64().unwrap_or_default()
}

/// What the ledger has of the tenant; waits for the ledger where it is just coming back.
async fn account(cluster: &Cluster) -> Value {
    loop {
        match cluster.try_get("/v1/audit/ledger").await {
            Some(answer) if answer.status == 200 => return answer.body["tenants"][0].clone(),
            _ => sleep(WAIT_PAUSE).await,
        }
    }
}

/// Waits until every worker says so of its Redis: 1 well, 0 away.
async fn well(cluster: &Cluster, well: f64) {
    until("all workers see it of Redis", async || cluster.of_workers("windrow_redis_well").await == [Some(well); 3]).await;
}

/// How often Redis has run a command since its start, by its own count.
async fn calls(cluster: &mut Cluster, command: &str) -> u64 {
    let mut connection = cluster.redis().connection().await;
    let info: redis::InfoDict = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("INFO");
    let stats: String = info.get(&format!("cmdstat_{command}")).unwrap_or_default();
    stats.split(',').find_map(|stat| stat.strip_prefix("calls=")?.parse().ok()).unwrap_or_default()
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + WAIT_MAX;
    while !so().await {
        assert!(Instant::now() < give_up, "not within {WAIT_MAX:?}: {what}");
        sleep(WAIT_PAUSE).await;
    }
}
