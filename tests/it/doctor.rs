//! `windrow doctor` and `windrow migrate`, over real databases, a real Redis, and the faults that they are to name.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::PathBuf, str::FromStr};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, postgres::PgConnectOptions};
use windrow_tests::{
    postgres::{Postgres, free_port},
    qdrant::{KEY, Qdrant},
    redis::Redis,
    server::{Finished, Server, run},
};

use crate::{documents::repository, status::until_rung};

/// The checks by name, as `result: detail`.
fn checks(finished: &Finished) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    assert_eq!(report["ok"], finished.code == Some(0), "{finished:?}");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let check = |check: &Value| (text(&check["check"]), format!("{}: {}", text(&check["result"]), text(&check["detail"])));
    report["checks"].as_array().expect("checks").iter().map(check).collect()
}

/// What a check says.
fn says<'c>(checks: &'c [(String, String)], name: &str) -> &'c str {
    checks.iter().find_map(|(check, says)| (check == name).then_some(says.as_str())).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

/// Runs a verb of the command line with these variables and a data folder.
async fn windrow(arguments: &[&str], data_dir: &std::path::Path, variables: &[(&str, &str)]) -> Finished {
    let own = [("WINDROW_DATA_DIR", data_dir.to_str().expect("a UTF-8 path"))];
    let environment: Vec<_> = own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    run("windrow", arguments, &environment).await
}

#[tokio::test]
async fn a_server_that_is_well_is_found_well_and_left_as_it_was() {
    let server = Server::start().await;
    until_rung(&server, "normal").await;
    let found = server.command(&["doctor", "--output", "json"]).await;
    let found = checks(&found);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "settings",
        "data_folder",
        "data_folder.holder",
        "api_key",
        "master_key",
        "schema",
        "search",
        "tenant_keys",
        "objects",
        "api",
        "rung",
    ];
    assert_eq!(names, expected);
    assert!(found.iter().all(|(_, says)| says.starts_with("ok: ")), "{found:?}");
    assert_eq!(says(&found, "data_folder.holder"), format!("ok: process {} has it: a server runs", server.pid()));
    assert_eq!(says(&found, "schema"), format!("ok: at {}, up to date", last_two().1));
    let left = |path: &str| fs::read_dir(server.data_dir().join(path)).map_or(0, Iterator::count);
    assert_eq!(left("objects/doctor"), 0, "nothing is left behind");
    let told = server.command(&["doctor"]).await;
    assert_eq!((told.code, told.stdout.lines().count()), (Some(0), 1 + expected.len()), "{told:?}");
}

#[tokio::test]
async fn before_the_first_start_there_is_nothing_wrong_and_nothing_made() {
    let home = tempfile::tempdir().expect("a folder");
    let data_dir = home.path().join("data");
    let listen = format!("127.0.0.1:{}", free_port());
    let found = windrow(&["doctor", "--output", "json"], &data_dir, &[("WINDROW_LISTEN", &listen)]).await;
    assert_eq!(found.code, Some(0), "{found:?}");
    assert_eq!(says(&checks(&found), "api"), format!("warn: no server answers at http://{listen}"));
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn what_is_wrong_with_one_process_is_named_with_what_to_do() {
    let server = Server::start().await;
    let key = server.data_dir().join("api-key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let told = server.command(&["doctor", "--url", &nobody]).await;
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains(&format!("api_key: chmod 600 {}", key.display())), "{told:?}");
    assert!(told.stdout.contains("api: start the server, or name it by --url"), "{told:?}");
    assert!(told.stderr.contains("error: 2 of 10 checks failed"), "{told:?}");

    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("file");
    fs::write(&file, "").expect("a file");
    let s3 = format!("s3://windrow?endpoint=http://127.0.0.1:{}&region=eu", free_port());
    let variables = [("WINDROW_OBJECTS_URL", s3.as_str()), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let found = windrow(&["doctor", "--output", "json"], &file.join("data"), &variables).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    let found = checks(&found);
    assert!(says(&found, "data_folder").starts_with("fail: "), "{found:?}");
    assert!(says(&found, "objects").starts_with("fail: s3://windrow"), "{found:?}");

    let refused = windrow(&["doctor", "--output", "json"], home.path(), &[("WINDROW_REDIS_URL", "redis://localhost")]).await;
    assert!(says(&checks(&refused), "settings").contains("dispatch.redis_url"), "{refused:?}");
}

#[tokio::test]
async fn a_cluster_is_looked_through_and_what_is_wrong_with_it_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let (postgres, mut redis) = (Postgres::own().await, Redis::start().await);
    let (database, objects) = (postgres.database().await, format!("file://{}", home.path().display()));
    let (redis_url, nobody) = (redis.url(), format!("127.0.0.1:{}", free_port()));
    let variables = [
        ("WINDROW_DATABASE_URL", database.as_str()),
        ("WINDROW_REDIS_URL", &redis_url),
        ("WINDROW_OBJECTS_URL", &objects),
        ("WINDROW_API_KEY", "wr_test_doctor.0123456789abcdef"),
        ("WINDROW_LISTEN", &nobody),
    ];
    let look = async || windrow(&["doctor", "--output", "json"], home.path(), &variables).await;
    let found = checks(&look().await);
    let wrong: Vec<&str> = found.iter().filter(|(_, says)| !says.starts_with("ok: ")).map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        wrong,
        ["settings.objects", "settings.links", "master_key", "schema", "search", "api"],
        "no server, schema, pgvector or master key, files in a folder: {found:?}"
    );
    for name in ["ledger", "clock", "postgres.version", "postgres.durability", "postgres.connections", "redis", "redis.clock"] {
        assert!(says(&found, name).starts_with("ok: "), "{found:?}");
    }
    assert_eq!(says(&found, "redis.persistence"), "ok: it keeps nothing on disk, and need not: tickets are ledger rows too");

    let set = redis::cmd("CONFIG").arg(&["SET", "maxmemory-policy", "allkeys-lru"]).exec_async(&mut redis.connection().await).await;
    set.expect("CONFIG SET");
    let found = look().await;
    assert_eq!(found.code, Some(0), "a warning is no failure: {found:?}");
    assert_eq!(says(&checks(&found), "redis.eviction"), "warn: Redis may evict tickets: maxmemory-policy is allkeys-lru");
    redis.kill();
    postgres.stop("immediate");
    let found = look().await;
    assert_eq!(found.code, Some(1), "{found:?}");
    let found = checks(&found);
    assert!(says(&found, "redis").starts_with("fail: Redis does not answer"), "{found:?}");
    assert!(says(&found, "ledger").starts_with("fail: PostgreSQL does not answer"), "{found:?}");
}

#[tokio::test]
async fn a_server_that_does_not_wait_for_its_disk_is_no_place_for_a_ledger() {
    let home = tempfile::tempdir().expect("a folder");
    // The server that the tests of a run share does not sync.
    let database = Postgres::shared().await.database().await;
    let found = windrow(&["doctor", "--output", "json"], home.path(), &[("WINDROW_DATABASE_URL", &database)]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    assert_eq!(says(&checks(&found), "postgres.durability"), "fail: fsync is off, synchronous_commit is off");
}

#[tokio::test]
async fn a_schema_is_brought_up_to_date_by_command_where_starts_may_not() {
    let home = tempfile::tempdir().expect("a folder");
    let database = Postgres::shared().await.database().await;
    let url = [("WINDROW_DATABASE_URL", database.as_str()), ("WINDROW_MIGRATE", "check")];
    let migrate = async |arguments: &[&str]| {
        let line: Vec<&str> = ["migrate", "--output", "json"].iter().chain(arguments).copied().collect();
        let finished = windrow(&line, home.path(), &url).await;
        let printed: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
        (finished.code, printed)
    };
    let (before, latest) = last_two();
    let told = |from, to, up_to_date| json!({ "from": from, "to": to, "latest": latest, "up_to_date": up_to_date, "search": null });
    assert_eq!(migrate(&["--check"]).await, (Some(1), told(0, 0, false)), "there is no ledger yet");
    assert_eq!(migrate(&[]).await, (Some(0), told(0, latest, true)));

    // A release back.
    let mut connection = PgConnectOptions::from_str(&database).expect("a URL").connect().await.expect("a connection");
    let back = format!("{}DELETE FROM _sqlx_migrations WHERE version = {latest}", drops(latest));
    sqlx::raw_sql(AssertSqlSafe(back)).execute(&mut connection).await.expect("the schema of a release before");
    assert_eq!(migrate(&["--check"]).await, (Some(1), told(before, before, false)));
    let environment = url.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let refused = run("windrow-scheduler", &[], &environment).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let needs = format!("the ledger's schema is at {before}, this release needs {latest}: run `windrow migrate`");
    assert!(refused.stderr.contains(&needs), "{refused:?}");
    let found = windrow(&["doctor", "--output", "json"], home.path(), &url).await;
    let expected = format!("fail: at {before} of {latest}, and starts are refused (ledger.migrate)");
    assert_eq!(says(&checks(&found), "schema"), expected);
    assert_eq!(migrate(&[]).await, (Some(0), told(before, latest, true)));
    assert_eq!(migrate(&[]).await, (Some(0), told(latest, latest, true)), "once is enough");

    // The next release's schema, which only adds.
    let next = latest + 2;
    let insert = format!(
        "INSERT INTO _sqlx_migrations SELECT {next}, 'next', installed_on, true, '', 0 FROM _sqlx_migrations WHERE version = {latest}"
    );
    sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut connection).await.expect("the schema of the next release");
    assert_eq!(migrate(&["--check"]).await, (Some(0), told(next, next, true)));
}

#[tokio::test]
async fn what_it_takes_to_search_is_told_and_migrated_where_it_is_there() {
    let home = tempfile::tempdir().expect("a folder");
    let postgres = Postgres::shared_with_vectors().await;
    let database = postgres.database().await;
    let url = [("WINDROW_DATABASE_URL", database.as_str()), ("WINDROW_MIGRATE", "check")];
    let run =
        async |arguments: &[&str], url: &[(&str, &str)]| windrow(&[arguments, &["--output", "json"]].concat(), home.path(), url).await;
    let searches = async |url: &[(&str, &str)]| says(&checks(&run(&["doctor"], url).await), "search").to_owned();
    let waits = searches(&url).await;
    assert!(waits.starts_with("warn: the server has pgvector 0.") && waits.contains("searching answers 503"), "{waits}");
    assert!(searches(&url[..1]).await.starts_with("ok: the server has pgvector 0."));

    let migrate = async |arguments: &[&str]| {
        let finished = run(&[&["migrate"], arguments].concat(), &url).await;
        let printed: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
        (finished.code, printed["search"].clone())
    };
    let told = |from, to, up_to_date| json!({ "from": from, "to": to, "latest": 2, "up_to_date": up_to_date });
    assert_eq!(migrate(&["--check"]).await, (Some(1), told(0, 0, false)));
    assert_eq!(migrate(&[]).await, (Some(0), told(0, 2, true)));
    assert_eq!(migrate(&["--check"]).await, (Some(0), told(2, 2, true)));
    let works = searches(&url).await;
    assert!(works.starts_with("ok: pgvector 0.") && works.ends_with("at 2, up to date"), "{works}");

    // Whoever may not make it is told who may.
    let other = postgres.database().await;
    let mut connection = PgConnectOptions::from_str(&other).expect("a URL").connect().await.expect("a connection");
    let user = format!("plain_{}", std::process::id());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE ROLE {user} LOGIN"))).execute(&mut connection).await.expect("a user");
    let theirs = other.replacen("windrow@", &format!("{user}@"), 1);
    let found = run(&["doctor"], &[("WINDROW_DATABASE_URL", theirs.as_str())]).await;
    let told: Value = serde_json::from_str(&found.stdout).expect("JSON");
    let search = told["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "search").expect("it is checked");
    assert_eq!(search["result"], "warn", "{search}");
    assert!(search["advice"].as_str().is_some_and(|advice| advice.contains("CREATE EXTENSION vector")), "{search}");
    sqlx::raw_sql(AssertSqlSafe(format!("DROP ROLE {user}"))).execute(&mut connection).await.expect("the user is gone");
}

#[tokio::test]
async fn with_qdrant_a_database_needs_no_pgvector_and_the_key_is_tried() {
    let home = tempfile::tempdir().expect("a folder");
    let (database, qdrant) = (Postgres::shared().await.database().await, Qdrant::own().await);
    let told = async |arguments: &[&str], key: &str| {
        let url = qdrant.url();
        let variables = [("WINDROW_DATABASE_URL", database.as_str()), ("WINDROW_QDRANT_URL", &url), ("WINDROW_QDRANT_API_KEY", key)];
        let finished = windrow(&[arguments, &["--output", "json"]].concat(), home.path(), &variables).await;
        assert!(!finished.stdout.contains(KEY) && !finished.stderr.contains(KEY), "{finished:?}");
        finished
    };
    let migrated = told(&["migrate"], KEY).await;
    let printed: Value = serde_json::from_str(&migrated.stdout).unwrap_or_else(|error| panic!("{error}: {migrated:?}"));
    assert_eq!(printed["search"], json!({ "from": 0, "to": 2, "latest": 2, "up_to_date": true }));
    let found = checks(&told(&["doctor"], KEY).await);
    assert_eq!(says(&found, "search"), "ok: the vectors are in Qdrant; at 2, up to date");
    assert_eq!(says(&found, "search.qdrant"), "ok: Qdrant answers");
    let refused = told(&["doctor"], "another-key").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let said = says(&checks(&refused), "search.qdrant").to_owned();
    assert!(said.starts_with("fail: ") && said.contains("search.qdrant_api_key"), "{said}");
}

/// The numbers of the last migration but one, and of the last.
fn last_two() -> (i64, i64) {
    let numbers = migrations().into_keys().rev().take(2).collect::<Vec<_>>();
    (numbers[1], numbers[0])
}

/// What takes away the tables that a migration made.
fn drops(number: i64) -> String {
    let text = std::fs::read_to_string(&migrations()[&number]).expect("a migration");
    let tables: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split_whitespace().next()).collect();
    assert!(!tables.is_empty(), "migration {number} makes no table: say here how it is taken back");
    // Last first: a table may refer to one that was made before.
    tables.iter().rev().map(|table| format!("DROP TABLE {table}; ")).collect()
}

fn migrations() -> BTreeMap<i64, PathBuf> {
    let files = std::fs::read_dir(repository("migrations/postgres")).expect("the migrations").map(|entry| entry.expect("an entry").path());
    let number = |path: &PathBuf| path.file_name()?.to_str()?.split('_').next()?.parse().ok();
    files.filter_map(|path| Some((number(&path)?, path))).collect()
}

#[tokio::test]
async fn one_process_is_migrated_by_its_start_or_while_it_is_stopped() {
    let mut server = Server::start().await;
    // The store of indexes is opened, and migrated, by its first use.
    server.read("/v1/indexes").await;
    let running = server.command(&["migrate"]).await;
    assert_eq!(running.code, Some(1), "{running:?}");
    assert!(running.stderr.contains(&format!("is in use by process {}", server.pid())), "{running:?}");
    let checked = server.command(&["migrate", "--check"]).await;
    let expected = format!("the schema is at {}, up to date", last_two().1);
    assert_eq!((checked.code, checked.stdout.trim()), (Some(0), expected.as_str()), "{checked:?}");
    server.kill().await;
    let stopped = server.command(&["migrate"]).await;
    assert_eq!((stopped.code, stopped.stdout.trim()), (Some(0), expected.as_str()), "{stopped:?}");
}
