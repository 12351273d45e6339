//! What an event reports of deliveries: a pure reader for each provider.
//!
//! An event that is about something else has no reports and is no error; one that is nothing its provider sends is.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    clock::Timestamp,
    connection::catalog::{http, twilio, whatsapp},
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
        whatsapp::NAME => heard(incoming.body).map(|heard| heard.reports),
        other => Err(format!("nobody here reads what {other} tells")),
    }
}

/// How WhatsApp's approved templates stand, where an event of this provider says so.
pub fn templates(provider: &str, incoming: &Incoming<'_>) -> Vec<Turned> {
    let told = (provider == whatsapp::NAME).then(|| heard(incoming.body).ok()).flatten();
    told.map(|heard| heard.templates).unwrap_or_default()
}

fn heard(body: &[u8]) -> Result<Heard, String> {
    notification_whatsapp::report::heard(body).ok_or_else(|| "it is no JSON".into())
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

fn report(own: Own) -> Result<Report, String> {
    let ours =
        match own.key.as_deref().map(|key| Whose::ours(key).ok_or_else(|| format!("{key:?} is no key: a job, a full stop, an effect"))) {
            Some(ours) => Some(ours?),
            None => None,
        };
    let about: Vec<Whose> = ours.into_iter().chain(own.provider_id.map(Whose::Theirs)).collect();
    if about.is_empty() {
        return Err("a report has a key or a provider_id".into());
    }
    let error = own.error.map(|error| JobError::new(error.code, error.message, false));
    Ok(Report { about, status: own.status, at: own.at, error })
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
        ] {
            let mut body: Value = serde_json::from_str(wrong).expect("JSON");
            body["type"] = TYPE.into();
            assert!(of(&body.to_string()).is_err(), "{body}");
        }
    }
}
