//! What there is to connect to: the catalogue of providers.

use axum::{
    Json as Answer,
    extract::{Path, rejection::PathRejection},
};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::connection::catalog::{self, Provider};

use crate::{auth::Caller, error::ApiError, openapi, query::NoParams};

openapi::gives! {
    Unknown: PROVIDER_NOT_FOUND;
}
struct Unknown;

/// The providers that connections may be of.
#[derive(Serialize, ToSchema)]
#[schema(as = Providers)]
pub(crate) struct Providers {
    /// By name.
    providers: Vec<&'static Provider>,
}

/// List the providers
///
/// Each with the JSON Schemas of its configuration and its secrets, and what its test does.
#[utoipa::path(
    get,
    path = "/v1/providers",
    tag = "connections",
    operation_id = "listProviders",
    params(Caller),
    responses((status = 200, description = "The catalogue.", body = Providers), Caller, NoParams)
)]
pub(crate) async fn list(_: Caller, _: NoParams) -> Answer<Providers> {
    Answer(Providers { providers: catalog::providers().collect() })
}

/// Look at a provider
///
/// The JSON Schemas of its configuration and its secrets, and what its test does.
#[utoipa::path(
    get,
    path = "/v1/providers/{name}",
    tag = "connections",
    operation_id = "getProvider",
    params(("name" = String, Path, description = "The provider's name.", example = "http"), Caller),
    responses((status = 200, description = "The provider.", body = Provider), Caller, NoParams, Unknown)
)]
pub(crate) async fn read(_: Caller, name: Result<Path<String>, PathRejection>, _: NoParams) -> Result<Answer<&'static Provider>, ApiError> {
    let Path(name) = name.map_err(|_| ApiError::ProviderNotFound)?;
    catalog::provider(&name).map(Answer).ok_or(ApiError::ProviderNotFound)
}
