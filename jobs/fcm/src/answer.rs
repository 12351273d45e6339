//! What FCM answers, and what it means: `google.rpc.Status` with the details of `google.firebase.fcm.v1.FcmError`.
//!
//! The codes are those of <https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>: on 2026-11-22 we read a stored copy down to
//! `INVALID_ARGUMENT`, and the others with their statuses where public code quotes them. Google's own library knows `QUOTA_EXCEEDED`,
//! `SENDER_ID_MISMATCH`, `THIRD_PARTY_AUTH_ERROR` and `UNREGISTERED` (`firebase_admin` 7.7.0 from PyPI).

use std::time::Duration;

use serde::Deserialize;

/// How much of an answer that is no JSON is told.
const EXCERPT_CHARS: usize = 200;
/// How much of FCM's words is kept.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// How much of a code, or of a status among Google's, is kept.
const CODE_CHARS_MAX: usize = 100;
/// How much of a message's name is kept: the longest are a project's id and some 40 characters.
const NAME_CHARS_MAX: usize = 200;

/// A message that FCM took, or would take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sent {
    /// What it is called from now on: `projects/*/messages/*`.
    #[serde(default)]
    pub name: Option<String>,
}

/// Why FCM did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FCM answered {status}{}: {message}", .code.as_ref().map(|code| format!(" {code}")).or_else(|| .rpc_status.as_ref().map(|status| format!(" {status}"))).unwrap_or_default())]
pub struct SendError {
    /// The status of HTTP.
    pub status: u16,
    /// The name of the status among Google's: `NOT_FOUND`.
    pub rpc_status: Option<String>,
    /// FCM's own code.
    pub code: Option<ErrorCode>,
    /// FCM's words.
    pub message: String,
    /// The fields that were wrong.
    pub violations: Vec<FieldViolation>,
    /// How long to wait, as the body says it.
    pub retry_delay: Option<Duration>,
    /// The header `Retry-After`, as it came: seconds or a date.
    pub retry_after: Option<String>,
}

/// FCM's codes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum ErrorCode {
    /// Something in the request is wrong: a field, or the form of the token.
    InvalidArgument,
    /// The app is not there any more: the token is of no use.
    Unregistered,
    /// The token is another sender's.
    SenderIdMismatch,
    /// Too many messages: to all, to a device or to a topic.
    QuotaExceeded,
    /// FCM is overloaded.
    Unavailable,
    /// FCM made a mistake.
    Internal,
    /// The certificate for APNs, or the key for Web Push, is missing or no good.
    ThirdPartyAuthError,
    /// One that is not listed, or `UNSPECIFIED_ERROR`.
    Other(String),
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldViolation {
    /// Which: `message.token`.
    #[serde(default)]
    pub field: String,
    /// What is wrong with it.
    #[serde(default)]
    pub description: String,
}

/// What an error means for whoever sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing sent to this token will arrive: forget it.
    DeadToken,
    /// The message will not be taken, whoever it goes to.
    BadMessage,
    /// The access token is not good: get another one.
    Unauthenticated,
    /// Whoever sends may not, or the project is not there.
    Denied,
    /// The project's access to APNs or Web Push is not in order; devices of other platforms are not concerned.
    ThirdParty,
    /// It was not sent, and may be sent later.
    Later,
    /// Nobody knows whether it was sent.
    Unclear,
}

impl SendError {
    /// What it means.
    pub fn meaning(&self) -> Meaning {
        match (&self.code, self.status) {
            (Some(ErrorCode::Unregistered | ErrorCode::SenderIdMismatch), _) => Meaning::DeadToken,
            (Some(ErrorCode::ThirdPartyAuthError), _) => Meaning::ThirdParty,
            (Some(ErrorCode::QuotaExceeded | ErrorCode::Unavailable), _) | (_, 429 | 503) => Meaning::Later,
            (_, 401) => Meaning::Unauthenticated,
            // Where it were the token, there would be a code.
            (_, 403 | 404) => Meaning::Denied,
            (_, 400) if self.is_about_token() => Meaning::DeadToken,
            (Some(ErrorCode::Internal), _) | (_, 408 | 409 | 500..) => Meaning::Unclear,
            _ => Meaning::BadMessage,
        }
    }

    /// FCM says `INVALID_ARGUMENT` of a token that is none, and of a message that is too large as well. A token that is thrown away
    /// for a bad message is lost, so it must be named.
    fn is_about_token(&self) -> bool {
        match self.violations.as_slice() {
            [] => self.code == Some(ErrorCode::InvalidArgument) && self.message.to_ascii_lowercase().contains("registration token"),
            violations => violations.iter().any(|one| matches!(one.field.as_str(), "message.token" | "message.fid")),
        }
    }

    /// The word for it: FCM's code, or else Google's.
    pub fn reason(&self) -> String {
        match (&self.code, &self.rpc_status) {
            (Some(code), _) => code.to_string(),
            (None, Some(status)) => status.clone(),
            (None, None) => format!("HTTP_{}", self.status),
        }
    }
}

impl From<String> for ErrorCode {
    fn from(text: String) -> Self {
        match text.as_str() {
            "INVALID_ARGUMENT" => Self::InvalidArgument,
            "UNREGISTERED" => Self::Unregistered,
            "SENDER_ID_MISMATCH" => Self::SenderIdMismatch,
            "QUOTA_EXCEEDED" => Self::QuotaExceeded,
            "UNAVAILABLE" => Self::Unavailable,
            "INTERNAL" => Self::Internal,
            "THIRD_PARTY_AUTH_ERROR" => Self::ThirdPartyAuthError,
            _ => Self::Other(cut(text, CODE_CHARS_MAX)),
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::Unregistered => "UNREGISTERED",
            Self::SenderIdMismatch => "SENDER_ID_MISMATCH",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::ThirdPartyAuthError => "THIRD_PARTY_AUTH_ERROR",
            Self::Other(text) => text,
        })
    }
}

/// The body of an error.
#[derive(Deserialize)]
struct Body {
    error: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
    status: Option<String>,
    #[serde(default)]
    details: Vec<serde_json::Value>,
}

/// A detail that says something to us.
#[derive(Deserialize)]
#[serde(tag = "@type")]
enum Detail {
    #[serde(rename = "type.googleapis.com/google.firebase.fcm.v1.FcmError", rename_all = "camelCase")]
    Fcm { error_code: Option<ErrorCode> },
    #[serde(rename = "type.googleapis.com/google.rpc.BadRequest", rename_all = "camelCase")]
    BadRequest {
        #[serde(default)]
        field_violations: Vec<FieldViolation>,
    },
    #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo", rename_all = "camelCase")]
    RetryInfo { retry_delay: Option<String> },
    #[serde(other)]
    Unknown,
}

/// Reads an answer.
pub fn read(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<Sent, Box<SendError>> {
    if (200..300).contains(&status) {
        // It was taken, whatever it is called.
        let sent = serde_json::from_slice(body).unwrap_or(Sent { name: None });
        return Ok(Sent { name: sent.name.map(|name| cut(name, NAME_CHARS_MAX)) });
    }
    let mut error = SendError {
        status,
        rpc_status: None,
        code: None,
        message: String::new(),
        violations: Vec::new(),
        retry_delay: None,
        retry_after: retry_after.map(str::to_owned),
    };
    let Ok(Body { error: said }) = serde_json::from_slice::<Body>(body) else {
        error.message = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(EXCERPT_CHARS).collect();
        return Err(Box::new(error));
    };
    error.message = cut(said.message, MESSAGE_CHARS_MAX);
    error.rpc_status = said.status.map(|status| cut(status, CODE_CHARS_MAX));
    for detail in said.details {
        match serde_json::from_value(detail) {
            Ok(Detail::Fcm { error_code }) => error.code = error_code.or(error.code),
            Ok(Detail::BadRequest { field_violations }) => error.violations.extend(field_violations),
            Ok(Detail::RetryInfo { retry_delay }) => error.retry_delay = retry_delay.as_deref().and_then(duration),
            Ok(Detail::Unknown) | Err(_) => {}
        }
    }
    Err(Box::new(error))
}

fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
    }
    text
}

/// A duration as Google writes it: `3.5s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FCM: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

    fn refused(status: u16, body: &serde_json::Value) -> SendError {
        *read(status, None, body.to_string().as_bytes()).expect_err("a refusal")
    }

    /// The two examples of <https://firebase.google.com/docs/cloud-messaging/error-codes>, by a stored copy of it, read 2026-11-22.
    #[test]
    fn the_examples_of_the_documentation_are_told_apart() {
        let value = refused(
            400,
            &serde_json::json!({ "error": { "code": 400, "message": "Invalid value at 'message.data[0].value' (TYPE_STRING), 12",
                "status": "INVALID_ARGUMENT", "details": [{ "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{ "field": "message.data[0].value",
                        "description": "Invalid value at 'message.data[0].value' (TYPE_STRING), 12" }] }] } }),
        );
        assert_eq!((value.meaning(), value.reason().as_str()), (Meaning::BadMessage, "INVALID_ARGUMENT"));
        assert_eq!(value.violations[0].field, "message.data[0].value");
        let token = refused(
            400,
            &serde_json::json!({ "error": { "code": 400, "message": "The registration token is not a valid FCM registration token",
                "status": "INVALID_ARGUMENT", "details": [{ "@type": FCM, "errorCode": "INVALID_ARGUMENT" }] } }),
        );
        assert_eq!((token.meaning(), token.code), (Meaning::DeadToken, Some(ErrorCode::InvalidArgument)));
    }

    #[test]
    fn codes_have_their_meaning() {
        let coded = |status: u16, code: &str| {
            refused(status, &serde_json::json!({ "error": { "message": "m", "details": [{ "@type": FCM, "errorCode": code }] } })).meaning()
        };
        for (status, code, meaning) in [
            (404, "UNREGISTERED", Meaning::DeadToken),
            (403, "SENDER_ID_MISMATCH", Meaning::DeadToken),
            (429, "QUOTA_EXCEEDED", Meaning::Later),
            (503, "UNAVAILABLE", Meaning::Later),
            (500, "INTERNAL", Meaning::Unclear),
            (401, "THIRD_PARTY_AUTH_ERROR", Meaning::ThirdParty),
            (400, "INVALID_ARGUMENT", Meaning::BadMessage),
            (400, "UNSPECIFIED_ERROR", Meaning::BadMessage),
            (401, "NEW_CODE", Meaning::Unauthenticated),
        ] {
            assert_eq!(coded(status, code), meaning, "{status} {code}");
        }
    }

    #[test]
    fn answers_that_are_no_json_of_theirs_have_a_meaning_too() {
        for (status, meaning) in [
            (400, Meaning::BadMessage),
            (401, Meaning::Unauthenticated),
            (403, Meaning::Denied),
            (404, Meaning::Denied),
            (413, Meaning::BadMessage),
            (429, Meaning::Later),
            (500, Meaning::Unclear),
            (502, Meaning::Unclear),
            (503, Meaning::Later),
            (504, Meaning::Unclear),
        ] {
            let error = read(status, Some("7"), b"<!DOCTYPE html>\n<title>Error</title>").expect_err("a refusal");
            assert_eq!(error.meaning(), meaning, "{status}");
            assert_eq!((error.reason(), error.retry_after.as_deref()), (format!("HTTP_{status}"), Some("7")));
            assert_eq!(error.to_string(), format!("FCM answered {status}: <!DOCTYPE html><title>Error</title>"));
        }
        assert_eq!(
            read(200, None, b"{\"name\": \"projects/p/messages/1\"}").map(|sent| sent.name),
            Ok(Some("projects/p/messages/1".into()))
        );
        assert_eq!(read(200, None, b"?").map(|sent| sent.name), Ok(None));
    }

    #[test]
    fn of_long_words_a_part_is_kept() {
        let long = "é".repeat(60_000);
        let sent = read(200, None, serde_json::json!({ "name": long }).to_string().as_bytes()).expect("it was taken");
        assert_eq!(sent.name.map(|name| name.chars().count()), Some(NAME_CHARS_MAX));
        let error = refused(
            400,
            &serde_json::json!({ "error": { "message": long, "status": long, "details": [{ "@type": FCM, "errorCode": long }] } }),
        );
        assert_eq!(error.message.chars().count(), MESSAGE_CHARS_MAX);
        assert_eq!(error.rpc_status.as_deref().map(|status| status.chars().count()), Some(CODE_CHARS_MAX));
        assert_eq!(error.reason().chars().count(), CODE_CHARS_MAX);
    }

    #[test]
    fn waits_are_read() {
        let body = serde_json::json!({ "error": { "details": [
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s" }, { "@type": "new" }, 7 ] } });
        assert_eq!(refused(503, &body).retry_delay, Some(Duration::from_millis(1_500)));
        for text in ["1", "-1s", "s", "xs"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
