//! What an event reports of deliveries: a pure reader for each provider.
//!
//! An event that is about something else has no reports and is no error; one that is nothing its provider sends is.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    clock::Timestamp,
    connection::catalog::{http, twilio, whatsapp},
    effect::KEY_BYTES_MAX,
    hook::Incoming,
    job::JobError,
    kinds::{
        notification_sms,
        notification_whatsapp::{self, report::Heard},
    },
    notification::{
        approved::Turned,
        delivery::{Report, Status, Whose},
    },
};

/// The `type` of what an endpoint of a tenant's own reports.
pub const TYPE: &str = "delivery.status";

/// What an event of this provider reports.
pub fn reports(provider: &str, incoming: &Incoming<'_>) -> Result<Vec<Report>, String> {
    match provider {
        http::NAME => own(incoming.body),
        twilio::NAME => Ok(notification_sms::report::report(Some(incoming.query), incoming.body).into_iter().collect()),
        whatsapp::NAME => heard(incoming.body, None).map(|heard| heard.reports),
        other => Err(format!("nobody here reads what {other} tells")),
    }
}

/// How WhatsApp's approved templates of this account stand, where an event of this provider says so.
pub fn templates(provider: &str, account: Option<&str>, incoming: &Incoming<'_>) -> Vec<Turned> {
    let told = (provider == whatsapp::NAME).then(|| heard(incoming.body, account).ok()).flatten();
    told.map(|heard| heard.templates).unwrap_or_default()
}

fn heard(body: &[u8], account: Option<&str>) -> Result<Heard, String> {
    notification_whatsapp::report::heard(body, account).ok_or_else(|| "it is no JSON".into())
}

/// What a tenant's own endpoint reports (docs/hooks.md).
#[derive(Deserialize)]
struct Told {
    reports: Vec<Own>,
}

#[derive(Deserialize)]
struct Own {
    /// The key that the message was sent with: `<job>.<effect>`.
    key: Option<String>,
    /// What the other side calls the message.
    provider_id: Option<String>,
    status: Status,
    at: Option<Timestamp>,
    error: Option<OwnError>,
}

#[derive(Deserialize)]
struct OwnError {
    code: String,
    #[serde(default)]
    message: String,
}

fn own(body: &[u8]) -> Result<Vec<Report>, String> {
    // Whatever else is told is kept and passed on, and says nothing of deliveries.
    let Ok(told) = serde_json::from_slice::<Value>(body) else { return Ok(Vec::new()) };
    if told["type"] != TYPE {
        return Ok(Vec::new());
    }
    let told: Told = serde_json::from_value(told).map_err(|error| format!("it is no {TYPE}: {error}"))?;
    told.reports.into_iter().map(report).collect()
}

/// The longest `key`: a job's id, a full stop, and an effect's key.
const KEY_CHARS_MAX: usize = 37 + KEY_BYTES_MAX;
/// The longest `provider_id`, in bytes.
const ID_BYTES_MAX: usize = 512;
/// The longest `code` of an error, in bytes; what is longer is cut.
const CODE_BYTES_MAX: usize = 64;

fn report(own: Own) -> Result<Report, String> {
    let ours = own.key.as_deref().map(ours).transpose()?;
    if own.provider_id.as_deref().is_some_and(|id| id.is_empty() || id.len() > ID_BYTES_MAX || id.contains(char::is_control)) {
        return Err(format!("a provider_id has 1 to {ID_BYTES_MAX} bytes, and no control characters"));
    }
    let about: Vec<Whose> = ours.into_iter().chain(own.provider_id.map(Whose::Theirs)).collect();
    if about.is_empty() {
        return Err("a report has a key or a provider_id".into());
    }
    let error = own.error.map(|error| JobError::new(code(&error.code), error.message, false));
    Ok(Report { about, status: own.status, at: own.at, error })
}

fn ours(key: &str) -> Result<Whose, String> {
    let is_name = key.len() <= KEY_CHARS_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    let ours = is_name.then(|| Whose::ours(key)).flatten();
    ours.ok_or_else(|| format!("{:?} is no key: a job, a full stop, an effect", key.chars().take(KEY_CHARS_MAX).collect::<String>()))
}

fn code(told: &str) -> String {
    told[..told.floor_char_boundary(CODE_BYTES_MAX)].replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Result<Vec<Report>, String> {
        reports(http::NAME, &Incoming { query: "", content_type: "application/json", body: body.as_bytes() })
    }

    #[test]
    fn what_is_told_is_read_and_what_is_about_something_else_is_none_of_ours() {
        let job = "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70";
        let body = format!(
            r#"{{"type":"delivery.status","reports":[
                {{"key":"{job}.send","status":"delivered","at":"2027-01-15T08:00:00.000Z","more":1}},
                {{"provider_id":"m-1","status":"failed","error":{{"code":"blocked"}}}}]}}"#
        );
        let read = of(&body).expect("read");
        assert_eq!(read[0].about, [Whose::Ours(job.parse().expect("an id"), "send".into())]);
        assert_eq!((read[0].status, read[0].at.map(Timestamp::ms)), (Status::Delivered, Some(1_800_000_000_000)));
        assert_eq!((read[1].about.as_slice(), read[1].status), ([Whose::Theirs("m-1".into())].as_slice(), Status::Failed));
        assert_eq!(read[1].error.as_ref().map(|error| error.code.as_str()), Some("blocked"));
        for other in ["", "no JSON", "[]", "7", r#"{"type":"order.paid","reports":7}"#, r#"{"a":1}"#] {
            assert_eq!(of(other), Ok(Vec::new()), "{other}");
        }
    }

    #[test]
    fn what_claims_to_report_and_does_not_is_an_error() {
        for wrong in [
            "{}",
            r#"{"reports":7}"#,
            r#"{"reports":[{"status":"sent"}]}"#,
            r#"{"reports":[{"key":"x","status":"sent"}]}"#,
            r#"{"reports":[{"key":"x.y","status":"sent"}]}"#,
            r#"{"reports":[{"provider_id":"m","status":"lost"}]}"#,
            r#"{"reports":[{"provider_id":"m","status":"sent","at":"yesterday"}]}"#,
            r#"{"reports":[{"provider_id":"","status":"sent"}]}"#,
            r#"{"reports":[{"provider_id":"m\u0000","status":"sent"}]}"#,
            r#"{"reports":[{"key":"019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70.se\u0000nd","status":"sent"}]}"#,
            r#"{"reports":[{"key":"019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70.","status":"sent"}]}"#,
        ] {
            let mut body: Value = serde_json::from_str(wrong).expect("JSON");
            body["type"] = TYPE.into();
            assert!(of(&body.to_string()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_told_has_an_end() {
        let told = |report: Value| of(&serde_json::json!({ "type": TYPE, "reports": [report] }).to_string());
        let of_id = |bytes: usize| told(serde_json::json!({ "provider_id": "m".repeat(bytes), "status": "sent" }));
        assert!(of_id(ID_BYTES_MAX).is_ok() && of_id(ID_BYTES_MAX + 1).is_err());
        let job = "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70";
        let of_key = |bytes: usize| told(serde_json::json!({ "key": format!("{job}.{}", "k".repeat(bytes)), "status": "sent" }));
        assert!(of_key(KEY_BYTES_MAX).is_ok());
        let refused = of_key(1_000_000).expect_err("too long");
        assert!(refused.len() < 500, "{} bytes", refused.len());
        let error = serde_json::json!({ "code": "ü\u{0}".repeat(100), "message": "m".repeat(100_000) });
        let read = told(serde_json::json!({ "provider_id": "m", "status": "failed", "error": error })).expect("read");
        let error = read[0].error.as_ref().expect("an error");
        assert!(error.code.chars().count() <= CODE_BYTES_MAX && !error.code.contains('\0'), "{:?}", error.code);
        assert!(error.message.len() <= 4_096);
    }
}
