//! The edge of every request: its id, its time, its panics, and the problem document of whatever went wrong.

use std::{
    any::Any,
    fmt,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{
        HeaderMap, HeaderValue,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    error::{ApiError, Problem},
    prefer::Prefer,
    routes::{callbacks, hooks},
};

const REQUEST_ID: &str = "x-request-id";
/// The longest request id that is taken over from a client; it is repeated in every log line.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// How long an answer may take, beside what the client is willing to wait. Longer than a ledger's own time-outs,
/// so that their more telling errors come first.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Wraps everything: routes, fallbacks and whatever axum itself answers.
pub(crate) async fn edge(request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    // The path of a callback or a hook is a permission, and no line of a log may give it away.
    let opens = |path: &&str| [callbacks::PATH, hooks::PATH].iter().any(|begins| path.starts_with(begins));
    let path = Some(request.uri().path()).filter(|path| !opens(path)).unwrap_or(&route);
    let span = tracing::info_span!("request", request.id = %id, http.method = %request.method(), http.path = path);
    let method = request.method().to_string();
    let began = Instant::now();
    let time = ANSWER_MAX + Prefer::of(request.headers()).wait.unwrap_or_default();
    async {
        let answer = AssertUnwindSafe(tokio::time::timeout(time, next.run(request))).catch_unwind().await;
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                tracing::warn!(time_s = time.as_secs(), "a request timed out");
                ApiError::TimedOut.into_response()
            }
            Err(panic) => {
                tracing::error!(panic = panic_message(panic.as_ref()), "a request panicked");
                ApiError::Internal.into_response()
            }
        };
        let status = response.status().as_u16();
        tracing::debug!(http.status = status, "answered");
        let labels = [("method", method), ("route", route), ("status", status.to_string())];
        metrics::histogram!("windrow_http_request_seconds", &labels).record(began.elapsed());
        finish(response, &id)
    }
    .instrument(span)
    .await
}

/// Adds the request's id, and gives every error its problem document.
fn finish(mut response: Response, id: &RequestId) -> Response {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let mut problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
        problem.request_id.clone_from(&id.0);
        // Text and numbers only: it always has a JSON form.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        *response.body_mut() = Body::from(body);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What joins an answer, its problem document and the log lines.
struct RequestId(String);

impl RequestId {
    /// The client's, if it is harmless in a log line and a header; else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent.filter(|id| is_harmless(id)) {
            Some(id) => Self(id.to_owned()),
            None => Self(Uuid::now_v7().to_string()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_harmless(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&byte);
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
