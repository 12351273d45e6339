//! A planner and a worker that share a ledger and a Redis, each with its own connections, as in two processes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{AsyncCommands, aio::ConnectionManager};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::{Clock, SystemClock},
    connection::{NoAccess, seal::Keyring},
    contract::Contract,
    dispatch::carrier::{
        PlannerEnd,
        ledger::{LEADERSHIP, TicketLooks},
        redis::{RedisLooks, RedisTickets},
    },
    handler::{Context, Failure, Handler, Outcome},
    job::JobId,
    kinds::{self, echo},
    ledger::{Inspect, Intake, Retention, Ticket, TicketId, Upkeep, Work, model::ModelLedger, postgres::PostgresLedger},
    objects::{Objects, folder::FolderObjects, link::Signer},
    process,
    queue::{LimitScope, LimitsPatch, QueueName},
    search::model::ModelSearch,
    submit::NewJob,
};
use windrow_scheduler::Scheduler;
use windrow_tests::{jobs, ledgers, postgres::Postgres, redis::Redis};
use windrow_worker::Worker;

/// More than any wait of a test that passes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const WAIT_PAUSE: Duration = Duration::from_millis(10);

/// Waits until it is so.
pub async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(WAIT_MAX, async {
        while !so().await {
            tokio::time::sleep(WAIT_PAUSE).await;
        }
    });
    assert!(waited.await.is_ok(), "not within {WAIT_MAX:?}: {what}");
}

/// Both ends of the carrier and nothing else. The worker's ledger is empty, so that tickets come through Redis or not at all.
pub struct Ends {
    pub redis: Redis,
    pub planner: RedisTickets,
    pub worker: Arc<RedisLooks>,
    pub queue: QueueName,
    rows: Arc<ModelLedger>,
    epoch: i64,
    stop: CancellationToken,
}

impl Ends {
    pub async fn start() -> Self {
        let redis = Redis::start().await;
        let clock = Arc::new(ledgers::clock());
        let rows = Arc::new(ModelLedger::new(clock.clone()));
        let epoch = rows.lead(LEADERSHIP, "planner", i64::from(u32::MAX)).await.expect("lead").expect("nobody else leads").epoch;
        let planner = RedisTickets::start(redis.client(), rows.clone());
        let queue = QueueName::default_queue();
        let stop = CancellationToken::new();
        let worker = worker(&redis, &queue, Arc::new(ModelLedger::new(clock)), &stop);
        Self { redis, planner, worker, queue, rows, epoch, stop }
    }

    /// Waits until tickets come through Redis at their usual pace.
    pub async fn well(&self) {
        until("Redis is well", async || self.worker.is_well()).await;
    }

    /// A second worker of the same queue.
    pub fn another_worker(&self) -> Arc<RedisLooks> {
        worker(&self.redis, &self.queue, Arc::new(ModelLedger::new(Arc::new(ledgers::clock()))), &self.stop)
    }

    /// Hands so many tickets out, each naming so many jobs.
    pub async fn offer(&self, tickets: usize, jobs: usize) -> Vec<Ticket> {
        let tickets: Vec<Ticket> = (0..tickets).map(|_| self.ticket("echo", jobs)).collect();
        self.offer_these(tickets.clone()).await;
        tickets
    }

    pub async fn offer_these(&self, tickets: Vec<Ticket>) {
        assert!(self.planner.offer(self.epoch, tickets).await.expect("rows are written"), "the planner leads");
    }

    pub fn ticket(&self, kind: &str, jobs: usize) -> Ticket {
        let ids = (0..jobs).map(|_| (JobId::generate(), 0)).collect();
        Ticket { id: TicketId::now_v7(), queue: self.queue.clone(), kind: kind.to_owned(), ids }
    }

    /// The rows that the planner wrote and nobody has claimed.
    pub async fn row_count(&self) -> usize {
        self.rows.tickets(std::slice::from_ref(&self.queue), &["echo".to_owned()], jobs::ALL).await.expect("tickets").len()
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn worker(redis: &Redis, queue: &QueueName, ledger: Arc<ModelLedger>, stop: &CancellationToken) -> Arc<RedisLooks> {
    let looks = Arc::new(TicketLooks::new(ledger, vec!["echo".to_owned()]));
    let worker = Arc::new(RedisLooks::new(redis.client(), &Worker::unique_name(), [queue.clone()], looks));
    tokio::spawn(worker.clone().keep(stop.clone()));
    worker
}

/// A kind that sleeps as it is told and counts its runs: asking the ledger how many are completed takes its time.
#[derive(Clone, Default)]
struct Nap(Arc<AtomicUsize>);

impl Handler for Nap {
    type Payload = echo::Payload;

    fn contract(&self) -> Contract {
        Contract::of::<echo::Payload>("nap")
    }

    async fn run(&self, _: Context, payload: echo::Payload) -> Result<Outcome, Failure> {
        if payload.sleep_ms > 0 {
            tokio::time::sleep(Duration::from_millis(payload.sleep_ms.into())).await;
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Outcome::done(&()))
    }
}

/// A cluster in one process: what submits, plans and works has a ledger of its own, as processes have.
pub struct Cluster {
    pub redis: Redis,
    /// Where jobs are submitted.
    pub ledger: PostgresLedger,
    pub worker: Arc<RedisLooks>,
    nap: Nap,
    stop: CancellationToken,
    running: JoinSet<()>,
    /// Where artifacts would go, if a nap had any.
    _folder: tempfile::TempDir,
}

impl Cluster {
    pub async fn start(slots: u32) -> Self {
        let redis = Redis::start().await;
        let database = Postgres::shared().await.database().await;
        let open = async || PostgresLedger::open(&database).await.expect("the ledger opens");
        let (ledger, planning, working) = (open().await, open().await, open().await);
        let (client, stop, mut running) = (redis.client(), CancellationToken::new(), JoinSet::new());

        process::redis::publish_nudges(&client, &ledger, stop.clone()).await.expect("nudges are published");
        process::redis::publish_nudges(&client, &working, stop.clone()).await.expect("nudges are published");
        process::redis::hear_nudges(&client, &planning, stop.clone()).await.expect("nudges are heard");
        let folder = tempfile::tempdir().expect("a folder");
        let signer = Signer::new(b"a master key of a test");
        let objects: Arc<dyn Objects> = Arc::new(FolderObjects::open(folder.path(), signer, String::new()).expect("a folder store"));
        let planning = Arc::new(planning);
        let scheduler = Scheduler {
            name: "scheduler".into(),
            ledger: planning.clone(),
            carrier: Arc::new(RedisTickets::start(client.clone(), planning)),
            clock: Arc::new(SystemClock),
            objects: objects.clone(),
            search: Arc::new(ModelSearch::new(Arc::new(SystemClock))),
            keyring: Keyring::default(),
            retention: Retention::default(),
            late_after_s: 10,
            hears_all: false,
        };
        running.spawn(scheduler.run(stop.clone()));

        let nap = Nap::default();
        let registry = kinds::handlers(&windrow_tests::handlers::services()).with(nap.clone());
        let known = registry.contracts().map(|contract| contract.kind.clone()).collect();
        let looks = Arc::new(TicketLooks::new(Arc::new(working.clone()), known));
        let name = Worker::unique_name();
        let carrier = Arc::new(RedisLooks::new(client, &name, [QueueName::default_queue()], looks));
        running.spawn(carrier.clone().keep(stop.clone()));
        let worker = Worker {
            name,
            slots: BTreeMap::from([(QueueName::default_queue(), slots)]),
            registry,
            ledger: Arc::new(working),
            access: Arc::new(NoAccess),
            objects,
            carrier: carrier.clone(),
            grace: Duration::from_secs(5),
            pulse: Arc::default(),
        };
        let stopped = stop.clone();
        running.spawn(async move { worker.run(stopped).await.expect("the worker runs") });
        until("Redis is well", async || carrier.is_well()).await;
        Self { redis, ledger, worker: carrier, nap, stop, running, _folder: folder }
    }

    /// Submits so many jobs of one lane that do nothing.
    pub async fn submit(&self, jobs: usize) -> Vec<JobId> {
        self.submit_naps(jobs, 0).await
    }

    async fn submit_naps(&self, jobs: usize, sleep_ms: u32) -> Vec<JobId> {
        let (now, payload) = (SystemClock.now(), serde_json::json!({ "sleep_ms": sleep_ms }).to_string());
        let job = || NewJob {
            id: JobId::generate(),
            kind: "nap".to_owned(),
            created_at: now,
            run_at: now,
            payload: jobs::json(&payload),
            ..jobs::ready(1)
        };
        let jobs: Vec<NewJob> = (0..jobs).map(|_| job()).collect();
        let ids = jobs.iter().map(|job| job.id).collect();
        for batch in jobs.chunks(windrow_jobs::ledger::BATCH_MAX) {
            self.ledger.insert(batch.to_vec()).await.expect("insert");
        }
        ids
    }

    /// Submits so many jobs while their queue is paused, and lets all of them go at once.
    pub async fn release(&self, jobs: usize, sleep_ms: u32) {
        let pause = async |paused| {
            let patch = LimitsPatch { paused: Some(paused), ..LimitsPatch::default() };
            self.ledger.set_limits(&QueueName::default_queue(), &LimitScope::Platform, patch).await.expect("limits");
        };
        pause(true).await;
        // The planner hears of the limit before any job that is committed after it.
        self.submit_naps(jobs, sleep_ms).await;
        assert_eq!(self.ran(), 0, "the queue is paused");
        pause(false).await;
    }

    /// How many jobs have run.
    pub fn ran(&self) -> usize {
        self.nap.0.load(Ordering::SeqCst)
    }

    /// Waits until so many jobs have run.
    pub async fn wait_for(&self, jobs: usize) {
        until(&format!("{jobs} jobs have run"), async || self.ran() >= jobs).await;
    }

    /// Waits until so many jobs are completed, which are all.
    pub async fn wait_for_all(&self, jobs: usize) {
        self.wait_for(jobs).await;
        until("every outcome is in the ledger", async || {
            let balances = self.ledger.balances().await.expect("balances");
            balances.iter().all(|balance| balance.holds() && balance.live == 0)
        })
        .await;
        assert_eq!(self.ran(), jobs, "each has run once");
    }

    /// Stops worker and planner, and waits for them.
    pub async fn stop(mut self) -> Redis {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.expect("nothing panicked");
        }
        self.redis
    }
}

/// The default queue's key of this name.
pub fn key(name: &str) -> String {
    format!("windrow:default:{name}")
}

/// How many tickets have data in Redis, used-up ones included.
pub async fn kept(redis: &mut ConnectionManager) -> usize {
    redis.hlen(key("data")).await.expect("HLEN")
}

/// How many tickets wait in the active list.
pub async fn active(redis: &mut ConnectionManager) -> usize {
    redis.llen(key("active")).await.expect("LLEN")
}
