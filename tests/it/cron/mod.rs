//! Cron by two other implementations: the same expressions, zones and starts, fire by fire.
//!
//! Where dialects differ, a table says how and why (`by_croner.rs`, `by_cronsim.rs`). A difference that is not listed fails, and
//! so does a line of the table that no sample meets. `WINDROW_CRON_SEED=17` plays other samples than the usual ones, and
//! `WINDROW_CRON_SAMPLES=2000` so many for each zone.

mod by_croner;
mod by_cronsim;
mod clock;
mod compare;
mod page;
mod samples;

use std::env;

use windrow_jobs::{clock::Timestamp, cron::Timing};

use self::samples::Sample;

/// The zones: all kinds of rules, offsets and histories.
const ZONES: [&str; 28] = [
    "UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Johannesburg",
    "America/Asuncion",
    "America/Caracas",
    "America/Havana",
    "America/Los_Angeles",
    "America/New_York",
    "America/Nuuk",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Europe/London",
    "Europe/Vienna",
    "Pacific/Apia",
    "Pacific/Chatham",
];

/// The seed of the samples, unless the environment says otherwise.
const USUAL_SEED: u64 = 1;

/// How many fires are compared of one sample.
const FIRES: usize = 16;

/// The share of samples that must agree without an excuse.
const AGREED_SHARE_MIN: f64 = 0.95;

/// A number that the environment may set.
fn setting(name: &str, usual: u64) -> u64 {
    env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// The first fires by our own code, in seconds since 1970; none if the expression is refused.
fn ours(sample: &Sample) -> Vec<i64> {
    let start = Timestamp::from_ms(sample.start_s * 1_000);
    let Ok(timing) = Timing::parse(&sample.expression.text, sample.zone.name(), start) else { return Vec::new() };
    let fires = std::iter::successors(timing.next_after(start), |fire| timing.next_after(*fire));
    fires.take(FIRES).map(|fire| fire.ms() / 1_000).collect()
}
