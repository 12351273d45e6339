//! What was paid for is not paid for again: within a job, between jobs of a tenant, and never seen by another tenant.

use super::*;

#[tokio::test]
async fn a_text_is_paid_for_once_whichever_job_has_it() {
    let stage = Stage::new().await;
    let first = stage.came_of(json!({ "texts": ["one", "two", "one", "", "two"], "targets": ["DE", "FR"], "source": "EN" })).await;
    assert_eq!(texts_of(&first, "DE"), ["DE|one", "DE|two", "DE|one", "", "DE|two"], "{first}");
    assert_eq!(texts_of(&first, "FR"), ["FR|one", "FR|two", "FR|one", "", "FR|two"]);
    let counts =
        |job: &Value| ["translated", "from_cache", "billed_characters"].map(|name| job["result"][name].as_u64().expect("a number"));
    assert_eq!(counts(&first), [4, 0, 12]);
    assert_eq!(stage.paid(), ["DE|one", "DE|two", "FR|one", "FR|two"], "a text that is there twice is sent once, an empty one not at all");

    let second = stage.came_of(json!({ "texts": { "a": "three", "b": "two" }, "targets": ["de"], "source": "en" })).await;
    let expected = json!({ "de": { "a": { "text": "DE|three", "source": "EN" }, "b": { "text": "DE|two", "source": "EN" } } });
    assert_eq!((&second["result"]["translations"], counts(&second)), (&expected, [1, 1, 5]), "{second}");
    assert_eq!(stage.paid()[4..], ["DE|three"]);

    // Whatever changes the answer is asked for anew.
    for (number, changed) in [
        json!({}),
        json!({ "source": "EN", "formality": "more" }),
        json!({ "source": "EN", "context": "numbers" }),
        json!({ "source": "EN", "tag_handling": "html" }),
        json!({ "source": "EN", "glossary": { "DE": { "one": "eins" } } }),
        json!({ "source": "EN", "glossary": { "DE": { "one": "Eins" } } }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut payload = json!({ "texts": ["one"], "targets": ["DE"] });
        payload.as_object_mut().expect("an object").extend(changed.as_object().expect("an object").clone());
        for paid in [1, 0] {
            let job = stage.came_of(payload.clone()).await;
            assert_eq!(job["result"]["translated"], paid, "{job}");
        }
        assert_eq!(stage.paid().len(), 6 + number, "{payload}");
    }

    let alone = json!({ "texts": ["one", "never before"], "targets": ["DE"], "source": "EN", "cache": false });
    for _ in 0..2 {
        assert_eq!(counts(&stage.came_of(alone.clone()).await), [2, 0, 15], "nothing is taken, and nothing is kept for others");
    }
    let after = stage.came_of(json!({ "texts": ["never before"], "targets": ["DE"], "source": "EN" })).await;
    assert_eq!(counts(&after), [1, 0, 12], "{after}");
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    let stage = Stage::new().await;
    let other = stage.server.of_tenant("other");
    connect(&other, "deepl", json!({ "url": stage.url() }), KEY).await;
    let payload = json!({ "texts": ["confidential"], "targets": ["DE"] });
    let ours = stage.came_of(payload.clone()).await;
    let theirs = other.wait(&submit(&other, payload, 1).await).await;
    for job in [&ours, &theirs] {
        assert_eq!((&job["result"]["translated"], &job["result"]["from_cache"]), (&json!(1), &json!(0)), "{job}");
    }
    assert_eq!(stage.paid().len(), 2);
}

#[tokio::test]
async fn a_glossary_is_made_once_and_one_that_was_changed_counts_anew() {
    let stage = Stage::new().await;
    let with = |glossary: Value| json!({ "texts": ["Hello", "invoice"], "targets": ["EN-GB", "DE", "EN-US"], "source": "FR", "glossary": glossary });
    let terms = with(json!({ "EN": { "Hello": "Hi" }, "DE": { "invoice": "Rechnung" } }));
    let job = stage.came_of(terms.clone()).await;
    assert_eq!(
        (texts_of(&job, "EN-GB"), texts_of(&job, "DE")),
        (vec!["Hi".into(), "EN-GB|invoice".into()], vec!["DE|Hello".into(), "Rechnung".into()])
    );
    let mut more = terms;
    more["texts"] = json!(["Hello", "more"]);
    stage.came_of(more).await;
    let made: Vec<Value> = stage.deepl.seen("/v2/glossaries").into_iter().filter(|line| line["method"] == "POST").collect();
    assert_eq!(made.len(), 2, "one for EN and one for DE: {made:?}");

    let id = made[0]["id"].as_str().expect("an id").to_owned();
    let by_id = json!({ "texts": ["Hello"], "targets": ["EN-GB"], "source": "FR", "glossary": { "EN-GB": id } });
    for paid in [1, 0] {
        let job = stage.came_of(by_id.clone()).await;
        assert_eq!((texts_of(&job, "EN-GB"), &job["result"]["translated"]), (vec!["Hi".into()], &json!(paid)), "{job}");
    }
    for (glossary, code) in
        [(json!({ "EN": "def3a26b-3e84-45b3-84ae-0c0aaf3525f7" }), "glossary_unknown"), (json!({ "DE": id }), "glossary_unknown")]
    {
        assert_eq!(ended(&stage.came_of(with(glossary)).await), ("dead", code, 1));
    }
    let refused = json!({ "texts": ["Hello"], "targets": ["TH"], "source": "EN", "glossary": { "TH": { "a": "b" } } });
    let refused = stage.came_of(refused).await;
    assert_eq!(ended(&refused), ("dead", "glossary_refused", 1), "{refused}");
    stage.tell(json!({ "ready": false })).await;
    let waiting = json!({ "texts": ["Hello"], "targets": ["DE"], "source": "EN", "glossary": { "DE": { "x": "y" } } });
    let waiting = submit(&stage.server, waiting, 5).await;
    stage.server.until(&waiting, "retried", |job| job["error"]["code"] == "glossary_not_ready").await;
    stage.tell(json!({ "ready": true })).await;
    assert_eq!(ended(&stage.server.wait(&waiting).await).0, "completed");
}

#[tokio::test]
async fn many_and_large_texts_are_cut_into_requests_that_deepl_takes() {
    let stage = Stage::new().await;
    let mut texts: Vec<String> = (0..1_234).map(|number| format!("text number {number}")).collect();
    texts.extend((0..7).map(|number| format!("{number}{}", "ü\"\n".repeat(16_000))));
    let job = stage.came_of(json!({ "texts": texts, "targets": ["DE", "FR", "ES"] })).await;
    assert_eq!(ended(&job), ("completed", "", 1), "{}", job["error"]);
    assert_eq!((&job["result"]["translations"], &job["result"]["artifact"]), (&Value::Null, &json!("translations")));
    let asked = stage.asked();
    assert!(asked.iter().all(|line| line["status"] == 200), "DeepL takes each");
    let largest = asked.iter().map(|line| line["bytes"].as_u64().expect("a number")).max();
    println!("{} texts into 3 languages by {} requests, the largest of {largest:?} bytes", texts.len(), asked.len());
    assert_eq!(stage.paid().len(), 3 * texts.len());

    let id = job["id"].as_str().expect("an id");
    let artifacts = stage.server.read(&format!("/v1/jobs/{id}/artifacts")).await;
    let link = artifacts["artifacts"][0]["url"].as_str().expect("a link");
    let client = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
    let whole: Value = client.get(link).send().await.expect("an answer").json().await.expect("JSON");
    for target in ["DE", "FR", "ES"] {
        let translations = whole[target].as_array().expect("translations");
        assert_eq!(translations.len(), texts.len());
        for (text, translation) in texts.iter().zip(translations) {
            assert_eq!(translation["text"], format!("{target}|{text}"));
        }
    }
    let too_large = json!({ "connection": "deepl", "texts": ["a", "x".repeat(128 * 1024)], "targets": ["DE"] });
    let refused = json!({ "kind": "translation.translate", "payload": too_large });
    let refused = stage.server.send(Method::POST, "/v1/jobs", &[], Some(refused)).await;
    assert_eq!((refused.status, refused.body["pointer"].as_str()), (422, Some("/payload/texts/1")), "{}", refused.body);
}
