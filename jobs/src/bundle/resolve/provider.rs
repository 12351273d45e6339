//! The shelf as PubGrub asks for it: packages whose versions are ranks, from the oldest published version, 0.
//!
//! PubGrub knows needs only. That two bundles do not go together is said by a package between them which has two sides: the one
//! bundle needs the one side and the other bundle the other, and of a package there can be only one version.

use std::{cell::Cell, cmp::Reverse, collections::BTreeMap, fmt, ops::Bound};

use pubgrub::{Dependencies, DependencyProvider, PackageResolutionStatistics, Ranges};
use semver::{Version, VersionReq};

use super::{Needs, Shelf};
use crate::bundle::{Role, Wanted};

/// Steps of all searches for one answer, its hints included: a large app takes some hundred.
const STEPS_MAX: usize = 5_000;

/// What a version is chosen for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Package {
    /// Whoever asks.
    Submission,
    /// A bundle.
    Bundle(Role, String),
    /// What keeps two bundles apart.
    Apart(Apart),
}

/// What keeps two bundles apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Apart {
    /// Who says so.
    pub by: (Role, String),
    /// The name that it does not go with.
    pub other: String,
    /// In these versions.
    pub range: String,
}

impl Apart {
    const BY: u32 = 0;
    const OTHER: u32 = 1;
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submission => f.write_str("the submission"),
            Self::Bundle(role, name) => write!(f, "{role} {name}"),
            Self::Apart(Apart { by: (role, name), other, range }) => write!(f, "{role} {name} apart from {other} {range}"),
        }
    }
}

/// A set of ranks.
pub type Ranks = Ranges<u32>;

/// Comparisons of all searches for one answer, of versions with what is asked of them: some seconds.
const COMPARISONS_MAX: usize = 20_000_000;

/// What was done so far.
#[derive(Debug, Default)]
pub struct Steps {
    taken: Cell<usize>,
    compared: Cell<usize>,
}

impl Steps {
    fn compare(&self, count: usize) {
        self.compared.set(self.compared.get().saturating_add(count));
    }
}

/// The search takes too many steps.
#[derive(Debug, thiserror::Error)]
#[error("more than {STEPS_MAX} steps or {COMPARISONS_MAX} comparisons")]
pub struct TooHard;

/// What PubGrub asks.
pub struct Provider<'a> {
    template: &'a Wanted,
    features: &'a [Wanted],
    versions: BTreeMap<(Role, &'a str), Vec<(&'a Version, &'a Needs)>>,
    /// Who does not go with a bundle of this name.
    foes: BTreeMap<&'a str, BTreeMap<Apart, &'a VersionReq>>,
    steps: &'a Steps,
}

impl<'a> Provider<'a> {
    pub fn new(template: &'a Wanted, features: &'a [Wanted], shelf: &'a Shelf, steps: &'a Steps) -> Self {
        let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut foes: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (role, name, version, needs) in shelf.iter() {
            versions.entry((role, name)).or_default().push((version, needs));
            steps.compare(1 + needs.conflicts.len());
            for (other, range) in &needs.conflicts {
                foes.entry(other.as_str()).or_default().entry(apart(role, name, other, range)).or_insert(range);
            }
        }
        Self { template, features, versions, foes, steps }
    }

    /// The version of this rank.
    pub fn version(&self, role: Role, name: &str, rank: u32) -> Option<&'a Version> {
        self.entry(role, name, rank).map(|(version, _)| version)
    }

    fn entry(&self, role: Role, name: &str, rank: u32) -> Option<(&'a Version, &'a Needs)> {
        self.versions.get(&(role, name))?.get(usize::try_from(rank).ok()?).copied()
    }

    fn count(&self, role: Role, name: &str) -> u32 {
        self.versions.get(&(role, name)).map_or(0, |versions| u32::try_from(versions.len()).unwrap_or(u32::MAX))
    }

    fn matching(&self, role: Role, name: &str, requirement: &VersionReq) -> Ranks {
        let versions = self.versions.get(&(role, name)).map(Vec::as_slice).unwrap_or_default();
        self.steps.compare(versions.len() * (1 + requirement.comparators.len()));
        let fitting = (0..).zip(versions).filter(|(_, (version, _))| requirement.matches(version));
        fitting.map(|(rank, _)| (Bound::Included(rank), Bound::Included(rank))).collect()
    }

    fn asked(&self) -> Constraints {
        let mut asked = Constraints::default();
        for (role, wanted) in self.features.iter().map(|wanted| (Role::Feature, wanted)).chain([(Role::Template, self.template)]) {
            asked.add(Package::Bundle(role, wanted.name.clone()), self.matching(role, &wanted.name, &wanted.requirement));
        }
        asked
    }

    /// What a bundle needs, or why it does not fit the template.
    fn needs(&self, role: Role, name: &str, rank: u32) -> Result<Constraints, String> {
        let Some((version, needs)) = self.entry(role, name, rank) else { return Ok(Constraints::default()) };
        let mut asked = Constraints::default();
        if !needs.templates.is_empty() {
            let Some(range) = needs.templates.get(&self.template.name) else {
                return Err(needs.templates.iter().map(|(name, range)| format!("{name} {range}")).collect::<Vec<_>>().join(" or "));
            };
            asked.add(
                Package::Bundle(Role::Template, self.template.name.clone()),
                self.matching(Role::Template, &self.template.name, range),
            );
        }
        // One that needs itself PubGrub would lose; none is published, and the order would find a cycle.
        for (needed, range) in needs.requires.iter().filter(|(needed, _)| role != Role::Feature || *needed != name) {
            asked.add(Package::Bundle(Role::Feature, needed.clone()), self.matching(Role::Feature, needed, range));
        }
        for (other, range) in &needs.conflicts {
            asked.add(Package::Apart(apart(role, name, other, range)), Ranks::singleton(Apart::BY));
        }
        let foes = self.foes.get(name);
        self.steps.compare(foes.map_or(0, BTreeMap::len));
        for (foe, range) in foes.into_iter().flatten() {
            if range.matches(version) {
                asked.add(Package::Apart(foe.clone()), Ranks::singleton(Apart::OTHER));
            }
        }
        Ok(asked)
    }
}

fn apart(role: Role, name: &str, other: &str, range: &VersionReq) -> Apart {
    Apart { by: (role, name.to_owned()), other: other.to_owned(), range: range.to_string() }
}

/// What is asked of each package, once each.
#[derive(Default)]
struct Constraints(BTreeMap<Package, Ranks>);

impl Constraints {
    fn add(&mut self, package: Package, ranks: Ranks) {
        let asked = self.0.entry(package).or_insert_with(Ranks::full);
        *asked = asked.intersection(&ranks);
    }
}

impl DependencyProvider for Provider<'_> {
    type P = Package;
    type V = u32;
    type VS = Ranks;
    type Priority = (u8, u32, Reverse<Package>);
    type M = String;
    type Err = TooHard;

    /// The template's version is decided first, so that it is the newest that there can be; then those that were asked for.
    fn prioritize(&self, package: &Package, _: &Ranks, statistics: &PackageResolutionStatistics) -> Self::Priority {
        let class = match package {
            Package::Submission => 4,
            Package::Bundle(Role::Template, _) => 3,
            Package::Bundle(Role::Feature, name) if self.features.iter().any(|wanted| wanted.name == *name) => 2,
            Package::Bundle(Role::Feature, _) => 1,
            Package::Apart(_) => 0,
        };
        (class, statistics.conflict_count(), Reverse(package.clone()))
    }

    fn choose_version(&self, package: &Package, ranks: &Ranks) -> Result<Option<u32>, TooHard> {
        let count = match package {
            Package::Submission => 1,
            Package::Bundle(role, name) => self.count(*role, name),
            Package::Apart(_) => Apart::OTHER + 1,
        };
        Ok((0..count).rev().find(|rank| ranks.contains(rank)))
    }

    fn get_dependencies(&self, package: &Package, rank: &u32) -> Result<Dependencies<Package, Ranks, String>, TooHard> {
        let needs = match package {
            Package::Submission => Ok(self.asked()),
            Package::Bundle(role, name) => self.needs(*role, name, *rank),
            Package::Apart(_) => Ok(Constraints::default()),
        };
        Ok(match needs {
            Ok(Constraints(needs)) => Dependencies::Available(needs.into_iter().collect()),
            Err(reason) => Dependencies::Unavailable(reason),
        })
    }

    fn should_cancel(&self) -> Result<(), TooHard> {
        let taken = self.steps.taken.get() + 1;
        self.steps.taken.set(taken);
        if taken > STEPS_MAX || self.steps.compared.get() > COMPARISONS_MAX { Err(TooHard) } else { Ok(()) }
    }
}
