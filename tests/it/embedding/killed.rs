//! A server that is killed (SIGKILL) while it brings a document: what was kept is not embedded again, and the old document is found until the new one is
//! complete.

use std::collections::BTreeMap;

use super::{
    ingest::{Stage, submit},
    *,
};

const PARTS: usize = 300;
/// At so many requests it is killed: twice, as three crashes are a job's end.
const KILLS: [usize; 2] = [8, 20];

fn document(word: &str) -> Value {
    let text: String = (0..PARTS).map(|number| format!("# Part {number}\n\nThe {word} number {number}.\n\n")).collect();
    json!({ "index": "docs", "document_id": "book", "text": text, "media_type": "text/markdown" })
}

#[tokio::test]
async fn what_was_kept_is_not_embedded_again_and_the_old_document_is_found() {
    let mut stage = Stage::new(&[], json!({ "texts_per_request_max": 10 })).await;
    stage.done("embedding.ingest", json!({ "index": "docs", "document_id": "first", "text": "first" })).await;
    stage.done("embedding.reindex", json!({ "index": "docs", "connection": "embedder" })).await;
    stage.done("embedding.ingest", document("otter")).await;
    let before = stage.fake.asked().len();
    // So that a kill meets a request under way.
    stage.fake.tell(json!({ "pause_ms": 40 })).await;
    let job = submit(&stage.server, "embedding.ingest", document("heron")).await;
    for requests in KILLS {
        stage.fake.peer.until_seen("/v1/embeddings", before + requests).await;
        stage.server.kill().await;
        let found = stage.found("otter").await;
        assert!(found.len() == 10 && found.iter().all(|hit| hit.text.contains("otter")), "the old one as a whole: {found:?}");
        assert!(stage.found("heron").await.is_empty(), "and nothing of the new one");
        stage.server.restart().await;
    }
    let done = stage.server.wait(&job).await;
    assert_eq!(done["state"], "completed", "{done}");
    assert_eq!((&done["result"]["chunks"], &done["result"]["added"]), (&json!(PARTS), &json!(PARTS)), "{done}");
    assert!(stage.found("otter").await.is_empty() && stage.found("heron").await.len() == 10);
    let paid = times(&stage, before);
    assert_eq!(paid.len(), PARTS);
    let again = paid.values().filter(|times| **times > 1).count();
    // Of each kill, one request was under way.
    assert!(again <= 10 * KILLS.len(), "{again} were paid for again");
    println!(
        "{PARTS} chunks by {} requests, killed at {KILLS:?}; {again} were under way and paid for again",
        stage.fake.asked().len() - before
    );
}

/// How often a vector of each text was made.
pub(super) fn times(stage: &Stage, after: usize) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for line in stage.fake.asked().into_iter().skip(after).filter(|line| line["status"] == 200) {
        for text in line["body"]["input"].as_array().expect("texts") {
            *times.entry(text.as_str().expect("a text").to_owned()).or_default() += 1;
        }
    }
    times
}
