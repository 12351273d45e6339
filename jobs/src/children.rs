//! Jobs that a job makes: a parent's children.
//!
//! A child's id follows from its parent's and from what it is for, so that a parent that was killed makes the same children again, and the
//! ledger keeps each once.

use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    job::{JobError, JobId, State},
    submit::NewJob,
};

/// How a child fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: State,
    /// What went wrong last.
    pub error: Option<JobError>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A child as the ledger keeps it at `now`: as it was made its times count from then, as no process's clock enters the ledger.
pub(crate) fn stamped(child: &NewJob, now: Timestamp) -> NewJob {
    NewJob { created_at: now, run_at: now.plus_ms(child.run_at.ms()), ..child.clone() }
}

/// The id of the child that a parent makes for this: a UUIDv7 (RFC 9562, section 5.7) of the parent's instant, whose random bits are a hash.
pub fn id_of(parent: JobId, purpose: &[u8]) -> JobId {
    let hash = Sha256::new().chain_update(parent.as_bytes()).chain_update(purpose).finalize();
    let mut bytes = *parent.as_bytes();
    bytes[6..].copy_from_slice(&hash[..10]);
    bytes[6] = bytes[6] & 0x0f | 0x70;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    JobId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use uuid::{Uuid, Variant, Version};

    use super::*;

    #[test]
    fn a_child_is_known_by_its_parent_and_its_purpose() {
        let (one, other) = (JobId::generate(), JobId::generate());
        assert_eq!(id_of(one, b"a"), id_of(one, b"a"));
        assert_ne!(id_of(one, b"a"), id_of(one, b"b"));
        assert_ne!(id_of(one, b"a"), id_of(other, b"a"));
        let id = Uuid::from_bytes(*id_of(one, b"a").as_bytes());
        assert_eq!((id.get_version(), id.get_variant()), (Some(Version::SortRand), Variant::RFC4122));
        assert_eq!(id.get_timestamp(), Uuid::from_bytes(*one.as_bytes()).get_timestamp());
    }
}
