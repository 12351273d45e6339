//! What a collection says, as its ledger has it.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use windrow_tests::{cluster::Cluster, server::Server};

/// What the collection `people` says, by key, and what is marked as deleted.
pub(super) async fn of_server(server: &Server) -> (BTreeMap<String, Value>, Vec<String>) {
    let options = SqliteConnectOptions::new().filename(server.data_dir().join("windrow.db")).read_only(true);
    let mut connection = options.connect().await.expect("the ledger's file");
    let rows = sqlx::query_as("SELECT key, data, deleted_at_ms FROM records WHERE collection = 'people'").fetch_all(&mut connection).await;
    sorted(rows.expect("its records"))
}

/// The same of a cluster's.
pub(super) async fn of_cluster(cluster: &Cluster) -> (BTreeMap<String, Value>, Vec<String>) {
    let text = "SELECT key, data::text, deleted_at_ms FROM records WHERE collection = 'people'";
    sorted(sqlx::query_as(text).fetch_all(&mut cluster.database().await).await.expect("its records"))
}

fn sorted(rows: Vec<(String, String, Option<i64>)>) -> (BTreeMap<String, Value>, Vec<String>) {
    let (mut said, mut deleted) = (BTreeMap::new(), Vec::new());
    for (key, data, deleted_at_ms) in rows {
        if deleted_at_ms.is_some() {
            deleted.push(key);
        } else {
            said.insert(key, serde_json::from_str(&data).expect("JSON"));
        }
    }
    (said, deleted)
}
