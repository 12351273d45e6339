//! `windrow serve` over SQLite, killed in the middle of fires and started again.

use std::{os::unix::process::ExitStatusExt, sync::Arc, time::Duration};

use rand::Rng;
use tokio::time::{Instant, sleep};
use windrow_jobs::{clock::SystemClock, ledger::sqlite::SqliteLedger, schedule::Schedule};
use windrow_tests::server::Server;

use super::{create_many, fires_of, settle_account};

const SCHEDULES: usize = 20;
const KILLS: usize = 3;
/// After how many more fires it is killed: some of a second's, or of the next's.
const FIRES_BETWEEN: std::ops::Range<usize> = 15..50;
const SIGKILL: i32 = 9;
/// More than any wait of a test that passes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fire_happens_once_though_the_process_is_killed_in_between() {
    let mut random = windrow_tests::seed::random();
    let mut server = Server::start().await;
    let file = server.data_dir().join("windrow.db");
    let ledger = SqliteLedger::open(&file, Arc::new(SystemClock)).await.expect("it opens");
    let made = create_many(&ledger, SCHEDULES).await;
    for _ in 0..KILLS {
        until_more_fires(&ledger, &made, random.random_range(FIRES_BETWEEN)).await;
        server.kill().await;
        assert_eq!(server.exited().await.signal(), Some(SIGKILL));
        server.restart().await;
    }
    until_more_fires(&ledger, &made, random.random_range(FIRES_BETWEEN)).await;
    server.kill().await;
    let (fires, latest_ms) = settle_account(&ledger, &made).await;
    println!("{fires} fires of {SCHEDULES} schedules, each once; the latest was late by {latest_ms} ms");
}

async fn until_more_fires(ledger: &SqliteLedger, made: &[Schedule], more: usize) {
    let count = async || {
        let mut fires = 0;
        for schedule in made {
            fires += fires_of(ledger, schedule).await.len();
        }
        fires
    };
    let (enough, give_up) = (count().await + more, Instant::now() + WAIT_MAX);
    while count().await < enough {
        assert!(Instant::now() < give_up, "schedules do not fire");
        sleep(LOOK_EVERY).await;
    }
}
