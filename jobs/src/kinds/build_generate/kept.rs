//! What a build leaves: the archive under its own hash, and an entry under the hash of the inputs, which is written last.
//!
//! Both are the tenant's, not the job's: later builds of the same inputs find them. Signature, provenance and lockfile are in
//! the entry, so that they are there together or not at all, and each job has them as files of its own.

use serde::{Deserialize, Serialize};

use super::error::BuildError;
use crate::{
    handler::Context,
    job::JobId,
    objects::{Key, Meta, Object},
};

/// What the archive is.
pub const MEDIA_TYPE: &str = "application/zstd";
/// The lockfile, among the artifacts and within the app.
pub const LOCKFILE: &str = "bundles.lock.json";
/// What the names of signature and provenance add to the archive's.
pub const SIGNATURE_SUFFIX: &str = ".sig";
pub const PROVENANCE_SUFFIX: &str = ".intoto.jsonl";
/// The largest entry: its provenance repeats the payload.
const ENTRY_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What was built of some inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The job that built it.
    pub job: JobId,
    /// The archive's name.
    pub name: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// The lockfile.
    pub lock: String,
    /// What vouches for it; none where nothing signs.
    pub signed: Option<Vouched>,
}

/// What vouches for an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// The signature over the archive's SHA-256, one line.
    pub signature: String,
    /// The provenance in its envelope, one line.
    pub provenance: String,
}

impl Entry {
    /// What was built of these inputs, if it is still there as it was.
    pub async fn find(context: &Context, inputs: &str) -> Result<Option<Self>, BuildError> {
        let Some(object) = context.objects.get(&entry_key(context, inputs)?).await? else {
            return Ok(None);
        };
        let entry: Option<Self> = serde_json::from_slice(&object.bytes(ENTRY_BYTES_MAX).await?).ok();
        let Some(entry) = entry else {
            context.warn("what was kept of an earlier build cannot be read, so it is built anew");
            return Ok(None);
        };
        let archive = context.objects.head(&entry.archive_key(context)?).await?;
        let same = |meta: &Meta| meta.bytes == entry.bytes && meta.sha256.as_ref().is_none_or(|sha256| *sha256 == entry.sha256);
        Ok(archive.as_ref().is_some_and(same).then_some(entry))
    }

    /// Where the archive lies.
    pub fn archive_key(&self, context: &Context) -> Result<Key, BuildError> {
        archive_key(context, &self.sha256, &self.name)
    }

    /// Opens the archive.
    pub async fn archive(&self, context: &Context) -> Result<Option<Object>, BuildError> {
        Ok(context.objects.get(&self.archive_key(context)?).await?)
    }

    /// Keeps it for later builds of these inputs.
    pub async fn keep(&self, context: &Context, inputs: &str) -> Result<(), BuildError> {
        let json = serde_json::to_vec(self).expect("an entry is JSON by its types");
        context.objects.put(&entry_key(context, inputs)?, "application/json", json.into()).await?;
        Ok(())
    }

    /// Records what it has as the job's artifacts, the archive last.
    pub async fn record(&self, context: &Context) -> Result<(), BuildError> {
        context.artifact(LOCKFILE, "application/json", self.lock.clone().into_bytes()).await?;
        if let Some(signed) = &self.signed {
            context.artifact(&format!("{}{SIGNATURE_SUFFIX}", self.name), "text/plain", signed.signature.clone().into_bytes()).await?;
            let provenance = format!("{}{PROVENANCE_SUFFIX}", self.name);
            context.artifact(&provenance, "application/vnd.in-toto+dsse", signed.provenance.clone().into_bytes()).await?;
        }
        let meta = Meta { bytes: self.bytes, sha256: Some(self.sha256.clone()), media_type: MEDIA_TYPE.into() };
        context.refer(&self.name, &self.archive_key(context)?, meta).await?;
        Ok(())
    }
}

/// Where an archive of this hash lies; its name is what a link's file is called.
pub fn archive_key(context: &Context, sha256: &str, name: &str) -> Result<Key, BuildError> {
    Ok(format!("tenants/{}/builds/{sha256}/{name}", context.tenant).parse()?)
}

fn entry_key(context: &Context, inputs: &str) -> Result<Key, BuildError> {
    Ok(format!("tenants/{}/builds/inputs/{inputs}.json", context.tenant).parse()?)
}
