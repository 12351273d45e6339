//! Reads what Twilio reports of a message to the connection's hook: a form, with our correlation id in the URL. Pure.
//!
//! By <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>, of which we read a copy on 2026-11-22: `MessageSid`,
//! `MessageStatus`, `ErrorCode`, and "Twilio occasionally adds new properties without advance notice", so what is not known is passed over.
//! What is hostile is passed over too. The statuses are those of `twilio` 9.13.0 from PyPI.

use std::borrow::Cow;

use crate::{
    effect::KEY_BYTES_MAX,
    job::JobError,
    notification::delivery::{Report, Status, Whose},
};

/// The parameter of the hook's URL in which Twilio repeats what we call the message: the effect's outer key. It is part of what is signed.
pub const CORRELATION: &str = "delivery";

/// The most fields of a form that are looked at: Twilio sends some fifteen.
const FIELDS_MAX: usize = 200;

/// What a hook's body says, whose URL had this query; none where it says nothing of a message on its way.
pub fn report(query: Option<&str>, body: &[u8]) -> Option<Report> {
    let form: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(body).take(FIELDS_MAX).collect();
    let query = query.unwrap_or_default().as_bytes();
    let correlation = form_urlencoded::parse(query).take(FIELDS_MAX).find(|(name, _)| name == CORRELATION).map(|(_, value)| value);
    said(&form, correlation.as_deref())
}

fn said(form: &[(Cow<'_, str>, Cow<'_, str>)], correlation: Option<&str>) -> Option<Report> {
    let field =
        |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty());
    let status = match field("MessageStatus").or_else(|| field("SmsStatus"))? {
        // It has left Twilio; or Twilio has it, which is all that "sent" says of a delivery.
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => Status::Sent,
        "delivered" => Status::Delivered,
        "read" => Status::Read,
        "undelivered" | "failed" | "canceled" => Status::Failed,
        // "received" and "receiving" are of messages that came in.
        _ => return None,
    };
    let theirs = field("MessageSid").or_else(|| field("SmsSid")).filter(|sid| is_name(sid, SID_BYTES_MAX));
    let ours = correlation.filter(|ours| is_name(ours, OURS_BYTES_MAX)).and_then(Whose::ours);
    let about: Vec<Whose> = ours.into_iter().chain(theirs.map(|sid| Whose::Theirs(sid.to_owned()))).collect();
    if about.is_empty() {
        return None;
    }
    let error = (status == Status::Failed).then(|| failure(field("ErrorCode"), field("ErrorMessage")));
    Some(Report { about, status, at: None, error })
}

/// The longest name of a message that is one: Twilio's have 34.
const SID_BYTES_MAX: usize = 64;
/// The longest outer key: a job's id, a full stop, and a key.
const OURS_BYTES_MAX: usize = 37 + KEY_BYTES_MAX;

/// Whether it can be a name: no database keeps some of what a form may have.
fn is_name(text: &str, bytes_max: usize) -> bool {
    text.len() <= bytes_max && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn failure(code: Option<&str>, message: Option<&str>) -> JobError {
    let code = code.filter(|code| code.len() <= 8 && code.bytes().all(|byte| byte.is_ascii_digit()));
    // 30036 by its page, the others as we know them.
    let meaning = match code {
        Some("30003") => "the phone cannot be reached",
        Some("30004") => "it was blocked",
        Some("30005") => "nobody has the number",
        Some("30006") => "the number is a landline, or its carrier cannot be reached",
        Some("30007") => "the carrier has filtered it",
        Some("30034") => "the sender is not registered for A2P 10DLC",
        Some("30036") => "its time was over",
        _ => message.unwrap_or("Twilio does not say why"),
    };
    let meaning: String = meaning.chars().filter(|character| !character.is_control()).collect();
    let said = code.map_or_else(|| meaning.clone(), |code| format!("Twilio's {code}: {meaning}"));
    JobError::new("undelivered", said, false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::job::JobId;

    const JOB: &str = "01999999-9999-7999-8999-999999999999";

    fn of(query: &str, body: &str) -> Option<(Vec<Whose>, Status, Option<String>)> {
        report(Some(query), body.as_bytes()).map(|report| (report.about, report.status, report.error.map(|error| error.message)))
    }

    /// As <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status> once had it, by what public code quotes of it. The
    /// copy of the page that we read on 2026-11-22 has the same fields but for `Body`, `To` and `ApiVersion`, and other values.
    #[test]
    fn a_report_is_read() {
        let body = "SmsSid=SM2xxxxxx&SmsStatus=sent&Body=McAvoy+or+Stewart%3F+These+timelines+can+get+so+confusing.&MessageStatus=sent&To=%2B1512zzzyyyy\
                    &MessageSid=SM2xxxxxx&AccountSid=ACxxxxxxx&From=%2B1512xxxyyyy&ApiVersion=2010-04-01";
        let theirs = Whose::Theirs("SM2xxxxxx".into());
        assert_eq!(of("", body), Some((vec![theirs.clone()], Status::Sent, None)));
        let ours = Whose::Ours(JOB.parse::<JobId>().expect("an id"), "send".into());
        assert_eq!(of(&format!("a=b&delivery={JOB}.send"), body), Some((vec![ours, theirs], Status::Sent, None)));
    }

    #[test]
    fn statuses_and_codes_are_read() {
        let status = |status: &str| of("", &format!("MessageSid=SM1&MessageStatus={status}")).map(|(_, status, _)| status);
        for (word, expected) in [
            ("accepted", Some(Status::Sent)),
            ("queued", Some(Status::Sent)),
            ("sending", Some(Status::Sent)),
            ("sent", Some(Status::Sent)),
            ("delivered", Some(Status::Delivered)),
            ("read", Some(Status::Read)),
            ("undelivered", Some(Status::Failed)),
            ("failed", Some(Status::Failed)),
            ("canceled", Some(Status::Failed)),
            ("received", None),
            ("DELIVERED", None),
            ("", None),
        ] {
            assert_eq!(status(word), expected, "{word}");
        }
        let why = |code: &str| of("", &format!("MessageSid=SM1&MessageStatus=failed&{code}")).and_then(|(.., why)| why);
        assert_eq!(why("ErrorCode=30005").as_deref(), Some("Twilio's 30005: nobody has the number"));
        assert_eq!(why("ErrorCode=39999&ErrorMessage=Odd").as_deref(), Some("Twilio's 39999: Odd"));
        assert_eq!(why("ErrorCode=x%00y").as_deref(), Some("Twilio does not say why"));
        assert_eq!(of("", "MessageStatus=sent"), None, "of which message?");
        assert_eq!(of(&format!("delivery={JOB}"), "MessageStatus=sent"), None, "an id without a key");
        assert_eq!(of("", &format!("MessageStatus=sent&MessageSid={}", "x".repeat(65))), None);
    }

    proptest! {
        #[test]
        fn no_body_and_no_query_breaks_it(query in "\\PC{0,80}", body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = report(Some(&query), &body);
        }

        #[test]
        fn no_form_breaks_it(status in "(sent|read|failed|\\PC{0,8})", sid in "\\PC{0,80}", code in "\\PC{0,12}", whose in "[0-9a-f.-]{0,60}") {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("MessageStatus", &status).append_pair("MessageSid", &sid).append_pair("ErrorCode", &code).finish();
            if let Some(report) = report(Some(&format!("delivery={whose}")), form.as_bytes()) {
                prop_assert!(!report.about.is_empty() && (report.status == Status::Failed) == report.error.is_some());
            }
        }
    }
}
