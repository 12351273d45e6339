//! A worker's end: tickets from Redis as they come, and beside it looks into the ledger: once a second while Redis
//! is well, quickly while it is not. A ticket that comes both ways is claimed once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{Client, RedisResult, aio::ConnectionManager};
use apalis::prelude::{Data, WorkerBuilder, WorkerContext};
use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    NUDGES,
    backend::{Fetched, Gated},
    config,
    gate::Gate,
};
use crate::{
    dispatch::carrier::{WorkerEnd, ledger::TicketLooks},
    ledger::{Offer, Result, Ticket},
    queue::QueueName,
    redis::{Outages, connect, listen},
};

/// How often a queue with a free slot is fetched from without a nudge: nudges are lossy.
const FETCH_EVERY: Duration = Duration::from_secs(1);
/// How often it is seen whether Redis is well.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// An apalis worker that lasted so long means that Redis is back: what ends it is a new outage.
const LASTING: Duration = Duration::from_secs(5);
/// What apalis-redis notes of a worker it never deletes, and we never read.
const NOTES_EXPIRE_S: i64 = 3_600;

/// A worker's end through Redis; [`RedisLooks::keep`] must run beside it.
pub struct RedisLooks {
    client: Client,
    worker: String,
    looks: Arc<TicketLooks>,
    gates: BTreeMap<QueueName, Arc<Gate>>,
    /// Whether nudges are heard.
    subscribed: AtomicBool,
}

impl RedisLooks {
    /// A worker's end for these queues; `worker` is unique per start, `looks` is for the kinds it knows.
    pub fn new(client: Client, worker: &str, queues: impl IntoIterator<Item = QueueName>, looks: Arc<TicketLooks>) -> Self {
        let gates = queues.into_iter().map(|queue| (queue, Arc::default())).collect();
        Self { client, worker: worker.to_owned(), looks, gates, subscribed: AtomicBool::new(false) }
    }

    /// Fetches and looks while somebody waits, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.looks.clone().keep(stop.clone()));
        tasks.spawn(self.clone().check());
        tasks.spawn(self.clone().hear());
        for (queue, gate) in &self.gates {
            tasks.spawn(self.clone().fetch(queue.clone(), gate.clone()));
        }
        stop.cancelled().await;
        // What a dropped worker had fetched has its row in the ledger.
        tasks.shutdown().await;
    }

    /// Whether tickets come through Redis at their usual pace.
    pub fn is_well(&self) -> bool {
        self.subscribed.load(Ordering::SeqCst) && self.gates.values().all(|gate| gate.is_well())
    }

    /// Tells the looks how quick they must be, and fetches once in a while whatever is heard.
    async fn check(self: Arc<Self>) {
        let mut fetched_at = Instant::now();
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            let well = self.is_well();
            self.looks.relax(well);
            metrics::gauge!("windrow_redis_well").set(if well { 1.0 } else { 0.0 });
            if fetched_at.elapsed() >= FETCH_EVERY {
                fetched_at = Instant::now();
                self.arm_all();
            }
        }
    }

    /// Hears nudges, for as long as it lives.
    async fn hear(self: Arc<Self>) {
        let mut outages = Outages::of("hearing of tickets");
        loop {
            let subscribed = || {
                outages.over();
                self.subscribed.store(true, Ordering::SeqCst);
                // What was published before is known only by asking.
                self.arm_all();
            };
            let heard = |queue: &[u8]| {
                let queue = std::str::from_utf8(queue).ok().and_then(|name| name.parse::<QueueName>().ok());
                if let Some(gate) = queue.and_then(|queue| self.gates.get(&queue)) {
                    gate.arm();
                }
            };
            let Err(error) = listen(&self.client, NUDGES, subscribed, heard).await;
            self.subscribed.store(false, Ordering::SeqCst);
            tokio::time::sleep(outages.failed(&error)).await;
        }
    }

    fn arm_all(&self) {
        self.gates.values().for_each(|gate| gate.arm());
    }

    /// Runs an apalis worker for a queue, and another after whatever ends it.
    async fn fetch(self: Arc<Self>, queue: QueueName, gate: Arc<Gate>) {
        let mut outages = Outages::of("fetching tickets");
        loop {
            let ended = self.run(&queue, &gate, &mut outages).await;
            gate.connected(false);
            tokio::time::sleep(outages.failed(&ended)).await;
        }
    }

    /// Runs one apalis worker to its end; says why it ended.
    async fn run(&self, queue: &QueueName, gate: &Arc<Gate>, outages: &mut Outages) -> String {
        // A name is never used twice, not even by the same worker.
        let name = format!("{}-{}", self.worker, Uuid::now_v7().simple());
        let config = config(queue);
        let connection = match self.connect(&config.worker_metadata_key(&WorkerContext::new(&name))).await {
            Ok(connection) => connection,
            Err(error) => return error.to_string(),
        };
        let backend = Gated::new(connection, config, gate.clone());
        let worker = WorkerBuilder::new(&*name).backend(backend).data(self.looks.clone()).data(gate.clone()).build(hand_on);
        // A task of its own, so that a panic inside ends no more than it.
        let mut running = JoinSet::new();
        running.spawn(worker.run());
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            () = tokio::time::sleep(LASTING) => {
                outages.over();
                running.join_next().await
            }
        };
        match ended {
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(panic)) => panic.to_string(),
            Some(Ok(Ok(()))) | None => "the worker ended".into(),
        }
    }

    /// Connects, and sees to it that what apalis-redis will note of the worker does not stay for ever.
    async fn connect(&self, notes: &str) -> RedisResult<ConnectionManager> {
        let mut connection = connect(&self.client).await?;
        let () = redis::pipe().hset(notes, "by", &self.worker).expire(notes, NOTES_EXPIRE_S).exec_async(&mut connection).await?;
        Ok(connection)
    }
}

/// The handler: what was fetched goes to whoever waits for it. It never fails, or apalis would retry.
async fn hand_on(fetched: Fetched, looks: Data<Arc<TicketLooks>>, gate: Data<Arc<Gate>>) {
    let handed = match fetched {
        Ok(ticket) => looks.hand(ticket),
        Err(error) => {
            tracing::warn!(error, "a ticket in Redis cannot be read; its row is there");
            false
        }
    };
    if !handed {
        // Whoever waited waits on.
        gate.arm();
    }
}

#[async_trait]
impl WorkerEnd for RedisLooks {
    fn writes_rows(&self) -> bool {
        true
    }

    async fn take(&self, queue: &QueueName) -> Result<Ticket> {
        let _waiting = self.gates.get(queue).map(|gate| gate.wait());
        self.looks.take(queue).await
    }

    /// Nothing to give: the row is there until a claim finds it.
    async fn give_back(&self, _: Ticket) {}

    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>> {
        self.looks.on_offer(queues, kinds).await
    }
}
