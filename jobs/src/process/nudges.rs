//! Nudges between processes: what an api or a worker commits to the ledger's feed is also published on Redis, so
//! that an idle planner in another process acts at once.
//!
//! Lossy on purpose: nothing here delays a commit, and whatever is lost the planner reads off the feed. The
//! scheduler only subscribes; it never publishes, or it would hear itself.

use std::{convert::Infallible, sync::Arc};

use ::redis::{Client, RedisResult};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{FeedRow, postgres::PostgresLedger},
    redis::{Outages, connect, listen},
};

/// Where rows are published.
const CHANNEL: &str = "windrow:feed";
/// A longer row is left to the feed: Redis keeps a copy of each message for every slow subscriber.
const ROW_BYTES_MAX: usize = 64 * 1024;
/// Rows that go in one round trip.
const ROWS_MAX: usize = 64;

/// A row with its ledger's name. Channels are shared by all databases of a Redis, and a row of another ledger must
/// not be taken for the one of ours with the same number.
#[derive(Serialize, Deserialize)]
struct Nudge<R> {
    ledger: String,
    row: R,
}

/// Publishes what is committed through `nudges` to the ledger of this identity, until `stop`.
pub async fn publish(client: Client, ledger: String, mut nudges: Receiver<Arc<FeedRow>>, stop: CancellationToken) {
    let mut outages = Outages::of("publishing nudges");
    loop {
        let pause = tokio::select! {
            () = stop.cancelled() => return,
            published = publish_on(&client, &ledger, &mut nudges, &mut outages) => match published {
                Ok(()) => return,
                Err(error) => outages.failed(&error),
            },
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        // What was committed meanwhile has long been read off the feed.
        nudges = nudges.resubscribe();
    }
}

/// Publishes over one connection; returns when the ledger is gone, or by an error.
async fn publish_on(client: &Client, ledger: &str, nudges: &mut Receiver<Arc<FeedRow>>, outages: &mut Outages) -> RedisResult<()> {
    let mut redis = connect(client).await?;
    outages.over();
    loop {
        let first = match nudges.recv().await {
            Ok(row) => row,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(()),
        };
        let mut messages = ::redis::pipe();
        let mut next = Some(first);
        while let Some(row) = next {
            let nudge = Nudge { ledger: ledger.to_owned(), row: &*row };
            let message = serde_json::to_vec(&nudge).expect("a feed row is names and numbers: it has a JSON form");
            if message.len() <= ROW_BYTES_MAX {
                messages.publish(CHANNEL, message).ignore();
            }
            next = if messages.len() < ROWS_MAX { next_of(nudges) } else { None };
        }
        if !messages.is_empty() {
            let () = messages.exec_async(&mut redis).await?;
        }
    }
}

fn next_of(nudges: &mut Receiver<Arc<FeedRow>>) -> Option<Arc<FeedRow>> {
    loop {
        match nudges.try_recv() {
            Ok(row) => return Some(row),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
        }
    }
}

/// Passes what others publish about this ledger on to whoever listens to its nudges here, until `stop`.
pub async fn subscribe(client: Client, identity: String, ledger: PostgresLedger, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        _ = hear(&client, &identity, &ledger) => {}
    }
}

async fn hear(client: &Client, identity: &str, ledger: &PostgresLedger) -> Infallible {
    let mut outages = Outages::of("hearing nudges");
    loop {
        let heard = |message: &[u8]| match serde_json::from_slice::<Nudge<FeedRow>>(message) {
            Ok(nudge) if nudge.ledger == identity => ledger.hear(nudge.row),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a nudge cannot be read; its row is in the feed"),
        };
        let Err(error) = listen(client, CHANNEL, || outages.over(), heard).await;
        tokio::time::sleep(outages.failed(&error)).await;
    }
}
