//! Whose request it is: the key that was presented, and the tenant it speaks for.
//!
//! Every route that touches a tenant's jobs takes a [`Caller`], so there is no call without a tenant.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::IntoParams;
use windrow_jobs::tenant::TenantId;

use crate::{Api, error::ApiError, openapi};

/// The header by which a platform key names a tenant.
const TENANT_HEADER: &str = "x-tenant";

/// A key that may speak for any tenant. Only its hash is kept.
#[derive(Clone)]
pub(crate) struct PlatformKey([u8; 32]);

impl PlatformKey {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Compares hashes, in constant time: neither the key's length nor its beginning shows in the answer's time.
    fn is(&self, presented: &[u8]) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        self.0.ct_eq(&presented).into()
    }
}

/// Whoever sent the request.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Caller {
    /// The tenant that a platform key speaks for; without it that is `default`.
    #[param(rename = "X-Tenant", value_type = Option<TenantId>)]
    pub(crate) tenant: TenantId,
}

openapi::gives! {
    Caller: UNAUTHENTICATED, HEADER_INVALID;
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let presented = bearer(&parts.headers).ok_or(ApiError::Unauthenticated { presented: false })?;
        if !api.key.is(presented) {
            return Err(ApiError::Unauthenticated { presented: true });
        }
        Ok(Self { tenant: tenant(&parts.headers)? })
    }
}

/// The credentials of `Authorization: Bearer …` (RFC 6750 §2.1); the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, credentials) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| credentials.trim_ascii())
}

fn tenant(headers: &HeaderMap) -> Result<TenantId, ApiError> {
    let invalid = |message: String| ApiError::Header { name: "X-Tenant", message };
    let mut named = headers.get_all(TENANT_HEADER).iter();
    match (named.next(), named.next()) {
        (None, _) => Ok(TenantId::default_tenant()),
        (Some(name), None) => {
            let name = name.to_str().map_err(|_| invalid("not ASCII".into()))?;
            name.parse().map_err(|error: windrow_jobs::error::InvalidName| invalid(error.to_string()))
        }
        (Some(_), Some(_)) => Err(invalid("given twice".into())),
    }
}
