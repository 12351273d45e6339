//! The kill matrix over SQLite: a statement that fails, and a process that is killed while it executes one.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::json;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use windrow_jobs::{
    clock::{Clock, VirtualClock},
    ledger::{
        Upkeep,
        sqlite::{SqliteLedger, Statements},
    },
};
use windrow_tests::{ledgers, schedules::rules, server::Process};

use super::{Left, Play, SCHEDULES, Scene, show};

/// The statements that a scene executes, in their order.
fn steps(scene: Scene) -> &'static [&'static str] {
    match scene {
        Scene::Allow => &["due_schedules", "open_fires", "write_fires", "insert", "accept", "move_schedules", "append_feed"],
        Scene::QueueOne => &[
            "due_schedules",
            "open_fires",
            "snapshots",
            "close_fires",
            "settle_fires",
            "write_fires",
            "insert",
            "accept",
            "move_schedules",
            "append_feed",
        ],
        Scene::CancelWaiting => &[
            "due_schedules",
            "open_fires",
            "snapshots",
            "write_fires",
            "insert",
            "accept",
            "apply",
            "count_outcomes",
            "move_schedules",
            "append_feed",
        ],
        Scene::CancelRunning => &["due_schedules", "open_fires", "snapshots", "write_fires", "apply", "move_schedules"],
    }
}

/// What executes after the commit, for the duty's next look.
const AFTERWARDS: &str = "first_due";
/// What executes in the place of a statement that is to fail.
const BROKEN: &str = "SELECT no_such_column";
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[tokio::test]
async fn a_fire_happens_once_whatever_statement_fails_and_wherever_the_process_is_killed() {
    for scene in Scene::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ledger.sqlite");
        let clock = ledgers::clock();
        let open = async |statements| SqliteLedger::open_with(&file, Arc::new(clock.clone()), statements).await.expect("it opens");
        let sound = open(Statements::default()).await;
        let mut plays = 0..;
        let mut begin = async || Play::begin(scene, plays.next().expect("a number"), &sound, &clock).await;
        let expected = begin().await.end().await;

        for step in steps(scene) {
            let play = begin().await;
            let before = play.told().await;
            let broken = open(replaced(|name| name == *step)).await;
            broken.fire(&rules(), SCHEDULES).await.expect_err("the step is reached");
            finish(play, step, "the statement fails", &before, Left::Nothing, &expected).await;

            let play = begin().await;
            let before = play.told().await;
            killed_at(Some(step), &file, &clock, folder.path()).await;
            finish(play, step, "SIGKILL while it executes", &before, Left::Nothing, &expected).await;
        }

        let play = begin().await;
        let before = play.told().await;
        killed_at(None, &file, &clock, folder.path()).await;
        finish(play, "commit", "SIGKILL after it", &before, Left::Everything, &expected).await;

        // No step is missing in the list: without any other statement it fires all the same.
        let play = begin().await;
        let others = |name: &str| !steps(scene).contains(&name) && name != AFTERWARDS;
        let fired = open(replaced(others)).await.fire(&rules(), SCHEDULES).await;
        assert_eq!(fired.expect("no other statement is executed").schedules, SCHEDULES, "{scene:?}");
        assert_eq!(play.end().await, expected, "{scene:?}");
    }
}

async fn finish(play: Play<'_>, step: &str, way: &str, before: &[Vec<super::Told>], left: Left, expected: &[Vec<super::Told>]) {
    let scene = play.scene;
    assert_eq!(play.left(before).await, left, "{scene:?} {step}: {way}");
    let told = play.end().await;
    assert_eq!(told, expected, "{scene:?} {step}: {way}");
    show("sqlite", scene, step, way, left, &told);
}

fn replaced(which: impl Fn(&str) -> bool) -> Statements {
    let mut statements = Statements::default();
    statements.each().filter(|(name, _)| which(name)).for_each(|(_, text)| *text = sql(BROKEN));
    statements
}

fn sql(text: &str) -> SqlStr {
    AssertSqlSafe(text.to_owned()).into_sql_str()
}

/// Has a process fire, and kills it when it has come to this statement, or when it is through.
async fn killed_at(step: Option<&str>, file: &Path, clock: &VirtualClock, folder: &Path) {
    let reached = folder.join("reached");
    let _ = std::fs::remove_file(&reached);
    let orders = json!({ "file": file, "now_ms": clock.now().ms(), "step": step, "reached": reached }).to_string();
    let mut process = Process::spawn("firing", &[&orders], &[], folder);
    while !reached.exists() {
        process.check_alive();
        tokio::time::sleep(LOOK_EVERY).await;
    }
    process.kill();
    process.exited().await;
}
