//! A server that is killed (SIGKILL) while it translates: what was kept is not paid for again.

use std::collections::BTreeMap;

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
        let mut in_flight = 0;
        for requests in KILLS {
            stage.deepl.until_seen("/v2/translate", requests).await;
            stage.server.kill().await;
            in_flight += jobs.len();
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
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        stage.paid().into_iter().for_each(|paid| *times.entry(paid).or_default() += 1);
        assert_eq!(times.len(), TEXTS * TARGETS.len());
        let again = times.values().filter(|times| **times > 1).count();
        println!("cache {cache}: {} texts by {} requests, killed twice, {again} paid for again", times.len(), stage.asked().len());
        // No more than the requests that were under way at a kill, and of these only what was not kept yet.
        assert!(again <= in_flight * 50, "{again} of {}", times.len());
        assert!(stage.asked().len() <= TEXTS * TARGETS.len() / 50 + in_flight, "{} requests", stage.asked().len());
    }
}
