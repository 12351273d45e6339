//! PostgreSQL's ranges of the job table: there are always some ahead, and empty ones go.

use std::sync::Arc;

use sqlx::{Connection, PgConnection};
use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::State,
    ledger::{
        Balance, Inspect, Retention, Upkeep,
        postgres::{PostgresLedger, Statements},
    },
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::clock, postgres::Postgres};

const DAY_MS: i64 = 86_400_000;
const RETENTION: Retention = Retention { completed_ms: DAY_MS, dead_ms: DAY_MS, fires_ms: DAY_MS, events_ms: DAY_MS };

/// A ledger whose tables can be looked at from beside it.
struct Looked {
    ledger: PostgresLedger,
    clock: VirtualClock,
    beside: PgConnection,
}

impl Looked {
    async fn open() -> Self {
        let (url, clock) = (Postgres::shared().await.database().await, clock());
        let ledger = PostgresLedger::open_with(&url, Some(Arc::new(clock.clone())), Statements::default()).await.expect("the ledger opens");
        Self { ledger, clock, beside: PgConnection::connect(&url).await.expect("the database answers") }
    }

    /// A job whose id is made now, and the number that the id is made of.
    fn job(&self) -> (u64, NewJob) {
        let number = u64::try_from(self.clock.now().ms()).expect("a time after 1970");
        (number, ready(number))
    }

    /// The table in which a job stands.
    async fn table_of(&mut self, number: u64) -> String {
        let place = "SELECT tableoid::regclass::text FROM jobs WHERE id = $1";
        let id = uuid::Uuid::from_bytes(*id(number).as_bytes());
        sqlx::query_scalar(place).bind(id).fetch_one(&mut self.beside).await.expect("the job is there")
    }

    async fn tables(&mut self) -> Vec<String> {
        let tables = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'jobs'::regclass ORDER BY 1";
        sqlx::query_scalar(tables).fetch_all(&mut self.beside).await.expect("the tables are listed")
    }

    /// A whole walk of the duty.
    async fn prune(&self) -> u64 {
        self.ledger.prune(RETENTION, ALL).await.expect("prune").jobs
    }
}

#[tokio::test]
async fn a_range_that_is_over_and_empty_is_dropped_and_a_stragglers_is_not() {
    let mut looked = Looked::open().await;
    let (first, job) = looked.job();
    insert(&looked.ledger, [job]).await;
    run(&looked.ledger, first, done()).await;
    let first_table = looked.table_of(first).await;
    looked.clock.advance_ms(DAY_MS);
    let (straggler, job) = looked.job();
    insert(&looked.ledger, [job]).await;
    let stragglers_table = looked.table_of(straggler).await;
    assert_ne!(first_table, stragglers_table);

    looked.clock.advance_ms(DAY_MS);
    assert_eq!(looked.prune().await, 1);
    assert!(looked.tables().await.contains(&first_table), "it goes with the next walk");
    looked.clock.advance_ms(5 * DAY_MS);
    looked.prune().await;
    let tables = looked.tables().await;
    assert!(!tables.contains(&first_table), "{tables:?}");
    assert!(tables.contains(&stragglers_table), "a live job keeps its range: {tables:?}");
    run(&looked.ledger, straggler, done()).await;
    assert_eq!(state(&looked.ledger, straggler).await, State::Completed);
    let balances = looked.ledger.balances().await.expect("balances");
    assert!(balances.iter().all(Balance::holds), "{balances:?}");
}

#[tokio::test]
async fn jobs_that_come_when_no_range_was_added_for_days_stop_nothing() {
    let mut looked = Looked::open().await;
    looked.clock.advance_ms(10 * DAY_MS);
    let (late, job) = looked.job();
    insert(&looked.ledger, [job]).await;
    assert_eq!(looked.table_of(late).await, "jobs_rest");

    assert_eq!(looked.prune().await, 0, "the duty goes on, and adds ranges where none of the rows belong");
    looked.clock.advance_ms(2 * DAY_MS);
    let (later, job) = looked.job();
    insert(&looked.ledger, [job]).await;
    assert_ne!(looked.table_of(later).await, "jobs_rest");
    for number in [late, later] {
        run(&looked.ledger, number, done()).await;
        assert_eq!(state(&looked.ledger, number).await, State::Completed);
    }
}

#[tokio::test]
async fn an_id_from_the_future_stops_nothing() {
    let mut looked = Looked::open().await;
    let ahead = u64::try_from(looked.clock.now().ms() + 6 * DAY_MS).expect("a time after 1970");
    insert(&looked.ledger, [ready(ahead)]).await;
    assert_eq!(looked.table_of(ahead).await, "jobs_rest");
    looked.clock.advance_ms(4 * DAY_MS);
    assert_eq!(looked.prune().await, 0, "the duty goes on around the day of that job");
    looked.clock.advance_ms(3 * DAY_MS);
    let (later, job) = looked.job();
    insert(&looked.ledger, [job]).await;
    looked.prune().await;
    looked.clock.advance_ms(2 * DAY_MS);
    let (last, job) = looked.job();
    insert(&looked.ledger, [job]).await;
    assert_ne!(looked.table_of(last).await, "jobs_rest");
    for number in [ahead, later, last] {
        run(&looked.ledger, number, done()).await;
    }
}

#[tokio::test]
async fn whoever_reads_the_table_for_hours_stops_nothing() {
    let mut looked = Looked::open().await;
    let before = looked.tables().await;
    looked.clock.advance_ms(5 * DAY_MS);
    let mut reading = looked.beside.begin().await.expect("a transaction begins");
    sqlx::query("SELECT count(*) FROM jobs").execute(&mut *reading).await.expect("the jobs are counted");
    looked.ledger.prune(RETENTION, ALL).await.expect("prune");
    reading.commit().await.expect("the transaction ends");
    let kept = looked.tables().await;
    assert!(before.iter().all(|table| kept.contains(table)), "{before:?} {kept:?}");
    looked.prune().await;
    assert_eq!(looked.tables().await.iter().filter(|table| before.contains(table)).count(), 1, "only the default one is left of those");
}
