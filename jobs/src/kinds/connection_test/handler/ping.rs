//! The test of an `http` endpoint: one request as a job would send it, with a body that says that it is a test.

use super::Failed;
use crate::{
    clock::Timestamp,
    connection::{
        Opened,
        catalog::http::{SIGNING_SECRET, TIMEOUT_S},
        door::{Doors, unlock},
    },
    job::JobError,
    kinds::http_request::sign::signature,
    outbound::{Error, HeaderMap, HeaderName, HeaderValue, Limits, Method, Request, header},
};

/// What the endpoint receives.
const BODY: &str = r#"{"type":"connection.test"}"#;
/// The test's answer is not read: this much is taken so that the connection can be kept.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Sends it. Any 2xx passes; 401, 403, 404, 405, 410 and redirects are refusals, whatever else passes or is somebody's trouble.
pub(super) async fn ping(doors: &Doors, opened: &Opened, now: Timestamp) -> Result<String, Failed> {
    let text = |name: &str| opened.config.get(name).and_then(serde_json::Value::as_str);
    let way = doors.way(opened).await.map_err(unreached)?;
    let url = way.url(text("url").unwrap_or_default()).map_err(unreached)?;
    let method = Method::from_bytes(text("method").unwrap_or("POST").as_bytes()).map_err(|_| invalid("config.method is no method"))?;
    let mut request = Request::new(method.clone(), url);
    request.headers = headers(opened, now)?;
    unlock(&mut request, opened, None);
    if !matches!(method, Method::GET | Method::DELETE) {
        request.body = BODY.into();
    }
    let timeout_s = opened.config.get("timeout_s").and_then(serde_json::Value::as_u64).unwrap_or(TIMEOUT_S.into());
    // Somebody waits for the test, whatever patience jobs have.
    let total_ms = timeout_s.min(30) * 1_000;
    let limits = Limits { total_ms, body_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() };
    let answer = way.send(request, &limits).await.map_err(unreached)?;
    let said = format!("{} answered {} to {method}", answer.host(), answer.status.as_u16());
    match answer.status.as_u16() {
        200..=299 => Ok(said),
        300..=399 | 401 | 403..=405 | 410 => Err(Failed::Refused(JobError::new("connection_refused", said, false))),
        _ => Err(Failed::Unasked(JobError::new("answer_refused", said, true))),
    }
}

fn headers(opened: &Opened, now: Timestamp) -> Result<HeaderMap, Failed> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in opened.config.get("headers").and_then(serde_json::Value::as_object).into_iter().flatten() {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| invalid("config.headers has a name that is none"))?;
        let value =
            HeaderValue::try_from(value.as_str().unwrap_or_default()).map_err(|_| invalid("config.headers has a value that is none"))?;
        headers.insert(name, value);
    }
    if let Some(secret) = opened.secrets.get(SIGNING_SECRET) {
        let (id, seconds) = (format!("test_{}", uuid::Uuid::new_v4().simple()), now.ms() / 1_000);
        let signature = signature(secret, &id, seconds, BODY.as_bytes()).map_err(invalid)?;
        for (name, value) in [("webhook-id", id), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)] {
            headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).map_err(|_| invalid("a header does not fit"))?);
        }
    }
    Ok(headers)
}

fn invalid(why: &str) -> Failed {
    Failed::Refused(JobError::new("connection_invalid", why, false))
}

fn unreached(error: Error) -> Failed {
    let job_error = JobError::new(error.code(), error.to_string(), !error.is_final());
    if error.is_final() { Failed::Refused(job_error) } else { Failed::Unasked(job_error) }
}
