//! Connections to Redis, which carries hints and keeps nothing: every wait on it has a limit, and whatever is lost
//! with it is found in the ledger.
//!
//! Who uses it: `dispatch/carrier/redis/` for tickets, `process/nudges.rs` for what a ledger tells the planner.

use std::{convert::Infallible, fmt::Display, time::Duration};

use ::redis::{
    Client, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use futures::StreamExt;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an answer may take. The client's own 500 ms give up whenever the machine stalls; the ledger's tickets
/// are looked at each second meanwhile.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a subscription is asked whether it still lives: a connection that was cut silently never says so.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The pause after a first failure; each further one doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause: what Redis's return is noticed by at the latest.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A client for this URL; does not connect.
pub fn client(url: &str) -> RedisResult<Client> {
    Client::open(url)
}

/// A connection with our own time-outs. It does not retry: who uses it is supervised, and makes a new one.
pub async fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_number_of_retries(0);
    ConnectionManager::new_with_config(client.clone(), config).await
}

/// Hears what is published on a channel; `subscribed` is called once it does. Returns only by an error.
pub async fn listen(client: &Client, channel: &str, subscribed: impl FnOnce(), mut heard: impl FnMut(&[u8])) -> RedisResult<Infallible> {
    let mut pubsub = within(CONNECT_TIMEOUT, client.get_async_pubsub()).await?;
    within(RESPONSE_TIMEOUT, pubsub.subscribe(channel)).await?;
    let (mut sink, mut messages) = pubsub.split();
    subscribed();
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => heard(message.get_payload_bytes()),
                None => return Err(closed("the subscription was closed")),
            },
            () = tokio::time::sleep(PING_EVERY) => within(RESPONSE_TIMEOUT, sink.ping::<::redis::Value>()).await.map(|_| ())?,
        }
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(closed("Redis does not answer")))
}

fn closed(what: &'static str) -> RedisError {
    (::redis::ErrorKind::Io, what).into()
}

/// The times in which Redis is away, as one user of it sees them: logged once each, with growing pauses between tries.
pub struct Outages {
    /// What is done by Redis.
    what: &'static str,
    pause: Option<Duration>,
}

impl Outages {
    /// Nothing is known to be wrong yet.
    pub const fn of(what: &'static str) -> Self {
        Self { what, pause: None }
    }

    /// Something failed. Returns the pause before the next try.
    pub fn failed(&mut self, error: &dyn Display) -> Duration {
        let pause = match self.pause {
            None => {
                tracing::warn!(%error, "{}: Redis fails; the ledger carries on", self.what);
                PAUSE_MIN
            }
            Some(pause) => (pause * 2).min(PAUSE_MAX),
        };
        self.pause = Some(pause);
        pause
    }

    /// It works.
    pub fn over(&mut self) {
        if self.pause.take().is_some() {
            tracing::info!("{}: Redis is back", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_an_outage() {
        let mut outages = Outages::of("testing");
        let pauses: Vec<u128> = (0..8).map(|_| outages.failed(&"away").as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        outages.over();
        assert_eq!(outages.failed(&"away"), PAUSE_MIN);
    }
}
