//! What Twilio is sent and what it answers: `POST /2010-04-01/Accounts/{sid}/Messages.json`. Pure.
//!
//! The fields' names, the statuses and the limits are those of Twilio's own Python package (`twilio` 9.13.0 from PyPI,
//! `rest/api/v2010/account/message`, read 2026-11-22), which judges the form as well (`tests/it/notification_phone`). The page,
//! <https://www.twilio.com/docs/messaging/api/message-resource>, we know by copies of it alone.

use serde::Deserialize;

use super::Payload;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender<'a> {
    /// This number or name.
    From(&'a str),
    /// Whom this messaging service picks.
    Service(&'a str),
    /// This one, of this messaging service.
    Of(&'a str, &'a str),
}

/// Who sends: the job's word before the connection's, and a service where nobody is named. A sender of the job's is the service's
/// where there is one, or its opt-outs would not count.
pub(super) fn sender<'a>(payload: &'a Payload, from: Option<&'a str>, service: Option<&'a str>) -> Option<Sender<'a>> {
    match (payload.from.as_deref().or(from), service) {
        (Some(from), Some(service)) => Some(Sender::Of(from, service)),
        (Some(from), None) => Some(Sender::From(from)),
        (None, Some(service)) => Some(Sender::Service(service)),
        (None, None) => None,
    }
}

/// The fields of the form.
pub(super) fn fields(payload: &Payload, sender: Sender<'_>, text: Option<&str>, callback: Option<&str>) -> Vec<(&'static str, String)> {
    let mut fields = vec![("To", payload.to.clone())];
    let (from, service) = match sender {
        Sender::From(from) => (Some(from), None),
        Sender::Service(service) => (None, Some(service)),
        Sender::Of(from, service) => (Some(from), Some(service)),
    };
    let validity = payload.validity_s.map(|seconds| seconds.to_string());
    let given = [
        ("StatusCallback", callback),
        ("ValidityPeriod", validity.as_deref()),
        ("From", from),
        ("MessagingServiceSid", service),
        ("Body", text),
    ];
    fields.extend(given.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))));
    fields.extend(payload.media_urls.iter().map(|url| ("MediaUrl", url.clone())));
    fields
}

/// A message as Twilio tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Message {
    /// What Twilio calls it.
    pub sid: String,
    /// How it stands.
    pub status: String,
    /// What it says: for some accounts with words of Twilio's before it.
    #[serde(default)]
    pub body: Option<String>,
    /// How many media it has, as text.
    #[serde(default)]
    pub num_media: Option<String>,
    /// When Twilio took it, by RFC 2822.
    #[serde(default)]
    pub date_created: Option<String>,
    /// Whether it came in or went out.
    #[serde(default)]
    pub direction: Option<String>,
}

/// A page of messages.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listed {
    /// The messages.
    pub messages: Vec<Message>,
    /// The next page, below the API's address.
    #[serde(default)]
    pub next_page_uri: Option<String>,
}

impl Message {
    /// Whether this is what a job sent not before `since_ms`: the same words (an account on trial has a sentence of Twilio's before
    /// them), or as many media. Where another job has sent the same to the same number since, it is taken for ours: the recipient has it.
    pub fn is_of(&self, text: Option<&str>, media: usize, since_ms: i64) -> bool {
        let created_ms = self.date_created.as_deref().and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        let ours = self.direction.as_deref().is_none_or(|direction| direction.starts_with("outbound"));
        // What Twilio has given up is not with the recipient.
        let alive = !matches!(self.status.as_str(), "failed" | "canceled");
        let body = self.body.as_deref().unwrap_or_default();
        let said = match text {
            Some(text) => body == text || (body.ends_with(text) && body.contains("Twilio trial account")),
            None => body.is_empty(),
        };
        let carried = self.num_media.as_deref().and_then(|count| count.parse().ok()).unwrap_or(0_usize);
        ours && alive && said && carried == media && created_ms.is_some_and(|created| created.timestamp_millis() >= since_ms)
    }

    /// Whether it is from before.
    pub fn is_before(&self, since_ms: i64) -> bool {
        let created = self.date_created.as_deref().and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        created.is_some_and(|created| created.timestamp_millis() < since_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payload(more: serde_json::Value) -> Payload {
        let mut payload = json!({ "connection": "phone", "to": "+15558675310" });
        payload.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(payload).expect("a payload")
    }

    /// After the answer that <https://www.twilio.com/docs/messaging/api/message-resource> shows for "Hi there", by copies of the page in
    /// public repositories, read 2026-11-22: shortened, and without what it has as `date_sent` and `messaging_service_sid`.
    #[test]
    fn an_answer_is_read() {
        let answer = r#"{"account_sid":"ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","api_version":"2010-04-01","body":"Hi there","date_created":"Thu, 24 Aug 2023 05:01:45 +0000",
            "date_sent":null,"direction":"outbound-api","error_code":null,"error_message":null,"from":"+15557122661","num_media":"0","num_segments":"1",
            "messaging_service_sid":null,"sid":"SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"queued","to":"+15558675310"}"#;
        let message: Message = serde_json::from_str(answer).expect("it is read");
        assert_eq!((message.sid.as_str(), message.status.as_str()), ("SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "queued"));
        let created_ms = 1_692_853_305_000;
        assert!(message.is_of(Some("Hi there"), 0, created_ms) && !message.is_before(created_ms));
        assert!(!message.is_of(Some("Hi there"), 0, created_ms + 1) && message.is_before(created_ms + 1));
        assert!(!message.is_of(Some("Hi"), 0, created_ms), "other words");
        assert!(!message.is_of(Some("there"), 0, created_ms), "the end of other words");
        assert!(!message.is_of(Some("Hi there"), 1, created_ms), "no media");
        assert!(!Message { status: "failed".into(), ..message.clone() }.is_of(Some("Hi there"), 0, created_ms));
        assert!(!Message { direction: Some("inbound".into()), ..message.clone() }.is_of(Some("Hi there"), 0, created_ms));
        let trial = Message { body: Some("Sent from your Twilio trial account - Hi there".into()), ..message };
        assert!(trial.is_of(Some("Hi there"), 0, created_ms));
    }

    #[test]
    fn a_sender_is_the_jobs_then_the_connections() {
        let named = payload(json!({ "text": "x", "from": "Windrow" }));
        let plain = payload(json!({ "text": "x" }));
        assert_eq!(sender(&named, Some("+1"), None), Some(Sender::From("Windrow")));
        assert_eq!(sender(&named, None, Some("MG")), Some(Sender::Of("Windrow", "MG")));
        assert_eq!(sender(&plain, Some("+1"), None), Some(Sender::From("+1")));
        assert_eq!(sender(&plain, None, Some("MG")), Some(Sender::Service("MG")));
        assert_eq!(sender(&plain, None, None), None);
    }

    #[test]
    fn what_is_not_given_is_not_sent() {
        let plain = payload(json!({ "text": "x" }));
        assert_eq!(
            fields(&plain, Sender::From("+1"), Some("x"), None),
            [("To", "+15558675310"), ("From", "+1"), ("Body", "x")].map(|(name, value)| (name, value.to_owned()))
        );
    }
}
