//! `apalis_redis::RedisStorage` behind our gate, in the envelope that makes its measured defects (1.0.0) harmless:
//!
//! - Due entries past 8,000 wedge a queue, and due times are pushers' clocks in seconds: nothing ever enters its
//!   `scheduled` set; `push.lua` writes the active list.
//! - Its poll strategies wake a fetch but do not hold one back, and timers below 20 ms lose wake-ups: the gate does
//!   both, and is armed by our own nudges with a tick behind them.
//! - Any error from Redis ends the worker, and a worker's name cannot be used again: `looks.rs` builds a new one.
//! - A worker that holds fetched entries for long counts as dead: one entry per fetch, and a handler that only hands it on.
//! - Failures are retried up to 25 times: the handler always succeeds, and so does decoding.
//! - Without `persist_results` nothing is acknowledged; `lock_tasks` searches the whole list; events cost a message each.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ::redis::{
    Cmd, Pipeline, RedisFuture, Value,
    aio::{ConnectionLike, ConnectionManager},
};
use apalis::prelude::{Backend, Task, WorkerContext};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use apalis_redis::{Config, Error, RedisStorage};

use super::gate::Gate;
use crate::ledger::Ticket;

/// How often a worker says that it lives.
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// After so many it counts as dead, and what it held goes back: nobody waits for that, the rows are there.
pub(super) const HEARTBEATS_MISSED_MAX: usize = 6;

/// What was fetched: a ticket, or why it is none.
pub(super) type Fetched = Result<Ticket, String>;

/// The storage behind the gate.
pub(super) struct Gated {
    storage: RedisStorage<Ticket, Line>,
    gate: Arc<Gate>,
    /// Whether the storage was let through the gate and has not come back.
    fetching: bool,
}

impl Gated {
    pub(super) fn new(connection: ConnectionManager, config: Config, gate: Arc<Gate>) -> Self {
        let storage = RedisStorage::new(Line { connection, gate: gate.clone() }).with_config(config);
        Self { storage, gate, fetching: false }
    }
}

impl Backend for Gated {
    type Task = Task<Fetched>;
    type Error = Error;

    fn poll_ready(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Error>> {
        let polled = self.storage.poll_ready(cx, worker);
        if let Poll::Ready(Ok(())) = polled {
            self.gate.connected(true);
        }
        polled
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Option<Result<Self::Task, Error>>> {
        self.gate.register(cx.waker());
        loop {
            if !self.fetching && !self.gate.opens() {
                return Poll::Pending;
            }
            self.fetching = true;
            match self.storage.poll_next(cx, worker) {
                Poll::Pending if self.gate.is_calling() => return Poll::Pending,
                // Redis answered that there is nothing. The gate may have been armed again meanwhile.
                Poll::Pending => self.fetching = false,
                Poll::Ready(fetched) => {
                    self.fetching = false;
                    self.gate.fetched();
                    return Poll::Ready(fetched.map(|fetched| fetched.map(|task| task.map_args(|data| decode(&data)))));
                }
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Error>> {
        self.storage.poll_close(cx, worker)
    }
}

impl BackendConfig for Gated {
    type Args = Fetched;
    type Id = <RedisStorage<Ticket, Line> as BackendConfig>::Id;
    // What is fetched is decoded here, so nothing is left for apalis to decode.
    type Kind = Ephemeral;
    type Config = Config;
    type Layer = <RedisStorage<Ticket, Line> as BackendConfig>::Layer;

    fn config(&self) -> &Config {
        self.storage.config()
    }

    fn middleware(&mut self, worker: &mut WorkerContext) -> Self::Layer {
        self.storage.middleware(worker)
    }
}

fn decode(data: &[u8]) -> Fetched {
    serde_json::from_slice(data).map_err(|error| error.to_string())
}

/// A connection that tells the gate of calls under way: the storage does not say whether it waits for an answer
/// or has had an empty one.
#[derive(Clone)]
pub(super) struct Line {
    connection: ConnectionManager,
    gate: Arc<Gate>,
}

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let Self { connection, gate } = self;
        Box::pin(async move {
            let _calling = gate.call();
            connection.req_packed_command(cmd).await
        })
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        let Self { connection, gate } = self;
        Box::pin(async move {
            let _calling = gate.call();
            connection.req_packed_commands(pipeline, offset, count).await
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
