//! Page tokens: where a list goes on, bound to the filter it began with.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use windrow_jobs::{job::JobId, ledger::ListFilter, tenant::TenantId};

use crate::error::ApiError;

const ID_BYTES: usize = 16;
/// Enough to notice a filter that was changed by mistake; a token gives no rights, so nobody gains by forging one.
const FILTER_BYTES: usize = 8;

/// The token of the page after the job `last`.
pub(crate) fn token(tenant: &TenantId, filter: &ListFilter, last: JobId) -> String {
    let mut bytes = last.as_bytes().to_vec();
    bytes.extend(fingerprint(tenant, filter));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The job that a token's page begins after.
pub(crate) fn after(tenant: &TenantId, filter: &ListFilter, token: &str) -> Result<JobId, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| ApiError::PageToken("not a token of ours"))?;
    let (id, fingerprint_then) = bytes.split_first_chunk::<ID_BYTES>().ok_or(ApiError::PageToken("not a token of ours"))?;
    if fingerprint_then != fingerprint(tenant, filter) {
        return Err(ApiError::PageToken("made for another filter; give the filter it came from"));
    }
    Ok(JobId::from_bytes(*id))
}

fn fingerprint(tenant: &TenantId, filter: &ListFilter) -> [u8; FILTER_BYTES] {
    let ListFilter { kind, queue, state, tag, created_from, created_to } = filter;
    let canonical = serde_json::json!([tenant, kind, queue, state, tag, created_from, created_to]).to_string();
    let digest: [u8; 32] = Sha256::digest(canonical).into();
    std::array::from_fn(|index| digest[index])
}
