//! The feed over PostgreSQL, where places are drawn before their rows are committed: nothing is missed, and a look costs what
//! it finds, not what was ever deleted.

use std::{str::FromStr, sync::Arc, time::Instant};

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqlSafeStr, SqlStr, postgres::PgConnectOptions};
use windrow_jobs::{
    clock::VirtualClock,
    ledger::{
        Error, Intake, Upkeep,
        postgres::{PostgresLedger, Statements},
    },
};
use windrow_tests::{jobs, ledgers, postgres::Postgres};

/// Rows of the feed that are deleted and cannot be vacuumed: ten seconds' worth under load.
const DEAD: i64 = 20_000;

/// A ledger, its clock, and its database without it.
struct Feed {
    ledger: PostgresLedger,
    clock: VirtualClock,
    url: String,
}

impl Feed {
    async fn open() -> Self {
        let (clock, url) = (ledgers::clock(), Postgres::shared().await.database().await);
        // The ledger's own statement, which also notes where it was told to begin.
        let noting = format!("WITH noted AS (INSERT INTO looks (above) VALUES ($2)) {}", Statements::default().take_feed.as_str());
        let statements = Statements { take_feed: AssertSqlSafe(noting).into_sql_str(), ..Statements::default() };
        let ledger = PostgresLedger::open_with(&url, Some(Arc::new(clock.clone())), statements).await.expect("the ledger opens");
        let feed = Self { ledger, clock, url };
        sqlx::query("CREATE TABLE looks (above bigint)").execute(&mut feed.connect().await).await.expect("a table for the notes");
        feed
    }

    async fn connect(&self) -> PgConnection {
        PgConnectOptions::from_str(&self.url).expect("a URL").connect().await.expect("a connection")
    }

    /// Whatever a look finds now.
    async fn look(&self) -> Vec<i64> {
        self.ledger.feed(Vec::new(), jobs::ALL).await.expect("feed").iter().map(|row| row.seq).collect()
    }

    /// Looks once a second for so many seconds; nothing is to be found.
    async fn idle(&self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.advance_ms(1_000);
            assert_eq!(self.look().await, Vec::<i64>::new());
        }
    }

    /// Commits a row now. Returns its place.
    async fn write(&self, number: u64) -> i64 {
        let mut nudges = self.ledger.nudges();
        jobs::insert(&self.ledger, [jobs::ready(number)]).await;
        nudges.recv().await.expect("a nudge").seq
    }
}

/// A transaction that has drawn its place in the feed and is not committed.
struct Held {
    connection: PgConnection,
    seq: i64,
}

impl Held {
    async fn begin(feed: &Feed) -> Self {
        let mut connection = feed.connect().await;
        sqlx::query("BEGIN").execute(&mut connection).await.expect("BEGIN");
        let row = sqlx::query_scalar("INSERT INTO feed (events) VALUES ('[]') RETURNING seq").fetch_one(&mut connection);
        let seq = row.await.expect("a row of the feed");
        Self { connection, seq }
    }

    async fn commit(mut self) -> i64 {
        sqlx::query("COMMIT").execute(&mut self.connection).await.expect("COMMIT");
        self.seq
    }
}

#[tokio::test]
async fn a_row_that_is_committed_after_a_later_one_was_read_is_read() {
    let feed = Feed::open().await;
    let held = Held::begin(&feed).await;
    let later = feed.write(1).await;
    assert!(held.seq < later);
    assert_eq!(feed.look().await, [later]);
    // Up to the end of the time that a commit may take, a look finds it without a sweep's help.
    feed.idle(4).await;
    feed.clock.advance_ms(999);
    let seq = held.commit().await;
    assert_eq!(feed.look().await, [seq]);
}

#[tokio::test]
async fn a_row_that_is_committed_below_the_floor_is_swept_up_within_a_second() {
    let feed = Feed::open().await;
    let held = Held::begin(&feed).await;
    let later = feed.write(1).await;
    assert_eq!(feed.look().await, [later]);
    feed.idle(10).await;
    let seq = held.commit().await;
    feed.clock.advance_ms(999);
    assert_eq!(feed.look().await, Vec::<i64>::new(), "looks begin above it");
    feed.clock.advance_ms(1);
    assert_eq!(feed.look().await, [seq]);
}

#[tokio::test]
async fn a_row_that_is_committed_far_below_the_floor_is_swept_up_within_a_minute() {
    let feed = Feed::open().await;
    let held = Held::begin(&feed).await;
    // Places that were seen later push the near sweeps up past the held one.
    for number in 1..=90 {
        feed.write(number).await;
        feed.look().await;
        feed.clock.advance_ms(1_000);
    }
    let seq = held.commit().await;
    let mut waited_s = 0;
    while !feed.look().await.contains(&seq) {
        feed.clock.advance_ms(1_000);
        waited_s += 1;
        assert!(waited_s <= 60, "it is not swept up");
    }
    assert!(waited_s > 1, "it was beyond the near sweeps, or this tests nothing");
}

#[tokio::test]
async fn a_new_term_reads_from_the_beginning() {
    let feed = Feed::open().await;
    feed.write(1).await;
    feed.look().await;
    feed.idle(10).await;
    // As a restored backup has: places begin again below the floor.
    let mut connection = feed.connect().await;
    sqlx::query("ALTER TABLE feed ALTER COLUMN seq RESTART WITH 1").execute(&mut connection).await.expect("ALTER");
    feed.ledger.revoke_all().await.expect("a term begins");
    assert_eq!(feed.write(2).await, 1);
    assert_eq!(feed.look().await, [1]);
}

#[tokio::test]
async fn an_insert_gives_up_before_the_floor_passes_it() {
    let feed = Feed::open().await;
    let mut holder = feed.connect().await;
    sqlx::query("BEGIN").execute(&mut holder).await.expect("BEGIN");
    sqlx::query("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await.expect("LOCK");
    let began = Instant::now();
    let refused = feed.ledger.insert(vec![jobs::ready(1)]).await;
    assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains("statement timeout")), "{refused:?}");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[tokio::test]
async fn under_a_held_snapshot_a_look_reads_what_is_there_and_no_dead_rows() {
    let feed = Feed::open().await;
    let mut holder = feed.connect().await;
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut holder).await.expect("BEGIN");
    sqlx::query("SELECT count(*) FROM feed").execute(&mut holder).await.expect("a snapshot");
    let mut connection = feed.connect().await;
    let fill = "INSERT INTO feed (events) SELECT '[]' FROM generate_series(1, $1::bigint)";
    sqlx::query(fill).bind(DEAD).execute(&mut connection).await.expect("rows");
    let taken = feed.look().await;
    assert_eq!(taken.len(), usize::try_from(DEAD).expect("a few"));
    let floor = *taken.last().expect("a row");

    // What the ledger does not do: begin at the beginning. It walks over everything that was deleted.
    let whole = buffers(&mut connection, i64::MIN).await;
    let above = buffers(&mut connection, floor).await;
    println!("{DEAD} dead rows: {whole} buffers from the beginning, {above} above the floor");
    assert!(whole > 100, "the dead rows are in the way: {whole} buffers");
    assert!(above <= 8, "a look costs what it finds: {above} buffers");

    // What it does: five seconds later its looks begin above them.
    feed.idle(10).await;
    sqlx::query("TRUNCATE looks").execute(&mut connection).await.expect("TRUNCATE");
    for _ in 0..20 {
        assert_eq!(feed.look().await, Vec::<i64>::new());
    }
    let looks: Vec<i64> = sqlx::query_scalar("SELECT above FROM looks").fetch_all(&mut connection).await.expect("what was looked at");
    assert_eq!(looks, [floor; 20]);
    sqlx::query("ROLLBACK").execute(&mut holder).await.expect("the snapshot was held to here");
}

/// The buffers that a look above this place touches, by the ledger's own statement and planner's settings. It takes nothing.
async fn buffers(connection: &mut PgConnection, above: i64) -> i64 {
    let mut tx = connection.begin().await.expect("BEGIN");
    for setting in ["enable_seqscan = off", "jit = off", "plan_cache_mode = force_generic_plan"] {
        sqlx::query(AssertSqlSafe(format!("SET LOCAL {setting}"))).execute(&mut *tx).await.expect("SET");
    }
    let statement: SqlStr = Statements::default().take_feed;
    let explain = AssertSqlSafe(format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", statement.as_str()));
    let plan: Value = sqlx::query_scalar(explain).bind(1_000_i64).bind(above).bind(i64::MAX).fetch_one(&mut *tx).await.expect("a plan");
    tx.rollback().await.expect("ROLLBACK");
    let text = plan.to_string();
    assert!(!text.contains("Seq Scan"), "no plan reads the feed through: {text}");
    let count = |name: &str| plan[0]["Plan"][name].as_i64().expect("a count");
    count("Shared Hit Blocks") + count("Shared Read Blocks")
}
