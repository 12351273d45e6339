//! All that an app's bytes depend on, and what of it the app itself is told.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{App, Theme};
use crate::{
    bundle::{Manifest, Role},
    objects::hex,
};

/// Raised with every change that makes other bytes of the same inputs, so that no cached build stands in for them.
const GENERATION: u32 = 2;

/// The inputs. Where an asset came from is none of them: its hash says what it is.
#[derive(Debug, Serialize)]
pub struct Inputs {
    generation: u32,
    name: String,
    bundle_id: String,
    theme: Theme,
    settings: BTreeMap<String, Value>,
    assets: BTreeMap<String, String>,
    bundles: Vec<Pinned>,
}

/// A bundle, down to its bytes.
#[derive(Debug, Clone, Serialize)]
pub struct Pinned {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its version.
    pub version: String,
    /// The hash of its manifest, which has those of its files.
    pub sha256: String,
}

/// What templates and the app itself are told.
#[derive(Serialize)]
struct Values<'a> {
    app: Identity<'a>,
    settings: &'a BTreeMap<String, Value>,
    template: String,
    features: Vec<&'a str>,
}

#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    bundle_id: &'a str,
    theme: Theme,
}

/// Exact versions and digests.
#[derive(Serialize)]
struct Lock<'a> {
    generation: u32,
    inputs: String,
    bundles: &'a [Pinned],
    assets: &'a BTreeMap<String, String>,
}

impl Inputs {
    /// The inputs of this app, made of these bundles.
    pub fn of(app: &App, settings: BTreeMap<String, Value>, bundles: &[Manifest]) -> Self {
        let pinned = |manifest: &Manifest| Pinned {
            name: manifest.name.clone(),
            role: manifest.role,
            version: manifest.version.to_string(),
            sha256: manifest.digest(),
        };
        Self {
            generation: GENERATION,
            name: app.name.clone(),
            bundle_id: app.bundle_id.clone(),
            theme: app.theme,
            settings,
            assets: app.assets.iter().map(|(path, asset)| (path.clone(), asset.sha256.clone())).collect(),
            bundles: bundles.iter().map(pinned).collect(),
        }
    }

    /// The hash of all of them.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(serde_json::to_vec(self).expect("inputs are JSON by their types")))
    }

    /// The bundles, down to their bytes.
    pub fn bundles(&self) -> &[Pinned] {
        &self.bundles
    }

    /// What templates and the app are told.
    pub fn values(&self) -> Value {
        let of_role = |role| self.bundles.iter().filter(move |bundle| bundle.role == role).map(|bundle| bundle.name.as_str());
        let values = Values {
            app: Identity { name: &self.name, bundle_id: &self.bundle_id, theme: self.theme },
            settings: &self.settings,
            template: of_role(Role::Template).collect(),
            features: of_role(Role::Feature).collect(),
        };
        serde_json::to_value(values).expect("values are JSON by their types")
    }

    /// The lockfile.
    pub fn lock(&self) -> String {
        let lock = Lock { generation: GENERATION, inputs: self.digest(), bundles: &self.bundles, assets: &self.assets };
        format!("{}\n", serde_json::to_string_pretty(&lock).expect("a lockfile is JSON by its types"))
    }
}
