//! Lists, a page at a time: how large a page is, where the next begins, and the link to it.
//!
//! A token holds the last of what its page had, bound to the list that it was made for: the tenant, what is listed, the
//! filter. Whoever lists gives all of that as one JSON value.

use axum::{
    Json as Answer,
    http::{HeaderValue, header::LINK},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::{
    Api,
    error::{ApiError, Code},
    openapi,
    query::Params,
};

/// Entries of a page that does not say (AIP-158).
pub const PAGE_SIZE: usize = 50;
/// The most entries of a page.
pub const PAGE_SIZE_MAX: usize = 1_000;
/// A page ends behind the entry whose payload and result come to this many bytes together with those before it: a thousand
/// payloads at the limit would be a gigabyte.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// Enough to notice a filter that was changed by mistake; a token gives no rights, so nobody gains by forging one.
const LIST_BYTES: usize = 8;

/// Which part of a list is asked for, as the document has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct Part {
    /// The most entries of a page.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before, with the same filter.
    #[param(min_length = 1)]
    page_token: Option<String>,
}

/// A page that is asked for.
pub(crate) struct Asked {
    /// At most so many entries.
    pub(crate) size: usize,
    token: Option<String>,
}

impl utoipa::IntoResponses for Asked {
    fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
        openapi::problems(&[Code::PAGE_TOKEN_INVALID])
    }
}

impl Asked {
    /// Takes `page_size` and `page_token` out of a query.
    pub(crate) fn take(params: &mut Params) -> Result<Self, ApiError> {
        let size = params.read("page_size", page_size)?.unwrap_or(PAGE_SIZE);
        Ok(Self { size, token: params.take("page_token") })
    }

    /// The entry that the page begins after, as `read` knows it from what [`token`] was given.
    pub(crate) fn after<T>(&self, list: &Value, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>, ApiError> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let foreign = || ApiError::PageToken("not a token of ours");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
        let (last, list_then) = bytes.split_last_chunk::<LIST_BYTES>().ok_or_else(foreign)?;
        if *list_then != fingerprint(list) {
            return Err(ApiError::PageToken("made for another list; give the filter it came from"));
        }
        read(last).map(Some).ok_or_else(foreign)
    }
}

fn page_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
    size.ok_or_else(|| format!("a page's size is 1 to {PAGE_SIZE_MAX}"))
}

/// The token of the page after the entry `last`.
pub(crate) fn token(list: &Value, last: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([last, &fingerprint(list)].concat())
}

fn fingerprint(list: &Value) -> [u8; LIST_BYTES] {
    let digest = Sha256::digest(list.to_string());
    std::array::from_fn(|index| digest[index])
}

/// The page, with a `Link` (RFC 8288) to the next one if there is any: the same list with the token.
pub(crate) fn answer(
    api: &Api,
    path: &str,
    filter: &[(&str, Option<String>)],
    size: usize,
    next: Option<&str>,
    page: impl Serialize,
) -> Response {
    let mut response = Answer(page).into_response();
    let Some(token) = next else {
        return response;
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filter.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
    query.append_pair("page_size", &size.to_string()).append_pair("page_token", token);
    let link = format!("<{}{path}?{}>; rel=\"next\"", api.public_url, query.finish());
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(LINK, link);
    }
    response
}
