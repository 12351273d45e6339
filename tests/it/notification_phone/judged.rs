//! What is sent is what official and well-known clients send for the same message, and each error that they know has its class.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windrow_jobs::{kinds::notification_whatsapp::verdict::of_code, notification::phone::Verdict};
use windrow_tests::python;

use super::{ACCESS, ACCOUNT, NUMBER, SERVICE, Stage, TOKEN};

const TO: &str = "+4915112345678";

/// What others send.
async fn official(stage: &Stage) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/notification_phone/official.py");
    let ran = python::run("python", &[script, ACCOUNT, TOKEN, NUMBER, TO], &[], stage.server.home()).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    serde_json::from_str(ran.stdout.lines().last().expect("a line")).expect("JSON")
}

#[tokio::test]
async fn twilio_is_sent_what_its_own_package_sends() {
    let stage = Stage::new().await;
    let official = official(&stage).await;
    stage.phone().await;
    stage.connect("service", "twilio", json!({ "messaging_service_sid": SERVICE }), json!({})).await;
    let key = json!({ "api_key_sid": format!("SK{}", "1".repeat(32)), "api_key_secret": "key-secret" });
    stage.connect("by-key", "twilio", json!({ "from": "+15005550006" }), key).await;
    let media = json!(["https://example.com/a.png?b=c&d=e", "https://example.com/f.jpg"]);
    let cases = [
        ("sms", json!({ "text": "Grüße & mehr: 5 € + 1 = ?", "validity_s": 60, "to": "+4915112345601" }), 1),
        ("mms", json!({ "connection": "service", "media_urls": media, "to": "+4915112345602" }), 0),
        ("by_key", json!({ "connection": "by-key", "text": "by key", "to": "+4915112345603" }), 1),
    ];
    for (name, payload, segments) in cases {
        let to = payload["to"].clone();
        let job = stage.came_of("notification.sms", payload, 1).await;
        assert_eq!(
            (&job["state"], &job["result"]["status"], &job["result"]["segments"]),
            (&json!("completed"), &json!("queued"), &json!(segments)),
            "{job}"
        );
        let sent = stage.messages().remove(to.as_str().expect("a number")).expect("it was sent").remove(0);
        let theirs = &official[name];
        for field in ["method", "path", "authorization", "content-type"] {
            assert_eq!(sent[field], theirs[field], "{name} {field}");
        }
        // But for the recipient, of which each has one, and the hook, which was not made here.
        let fields = |form: &Value| {
            let pairs = form
                .as_array()
                .expect("pairs")
                .iter()
                .filter(|pair| !["To", "StatusCallback"].contains(&pair[0].as_str().unwrap_or_default()));
            pairs.cloned().collect::<Vec<_>>()
        };
        assert_eq!(fields(&sent["form"]), fields(&theirs["form"]), "{name}");
    }
    let test = stage.send(reqwest::Method::POST, "/v1/connections/phone/test", None).await.body;
    assert_eq!(stage.server.wait(&test).await["result"]["seen"], "the account Windrow's tests is active");
    let asked = stage.provider.seen(&format!("/2010-04-01/Accounts/{ACCOUNT}.json")).remove(0);
    assert_eq!((&asked["path"], &asked["authorization"]), (&official["account"]["path"], &official["account"]["authorization"]));
}

#[tokio::test]
async fn meta_is_sent_what_pywa_sends() {
    let stage = Stage::new().await;
    let official = official(&stage).await;
    stage.whatsapp().await;
    let template = |template: Value| json!({ "approved_template": template });
    let cases = [
        ("text", json!({ "text": "Grüße 👋 https://example.com", "preview_url": true })),
        ("image", json!({ "media": { "type": "image", "link": "https://example.com/a.png", "caption": "Ein Bild" } })),
        (
            "document",
            json!({ "media": { "type": "document", "link": "https://example.com/a.pdf", "caption": "Ein Text", "filename": "a.pdf" } }),
        ),
        ("positional", template(json!({ "name": "order_shipped", "language": "de", "variables": ["Anna", "4711"] }))),
        (
            "named",
            template(json!({ "name": "order_named", "language": "en_US", "header": { "text": "Spring" },
                "variables": { "first_name": "Anna", "order": "4711" } })),
        ),
        (
            "buttons",
            template(json!({ "name": "order_buttons", "language": "de", "header": { "image": "https://example.com/a.png" }, "buttons": [
                { "index": 0, "action": "quick_reply", "value": "yes" }, { "index": 1, "action": "url", "value": "4711" },
                { "index": 2, "action": "copy_code", "value": "SPRING" }] })),
        ),
    ];
    for (name, payload) in cases {
        let mut payload = payload;
        payload["to"] = TO.into();
        let job = stage.came_of("notification.whatsapp", payload, 1).await;
        assert_eq!((&job["state"], &job["result"]["status"]), (&json!("completed"), &json!("accepted")), "{job}");
        let mut sent = stage.whatsapps().remove(TO.trim_start_matches('+')).expect("it was sent").pop().expect("a message");
        assert_eq!(sent["body"]["biz_opaque_callback_data"], format!("{}.send", job["id"].as_str().expect("an id")));
        sent["body"]["biz_opaque_callback_data"] = "j.send".into();
        let theirs = &official[name];
        for field in ["method", "path", "authorization"] {
            assert_eq!(sent[field], theirs[field], "{name} {field}");
        }
        assert_eq!(sent["authorization"], format!("Bearer {ACCESS}"));
        assert_eq!(lowered(sent["body"].clone()), lowered(theirs["body"].clone()), "{name}");
    }
    let test = stage.send(reqwest::Method::POST, "/v1/connections/whatsapp/test", None).await.body;
    assert_eq!(stage.server.wait(&test).await["result"]["seen"], "+1 555-078-3881 is Jasper's Market");
}

/// pywa writes the types of components in capitals, Meta's documents in small letters; Meta takes both.
fn lowered(mut body: Value) -> Value {
    for component in body.pointer_mut("/template/components").and_then(Value::as_array_mut).into_iter().flatten() {
        for field in ["type", "sub_type"] {
            if let Some(text) = component[field].as_str().map(str::to_lowercase) {
                component[field] = text.into();
            }
        }
    }
    body
}

/// The families of errors that sending can end in; others are of sign-up, groups, calls, flows' own editing and the like.
const SENDING: [&str; 4] = ["AuthorizationError", "ThrottlingError", "IntegrityError", "SendMessageError"];

#[tokio::test]
async fn each_error_that_pywa_knows_has_its_class() {
    let stage = Stage::new().await;
    let official = official(&stage).await;
    let known: BTreeMap<String, Value> = serde_json::from_value(official["codes"].clone()).expect("errors by name");
    let mut looked = 0;
    for (name, error) in known {
        let families: Vec<&str> = error["families"].as_array().expect("families").iter().filter_map(Value::as_str).collect();
        if !families.iter().any(|family| SENDING.contains(family)) {
            continue;
        }
        for code in error["codes"].as_array().expect("codes").iter().filter_map(Value::as_i64) {
            let Some(class) = of_code(code) else { panic!("{name} ({code}) has no class") };
            looked += 1;
            if families.contains(&"AuthorizationError") || families.contains(&"IntegrityError") && code != 130_497 {
                assert_eq!(class, Verdict::Refused, "{name} ({code})");
            }
            if families.contains(&"ThrottlingError") {
                assert_eq!(class, Verdict::NotNow, "{name} ({code})");
            }
        }
    }
    assert!(looked > 100, "{looked} codes");
}
