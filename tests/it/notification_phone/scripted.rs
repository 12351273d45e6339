//! What becomes of a message where the provider says no, not now, or nothing at all.

use serde_json::{Value, json};
use windrow_tests::server::path;

use super::{ACCESS, Stage, TOKEN, WRONG, client, error};

const SMS: &str = "notification.sms";
const WHATSAPP: &str = "notification.whatsapp";

fn order(to: &str) -> Value {
    json!({ "to": to, "approved_template": { "name": "order_shipped", "language": "de", "variables": ["Anna", "4711"] } })
}

#[tokio::test]
async fn each_error_of_twilios_ends_as_documented() {
    let stage = Stage::new().await;
    stage.phone().await;
    let cases =
        [("+4915112345211", "recipient_invalid"), ("+4915112345610", "recipient_unsubscribed"), ("+4915112345408", "region_forbidden")];
    for (to, code) in cases {
        let job = stage.came_of(SMS, json!({ "to": to, "text": "hello" }), 5).await;
        assert_eq!(error(&job), ("dead", code, 1), "{job}");
    }
    // All at once: each waits for its retry.
    let mut jobs = Vec::new();
    for (to, policy) in [
        ("+4915112345429", "ask"),
        ("+4915112345500", "ask"),
        ("+4915112345999", "ask"),
        ("+4915112346999", "drop"),
        ("+4915112347999", "park"),
        ("+4915112348999", "resend"),
    ] {
        jobs.push((to, stage.submit(SMS, json!({ "to": to, "text": format!("for {to}"), "when_unknown": policy }), 5).await));
    }
    let mut done = std::collections::BTreeMap::new();
    for (to, job) in &jobs {
        done.insert(*to, stage.server.wait(job).await);
    }
    let sent = stage.messages();
    let came = |to: &str| (error(&done[to]), done[to]["result"]["status"].as_str().unwrap_or_default(), sent[to].len());
    assert_eq!(came("+4915112345429"), (("completed", "", 2), "queued", 2), "not before Retry-After is over");
    assert_eq!(came("+4915112345500"), (("completed", "", 2), "queued", 2), "Twilio lists no such message, so it is sent again");
    assert_eq!(came("+4915112345999"), (("completed", "", 2), "queued", 1), "Twilio lists it, so it is not sent again");
    assert_eq!(came("+4915112346999"), (("completed", "", 2), "unknown", 1));
    assert_eq!(came("+4915112347999"), (("dead", "effect_parked", 2), "", 1));
    assert_eq!(came("+4915112348999"), (("completed", "", 2), "queued", 2), "twice: the recipient has both");
    let effects = stage.server.read(&path(&jobs[2].1, "/effects")).await;
    let effect = &effects["effects"][0];
    assert_eq!(
        (&effect["key"], &effect["unknowns"], &effect["provider_id"]),
        (&json!("send"), &json!(1), &done["+4915112345999"]["result"]["provider_id"])
    );
}

#[tokio::test]
async fn what_was_sent_is_done_whatever_becomes_of_its_connection() {
    let stage = Stage::new().await;
    stage.phone().await;
    stage.whatsapp().await;
    for (kind, name, to) in [(SMS, "phone", "+4915112347999"), (WHATSAPP, "whatsapp", "+4915112346999")] {
        let job = stage.came_of(kind, json!({ "to": to, "text": "hello", "when_unknown": "park" }), 2).await;
        assert_eq!(error(&job), ("dead", "effect_parked", 2), "{job}");
        // Somebody has looked at the provider's.
        let word = json!({ "happened": true, "provider_id": "X1" });
        assert_eq!(stage.send(reqwest::Method::POST, &path(&job, "/effects/send"), Some(word)).await.status, 200);
        assert_eq!(stage.send(reqwest::Method::DELETE, &format!("/v1/connections/{name}"), None).await.status, 204);
        assert!(stage.server.redrive(&job).await.status < 300);
        let job = stage.server.wait(&job).await;
        assert_eq!((error(&job).0, &job["result"]["provider_id"]), ("completed", &json!("X1")), "{job}");
    }
    assert_eq!((stage.messages()["+4915112347999"].len(), stage.whatsapps()["4915112346999"].len()), (1, 1), "nothing is sent again");
}

#[tokio::test]
async fn what_is_not_let_in_puts_the_connection_into_error() {
    let stage = Stage::new().await;
    stage.connect("phone", "twilio", json!({ "from": "Windrow" }), json!({ "auth_token": WRONG })).await;
    stage.whatsapp().await;
    let test = stage.send(reqwest::Method::POST, "/v1/connections/phone/test", None).await.body;
    assert_eq!(error(&stage.server.wait(&test).await), ("dead", "connection_refused", 1));
    stage.connect("other", "twilio", json!({ "from": "Windrow" }), json!({})).await;
    for (name, kind, payload) in [
        ("other", SMS, json!({ "connection": "other", "to": "+4915112345401", "text": "hello" })),
        ("whatsapp", WHATSAPP, json!({ "to": "+4915112345190", "text": "hello" })),
    ] {
        let job = stage.came_of(kind, payload, 1).await;
        assert_eq!(error(&job), ("dead", "connection_refused", 1), "{job}");
        let connection = stage.server.read(&format!("/v1/connections/{name}")).await;
        assert_eq!((&connection["state"], &connection["error"]["code"]), (&json!("error"), &json!("connection_refused")));
        let told = format!("{job} {connection}");
        assert!(!told.contains(TOKEN) && !told.contains(ACCESS), "a secret was repeated: {told}");
        assert!(told.contains("(hidden)"), "the provider has repeated it: {told}");
    }
}

#[tokio::test]
async fn each_error_of_metas_ends_as_documented() {
    let stage = Stage::new().await;
    stage.whatsapp().await;
    let job = stage.came_of(WHATSAPP, json!({ "to": "+4915112345047", "text": "hello" }), 5).await;
    assert_eq!(error(&job), ("dead", "session_closed", 1), "{job}");
    let job = stage.came_of(WHATSAPP, order("+4915112345001"), 5).await;
    assert_eq!(error(&job), ("dead", "approved_template_unknown", 1), "Meta knows better than we do: {job}");
    let mut jobs = Vec::new();
    for (to, policy) in [("+4915112345429", "ask"), ("+4915112345500", "ask"), ("+4915112345999", "drop"), ("+4915112346999", "park")] {
        let mut payload = order(to);
        payload["when_unknown"] = policy.into();
        jobs.push((to, stage.submit(WHATSAPP, payload, 5).await));
    }
    let expected = [(("completed", "", 2), 2), (("completed", "", 2), 2), (("completed", "", 2), 1), (("dead", "effect_parked", 2), 1)];
    for ((to, job), expected) in jobs.iter().zip(expected) {
        let job = stage.server.wait(job).await;
        assert_eq!((error(&job), stage.whatsapps()[to.trim_start_matches('+')].len()), expected, "{to}: {job}");
    }
}

#[tokio::test]
async fn a_template_is_looked_up_before_it_is_sent() {
    let stage = Stage::new().await;
    stage.whatsapp().await;
    let with = |template: Value| json!({ "to": "+4915112345678", "approved_template": template });
    // Nobody has synced: the first message does.
    let job = stage.came_of(WHATSAPP, with(json!({ "name": "paused", "language": "de" })), 5).await;
    assert_eq!(error(&job), ("dead", "template_not_approved", 1), "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|message| message.contains("PAUSED")), "{job}");
    let asked = stage.provider.seen("/v23.0/102290129340398/message_templates").len();
    assert_eq!(asked, 3, "five templates are three pages");
    let good = stage.came_of(WHATSAPP, order("+4915112345678"), 5).await;
    assert_eq!(error(&good), ("completed", "", 1), "{good}");
    assert_eq!(stage.provider.seen("/v23.0/102290129340398/message_templates").len(), asked, "what is known is not asked for");
    let late = stage.came_of(WHATSAPP, with(json!({ "name": "late", "language": "de" })), 5).await;
    assert_eq!(error(&late), ("dead", "template_not_approved", 1), "{late}");
    // A sync brings the news.
    client().post(format!("{}/_approve", stage.url())).send().await.expect("the provider answers");
    let sync = stage.came_of("notification.whatsapp_templates", json!({}), 1).await;
    assert_eq!(sync["result"], json!({ "templates": 5, "by_status": { "APPROVED": 4, "PAUSED": 1 } }));
    let late = stage.came_of(WHATSAPP, with(json!({ "name": "late", "language": "de" })), 5).await;
    assert_eq!(error(&late), ("completed", "", 1), "{late}");
    assert_eq!(stage.whatsapps()["4915112345678"].len(), 2, "what was refused was never sent");
}

#[tokio::test]
async fn what_is_known_to_be_wrong_is_refused_at_submission() {
    let stage = Stage::new().await;
    stage.whatsapp().await;
    let submit = async |kind: &str, payload: Value| {
        let answer = stage.send(reqwest::Method::POST, "/v1/jobs", Some(json!({ "kind": kind, "payload": payload }))).await;
        (answer.status, answer.body["pointer"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |pointer: &str| (422, format!("/payload{pointer}"));
    let sms = |more: Value| {
        let mut payload = json!({ "connection": "phone", "to": "+4915112345678" });
        payload.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        payload
    };
    assert_eq!(submit(SMS, sms(json!({}))).await, refused("/text"));
    assert_eq!(submit(SMS, sms(json!({ "text": "x".repeat(1_601) }))).await, refused("/text"));
    assert_eq!(submit(SMS, sms(json!({ "text": "hello", "to": "0151 12345678" }))).await, refused("/to"));
    assert_eq!(submit(SMS, sms(json!({ "template": { "name": "nobody-wrote-it" } }))).await.0, 422);
    let with = |template: Value| json!({ "connection": "whatsapp", "to": "+4915112345678", "approved_template": template });
    assert_eq!(submit(WHATSAPP, json!({ "connection": "whatsapp", "to": "+4915112345678" })).await, refused("/approved_template"));
    // Nobody knows which templates there are.
    let unknown = json!({ "name": "unknown", "language": "de" });
    let job = stage.came_of(WHATSAPP, with(unknown.clone()), 1).await;
    assert_eq!(error(&job), ("dead", "approved_template_unknown", 1), "{job}");
    // Now it is known.
    assert_eq!(submit(WHATSAPP, with(unknown)).await, refused("/approved_template/name"));
    assert_eq!(submit(WHATSAPP, with(json!({ "name": "order_shipped", "language": "fr" }))).await, refused("/approved_template/language"));
    let few = json!({ "name": "order_shipped", "language": "de", "variables": ["Anna"] });
    assert_eq!(submit(WHATSAPP, with(few)).await, refused("/approved_template/variables"));
    // It may be approved by the time that it is sent.
    assert_eq!(submit(WHATSAPP, with(json!({ "name": "late", "language": "de" }))).await.0, 202);
}
