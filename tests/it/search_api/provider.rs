//! An index of a provider's model: its query vectors come by a worker, which the api waits for.

use windrow_tests::python::tool;

use super::*;
use crate::http_request::Peer;

shapes! {
    a_query_is_embedded_by_a_worker,
}

const KEY: &str = "planted-api-key-51c8";

/// What answers as OpenAI does: `tests/it/embedding/openai_server.py`.
async fn fake(folder: &std::path::Path) -> Peer {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/it/embedding");
    let (script, schemas) = (format!("{here}/openai_server.py"), format!("{here}/openai.json"));
    Peer::start(&tool("python"), "openai", &["-u", &script, &schemas, KEY], &[], folder).await
}

/// Has the next requests answered otherwise.
async fn tell(fake: &Peer, next: Value) {
    let client = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
    let answer = client.post(format!("http://127.0.0.1:{}/_told", fake.port)).json(&json!({ "next": next })).send().await;
    assert_eq!(answer.expect("it answers").status(), 200);
}

async fn a_query_is_embedded_by_a_worker(at: &Installation) {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = fake(folder.path()).await;
    let unknown = put(at, "docs", json!({ "connection": "embedder" })).await;
    assert_eq!((unknown.status, &unknown.body["pointer"]), (422, &json!("/connection")), "{}", unknown.body);
    let config = json!({ "url": format!("http://127.0.0.1:{}/v1", fake.port), "model": "m" });
    let connection = json!({ "name": "embedder", "provider": "openai", "config": config, "secrets": { "api_key": KEY } });
    assert_eq!(at.send(Method::POST, "/v1/connections", &[], Some(connection)).await.status, 201);

    let made = put(at, "docs", json!({ "connection": "embedder" })).await;
    assert_eq!((made.status, &made.body["model"], &made.body["dimension"]), (201, &json!("m"), &json!(8)), "{}", made.body);
    let texts = ["A short text.", "A text that is somewhat longer than the other one.", "zzz"];
    for (n, text) in texts.iter().enumerate() {
        bring(at, &format!("d{n}"), text, json!({})).await;
    }
    for (n, text) in texts.iter().enumerate() {
        let found = hits(at, json!({ "index": "docs", "query": text, "mode": "vector", "limit": 1 })).await;
        assert_eq!(documents(&found), [format!("d{n}")]);
        assert!(found[0]["score"].as_f64().is_some_and(|score| score > 0.999), "the very same vector: {found:?}");
    }
    let asked = fake.seen("/v1/embeddings");
    assert!(asked.iter().all(|request| request["errors"] == json!([]) && request["status"] == 200), "{asked:?}");
    let jobs = at.list("kind=embedding.query").await;
    assert_eq!(jobs.len(), 1 + texts.len(), "one to make the index, and one for each search");
    assert!(jobs.iter().all(|job| job["state"] == "completed" && job["queue"] == "default" && job["priority"] == 100), "{jobs:?}");

    // Another tenant has neither the connection, nor the index, nor the vectors.
    let other = at.of_tenant("other");
    assert_eq!(search(&other, json!({ "index": "docs", "query": "zzz" })).await.body["code"], "index_not_found");
    assert_eq!(put(&other, "docs", json!({ "connection": "embedder" })).await.body["pointer"], "/connection");
    for job in &jobs {
        assert_eq!(other.send(Method::GET, &format!("/v1/jobs/{}", job["id"].as_str().expect("an id")), &[], None).await.status, 404);
    }

    tell(&fake, json!([400])).await;
    let refused = search(at, json!({ "index": "docs", "query": "zzz" })).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("model_unusable")), "{}", refused.body);
    assert!(!refused.body.to_string().contains(KEY) && refused.body.to_string().contains("embedding_refused"), "{}", refused.body);
    tell(&fake, json!([500, 500])).await;
    let failed = search(at, json!({ "index": "docs", "query": "zzz" })).await;
    assert_eq!((failed.status, &failed.body["code"]), (503, &json!("vector_unavailable")), "{}", failed.body);
    assert!(failed.headers.contains_key("retry-after"));
    let by_words = hits(at, json!({ "index": "docs", "query": "somewhat longer", "mode": "text" })).await;
    assert_eq!(documents(&by_words), ["d1"], "words need nobody");

    // Back to the lexical model, beside what is searched.
    let back = done(at, "embedding.reindex", json!({ "index": "docs", "lexical": true })).await;
    assert_eq!(back["model"], "lexical-1");
    let index = at.read("/v1/indexes/docs").await;
    assert_eq!((&index["model"], &index["connection"], &index["documents"]), (&json!("lexical-1"), &Value::Null, &json!(3)), "{index}");
    let before = fake.seen("/v1/embeddings").len();
    assert_eq!(documents(&hits(at, json!({ "index": "docs", "query": "longer texts", "limit": 1 })).await), ["d1"]);
    assert_eq!(fake.seen("/v1/embeddings").len(), before, "nobody is asked any more");
}
