//! Which bundles make the app: one version of each that everybody who asks for it accepts, in the order they are laid.
//!
//! Picks the newest version that fits and does not search further: where the newest ones do not go together, it
//! says who asked for what, and the submission can ask for older ones.

use std::collections::{BTreeMap, BTreeSet};

use semver::{Version, VersionReq};

use super::error::BuildError;
use crate::bundle::{Manifest, Role, Wanted};

/// What is published, by name and version.
pub type Shelf = BTreeMap<String, BTreeMap<Version, Manifest>>;

/// Rounds until the picks stand still; each takes in one more level of needs.
const ROUNDS_MAX: usize = 64;

/// Who asks for a bundle, and for which versions.
type Asked<'a> = BTreeMap<&'a str, Vec<(String, &'a VersionReq)>>;

/// The template, then the features, each after what it needs; of those that are free, by name.
pub fn resolve(template: &Wanted, features: &[Wanted], shelf: &Shelf) -> Result<Vec<Manifest>, BuildError> {
    let picked = pick(template, features, shelf)?;
    check_roles(template, &picked)?;
    check_conflicts(&picked)?;
    in_order(template, &picked)
}

fn pick<'a>(template: &'a Wanted, features: &'a [Wanted], shelf: &'a Shelf) -> Result<BTreeMap<&'a str, &'a Manifest>, BuildError> {
    let mut picked: BTreeMap<&str, &Manifest> = BTreeMap::new();
    for _ in 0..ROUNDS_MAX {
        let asked = asked(template, features, &picked);
        let mut next = BTreeMap::new();
        for (name, askers) in &asked {
            next.insert(*name, newest(name, askers, name == &template.name, shelf)?);
        }
        if next == picked {
            return Ok(picked);
        }
        picked = next;
    }
    Err(BuildError::inputs("version_conflict", "what the bundles need of each other goes round in circles; ask for fixed versions"))
}

fn asked<'a>(template: &'a Wanted, features: &'a [Wanted], picked: &BTreeMap<&'a str, &'a Manifest>) -> Asked<'a> {
    let mut asked = Asked::new();
    for wanted in features.iter().chain([template]) {
        asked.entry(&wanted.name).or_default().push(("the submission".into(), &wanted.requirement));
    }
    // Only what the present picks lead to: a version that was dropped asks for nothing.
    let mut open: Vec<&str> = asked.keys().copied().collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(manifest) = picked.get(name).filter(|_| seen.insert(name)) else {
            continue;
        };
        for (needed, requirement) in manifest.requires.iter().chain(&manifest.templates) {
            asked.entry(needed).or_default().push((manifest.to_string(), requirement));
            open.push(needed);
        }
    }
    asked
}

fn newest<'a>(name: &str, askers: &[(String, &VersionReq)], is_template: bool, shelf: &'a Shelf) -> Result<&'a Manifest, BuildError> {
    let by = || askers.iter().map(|(who, requirement)| format!("{requirement} (asked for by {who})")).collect::<Vec<_>>().join(" and ");
    let Some(versions) = shelf.get(name).filter(|versions| !versions.is_empty()) else {
        let code = if is_template { "template_unknown" } else { "feature_unknown" };
        return Err(BuildError::inputs(code, format!("there is no bundle {name}: {}", by())));
    };
    let fits = |version: &&Version| askers.iter().all(|(_, requirement)| requirement.matches(version));
    let newest = versions.keys().rev().find(fits).and_then(|version| versions.get(version));
    newest.ok_or_else(|| {
        let there: Vec<_> = versions.keys().map(ToString::to_string).collect();
        let message = format!("no version of {name} is {}; there are {}", by(), there.join(", "));
        BuildError::inputs("version_conflict", message)
    })
}

fn check_roles(template: &Wanted, picked: &BTreeMap<&str, &Manifest>) -> Result<(), BuildError> {
    for manifest in picked.values() {
        match (manifest.name == template.name, manifest.role) {
            (true, Role::Feature) => return Err(BuildError::inputs("template_unknown", format!("{manifest} is a feature, no template"))),
            (false, Role::Template) => {
                let message = format!("{manifest} is a template, and this app is made of {}", template.name);
                return Err(BuildError::inputs("bundle_conflict", message));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_conflicts(picked: &BTreeMap<&str, &Manifest>) -> Result<(), BuildError> {
    for manifest in picked.values() {
        for (name, requirement) in &manifest.conflicts {
            if let Some(other) = picked.get(name.as_str()).filter(|other| requirement.matches(&other.version)) {
                let message = format!("{manifest} does not go with {other}: it excludes {name} {requirement}");
                return Err(BuildError::inputs("bundle_conflict", message));
            }
        }
    }
    Ok(())
}

fn in_order(template: &Wanted, picked: &BTreeMap<&str, &Manifest>) -> Result<Vec<Manifest>, BuildError> {
    let mut left: BTreeMap<&str, &Manifest> = picked.clone();
    let mut order: Vec<Manifest> = left.remove(template.name.as_str()).into_iter().cloned().collect();
    while !left.is_empty() {
        let free = left.values().find(|manifest| manifest.requires.keys().all(|needed| !left.contains_key(needed.as_str())));
        let Some(next) = free.copied() else {
            let names: Vec<_> = left.keys().copied().collect();
            return Err(BuildError::inputs("dependency_cycle", format!("these need each other: {}", names.join(", "))));
        };
        left.remove(next.name.as_str());
        order.push(next.clone());
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name version role; needs a ^1; not b *`
    fn shelf(bundles: &[&str]) -> Shelf {
        let mut shelf = Shelf::new();
        for text in bundles {
            let mut parts = text.split("; ");
            let head: Vec<_> = parts.next().expect("a head").split(' ').collect();
            let mut manifest: Manifest = serde_json::from_value(serde_json::json!({
                "name": head[0], "version": head[1], "role": if head[0] == "app" { "template" } else { "feature" }, "files": [],
            }))
            .expect("a manifest");
            for part in parts {
                let words: Vec<_> = part.split(' ').collect();
                let side = if words[0] == "needs" { &mut manifest.requires } else { &mut manifest.conflicts };
                side.insert(words[1].into(), words[2].parse().expect("a requirement"));
            }
            shelf.entry(manifest.name.clone()).or_default().insert(manifest.version.clone(), manifest);
        }
        shelf
    }

    fn resolved(features: &[&str], bundles: &[&str]) -> Result<String, (String, String)> {
        let wanted: Vec<_> = features.iter().map(|text| Wanted::parse(text).expect("well-formed")).collect();
        let order = resolve(&Wanted::parse("app@^1").expect("well-formed"), &wanted, &shelf(bundles));
        let order = order.map_err(|error| (error.code().to_owned(), error.to_string()))?;
        Ok(order.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn the_newest_that_fits_is_taken_in_the_order_of_needs() {
        let bundles =
            ["app 1.0.0", "app 1.2.0", "app 2.0.0", "a 1.0.0; needs z ^1", "z 1.9.0", "z 1.10.0", "z 2.0.0", "m 1.0.0", "m 2.0.0-rc.1"];
        assert_eq!(resolved(&["m", "a@1"], &bundles).as_deref(), Ok("app 1.2.0, m 1.0.0, z 1.10.0, a 1.0.0"));
        assert_eq!(resolved(&["z@<1.10", "a"], &bundles).as_deref(), Ok("app 1.2.0, z 1.9.0, a 1.0.0"));
        assert_eq!(resolved(&[], &bundles).as_deref(), Ok("app 1.2.0"));
    }

    #[test]
    fn what_cannot_be_resolved_names_everybody_who_asked() {
        let cases: [(&[&str], &[&str], &str, &str); 8] = [
            (&["x"], &["app 1.0.0"], "feature_unknown", "there is no bundle x: * (asked for by the submission)"),
            (&[], &["a 1.0.0"], "template_unknown", "there is no bundle app: ^1 (asked for by the submission)"),
            (&[], &["app 2.0.0"], "version_conflict", "no version of app is ^1 (asked for by the submission); there are 2.0.0"),
            (
                &["a", "b@2"],
                &["app 1.0.0", "a 1.0.0; needs b ^1", "b 1.0.0", "b 2.0.0"],
                "version_conflict",
                "no version of b is ^2 (asked for by the submission) and ^1 (asked for by a 1.0.0); there are 1.0.0, 2.0.0",
            ),
            (
                &["a", "b"],
                &["app 1.0.0", "a 1.0.0; not b >=2", "b 2.1.0"],
                "bundle_conflict",
                "a 1.0.0 does not go with b 2.1.0: it excludes b >=2",
            ),
            (&["a"], &["app 1.0.0", "a 1.0.0; needs b *", "b 1.0.0; needs a *"], "dependency_cycle", "these need each other: a, b"),
            (&["a"], &["app 1.0.0", "a 1.0.0; needs app >=1.5"], "version_conflict", ">=1.5 (asked for by a 1.0.0); there are 1.0.0"),
            (&["a"], &["app 1.0.0", "a 1.0.0; needs gone ^1"], "feature_unknown", "there is no bundle gone: ^1 (asked for by a 1.0.0)"),
        ];
        for (features, bundles, code, message) in cases {
            let (found, said) = resolved(features, bundles).expect_err("refused");
            assert_eq!(found, code, "{said}");
            assert!(said.contains(message), "{said}");
        }
    }
}
