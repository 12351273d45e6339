//! Random expressions in what several dialects share, and starts around the transitions of a zone and elsewhere.

use chrono_tz::Tz;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::clock::{Change, Clock};

/// The years of the samples, in seconds since 1970: those in which Apia lost a day, and ten of those to come.
const YEARS_S: [(i64, i64); 2] = [(1_293_840_000, 1_609_459_200), (1_767_225_600, 2_082_758_400)];

/// How much of the time a start is near a transition, if the zone has any.
const NEAR_TRANSITION: f64 = 0.5;
/// How long before a transition such a start may be, and how long after: the day before, or the hours of it.
const NEAR_S: [(i64, i64); 2] = [(26 * 3_600, 3 * 3_600), (3_600, 3_600)];

/// What an implementation can read, of what we can.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Six and seven fields.
    pub seconds_and_years: bool,
    /// `?` for a star in the day fields.
    pub question_mark: bool,
    /// `FRI-SUN`.
    pub sunday_at_the_end: bool,
    /// `@daily` and the like.
    pub shorthands: bool,
}

/// An expression, and its seven fields as they were written.
#[derive(Debug)]
pub struct Expression {
    pub text: String,
    /// Second, minute, hour, day of month, month, day of week, year.
    pub fields: [String; 7],
}

/// One question to both.
pub struct Sample {
    pub zone: Tz,
    pub expression: Expression,
    pub start_s: i64,
}

/// What a field may hold.
struct Rule {
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// Of a hundred fields, how many are a star and how many a star with a step.
    stars: u32,
    star_steps: u32,
}

const SECOND: Rule = Rule { min: 0, max: 59, names: &[], stars: 15, star_steps: 25 };
const MINUTE: Rule = Rule { min: 0, max: 59, names: &[], stars: 15, star_steps: 25 };
const HOUR: Rule = Rule { min: 0, max: 23, names: &[], stars: 30, star_steps: 15 };
const DAY: Rule = Rule { min: 1, max: 31, names: &[], stars: 72, star_steps: 2 };
const MONTH: Rule = Rule { min: 1, max: 12, names: &MONTHS, stars: 75, star_steps: 5 };
const WEEKDAY: Rule = Rule { min: 0, max: 7, names: &WEEKDAYS, stars: 65, star_steps: 2 };
const YEAR: Rule = Rule { min: 2010, max: 2040, names: &[], stars: 30, star_steps: 8 };

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const SHORTHANDS: [(&str, [&str; 5]); 6] = [
    ("@yearly", ["0", "0", "1", "1", "*"]),
    ("@annually", ["0", "0", "1", "1", "*"]),
    ("@monthly", ["0", "0", "1", "*", "*"]),
    ("@weekly", ["0", "0", "*", "*", "0"]),
    ("@daily", ["0", "0", "*", "*", "*"]),
    ("@hourly", ["0", "*", "*", "*", "*"]),
];

/// The changes of the zone's clock in the years of the samples.
pub fn clock(zone: Tz) -> Clock {
    Clock::between(zone, YEARS_S[0].0, YEARS_S[1].1)
}

/// A random question about this zone.
pub fn sample(rng: &mut StdRng, clock: &Clock, zone: Tz, dialect: Dialect) -> Sample {
    Sample { zone, expression: expression(rng, dialect), start_s: start_s(rng, clock) }
}

fn start_s(rng: &mut StdRng, clock: &Clock) -> i64 {
    let years = YEARS_S.choose(rng).expect("there are years");
    let near: Vec<Change> = clock.changes().iter().copied().filter(|change| (years.0..years.1).contains(&change.at_s)).collect();
    let unusual: Vec<Change> = near.iter().copied().filter(|change| clock.is_unusual(*change)).collect();
    let chosen = if rng.random_bool(0.5) { unusual.choose(rng).or(near.choose(rng)) } else { near.choose(rng) };
    match chosen {
        Some(change) if rng.random_bool(NEAR_TRANSITION) => {
            let (before_s, after_s) = NEAR_S.choose(rng).expect("there are two");
            change.at_s + rng.random_range(-before_s..*after_s)
        }
        _ => rng.random_range(years.0..years.1),
    }
}

fn expression(rng: &mut StdRng, dialect: Dialect) -> Expression {
    if dialect.shorthands && rng.random_bool(0.03) {
        let (name, [minute, hour, day, month, weekday]) = SHORTHANDS.choose(rng).expect("there are some");
        let fields = ["0", minute, hour, day, month, weekday, "*"].map(ToOwned::to_owned);
        return Expression { text: (*name).to_owned(), fields };
    }
    let (has_second, has_year) = match rng.random_range(0..10) {
        0 if dialect.seconds_and_years => (true, true),
        1..=3 if dialect.seconds_and_years => (true, false),
        _ => (false, false),
    };
    let fields = [
        if has_second { field(rng, &SECOND, dialect) } else { "0".to_owned() },
        field(rng, &MINUTE, dialect),
        hour(rng, dialect),
        day(rng, &DAY, dialect),
        field(rng, &MONTH, dialect),
        day(rng, &WEEKDAY, dialect),
        if has_year { field(rng, &YEAR, dialect) } else { "*".to_owned() },
    ];
    let written = &fields[usize::from(!has_second)..if has_year { 7 } else { 6 }];
    let space = if rng.random_bool(0.05) { "  \t" } else { " " };
    Expression { text: written.join(space), fields }
}

/// Often one of the hours in which clocks are put forward or back.
fn hour(rng: &mut StdRng, dialect: Dialect) -> String {
    if rng.random_bool(0.3) { ((rng.random_range(0..6) + 22) % 24).to_string() } else { field(rng, &HOUR, dialect) }
}

fn day(rng: &mut StdRng, rule: &Rule, dialect: Dialect) -> String {
    if dialect.question_mark && rng.random_bool(0.03) { "?".to_owned() } else { field(rng, rule, dialect) }
}

fn field(rng: &mut StdRng, rule: &Rule, dialect: Dialect) -> String {
    let percent = rng.random_range(0..100);
    if percent < rule.stars {
        return "*".to_owned();
    }
    if percent < rule.stars + rule.star_steps {
        let step = rng.random_range(1..=(rule.max - rule.min).clamp(1, rule.max));
        return format!("*/{step}");
    }
    let items = if rng.random_bool(0.25) { rng.random_range(2..5) } else { 1 };
    (0..items).map(|_| item(rng, rule, dialect)).collect::<Vec<_>>().join(",")
}

fn item(rng: &mut StdRng, rule: &Rule, dialect: Dialect) -> String {
    let mut values = [rng.random_range(rule.min..=rule.max), rng.random_range(rule.min..=rule.max)];
    values.sort_unstable();
    let [low, high] = values;
    let step = rng.random_range(1..=6.min(rule.max));
    match rng.random_range(0..10) {
        0..6 => named(rng, rule, low),
        6..8 => {
            let sunday_ends = high == 7 && low > 0 && dialect.sunday_at_the_end;
            let to = if sunday_ends || high < 7 { named(rng, rule, high) } else { high.to_string() };
            format!("{}-{to}", named(rng, rule, low))
        }
        8 => format!("{low}-{high}/{step}"),
        _ => format!("{low}/{step}"),
    }
}

/// The value, or its name in some spelling if it has one.
fn named(rng: &mut StdRng, rule: &Rule, value: u32) -> String {
    let names = rule.names.len();
    if names == 0 || rng.random_bool(0.5) {
        return value.to_string();
    }
    let name = rule.names[(value - rule.min) as usize % names];
    if rng.random_bool(0.5) { name.to_owned() } else { name.to_lowercase() }
}
