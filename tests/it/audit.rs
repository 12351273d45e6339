//! `windrow audit ledger`: it says yes to what really happened, and no to every planted lie.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use windrow_tests::{
    cluster::Cluster,
    server::{Client, Finished, Server},
};

/// What is planted in the ledger, by what it lies about.
const LIES: [(&str, &str); 5] = [
    ("a lost row", "DELETE FROM jobs WHERE id = (SELECT id FROM jobs WHERE state = 0)"),
    ("a lost outcome", "DELETE FROM jobs WHERE id = (SELECT id FROM jobs WHERE state = 5 LIMIT 1)"),
    ("a second outcome over the first", "UPDATE jobs SET state = 6 WHERE id = (SELECT id FROM jobs WHERE state = 5 LIMIT 1)"),
    ("an outcome counted twice", "UPDATE outcomes SET completed = completed + 1"),
    ("an intake off by one", "UPDATE intake SET accepted = accepted + 1"),
];

/// A server whose accounts have something of everything.
async fn server() -> Server {
    let server = Server::start().await;
    fill(&server).await;
    server
}

async fn fill(server: &Client) {
    for _ in 0..3 {
        server.wait(&server.echo(json!({})).await).await;
    }
    let dead = server.submit(json!({ "kind": "echo", "payload": { "fail_times": 9 }, "max_attempts": 1 })).await;
    assert_eq!(server.wait(&dead).await["state"], "dead");
    assert_eq!(server.redrive(&dead).await.status, 200);
    server.wait(&dead).await;
    let later = server.submit(json!({ "kind": "echo", "payload": {}, "delay_s": 3600 })).await;
    let cancelled = server.submit(json!({ "kind": "echo", "payload": {}, "delay_s": 3600 })).await;
    assert_eq!(server.cancel(&cancelled).await.status, 200);
    assert_eq!(server.get(&later).await["state"], "scheduled");
}

const AUDIT: [&str; 3] = ["audit", "ledger", "--json"];

async fn audit(server: &Server) -> (Option<i32>, Value) {
    accounts(server.command(&AUDIT).await)
}

fn accounts(finished: Finished) -> (Option<i32>, Value) {
    (finished.code, serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}")))
}

async fn tamper(server: &Server, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(server.data_dir().join("windrow.db"));
    let mut connection: SqliteConnection = options.connect().await.expect("the ledger's file opens");
    let changed = sqlx::query(statement).execute(&mut connection).await.expect("the row changes").rows_affected();
    assert_eq!(changed, 1, "{statement}");
}

#[tokio::test]
async fn an_honest_ledger_balances() {
    let server = server().await;
    let (code, accounts) = audit(&server).await;
    let expected = json!({ "tenant": "default", "accepted": 6, "completed": 3, "dead": 1, "cancelled": 1, "live": 1, "pruned": 0,
        "outcomes": { "completed": 3, "dead": 1, "cancelled": 1 } });
    assert_eq!((code, &accounts["balanced"], &accounts["tenants"]), (Some(0), &json!(true), &json!([expected])));
}

#[tokio::test]
async fn every_planted_lie_is_found() {
    for (lie, statement) in LIES {
        let server = server().await;
        tamper(&server, statement).await;
        let (code, accounts) = audit(&server).await;
        assert_eq!((code, &accounts["balanced"]), (Some(1), &json!(false)), "{lie}: {accounts}");
    }
}

/// In PostgreSQL what is counted lies in several rows, so a lie is told in one of them.
#[tokio::test]
async fn every_planted_lie_is_found_in_a_cluster() {
    let cluster = Cluster::start(1, 1, &[]).await;
    fill(&cluster).await;
    let mut database = cluster.database().await;
    let tables = ["jobs", "outcomes", "intake"];
    for table in tables {
        run(&mut database, format!("CREATE TABLE honest_{table} AS TABLE {table}")).await;
    }
    for (lie, statement) in LIES {
        let (code, honest) = accounts(cluster.command(&AUDIT).await);
        assert_eq!((code, &honest["balanced"]), (Some(0), &json!(true)), "before {lie}: {honest}");
        let one_row = ["outcomes", "intake"].iter().fold(statement.to_owned(), |statement, table| {
            let everywhere = statement.starts_with(&format!("UPDATE {table} "));
            if everywhere { format!("{statement} WHERE ctid = (SELECT min(ctid) FROM {table})") } else { statement }
        });
        assert_eq!(run(&mut database, one_row).await, 1, "{lie}");
        let (code, told) = accounts(cluster.command(&AUDIT).await);
        assert_eq!((code, &told["balanced"]), (Some(1), &json!(false)), "{lie}: {told}");
        for table in tables {
            run(&mut database, format!("DELETE FROM {table}")).await;
            run(&mut database, format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM honest_{table}")).await;
        }
    }
}

/// Runs a statement; says how many rows it changed.
async fn run(database: &mut sqlx::PgConnection, statement: String) -> u64 {
    // Made of what is written above.
    sqlx::query(AssertSqlSafe(statement.clone()))
        .execute(database)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"))
        .rows_affected()
}
