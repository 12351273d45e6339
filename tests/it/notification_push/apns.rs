//! Straight over APNs: HTTP/2, a provider token, and what becomes of each of its refusals.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use windrow_tests::{
    python::tool,
    server::{Server, ms},
};

use super::{came_of, connect, lines, script, serve, tested};
use crate::http_request::Peer;

async fn apns(server: &Server) -> Peer {
    let script = script("apns_server.py");
    Peer::start(&tool("python"), "apns", &["-u", script.to_str().expect("a path")], &[], server.home()).await
}

/// A connection to it, with the key of this file.
fn connection(server: &Server, peer: &Peer, name: &str, key: &str) -> Value {
    let read = |file: &str| fs::read_to_string(server.home().join(file)).expect("the server wrote it");
    let config = json!({
        "team_id": "TEAM567890", "key_id": "KEY4567890", "topic": "com.example.app",
        "base_url": format!("https://127.0.0.1:{}", peer.port), "ca_pem": read("ca.pem")
    });
    json!({ "name": name, "provider": "apns", "config": config, "secrets": { "private_key": read(key) } })
}

/// A device token that begins like this.
fn device(start: &str, number: u32) -> String {
    format!("{start}{number:062x}")
}

#[tokio::test]
async fn each_device_gets_one_message_and_each_refusal_its_due() {
    let server = serve().await;
    let peer = apns(&server).await;
    connect(&server, connection(&server, &peer, "phones", "key.p8")).await;
    let test = tested(&server, "phones").await;
    let seen = test["result"]["seen"].as_str().unwrap_or_else(|| panic!("{test} {} {}", peer.process.log(), server.log()));
    assert!(seen.contains("BadDeviceToken"), "{seen}");
    assert_eq!(server.read("/v1/connections/phones").await["state"], "active");

    let good: Vec<String> = (0..100).map(|number| device("aa", number)).collect();
    let starts = ["ba", "bb", "bf", "bc", "bd", "be", "cb"].map(|start| device(start, 1));
    let tokens: Vec<String> = good.iter().cloned().chain(starts).chain(["no-hex".to_owned()]).collect();
    let payload = json!({ "to": { "tokens": tokens }, "data": { "booking": "7" }, "apns": { "payload": { "aps": { "badge": 1 } } } });
    let job = came_of(&server, payload, 6).await;
    assert_eq!(job["state"], "completed", "{job} {}", peer.process.log());
    assert_eq!(job["result"]["sent"], 104, "{job}");
    let mut dead: Vec<(&str, &str, bool)> = job["result"]["dead"]
        .as_array()
        .expect("dead")
        .iter()
        .map(|one| (&one["token"].as_str().expect("a token")[..2], one["reason"].as_str().expect("a word"), one["at"].is_string()))
        .collect();
    dead.sort_unstable();
    assert_eq!(dead, [("ba", "Unregistered", true), ("bb", "DeviceTokenNotForTopic", false), ("no", "BadDeviceToken", false)]);
    let unregistered = job["result"]["dead"].as_array().expect("dead").iter().find(|one| one["reason"] == "Unregistered").expect("one");
    assert_eq!(ms(unregistered, "at"), 1_767_225_600_000);
    assert_eq!(
        (&job["result"]["failed"][0]["reason"], job["result"]["failed"].as_array().map(Vec::len)),
        (&json!("PayloadTooLarge"), Some(1))
    );

    let seen = lines(&peer);
    let of = |device: &str| -> Vec<&Value> { seen.iter().filter(|line| line["device"] == device).collect() };
    for device in &good {
        let requests: BTreeSet<&str> = of(device).iter().filter_map(|line| line["headers"]["apns-id"].as_str()).collect();
        let taken = of(device).iter().filter(|line| line["status"] == 200).count();
        // What went down with the connection is sent again, as nobody knew; under its name.
        assert_eq!((taken, requests.len()), (1, 1), "{device}: {:?}", of(device));
    }
    let first = of(&good[0])[0];
    let headers = &first["headers"];
    assert_eq!((first["alpn"].as_str(), headers[":method"].as_str()), (Some("h2"), Some("POST")), "{first}");
    assert_eq!(headers[":path"], format!("/3/device/{}", good[0]));
    assert_eq!((&headers["apns-topic"], &headers["apns-push-type"]), (&json!("com.example.app"), &json!("alert")));
    assert_eq!(headers["apns-id"], headers["apns-collapse-id"]);
    assert_eq!(first["body"], json!({ "aps": { "alert": { "title": "Hi", "body": "There" }, "badge": 1 }, "booking": "7" }));
    assert!(seen.iter().any(|line| line["streams"].as_u64() > Some(4)), "streams share a connection");
    let connections: BTreeSet<u64> = seen.iter().filter_map(|line| line["connection"].as_u64()).collect();
    assert!(connections.len() <= 3, "one, and one after GOAWAY: {connections:?}");
    let tokens: BTreeSet<&str> = seen.iter().filter_map(|line| line["token"].as_str()).collect();
    assert_eq!(tokens.len(), 1, "a provider token is kept");
    let again = of(&device("cb", 1)).iter().map(|line| line["status"].as_u64()).collect::<Vec<_>>();
    assert_eq!(again, [None, Some(200)], "GOAWAY, then taken");
    let told = format!("{job} {} {:?}", server.log(), server.logs(&job).await);
    assert!(!told.contains("PRIVATE KEY") && !told.contains(tokens.first().expect("one")), "{told}");
}

#[tokio::test]
async fn a_provider_token_that_has_ended_is_renewed_once() {
    let server = serve().await;
    let peer = apns(&server).await;
    connect(&server, connection(&server, &peer, "phones", "key.p8")).await;
    let job = came_of(&server, json!({ "to": { "tokens": [device("ca", 1), device("aa", 1)] } }), 1).await;
    assert_eq!(job["result"]["sent"], 2, "{job}");
    let tokens: BTreeSet<String> = lines(&peer).iter().filter_map(|line| line["token"].as_str().map(str::to_owned)).collect();
    assert_eq!(tokens.len(), 2);
    // Once more, a moment later: a third would make Apple refuse the team.
    let refused = came_of(&server, json!({ "to": { "token": device("ca", 2) } }), 1).await;
    assert_eq!(refused["error"]["code"], "connection_refused", "{refused}");
    let later: BTreeSet<String> = lines(&peer).iter().filter_map(|line| line["token"].as_str().map(str::to_owned)).collect();
    assert_eq!(later, tokens);
    assert_eq!(server.read("/v1/connections/phones").await["state"], "error");
}

#[tokio::test]
async fn a_wrong_key_and_a_stranger_are_noticed() {
    let server = serve().await;
    let peer = apns(&server).await;
    connect(&server, connection(&server, &peer, "phones", "other.p8")).await;
    let test = tested(&server, "phones").await;
    assert_eq!((&test["state"], &test["error"]["code"]), (&json!("dead"), &json!("connection_refused")), "{test}");
    assert!(test["error"]["message"].as_str().is_some_and(|message| message.contains("InvalidProviderToken")), "{test}");
    let mut stranger = connection(&server, &peer, "stranger", "key.p8");
    stranger["config"].as_object_mut().expect("an object").remove("ca_pem");
    connect(&server, stranger).await;
    let test = tested(&server, "stranger").await;
    assert_eq!(test["error"]["code"], "unreachable", "its authority is nobody's: {test}");
    connect(&server, connection(&server, &peer, "right", "key.p8")).await;
    let unfit = came_of(&server, json!({ "connection": "right", "to": { "topic": "news" } }), 3).await;
    assert_eq!((&unfit["error"]["code"], &unfit["attempt"]), (&json!("message_unfit"), &json!(1)), "{unfit}");
    assert_eq!(came_of(&server, json!({ "connection": "right", "to": { "token": device("aa", 1) } }), 1).await["result"]["sent"], 1);
}
