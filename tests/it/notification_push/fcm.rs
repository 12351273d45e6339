//! Over FCM: what reaches it, and what becomes of each of its refusals.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use windrow_tests::server::path;

use super::{ask, came_of, connect, fcm, lines, messages, serve, start_fcm, tested, unauthenticated};

/// The tokens of a list in a result, with the reasons.
fn reasons(job: &Value, list: &str, name: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    job["result"][list].as_array().unwrap_or_else(|| panic!("{job}")).iter().map(|one| (text(&one[name]), text(&one["reason"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect();
    pairs.sort();
    pairs
}

#[tokio::test]
async fn each_token_gets_one_message_and_each_refusal_its_due() {
    let server = serve().await;
    let peer = fcm(&server).await;
    let test = tested(&server, "phones").await;
    assert_eq!(test["result"]["seen"], "a token was given, and a message was checked and not delivered", "{test} {}", peer.process.log());
    assert_eq!(server.read("/v1/connections/phones").await["state"], "active");
    let checked = &messages(&peer, "windrow-connection-test")[0]["request"];
    assert_eq!(checked["validateOnly"], true);

    let again = ["quota_once-1", "busy_once-1", "internal_once-1", "drop_once-1"];
    let good = ["ok-1", "expired-1", "ok-2"];
    let bad = ["unregistered-1", "mismatch-1", "invalid-1", "named-1", "large-1", "apple-1", "echo-1"];
    let tokens: Vec<&str> = good.iter().chain(&bad).chain(&again).chain(&["ok-1"]).copied().collect();
    let job =
        came_of(&server, json!({ "to": { "tokens": tokens }, "data": { "booking": "7" }, "android": { "priority": "high" } }), 5).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("completed"), &json!(2)), "{job} {}", peer.process.log());
    assert_eq!((&job["result"]["sent"], &job["result"]["id"], &job["result"]["unknown"]), (&json!(7), &Value::Null, &json!([])), "{job}");
    let (mut dead, mut failed) = (reasons(&job, "dead", "token"), reasons(&job, "failed", "to"));
    dead.sort();
    failed.sort();
    let invalid = "INVALID_ARGUMENT";
    assert_eq!(
        dead,
        pairs(&[("invalid-1", invalid), ("mismatch-1", "SENDER_ID_MISMATCH"), ("named-1", invalid), ("unregistered-1", "UNREGISTERED")])
    );
    assert_eq!(failed, pairs(&[("apple-1", "THIRD_PARTY_AUTH_ERROR"), ("echo-1", invalid), ("large-1", invalid)]));
    for (token, times) in [("ok-1", 1), ("ok-2", 1), ("unregistered-1", 1), ("expired-1", 1), ("drop_once-1", 2), ("quota_once-1", 2)] {
        assert_eq!(messages(&peer, token).len(), times, "{token}");
    }
    assert_eq!(unauthenticated(&peer, "expired-1"), 1);
    let attempts = server.attempts(&job).await;
    let waited = windrow_tests::server::ms(&attempts[1], "started_at") - windrow_tests::server::ms(&attempts[0], "finished_at");
    assert!(waited >= 1_000, "Retry-After is 1, and it was tried again after {waited} ms");
    // Which of them came first is not said.
    let code = attempts[0]["error"]["code"].as_str().expect("a code");
    assert!(["push_later", "push_unanswered"].contains(&code), "{attempts:?}");

    let seen: Vec<Value> = lines(&peer).into_iter().filter(|line| line["kind"] == "message").collect();
    assert!(seen.iter().all(|line| line["errors"] == json!([]) && line["path"] == "/v1/projects/demo/messages:send"), "{seen:?}");
    let id = job["id"].as_str().expect("an id");
    let key = format!("{id}.token-0");
    let message = &messages(&peer, "ok-1")[0]["request"]["message"];
    assert_eq!(
        message,
        &json!({ "token": "ok-1", "notification": { "title": "Hi", "body": "There" }, "data": { "booking": "7" },
            "android": { "priority": "HIGH", "notification": { "tag": key } }, "apns": { "headers": { "apns-collapse-id": key } } })
    );
    let repeated = messages(&peer, "drop_once-1");
    assert_eq!(repeated[0]["request"], repeated[1]["request"], "what is repeated takes the place of the first");
    let effects = server.read(&path(&job, "/effects")).await;
    let effects = effects["effects"].as_array().expect("effects");
    let first = effects.iter().find(|effect| effect["key"] == "token-0").expect("the effect of the first token");
    assert_eq!((&first["state"], &first["provider_id"]), (&json!("confirmed"), &json!("projects/demo/messages/ok-1-1")), "{first}");
    let unknown: Vec<&Value> = effects.iter().filter(|effect| effect["unknowns"] == 1).map(|effect| &effect["key"]).collect();
    // Those of `internal_once-1` and `drop_once-1`.
    assert_eq!(unknown.len(), 2, "{effects:?}");
    let tokens: Vec<Value> = lines(&peer).into_iter().filter(|line| line["kind"] == "token").collect();
    assert!(tokens.len() <= 3 && tokens.iter().all(|line| line["status"] == 200), "one for the test, one for expired-1: {tokens:?}");
    let told = format!("{job} {} {:?}", server.log(), server.logs(&job).await);
    assert!(!told.contains("PRIVATE KEY") && told.contains("you said Bearer (hidden)"), "{told}");
}

#[tokio::test]
async fn topics_conditions_and_checks_are_one_message() {
    let server = serve().await;
    let peer = fcm(&server).await;
    for (to, name) in [
        (json!({ "topic": "news" }), "news"),
        (json!({ "condition": "'a' in topics && !('b' in topics)" }), "'a' in topics && !('b' in topics)"),
        (json!({ "token": "ok-1" }), "ok-1"),
    ] {
        let job = came_of(&server, json!({ "to": to, "validate_only": true, "analytics_label": "label" }), 2).await;
        assert_eq!(
            job["result"],
            json!({ "sent": 1, "id": format!("projects/demo/messages/{name}-1"), "dead": [], "failed": [], "unknown": [] })
        );
        let seen = &messages(&peer, name)[0];
        assert_eq!((&seen["errors"], &seen["request"]["validateOnly"]), (&json!([]), &json!(true)));
        assert_eq!(seen["request"]["message"]["fcmOptions"], json!({ "analyticsLabel": "label" }));
    }
    let refused = came_of(&server, json!({ "to": { "token": "large-1" } }), 5).await;
    assert_eq!((&refused["state"], &refused["attempt"]), (&json!("dead"), &json!(1)));
    assert_eq!(refused["error"]["code"], "message_refused");
    assert!(refused["error"]["message"].as_str().is_some_and(|message| message.contains("Android message is too big")), "{refused}");
    let dead = came_of(&server, json!({ "to": { "token": "unregistered-1" } }), 5).await;
    assert_eq!((&dead["state"], &dead["result"]["dead"][0]["token"]), (&json!("completed"), &json!("unregistered-1")));
    assert_eq!(server.read("/v1/connections/phones").await["state"], "active", "messages say nothing of the connection");
}

#[tokio::test]
async fn what_nobody_knows_is_left_or_decided_by_a_person() {
    let server = serve().await;
    let peer = fcm(&server).await;
    let left = ask(&server, json!({ "to": { "tokens": ["ok-1", "drop-1"] }, "when_unknown": "drop" }), 5).await;
    let parked = ask(&server, json!({ "to": { "tokens": ["ok-2", "drop-2"] }, "when_unknown": "park" }), 5).await;
    let left = server.wait(&left).await;
    assert_eq!((&left["result"]["sent"], &left["result"]["unknown"]), (&json!(1), &json!(["drop-1"])), "{left}");
    let parked = server.wait(&parked).await;
    assert_eq!((&parked["state"], &parked["error"]["code"]), (&json!("dead"), &json!("effect_parked")), "{parked}");
    let said = server.send(Method::POST, &path(&parked, "/effects/token-1"), &[], Some(json!({ "happened": true }))).await;
    assert_eq!(said.status, 200, "{}", said.body);
    // All is settled, so nobody needs the connection any more.
    let deleted = server.send(Method::DELETE, "/v1/connections/phones", &[], None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    assert!(server.redrive(&parked).await.status < 300);
    let parked = server.wait(&parked).await;
    assert_eq!((&parked["state"], &parked["result"]["sent"]), (&json!("completed"), &json!(2)), "{parked}");
    for token in ["ok-1", "ok-2", "drop-1", "drop-2"] {
        assert_eq!(messages(&peer, token).len(), 1, "{token}");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_token_leaves_nothing_in_doubt() {
    let server = serve().await;
    let (peer, private_key) = start_fcm(&server).await;
    // It takes the request for a token, and never answers.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let token_uri = format!("http://{}/token", mute.local_addr().expect("an address"));
    let config = json!({
        "project_id": "demo", "client_email": "push@demo.example", "base_url": format!("http://127.0.0.1:{}", peer.port), "token_uri": token_uri
    });
    connect(&server, json!({ "name": "phones", "provider": "fcm", "config": config, "secrets": { "private_key": private_key } })).await;
    let job = ask(&server, json!({ "to": { "token": "ok-1" }, "when_unknown": "park" }), 1).await;
    let _asked = mute.accept().await.expect("it is asked for a token");
    assert_eq!(server.read(&path(&job, "/effects")).await["effects"], json!([]));
}

#[tokio::test]
async fn a_connection_that_is_not_let_in_says_so() {
    let server = serve().await;
    let peer = fcm(&server).await;
    let refused = came_of(&server, json!({ "to": { "tokens": ["unauthenticated-1"] } }), 1).await;
    assert_eq!(refused["error"]["code"], "connection_refused", "{refused}");
    assert_eq!(unauthenticated(&peer, "unauthenticated-1"), 2, "with another token, once");
    let connection = server.read("/v1/connections/phones").await;
    assert_eq!((&connection["state"], &connection["error"]["code"]), (&json!("error"), &json!("connection_refused")), "{connection}");
    let closed = came_of(&server, json!({ "to": { "token": "ok-1" } }), 1).await;
    assert_eq!(closed["error"]["code"], "connection_closed");
    assert_eq!(tested(&server, "phones").await["state"], "completed");
    assert_eq!(came_of(&server, json!({ "to": { "token": "ok-1" } }), 1).await["result"]["sent"], 1);
    let denied = came_of(&server, json!({ "to": { "token": "denied-1" } }), 1).await;
    assert_eq!(denied["error"]["code"], "connection_refused", "{denied}");
    assert_eq!(server.read("/v1/connections/phones").await["state"], "error");
}

#[tokio::test]
async fn what_is_wrong_is_said_at_submission() {
    let server = serve().await;
    let many: Vec<String> = (0..501).map(|n| format!("t{n}")).collect();
    for (payload, pointer) in [
        (json!({ "to": { "tokens": many } }), "/payload/to/tokens"),
        (json!({ "to": { "token": "t", "topic": "news" } }), "/payload/to"),
        (json!({ "to": { "condition": "'a' in" } }), "/payload/to/condition"),
        (json!({ "to": { "token": "t" }, "data": { "google.sent": "x" } }), "/payload/data/google.sent"),
        (json!({ "to": { "token": "t" }, "data": { "large": "x".repeat(5_000) } }), "/payload/data"),
        (json!({ "to": { "token": "t" }, "android": { "colour": "red" } }), "/payload/android/colour"),
        (json!({ "to": { "token": "t" }, "notification": { "title": 7 } }), "/payload/notification/title"),
    ] {
        let mut payload = payload;
        payload["connection"] = json!("phones");
        if payload.get("notification").is_none() {
            payload["notification"] = json!({ "title": "Hi" });
        }
        let refused = server.send(Method::POST, "/v1/jobs", &[], Some(json!({ "kind": "notification.push", "payload": payload }))).await;
        assert_eq!((refused.status, refused.body["pointer"].as_str()), (422, Some(pointer)), "{}", refused.body);
    }
}
