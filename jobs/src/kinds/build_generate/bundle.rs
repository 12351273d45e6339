//! A bundle: the manifest of a template or feature, and what a build asks of one.

use std::{collections::BTreeMap, fmt};

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Setting, error::BuildError};
use crate::objects::{Key, hex};

/// The longest name of a bundle.
const NAME_BYTES_MAX: usize = 63;
/// The most files of a bundle.
const FILES_MAX: usize = 2_000;
/// The largest file of a bundle.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a bundle says of itself. As JSON in the registry, as TOML in its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version. What is published under a version never changes.
    pub version: Version,
    /// What it is.
    pub role: Role,
    /// What it gives, for people.
    #[serde(default)]
    pub description: String,
    /// Bundles that it needs: a feature comes along, the template must fit.
    #[serde(default)]
    pub requires: BTreeMap<String, VersionReq>,
    /// Bundles that it does not go with.
    #[serde(default)]
    pub conflicts: BTreeMap<String, VersionReq>,
    /// The settings that it knows, with their values unless the app says otherwise.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// Files that any number of features may add to, one after the other.
    #[serde(default)]
    pub extension_points: Vec<String>,
    /// Its files.
    pub files: Vec<FileEntry>,
}

/// What a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What an app begins with.
    Template,
    /// What is laid over it.
    Feature,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it goes in the app.
    pub path: String,
    /// Whether its placeholders are filled in.
    #[serde(default)]
    pub render: bool,
    /// SHA-256 of its content.
    #[serde(default)]
    pub sha256: String,
}

impl Manifest {
    /// Reads the manifest that was published as this name and version.
    pub fn read(json: &[u8], name: &str, version: &Version) -> Result<Self, BuildError> {
        let invalid = |message: String| BuildError::inputs("bundle_invalid", format!("the manifest of {name} {version}: {message}"));
        let manifest: Self = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        if manifest.name != name || manifest.version != *version {
            return Err(invalid(format!("it says that it is {manifest}")));
        }
        if manifest.files.len() > FILES_MAX {
            return Err(invalid(format!("it has {} files of the {FILES_MAX} allowed", manifest.files.len())));
        }
        if let Some(file) = manifest.files.iter().find(|file| file.path.parse::<Key>().is_err()) {
            return Err(invalid(format!("{:?} is no path within an app", file.path)));
        }
        Ok(manifest)
    }

    /// A hash of all that the bundle brings: its manifest, and through the hashes in it every file.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Whether a bundle can have this name.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
}

/// What a build asks for: `name@requirement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The bundle.
    pub name: String,
    /// The versions that will do.
    pub requirement: VersionReq,
}

impl Wanted {
    /// Reads `name@requirement`, or `name` for any version.
    pub fn parse(text: &str) -> Result<Self, BuildError> {
        let (name, requirement) = text.split_once('@').unwrap_or((text, "*"));
        let invalid = |message: String| BuildError::inputs("requirement_invalid", format!("{text:?}: {message}"));
        if !is_name(name) {
            return Err(invalid("a bundle's name has lower-case letters, digits and hyphens".into()));
        }
        let requirement = VersionReq::parse(requirement).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { name: name.to_owned(), requirement })
    }
}
