//! Why bundles do not go together, in sentences that a person can act on.
//!
//! PubGrub proves that there is no answer by facts: who needs what, who fits what, who does not go with whom. The facts are told
//! as they stand in the manifests, then what was asked for. What would help is not guessed but tried: another version of one of
//! the asked bundles, or all but one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};

use pubgrub::{DerivationTree, External};
use semver::{Version, VersionReq};

use super::{
    Shelf,
    provider::{Apart, Package, Ranks, Steps},
    solve,
};
use crate::bundle::{Role, Wanted};

/// Versions that are named of a bundle, the newest ones.
const VERSIONS_NAMED: usize = 5;
/// Steps and hints that are told; a proof of hundreds helps nobody.
const TOLD_MAX: usize = 12;
/// Hints that are told.
const HINTS_MAX: usize = 3;

/// PubGrub's own words.
pub(super) type Proof = DerivationTree<Package, Ranks, String>;
type Fact = External<Package, Ranks, String>;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct Unresolvable {
    /// A stable code.
    pub code: &'static str,
    /// What stands against each other, a sentence each.
    pub steps: Vec<String>,
    /// What would help, a sentence each.
    pub hints: Vec<String>,
}

impl Unresolvable {
    /// All of it, as one text.
    pub fn message(&self) -> String {
        let mut message = self.steps.join("; ");
        for hint in &self.hints {
            let _ = write!(message, ". {hint}");
        }
        message
    }

    pub(super) fn too_hard() -> Self {
        let step = "what the bundles need of each other could not be worked out in time; ask for narrower ranges";
        Self { code: "version_conflict", steps: vec![step.into()], hints: Vec::new() }
    }

    pub(super) fn cycle(left: &BTreeMap<String, Version>) -> Self {
        let names: Vec<_> = left.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let step = format!("none of these can come before the others, as each needs another of them: {}", names.join(", "));
        Self { code: "dependency_cycle", steps: vec![step], hints: Vec::new() }
    }
}

/// Tells why, by PubGrub's proof.
pub(super) fn explain(template: &Wanted, features: &[Wanted], shelf: &Shelf, tree: &Proof, steps: &Steps) -> Unresolvable {
    let case = Case { template, features, shelf };
    let facts = facts(tree);
    let (mut told, mut asked) = (Vec::new(), Vec::new());
    for fact in &facts {
        let side = if matches!(fact, External::FromDependencyOf(Package::Submission, ..)) { &mut asked } else { &mut told };
        case.tell(fact, &mut |sentence| {
            if !side.contains(&sentence) {
                side.push(sentence);
            }
        });
    }
    let code = case.code(&facts);
    told.truncate(TOLD_MAX);
    told.extend(asked.into_iter().take(TOLD_MAX));
    Unresolvable { code, steps: told, hints: case.hints(&facts, steps) }
}

/// Refuses what is asked for and is not there, the template before all: no other explanation helps whoever misspelt a name.
pub(super) fn all_there(template: &Wanted, features: &[Wanted], shelf: &Shelf) -> Result<(), Unresolvable> {
    let missing = |code, steps: Vec<String>| if steps.is_empty() { Ok(()) } else { Err(Unresolvable { code, steps, hints: Vec::new() }) };
    let gone = |role, wanted: &&Wanted| !shelf.has(role, &wanted.name);
    let step = |role: Role, verb: &str, wanted: &Wanted| format!("{verb} {role} {0}, and there is no {role} {0}", wanted.name);
    let templates = [template].into_iter().filter(|wanted| gone(Role::Template, wanted));
    missing("template_unknown", templates.map(|wanted| step(Role::Template, "you chose", wanted)).collect())?;
    let features = features.iter().filter(|wanted| gone(Role::Feature, wanted));
    missing("feature_unknown", features.map(|wanted| step(Role::Feature, "you asked for", wanted)).collect())
}

/// The facts that a proof rests on, each met once however often the proof uses it.
fn facts(tree: &Proof) -> Vec<&Fact> {
    let (mut facts, mut open, mut seen) = (Vec::new(), vec![tree], BTreeSet::new());
    while let Some(tree) = open.pop() {
        match tree {
            DerivationTree::External(fact) => facts.push(fact),
            DerivationTree::Derived(derived) => {
                let causes = [&derived.cause2, &derived.cause1].into_iter();
                open.extend(causes.filter(|cause| seen.insert(Arc::as_ptr(cause))).map(|cause| &**cause));
            }
        }
    }
    facts
}

struct Case<'a> {
    template: &'a Wanted,
    features: &'a [Wanted],
    shelf: &'a Shelf,
}

impl<'a> Case<'a> {
    fn tell(&self, fact: &Fact, say: &mut dyn FnMut(String)) {
        match fact {
            External::FromDependencyOf(Package::Submission, _, Package::Bundle(role, name), _) => {
                for wanted in self.asks(*role, name) {
                    let verb = if *role == Role::Template { "you chose" } else { "you asked for" };
                    say(format!("{verb} {}", self.range(*role, name, &wanted.requirement)));
                }
            }
            External::FromDependencyOf(Package::Bundle(role, name), ranks, Package::Bundle(of, needed), _) => {
                self.tell_needs((*role, name), ranks, (*of, needed), say);
            }
            External::FromDependencyOf(Package::Bundle(role, name), ranks, Package::Apart(apart), _)
                if apart.by == (*role, name.clone()) =>
            {
                let by = self.versions(*role, name, ranks, |needs| needs.conflicts.get(&apart.other).map(ToString::to_string));
                let versions = by.get(&apart.range).cloned().unwrap_or_default();
                say(format!("{} not go with {}", does(*role, name, &versions), self.other(apart)));
            }
            External::Custom(Package::Bundle(role, name), ranks, templates) => {
                let fits = |needs: &super::Needs| (!needs.templates.contains_key(&self.template.name)).then(String::new);
                let versions = self.versions(*role, name, ranks, fits).into_values().next().unwrap_or_default();
                let verb = if versions.len() == 1 { "fits" } else { "fit" };
                say(format!("{} {verb} template {templates}, and you chose {}", list(*role, name, &versions), self.template.name));
            }
            _ => {}
        }
    }

    fn tell_needs(&self, (role, name): (Role, &str), ranks: &Ranks, (of, needed): (Role, &str), say: &mut dyn FnMut(String)) {
        let range = |needs: &'a super::Needs| if of == Role::Template { needs.templates.get(needed) } else { needs.requires.get(needed) };
        let mut ranges: BTreeMap<String, &VersionReq> = BTreeMap::new();
        let by = self.versions(role, name, ranks, |needs| {
            range(needs).map(|range| {
                ranges.insert(range.to_string(), range);
                range.to_string()
            })
        });
        for (text, versions) in by {
            let verb = if versions.len() == 1 { "needs" } else { "need" };
            say(format!("{} {verb} {}", list(role, name, &versions), self.range(of, needed, ranges[&text])));
        }
    }

    /// Those of these ranks that were asked for, if the bundle was, by what they say.
    fn versions(
        &self,
        role: Role,
        name: &str,
        ranks: &Ranks,
        mut says: impl FnMut(&'a super::Needs) -> Option<String>,
    ) -> BTreeMap<String, Vec<&'a Version>> {
        let asked: Vec<_> = self.asks(role, name).collect();
        let mut by: BTreeMap<String, Vec<&Version>> = BTreeMap::new();
        for (rank, (version, needs)) in (0_u32..).zip(self.shelf.versions(role, name)) {
            let fits = ranks.contains(&rank) && asked.iter().all(|wanted| wanted.requirement.matches(version));
            if let Some(what) = Some(needs).filter(|_| fits).and_then(&mut says) {
                by.entry(what).or_default().push(version);
            }
        }
        by
    }

    fn asks(&self, role: Role, name: &str) -> impl Iterator<Item = &'a Wanted> {
        let (template, features) = (self.template, self.features);
        let (of_template, of_features) = if role == Role::Template { (Some(template), &[][..]) } else { (None, features) };
        of_template.into_iter().chain(of_features).filter(move |wanted| wanted.name == name)
    }

    /// A bundle in a range, with the versions that there are of it where this explains something.
    fn range(&self, role: Role, name: &str, range: &VersionReq) -> String {
        let any = *range == VersionReq::STAR;
        let named = if any { format!("{role} {name}") } else { format!("{role} {name} {range}") };
        let all: Vec<_> = self.shelf.versions(role, name).map(|(version, _)| version).collect();
        let fitting: Vec<_> = all.iter().copied().filter(|version| range.matches(version)).collect();
        match (all.is_empty(), fitting.as_slice()) {
            (true, _) => format!("{named}, and there is no {role} {name}"),
            (_, []) => format!("{named}, and there {} only {}", if all.len() == 1 { "is" } else { "are" }, newest(&all)),
            (_, [one]) if is_exact(range, one) => named,
            (_, [one]) => format!("{named} ({one})"),
            _ => named,
        }
    }

    fn other(&self, apart: &Apart) -> String {
        let is_asked = |role| self.shelf.has(role, &apart.other) && (role == Role::Feature || self.template.name == apart.other);
        let role = [Role::Feature, Role::Template].into_iter().find(|role| is_asked(*role)).unwrap_or(Role::Feature);
        let range = if apart.range == "*" { String::new() } else { format!(" {}", apart.range) };
        format!("{role} {}{range}", apart.other)
    }

    fn code(&self, facts: &[&Fact]) -> &'static str {
        let asked = |fact: &&&Fact| match fact {
            External::FromDependencyOf(_, _, Package::Bundle(role, name), _) if !self.shelf.has(*role, name) => Some(*role),
            _ => None,
        };
        let apart = |fact: &&Fact| matches!(fact, External::Custom(..) | External::FromDependencyOf(_, _, Package::Apart(_), _));
        match facts.iter().find_map(|fact| asked(&fact)) {
            Some(Role::Template) => "template_unknown",
            Some(Role::Feature) => "feature_unknown",
            None if facts.iter().any(apart) => "bundle_conflict",
            None => "version_conflict",
        }
    }

    /// What would help, each tried.
    fn hints(&self, facts: &[&Fact], steps: &Steps) -> Vec<String> {
        let met = |wanted: &Wanted, of: Role| {
            facts.iter().any(|fact| match fact {
                External::FromDependencyOf(Package::Submission, _, Package::Bundle(role, name), _) => *role == of && *name == wanted.name,
                _ => false,
            })
        };
        let (mut versions, mut without) = (Vec::new(), Vec::new());
        for (place, wanted) in self.features.iter().enumerate().filter(|(_, wanted)| met(wanted, Role::Feature)) {
            let mut others: Vec<Wanted> = self.features.to_vec();
            others[place].requirement = VersionReq::STAR;
            if wanted.requirement != VersionReq::STAR
                && let Ok(found) = solve(self.template, &others, self.shelf, steps)
            {
                let version = &found[&(Role::Feature, wanted.name.clone())];
                versions.push(format!("Feature {0} {version} would go with the rest: ask for {0}@={version}", wanted.name));
            }
            others.remove(place);
            if solve(self.template, &others, self.shelf, steps).is_ok() {
                without.push(format!("Without feature {} the rest goes together", wanted.name));
            }
        }
        if self.template.requirement != VersionReq::STAR && met(self.template, Role::Template) {
            let other = Wanted { name: self.template.name.clone(), requirement: VersionReq::STAR };
            if let Ok(found) = solve(&other, self.features, self.shelf, steps) {
                let version = &found[&(Role::Template, other.name.clone())];
                versions.push(format!("Template {0} {version} would go with the features: ask for {0}@={version}", other.name));
            }
        }
        versions.extend(without);
        versions.truncate(HINTS_MAX);
        versions
    }
}

fn is_exact(range: &VersionReq, version: &Version) -> bool {
    range.to_string().trim_start_matches(['=', '^']) == version.to_string()
}

/// `feature chat 2.0.0 and 2.1.0`.
fn list(role: Role, name: &str, versions: &[&Version]) -> String {
    if versions.is_empty() { format!("{role} {name}") } else { format!("{role} {name} {}", newest(versions)) }
}

fn does(role: Role, name: &str, versions: &[&Version]) -> String {
    format!("{} {}", list(role, name, versions), if versions.len() > 1 { "do" } else { "does" })
}

/// Some versions, the newest if there are many.
fn newest(versions: &[&Version]) -> String {
    let named: Vec<_> = versions.iter().skip(versions.len().saturating_sub(VERSIONS_NAMED)).map(ToString::to_string).collect();
    let older = if versions.len() > VERSIONS_NAMED { "older ones, " } else { "" };
    match named.split_last() {
        Some((last, [])) => format!("{older}{last}"),
        Some((last, before)) => format!("{older}{} and {last}", before.join(", ")),
        None => String::new(),
    }
}
