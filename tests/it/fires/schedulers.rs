//! Three real schedulers over PostgreSQL: the leader is killed, frozen past its term, and cut off from the database, again
//! and again, while schedules fire each second.

use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};
use windrow_jobs::ledger::postgres::PostgresLedger;
use windrow_tests::{postgres::Postgres, proxy::Proxy, server::Process};

use super::{create_many, settle_account};

const SCHEDULERS: usize = 3;
const SCHEDULES: usize = 50;
/// How often a leader is killed.
const KILLS: usize = 3;
/// After how many more fires something happens to the leader: between the first of a second and that of the next but one.
const FIRES_BETWEEN: std::ops::Range<i64> = 30..110;
/// More than any wait of a test that passes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fire_happens_once_whatever_becomes_of_the_leaders() {
    let mut random = windrow_tests::seed::random();
    let mut rig = Rig::start().await;
    let made = create_many(&rig.ledger, SCHEDULES).await;

    for _ in 0..KILLS {
        rig.until_more_fires(random.random_range(FIRES_BETWEEN)).await;
        rig.kill_the_leader().await;
    }
    rig.until_more_fires(random.random_range(FIRES_BETWEEN)).await;
    rig.freeze_the_leader().await;
    rig.until_more_fires(random.random_range(FIRES_BETWEEN)).await;
    rig.cut_the_leader_off().await;
    rig.until_more_fires(random.random_range(FIRES_BETWEEN)).await;

    rig.schedulers.clear();
    let (fires, latest_ms) = settle_account(&rig.ledger, &made).await;
    println!("{fires} fires of {SCHEDULES} schedules, each once; the latest was late by {latest_ms} ms");
}

/// A scheduler, and its way to the database.
struct Scheduler {
    process: Process,
    proxy: Proxy,
}

struct Rig {
    schedulers: Vec<Scheduler>,
    ledger: PostgresLedger,
    postgres: Postgres,
    url: String,
    connection: PgConnection,
    home: tempfile::TempDir,
    spawned: usize,
}

impl Rig {
    async fn start() -> Self {
        let postgres = Postgres::own().await;
        let url = postgres.database().await;
        let ledger = PostgresLedger::open(&url).await.expect("it opens");
        let connection = PgConnection::connect(&url).await.expect("the database answers");
        let home = tempfile::tempdir().expect("a folder");
        let mut rig = Self { schedulers: Vec::new(), ledger, postgres, url, connection, home, spawned: 0 };
        for _ in 0..SCHEDULERS {
            rig.spawn().await;
        }
        rig
    }

    async fn spawn(&mut self) {
        self.spawned += 1;
        let folder = self.home.path().join(self.spawned.to_string());
        std::fs::create_dir(&folder).expect("a folder for the process");
        let proxy = Proxy::start(self.postgres.address()).await;
        let through = self.url.replace(&self.postgres.address().to_string(), &proxy.address().to_string());
        let process = Process::spawn("windrow-scheduler", &[], &[("WINDROW_DATABASE_URL".to_owned(), through)], &folder);
        self.schedulers.push(Scheduler { process, proxy });
    }

    async fn kill_the_leader(&mut self) {
        let (leader, epoch) = self.leader().await;
        let mut killed = self.schedulers.remove(leader);
        killed.process.kill();
        killed.process.exited().await;
        self.spawn().await;
        self.until_epoch_after(epoch).await;
    }

    /// It stands still until another leads and has fired, then goes on as if it led.
    async fn freeze_the_leader(&mut self) {
        let (leader, epoch) = self.leader().await;
        self.schedulers[leader].process.pause();
        self.until_epoch_after(epoch).await;
        self.until_more_fires(SCHEDULES as i64).await;
        self.schedulers[leader].process.resume();
        let noticed = || self.schedulers[leader].process.log().contains("no longer leading");
        until("the frozen leader notices that it does not lead", async || noticed()).await;
    }

    async fn cut_the_leader_off(&mut self) {
        let (leader, epoch) = self.leader().await;
        let before = self.schedulers[leader].proxy.counts().cut;
        self.schedulers[leader].proxy.cut().await;
        self.until_epoch_after(epoch).await;
        assert!(self.schedulers[leader].proxy.counts().cut > before, "its connections were reset");
        self.schedulers[leader].proxy.restore().await;
    }

    /// Which scheduler leads, and its term: by the ledger, and by its log.
    async fn leader(&mut self) -> (usize, i64) {
        let give_up = Instant::now() + WAIT_MAX;
        loop {
            if let Some(epoch) = self.epoch().await {
                let leads = |scheduler: &Scheduler| terms(&scheduler.process).last() == Some(&epoch);
                if let Some(leader) = self.schedulers.iter().position(leads) {
                    return (leader, epoch);
                }
            }
            assert!(Instant::now() < give_up, "nobody leads");
            sleep(LOOK_EVERY).await;
        }
    }

    async fn epoch(&mut self) -> Option<i64> {
        sqlx::query_scalar("SELECT max(epoch) FROM leaders").fetch_one(&mut self.connection).await.expect("the leaders")
    }

    async fn until_epoch_after(&mut self, epoch: i64) {
        let give_up = Instant::now() + WAIT_MAX;
        while self.epoch().await <= Some(epoch) {
            assert!(Instant::now() < give_up, "no other leads");
            sleep(LOOK_EVERY).await;
        }
    }

    async fn until_more_fires(&mut self, more: i64) {
        let (enough, give_up) = (self.fires().await + more, Instant::now() + WAIT_MAX);
        while self.fires().await < enough {
            assert!(Instant::now() < give_up, "schedules do not fire");
            sleep(LOOK_EVERY).await;
        }
    }

    async fn fires(&mut self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM fires").fetch_one(&mut self.connection).await.expect("the fires")
    }
}

/// The terms that a scheduler has begun, by its log.
fn terms(process: &Process) -> Vec<i64> {
    let leading = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        if line["message"] == json!("leading") || line["fields"]["message"] == json!("leading") {
            line["epoch"].as_i64().or_else(|| line["fields"]["epoch"].as_i64())
        } else {
            None
        }
    };
    process.log().lines().filter_map(leading).collect()
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + WAIT_MAX;
    while !so().await {
        assert!(Instant::now() < give_up, "not within {WAIT_MAX:?}: {what}");
        sleep(LOOK_EVERY).await;
    }
}
