//! `croner`: another dialect of the same rule, on the same time-zone database.

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use croner::{
    Cron, JobType,
    parser::{CronParser, Seconds, Year},
};
use rand::{SeedableRng, rngs::StdRng};
use windrow_jobs::cron::tzdb_version;

use super::{
    FIRES, USUAL_SEED, ZONES,
    clock::Change,
    compare::{Difference, Parting, Tally},
    samples::{Dialect, Sample, clock, sample},
    setting,
};

const SAMPLES_PER_ZONE: u64 = 600;

const DIALECT: Dialect = Dialect { seconds_and_years: true, question_mark: true, sunday_at_the_end: true, shorthands: true };

/// Every way in which it differs.
const DIFFERENCES: &[Difference] = &[
    Difference {
        zone: None,
        class: "a day field that begins with a star and has a step, while the other day field is restricted",
        expected: "ours fires on days that match both, croner on days that match either",
        why: "Vixie's and Debian's cron look at the first character only, croner at the whole field",
        explains: |parting| has_half_star(parting.sample) && parting.ours_s == translated(parting),
    },
    Difference {
        zone: None,
        class: "a star with a step in the year field",
        expected: "ours counts from 1970, croner from the year 1",
        why: "the crate `cron` knows no years before 1970, and Debian's cron no years at all",
        explains: |parting| has_year_step(parting.sample) && parting.ours_s == translated(parting),
    },
    Difference {
        zone: None,
        class: "a range from Sunday to SUN",
        expected: "ours fires on Sundays, croner every day",
        why: "croner takes SUN at the end of any range for 7",
        explains: |parting| has_week_of_sunday(parting.sample) && parting.ours_s == translated(parting),
    },
    Difference {
        zone: None,
        class: "a fixed time in a gap of more than two hours",
        expected: "ours fires at the first instant after the gap, croner gives up and never fires again",
        why: "croner looks no further than two hours for the end of a gap",
        explains: is_after_long_gap,
    },
    Difference {
        zone: None,
        class: "a fixed time in a gap that ends on another date, which its day fields do not hold",
        expected: "ours fires at the first instant after the gap, croner does not",
        why: "Debian's cron fires what it missed, whatever the date is then; croner looks at the date after the gap again",
        explains: is_after_gap_of_midnight,
    },
    Difference {
        zone: None,
        class: "a fixed time with several seconds, minutes or hours, in a gap",
        expected: "ours fires at the first instant after the gap, croner does not",
        why: "Debian's cron looks for a star; croner calls fixed only one second of one minute of one hour",
        explains: |parting| is_fixed_for_us_only(parting) && gap_before_ours(parting).is_some(),
    },
    Difference {
        zone: None,
        class: "a fixed time with several seconds, minutes or hours, in an overlap",
        expected: "ours fires in the first pass only, croner in both",
        why: "Debian's cron looks for a star; croner calls fixed only one second of one minute of one hour",
        explains: |parting| {
            is_fixed_for_us_only(parting) && parting.theirs_s.is_some_and(|theirs_s| parting.clock.is_in_second_pass(theirs_s))
        },
    },
];

fn gap_before_ours(parting: &Parting) -> Option<Change> {
    parting.ours_s.and_then(|ours_s| parting.clock.gap_ending_at(ours_s))
}

fn is_fixed_for_us_only(parting: &Parting) -> bool {
    let cron = parsed(&parting.sample.expression.text, false);
    parting.is_fixed_time() && cron.determine_job_type() == JobType::IntervalWildcard
}

fn is_after_long_gap(parting: &Parting) -> bool {
    let is_long = gap_before_ours(parting).is_some_and(|gap| gap.step_s > 2 * 3_600);
    parting.is_fixed_time() && !is_fixed_for_us_only(parting) && parting.theirs_s.is_none() && is_long
}

fn is_after_gap_of_midnight(parting: &Parting) -> bool {
    let day = |local_s: i64| local_s.div_euclid(86_400);
    let is_over_midnight = |gap: Change| {
        let after_s = parting.clock.local_s(gap.at_s);
        day(after_s - gap.step_s) != day(after_s)
    };
    let fields = &parting.sample.expression.fields;
    let has_days = [DAY, MONTH, WEEKDAY, YEAR].iter().any(|place| !["*", "?"].contains(&fields[*place].as_str()));
    parting.is_fixed_time() && has_days && gap_before_ours(parting).is_some_and(is_over_midnight)
}

/// Places in the list of fields.
const DAY: usize = 3;
const MONTH: usize = 4;
const WEEKDAY: usize = 5;
const YEAR: usize = 6;

fn parsed(text: &str, is_both_days: bool) -> Cron {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Optional).sloppy_ranges(true);
    let parser = parser.dom_and_dow(is_both_days).build();
    parser.parse(text).unwrap_or_else(|error| panic!("croner does not read {text:?}: {error}"))
}

fn has_year_step(sample: &Sample) -> bool {
    sample.expression.fields[YEAR].starts_with("*/")
}

/// Ranges of nothing but Sunday.
const WEEKS_OF_SUNDAY: [&str; 2] = ["0-SUN", "SUN-SUN"];

fn has_week_of_sunday(sample: &Sample) -> bool {
    sample.expression.fields[WEEKDAY].to_uppercase().split(',').any(|item| WEEKS_OF_SUNDAY.contains(&item))
}

/// Whether one day field begins with a star and is none, and the other is restricted.
fn has_half_star(sample: &Sample) -> bool {
    let fields = &sample.expression.fields;
    let is_star = |field: &str| field == "*" || field == "?";
    let is_half_star = |one: &str, other: &str| one.starts_with('*') && !is_star(one) && !is_star(other);
    is_half_star(&fields[DAY], &fields[WEEKDAY]) || is_half_star(&fields[WEEKDAY], &fields[DAY])
}

/// What croner says at the parting if the expression is put into its dialect.
fn translated(parting: &Parting) -> Option<i64> {
    let mut fields = parting.sample.expression.fields.clone();
    fields[WEEKDAY] = fields[WEEKDAY]
        .to_uppercase()
        .split(',')
        .map(|item| if WEEKS_OF_SUNDAY.contains(&item) { "0" } else { item })
        .collect::<Vec<_>>()
        .join(",");
    fields[YEAR] = fields[YEAR].replace('*', "1970-2100");
    let cron = parsed(&fields.join(" "), has_half_star(parting.sample));
    fires(&cron, parting.sample).get(parting.place).copied()
}

/// The first fires by croner; none where it gives up the search.
fn fires(cron: &Cron, sample: &Sample) -> Vec<i64> {
    let start = sample.zone.timestamp_opt(sample.start_s, 0).single().expect("an instant");
    let next = |after: &DateTime<Tz>| cron.find_next_occurrence(after, false).ok();
    std::iter::successors(next(&start), next).take(FIRES).map(|fire| fire.timestamp()).collect()
}

#[test]
fn croner_fires_at_the_same_instants_but_for_the_differences_listed() {
    // It walks chrono-tz's zones as we do.
    assert_eq!(tzdb_version(), chrono_tz::IANA_TZDB_VERSION);
    println!("time-zone database: {} on both sides", tzdb_version());
    let seed = setting("WINDROW_CRON_SEED", USUAL_SEED);
    let mut tally = Tally::new(DIFFERENCES);
    for (place, name) in ZONES.iter().enumerate() {
        let zone: Tz = name.parse().expect("a name of the database");
        let (clock, mut rng) = (clock(zone), StdRng::seed_from_u64(seed * 1_000 + place as u64));
        for _ in 0..setting("WINDROW_CRON_SAMPLES", SAMPLES_PER_ZONE) {
            let sample = sample(&mut rng, &clock, zone, DIALECT);
            tally.compare(&sample, &clock, &fires(&parsed(&sample.expression.text, false), &sample));
        }
    }
    tally.conclude("croner", seed);
}
