//! Limits, refusals and hostile answers.

use std::time::{Duration, Instant};

use windrow_jobs::{embedding::Verdict, handler::Outcome};

use super::*;

#[tokio::test]
async fn many_and_long_texts_go_in_requests_that_are_taken() {
    let fake = Fake::start().await;
    let mut texts: Vec<String> = (0..3_000).map(|number| format!("text number {number}")).collect();
    // Eight thousand tokens each, so that thirty-seven would be too many, and bytes that JSON makes longer.
    texts.extend((0..60).map(|number| format!("{number:02}{}", "\u{1}xxx".repeat(7_999))));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let begun = Instant::now();
    let made = embed(&fake.client(json!({ "texts_per_request_max": 2_048 })), &texts, 8).await.expect("vectors");
    assert_eq!(made.vectors.len(), texts.len());
    assert!(texts.iter().zip(&made.vectors).all(|(text, vector)| *vector == vector_of(text, 8)));
    let asked = fake.asked();
    assert!(asked.iter().all(|line| line["status"] == 200), "each is taken");
    let largest = asked.iter().map(|line| line["bytes"].as_u64().expect("a number")).max();
    println!("{} texts by {} requests, the largest of {largest:?} bytes, in {:?}", texts.len(), asked.len(), begun.elapsed());
}

#[tokio::test]
async fn what_is_refused_is_told_by_what_it_means() {
    let fake = Fake::start().await;
    let client = fake.client(json!({}));
    let ms = Duration::from_millis;
    for (told, verdict, code, after) in [
        (json!("rate"), Verdict::NotNow, "provider_busy", Some(ms(2_812))),
        (json!("unpaid"), Verdict::Unpaid, "provider_unpaid", None),
        (json!(429), Verdict::NotNow, "provider_busy", Some(ms(7_000))),
        (json!(503), Verdict::NotNow, "provider_busy", Some(ms(7_000))),
        (json!(500), Verdict::Failed, "provider_failed", None),
        (json!(401), Verdict::Refused, "connection_refused", None),
        (json!(400), Verdict::Never, "embedding_refused", None),
        (json!("page"), Verdict::Failed, "provider_failed", None),
        (json!("fewer"), Verdict::Failed, "provider_failed", None),
        (json!("more"), Verdict::Failed, "provider_failed", None),
        (json!("nan"), Verdict::Failed, "provider_failed", None),
        (json!("nulls"), Verdict::Failed, "provider_failed", None),
        (json!("twice"), Verdict::Failed, "provider_failed", None),
        (json!("repeats"), Verdict::Failed, "provider_failed", None),
    ] {
        fake.tell(json!({ "next": [told] })).await;
        let refused = embed(&client, &["one", "two"], 8).await.expect_err("no vectors");
        assert!(!format!("{refused:?}").contains("planted"), "a key is told: {refused:?}");
        let Unembedded::Answered { verdict: found, after: waits, .. } = &refused else { panic!("{told}: {refused:?}") };
        assert_eq!((*found, *waits), (verdict, after), "{told}: {refused:?}");
        let blamed = refused.blames().is_some();
        assert_eq!(blamed, matches!(verdict, Verdict::Refused | Verdict::Unpaid), "{told}");
        match refused.into_outcome() {
            Outcome::Retry { error, after: waits } => assert_eq!((error.code.as_str(), waits), (code, after), "{told}"),
            Outcome::Bury(error) => assert_eq!((error.code.as_str(), verdict), (code, Verdict::Never), "{told}"),
            other => panic!("{told}: {other:?}"),
        }
    }
    assert!(embed(&client, &["one"], 8).await.is_ok(), "and then it goes on");
}

#[tokio::test]
async fn answers_that_lie_or_never_end_are_left() {
    let fake = Fake::start().await;
    let client = fake.client(json!({}));
    for (told, code) in [("cut", "connection_broken"), ("endless", "answer_too_large")] {
        fake.tell(json!({ "next": [told] })).await;
        let refused = embed(&client, &["one"], 8).await.expect_err("no vectors");
        assert!(matches!(&refused, Unembedded::Unanswered(error) if error.code() == code), "{told}: {refused:?}");
        assert!(matches!(refused.into_outcome(), Outcome::Retry { error, .. } if error.code == code));
    }
    fake.tell(json!({ "next": ["dimension"] })).await;
    let other = embed(&client, &["one"], 8).await.expect_err("other vectors");
    assert_eq!(other, Unembedded::Dimension { told: 7, wanted: 8 });
    assert!(matches!(other.into_outcome(), Outcome::Bury(error) if error.code == "dimension_other"));
}

#[tokio::test]
async fn a_key_that_is_not_known_is_not_repeated() {
    let fake = Fake::start().await;
    let wrong = client(&fake.url(), json!({}), Some("planted-wrong-key-77ab"));
    let refused = embed(&wrong, &["one"], 8).await.expect_err("refused");
    assert!(matches!(&refused, Unembedded::Answered { verdict: Verdict::Refused, .. }), "{refused:?}");
    assert!(!format!("{refused:?}").contains("planted"), "{refused:?}");
    let none = client(&fake.url(), json!({}), None);
    assert!(matches!(embed(&none, &["one"], 8).await, Err(Unembedded::Answered { verdict: Verdict::Refused, .. })));
}
