//! What resolves to what, what is said where nothing does, and the search held against one that tries everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use semver::{Version, VersionReq};

use super::*;
use crate::bundle::Wanted;

/// `city 3.0.0` is a template (its name has no hyphen and is one of these), all else a feature:
/// `chat 2.1.0; fits city ^3; needs search ^1; not legacy *`.
fn shelf(bundles: &[&str]) -> Shelf {
    let mut shelf = Shelf::default();
    for text in bundles {
        let mut parts = text.split("; ");
        let (name, version) = parts.next().and_then(|head| head.split_once(' ')).expect("a head");
        let mut needs = Needs::default();
        for part in parts {
            let words: Vec<_> = part.splitn(3, ' ').collect();
            let side = match words[0] {
                "fits" => &mut needs.templates,
                "needs" => &mut needs.requires,
                "not" => &mut needs.conflicts,
                other => panic!("{other}?"),
            };
            side.insert(words[1].into(), words[2].parse().expect("a range"));
        }
        let role = if ["city", "town"].contains(&name) { Role::Template } else { Role::Feature };
        shelf.put(role, name, version.parse().expect("a version"), needs);
    }
    shelf
}

fn asked(template: &str, features: &[&str], shelf: &Shelf) -> Result<String, Unresolvable> {
    let wanted: Vec<_> = features.iter().map(|text| Wanted::parse(text).expect("well-formed")).collect();
    let resolved = resolve(&Wanted::parse(template).expect("well-formed"), &wanted, shelf)?;
    let all = [resolved.template].into_iter().chain(resolved.features);
    Ok(all.map(|picked| format!("{} {}", picked.name, picked.version)).collect::<Vec<_>>().join(", "))
}

#[test]
fn the_newest_that_go_together_are_taken_in_the_order_of_needs() {
    let bundles = shelf(&[
        "city 1.0.0",
        "city 1.2.0",
        "city 2.0.0",
        "a 1.0.0; needs z ^1",
        "z 1.9.0",
        "z 1.10.0",
        "z 2.0.0",
        "m 1.0.0",
        "m 2.0.0-rc.1",
    ]);
    assert_eq!(asked("city@^1", &["m", "a@1"], &bundles).as_deref(), Ok("city 1.2.0, m 1.0.0, z 1.10.0, a 1.0.0"));
    assert_eq!(asked("city@^1", &["z@<1.10", "a"], &bundles).as_deref(), Ok("city 1.2.0, z 1.9.0, a 1.0.0"));
    assert_eq!(asked("city", &[], &bundles).as_deref(), Ok("city 2.0.0"));
    assert_eq!(asked("city", &["m@2.0.0-rc.1"], &bundles).as_deref(), Ok("city 2.0.0, m 2.0.0-rc.1"));
}

#[test]
fn an_older_version_is_taken_where_the_newest_does_not_fit() {
    let bundles = shelf(&[
        "city 2.4.0",
        "city 3.0.0",
        "chat 1.9.0; fits city ^2",
        "chat 2.1.0; fits city ^3; needs search ^2",
        "search 1.0.0",
        "search 2.0.0; not dark *",
        "dark 1.0.0; needs search ^1",
        "dark 0.9.0",
    ]);
    assert_eq!(asked("city@^2", &["chat"], &bundles).as_deref(), Ok("city 2.4.0, chat 1.9.0"));
    assert_eq!(asked("city", &["chat"], &bundles).as_deref(), Ok("city 3.0.0, search 2.0.0, chat 2.1.0"));
    // The newest template stays as long as anything goes with it: dark 0.9 does not need the older search.
    assert_eq!(asked("city", &["chat@2", "dark"], &bundles).map_err(|why| why.code), Err("bundle_conflict"));
    assert_eq!(asked("city", &["chat", "dark"], &bundles).as_deref(), Ok("city 2.4.0, chat 1.9.0, search 1.0.0, dark 1.0.0"));
}

/// The template and the features that are asked for, what there is, the code, and what is said.
type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static str, &'static str);

#[test]
fn what_does_not_go_together_is_explained() {
    let cases: [Case; 11] = [
        (
            "city@2.4.0",
            &["chat@2"],
            &["city 2.4.0", "city 3.0.0", "chat 1.9.0", "chat 2.1.0; fits city ^3"],
            "version_conflict",
            "feature chat 2.1.0 needs template city ^3 (3.0.0); you chose template city ^2.4.0; you asked for feature chat ^2 (2.1.0). \
             Feature chat 1.9.0 would go with the rest: ask for chat@=1.9.0. Template city 3.0.0 would go with the features: ask for city@=3.0.0. \
             Without feature chat the rest goes together",
        ),
        ("city", &["x"], &["city 1.0.0"], "feature_unknown", "you asked for feature x, and there is no feature x"),
        ("town@^1", &[], &["city 1.0.0"], "template_unknown", "you chose template town, and there is no template town"),
        (
            "city@^1",
            &[],
            &["city 2.0.0"],
            "version_conflict",
            "you chose template city ^1, and there is only 2.0.0. Template city 2.0.0 would go with the features: ask for city@=2.0.0",
        ),
        (
            "city",
            &["a", "b@2"],
            &["city 1.0.0", "a 1.0.0; needs b ^1", "b 1.0.0", "b 2.0.0"],
            "version_conflict",
            "feature a 1.0.0 needs feature b ^1 (1.0.0); you asked for feature a (1.0.0); you asked for feature b ^2 (2.0.0). \
             Feature b 1.0.0 would go with the rest: ask for b@=1.0.0. Without feature a the rest goes together. \
             Without feature b the rest goes together",
        ),
        (
            "city",
            &["a", "b"],
            &["city 1.0.0", "a 1.0.0; not b >=2", "b 2.1.0"],
            "bundle_conflict",
            "feature a 1.0.0 does not go with feature b >=2; you asked for feature a (1.0.0); you asked for feature b (2.1.0). \
             Without feature a the rest goes together. Without feature b the rest goes together",
        ),
        (
            "city",
            &["a"],
            &["city 1.0.0", "a 1.0.0; needs b *", "b 1.0.0; needs a *"],
            "dependency_cycle",
            "none of these can come before the others, as each needs another of them: a 1.0.0, b 1.0.0",
        ),
        (
            "city",
            &["a"],
            &["city 1.0.0", "a 1.0.0; fits town ^1; fits village *"],
            "bundle_conflict",
            "feature a 1.0.0 fits template town ^1 or village *, and you chose city; you asked for feature a (1.0.0). \
             Without feature a the rest goes together",
        ),
        (
            "city",
            &["a"],
            &["city 1.0.0", "a 1.0.0; needs gone ^1", "a 1.1.0; needs gone ^1"],
            "feature_unknown",
            "feature a 1.0.0 and 1.1.0 need feature gone ^1, and there is no feature gone; you asked for feature a. \
             Without feature a the rest goes together",
        ),
        (
            "city",
            &["a"],
            &["city 1.0.0", "a 1.0.0; not city *"],
            "bundle_conflict",
            "feature a 1.0.0 does not go with template city; you chose template city (1.0.0); you asked for feature a (1.0.0). \
             Without feature a the rest goes together",
        ),
        (
            "city",
            &["a@1", "a@2"],
            &["city 1.0.0", "a 1.0.0", "a 2.0.0"],
            "version_conflict",
            "you asked for feature a ^1 (1.0.0); you asked for feature a ^2 (2.0.0). Feature a 2.0.0 would go with the rest: ask for a@=2.0.0. \
             Feature a 1.0.0 would go with the rest: ask for a@=1.0.0. Without feature a the rest goes together",
        ),
    ];
    for (template, features, bundles, code, message) in cases {
        let why = asked(template, features, &shelf(bundles)).expect_err("nothing fits");
        assert_eq!((why.code, why.message().as_str()), (code, message));
    }
}

#[test]
fn a_feature_that_needs_itself_is_a_cycle_and_no_panic() {
    let bundles = shelf(&["city 1.0.0", "a 1.0.0", "a 1.1.0; needs a =1.0.0", "a 3.0.0; needs b *"]);
    assert_eq!(asked("city", &["a@^1"], &bundles).map_err(|why| why.code), Err("dependency_cycle"));
    assert_eq!(asked("city", &["a@^2"], &bundles).map_err(|why| why.code), Err("version_conflict"));
}

#[test]
fn a_search_without_end_ends() {
    // Each of thirty features goes with one version of the next only if the one after it does not exist.
    let mut bundles = vec!["city 1.0.0".to_owned()];
    for place in 0..30 {
        for version in 1..=20 {
            let next = (version * 7 + place) % 20 + 1;
            bundles.push(format!(
                "f{place} {version}.0.0; needs f{} ={next}.0.0; needs f{} <{version}",
                (place + 1) % 30,
                (place + 2) % 30
            ));
        }
    }
    let bundles: Vec<_> = bundles.iter().map(String::as_str).collect();
    let wanted: Vec<_> = (0..30).map(|place| format!("f{place}")).collect();
    let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
    assert_eq!(asked("city", &wanted, &shelf(&bundles)).map_err(|why| why.code), Err("version_conflict"));
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "gone"];
const VERSIONS: [&str; 5] = ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0", "3.0.0"];
const RANGES: [&str; 9] = ["*", "^1", "^2", ">=1.1", "<2", "=1.0.0", "~1.0", ">=2.0.0-rc.1", "1.1.0 - 2"];

fn a_range() -> impl Strategy<Value = VersionReq> {
    // The last is no range of this grammar; it stands for one that nothing fits.
    prop::sample::select(RANGES.to_vec()).prop_map(|text| text.parse().unwrap_or_else(|_| "=9.9.9".parse().expect("a range")))
}

fn ranges(names: &'static [&'static str], size: usize) -> impl Strategy<Value = BTreeMap<String, VersionReq>> {
    prop::collection::btree_map(prop::sample::select(names.to_vec()).prop_map(str::to_owned), a_range(), 0..=size)
}

fn a_shelf() -> impl Strategy<Value = Shelf> {
    let needs = (ranges(&["city", "town"], 1), ranges(&NAMES, 2), ranges(&["a", "b", "c", "d", "city"], 1));
    let bundle = (0..NAMES.len() - 1, prop::sample::select(VERSIONS.to_vec()), needs);
    let templates = prop::collection::btree_map(prop::sample::select(VERSIONS.to_vec()), ranges(&NAMES, 1), 1..=3);
    (prop::collection::vec(bundle, 0..12), templates).prop_map(|(bundles, templates)| {
        let mut shelf = Shelf::default();
        for (version, requires) in templates {
            shelf.put(Role::Template, "city", version.parse().expect("a version"), Needs { requires, ..Needs::default() });
        }
        for (name, version, (templates, mut requires, mut conflicts)) in bundles {
            // What publishing refuses.
            requires.remove(NAMES[name]);
            conflicts.remove(NAMES[name]);
            shelf.put(Role::Feature, NAMES[name], version.parse().expect("a version"), Needs { templates, requires, conflicts });
        }
        shelf
    })
}

/// Whether this choice is an answer: everybody's needs are met, and nobody is there whom nobody needs.
fn is_answer(picked: &Solution, template: &Wanted, features: &[Wanted], shelf: &Shelf) -> bool {
    let of = |role, name: &str, range: &VersionReq| picked.get(&(role, name.to_owned())).is_some_and(|version| range.matches(version));
    let needs = |(role, name): &(Role, String), version: &Version| shelf.0[&(*role, name.clone())][version].clone();
    let asked = of(Role::Template, &template.name, &template.requirement)
        && features.iter().all(|wanted| of(Role::Feature, &wanted.name, &wanted.requirement));
    let met = picked.iter().all(|(key, version)| {
        let needs = needs(key, version);
        (needs.templates.is_empty() || needs.templates.iter().any(|(name, range)| of(Role::Template, name, range)))
            && needs.requires.iter().all(|(name, range)| of(Role::Feature, name, range))
            && !needs.conflicts.iter().any(|(name, range)| of(Role::Feature, name, range) || of(Role::Template, name, range))
    });
    let mut reached: BTreeSet<String> = features.iter().map(|wanted| wanted.name.clone()).collect();
    loop {
        let of_these = |key: &(Role, String)| key.0 == Role::Template || reached.contains(&key.1);
        let more: BTreeSet<String> =
            picked.iter().filter(|(key, _)| of_these(key)).flat_map(|(key, version)| needs(key, version).requires.into_keys()).collect();
        if more.is_subset(&reached) {
            break;
        }
        reached.extend(more);
    }
    asked && met && picked.keys().all(|(role, name)| *role == Role::Template || reached.contains(name))
}

/// Every choice there is.
fn choices(shelf: &Shelf) -> Vec<Solution> {
    let mut choices = vec![Solution::new()];
    for (key, versions) in &shelf.0 {
        let without = (key.0 == Role::Feature).then_some(None);
        let each: Vec<_> = without.into_iter().chain(versions.keys().map(Some)).collect();
        choices = choices
            .into_iter()
            .flat_map(|choice| {
                each.iter().map(move |version| {
                    let mut choice = choice.clone();
                    choice.extend(version.map(|version| (key.clone(), version.clone())));
                    choice
                })
            })
            .collect();
    }
    choices
}

proptest! {
    #![proptest_config(Config { cases: 5_000, rng_seed: RngSeed::Fixed(19), failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_search_finds_an_answer_exactly_where_there_is_one(
        shelf in a_shelf(),
        template in a_range(),
        features in prop::collection::vec((prop::sample::select(NAMES.to_vec()), a_range()), 0..3),
    ) {
        let template = Wanted { name: "city".into(), requirement: template };
        let features: Vec<_> = features.into_iter().map(|(name, requirement)| Wanted { name: name.into(), requirement }).collect();
        let answers: Vec<_> = choices(&shelf).into_iter().filter(|choice| is_answer(choice, &template, &features, &shelf)).collect();
        let steps = Steps::default();
        match solve(&template, &features, &shelf, &steps) {
            Ok(found) => {
                prop_assert!(answers.contains(&found), "{found:?} is no answer");
                let newest = |choice: &Solution| choice[&(Role::Template, "city".to_owned())].clone();
                prop_assert_eq!(Some(newest(&found)), answers.iter().map(newest).max(), "the template could be newer");
            }
            Err(Unsolved::Impossible(_)) => {
                prop_assert_eq!(&answers, &Vec::<Solution>::new());
                let why = resolve(&template, &features, &shelf).expect_err("nothing fits");
                prop_assert!(!why.steps.is_empty() && why.steps.iter().all(|step| !step.is_empty()), "{why:?}");
            }
            Err(Unsolved::TooHard) => prop_assert!(false, "it is not hard"),
        }
        match resolve(&template, &features, &shelf) {
            Ok(resolved) => {
                for (place, picked) in resolved.features.iter().enumerate() {
                    let needs = &shelf.0[&(Role::Feature, picked.name.clone())][&picked.version];
                    let before = |name: &String| resolved.features[..place].iter().any(|one| one.name == *name);
                    prop_assert!(needs.requires.keys().all(before), "{picked:?} comes before what it needs");
                }
            }
            Err(why) => prop_assert!(answers.is_empty() || why.code == "dependency_cycle", "{why:?}"),
        }
    }
}

#[test]
fn versions_that_take_too_long_to_compare_are_given_up() {
    // The newest of every feature asks for all others, in many words.
    let names: Vec<_> = (0..64).map(|number| format!("f{number:02}")).collect();
    let range: VersionReq = vec!["<9.9.9"; 32].join(", ").parse().expect("a range");
    let mut shelf = shelf(&["city 1.0.0"]);
    for name in &names {
        let others = names.iter().filter(|other| *other != name).map(|other| (other.clone(), range.clone())).collect();
        let needs = Needs { requires: others, ..Needs::default() };
        for minor in 0..300 {
            shelf.put(Role::Feature, name, Version::new(1, minor, 0), Needs::default());
        }
        shelf.put(Role::Feature, name, Version::new(2, 0, 0), needs);
    }
    let refused = asked("city", &["f00"], &shelf).expect_err("too hard");
    assert!(refused.message().contains("could not be worked out in time"), "{}", refused.message());
}
