//! The same texts by OpenAI's own package and by our client: the same requests, and the same vectors of the answers.

use std::path::Path;

use windrow_tests::python;

use super::*;

#[tokio::test]
async fn we_ask_as_the_official_package_asks() {
    let fake = Fake::start().await;
    let texts = ["Hello, world!", "Grüße \u{1f44b} \"quoted\"\n", "c"];
    let calls = [
        (json!({ "model": "text-embedding-3-small", "input": texts }), json!({ "model": "text-embedding-3-small" }), 8),
        (json!({ "model": "m", "input": texts, "dimensions": 5 }), json!({ "model": "m", "dimensions": 5 }), 5),
    ];
    let theirs: Vec<&Value> = calls.iter().map(|(call, ..)| call).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/embedding/official.py");
    let told = python::run("python", &[script, &fake.url(), KEY, &json!(theirs).to_string()], &[], Path::new("/tmp")).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let expected = json!({
        "rate": ["RateLimitError", "rate_limit_exceeded"], "unpaid": ["RateLimitError", "insufficient_quota"],
        "401": ["AuthenticationError", null], "400": ["BadRequestError", null], "503": ["InternalServerError", null],
    });
    assert_eq!(told["refused"], expected, "the server refuses as OpenAI does");
    let official: Vec<Value> = fake.asked().into_iter().filter(|line| line["status"] == 200).collect();
    assert_eq!(official.len(), calls.len());

    for (number, (_, config, dimension)) in calls.into_iter().enumerate() {
        let made = embed(&fake.client(config), &texts, dimension).await.expect("vectors");
        let theirs = &told["results"][number];
        let vectors: Vec<Vec<f32>> = serde_json::from_value(theirs["vectors"].clone()).expect("vectors");
        assert_eq!((made.vectors, made.tokens), (vectors, theirs["tokens"].as_u64()));
        let ours = fake.asked().pop().expect("a request");
        for field in ["path", "body", "content_type", "status", "errors"] {
            assert_eq!(ours[field], official[number][field], "{field}");
        }
    }
}
