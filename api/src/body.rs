//! Reads a request's body: JSON of a known shape, or nothing at all.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    body::Bytes,
    extract::{
        FromRequest, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{
        HeaderMap,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_path_to_error::{Path, Segment};
use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response},
};
use windrow_jobs::{object::ObjectOnly, submit::PAYLOAD_BYTES_MAX};

use crate::{
    Api,
    error::{ApiError, Code},
    openapi,
};

/// The largest body: a payload and what surrounds it.
pub const BODY_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 64 * 1024;
/// How long a body may take to arrive: 1 MiB at half a megabit per second.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);

/// A JSON body. Its errors point at the place in it.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        check_media_type(request.headers(), None)?;
        let bytes = arrive(request, api, BODY_BYTES_MAX).await?;
        parse_object(&bytes).map(Self)
    }
}

impl<T> IntoResponses for Json<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        openapi::problems(&[
            Code::JSON_MALFORMED,
            Code::FIELD_INVALID,
            Code::MEDIA_TYPE_UNSUPPORTED,
            Code::BODY_TOO_LARGE,
            Code::BODY_UNREADABLE,
            Code::BODY_TIMED_OUT,
        ])
    }
}

openapi::gives! {
    NoBody: BODY_NOT_ALLOWED, BODY_TOO_LARGE, BODY_UNREADABLE, BODY_TIMED_OUT;
}

/// The body of a call that takes none. An empty object passes, as many clients send one with every POST.
pub(crate) struct NoBody;

impl FromRequest<Api> for NoBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let bytes = arrive(request, api, BODY_BYTES_MAX).await?;
        match bytes.trim_ascii() {
            b"" | b"{}" => Ok(Self),
            _ => Err(ApiError::BodyNotAllowed),
        }
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalJson<T = ()>(pub(crate) Option<T>);

impl<T: DeserializeOwned> FromRequest<Api> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let headers = request.headers().clone();
        let bytes = arrive(request, api, BODY_BYTES_MAX).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(None));
        }
        check_media_type(&headers, None)?;
        parse_object(&bytes).map(Some).map(Self)
    }
}

impl<T> IntoResponses for OptionalJson<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        Json::<T>::responses()
    }
}

/// Passes JSON, and the other media type that a route may take. Returns whether it is that other one.
pub(crate) fn check_media_type(headers: &HeaderMap, other: Option<&str>) -> Result<bool, ApiError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let refused = |message: String| Err(ApiError::MediaType(message));
    if let Some(encoding) = text(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return refused(format!("content encoding {encoding:?} is not read; send the body as it is"));
    }
    let Some(media_type) = text(CONTENT_TYPE) else {
        return refused("send Content-Type: application/json".into());
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    match other {
        Some(other) if essence == other => Ok(true),
        _ if is_json => Ok(false),
        Some(other) => refused(format!("{essence:?} is not read; send application/json or {other}")),
        None => refused(format!("{essence:?} is not read; send application/json")),
    }
}

/// The whole body; `bytes_max` is the limit that the route was given.
pub(crate) async fn arrive(request: Request, api: &Api, bytes_max: usize) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(ARRIVAL_MAX, Bytes::from_request(request, api)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)))) => Err(ApiError::BodyTooLarge { bytes_max }),
        Ok(Err(_)) => Err(ApiError::BodyUnreadable),
        Err(_) => Err(ApiError::BodyTimedOut),
    }
}

/// Reads a JSON object of a shape. What is no JSON at all is told apart from JSON of another shape.
pub(crate) fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(ObjectOnly(&mut deserializer)).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        // For an enum serde_json calls another type of value a wrong syntax.
        let is_json = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        if is_json { ApiError::Field { pointer, message: error.to_string() } } else { misread(pointer, &error) }
    })?;
    deserializer.end().map_err(|error| malformed(None, &error))?;
    Ok(value)
}

/// What is wrong with JSON that could not be read.
pub(crate) fn misread(pointer: String, error: &serde_json::Error) -> ApiError {
    match error.classify() {
        serde_json::error::Category::Data => ApiError::Field { pointer, message: error.to_string() },
        _ => malformed(Some(pointer), error),
    }
}

fn malformed(pointer: Option<String>, error: &serde_json::Error) -> ApiError {
    ApiError::JsonMalformed { pointer: pointer.filter(|pointer| !pointer.is_empty()), message: error.to_string() }
}

/// The path as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            // The variant of an enum is the one field of an object.
            Segment::Enum { variant } => pointer.push_str(&format!("/{variant}")),
            Segment::Unknown => {}
        }
    }
    pointer
}

/// An object that may be left out but not be `null`.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    windrow_jobs::object::object(deserializer).map(Some)
}

/// A field that may be left out but not be `null`.
pub(crate) fn value<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Tells a field that is `null` from one that is left out.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
