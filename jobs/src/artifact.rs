//! A file that a job made: what the ledger records of it. The file itself lies in the object store.

use serde::{Deserialize, Serialize};

use crate::{
    job::JobId,
    objects::{Key, Result},
    tenant::TenantId,
};

/// A recorded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its name, unique within the job.
    pub name: String,
    /// The attempt that made it.
    pub attempt: u32,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in lower-case hexadecimal.
    pub sha256: String,
    /// Its media type.
    pub media_type: String,
    /// Where it lies in the object store.
    pub key: String,
}

/// Where an attempt's own artifact of this name lies. A name that is no segment of a key is refused.
pub fn key_of(tenant: &TenantId, job: JobId, attempt: u32, name: &str) -> Result<Key> {
    // As a key of its own it has no slash, or it would have parsed into another folder.
    if name.contains('/') {
        return Err(crate::objects::Error::Refused(format!("an artifact's name has no slash: {name:?}")));
    }
    format!("{}{attempt}/{name}", own_prefix(tenant.as_str(), job)).parse()
}

/// What the keys of a job's own objects begin with. Whatever else its artifacts refer to belongs to others too.
pub fn own_prefix(tenant: &str, job: JobId) -> String {
    format!("tenants/{tenant}/jobs/{job}/")
}
