//! A quota that is used up: the job waits, uncharged, sends no text meanwhile, and says why and until when.

use super::*;
use windrow_jobs::clock::{Clock, SystemClock, Timestamp};
use windrow_tests::server::ms;

fn in_s(seconds: i64) -> Timestamp {
    SystemClock.now().plus_ms(seconds * 1_000)
}

#[tokio::test]
async fn a_job_waits_until_the_period_ends_and_sends_nothing_meanwhile() {
    let stage = Stage::new().await;
    // The first request has fifty texts of four characters, the second ten.
    let texts: Vec<String> = (100..160).map(|number| format!("t{number}")).collect();
    let ends_at = in_s(4);
    stage.tell(json!({ "character_limit": 210, "end_time": ends_at })).await;
    let job = submit(&stage.server, json!({ "texts": texts, "targets": ["DE"] }), 1).await;
    let parked = stage.server.until(&job, "parked", |job| job["state"] == "scheduled").await;
    let message = parked["progress"]["message"].as_str().expect("a message");
    assert!(message.starts_with("waiting: DeepL's quota is used up; the billing period ends at 2"), "{message}");
    assert_eq!(parked["progress"]["percent"], 83, "{parked}");
    assert!(ms(&parked, "run_at") >= ends_at.ms(), "not before {ends_at}: {parked}");

    // The account has as little room as before, and another period: it is asked, and gets no text.
    stage.tell(json!({ "end_time": in_s(10) })).await;
    stage.deepl.until_seen("/v2/usage", 2).await;
    let again = stage.server.until(&job, "parked again", |job| job["state"] == "scheduled" && job["attempt"] == 2).await;
    assert_eq!(again["progress"]["percent"], 83, "{again}");
    assert_eq!(stage.asked().len(), 2, "one that was answered, one that was refused");
    stage.tell(json!({ "character_count": 0 })).await;
    let done = stage.server.wait(&job).await;
    assert_eq!(ended(&done).0, "completed", "one attempt was charged: {done}");
    assert_eq!(texts_of(&done, "DE").len(), 60);
    assert_eq!(done["result"]["billed_characters"], 240, "{done}");
    assert_eq!(stage.paid().len(), 60, "what was there before the wait was not paid for again");
    assert_eq!(stage.deepl.seen("/v2/usage").len(), 3, "one look for each wake, and one when it was refused");
}

#[tokio::test]
async fn without_an_end_the_account_is_looked_at_each_hour() {
    let stage = Stage::new().await;
    stage.tell(json!({ "character_limit": 3 })).await;
    let jobs = [
        stage.submit(json!({ "texts": ["four"], "targets": ["DE"] })).await,
        stage.submit(json!({ "texts": ["five"], "targets": ["FR"] })).await,
    ];
    for job in &jobs {
        let parked = stage.server.until(job, "parked", |job| job["state"] == "scheduled").await;
        let message = parked["progress"]["message"].as_str().expect("a message");
        assert!(message.contains("DeepL does not tell when the billing period ends"), "{message}");
        let waits_ms = ms(&parked, "run_at") - ms(&parked, "created_at");
        assert!((3_600_000..4_600_000).contains(&waits_ms), "{waits_ms}");
        let attempts = stage.server.attempts(&parked).await;
        assert_eq!(attempts[0]["outcome"], "snoozed", "{attempts:?}");
    }
    assert_eq!((stage.asked().len(), stage.deepl.seen("/v2/usage").len()), (2, 2));
    // A small one still goes: there is room for it.
    assert_eq!(ended(&stage.came_of(json!({ "texts": ["two"], "targets": ["DE"] })).await).0, "completed");
}
