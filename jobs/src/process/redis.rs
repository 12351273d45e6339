//! What the cluster's binaries ask of their Redis at the start, and what a doctor asks again.

use ::redis::{Client, InfoDict, RedisResult};
use anyhow::{Context, ensure};
use tokio_util::sync::CancellationToken;

use super::nudges;
use crate::{
    clock::{Clock, Timestamp},
    ledger::{Inspect, Upkeep, postgres::PostgresLedger},
    redis::{client, connect},
    settings::{self, Settings},
};

/// How far a worker's clock may be from the ledger's: apalis-redis counts workers' lives by their own clocks, in seconds.
const CLOCK_DIFFERENCE_MS_MAX: i64 = 2_000;

/// The Redis of the settings, if there is one. Does not connect.
pub fn of(settings: &Settings) -> Result<Option<Client>, settings::Error> {
    let url = settings.dispatch.redis_url.as_ref();
    url.map(|url| client(url.as_str())).transpose().map_err(|error| settings::Error::at("dispatch.redis_url", error.to_string()))
}

/// Publishes what this process commits to the ledger, until `stop`.
pub async fn publish_nudges(client: &Client, ledger: &PostgresLedger, stop: CancellationToken) -> anyhow::Result<()> {
    let identity = ledger.identity().await.context("asking the ledger who it is")?;
    tokio::spawn(nudges::publish(client.clone(), identity, ledger.nudges(), stop));
    Ok(())
}

/// Hears what other processes commit to the ledger, until `stop`.
pub async fn hear_nudges(client: &Client, ledger: &PostgresLedger, stop: CancellationToken) -> anyhow::Result<()> {
    let identity = ledger.identity().await.context("asking the ledger who it is")?;
    tokio::spawn(nudges::subscribe(client.clone(), identity, ledger.clone(), stop));
    Ok(())
}

/// What is not as it should be with Redis, in words; nothing here keeps a process from its work.
pub async fn doctor(client: &Client) -> Vec<String> {
    match eviction_policy(client).await {
        Ok(policy) if policy == "noeviction" => Vec::new(),
        Ok(policy) => vec![format!("Redis may evict tickets (maxmemory-policy is {policy}): set it to noeviction")],
        Err(error) => vec![format!("Redis does not answer, so the ledger carries the tickets: {error}")],
    }
}

/// How a Redis is set up.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Its version.
    pub version: String,
    /// What it does when its memory is full.
    pub policy: String,
    /// Whether it keeps its data on disk.
    pub persists: bool,
    /// Its clock.
    pub now: Timestamp,
}

/// Asks a Redis how it is set up.
pub async fn examine(client: &Client) -> RedisResult<Examined> {
    let mut redis = connect(client).await?;
    // By INFO, which providers allow that forbid CONFIG.
    let info: InfoDict = ::redis::cmd("INFO").query_async(&mut redis).await?;
    let saves: RedisResult<(String, String)> = ::redis::cmd("CONFIG").arg("GET").arg("save").query_async(&mut redis).await;
    let saves = saves.is_ok_and(|(_, save)| !save.is_empty());
    let (seconds, micros): (i64, i64) = ::redis::cmd("TIME").query_async(&mut redis).await?;
    let told = |name: &str| info.get::<String>(name).unwrap_or_else(|| "not told".into());
    Ok(Examined {
        version: told("redis_version"),
        policy: told("maxmemory_policy"),
        persists: told("aof_enabled") == "1" || saves,
        now: Timestamp::from_ms(seconds * 1_000 + micros / 1_000),
    })
}

/// Warns of what is not as it should be.
pub async fn warn(client: &Client) {
    for finding in doctor(client).await {
        tracing::warn!("{finding}");
    }
}

/// Asked by INFO, which providers allow that forbid CONFIG.
async fn eviction_policy(client: &Client) -> RedisResult<String> {
    let mut redis = connect(client).await?;
    let info: InfoDict = ::redis::cmd("INFO").arg("memory").query_async(&mut redis).await?;
    Ok(info.get("maxmemory_policy").unwrap_or_else(|| "not told".into()))
}

/// Refuses a clock that differs from the ledger's by 2 s or more.
pub async fn check_clock(ledger: &dyn Inspect, clock: &dyn Clock) -> anyhow::Result<()> {
    let asked_at = clock.now();
    let theirs = ledger.now().await.context("asking the ledger for the time")?;
    let answered_at = clock.now();
    // The ledger looked at its clock somewhere between the two.
    let difference_ms = match (theirs.ms_since(asked_at), theirs.ms_since(answered_at)) {
        (behind_ms, _) if behind_ms < 0 => behind_ms,
        (_, ahead_ms) if ahead_ms > 0 => ahead_ms,
        _ => 0,
    };
    ensure!(
        difference_ms.abs() < CLOCK_DIFFERENCE_MS_MAX,
        "this machine's clock is {} ms {} the ledger's, and {CLOCK_DIFFERENCE_MS_MAX} ms is too much: let both follow the same time server",
        difference_ms.abs(),
        if difference_ms < 0 { "ahead of" } else { "behind" },
    );
    Ok(())
}
