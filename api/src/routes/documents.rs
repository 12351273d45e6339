//! What the API says of itself: its OpenAPI document, and a page to read and try it by. Both are for everybody.
//!
//! The page is Swagger UI, which is linked into the binary: it loads nothing from elsewhere, and its policy forbids that.

use std::sync::{Arc, LazyLock};

use axum::{
    body::Bytes,
    extract::{Path, rejection::PathRejection},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{Html, IntoResponse, Response},
};
use utoipa_swagger_ui::Config;

use crate::{error::ApiError, openapi};

/// Scripts, styles and data are the server's own. Swagger UI styles elements one by one and draws its icons as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The page's files change with a release only.
const KEPT: &str = "public, max-age=3600";
/// What the page consists of, beside its start: the names are those of Swagger UI's own release.
const FILES: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];
const START: &str = "start.js";

openapi::gives! {
    NoSuchFile: ROUTE_NOT_FOUND;
}
struct NoSuchFile;

/// This document
///
/// OpenAPI 3.1, made from the code.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "documents",
    operation_id = "getOpenApi",
    responses((status = 200, description = "The document.", body = Object))
)]
pub(crate) async fn openapi() -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| openapi::document().to_string().into());
    ([(CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
}

/// A page to read this document by
#[utoipa::path(
    get,
    path = "/docs",
    tag = "documents",
    operation_id = "getDocs",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html", headers(("Content-Security-Policy"))))
)]
pub(crate) async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("docs/index.html"))).into_response()
}

/// A file of that page
#[utoipa::path(
    get,
    path = "/docs/{file}",
    tag = "documents",
    operation_id = "getDocsFile",
    params(("file" = String, Path, description = "The file's name.", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "The file.", headers(("Cache-Control")), content(
            (String = "text/javascript"),
            (String = "text/css"),
            (Vec<u8> = "image/png"),
        )),
        NoSuchFile,
    )
)]
pub(crate) async fn file(name: Result<Path<String>, PathRejection>) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|_| ApiError::RouteNotFound)?;
    if name == START {
        return Ok(([(CONTENT_TYPE, "text/javascript"), (CACHE_CONTROL, "no-cache")], include_str!("docs/start.js")).into_response());
    }
    if !FILES.contains(&name.as_str()) {
        return Err(ApiError::RouteNotFound);
    }
    let found = utoipa_swagger_ui::serve(&name, Arc::new(Config::default())).map_err(|error| {
        tracing::error!(%error, name, "a file of the page could not be made");
        ApiError::Internal
    })?;
    let file = found.ok_or(ApiError::RouteNotFound)?;
    let media_type = HeaderValue::try_from(file.content_type).map_err(|_| ApiError::Internal)?;
    let mut response = file.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
    if file.gzpipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
