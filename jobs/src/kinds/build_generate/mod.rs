//! `build.generate`: makes an app out of a template and features, as one archive.
//!
//! Same inputs, same bytes: what was built before is found by the hash of its inputs and not built again.
//! Template and features are bundles that the tenant has published, or those of the demo. Their commands are remote code by
//! design: they run where the operator allows it, apart and within limits.
//! The stages are in `handler.rs`; each is in the file of its name.

#[cfg(feature = "handlers")]
mod assets;
#[cfg(feature = "handlers")]
mod command;
#[cfg(feature = "handlers")]
mod compare;
#[cfg(feature = "handlers")]
mod error;
#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod icons;
#[cfg(feature = "handlers")]
mod inputs;
#[cfg(feature = "handlers")]
mod kept;
#[cfg(feature = "handlers")]
pub mod overlay;
#[cfg(feature = "handlers")]
mod pack;
#[cfg(feature = "handlers")]
mod processes;
#[cfg(feature = "handlers")]
mod provenance;
#[cfg(feature = "handlers")]
mod render;
#[cfg(feature = "handlers")]
pub mod renderer;
#[cfg(feature = "handlers")]
mod stage;
#[cfg(all(test, feature = "handlers"))]
mod tests;
#[cfg(feature = "handlers")]
pub mod tools;
#[cfg(feature = "handlers")]
mod tree;
#[cfg(feature = "handlers")]
mod users;
#[cfg(feature = "handlers")]
mod workspace;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{Contract, Policy};

/// The kind's name.
pub const KIND: &str = "build.generate";

/// What to build.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The template, as `name@requirement` (`task-list@^1`), or `name` for its newest version.
    #[schemars(length(min = 1, max = 200))]
    pub template: String,
    /// The features, each as `name@requirement`; what they need comes along.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub features: Vec<String>,
    /// The app.
    pub app: App,
    /// Build it even if it was built before.
    #[serde(default)]
    pub force: bool,
}

/// What makes the app this one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its name, as people see it.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Its name among apps, like `com.example.tasks`.
    #[schemars(length(max = 155), regex(pattern = r"^[A-Za-z][A-Za-z0-9-]*(\.[A-Za-z][A-Za-z0-9-]*)+$"))]
    pub bundle_id: String,
    /// How it looks.
    #[serde(default)]
    pub theme: Theme,
    /// Settings that its template and features know, by their schemas, in the place of their own values.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Files to fetch, by their place in the app. The one named `icon`, a square PNG or JPEG, is made into the template's icons instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 64))]
    pub assets: BTreeMap<String, Asset>,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Where it is: `https://…`, at a public address.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// SHA-256 of its content, in lower-case hexadecimal: whatever else is there is refused.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256: String,
}

/// How an app looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the device does.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The artifact's name.
    pub artifact: String,
    /// SHA-256 of the archive.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it had been built before.
    pub cached: bool,
}

/// The kind's contract.
pub fn contract() -> Contract {
    // A build counts as many short jobs, and idle slots share builds: one per ticket.
    let policy = Policy { timeout_ms: 900_000, cost: 20, ticket_jobs_max: 1, ..Policy::default() };
    // At 2 since `assets`, and settings of any JSON: what was accepted before means the same.
    Contract::of::<Payload>(KIND).at_version(2, 1).with_policy(policy).about(
        "Makes an app out of a template and features, as one archive. Same inputs, same bytes: what was built before is found by the hash of its \
         inputs, and not built again.",
        json!({ "template": "task-list@^1", "features": ["search"], "app": { "name": "Tasks", "bundle_id": "com.example.tasks" } }),
        json!({ "artifact": "com.example.tasks.tar.zst", "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "bytes": 5_120,
            "cached": false }),
        &ERRORS,
    )
}

/// Why a build ends without an app, whether it is tried again, and what that means.
const ERRORS: [(&str, bool, &str); 32] = [
    ("template_unknown", false, "the tenant has no template of this name"),
    ("feature_unknown", false, "the tenant has no feature of this name"),
    ("requirement_invalid", false, "what is asked for is no `name@requirement`"),
    ("version_conflict", false, "no versions go together; the message says who asks for what, and what would help"),
    ("bundle_conflict", false, "two bundles exclude each other"),
    ("dependency_cycle", false, "features need each other in a circle"),
    ("bundle_corrupt", false, "a file of a bundle is not what its manifest says"),
    ("setting_unknown", false, "no bundle of this app knows the setting"),
    ("setting_invalid", false, "a setting breaks its bundle's schema"),
    ("file_conflict", false, "two bundles write one file, and none is declared to override it"),
    ("app_too_large", false, "the bundles' files are larger than an app may be, or the parts of one of them together"),
    ("variable_missing", false, "a file asks for a variable that there is not; file, line and variable are named"),
    ("render_failed", false, "a file cannot be rendered: its syntax, or too much work, memory or output"),
    ("asset_invalid", false, "an asset's URL or place is none"),
    ("asset_refused", false, "an asset is at a private address, too large, or not there"),
    ("asset_changed", false, "an asset is not what its SHA-256 says"),
    ("asset_unavailable", true, "an asset cannot be fetched now"),
    ("icon_invalid", false, "the icon is no PNG or JPEG that icons can be made of"),
    ("commands_denied", false, "the app's bundles declare commands, and this installation runs none (`WINDROW_BUILD_COMMANDS`)"),
    ("environment_denied", false, "a command asks for a variable that is not passed on"),
    ("command_failed", false, "a command ended with an error; its output is in the job's log"),
    ("command_timeout", false, "a command took longer than its `timeout_s`"),
    ("command_cpu", false, "a command used more than its `cpu_s`"),
    ("output_missing", false, "a declared output matches no file"),
    ("output_invalid", false, "an output is no plain file of the workspace"),
    ("output_too_large", false, "the outputs are larger than an archive may be"),
    ("not_reproducible", false, "a build by `force` differs from the earlier one of the same inputs; the first differing file is named"),
    ("workspace_full", false, "the workspace grew past its limit"),
    ("workspace_failed", true, "the worker's workspace could not be made or written"),
    ("signing_unavailable", true, "the signer did not answer"),
    ("signing_refused", false, "the signer will not sign: its key or its policy"),
    ("objects_unavailable", true, "the object store did not answer"),
];
