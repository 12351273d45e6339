//! Reads what Meta reports to the connection's hook: how messages fare, and how templates stand. Pure.
//!
//! By Meta's references of the webhooks `messages` and `message_template_status_update`, as github.com/LimaLb01/endpoint-flow has copied them
//! (docs_whatsappflow/docs_apiwhatsapp at 2d85b2b3: messageswebhook.md, message_template_status_update.md; read 2026-11-22); the words of
//! statuses by pywa 4.5.0 from PyPI, but for "deleted" and "warning", which we know from elsewhere. What is not known is passed over, and so
//! is what is hostile.

use serde_json::Value;

use super::verdict::of_code;
use crate::{
    clock::Timestamp,
    effect::KEY_BYTES_MAX,
    job::JobError,
    notification::{
        approved::{APPROVED, Turned},
        delivery::{Report, Status, Whose},
        phone::Verdict,
    },
};

/// The most that is taken of one body: Meta's are "sent in a batch with a maximum of 1000 updates" (create_webhook.md, beside those).
pub const HEARD_MAX: usize = 4_096;
/// The longest id of a message that is one; Meta's have some 60 to 130.
const ID_BYTES_MAX: usize = 512;
/// The longest outer key: a job's id, a full stop, and a key.
const OURS_BYTES_MAX: usize = 37 + KEY_BYTES_MAX;
/// The longest of Meta's words that is told.
const WORDS_CHARS_MAX: usize = 500;

/// What a body says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// How messages fare.
    pub reports: Vec<Report>,
    /// How templates stand.
    pub templates: Vec<Turned>,
}

/// Reads a body; none where it is no such JSON. An app's hook is told of all accounts that it has: of templates only what is about `account`
/// is heard, as another's have the same names.
pub fn heard(body: &[u8], account: Option<&str>) -> Option<Heard> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let mut heard = Heard::default();
    let changes = list(&body["entry"]).flat_map(|entry| list(&entry["changes"]).map(move |change| (&entry["id"], change)));
    for (id, change) in changes.take(HEARD_MAX) {
        let value = &change["value"];
        match change["field"].as_str() {
            Some("message_template_status_update") if id.as_str().is_some_and(|id| Some(id) == account) => {
                heard.templates.extend(template(value));
            }
            Some("message_template_status_update") => {}
            // "messages" by the document; statuses speak for themselves.
            _ => heard.reports.extend(list(&value["statuses"]).take(HEARD_MAX - heard.reports.len().min(HEARD_MAX)).filter_map(status)),
        }
    }
    heard.templates.truncate(HEARD_MAX);
    heard.reports.truncate(HEARD_MAX);
    Some(heard)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn status(told: &Value) -> Option<Report> {
    let status = match told["status"].as_str()? {
        // "accepted" and "held_for_quality_assessment" are answers' words; Meta has the message.
        "sent" | "accepted" | "held_for_quality_assessment" => Status::Sent,
        "delivered" => Status::Delivered,
        // Who has played a voice message has opened it.
        "read" | "played" => Status::Read,
        "failed" => Status::Failed,
        // "deleted", "warning" and what may come say nothing of its way.
        _ => return None,
    };
    let name = |text: &str, bytes_max: usize| {
        (!text.is_empty() && text.len() <= bytes_max && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
    };
    let theirs = told["id"].as_str().and_then(|id| name(id, ID_BYTES_MAX)).map(Whose::Theirs);
    let ours = told["biz_opaque_callback_data"].as_str().and_then(|ours| name(ours, OURS_BYTES_MAX));
    let about: Vec<Whose> = ours.as_deref().and_then(Whose::ours).into_iter().chain(theirs).collect();
    if about.is_empty() {
        return None;
    }
    let error = (status == Status::Failed).then(|| failure(list(&told["errors"]).next().unwrap_or(&Value::Null)));
    Some(Report { about, status, at: instant(&told["timestamp"]), error })
}

/// Seconds since 1970, as text or as a number; none outside the years that there are.
fn instant(told: &Value) -> Option<Timestamp> {
    let seconds = told.as_i64().or_else(|| told.as_str()?.parse().ok())?;
    (0..=253_402_300_799).contains(&seconds).then(|| Timestamp::from_ms(seconds * 1_000))
}

fn failure(told: &Value) -> JobError {
    let code = told["code"].as_i64();
    let words = [told["error_data"]["details"].as_str(), told["message"].as_str(), told["title"].as_str()];
    let words = words.into_iter().flatten().find(|words| !words.is_empty()).unwrap_or("Meta does not say why");
    let words: String = words.chars().filter(|character| !character.is_control()).take(WORDS_CHARS_MAX).collect();
    let class = match code.and_then(of_code) {
        Some(Verdict::Never(class)) => class,
        _ => "undelivered",
    };
    JobError::new(class, code.map_or_else(|| words.clone(), |code| format!("Meta's {code}: {words}")), false)
}

fn template(value: &Value) -> Option<Turned> {
    let word = |name: &str, bytes_max: usize| {
        let text = value[name].as_str()?;
        (!text.is_empty() && text.len() <= bytes_max && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
    };
    let event = word("event", 64)?;
    // A flag is a warning of a pause to come: it may still be sent. "REINSTATED" is approved again; "UNPAUSED" is on no list that we read.
    // "UNARCHIVED" has its former status again (pywa 4.5.0), which is not said: as long as Meta is not asked, it counts as not approved.
    let status = match event.as_str() {
        "FLAGGED" => return None,
        "REINSTATED" | "UNPAUSED" => APPROVED.to_owned(),
        _ => event,
    };
    Some(Turned { name: word("message_template_name", 512)?, language: word("message_template_language", 64)?, status })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::job::JobId;

    const JOB: &str = "01999999-9999-7999-8999-999999999999";
    const ACCOUNT: Option<&str> = Some("102290129340398");

    fn around(field: &str, value: Value) -> Vec<u8> {
        json!({ "object": "whatsapp_business_account", "entry": [{ "id": "102290129340398", "changes": [{ "value": value, "field": field }] }] })
            .to_string()
            .into_bytes()
    }

    /// In the form of the reference that this file's head names, with the account, the number and a message's id that Meta's pages use. The
    /// failure's words are those that copies of Meta's reference of statuses give as examples.
    #[test]
    fn reports_are_read() {
        let sent = json!({ "messaging_product": "whatsapp", "metadata": { "display_phone_number": "15550783881", "phone_number_id": "106540352242922" },
            "statuses": [{ "id": "wamid.HBgLMTQxMjU1NTA4MjkVAgASGBQzQUNCNjk5RDUwNUZGMUZEM0VBRAA=", "status": "sent", "timestamp": "1683229471",
                "recipient_id": "15551234567", "biz_opaque_callback_data": format!("{JOB}.send"),
                "conversation": { "id": "ca26d0ed", "origin": { "type": "service" } }, "pricing": { "billable": true, "pricing_model": "CBP" } }] });
        let id = Whose::Theirs("wamid.HBgLMTQxMjU1NTA4MjkVAgASGBQzQUNCNjk5RDUwNUZGMUZEM0VBRAA=".into());
        let ours = Whose::Ours(JOB.parse::<JobId>().expect("an id"), "send".into());
        let heard = super::heard(&around("messages", sent), ACCOUNT).expect("it is read");
        let at = Some(Timestamp::from_ms(1_683_229_471_000));
        assert_eq!(heard.reports, [Report { about: vec![ours, id], status: Status::Sent, at, error: None }]);
        let failed = json!({ "statuses": [{ "id": "wamid.x", "status": "failed", "timestamp": "1689380500", "recipient_id": "15551234567",
            "errors": [{ "code": 131_049, "title": "This message was not delivered to maintain healthy ecosystem engagement.",
                "message": "This message was not delivered to maintain healthy ecosystem engagement.",
                "error_data": { "details": "In order to maintain a healthy ecosystem engagement, the message failed to be delivered." } }] }] });
        let heard = super::heard(&around("messages", failed), ACCOUNT).expect("it is read");
        let error = heard.reports[0].error.clone().expect("why");
        assert_eq!(error.code, "not_delivered_by_choice");
        assert!(error.message.starts_with("Meta's 131049: In order to"), "{}", error.message);
    }

    /// In the form of the reference; name and language are those of the sample that public code quotes of Meta's dashboard.
    #[test]
    fn templates_turn_as_they_are_reported() {
        let from = |event: &str, account: Option<&str>| {
            let value = json!({ "event": event, "message_template_id": 594_425_479_261_596_i64, "message_template_name": "my_message_template",
                "message_template_language": "pt-BR", "reason": null });
            heard(&around("message_template_status_update", value), account).expect("it is read").templates
        };
        let of = |event: &str| from(event, ACCOUNT);
        let turned = |status: &str| vec![Turned { name: "my_message_template".into(), language: "pt-BR".into(), status: status.into() }];
        assert_eq!(of("PENDING"), turned("PENDING"));
        assert_eq!(of("PAUSED"), turned("PAUSED"));
        assert_eq!(of("REINSTATED"), turned("APPROVED"));
        assert_eq!(of("FLAGGED"), []);
        assert_eq!(of("a\u{0}"), []);
        assert_eq!((from("PAUSED", Some("102290129340399")), from("PAUSED", None)), (vec![], vec![]), "another account's");
    }

    #[test]
    fn what_says_nothing_is_passed_over() {
        for body in [json!(null), json!([]), json!({ "entry": {} }), json!({ "entry": [{ "changes": [7, { "value": 7 }] }] })] {
            assert_eq!(heard(body.to_string().as_bytes(), ACCOUNT), Some(Heard::default()), "{body}");
        }
        assert_eq!(heard(b"not json", ACCOUNT), None);
        assert_eq!(heard("[".repeat(100_000).as_bytes(), ACCOUNT), None);
        let statuses = json!([{ "status": "sent" }, { "id": "x" }, { "id": "x", "status": "warning" }, { "id": "a\u{0}b", "status": "sent" },
            { "id": "x".repeat(513), "status": "read" }, { "id": "x", "status": "read", "timestamp": "1e9" }]);
        let heard = heard(&around("messages", json!({ "statuses": statuses })), ACCOUNT).expect("it is read");
        assert_eq!(heard.reports.len(), 1);
        assert_eq!((heard.reports[0].status, heard.reports[0].at), (Status::Read, None));
        let many = json!({ "statuses": vec![json!({ "id": "x", "status": "sent" }); HEARD_MAX + 10] });
        assert_eq!(super::heard(&around("messages", many), ACCOUNT).expect("it is read").reports.len(), HEARD_MAX);
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
            "(sent|read|failed|delivered)".prop_map(Value::from)
        ];
        let name = "(entry|changes|value|field|statuses|id|status|timestamp|errors|code|biz_opaque_callback_data|event|[a-z]{1,3})";
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((name, inner), 0..6)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into())
            ]
        })
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = heard(&body, ACCOUNT);
        }

        #[test]
        fn no_json_breaks_it(value in anything(), status in anything()) {
            let _ = heard(value.to_string().as_bytes(), ACCOUNT);
            let heard = heard(&around("messages", json!({ "statuses": [status] })), ACCOUNT).expect("it is JSON");
            prop_assert!(heard.reports.iter().all(|report| !report.about.is_empty()));
        }
    }
}
