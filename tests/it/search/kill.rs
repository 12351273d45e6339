//! A process is killed at each statement of a put, by SIGKILL: readers saw the old document all the while, and the put that is repeated finds
//! nothing in its way.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use windrow_jobs::search::store::{Place, Put, SearchStore};
use windrow_tests::{
    jobs::tenant,
    ledgers,
    searches::{self, INDEX, VERSIONED, all_of_it, hits, open, put, stage, version_of, versioned},
    server::Process,
};

use super::PUT_STEPS;

/// The tables that a put writes to, in that order.
const TABLES: [&str; 6] = ["staged", "documents", "chunks", "texts", "words", "generations"];
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A put of version 2 by a process of its own, over version 1.
struct Scene<'s> {
    store: &'s dyn SearchStore,
    place: Place,
    version: u64,
    folder: tempfile::TempDir,
}

impl<'s> Scene<'s> {
    async fn begin(store: &'s dyn SearchStore) -> Self {
        let place = open(store, &tenant()).await;
        put(store, &place, &versioned(1)).await;
        Self { store, place, version: 1, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The file that a process makes which is through.
    fn reached(&self) -> PathBuf {
        self.folder.path().join(format!("reached-{}", self.version))
    }

    /// A process that puts the next version.
    async fn start(&self, step: Option<&str>, of: Value) -> Process {
        stage(self.store, &self.place, &versioned(self.version + 1)).await;
        self.spawn(step, of)
    }

    fn spawn(&self, step: Option<&str>, of: Value) -> Process {
        let mut orders =
            json!({ "generation": self.place.generation, "version": self.version + 1, "step": step, "reached": self.reached() });
        orders.as_object_mut().expect("an object").extend(searches::map(of));
        Process::spawn("putting", &[&orders.to_string()], &[], self.folder.path())
    }

    /// What is left when the process is dead, and that the same put again is as if nothing had been.
    async fn finish(&mut self, mut process: Process, is_done: bool, step: &str) {
        let seen = self.seen().await;
        process.kill();
        process.exited().await;
        let (old, new) = (self.version, self.version + 1);
        assert_eq!((seen, self.seen().await), if is_done { (new, new) } else { (old, old) }, "{step}");
        let again = self.store.put_document(&self.place, &versioned(new)).await;
        let stored = |added, kept| Put::Stored { added, kept, removed: added };
        assert_eq!(again, Ok(if is_done { stored(0, VERSIONED + 1) } else { stored(VERSIONED, 1) }), "{step}");
        assert_eq!(self.seen().await, new, "{step}");
        let index = self.store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
        assert_eq!((index.documents, index.chunks), (1, u64::from(VERSIONED) + 1), "{step}");
        self.version = new;
    }

    async fn seen(&self) -> u64 {
        version_of(&hits(self.store, &tenant(), &all_of_it()).await)
    }
}

async fn until_there(process: &mut Process, file: &Path) {
    while !file.exists() {
        process.check_alive();
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn a_put_that_is_killed_at_any_statement_in_sqlite_has_not_been() {
    let store = searches::sqlite(&ledgers::clock()).await;
    let mut scene = Scene::begin(&*store).await;
    for step in PUT_STEPS.map(Some).into_iter().chain([None]) {
        let mut process = scene.start(step, json!({ "file": store.file() })).await;
        let file = scene.reached();
        let file = if step.is_some() { file.with_extension("db-journal") } else { file };
        until_there(&mut process, &file).await;
        scene.finish(process, step.is_none(), step.unwrap_or("the end")).await;
    }
}

#[tokio::test]
async fn a_put_that_is_killed_before_any_of_its_writes_in_postgres_has_not_been() {
    let store = searches::postgres(&ledgers::clock()).await;
    let mut scene = Scene::begin(&*store).await;
    for table in TABLES {
        // Whoever writes to it waits; whoever reads does not.
        let mut holder = PgConnection::connect(store.url()).await.expect("the database");
        let mut watch = PgConnection::connect(store.url()).await.expect("the database");
        stage(&*store, &scene.place, &versioned(scene.version + 1)).await;
        let lock = AssertSqlSafe(format!("BEGIN; LOCK TABLE windrow_search.{table} IN SHARE MODE"));
        sqlx::raw_sql(lock).execute(&mut holder).await.expect("a lock");
        let of = json!({ "url": store.url() });
        let mut process = scene.spawn(Some("a write"), of.clone());
        let waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = $1::regclass AND mode = 'RowExclusiveLock'";
        let table = format!("windrow_search.{table}");
        while !sqlx::query_scalar::<_, bool>(waits).bind(&table).fetch_one(&mut watch).await.expect("locks") {
            process.check_alive();
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert_eq!(scene.seen().await, scene.version, "{table}");
        process.kill();
        process.exited().await;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.expect("the lock is let go");
        let mut process = scene.start(None, of).await;
        until_there(&mut process, &scene.reached()).await;
        scene.finish(process, true, &table).await;
    }
}
