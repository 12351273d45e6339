//! The second baseline: raw apalis-redis at its defaults, over a Redis as it comes. A task that it lost nobody would miss.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use apalis::prelude::{Data, WorkerBuilder};
use apalis_redis::RedisStorage;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::redis::Redis;

/// Its tasks are payloads and nothing else.
pub(super) type Storage = RedisStorage<String>;

/// A Redis of its own, and at most one worker.
pub(super) struct Apalis {
    pub storage: Storage,
    /// How many tasks have run.
    pub completed: Arc<AtomicU64>,
    /// When each task started, until somebody takes it to hear.
    pub started: Option<mpsc::UnboundedReceiver<SystemTime>>,
    starts: mpsc::UnboundedSender<SystemTime>,
    worker: Option<JoinHandle<()>>,
    _redis: Redis,
}

impl Apalis {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let redis = Redis::start_as_it_comes().await;
        let storage = Storage::new(apalis_redis::connect(redis.url()).await?);
        let (starts, started) = mpsc::unbounded_channel();
        Ok(Self { storage, completed: Arc::default(), started: Some(started), starts, worker: None, _redis: redis })
    }

    /// Starts the worker.
    pub(super) fn work(&mut self) {
        let (storage, completed, starts) = (self.storage.clone(), self.completed.clone(), self.starts.clone());
        self.worker = Some(tokio::spawn(async move {
            let worker = WorkerBuilder::new("bench").backend(storage).data(completed).data(starts).build(run);
            if let Err(error) = worker.run().await {
                eprintln!("the worker of apalis ended: {error}");
            }
        }));
    }
}

impl Drop for Apalis {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.abort();
        }
    }
}

async fn run(_payload: String, completed: Data<Arc<AtomicU64>>, starts: Data<mpsc::UnboundedSender<SystemTime>>) {
    // Nobody hears it but where latency is measured.
    let _ = starts.send(SystemTime::now());
    completed.fetch_add(1, Ordering::Relaxed);
}
