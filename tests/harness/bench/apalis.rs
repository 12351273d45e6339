//! The second baseline: raw apalis-redis at its defaults, over a Redis as it comes. Nothing it accepts is on disk.
//!
//! One thing is added, without which an idle worker looks for tasks at its heartbeat only, every 30 s: it is polled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::Context;
use apalis::prelude::{Data, WorkerBuilder};
use apalis_core::backend::ext::BackendExt;
use apalis_redis::RedisStorage;
use tokio::{sync::mpsc, task::JoinSet};

use crate::redis::Redis;

/// How often it is polled: more often than every 20 ms it loses wake-ups.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// The longest backlog of it: with 8,000 entries it fails every fetch (`tests/it/redis/defects.rs`).
pub(super) const BACKLOG_MAX: u64 = 5_000;

/// Its tasks are payloads and nothing else.
pub(super) type Storage = RedisStorage<String>;

/// A Redis of its own, and at most one worker.
pub(super) struct Apalis {
    pub storage: Storage,
    /// How many tasks have run.
    pub completed: Arc<AtomicU64>,
    /// When each task started, until somebody takes it to hear.
    pub started: Option<mpsc::UnboundedReceiver<SystemTime>>,
    /// The worker, once it has started: it ends by an error only.
    pub worker: JoinSet<anyhow::Result<()>>,
    starts: mpsc::UnboundedSender<SystemTime>,
    _redis: Redis,
}

impl Apalis {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let redis = Redis::start_as_it_comes().await;
        let storage = Storage::new(apalis_redis::connect(redis.url()).await?);
        let (starts, started) = mpsc::unbounded_channel();
        Ok(Self { storage, completed: Arc::default(), started: Some(started), worker: JoinSet::new(), starts, _redis: redis })
    }

    /// Starts the worker.
    pub(super) fn work(&mut self) {
        let (completed, starts) = (self.completed.clone(), self.starts.clone());
        let ticks = futures::stream::unfold((), |()| async { Some((tokio::time::sleep(POLL_EVERY).await, ())) });
        let storage = self.storage.clone().poll_with_stream(Box::pin(ticks));
        self.worker.spawn(async move {
            let worker = WorkerBuilder::new("bench").backend(storage).data(completed).data(starts).build(run);
            worker.run().await.context("the worker of apalis")
        });
    }
}

async fn run(_payload: String, completed: Data<Arc<AtomicU64>>, starts: Data<mpsc::UnboundedSender<SystemTime>>) {
    // Nobody hears it but where latency is measured.
    let _ = starts.send(SystemTime::now());
    completed.fetch_add(1, Ordering::Relaxed);
}
