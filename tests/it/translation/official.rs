//! The same calls by DeepL's own package and by jobs make the same requests, and both read the same from the answers.

use std::path::Path;

use serde_json::{Value, json};
use windrow_tests::python;

use super::*;
use crate::printed::{run, steps};

/// The arguments of the package, and the payload that says the same.
fn calls() -> Vec<(Value, Value)> {
    let texts = json!(["Hello, world!", "Grüße \u{1f44b} \"quoted\"\n", "<p>Tags</p>"]);
    vec![
        (json!({ "text": texts, "target_lang": "DE" }), json!({ "texts": texts, "targets": ["DE"] })),
        (
            json!({ "text": texts, "target_lang": "en-gb", "source_lang": "de", "formality": "prefer_less", "preserve_formatting": true,
                    "split_sentences": "nonewlines", "context": "A greeting", "model_type": "prefer_quality_optimized" }),
            json!({ "texts": texts, "targets": ["en-gb"], "source": "de", "formality": "prefer_less", "preserve_formatting": true,
                    "split_sentences": "nonewlines", "context": "A greeting", "model_type": "prefer_quality_optimized" }),
        ),
        (
            json!({ "text": texts, "target_lang": "PT-BR", "tag_handling": "xml", "tag_handling_version": "v2", "outline_detection": false,
                    "non_splitting_tags": ["b"], "splitting_tags": ["p", "li"], "ignore_tags": ["x"], "split_sentences": "0",
                    "custom_instructions": ["Be brief", "Be kind"] }),
            json!({ "texts": texts, "targets": ["PT-BR"], "tag_handling": "xml", "tag_handling_version": "v2", "outline_detection": false,
                    "non_splitting_tags": ["b"], "splitting_tags": ["p", "li"], "ignore_tags": ["x"], "split_sentences": "0",
                    "custom_instructions": ["Be brief", "Be kind"] }),
        ),
        (
            json!({ "text": texts, "target_lang": "EN-US", "source_lang": "DE", "terms": { "Hello, world!": "Hi", " ä ": "ae " } }),
            json!({ "texts": texts, "targets": ["EN-US"], "source": "DE", "glossary": { "EN": { "Hello, world!": "Hi", " ä ": "ae " } } }),
        ),
    ]
}

/// What of a request the two must have in common; a glossary's id and name are each one's own, and the case of its languages does not count.
fn common(line: &Value) -> Value {
    let mut line = line.clone();
    if line["path"] == "/v2/glossaries" {
        line["body"]["name"] = Value::Null;
        for field in ["source_lang", "target_lang"] {
            line["body"][field] = line["body"][field].as_str().expect("a language").to_lowercase().into();
        }
    }
    if !line["body"]["glossary_id"].is_null() {
        line["body"]["glossary_id"] = "an id".into();
    }
    for field in ["bytes", "id"] {
        line.as_object_mut().expect("an object").remove(field);
    }
    line
}

#[tokio::test]
async fn jobs_ask_as_the_official_package_asks() {
    let stage = Stage::new().await;
    let posted = |path: &str| stage.deepl.seen(path).into_iter().filter(|line| line["method"] == "POST").collect::<Vec<_>>();
    let (theirs, ours): (Vec<Value>, Vec<Value>) = calls().into_iter().unzip();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/translation/official.py");
    let told = python::run("python", &[script, &stage.url(), KEY, &Value::from(theirs).to_string()], &[], Path::new("/tmp")).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let expected = json!({
        "403": "AuthorizationException", "456": "QuotaExceededException", "429": "TooManyRequestsException", "400": "DeepLException"
    });
    assert_eq!(told["refused"], expected, "the server refuses as DeepL does");
    let asked = |from: usize| {
        let translated: Vec<Value> = stage.asked().iter().skip(from).filter(|line| line["status"] == 200).map(common).collect();
        (translated, posted("/v2/glossaries").iter().map(common).collect::<Vec<_>>())
    };
    let (count, official) = (stage.asked().len(), asked(0));
    assert_eq!(official.0.len(), calls().len());

    for (payload, results) in ours.into_iter().zip(told["results"].as_array().expect("results")) {
        let target = payload["targets"][0].as_str().expect("a target").to_owned();
        let job = stage.came_of(payload).await;
        assert_eq!(ended(&job), ("completed", "", 1), "{job}");
        let results = results.as_array().expect("translations");
        let expected: Vec<(&Value, &Value)> = results.iter().map(|one| (&one[0], &one[1])).collect();
        let translations = job["result"]["translations"][&target].as_array().expect("translations");
        assert_eq!(translations.iter().map(|one| (&one["text"], &one["source"])).collect::<Vec<_>>(), expected, "{job}");
        let billed: u64 = results.iter().filter_map(|one| one[2].as_u64()).sum();
        assert_eq!(job["result"]["billed_characters"], billed, "{job}");
    }
    let (translated, glossaries) = asked(count);
    assert_eq!(translated, official.0);
    assert_eq!(glossaries, [official.1[0].clone(), official.1[0].clone()], "one by each");
    for line in stage.asked() {
        assert_eq!((&line["errors"], &line["content_type"]), (&Value::Null, &json!("application/json")), "{line}");
    }
}

#[tokio::test]
async fn a_connection_is_tested_by_its_usage() {
    let stage = Stage::new().await;
    connect(&stage.server, "wrong", json!({ "url": stage.url() }), "planted-wrong-key-0d1f").await;
    connect(&stage.server, "other_plan", json!({ "url": "https://api.deepl.com" }), KEY).await;
    stage.tell(json!({ "character_count": 180_118, "character_limit": 1_250_000 })).await;
    let tested = async |name: &str| {
        let asked = stage.server.send(Method::POST, &format!("/v1/connections/{name}/test"), &[], None).await;
        let job = stage.server.wait(&asked.body).await;
        (job, stage.server.read(&format!("/v1/connections/{name}")).await)
    };
    let (good, connection) = tested("deepl").await;
    assert_eq!(good["result"]["seen"], "180118 of 1250000 characters are used", "{good}");
    assert_eq!(connection["state"], "active");
    for (name, code) in [("wrong", "connection_refused"), ("other_plan", "connection_invalid")] {
        let (refused, connection) = tested(name).await;
        assert_eq!((ended(&refused).1, &connection["state"]), (code, &json!("error")), "{refused}");
    }
    assert!(stage.asked().is_empty());
    let log = stage.server.log();
    assert!(!log.contains("planted-"), "a key is in the log");
}

#[tokio::test]
async fn the_commands_of_the_document_work_as_printed() {
    let stage = Stage::new().await;
    let removed = stage.server.send(Method::DELETE, "/v1/connections/deepl", &[], None).await;
    assert_eq!(removed.status, 204);
    let mut steps = steps("docs/translation.md", "An example");
    assert_eq!(steps.len(), 3);
    steps[0].commands.insert_str(0, &format!("deepl_url={} deepl_key={KEY}\n", stage.url()));
    run(&stage.server, &steps).await;
}
