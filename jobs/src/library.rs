//! What the ledger keeps of bundles: rows, without a word about what they mean.
//!
//! What a bundle says is read in `bundle.rs`, which also decides what goes together. Next: `ledger/mod.rs`, role `Library`.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// What an app begins with.
    Template,
    /// What is laid over it.
    Feature,
}

impl Role {
    /// The role as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Feature => "feature",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A version of a bundle, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// What it is.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it gives, for people.
    pub description: String,
    /// The hash of all that it brings.
    pub digest: String,
    /// What it asks of others, as JSON.
    pub needs: String,
    /// Its manifest, as JSON.
    pub manifest: String,
    /// The object with its files.
    pub object_key: String,
    /// The object's size.
    pub bytes: u64,
    /// When it was published, by the ledger's clock; what is yet to be published has 0 there.
    pub published_at: Timestamp,
}

/// A bundle among others: its versions, and what the one that was published last says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its versions, in no order.
    pub versions: Vec<String>,
    /// What it gives, for people.
    pub description: String,
}

/// What a version of a bundle asks of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it asks of others, as JSON.
    pub needs: String,
}
