//! A server that is killed (SIGKILL) while it translates: what was kept is not paid for again.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

use super::*;

const TEXTS: usize = 1_000;
const TARGETS: [&str; 2] = ["DE", "FR"];
/// At so many requests it is killed: twice, as three crashes are a job's end.
const KILLS: [usize; 2] = [5, 17];

#[tokio::test]
async fn what_was_kept_is_not_paid_for_again() {
    for cache in [true, false] {
        let mut stage = Stage::new().await;
        // So that a kill meets a request under way, and one that was kept.
        stage.tell(json!({ "pause_ms": 40 })).await;
        let texts: Vec<String> = (0..TEXTS).map(|number| format!("text {number}")).collect();
        let jobs = [
            submit(&stage.server, json!({ "texts": texts[..TEXTS / 2], "targets": TARGETS, "cache": cache }), 10).await,
            submit(&stage.server, json!({ "texts": texts[TEXTS / 2..], "targets": TARGETS, "cache": cache }), 10).await,
        ];
        let mut kills = Vec::new();
        for requests in KILLS {
            stage.deepl.until_seen("/v2/translate", requests).await;
            stage.server.kill().await;
            kills.push((kept(&stage.server).await, times(&stage)));
            stage.server.restart().await;
        }
        for job in &jobs {
            let done = stage.server.wait(job).await;
            assert_eq!(ended(&done).0, "completed", "{}", done["error"]);
            let result = &done["result"];
            assert_eq!(
                (&result["translated"], &result["from_cache"]),
                (&json!(TEXTS), &json!(0)),
                "what it paid for itself counts as such"
            );
            for target in TARGETS {
                assert_eq!(texts_of(&done, target).len(), TEXTS / 2);
            }
        }
        let paid = times(&stage);
        assert_eq!(paid.len(), TEXTS * TARGETS.len());
        for (kept, paid_then) in &kills {
            assert!(!kept.is_empty() && kept.len() < paid.len(), "{} were kept", kept.len());
            let again: Vec<_> = kept.iter().filter(|text| paid[*text] != paid_then[*text]).collect();
            assert!(again.is_empty(), "kept, and paid for again: {again:?}");
        }
        let again = paid.values().filter(|times| **times > 1).count();
        let kept: Vec<usize> = kills.iter().map(|(kept, _)| kept.len()).collect();
        println!(
            "cache {cache}: {} translations by {} requests, killed with {kept:?} kept; {again} were under way and paid for again",
            paid.len(),
            stage.asked().len()
        );
    }
}

/// How often each text was paid for.
fn times(stage: &Stage) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    stage.paid().into_iter().for_each(|paid| *times.entry(paid).or_default() += 1);
    times
}

/// What a server that is dead has kept: the server in DeepL's place answers by target and text, as [`Stage::paid`] tells them.
async fn kept(server: &Server) -> BTreeSet<String> {
    let mut ledger = SqliteConnectOptions::new().filename(server.data_dir().join("windrow.db")).connect().await.expect("its ledger");
    let facts: Vec<String> = sqlx::query_scalar("SELECT facts FROM translations").fetch_all(&mut ledger).await.expect("what it kept");
    let text = |facts: String| serde_json::from_str::<Value>(&facts).expect("JSON")["text"].as_str().expect("a text").to_owned();
    facts.into_iter().map(text).collect()
}
