//! Indexes and searches over HTTP, on both shapes: one process over SQLite, and a cluster of the real binaries over a PostgreSQL with pgvector.

mod attack;
mod documents;
mod provider;
mod unavailable;

use std::ops::Deref;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{
    cluster::{Cluster, Shape},
    postgres::Postgres,
    server::{Answer, Client, Server},
};

/// What connections need, and a provider on this machine.
const VARIABLES: [(&str, &str); 2] =
    [("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1"), ("WINDROW_MASTER_KEY", "a-master-key-of-the-tests-0123456789abcdef")];

/// An installation that searches; used as a client of it, for the tenant `default`.
enum Installation {
    Standalone(Box<Server>),
    Cluster(Box<Cluster>),
}

impl Deref for Installation {
    type Target = Client;

    fn deref(&self) -> &Client {
        match self {
            Self::Standalone(server) => server,
            Self::Cluster(cluster) => cluster,
        }
    }
}

async fn standalone() -> Installation {
    Installation::Standalone(Box::new(Server::start_with(&VARIABLES).await))
}

async fn cluster() -> Installation {
    let postgres = Postgres::own_with_vectors(&[]).await;
    let database = postgres.database().await;
    let shape = Shape { apis: 1, workers: 1, schedulers: 1, redis: false, proxied: false, variables: &VARIABLES };
    Installation::Cluster(Box::new(Cluster::over(postgres, database, shape).await))
}

/// Each of these over both shapes.
macro_rules! shapes {
    ($($name:ident),+ $(,)?) => {
        mod standalone {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&crate::search_api::standalone().await).await;
                }
            )+
        }

        mod cluster {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&crate::search_api::cluster().await).await;
                }
            )+
        }
    };
}
use shapes;

async fn put(client: &Client, name: &str, settings: Value) -> Answer {
    client.send(Method::PUT, &format!("/v1/indexes/{name}"), &[], Some(settings)).await
}

async fn search(client: &Client, asked: Value) -> Answer {
    client.send(Method::POST, "/v1/search", &[], Some(asked)).await
}

/// What a search finds that is answered.
async fn hits(client: &Client, asked: Value) -> Vec<Value> {
    let answer = search(client, asked.clone()).await;
    assert_eq!(answer.status, 200, "{asked}: {}", answer.body);
    answer.body["hits"].as_array().expect("hits").clone()
}

fn documents(hits: &[Value]) -> Vec<&str> {
    hits.iter().map(|hit| hit["document_id"].as_str().expect("an id")).collect()
}

/// What comes of a job that is done.
async fn done(client: &Client, kind: &str, payload: Value) -> Value {
    let job = client.wait(&client.submit(json!({ "kind": kind, "payload": payload })).await).await;
    assert_eq!(job["state"], "completed", "{job}");
    job["result"].clone()
}

/// Brings a text into the index `docs`.
async fn bring(client: &Client, id: &str, text: &str, metadata: Value) -> Value {
    let payload = json!({ "index": "docs", "document_id": id, "text": text, "media_type": "text/markdown", "metadata": metadata });
    done(client, "embedding.ingest", payload).await
}
