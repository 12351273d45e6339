//! Indexes and searches over stores in memory: what is taken, what is refused and where, and how a provider's vector comes. What real stores and
//! workers do is in `tests/it/search_api/`.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use windrow_jobs::{
    clock::Clock,
    job::{JobError, JobId, State},
    kinds::embedding_query,
    ledger::{Claim, Inspect, ListFilter, Page, TicketId, Work, WorkerRecord},
    lifecycle::{Ending, Snapshot},
    queue::QueueName,
    search::{
        Chunk, ChunkHash, Chunking, Document, Model, Settings, lexical,
        store::{Begun, Place, Put, SearchStore, Switched},
    },
    tenant::TenantId,
};

use super::fixture::{Answer, Fault, Fixture};

const PATH: &str = "/v1/indexes/manual";
/// A connection whose model has two dimensions.
const EMBEDDER: &str = r#"{"name":"embedder","provider":"openai","config":{"model":"tiny"}}"#;

async fn put(fixture: &Fixture, path: &str, body: &Value) -> Answer {
    fixture.call("PUT", path, &[], &body.to_string()).await
}

async fn found(fixture: &Fixture, body: &Value) -> Vec<String> {
    let answer = fixture.post("/v1/search", &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    let hits = answer.json()["hits"].as_array().expect("hits").clone();
    hits.iter().map(|hit| hit["document_id"].as_str().expect("an id").to_owned()).collect()
}

/// Puts a document of one chunk, as a job would.
async fn bring(fixture: &Fixture, tenant: &TenantId, index: &str, id: &str, text: &str, metadata: Value, vector: Vec<f32>) {
    static VERSION: AtomicU64 = AtomicU64::new(1);
    let model = &fixture.search.model;
    let there = model.index(tenant, index).await.expect("an answer").expect("an index");
    let place = Place { tenant: tenant.clone(), index: index.into(), generation: there.current.number };
    let hash = ChunkHash::of(text);
    let chunk = Chunk { hash, text: text.into(), heading: vec!["Top".into(), "Below".into()], source: None, tokens: 3 };
    let mut version = [0; 16];
    version[8..].copy_from_slice(&VERSION.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let metadata = metadata.as_object().expect("an object").clone();
    let document = Document { id: id.into(), version: JobId::from_bytes(version), title: None, metadata, chunks: vec![chunk] };
    model.stage(&place, &[(hash, vector)]).await.expect("staged");
    assert!(matches!(model.put_document(&place, &document).await, Ok(Put::Stored { .. })));
}

async fn bring_lexical(fixture: &Fixture, tenant: &TenantId, id: &str, text: &str, metadata: Value) {
    bring(fixture, tenant, "manual", id, text, metadata, lexical::embed(&format!("Top > Below\n\n{text}"))).await;
}

/// Waits for the query's job, and begins it as a worker does.
async fn claimed(fixture: &Fixture) -> (Value, Snapshot) {
    let (model, kind) = (&fixture.ledger.model, embedding_query::KIND);
    let filter = ListFilter { kind: Some(kind.into()), state: Some(State::Available), ..ListFilter::default() };
    let job = loop {
        let page = Page { before: None, size: 10, bytes_max: usize::MAX };
        let listed = model.list(&TenantId::default_tenant(), &filter, page).await.expect("a list");
        match listed.jobs.into_iter().next() {
            Some(job) => break job,
            None => tokio::task::yield_now().await,
        }
    };
    let worker = WorkerRecord { id: "worker".into(), slots: [(QueueName::default_queue(), 1)].into(), kinds: vec![kind.into()] };
    model.enroll(&worker, &[]).await.expect("enrolled");
    let claim = Claim {
        worker: "worker".into(),
        ticket: TicketId::nil(),
        ticket_row: false,
        ids: vec![(job.id, job.attempt)],
        take: 1,
        lease_ms: 30_000,
    };
    let job = serde_json::to_value(&job).expect("JSON");
    (job, model.claim(claim).await.expect("claimed")[0].snapshot)
}

/// A vector as a job reports it.
fn reported(model: &str, vector: &[f32]) -> Ending {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let report = json!({ "model": model, "dimension": vector.len(), "vector": STANDARD.encode(bytes), "tokens": 1 });
    Ending::Done(report.to_string())
}

/// Answers the next query's job with this ending.
async fn answering(fixture: &Fixture, ending: Ending) -> Value {
    let (job, snapshot) = claimed(fixture).await;
    fixture.settle(&snapshot, ending).await;
    job
}

/// An index by the connection `embedder`, with a document at each of these vectors.
async fn by_provider(fixture: &Fixture, documents: &[(&str, [f32; 2])]) {
    assert_eq!(fixture.post("/v1/connections", EMBEDDER).await.status, 201);
    let body = json!({ "connection": "embedder" });
    let (made, job) = tokio::join!(put(fixture, PATH, &body), answering(fixture, reported("tiny", &[1.0, 0.0])));
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    assert_eq!((&made.json()["model"], &made.json()["dimension"]), (&json!("tiny"), &json!(2)));
    assert_eq!((&job["queue"], &job["priority"]), (&json!("default"), &json!(100)), "no ingest keeps it waiting");
    for (id, vector) in documents {
        bring(fixture, &TenantId::default_tenant(), "manual", id, id, json!({}), vector.to_vec()).await;
    }
}

#[tokio::test]
async fn every_verb_answers_as_the_document_says() {
    let fixture = Fixture::new();
    let made = put(&fixture, PATH, &json!({})).await;
    assert_eq!((made.status, made.header("location")), (StatusCode::CREATED, "https://jobs.example.com/v1/indexes/manual"));
    let told = made.json();
    assert_eq!(
        (&told["model"], &told["dimension"], &told["connection"], &told["tokens_max"], &told["overlap_tokens"], &told["next"]),
        (&json!("lexical-1"), &json!(512), &Value::Null, &json!(400), &json!(40), &Value::Null)
    );
    for same in [
        json!({}),
        json!({ "connection": null, "tokens_max": null }),
        json!({ "tokens_max": 400 }),
        json!({ "tokens_max": 400, "overlap_tokens": 40 }),
    ] {
        assert_eq!(put(&fixture, PATH, &same).await.status, StatusCode::OK, "{same}");
    }
    let other = put(&fixture, PATH, &json!({ "tokens_max": 200 })).await;
    assert_eq!((other.status, &other.json()["code"]), (StatusCode::CONFLICT, &json!("index_exists")));
    assert!(other.json()["detail"].as_str().is_some_and(|detail| detail.contains("chunks of 400 tokens")), "{}", other.json());
    let tag = fixture.get(PATH).await.header("etag").to_owned();
    assert_eq!(fixture.call("GET", PATH, &[("if-none-match", &tag)], "").await.status, StatusCode::NOT_MODIFIED);

    let tenant = TenantId::default_tenant();
    bring_lexical(&fixture, &tenant, "lamp", "The keeper lights the lamp", json!({ "language": "en", "year": 1900 })).await;
    bring_lexical(&fixture, &tenant, "ofen", "Der Ofen ist aus", json!({ "language": "de", "year": 1950 })).await;
    assert_eq!((&fixture.get(PATH).await.json()["documents"], &fixture.get(PATH).await.json()["chunks"]), (&json!(2), &json!(2)));
    let listed = fixture.get(&format!("{PATH}/documents")).await.json();
    assert_eq!((&listed["documents"][0]["document_id"], &listed["documents"][0]["chunks"]), (&json!("lamp"), &json!(1)), "{listed}");
    for mode in ["hybrid", "vector", "text"] {
        let hits = found(&fixture, &json!({ "index": "manual", "query": "lamp keepers", "mode": mode })).await;
        assert_eq!(hits.first().map(String::as_str), Some("lamp"), "{mode}");
    }
    let hit = fixture.post("/v1/search", r#"{"index":"manual","query":"lamp","limit":1}"#).await.json()["hits"][0].clone();
    assert_eq!((&hit["heading"], &hit["chunk"], &hit["source"]), (&json!(["Top", "Below"]), &json!(0), &Value::Null), "{hit}");
    assert!(hit["score"].as_f64().is_some_and(|score| score > 0.0) && hit["metadata"]["year"] == 1900, "{hit}");
    let filtered = json!({ "index": "manual", "query": "lamp", "filter": { "language": "de", "year": { "gt": 1900 } } });
    assert_eq!(found(&fixture, &filtered).await, ["ofen"]);
    assert!(found(&fixture, &json!({ "index": "manual", "query": "?!" })).await.is_empty(), "no word, nothing near it");

    assert_eq!(fixture.call("DELETE", PATH, &[], "{}").await.status, StatusCode::NO_CONTENT);
    for (method, path, body) in [
        ("GET", PATH, ""),
        ("DELETE", PATH, ""),
        ("GET", "/v1/indexes/manual/documents", ""),
        ("POST", "/v1/search", r#"{"index":"manual","query":"lamp"}"#),
        ("GET", "/v1/indexes/No%00Name", ""),
        ("GET", "/v1/indexes/%ff/documents", ""),
    ] {
        let gone = fixture.call(method, path, &[], body).await;
        assert_eq!((gone.status.as_u16(), &gone.json()["code"]), (404, &json!("index_not_found")), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let fixture = Fixture::new();
    assert_eq!(put(&fixture, PATH, &json!({})).await.status, 201);
    let of_search = |more: Value| {
        let mut body = json!({ "index": "manual", "query": "lamp" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        ("POST", "/v1/search", body)
    };
    let of_put = |body: Value| ("PUT", "/v1/indexes/new", body);
    let any = |count: usize| json!({ "filter": { "a": { "any": vec![1; count] } } });
    for ((method, path, body), pointer) in [
        (of_search(json!({ "index": "Manual" })), "/index"),
        (of_search(json!({ "index": "a\u{0}" })), "/index"),
        (of_search(json!({ "query": "" })), "/query"),
        (of_search(json!({ "query": "a\u{0}" })), "/query"),
        (of_search(json!({ "query": "ü".repeat(4_097) })), "/query"),
        (of_search(json!({ "query": ["lamp"] })), "/query"),
        (of_search(json!({ "limit": 0 })), "/limit"),
        (of_search(json!({ "limit": 101 })), "/limit"),
        (of_search(json!({ "limit": 70_000 })), "/limit"),
        (of_search(json!({ "limit": null })), "/limit"),
        (of_search(json!({ "mode": "exact" })), "/mode"),
        (of_search(json!({ "filter": [] })), "/filter"),
        (of_search(json!({ "filter": { "a/b": { "near": 1 } } })), "/filter/a~1b/near"),
        (of_search(json!({ "filter": { "a": "\u{0}" } })), "/filter/a"),
        (of_search(json!({ "filter": { "a": "x".repeat(16_384) } })), "/filter"),
        (of_search(any(101)), "/filter/a/any"),
        (of_search(json!({ "tenant": "other" })), "/tenant"),
        (of_search(json!({ "generation": 1 })), "/generation"),
        (of_put(json!({ "tokens_max": 39 })), "/tokens_max"),
        (of_put(json!({ "tokens_max": 2_001 })), "/tokens_max"),
        (of_put(json!({ "tokens_max": 100, "overlap_tokens": 51 })), "/overlap_tokens"),
        (of_put(json!({ "connection": "nobody" })), "/connection"),
        (of_put(json!({ "connection": "a\u{0}" })), "/connection"),
        (of_put(json!({ "model": "tiny" })), "/model"),
    ] {
        let refused = fixture.call(method, path, &[], &body.to_string()).await;
        let told = refused.json();
        let body: String = body.to_string().chars().take(100).collect();
        assert_eq!(
            (refused.status.as_u16(), &told["code"], &told["pointer"]),
            (422, &json!("field_invalid"), &json!(pointer)),
            "{body}: {told}"
        );
    }
    assert_eq!(fixture.get("/v1/indexes/new").await.status, 404, "nothing was made");
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_is_never_a_false_answer() {
    for (fault, status, code) in [
        (Fault::Unavailable, 503, "search_unavailable"),
        (Fault::Refused, 422, "data_refused"),
        (Fault::Corrupt, 500, "internal"),
        (Fault::Panic, 500, "internal"),
        (Fault::Hang, 503, "timed_out"),
    ] {
        let fixture = Fixture::new();
        assert_eq!(put(&fixture, PATH, &json!({})).await.status, 201);
        fixture.search.fail(fault);
        for (method, path, body) in [
            ("PUT", PATH, "{}"),
            ("GET", PATH, ""),
            ("DELETE", PATH, ""),
            ("GET", "/v1/indexes", ""),
            ("GET", "/v1/indexes/manual/documents", ""),
            ("POST", "/v1/search", r#"{"index":"manual","query":"lamp"}"#),
            ("POST", "/v1/search", r#"{"index":"manual","query":"lamp","mode":"text"}"#),
        ] {
            let answer = fixture.call(method, path, &[], body).await;
            let text = String::from_utf8_lossy(&answer.bytes);
            assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(code)), "{method} {path}: {text}");
            assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
            assert!(!["db.internal", "table jobs", "row 7", "a bug"].iter().any(|inner| text.contains(inner)), "{text}");
        }
        assert_eq!(fixture.get("/v1/jobs").await.status, 200, "everything else works");
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_indexes_only_a_page_at_a_time() {
    let fixture = Fixture::new();
    for name in ["b", "c", "a"] {
        assert_eq!(put(&fixture, &format!("/v1/indexes/{name}"), &json!({})).await.status, 201);
    }
    let other = [("x-tenant", "other")];
    assert_eq!(fixture.call("PUT", PATH, &other, "{}").await.status, 201);
    let first = fixture.get("/v1/indexes?page_size=2").await;
    let token = first.json()["next_page_token"].as_str().expect("a token").to_owned();
    assert!(first.header("link").contains("rel=\"next\""));
    assert_eq!((&first.json()["indexes"][0]["name"], &first.json()["indexes"][1]["name"]), (&json!("a"), &json!("b")));
    let rest = fixture.get(&format!("/v1/indexes?page_size=2&page_token={token}")).await.json();
    assert_eq!((&rest["indexes"][0]["name"], &rest["next_page_token"]), (&json!("c"), &Value::Null), "{rest}");
    let foreign = fixture.call("GET", &format!("/v1/indexes?page_token={token}"), &other, "").await;
    assert_eq!(foreign.json()["code"], "page_token_invalid");
    assert_eq!(fixture.get(&format!("/v1/indexes/a/documents?page_token={token}")).await.json()["code"], "page_token_invalid");
    assert_eq!(fixture.call("GET", "/v1/indexes", &other, "").await.json()["indexes"].as_array().map(Vec::len), Some(1));
    assert_eq!(fixture.get(PATH).await.json()["code"], "index_not_found", "another tenant's");
    assert_eq!(fixture.call("DELETE", "/v1/indexes/a", &other, "").await.json()["code"], "index_not_found");
    let tenant: TenantId = "other".parse().expect("a tenant");
    for n in 0..3 {
        bring_lexical(&fixture, &tenant, &format!("ü{n}"), &format!("text {n}"), json!({ "n": n })).await;
    }
    let page = fixture.call("GET", &format!("{PATH}/documents?page_size=2"), &other, "").await.json();
    let token = page["next_page_token"].as_str().expect("a token");
    let rest = fixture.call("GET", &format!("{PATH}/documents?page_size=2&page_token={token}"), &other, "").await.json();
    assert_eq!((&rest["documents"][0]["document_id"], rest["documents"].as_array().map(Vec::len)), (&json!("ü2"), Some(1)), "{rest}");
}

#[tokio::test]
async fn a_provider_makes_vectors_by_a_job_that_the_answer_waits_for() {
    let fixture = Fixture::new();
    by_provider(&fixture, &[("east", [1.0, 0.0]), ("north", [0.0, 1.0])]).await;
    let same = put(&fixture, PATH, &json!({ "connection": "embedder" })).await;
    assert_eq!((same.status, &same.json()["chunks"]), (StatusCode::OK, &json!(2)), "nobody is asked again");
    let query = json!({ "index": "manual", "query": "which way?", "mode": "vector", "limit": 1 });
    let (found, job) = tokio::join!(found(&fixture, &query), answering(&fixture, reported("tiny", &[0.1, 5.0])));
    assert_eq!(found, ["north"]);
    assert_eq!(job["payload"], json!({ "connection": "embedder", "text": "which way?", "dimension": 2 }));
    let lexical = put(&fixture, PATH, &json!({})).await;
    assert!(lexical.json()["detail"].as_str().is_some_and(|detail| detail.contains("embedding.reindex")), "{}", lexical.json());

    let renamed = fixture.patch("/v1/connections/embedder", r#"{"config":{"model":"large"}}"#).await;
    assert_eq!(renamed.status, 200, "{}", renamed.json());
    let unusable = fixture.post("/v1/search", &query.to_string()).await;
    assert_eq!((unusable.status.as_u16(), &unusable.json()["code"]), (409, &json!("model_unusable")), "{}", unusable.json());
    assert!(unusable.json()["detail"].as_str().is_some_and(|detail| detail.contains("embedding.reindex")), "{}", unusable.json());
    let other = put(&fixture, PATH, &json!({ "connection": "embedder" })).await;
    assert_eq!((other.status.as_u16(), &other.json()["code"]), (409, &json!("index_exists")), "{}", other.json());
    let by_words = json!({ "index": "manual", "query": "north", "mode": "text" });
    assert_eq!(self::found(&fixture, &by_words).await, ["north"], "words need no model");
    assert_eq!(fixture.patch("/v1/connections/embedder", r#"{"disabled":true}"#).await.status, 200);
    assert_eq!(fixture.post("/v1/search", &query.to_string()).await.json()["code"], "model_unusable");
    assert_eq!(put(&fixture, "/v1/indexes/new", &json!({ "connection": "embedder" })).await.json()["code"], "model_unusable");
    assert_eq!(fixture.call("DELETE", "/v1/connections/embedder", &[], "").await.status, 204);
    assert_eq!(fixture.post("/v1/search", &query.to_string()).await.json()["code"], "model_unusable");
}

#[tokio::test(start_paused = true)]
async fn where_no_vector_comes_the_answer_says_why() {
    let fixture = Fixture::new();
    by_provider(&fixture, &[]).await;
    let query = json!({ "index": "manual", "query": "which way?" }).to_string();
    let error = |code: &str, retryable| Ending::Bury(JobError::new(code, "it said so", retryable));
    for (ending, status, code, says) in [
        (error("embedding_refused", false), 409, "model_unusable", "embedding_refused: it said so"),
        (error("connection_refused", true), 409, "model_unusable", "connection_refused"),
        (error("provider_busy", true), 503, "vector_unavailable", "provider_busy"),
        (reported("another", &[1.0, 0.0]), 409, "model_unusable", "vectors of tiny, and its connection now names another"),
    ] {
        let (answer, _) = tokio::join!(fixture.post("/v1/search", &query), answering(&fixture, ending));
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(code)), "{}", answer.json());
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{}", answer.json());
    }
    let snoozed = async {
        let (_, snapshot) = claimed(&fixture).await;
        fixture.settle(&snapshot, Ending::Snooze(3_600_000)).await;
    };
    let (put_off, ()) = tokio::join!(fixture.post("/v1/search", &query), snoozed);
    assert_eq!((put_off.status.as_u16(), &put_off.json()["code"]), (503, &json!("vector_unavailable")), "{}", put_off.json());
    let began = tokio::time::Instant::now();
    let late = fixture.post("/v1/search", &query).await;
    assert_eq!((late.status.as_u16(), &late.json()["code"], late.header("retry-after")), (503, &json!("vector_unavailable"), "2"));
    assert_eq!(began.elapsed().as_secs(), crate::limits::VECTOR_WAIT_S_MAX);
    let deadline = claimed(&fixture).await.0["deadline"].clone();
    let by = fixture.clock.now().plus_ms(crate::limits::VECTOR_WAIT_S_MAX as i64 * 1_000);
    assert_eq!(deadline, serde_json::to_value(by).expect("a time"), "nobody runs it once nobody waits");
}

#[tokio::test]
async fn an_index_that_is_switched_meanwhile_is_asked_by_its_new_model() {
    let fixture = Fixture::new();
    by_provider(&fixture, &[("east", [1.0, 0.0])]).await;
    let other = EMBEDDER.replace("embedder", "other").replace("tiny", "other");
    assert_eq!(fixture.post("/v1/connections", &other).await.status, 201);
    let tenant = TenantId::default_tenant();
    let query = json!({ "index": "manual", "query": "east", "mode": "vector" });
    let switched = async {
        let (_, snapshot) = claimed(&fixture).await;
        // Of as many dimensions: only its number tells it apart.
        let model = Model { name: "other".into(), dimension: 2 };
        let settings = Settings { connection: Some("other".into()), model, chunking: Chunking::default() };
        let store = &fixture.search.model;
        let Ok(Begun::Next(next)) = store.begin_generation(&tenant, "manual", &settings).await else { panic!("it begins") };
        let told = fixture.get(PATH).await.json();
        assert_eq!((&told["next"]["model"], &told["next"]["documents"]), (&json!("other"), &json!(0)), "{told}");
        let place = Place { tenant: tenant.clone(), index: "manual".into(), generation: next.number };
        let document = store.document(&tenant, "manual", "east").await.expect("an answer").expect("a document");
        store.stage(&place, &[(document.chunks[0].hash, vec![0.0, 1.0])]).await.expect("staged");
        store.put_document(&place, &document).await.expect("put");
        assert_eq!(fixture.get(PATH).await.json()["next"]["documents"], 1);
        assert_eq!(store.switch(&place).await, Ok(Switched::Done));
        fixture.settle(&snapshot, reported("tiny", &[1.0, 0.0])).await;
    };
    let again = async {
        switched.await;
        answering(&fixture, reported("other", &[0.0, 1.0])).await
    };
    let (found, job) = tokio::join!(found(&fixture, &query), again);
    assert_eq!((found, &job["payload"]["connection"]), (vec!["east".to_owned()], &json!("other")));
}
