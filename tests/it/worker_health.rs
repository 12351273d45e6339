//! A worker's health is its progress: work on offer beside free slots that nobody claims makes it unhealthy, and only that.
//!
//! What is stuck here is real: the loop that looks for tickets does not run, as if it had died or hung.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::{Clock, Timestamp, VirtualClock},
    connection::NoAccess,
    dispatch::carrier::ledger::{LEADERSHIP, TicketLooks},
    job::State,
    kinds,
    ledger::{Inspect, Ticket, TicketId, Upkeep, sqlite::SqliteLedger},
    objects::{folder::FolderObjects, link::Signer},
    process::{
        health::{self, Health},
        metrics,
    },
    queue::QueueName,
};
use windrow_tests::{jobs, ledgers, postgres::free_port};
use windrow_worker::{Worker, pulse::Pulse};

/// The worker's patience.
const STALLED_AFTER_S: u32 = 5;
/// More than any wait of a test that passes.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_worker_that_leaves_work_lying_is_unhealthy_until_it_claims() {
    let worker = Stuck::start().await;
    worker.look(10).await;
    assert_eq!(worker.pulse.live(), Ok(()), "there is no work");

    worker.offer(1).await;
    // The first look begins the wait.
    worker.look(u64::from(STALLED_AFTER_S)).await;
    assert_eq!(worker.pulse.live(), Ok(()), "not yet");
    worker.look(1).await;
    let reason = worker.pulse.live().expect_err("work is left lying");
    for part in ["queue default", "the oldest ticket waits 6000 ms", "2 slots are free", "nothing was claimed for 15 s"] {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
    assert!(worker.pulse.ready().is_err(), "it is not to be sent work either");
    let (status, body) = worker.probe("/healthz").await;
    assert_eq!((status, body.trim()), (503, reason.as_str()));
    assert!(worker.probe("/metrics").await.1.contains(r#"windrow_worker_stalled{queue="default"} 1"#));

    worker.unstick();
    worker.until_completed(1).await;
    worker.look(1).await;
    assert_eq!(worker.probe("/healthz").await, (200, "ok\n".to_owned()));
    assert!(worker.probe("/metrics").await.1.contains(r#"windrow_worker_stalled{queue="default"} 0"#));
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_drains_beside_work_is_well() {
    let worker = Stuck::start().await;
    worker.offer(1).await;
    worker.look(u64::from(STALLED_AFTER_S) + 1).await;
    assert!(worker.pulse.live().is_err());
    let pulse = worker.pulse.clone();
    worker.stop().await;
    assert_eq!(pulse.live(), Ok(()));
}

/// A worker whose looks for tickets stand still, on a virtual clock.
struct Stuck {
    clock: VirtualClock,
    ledger: SqliteLedger,
    looks: Arc<TicketLooks>,
    pulse: Arc<Pulse>,
    asleep: watch::Receiver<u64>,
    looked: AtomicU64,
    health: u16,
    stop: CancellationToken,
    working: tokio::task::JoinHandle<()>,
    _home: tempfile::TempDir,
}

impl Stuck {
    async fn start() -> Self {
        metrics::install().expect("metrics are recorded");
        let (clock, home, stop) = (ledgers::clock(), tempfile::tempdir().expect("a folder"), CancellationToken::new());
        let ledger = SqliteLedger::open(&home.path().join("ledger.db"), Arc::new(clock.clone())).await.expect("the ledger opens");
        let registry = kinds::handlers(&windrow_tests::handlers::services());
        let known = registry.contracts().map(|contract| contract.kind.clone()).collect();
        let looks = Arc::new(TicketLooks::new(Arc::new(ledger.clone()), known));
        let (times, asleep) = watch::channel(0);
        let pulse = Arc::new(Pulse::new(Arc::new(Bedside { clock: clock.clone(), asleep: times }), STALLED_AFTER_S));
        let signer = Signer::new(b"a master key of a test");
        let worker = Worker {
            name: jobs::WORKER.to_owned(),
            slots: BTreeMap::from([(QueueName::default_queue(), 2)]),
            registry,
            ledger: Arc::new(ledger.clone()),
            access: Arc::new(NoAccess),
            objects: Arc::new(FolderObjects::open(home.path(), signer, String::new()).expect("a folder store")),
            carrier: looks.clone(),
            grace: Duration::from_secs(5),
            pulse: pulse.clone(),
        };
        let health = free_port();
        let listen = ([127, 0, 0, 1], health).into();
        tokio::spawn(health::serve(listen, pulse.clone() as Arc<dyn Health>, stop.clone()));
        let stopped = stop.clone();
        let working = tokio::spawn(async move { worker.run(stopped).await.expect("the worker runs") });
        Self { clock, ledger, looks, pulse, asleep, looked: AtomicU64::new(0), health, stop, working, _home: home }
    }

    /// Puts a job on offer, as the planner does.
    async fn offer(&self, number: u64) {
        jobs::insert(&self.ledger, [jobs::ready(number)]).await;
        let epoch = self.ledger.lead(LEADERSHIP, "planner", i64::from(u32::MAX)).await.expect("lead").expect("nobody else leads").epoch;
        let ids = vec![(jobs::id(number), 0)];
        let ticket = Ticket { id: TicketId::now_v7(), queue: QueueName::default_queue(), kind: "echo".to_owned(), ids };
        assert!(self.ledger.issue(LEADERSHIP, epoch, vec![ticket]).await.expect("issue"));
    }

    /// Lets so many seconds pass, and after each the worker look at what is on offer.
    async fn look(&self, seconds: u64) {
        for _ in 0..seconds {
            let looked = self.looked.load(Ordering::SeqCst);
            self.asleep(looked).await;
            self.clock.advance_ms(1_000);
            self.looked.store(looked + 1, Ordering::SeqCst);
            self.asleep(looked + 1).await;
        }
    }

    /// Waits until the worker has looked so often and sleeps again.
    async fn asleep(&self, looks: u64) {
        let mut asleep = self.asleep.clone();
        let slept = tokio::time::timeout(WAIT_MAX, asleep.wait_for(|times| *times > looks));
        slept.await.expect("the worker looks").expect("the clock is there");
    }

    /// Lets the loop run that was stuck.
    fn unstick(&self) {
        tokio::spawn(self.looks.clone().keep(self.stop.clone()));
    }

    async fn until_completed(&self, number: u64) {
        let completed = async {
            let tenant = jobs::tenant();
            while self.ledger.snapshot(&tenant, jobs::id(number)).await.expect("snapshot").is_none_or(|job| job.state != State::Completed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT_MAX, completed).await.expect("the job is claimed and completed");
    }

    async fn probe(&self, path: &str) -> (u16, String) {
        let http = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let answer = http.get(format!("http://127.0.0.1:{}{path}", self.health)).send().await.expect("the probe is answered");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(WAIT_MAX, self.working).await.expect("the worker stops").expect("it does not panic");
    }
}

/// The worker's clock: the ledger's, and a count of how often the worker has lain down to sleep by it. What it did before is
/// done then, and time may pass.
#[derive(Debug)]
struct Bedside {
    clock: VirtualClock,
    asleep: watch::Sender<u64>,
}

#[async_trait]
impl Clock for Bedside {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.asleep.send_modify(|times| *times += 1);
        self.clock.sleep_until(until).await;
    }
}
