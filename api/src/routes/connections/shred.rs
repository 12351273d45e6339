//! `DELETE /v1/tenants/{tenant}/key`: makes a tenant's secrets unreadable for good.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use utoipa::IntoParams;
use windrow_jobs::tenant::TenantId;

use crate::{
    Api,
    auth::Caller,
    body::NoBody,
    error::{ApiError, LedgerErrors},
    openapi,
    query::Params,
};

openapi::gives! {
    TenantPath: TENANT_KEY_NOT_FOUND;
}

/// Whether it is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct Confirmation {
    /// The tenant's name once more: there is no way back.
    #[param(required)]
    confirm: TenantId,
}

/// The tenant in a path.
#[derive(IntoParams)]
#[into_params(names("tenant"), parameter_in = Path)]
pub(crate) struct TenantPath(
    /// The tenant whose key it is. `X-Tenant` means nothing here.
    TenantId,
);

impl FromRequestParts<Api> for TenantPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| ApiError::TenantKeyNotFound)?;
        name.parse().map(Self).map_err(|_| ApiError::TenantKeyNotFound)
    }
}

/// Destroy a tenant's key
///
/// What it sealed is unreadable from then on, by anybody: the tenant's connections that have secrets are in `error` with the code
/// `secrets_unreadable` until they are given new ones, which make a new key. Workers that have just used the key may still use it for a
/// minute. Backups made before still hold the key, wrapped. Needs a platform key. There is no way back.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/key",
    tag = "connections",
    operation_id = "destroyTenantKey",
    params(TenantPath, Confirmation, Caller),
    responses(
        (status = 204, description = "It is destroyed."),
        Caller, TenantPath, Params, NoBody, LedgerErrors,
    )
)]
pub(crate) async fn destroy(
    State(api): State<Api>,
    _: Caller,
    TenantPath(tenant): TenantPath,
    mut params: Params,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let confirmed = params.take("confirm");
    params.finish(&["confirm"])?;
    if confirmed.as_deref() != Some(tenant.as_str()) {
        let message = format!("confirm: there is no way back, so this call wants ?confirm={tenant}");
        return Err(ApiError::Query(message));
    }
    if !api.ledger.destroy_tenant_key(&tenant).await? {
        return Err(ApiError::TenantKeyNotFound);
    }
    tracing::warn!(tenant.id = %tenant, "a tenant's key was destroyed on request");
    Ok(StatusCode::NO_CONTENT)
}
