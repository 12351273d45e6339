//! DeepL in trouble, and others in its place: a clear error, tried again where that may help, and nothing wrong is kept.

use super::*;

#[tokio::test]
async fn statuses_decide_whether_it_is_tried_again() {
    let stage = Stage::new().await;
    for (status, code) in
        [(429, "provider_busy"), (503, "provider_busy"), (529, "provider_busy"), (500, "provider_failed"), (504, "provider_failed")]
    {
        stage.tell(json!({ "next": [status] })).await;
        let job = stage.came_of(json!({ "texts": [format!("after {status}")], "targets": ["DE"] })).await;
        assert_eq!(ended(&job), ("completed", "", 2), "{status}: {job}");
        let attempts = stage.server.attempts(&job).await;
        assert_eq!(attempts[0]["error"]["code"], code, "{status}: {attempts:?}");
        let message = attempts[0]["error"]["message"].as_str().expect("a message");
        assert!(message.contains(&format!("answered {status}")) && !message.contains("planted"), "{message}");
        if code == "provider_busy" {
            let waited = windrow_tests::server::ms(&attempts[1], "started_at") - windrow_tests::server::ms(&attempts[0], "finished_at");
            assert!(waited >= 1_000, "{status}: Retry-After is 1, and it was tried again after {waited} ms");
        }
    }
    for status in [400, 404, 413, 414, 302, 307] {
        stage.tell(json!({ "next": [status] })).await;
        let job = stage.came_of(json!({ "texts": [format!("after {status}")], "targets": ["DE"] })).await;
        assert_eq!(ended(&job), ("dead", "translation_refused", 1), "{status}: {job}");
    }
    stage.tell(json!({ "next": [403] })).await;
    let refused = stage.server.wait(&submit(&stage.server, json!({ "texts": ["a"], "targets": ["DE"] }), 1).await).await;
    assert_eq!(ended(&refused), ("dead", "connection_refused", 1), "{refused}");
    let connection = stage.server.read("/v1/connections/deepl").await;
    assert_eq!((&connection["state"], &connection["error"]["code"]), (&json!("error"), &json!("connection_refused")));
    connect(&stage.server, "other_plan", json!({ "url": "https://api.deepl.com" }), KEY).await;
    let payload = json!({ "connection": "other_plan", "texts": ["a"], "targets": ["DE"] });
    let other_plan = stage.server.wait(&submit(&stage.server, payload, 1).await).await;
    assert_eq!(ended(&other_plan).1, "connection_refused", "{other_plan}");
    assert!(other_plan["error"]["message"].as_str().is_some_and(|message| message.contains("https://api-free.deepl.com")), "{other_plan}");
    assert_eq!(stage.server.read("/v1/connections/other_plan").await["state"], "error");
    assert!(!stage.server.log().contains("planted-"), "a key is in the log");
}

#[tokio::test]
async fn an_answer_that_is_none_fails_and_nothing_of_it_is_kept() {
    let stage = Stage::new().await;
    for (trick, code) in [
        ("fewer", "provider_failed"),
        ("more", "provider_failed"),
        ("long", "provider_failed"),
        ("nulls", "provider_failed"),
        ("numbers", "provider_failed"),
        ("error", "provider_failed"),
        ("html", "provider_failed"),
        ("cut", "connection_broken"),
        ("endless", "answer_too_large"),
    ] {
        stage.tell(json!({ "next": [trick] })).await;
        let payload = json!({ "texts": [format!("{trick} one"), format!("{trick} two")], "targets": ["DE"] });
        let failed = stage.server.wait(&submit(&stage.server, payload.clone(), 1).await).await;
        assert_eq!(ended(&failed), ("dead", code, 1), "{trick}: {failed}");
        let after = stage.came_of(payload).await;
        assert_eq!(texts_of(&after, "DE"), [format!("DE|{trick} one"), format!("DE|{trick} two")], "{trick}: nothing wrong was kept");
    }
    stage.tell(json!({ "next": ["echo"] })).await;
    let echoed = stage.came_of(json!({ "texts": ["echo"], "targets": ["DE"] })).await;
    assert_eq!(texts_of(&echoed, "DE"), ["your key is (hidden)"], "whoever answers may repeat the key: it is not kept");
}
