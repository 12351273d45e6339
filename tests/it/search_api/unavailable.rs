//! A cluster whose PostgreSQL has no pgvector: searching says so and what to do, and everything else works.

use super::*;

#[tokio::test]
async fn without_pgvector_searching_says_so_and_everything_else_works() {
    let cluster = Cluster::start(1, 1, &VARIABLES).await;
    for (method, path, body) in [
        (Method::PUT, "/v1/indexes/docs", Some(json!({}))),
        (Method::GET, "/v1/indexes/docs", None),
        (Method::GET, "/v1/indexes", None),
        (Method::GET, "/v1/indexes/docs/documents", None),
        (Method::DELETE, "/v1/indexes/docs", None),
        (Method::POST, "/v1/search", Some(json!({ "index": "docs", "query": "lamp" }))),
    ] {
        let answer = cluster.send(method.clone(), path, &[], body).await;
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("search_unavailable")), "{method} {path}: {}", answer.body);
        assert!(answer.headers.contains_key("retry-after"));
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.contains("windrow doctor")), "{}", answer.body);
    }
    let echo = cluster.echo(json!({ "message": "hello" })).await;
    assert_eq!(cluster.wait(&echo).await["result"]["message"], "hello");
    let payload = json!({ "index": "docs", "document_id": "a", "text": "b" });
    let ingest = cluster.submit(json!({ "kind": "embedding.ingest", "payload": payload, "max_attempts": 1 })).await;
    assert_eq!(cluster.wait(&ingest).await["error"]["code"], "search_unavailable");
    let status = crate::status::until_rung(&cluster, "normal").await;
    let duties = status["duties"].as_array().expect("duties");
    assert!(duties.iter().any(|duty| duty["name"] == "tend"), "{status}");
    let logs = cluster.process_logs();
    assert!(!logs.contains("\"duty\":\"tend\"") && !logs.contains("a duty could not act"), "the scheduler says nothing of it");
}
