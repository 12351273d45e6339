//! What opens the door of an endpoint: a certificate of our own, an authority of its own, a key that is no `Authorization`.

use serde_json::{Value, json};
use windrow_tests::{authority, provider::Provider};

use super::{asked, connect, create, serve, tested};

const PATH: &str = "mobilithek/api/v1.0/subscription";

fn offers(subject: &str) -> Value {
    json!({ "offers": { "1": { "json": { "open": true }, "modified": "Sun, 22 Nov 2026 06:00:00 GMT", "subject": subject } } })
}

#[tokio::test]
async fn a_certificate_is_shown_to_whom_it_is_for_and_nobody_else_goes_by_it() {
    let server = serve().await;
    let broker = Provider::start_apart("mobilithek", offers("machine-1"), "machine-1").await;
    connect(&server, &broker, "broker", json!({ "method": "GET" }), json!({})).await;
    let got = asked(&server, "broker", PATH, json!({ "subscriptionID": "1" })).await;
    assert_eq!((&got["state"], &got["result"]["body"]), (&json!("completed"), &json!({ "open": true })), "{got} {}", server.log());
    assert_eq!(broker.seen().await[0]["peer"], "machine-1");

    // Another machine of the same authority is let in, and is itself, while the first one's connections are still open.
    let (certificate, key) = authority::sign(broker.folder(), "machine-2").await;
    let mut other = broker.connection("other", json!({ "method": "GET" }), json!({}));
    other["secrets"] = json!({ "client_certificate_pem": certificate, "client_key_pem": key });
    create(&server, other).await;
    let refused = asked(&server, "other", PATH, json!({ "subscriptionID": "1" })).await;
    assert_eq!(refused["error"]["code"], "endpoint_refused", "{refused}");
    assert_eq!(broker.seen().await[0]["peer"], "machine-2");

    // Nobody is let in without one, and whoever has no authority of its own is not believed.
    let mut bare = broker.connection("bare", json!({ "method": "GET" }), json!({}));
    bare["secrets"] = json!({});
    create(&server, bare).await;
    let shut = asked(&server, "bare", PATH, json!({ "subscriptionID": "1" })).await;
    assert!(["connection_broken", "unreachable"].contains(&shut["error"]["code"].as_str().expect("a code")), "{shut}");
    let mut strange = broker.connection("strange", json!({ "method": "GET" }), json!({}));
    strange["config"].as_object_mut().expect("a configuration").remove("ca_pem");
    create(&server, strange).await;
    let shut = asked(&server, "strange", PATH, json!({ "subscriptionID": "1" })).await;
    assert_eq!(shut["error"]["code"], "unreachable", "{shut}");
    assert_eq!(broker.seen().await, Vec::<Value>::new(), "neither came through");
}

#[tokio::test]
async fn a_certificate_and_a_key_that_do_not_belong_together_are_said_before_anybody_is_called() {
    let server = serve().await;
    let broker = Provider::start_apart("mobilithek", offers("machine-1"), "machine-1").await;
    let (_, key) = authority::sign(broker.folder(), "machine-2").await;
    let mut mixed = broker.connection("mixed", json!({ "method": "GET" }), json!({}));
    mixed["secrets"]["client_key_pem"] = json!(key);
    create(&server, mixed).await;
    let job = tested(&server, "mixed").await;
    let message = job["error"]["message"].as_str().unwrap_or_else(|| panic!("{job}"));
    assert!(message.contains("its client certificate cannot be used"), "{message}");
    assert_eq!(server.read("/v1/connections/mixed").await["state"], "error");
    assert_eq!(broker.seen().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_key_is_sent_where_the_endpoint_takes_it_and_is_told_nowhere() {
    let server = serve().await;
    let secret = "planted-licence-key-77";
    let provider = Provider::start("destination_one", json!({ "key": secret, "items": [] })).await;
    let search = "rest.ashx/search/";
    let query = json!({ "experience": "beispielstadt", "type": "Event", "template": "ET2014A.json" });
    connect(&server, &provider, "licensed", json!({ "api_key_parameter": "licensekey" }), json!({ "api_key": secret })).await;
    let got = asked(&server, "licensed", search, query.clone()).await;
    assert_eq!(got["result"]["body"]["status"], "OK", "{got}");
    assert!(provider.seen().await[0]["query"].as_array().expect("parameters").contains(&json!(["licensekey", secret])));

    connect(&server, &provider, "by-header", json!({ "api_key_header": "X-Api-Key" }), json!({ "api_key": secret })).await;
    asked(&server, "by-header", search, query.clone()).await;
    assert_eq!(provider.seen().await[0]["headers"]["x-api-key"], secret);

    // Whoever repeats it in an error does not get it into what is kept.
    let echo = format!("no licence for licensekey={secret}");
    provider.fault(json!([{ "when": "GET /rest.ashx/search/", "status": 403, "body": echo }])).await;
    let refused = asked(&server, "licensed", search, query).await;
    assert!(refused["error"]["message"].as_str().expect("a message").contains("licensekey=(hidden)"), "{refused}");
    let told = format!("{refused} {} {}", server.read("/v1/connections/licensed").await, server.log());
    assert!(!told.contains(secret), "{told}");
}
