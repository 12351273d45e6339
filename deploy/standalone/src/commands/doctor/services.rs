//! Redis, the object store and the api.

use windrow_jobs::{
    clock::{Clock, SystemClock},
    objects::{Content, Key, Objects},
    process,
    settings::{Effective, Settings},
};

use super::{Finding, ledger};
use crate::{cli::Cli, client::Client, failure::Failure, key};

/// What is kept and read back.
const PROBE: &[u8] = b"windrow doctor";

/// The Redis that the settings name, if they do.
pub(super) async fn redis(settings: &Settings) -> Vec<Finding> {
    const CHECK: &str = "redis";
    let client = match process::redis::of(settings) {
        Ok(Some(client)) => client,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Finding::fail(CHECK, error.to_string(), "correct WINDROW_REDIS_URL")],
    };
    let asked_at = SystemClock.now();
    let examined = match process::redis::examine(&client).await {
        Ok(examined) => examined,
        Err(error) => {
            let advice = "the ledger carries the tickets meanwhile, more slowly; is the server up, and WINDROW_REDIS_URL right?";
            return vec![Finding::fail(CHECK, format!("Redis does not answer: {error}"), advice)];
        }
    };
    let eviction = if examined.policy == "noeviction" {
        Finding::ok("redis.eviction", "maxmemory-policy is noeviction")
    } else {
        let detail = format!("Redis may evict tickets: maxmemory-policy is {}", examined.policy);
        Finding::warn("redis.eviction", detail, "set it to noeviction: what is evicted is found in the ledger, but a second later")
    };
    let persistence = match examined.persists {
        true => "it keeps its data on disk, which Windrow does not need: tickets are ledger rows too",
        false => "it keeps nothing on disk, and need not: tickets are ledger rows too",
    };
    vec![
        Finding::ok(CHECK, format!("Redis {} answers", examined.version)),
        eviction,
        Finding::ok("redis.persistence", persistence),
        ledger::clock("redis.clock", "Redis's", examined.now, asked_at, SystemClock.now()),
    ]
}

/// The object store: whether it keeps, gives back and forgets.
pub(super) async fn objects(settings: &Settings) -> Vec<Finding> {
    const CHECK: &str = "objects";
    let folder = settings.objects_folder();
    if let Some(folder) = folder.as_ref().filter(|_| !settings.data_dir.exists() && settings.objects.url.is_none()) {
        return vec![Finding::ok(CHECK, format!("{} is made with the data folder", folder.display()))];
    }
    let place = folder.map_or_else(|| settings.objects.url.clone().unwrap_or_default(), |folder| folder.display().to_string());
    let probed = match process::objects::open(settings) {
        Ok(store) => probe(&*store).await,
        Err(error) => Err(error.to_string()),
    };
    let advice = "are endpoint, bucket, region and keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) right, and is there room?";
    vec![match probed {
        Ok(()) => Finding::ok(CHECK, format!("{place} keeps, gives back and forgets")),
        Err(error) => Finding::fail(CHECK, format!("{place}: {error}"), advice),
    }]
}

async fn probe(store: &dyn Objects) -> Result<(), String> {
    let key: Key = format!("doctor/{}-{}", std::process::id(), SystemClock.now().ms()).parse().map_err(|error| format!("{error}"))?;
    let probed = put_and_get(store, &key).await;
    // Whatever came of it, nothing is left behind.
    let deleted = store.delete(&key).await.map_err(|error| format!("deleting: {error}"));
    probed.and(deleted)?;
    match store.head(&key).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err("what was deleted is still there".into()),
        Err(error) => Err(format!("looking: {error}")),
    }
}

async fn put_and_get(store: &dyn Objects, key: &Key) -> Result<(), String> {
    store.put(key, "text/plain", Content::Bytes(PROBE.to_vec())).await.map_err(|error| format!("keeping: {error}"))?;
    let read = store.get(key).await.map_err(|error| format!("reading: {error}"))?.ok_or("what was kept is not there")?;
    let bytes = read.bytes(PROBE.len() as u64).await.map_err(|error| format!("reading: {error}"))?;
    if bytes == PROBE { Ok(()) } else { Err("what was read is not what was kept".into()) }
}

/// The api: whether it takes requests, and on which rung the installation stands.
pub(super) async fn api(cli: &Cli, effective: &Effective) -> Vec<Finding> {
    const CHECK: &str = "api";
    let base = match key::base_url(cli, effective) {
        Ok(base) => base,
        Err(error) if cli.url.is_some() => return vec![Finding::fail(CHECK, error.to_string(), "correct --url")],
        Err(_) => return Vec::new(),
    };
    // Neither call needs a key.
    let client = match Client::new(base, String::new(), None) {
        Ok(client) => client,
        Err(error) => return vec![Finding::fail(CHECK, error.to_string(), "this is a bug, please report it")],
    };
    let url = client.base().to_owned();
    let readiness = match client.get("/readyz", &[]).await {
        Ok(_) => Finding::ok(CHECK, format!("{url} takes requests")),
        Err(error @ Failure::Unreachable { .. }) => {
            let advice = "start the server, or name it by --url";
            return vec![match cli.url {
                Some(_) => Finding::fail(CHECK, error.to_string(), advice),
                None => Finding::warn(CHECK, format!("no server answers at {url}"), advice),
            }];
        }
        Err(error) => Finding::fail(CHECK, format!("{url} takes no requests: {error}"), "see its log"),
    };
    vec![readiness, rung(&client).await]
}

async fn rung(client: &Client) -> Finding {
    const CHECK: &str = "rung";
    let status = match client.get("/status", &[]).await {
        Ok(reply) => reply.json(),
        Err(error) => return Finding::fail(CHECK, format!("no status: {error}"), "is the URL that of a Windrow api?"),
    };
    let detail = format!("{}: {}", status["rung"].as_str().unwrap_or("unknown"), status["means"].as_str().unwrap_or_default());
    match status["rung"].as_str() {
        Some("normal") => Finding::ok(CHECK, detail),
        Some("ledger_carrier") => Finding::warn(CHECK, detail, "bring Redis back"),
        Some("leader_gone") => Finding::fail(CHECK, detail, "start a scheduler; two, so that one stands by"),
        _ => Finding::fail(CHECK, detail, "bring the database back"),
    }
}
