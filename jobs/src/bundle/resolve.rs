//! Which bundles make the app: one version of each that everybody who asks for it accepts, in the order they are laid.
//!
//! PubGrub searches: newest versions first, the template's before all, and older ones where the newest do not go together. A
//! requirement becomes the set of those published versions that it matches, so what matches is what the crate `semver` says,
//! pre-releases included. Pure; why there is no answer is told by `resolve/explain.rs`.

mod explain;
mod provider;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use pubgrub::PubGrubError;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

pub use self::explain::Unresolvable;
use self::{
    explain::Proof,
    provider::{Package, Provider, Steps},
};
use super::{Manifest, Role, Wanted};

/// What a bundle asks of others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The templates that it fits; none means any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, VersionReq>,
    /// Features that come along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, VersionReq>,
    /// What it does not go with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conflicts: BTreeMap<String, VersionReq>,
}

impl Needs {
    /// What this bundle asks of others.
    pub fn of(manifest: &Manifest) -> Self {
        Self { templates: manifest.templates.clone(), requires: manifest.requires.clone(), conflicts: manifest.conflicts.clone() }
    }
}

/// What is published, by role, name and version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shelf(BTreeMap<(Role, String), BTreeMap<Version, Needs>>);

impl Shelf {
    /// Puts a bundle on the shelf.
    pub fn put(&mut self, role: Role, name: &str, version: Version, needs: Needs) {
        self.0.entry((role, name.to_owned())).or_default().insert(version, needs);
    }

    /// The versions of a bundle, oldest first.
    pub fn versions(&self, role: Role, name: &str) -> impl DoubleEndedIterator<Item = (&Version, &Needs)> {
        self.0.get(&(role, name.to_owned())).into_iter().flatten()
    }

    /// Whether there is any version of a bundle.
    pub fn has(&self, role: Role, name: &str) -> bool {
        self.versions(role, name).next().is_some()
    }

    fn iter(&self) -> impl Iterator<Item = (Role, &str, &Version, &Needs)> {
        self.0
            .iter()
            .flat_map(|((role, name), versions)| versions.iter().map(move |(version, needs)| (*role, name.as_str(), version, needs)))
    }
}

/// A bundle that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = PickedBundle))]
pub struct Picked {
    /// Its name.
    pub name: String,
    /// Its version.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub version: Version,
}

/// What makes the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Resolution))]
pub struct Resolved {
    /// What it begins with.
    pub template: Picked,
    /// What is laid over it, each after what it needs; of those that are free, by name.
    pub features: Vec<Picked>,
}

/// What the wanted bundles resolve to.
pub fn resolve(template: &Wanted, features: &[Wanted], shelf: &Shelf) -> Result<Resolved, Unresolvable> {
    explain::all_there(template, features, shelf)?;
    let steps = Steps::default();
    match solve(template, features, shelf, &steps) {
        Ok(picked) => in_order(picked, shelf),
        Err(Unsolved::Impossible(proof)) => Err(explain::explain(template, features, shelf, &proof, &steps)),
        Err(Unsolved::TooHard) => Err(Unresolvable::too_hard()),
    }
}

/// A version for each package.
type Solution = BTreeMap<(Role, String), Version>;

/// Why there is none.
#[derive(Debug)]
enum Unsolved {
    /// There cannot be one, by this proof.
    Impossible(Box<Proof>),
    /// The search takes too many steps.
    TooHard,
}

fn solve(template: &Wanted, features: &[Wanted], shelf: &Shelf, steps: &Steps) -> Result<Solution, Unsolved> {
    let provider = Provider::new(template, features, shelf, steps);
    let solution = pubgrub::resolve(&provider, Package::Submission, 0_u32).map_err(|error| match error {
        PubGrubError::NoSolution(proof) => Unsolved::Impossible(Box::new(proof)),
        _ => Unsolved::TooHard,
    })?;
    let picked = solution.into_iter().filter_map(|(package, rank)| match package {
        Package::Bundle(role, name) => provider.version(role, &name, rank).cloned().map(|version| ((role, name), version)),
        Package::Submission | Package::Apart(_) => None,
    });
    Ok(picked.collect())
}

fn in_order(picked: Solution, shelf: &Shelf) -> Result<Resolved, Unresolvable> {
    let mut order = Vec::new();
    let mut left = BTreeMap::new();
    let mut template = None;
    for ((role, name), version) in picked {
        match role {
            Role::Template => template = Some(Picked { name, version }),
            Role::Feature => _ = left.insert(name, version),
        }
    }
    while !left.is_empty() {
        let needs = |name: &str, version: &Version| shelf.0[&(Role::Feature, name.to_owned())][version].requires.clone();
        let is_free = |name: &str, version: &Version| needs(name, version).keys().all(|needed| !left.contains_key(needed));
        let free = left.iter().find(|(name, version)| is_free(name, version)).map(|(name, _)| name.clone());
        let Some((name, version)) = free.and_then(|name| left.remove_entry(&name)) else {
            return Err(Unresolvable::cycle(&left));
        };
        order.push(Picked { name, version });
    }
    Ok(Resolved { template: template.expect("the submission asks for one"), features: order })
}
