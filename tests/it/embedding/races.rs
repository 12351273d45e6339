//! What comes in between: an index that is switched, removed or made anew meanwhile, and a server that is killed while it does that.

use std::collections::BTreeMap;

use reqwest::Method;
use windrow_jobs::search::{Generation, store::SearchStore};

use super::{
    ingest::{Stage, submit},
    killed::times,
    sites::Site,
    *,
};

const PARTS: usize = 200;
const AT_ONCE: usize = 10;
/// At so many requests it is killed.
const KILLS: [usize; 2] = [6, 14];

fn book() -> Value {
    let text: String = (0..PARTS).map(|number| format!("# Part {number}\n\nThe otter number {number}.\n\n")).collect();
    json!({ "index": "docs", "document_id": "book", "text": text, "media_type": "text/markdown" })
}

fn to(connection: &str) -> Value {
    json!({ "index": "docs", "connection": connection })
}

async fn generations(stage: &Stage) -> (Generation, Option<Generation>) {
    let index = stage.store.index(&tenant(), "docs").await.expect("the store").expect("the index");
    (index.current, index.next)
}

#[tokio::test]
async fn an_index_that_was_switched_meanwhile_gets_the_document_by_its_new_model() {
    let site = Site::start(&[]).await;
    let stage = Stage::new(&[], json!({})).await;
    stage.done("embedding.ingest", json!({ "index": "docs", "document_id": "first", "text": "first" })).await;
    let held = json!({ "index": "docs", "document_id": "held", "url": site.url("/held/up") });
    let job = submit(&stage.server, "embedding.ingest", held).await;
    site.peer.until_seen("/held/up", 1).await;
    stage.done("embedding.reindex", to("embedder")).await;
    site.release("up");
    let done = stage.server.wait(&job).await;
    assert_eq!(
        (&done["state"], &done["result"]["model"], &done["result"]["added"]),
        (&json!("completed"), &json!("m"), &json!(1)),
        "{done}"
    );
    assert_eq!(site.peer.seen("/held/up").len(), 1, "it is not fetched again");
    assert_eq!(stage.found("held").await[0].document_id, "held");
}

#[tokio::test]
async fn an_index_that_was_removed_meanwhile_does_not_come_back() {
    let site = Site::start(&[]).await;
    let stage = Stage::new(&[], json!({})).await;
    let held = json!({ "index": "docs", "document_id": "held", "url": site.url("/held/up") });
    let job = submit(&stage.server, "embedding.ingest", held).await;
    site.peer.until_seen("/held/up", 1).await;
    assert!(stage.store.drop_index(&tenant(), "docs").await.expect("the store"));
    site.release("up");
    let ended = stage.server.wait(&job).await;
    assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("dead"), &json!("index_removed")), "{ended}");
    assert!(stage.store.index(&tenant(), "docs").await.expect("the store").is_none());
}

#[tokio::test]
async fn a_reindex_that_was_left_behind_is_given_up_for_another_that_says_so() {
    let stage = Stage::new(&[], json!({ "texts_per_request_max": 10 })).await;
    stage.connect("second", json!({ "dimensions": 16 }), KEY).await;
    stage.done("embedding.ingest", book()).await;
    stage.fake.tell(json!({ "pause_ms": 50 })).await;
    let first = submit(&stage.server, "embedding.reindex", to("embedder")).await;
    stage.fake.peer.until_seen("/v1/embeddings", 3).await;
    let cancel = format!("/v1/jobs/{}/cancel", first["id"].as_str().expect("an id"));
    assert!(stage.server.send(Method::POST, &cancel, &[], None).await.status < 300);
    assert_eq!(stage.server.wait(&first).await["state"], "cancelled");
    assert!(generations(&stage).await.1.is_some_and(|next| next.settings.connection.as_deref() == Some("embedder")));

    stage.fake.tell(json!({ "pause_ms": 0 })).await;
    let busy = stage.server.submit(json!({ "kind": "embedding.reindex", "payload": to("second"), "max_attempts": 1 })).await;
    let busy = stage.server.wait(&busy).await;
    assert_eq!((&busy["state"], &busy["error"]["code"]), (&json!("dead"), &json!("reindex_running")), "{busy}");
    let mut instead = to("second");
    instead["instead"] = true.into();
    let done = stage.done("embedding.reindex", instead).await;
    assert_eq!((&done["dimension"], &done["documents"]), (&json!(16), &json!(1)), "{done}");
    let (current, next) = generations(&stage).await;
    assert_eq!((current.settings.connection.as_deref(), next), (Some("second"), None));
}

#[tokio::test]
async fn a_reindex_that_is_killed_goes_on_and_takes_what_came_meanwhile() {
    let mut stage = Stage::new(&[], json!({ "texts_per_request_max": AT_ONCE })).await;
    stage.done("embedding.ingest", book()).await;
    // So that a kill meets a request under way.
    stage.fake.tell(json!({ "pause_ms": 40 })).await;
    let job = submit(&stage.server, "embedding.reindex", to("embedder")).await;
    stage.fake.peer.until_seen("/v1/embeddings", 2).await;
    stage.done("embedding.ingest", json!({ "index": "docs", "document_id": "extra", "text": "An extra heron." })).await;
    for requests in KILLS {
        stage.fake.peer.until_seen("/v1/embeddings", requests).await;
        stage.server.kill().await;
        let (current, next) = generations(&stage).await;
        assert_eq!((current.settings.connection, next.is_some()), (None, true), "the old one is searched");
        assert_eq!((stage.found("otter").await.len(), stage.found("heron").await[0].document_id.as_str()), (10, "extra"));
        stage.server.restart().await;
    }
    let done = stage.server.wait(&job).await;
    assert_eq!((&done["state"], &done["result"]["dimension"]), (&json!("completed"), &json!(8)), "{done}");
    let (current, next) = generations(&stage).await;
    assert_eq!((current.settings.connection.as_deref(), next), (Some("embedder"), None));
    assert_eq!((stage.found("otter").await.len(), stage.found("heron").await.len()), (10, 1));
    let mut paid: BTreeMap<String, usize> = times(&stage, 0);
    paid.retain(|text, _| text.contains("number") || text.contains("heron"));
    assert_eq!(paid.len(), PARTS + 1);
    let again = paid.values().filter(|times| **times > 1).count();
    assert!(again <= AT_ONCE * KILLS.len(), "{again} were paid for again");
    println!("{} chunks by {} requests, killed at {KILLS:?}; {again} were paid for again", PARTS + 1, stage.fake.asked().len());
}
