//! Documents come into an index, change and go, by jobs of a server: what is found is looked up in its store.

use std::{path::Path, sync::Arc};

use reqwest::Method;
use windrow_jobs::search::{
    Hit, Query,
    filter::Filter,
    lexical,
    sqlite::{FILE, SqliteSearch},
    store::SearchStore,
};
use windrow_tests::server::{Client, Server};

use super::*;

const GUIDE: &str = "# Lighthouses\n\nThe keeper lights the lamp at dusk.\n\n## Fog\n\nIn fog the horn sounds every minute.\n\n## Supplies\n\nA boat brings oil and bread in spring.\n";

/// A server, and the provider that it calls.
pub(super) struct Stage {
    pub server: Server,
    pub fake: Fake,
    pub store: SqliteSearch,
}

impl Stage {
    pub async fn new(settings: &[(&str, &str)], config: Value) -> Self {
        let mut settings = settings.to_vec();
        settings.push(("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1"));
        let (server, fake) = (Server::start_with(&settings).await, Fake::start().await);
        let store = open(&server.data_dir()).await;
        let stage = Self { server, fake, store };
        stage.connect("embedder", config, KEY).await;
        stage
    }

    pub async fn connect(&self, name: &str, mut config: Value, key: &str) {
        config["url"] = self.fake.url().into();
        config["model"] = "m".into();
        let connection = json!({ "name": name, "provider": "openai", "config": config, "secrets": { "api_key": key } });
        let made = self.server.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }

    /// What comes of a job.
    pub async fn came_of(&self, kind: &str, payload: Value) -> Value {
        self.server.wait(&submit(&self.server, kind, payload).await).await
    }

    /// The result of a job that is done.
    pub async fn done(&self, kind: &str, payload: Value) -> Value {
        let job = self.came_of(kind, payload).await;
        assert_eq!(job["state"], "completed", "{job}");
        job["result"].clone()
    }

    /// What is found by words and by the lexical model.
    pub async fn found(&self, words: &str) -> Vec<Hit> {
        let vector = self.store.index(&tenant(), "docs").await.expect("the store").map(|index| index.current.settings.model.name);
        let vector = vector.filter(|name| name == lexical::NAME).map(|_| lexical::embed(words));
        let query = Query { words: Some(words.into()), vector, limit: 10, filter: Filter::default() };
        self.store.search(&tenant(), "docs", &query).await.expect("the store").unwrap_or_default()
    }
}

async fn open(folder: &Path) -> SqliteSearch {
    SqliteSearch::open(&folder.join(FILE), Arc::new(SystemClock)).await.expect("its store")
}

pub(super) async fn submit(client: &Client, kind: &str, payload: Value) -> Value {
    client.submit(json!({ "kind": kind, "payload": payload, "max_attempts": 5 })).await
}

fn document(id: &str, text: &str) -> Value {
    json!({ "index": "docs", "document_id": id, "text": text, "media_type": "text/markdown" })
}

fn counts(result: &Value) -> [u64; 5] {
    ["chunks", "added", "kept", "removed", "tokens"].map(|name| result[name].as_u64().unwrap_or_else(|| panic!("no {name}: {result}")))
}

#[tokio::test]
async fn a_document_is_found_replaced_and_deleted_as_a_whole() {
    let stage = Stage::new(&[], json!({})).await;
    let mut guide = document("guide", GUIDE);
    guide["metadata"] = json!({ "language": "en" });
    let first = stage.done("embedding.ingest", guide).await;
    assert_eq!((counts(&first), &first["model"]), ([3, 3, 0, 0, 0], &json!("lexical-1")), "{first}");
    let hit = stage.found("foghorn in the fog").await.into_iter().next().expect("a hit");
    assert_eq!((hit.document_id.as_str(), hit.heading.as_slice()), ("guide", &["Lighthouses".to_owned(), "Fog".into()][..]), "{hit:?}");
    assert_eq!((hit.title.as_deref(), &hit.metadata["language"]), (Some("Lighthouses"), &json!("en")));

    let changed = stage.done("embedding.ingest", document("guide", &GUIDE.replace("every minute", "every hour"))).await;
    assert_eq!(counts(&changed), [3, 1, 2, 1, 0], "what stayed is kept: {changed}");
    let texts: Vec<String> = stage.found("horn sounds minute hour").await.into_iter().map(|hit| hit.text).collect();
    assert!(texts[0].contains("every hour") && !texts.iter().any(|text| text.contains("minute")), "{texts:?}");

    let html = json!({ "index": "docs", "document_id": "page", "media_type": "text/html",
        "text": "<title>Gulls</title><script>alert('stolen')</script><h1>Gulls</h1><p>Gulls follow the boat and steal the bread.</p>" });
    stage.done("embedding.ingest", html).await;
    let gulls = stage.found("gulls steal").await;
    assert_eq!(gulls[0].document_id, "page");
    assert!(!gulls.iter().any(|hit| hit.text.contains("alert")), "{gulls:?}");
    for (text, code) in [("\n \n", "document_empty")] {
        let refused = stage.came_of("embedding.ingest", document("empty", text)).await;
        assert_eq!((&refused["state"], &refused["error"]["code"]), (&json!("dead"), &json!(code)), "{refused}");
    }

    let other = stage.server.of_tenant("other");
    let theirs = other.wait(&submit(&other, "embedding.delete", json!({ "index": "docs", "all": true })).await).await;
    assert_eq!(theirs["result"]["deleted"], 0, "{theirs}");
    assert_eq!(stage.done("embedding.delete", json!({ "index": "docs", "document_ids": ["page", "nobody"] })).await["deleted"], 1);
    assert!(!stage.found("gulls").await.iter().any(|hit| hit.document_id == "page"));
    assert_eq!(stage.done("embedding.delete", json!({ "index": "docs", "all": true })).await["deleted"], 1);
    assert!(stage.found("lamp").await.is_empty());
    assert!(stage.fake.asked().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn an_index_moves_to_a_provider_and_back_and_pays_for_no_chunk_twice() {
    let stage = Stage::new(&[], json!({ "texts_per_request_max": 2 })).await;
    let unknown = stage.came_of("embedding.reindex", json!({ "index": "docs", "connection": "embedder" })).await;
    assert_eq!(unknown["error"]["code"], "index_unknown", "{unknown}");
    stage.done("embedding.ingest", document("guide", GUIDE)).await;
    let moved = stage.done("embedding.reindex", json!({ "index": "docs", "connection": "embedder" })).await;
    assert_eq!((&moved["model"], &moved["dimension"], &moved["documents"]), (&json!("m"), &json!(8), &json!(1)), "{moved}");
    assert_eq!(stage.found("fog").await[0].document_id, "guide");
    assert_eq!(stage.fake.asked().len(), 3, "one for the dimension, two for three chunks");
    let again = stage.done("embedding.reindex", json!({ "index": "docs", "connection": "embedder" })).await;
    assert_eq!((&again["documents"], stage.fake.asked().len()), (&json!(0), 4), "it is so already: {again}");

    let same = stage.done("embedding.ingest", document("guide", GUIDE)).await;
    assert_eq!((counts(&same), stage.fake.asked().len()), ([3, 0, 3, 0, 0], 4), "{same}");
    let copy = stage.done("embedding.ingest", document("copy", &GUIDE.replace("oil", "fish"))).await;
    assert_eq!((counts(&copy)[..2].to_vec(), stage.fake.asked().len()), (vec![3, 3], 5), "two of its chunks are the guide's: {copy}");
    let asked = stage.fake.asked().pop().expect("a request");
    assert_eq!(asked["body"]["input"].as_array().map(Vec::len), Some(1), "{asked}");
    assert!(counts(&copy)[4] > 0, "its tokens are told: {copy}");

    let query = stage.done("embedding.query", json!({ "connection": "embedder", "text": "lamp", "dimension": 8 })).await;
    assert_eq!((&query["model"], &query["dimension"], &query["tokens"]), (&json!("m"), &json!(8), &json!(1)), "{query}");

    // Another model by the same connection would make other vectors: nothing of it comes in.
    let config = json!({ "url": stage.fake.url(), "model": "other" });
    let edited = stage.server.send(Method::PATCH, "/v1/connections/embedder", &[], Some(json!({ "config": config }))).await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    let refused = stage.came_of("embedding.ingest", document("new", "new words")).await;
    assert_eq!((&refused["state"], &refused["error"]["code"]), (&json!("dead"), &json!("model_other")), "{refused}");
    let back = stage.done("embedding.reindex", json!({ "index": "docs", "lexical": true })).await;
    assert_eq!((&back["model"], &back["documents"]), (&json!("lexical-1"), &json!(2)), "{back}");
    assert_eq!(stage.found("fish").await[0].document_id, "copy");
    assert!(!stage.server.log().contains("planted-"), "a key is in the log");
}

#[tokio::test]
async fn a_connection_is_tested_by_a_vector() {
    let stage = Stage::new(&[], json!({})).await;
    stage.connect("wrong", json!({}), "planted-wrong-key-0d1f").await;
    stage.connect("other", json!({}), KEY).await;
    let tested = async |name: &str| {
        let asked = stage.server.send(Method::POST, &format!("/v1/connections/{name}/test"), &[], None).await;
        let job = stage.server.wait(&asked.body).await;
        (job, stage.server.read(&format!("/v1/connections/{name}")).await)
    };
    let (good, connection) = tested("embedder").await;
    assert_eq!(good["result"]["seen"], "m makes vectors of 8 dimensions", "{good}");
    assert_eq!(connection["state"], "active");
    stage.fake.tell(json!({ "next": ["unpaid"] })).await;
    for name in ["other", "wrong"] {
        let (refused, connection) = tested(name).await;
        assert_eq!((&refused["error"]["code"], &connection["state"]), (&json!("connection_refused"), &json!("error")), "{refused}");
        assert!(!refused.to_string().contains("planted-"), "{refused}");
    }
}

#[tokio::test]
async fn the_tokens_of_a_day_are_waited_for() {
    let stage = Stage::new(&[("WINDROW_EMBEDDINGS__TOKENS_PER_DAY_MAX", "80")], json!({ "texts_per_request_max": 1 })).await;
    stage.done("embedding.ingest", document("guide", GUIDE)).await;
    stage.done("embedding.reindex", json!({ "index": "docs", "connection": "embedder" })).await;
    let long = "The sea is wide. ".repeat(40);
    let job = submit(&stage.server, "embedding.ingest", document("long", &long)).await;
    let waiting = |job: &Value| job["progress"]["message"].as_str().is_some_and(|said| said.contains("used up"));
    let waits = stage.server.until(&job, "waiting", waiting).await;
    assert!(waits["error"].is_null(), "it is not charged: {waits}");
    let asked = stage.fake.asked().len();
    let other = stage.server.of_tenant("other");
    let connection = json!({ "name": "embedder", "provider": "openai", "config": { "url": stage.fake.url(), "model": "m" }, "secrets": { "api_key": KEY } });
    assert_eq!(other.send(Method::POST, "/v1/connections", &[], Some(connection)).await.status, 201);
    let theirs = other.wait(&submit(&other, "embedding.query", json!({ "connection": "embedder", "text": "lamp" })).await).await;
    assert_eq!((&theirs["state"], stage.fake.asked().len()), (&json!("completed"), asked + 1), "another tenant has its own: {theirs}");
}
