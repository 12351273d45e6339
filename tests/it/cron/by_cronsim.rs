//! `cronsim`: Healthchecks' library in Python, made to tell when Debian's cron fires; five fields only.

use std::{fs, path::Path};

use chrono_tz::Tz;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use windrow_jobs::cron::tzdb_version;
use windrow_tests::python;

use super::{
    FIRES, USUAL_SEED, ZONES,
    clock::Change,
    compare::{Difference, Parting, Tally},
    samples::{Dialect, clock, sample},
    setting,
};
use crate::documents::repository;

const SAMPLES_PER_ZONE: u64 = 250;

const DIALECT: Dialect = Dialect { seconds_and_years: false, question_mark: false, sunday_at_the_end: false, shorthands: false };

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// Every way in which it differs.
const DIFFERENCES: &[Difference] = &[
    Difference {
        zone: None,
        class: "a start within the second pass of an overlap",
        expected: "ours fires after the start, cronsim once more within the first pass, before the start",
        why: "cronsim drops which of the two passes it starts in",
        explains: starts_in_second_pass,
    },
    Difference {
        zone: None,
        class: "a range of one value with a step, such as 3-3/2",
        expected: "ours holds that value, cronsim goes on from it to the end",
        why: "cronsim takes any single value before a step for the beginning of a range",
        explains: has_single_range,
    },
    Difference {
        zone: None,
        class: "wildcards after a change of the clock by or to anything but full hours",
        expected: "ours fires when the clock shows what is asked for, cronsim misses the first part of an hour or repeats an instant",
        why: "cronsim steps by whole hours from the clock's change on",
        explains: is_after_odd_change,
    },
    Difference {
        zone: None,
        class: "wildcards on a day that begins with a gap",
        expected: "ours fires when the clock shows what is asked for, cronsim as if the day's first hour were the one in the gap",
        why: "cronsim looks for the day's hours from a midnight on that there was not",
        explains: is_after_midnight_gap,
    },
];

fn starts_in_second_pass(parting: &Parting) -> bool {
    let start_s = parting.sample.start_s;
    parting.is_fixed_time() && parting.clock.is_in_second_pass(start_s) && parting.theirs_s.is_some_and(|theirs_s| theirs_s <= start_s)
}

fn has_single_range(parting: &Parting) -> bool {
    parting.sample.expression.fields.iter().any(|field| field.split(',').any(is_single_range))
}

fn is_after_odd_change(parting: &Parting) -> bool {
    let is_odd = |change: Change| change.step_s % HOUR_S != 0 || parting.clock.local_s(change.at_s) % HOUR_S != 0;
    !parting.is_fixed_time() && parting.has_change(HOUR_S, is_odd)
}

fn is_after_midnight_gap(parting: &Parting) -> bool {
    let is_midnight = |change: Change| change.step_s > 0 && (parting.clock.local_s(change.at_s) - change.step_s) % DAY_S == 0;
    !parting.is_fixed_time() && parting.has_change(0, is_midnight)
}

/// `3-3/2`.
fn is_single_range(item: &str) -> bool {
    let span = item.split_once('/').and_then(|(span, _)| span.split_once('-'));
    span.is_some_and(|(from, to)| from == to)
}

#[tokio::test]
async fn cronsim_fires_at_the_same_instants_but_for_the_differences_listed() {
    let seed = setting("WINDROW_CRON_SEED", USUAL_SEED);
    let mut asked = Vec::new();
    for (place, name) in ZONES.iter().enumerate() {
        let zone: Tz = name.parse().expect("a name of the database");
        let (clock, mut rng) = (clock(zone), StdRng::seed_from_u64(seed * 1_000_000 + place as u64));
        let count = setting("WINDROW_CRON_SAMPLES", SAMPLES_PER_ZONE);
        let samples: Vec<_> = (0..count).map(|_| sample(&mut rng, &clock, zone, DIALECT)).collect();
        asked.push((clock, samples));
    }
    let all = asked.iter().flat_map(|(clock, samples)| samples.iter().map(move |sample| (clock, sample)));
    let lines: Vec<String> = all
        .clone()
        .map(|(_, sample)| {
            json!({ "cron": sample.expression.text, "zone": sample.zone.name(), "start_s": sample.start_s, "count": FIRES }).to_string()
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("samples"), lines.join("\n")).expect("written");
    let script = repository("tests/it/cron/fires.py");
    let script = script.to_str().expect("a path in UTF-8");
    let run = python::run("python3", &[script, "samples"], &[("PYTHONTZPATH", Path::new(""))], folder.path()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut answers = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let versions = answers.next().expect("the versions");
    println!("cronsim {}; time-zone database: {} here, {} there", versions["cronsim"], tzdb_version(), versions["tzdata"]);
    assert_eq!(versions["tzdata"], tzdb_version(), "the pin of tzdata in tests/requirements.txt follows chrono-tz");
    let mut tally = Tally::new(DIFFERENCES);
    for (clock, sample) in all {
        let fires = answers.next().expect("an answer to each sample");
        let fires: Vec<i64> = serde_json::from_value(fires).expect("seconds");
        tally.compare(sample, clock, &fires);
    }
    assert!(answers.next().is_none(), "no answer is left");
    tally.conclude("cronsim", seed);
}
