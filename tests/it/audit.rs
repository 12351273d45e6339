//! `windrow audit ledger`: it says yes to what really happened, and no to every planted lie.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use windrow_tests::server::Server;

/// A server whose accounts have something of everything.
async fn server() -> Server {
    let server = Server::start().await;
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
    server
}

async fn audit(server: &Server) -> (Option<i32>, Value) {
    let finished = server.command(&["audit", "ledger", "--json"]).await;
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
    let lies = [
        ("a lost row", "DELETE FROM jobs WHERE id = (SELECT id FROM jobs WHERE state = 0)"),
        ("a lost outcome", "DELETE FROM jobs WHERE id = (SELECT id FROM jobs WHERE state = 5 LIMIT 1)"),
        ("a second outcome over the first", "UPDATE jobs SET state = 6 WHERE id = (SELECT id FROM jobs WHERE state = 5 LIMIT 1)"),
        ("an outcome counted twice", "UPDATE outcomes SET completed = completed + 1"),
        ("an intake off by one", "UPDATE intake SET accepted = accepted + 1"),
    ];
    for (lie, statement) in lies {
        let server = server().await;
        tamper(&server, statement).await;
        let (code, accounts) = audit(&server).await;
        assert_eq!((code, &accounts["balanced"]), (Some(1), &json!(false)), "{lie}: {accounts}");
    }
}
