//! A bundle: a template or a feature of apps, published under a name and a version that never changes.
//!
//! Here is what a bundle says of itself, its manifest (docs/bundles.md). `manifest.rs` reads one, `archive.rs` what is published with it,
//! `resolve.rs` says what goes together, and `shelf.rs` keeps bundles and finds them again.
//! Nothing here renders, runs or builds: next on a build's path is `kinds/build_generate/handler.rs`.

pub mod archive;
mod check;
mod demo;
pub mod glob;
pub mod manifest;
pub mod pack;
pub mod resolve;
pub mod settings;
pub mod shelf;

use std::{collections::BTreeMap, fmt};

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use crate::library::Role;
use crate::objects::hex;

/// The longest name of a bundle.
pub const NAME_BYTES_MAX: usize = 63;
/// The most files of a bundle.
pub const FILES_MAX: usize = 2_000;
/// The largest file of a bundle.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub use self::shelf::{Error, Publication, Published, find, open, pick, publish};

/// What a bundle says of itself, and the list of its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BundleManifest))]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version. What is published under a version never changes.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub version: Version,
    /// What it is.
    pub role: Role,
    /// What it gives, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Of a template: files that any number of features may add to, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extension_points: Vec<String>,
    /// Globs of the files whose placeholders are filled in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub render: Vec<String>,
    /// Of a feature: paths that it may write although a bundle before it has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// Globs of the files that may be executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub executable: Vec<String>,
    /// Of a feature: the templates that it fits. None means any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub templates: BTreeMap<String, VersionReq>,
    /// Features that it needs; they come along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub requires: BTreeMap<String, VersionReq>,
    /// Features and templates that it does not go with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub conflicts: BTreeMap<String, VersionReq>,
    /// The settings that it knows: a JSON Schema of an object, whose properties have defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, Value>>, nullable = false))]
    pub settings: Option<Value>,
    /// Of a template: the sizes to make of the app's icon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// What to run in the workspace, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// What of the workspace becomes the app. None means all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// Its files, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEntry>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BundleFile))]
pub struct FileEntry {
    /// Where it goes in the app.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// A size of the app's icon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BundleIcon))]
pub struct Icon {
    /// Where it goes in the app.
    pub path: String,
    /// Its width and height.
    pub size: u32,
}

/// A command that a build runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BundleCommand))]
pub struct Command {
    /// What people call it.
    pub name: String,
    /// The program and its arguments. No shell, unless the program is one.
    pub run: Vec<String>,
    /// Its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What it is given of the worker's own environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// For how long it may run.
    #[serde(default = "Command::seconds")]
    pub timeout_s: u32,
    /// How much of a processor's time it may take.
    #[serde(default = "Command::seconds")]
    pub cpu_s: u32,
}

impl Command {
    /// What a command may take unless its manifest says otherwise.
    const fn seconds() -> u32 {
        60
    }
}

/// What of the workspace becomes the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BundleOutput))]
pub struct Output {
    /// A glob, from the workspace's root.
    pub path: String,
}

impl Manifest {
    /// A hash of all that the bundle brings: its manifest, and through the hashes in it every file.
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).expect("a manifest is JSON by its types");
        hex(&Sha256::digest(json))
    }

    /// Whether the placeholders of the file at `path` are filled in.
    pub fn renders(&self, path: &str) -> bool {
        glob::any(&self.render, path)
    }

    /// Whether the file at `path` may be executed.
    pub fn executes(&self, path: &str) -> bool {
        glob::any(&self.executable, path)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// What is wrong with a bundle, or with what is asked of bundles; asking again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The code.
    pub code: &'static str,
    /// Where in the manifest or payload, as a JSON pointer; empty where it is about the whole.
    pub pointer: String,
    /// What is wrong, naming whoever is at fault.
    pub message: String,
}

impl Refused {
    /// A refusal of the whole.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, pointer: String::new(), message: message.into() }
    }

    /// A bundle that is none.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: "bundle_invalid", pointer: pointer.into(), message: message.into() }
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
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let (name, requirement) = text.split_once('@').unwrap_or((text, "*"));
        let invalid = |message: String| Refused::new("requirement_invalid", format!("{text:?}: {message}"));
        if !is_name(name) {
            return Err(invalid("a bundle's name has lower-case letters, digits and hyphens".into()));
        }
        let requirement = VersionReq::parse(requirement).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { name: name.to_owned(), requirement })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_a_name_and_a_range() {
        for text in ["", "@1", "A", "a/b@1", "a@", "a@one", "../a", "-a"] {
            assert_eq!(Wanted::parse(text).expect_err(text).code, "requirement_invalid", "{text}");
        }
        assert_eq!(Wanted::parse("a-1@>=1, <2").expect("well-formed").requirement.comparators.len(), 2);
    }
}
