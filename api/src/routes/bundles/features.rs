//! `/v1/features`: features, their versions and what each brings.

use axum::{Json as Answer, extract::State, response::Response};
use windrow_jobs::bundle::Role;

use super::{
    Bundle, NamePath, Page, Publishing, VersionPath, Versions,
    upload::{Form, Upload},
};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    page,
    query::{NoParams, Params},
};

/// Publish a feature
///
/// An archive of a manifest and files, or a form of both. A version never changes: the same again is answered 200, anything else 409.
#[utoipa::path(
    put,
    path = "/v1/features/{name}/{version}",
    tag = "bundles",
    operation_id = "publishFeature",
    params(VersionPath, Caller),
    request_body(description = "A tar, a tar.zst or a zip with `bundle.toml` or `bundle.json` at its root; or a form.", content(
        (String = "application/x-tar"),
        (String = "application/zstd"),
        (String = "application/zip"),
        (String = "application/octet-stream"),
        (Form = "multipart/form-data"),
    )),
    responses(
        (status = 201, description = "It is published.", body = Bundle, headers(("Location"))),
        (status = 200, description = "The very same was published before.", body = Bundle),
        Caller, NoParams, Upload, Publishing, LedgerErrors,
    )
)]
pub(crate) async fn publish(
    State(api): State<Api>,
    caller: Caller,
    path: VersionPath,
    _: NoParams,
    upload: Upload,
) -> Result<Response, ApiError> {
    super::publish(&api, &caller.tenant, Role::Feature, path, upload).await
}

/// List features
///
/// The tenant's features in the order of their names, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/features",
    tag = "bundles",
    operation_id = "listFeatures",
    params(page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Page, headers(("Link"))),
        Caller, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, ApiError> {
    super::list(&api, caller, Role::Feature, params).await
}

/// The versions of a feature
#[utoipa::path(
    get,
    path = "/v1/features/{name}",
    tag = "bundles",
    operation_id = "listFeatureVersions",
    params(NamePath, Caller),
    responses(
        (status = 200, description = "Every version, the greatest first.", body = Versions),
        Caller, NamePath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn versions(State(api): State<Api>, caller: Caller, path: NamePath, _: NoParams) -> Result<Answer<Versions>, ApiError> {
    super::versions(&api, caller, Role::Feature, path).await
}

/// Look at a version of a feature
#[utoipa::path(
    get,
    path = "/v1/features/{name}/{version}",
    tag = "bundles",
    operation_id = "getFeature",
    params(VersionPath, Caller),
    responses(
        (status = 200, description = "Its manifest and the list of its files.", body = Bundle),
        Caller, VersionPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn read(State(api): State<Api>, caller: Caller, path: VersionPath, _: NoParams) -> Result<Answer<Bundle>, ApiError> {
    super::look(&api, caller, Role::Feature, path).await
}
