//! What APNs answers, and what it means. Pure.

use std::{fmt, time::Duration};

use serde::Deserialize;

use crate::{clock::Timestamp, job::JobError, kinds::notification_push::fate::Said};

/// How long is waited after a 429 where APNs does not say.
const BUSY_WAIT: Duration = Duration::from_secs(60);
/// How much of a reason is kept; the longest there is has 27 characters.
const REASON_CHARS_MAX: usize = 100;
/// How long is waited after `TooManyProviderTokenUpdates`: the time between two of them.
const TOKENS_WAIT: Duration = Duration::from_secs(20 * 60);

/// Why APNs did not take a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// APNs' word; `HTTP_502` where there is none.
    pub(super) reason: String,
    /// Since when a token is dead.
    pub(super) at: Option<Timestamp>,
    /// What `Retry-After` asks for.
    pub(super) after: Option<Duration>,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing sent to this token will arrive.
    DeadToken,
    /// The message will not be taken, whoever it goes to.
    BadMessage,
    /// The provider token has ended.
    Expired,
    /// The connection is not let in.
    Denied,
    /// It was not sent, and may be sent later.
    Later,
    /// Nobody knows whether it was sent.
    Unclear,
}

impl Refusal {
    pub(super) fn read(status: u16, after: Option<Duration>, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            reason: String,
            /// In milliseconds since 1970.
            timestamp: Option<i64>,
        }
        match serde_json::from_slice::<Body>(body) {
            Ok(Body { reason, timestamp }) => {
                Self { status, reason: reason.chars().take(REASON_CHARS_MAX).collect(), at: timestamp.map(Timestamp::from_ms), after }
            }
            Err(_) => Self { status, reason: format!("HTTP_{status}"), at: None, after },
        }
    }

    /// What it means; `topic_is_own`: whether the message went to the connection's own topic.
    pub(super) fn meaning(&self, topic_is_own: bool) -> Meaning {
        match (self.status, self.reason.as_str()) {
            (410, _) | (400, "BadDeviceToken" | "DeviceTokenNotForTopic" | "MissingDeviceToken" | "ExpiredToken") => Meaning::DeadToken,
            (403, "ExpiredProviderToken") => Meaning::Expired,
            (403, _) => Meaning::Denied,
            (400, "BadTopic" | "TopicDisallowed" | "MissingTopic") if topic_is_own => Meaning::Denied,
            // Not what APNs says at its path: the connection leads elsewhere.
            (404 | 405, _) => Meaning::Denied,
            (429 | 503, _) | (400, "IdleTimeout") => Meaning::Later,
            (500.., _) | (408, _) => Meaning::Unclear,
            _ => Meaning::BadMessage,
        }
    }

    pub(super) fn said(&self, topic_is_own: bool) -> Said {
        let error = |code: &str| JobError::new(code, self.to_string(), true);
        match self.meaning(topic_is_own) {
            Meaning::DeadToken => Said::Dead { reason: self.reason.clone(), at: self.at },
            Meaning::BadMessage => Said::Refused { reason: self.reason.clone(), message: self.to_string() },
            // Again: the one in its place was refused too, or it was replaced a moment ago.
            Meaning::Expired | Meaning::Denied => Said::Closed(error("connection_refused"), None),
            Meaning::Later if self.reason == "TooManyProviderTokenUpdates" => Said::Closed(error("push_later"), Some(TOKENS_WAIT)),
            Meaning::Later => Said::Later(error("push_later"), self.after.or((self.status == 429).then_some(BUSY_WAIT))),
            Meaning::Unclear => Said::Unclear(error("push_unanswered"), self.after),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "APNs answered {} {}", self.status, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reasons are those of <https://docs.rs/apns-h2/latest/apns_h2/response/enum.ErrorReason.html>, all 32 and no other (read
    /// 2026-11-22). Which status each comes with is as we know it, and as a public client's tests have it: of Apple's own page,
    /// <https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns>, we had the statuses alone.
    #[test]
    fn reasons_have_their_meaning() {
        use Meaning::*;
        for (status, reason, meaning) in [
            (400, "BadCollapseId", BadMessage),
            (400, "BadDeviceToken", DeadToken),
            (400, "BadExpirationDate", BadMessage),
            (400, "BadMessageId", BadMessage),
            (400, "BadPriority", BadMessage),
            (400, "BadTopic", Denied),
            (400, "DeviceTokenNotForTopic", DeadToken),
            (400, "DuplicateHeaders", BadMessage),
            (400, "IdleTimeout", Later),
            (400, "InvalidPushType", BadMessage),
            (400, "MissingDeviceToken", DeadToken),
            (400, "MissingTopic", Denied),
            (400, "PayloadEmpty", BadMessage),
            (400, "TopicDisallowed", Denied),
            (403, "BadCertificate", Denied),
            (403, "BadCertificateEnvironment", Denied),
            (403, "BadEnvironmentKeyIdInToken", Denied),
            (403, "ExpiredProviderToken", Expired),
            (403, "Forbidden", Denied),
            (403, "InvalidProviderToken", Denied),
            (403, "MissingProviderToken", Denied),
            (403, "UnrelatedKeyIdInToken", Denied),
            (404, "BadPath", Denied),
            (405, "MethodNotAllowed", Denied),
            (410, "ExpiredToken", DeadToken),
            (410, "Unregistered", DeadToken),
            (413, "PayloadTooLarge", BadMessage),
            (429, "TooManyProviderTokenUpdates", Later),
            (429, "TooManyRequests", Later),
            (500, "InternalServerError", Unclear),
            (503, "ServiceUnavailable", Later),
            (503, "Shutdown", Later),
        ] {
            let refusal = Refusal::read(status, None, format!("{{\"reason\":\"{reason}\"}}").as_bytes());
            assert_eq!(refusal.meaning(true), meaning, "{status} {reason}");
        }
        // What APNs is said to answer in truth (<https://github.com/swift-server-community/APNSwift/pull/229>).
        assert_eq!(Refusal::read(403, None, b"{\"reason\":\"BadEnvironmentKeyInToken\"}").meaning(true), Denied);
        let disallowed = Refusal::read(400, None, b"{\"reason\":\"TopicDisallowed\"}");
        assert_eq!(disallowed.meaning(false), BadMessage, "the topic is the payload's own");
        let long = Refusal::read(400, None, format!("{{\"reason\":\"{}\"}}", "é".repeat(9_000)).as_bytes());
        assert_eq!(long.reason, "é".repeat(REASON_CHARS_MAX));
        assert_eq!(Refusal::read(502, None, b"<html>").to_string(), "APNs answered 502 HTTP_502");
    }

    #[test]
    fn waits_and_times_are_kept() {
        let gone = Refusal::read(410, None, b"{\"reason\":\"Unregistered\",\"timestamp\":1767225600000}");
        assert_eq!(gone.said(true), Said::Dead { reason: "Unregistered".into(), at: Some(Timestamp::from_ms(1_767_225_600_000)) });
        let wait = |status, after, reason: &str| match Refusal::read(status, after, format!("{{\"reason\":\"{reason}\"}}").as_bytes())
            .said(true)
        {
            Said::Later(_, after) | Said::Closed(_, after) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(429, None, "TooManyRequests"), Some(BUSY_WAIT));
        assert_eq!(wait(429, Some(Duration::from_secs(7)), "TooManyRequests"), Some(Duration::from_secs(7)));
        assert_eq!(wait(429, None, "TooManyProviderTokenUpdates"), Some(TOKENS_WAIT));
        assert_eq!(wait(503, None, "Shutdown"), None, "the job's own backoff");
    }
}
