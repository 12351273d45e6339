//! The kill matrix over PostgreSQL: a statement that fails, a connection that dies in one, and a commit that does not arrive,
//! or whose answer does not.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr};
use windrow_jobs::{
    clock::VirtualClock,
    ledger::{
        Upkeep,
        postgres::{PostgresLedger, Statements},
    },
};
use windrow_tests::{ledgers, postgres::Postgres, proxy::Proxy, schedules::rules};

use super::{Left, Play, SCHEDULES, Scene, Told, show};

/// The statements that a scene executes, in their order.
fn steps(scene: Scene) -> &'static [&'static str] {
    match scene {
        Scene::Allow => &["due_schedules", "open_fires", "write_fires", "insert", "move_schedules", "append_feed"],
        Scene::QueueOne => &[
            "due_schedules",
            "open_fires",
            "snapshots",
            "close_fires",
            "settle_fires",
            "write_fires",
            "insert",
            "move_schedules",
            "append_feed",
        ],
        Scene::CancelWaiting => &[
            "due_schedules",
            "open_fires",
            "lock_snapshots",
            "write_fires",
            "insert",
            "apply",
            "count_outcomes",
            "move_schedules",
            "append_feed",
        ],
        Scene::CancelRunning => &["due_schedules", "open_fires", "lock_snapshots", "write_fires", "apply", "move_schedules"],
    }
}

/// What executes besides: at the opening, and the clock also first of all; and after the commit, for the duty's next look.
const BESIDES: [&str; 3] = ["identity", "clock", "first_due"];
/// What executes in the place of a statement that is to fail, and of one in which the connection is to die.
const BROKEN: &str = "SELECT no_such_column";
const FATAL: &str = "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)";
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where a transaction waits as long as a test holds the lock of this number: at its last update, and within its commit.
const BEFORE_COMMIT: i64 = 701;
const WITHIN_COMMIT: i64 = 702;
const GATES: &str = "
    CREATE FUNCTION wait_before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(701); RETURN NULL; END $$;
    CREATE FUNCTION wait_within() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(702); RETURN NULL; END $$;
    CREATE TRIGGER wait_before AFTER UPDATE ON schedules FOR EACH STATEMENT EXECUTE FUNCTION wait_before();
    CREATE CONSTRAINT TRIGGER wait_within AFTER INSERT ON fires DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_within();
";

#[tokio::test]
async fn a_fire_happens_once_whatever_statement_fails_and_wherever_the_connection_dies() {
    // One that listens, for the proxies.
    let postgres = Postgres::own_with(&["fsync=off"]).await;
    for scene in Scene::ALL {
        let url = postgres.database().await;
        let clock = ledgers::clock();
        let sound = open(&url, &clock, Statements::default()).await;
        let mut plays = 0..;
        let mut begin = async || Play::begin(scene, plays.next().expect("a number"), &sound, &clock).await;
        let expected = begin().await.end().await;

        for step in steps(scene) {
            for (way, text) in [("the statement fails", BROKEN), ("the connection dies in it", FATAL)] {
                let play = begin().await;
                let before = play.told().await;
                let broken = open(&url, &clock, replaced(|name| name == *step, text)).await;
                broken.fire(&rules(), SCHEDULES).await.expect_err("the step is reached");
                finish(play, step, way, &before, Left::Nothing, &expected).await;
            }
        }

        let mut gatekeeper = PgConnection::connect(&url).await.expect("the database answers");
        sqlx::raw_sql(GATES).execute(&mut gatekeeper).await.expect("the gates are there");
        for (gate, way, left) in
            [(BEFORE_COMMIT, "cut before it arrives", Left::Nothing), (WITHIN_COMMIT, "cut before its answer arrives", Left::Everything)]
        {
            let play = begin().await;
            let before = play.told().await;
            cut_at(gate, &mut gatekeeper, &postgres, &url, &clock).await;
            finish(play, "commit", way, &before, left, &expected).await;
        }

        // No step is missing in the list: without any other statement it fires all the same.
        let play = begin().await;
        let others = |name: &str| !steps(scene).contains(&name) && !BESIDES.contains(&name);
        let fired = open(&url, &clock, replaced(others, BROKEN)).await.fire(&rules(), SCHEDULES).await;
        assert_eq!(fired.expect("no other statement is executed").schedules, SCHEDULES, "{scene:?}");
        assert_eq!(play.end().await, expected, "{scene:?}");
    }
}

async fn open(url: &str, clock: &VirtualClock, statements: Statements) -> PostgresLedger {
    PostgresLedger::open_with(url, Some(Arc::new(clock.clone())), statements).await.expect("it opens")
}

fn replaced(which: impl Fn(&str) -> bool, by: &'static str) -> Statements {
    let mut statements = Statements::default();
    statements.each().filter(|(name, _)| which(name)).for_each(|(_, text)| *text = AssertSqlSafe(by.to_owned()).into_sql_str());
    statements
}

async fn finish(play: Play<'_>, step: &str, way: &str, before: &[Vec<Told>], left: Left, expected: &[Vec<Told>]) {
    let scene = play.scene;
    assert_eq!(play.left(before).await, left, "{scene:?} {step}: {way}");
    let told = play.end().await;
    assert_eq!(told, expected, "{scene:?} {step}: {way}");
    show("postgres", scene, step, way, left, &told);
}

/// Fires through a proxy, and cuts it when the transaction stands at the gate; returns once the server is through with it.
async fn cut_at(gate: i64, gatekeeper: &mut PgConnection, postgres: &Postgres, url: &str, clock: &VirtualClock) {
    let proxy = Proxy::start(postgres.address()).await;
    let through = url.replace(&postgres.address().to_string(), &proxy.address().to_string());
    assert_ne!(through, url);
    let broken = open(&through, clock, Statements::default()).await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(gate).execute(&mut *gatekeeper).await.expect("the gate is shut");
    let rules = rules();
    let mut firing = std::pin::pin!(broken.fire(&rules, SCHEDULES));
    let waiting = loop {
        tokio::select! {
            fired = &mut firing => panic!("the step is not reached: {fired:?}"),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let waiting: Option<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(sqlx::postgres::types::Oid(u32::try_from(gate).expect("a small number")))
        .fetch_optional(&mut *gatekeeper)
        .await
        .expect("the locks are shown");
        if let Some(pid) = waiting {
            break pid;
        }
    };
    proxy.cut().await;
    firing.await.expect_err("its connection is gone");
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(gate).execute(&mut *gatekeeper).await.expect("the gate is open");
    let lives = async |gatekeeper: &mut PgConnection| -> bool {
        let lives = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)");
        lives.bind(waiting).fetch_one(gatekeeper).await.expect("the backends are shown")
    };
    while lives(gatekeeper).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
