//! Random expressions against an oracle that looks at every moment of the hours around a transition.
//!
//! The oracle is written from the text of the rule and knows nothing of the code: it asks for the zone's clock moment by
//! moment, keeps what it showed, and matches sets that the generator made beside the text of each field.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    ops::{Range, RangeInclusive},
};

use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike};
use chrono_tz::Tz;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::at;
use crate::{clock::Timestamp, cron::Timing};

/// Instants at which a clock was put forward or back, by all that is unusual.
const TRANSITIONS: &[(&str, &str)] = &[
    ("Europe/Vienna", "2026-03-29T01:00:00Z"),
    ("Europe/Vienna", "2026-10-25T01:00:00Z"),
    ("Europe/Dublin", "2026-03-29T01:00:00Z"),
    ("Europe/Dublin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("America/St_Johns", "2011-03-13T03:31:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("America/Nuuk", "2024-03-31T01:00:00Z"),
    ("America/Caracas", "2016-05-01T07:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00:00Z"),
    ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
    ("Antarctica/Casey", "2018-03-10T17:00:00Z"),
    ("Asia/Kathmandu", "1985-12-31T18:30:00Z"),
    ("Asia/Pyongyang", "2015-08-14T15:00:00Z"),
    ("Africa/Monrovia", "1972-01-07T00:44:30Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("UTC", "2026-03-29T01:00:00Z"),
];

/// How far to each side of a transition the oracle looks.
const SIDE_S: i64 = 4 * 3_600;
/// How long before that it begins to keep what the clock showed: longer than any overlap of these zones.
const MEMORY_S: i64 = 4 * 3_600;

/// Without seconds, looking every half minute is enough: all clocks here show whole half minutes at those.
const HALF_MINUTE_S: i64 = 30;

/// A field as text, with the values that it stands for.
#[derive(Debug, Clone)]
struct Held {
    text: String,
    values: BTreeSet<u32>,
}

/// Any form of one item of a field that holds `min` to `max`, its numbers mostly `likely`.
fn item(min: u32, max: u32, likely: RangeInclusive<u32>) -> impl Strategy<Value = Held> {
    let held = |text: String, from: u32, to: u32, step: u32| Held { text, values: (from..=to).step_by(step as usize).collect() };
    let value = prop_oneof![1 => min..=max, 2 => likely].boxed();
    let pair = (value.clone(), value.clone()).prop_map(|(one, other)| (one.min(other), one.max(other)));
    prop_oneof![
        4 => Just(()).prop_map(move |()| held("*".to_owned(), min, max, 1)),
        2 => (1..=max).prop_map(move |step| held(format!("*/{step}"), min, max, step)),
        5 => value.clone().prop_map(move |value| held(value.to_string(), value, value, 1)),
        2 => pair.clone().prop_map(move |(from, to)| held(format!("{from}-{to}"), from, to, 1)),
        1 => (pair, 1..=max).prop_map(move |((from, to), step)| held(format!("{from}-{to}/{step}"), from, to, step)),
        1 => (value, 1..=max).prop_map(move |(from, step)| held(format!("{from}/{step}"), from, max, step)),
    ]
}

/// A list of one to three items.
fn field(min: u32, max: u32, likely: RangeInclusive<u32>) -> impl Strategy<Value = Held> {
    let items = |count: Range<usize>| prop::collection::vec(item(min, max, likely.clone()), count);
    prop_oneof![4 => items(1..2), 1 => items(2..4)].prop_map(|items| Held {
        text: items.iter().map(|item| item.text.as_str()).collect::<Vec<_>>().join(","),
        values: items.into_iter().flat_map(|item| item.values).collect(),
    })
}

/// Mostly any day, since the oracle sees few.
fn day_field(min: u32, max: u32) -> impl Strategy<Value = Held> {
    let any = Held { text: "*".to_owned(), values: (min..=max).collect() };
    prop_oneof![4 => Just(any), 1 => field(min, max, min..=max)]
}

#[derive(Clone)]
struct Written {
    /// Second, minute, hour, day, month, weekday.
    fields: [Held; 6],
    has_seconds: bool,
}

fn written() -> impl Strategy<Value = Written> {
    let second = Held { text: "0".to_owned(), values: BTreeSet::from([0]) };
    let seconds = prop_oneof![2 => Just((second, false)), 1 => field(0, 59, 0..=59).prop_map(|second| (second, true))];
    // Hours near those of the transitions.
    let hour = field(0, 23, 0..=4);
    (seconds, field(0, 59, 0..=59), hour, day_field(1, 31), day_field(1, 12), day_field(0, 7)).prop_map(
        |((second, has_seconds), minute, hour, day, month, weekday)| Written {
            fields: [second, minute, hour, day, month, weekday],
            has_seconds,
        },
    )
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl Written {
    fn text(&self) -> String {
        let skipped = usize::from(!self.has_seconds);
        self.fields.iter().skip(skipped).map(|field| field.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn is_fixed_time(&self) -> bool {
        let [_, minute, hour, ..] = &self.fields;
        !minute.text.starts_with('*') && !hour.text.starts_with('*')
    }

    fn matches(&self, local_s: i64) -> bool {
        let local = DateTime::from_timestamp(local_s, 0).expect("a date");
        let [second, minute, hour, day, month, weekday] = &self.fields;
        let is_time =
            second.values.contains(&local.second()) && minute.values.contains(&local.minute()) && hour.values.contains(&local.hour());
        if !is_time || !month.values.contains(&local.month()) {
            return false;
        }
        let is_day = day.values.contains(&local.day());
        let from_sunday = local.weekday().num_days_from_sunday();
        let is_weekday = weekday.values.contains(&from_sunday) || (from_sunday == 0 && weekday.values.contains(&7));
        if day.text.starts_with('*') || weekday.text.starts_with('*') { is_day && is_weekday } else { is_day || is_weekday }
    }
}

fn shown_s(zone: Tz, at_s: i64) -> i64 {
    let utc = DateTime::from_timestamp(at_s, 0).expect("a date").naive_utc();
    at_s + i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

/// Every fire within the hours around the transition, by looking at each moment.
fn expected(written: &Written, zone: Tz, transition_s: i64) -> Vec<i64> {
    let step_s = if written.has_seconds { 1 } else { HALF_MINUTE_S };
    let mut seen: HashSet<i64> = HashSet::new();
    let mut fires = Vec::new();
    let begin_s = transition_s - SIDE_S - MEMORY_S;
    let mut last_s = shown_s(zone, begin_s) - step_s;
    for at_s in (begin_s..=transition_s + SIDE_S).step_by(step_s as usize) {
        let local_s = shown_s(zone, at_s);
        let is_new = seen.insert(local_s);
        let mut jumped_over = (last_s + step_s..local_s).step_by(step_s as usize);
        let is_late = written.is_fixed_time() && jumped_over.any(|jumped_s| !seen.contains(&jumped_s) && written.matches(jumped_s));
        let is_due = (is_new || !written.is_fixed_time()) && written.matches(local_s);
        if (is_due || is_late) && at_s > transition_s - SIDE_S {
            fires.push(at_s);
        }
        last_s = local_s;
    }
    fires
}

proptest! {
    #![proptest_config(Config { cases: 400, rng_seed: RngSeed::Fixed(17), failure_persistence: None, ..Config::default() })]

    #[test]
    fn around_a_transition_it_fires_when_an_oracle_says_that_looks_at_every_moment(
        written in written(),
        place in 0..TRANSITIONS.len(),
        start_ms in -SIDE_S * 1_000..SIDE_S * 1_000,
    ) {
        let (name, transition) = TRANSITIONS[place];
        let (zone, transition_s): (Tz, i64) = (name.parse().expect("a zone"), at(transition).ms() / 1_000);
        let fires = expected(&written, zone, transition_s);
        let anchor = Timestamp::from_ms((transition_s - SIDE_S) * 1_000);
        // Days that no month has.
        let Ok(timing) = Timing::parse(&written.text(), name, anchor) else { return Ok(()) };
        let end = Timestamp::from_ms((transition_s + SIDE_S) * 1_000);
        let found: Vec<i64> = std::iter::successors(timing.next_after(anchor), |fire| timing.next_after(*fire))
            .take_while(|fire| *fire <= end)
            .map(|fire| fire.ms() / 1_000)
            .collect();
        prop_assert_eq!(&found, &fires, "{:?} in {}", written.text(), name);
        let start = Timestamp::from_ms(transition_s * 1_000 + start_ms);
        let next = timing.next_after(start).filter(|next| *next <= end).map(Timestamp::ms);
        prop_assert_eq!(next, fires.iter().map(|fire_s| fire_s * 1_000).find(|fire_ms| *fire_ms > start.ms()), "{:?} in {} after {}", written.text(), name, start);
        let gap_s = timing.shortest_gap_s();
        for pair in fires.windows(2) {
            prop_assert!(gap_s <= (pair[1] - pair[0]).unsigned_abs(), "{:?} in {}: {gap_s} s, but {pair:?}", written.text(), name);
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 500, rng_seed: RngSeed::Fixed(18), failure_persistence: None, ..Config::default() })]

    #[test]
    fn fires_only_move_forward_and_never_closer_than_the_shortest_gap(written in written(), place in 0..TRANSITIONS.len(), start_s in 0_i64..4_000_000_000) {
        let start = Timestamp::from_ms(start_s * 1_000 + 1);
        let Ok(timing) = Timing::parse(&written.text(), TRANSITIONS[place].0, start) else { return Ok(()) };
        let gap_ms = i64::try_from(timing.shortest_gap_s() * 1_000).expect("less than a day");
        let mut last = None;
        for fire in std::iter::successors(timing.next_after(start), |fire| timing.next_after(*fire)).take(40) {
            prop_assert!(fire > last.unwrap_or(start), "{:?}: {fire} after {last:?}", written.text());
            prop_assert!(last.is_none_or(|last: Timestamp| fire.ms_since(last) >= gap_ms), "{:?}: {fire} after {last:?}, {gap_ms} ms", written.text());
            prop_assert_eq!(fire.ms() % 1_000, 0);
            prop_assert_eq!(timing.next_after(fire.plus_ms(-1)), Some(fire));
            prop_assert_eq!(at(&timing.local(fire)), fire);
            last = Some(fire);
        }
        prop_assert!(!timing.describe().is_empty());
    }

    #[test]
    fn whatever_is_written_it_is_read_or_refused(cron in "[0-9*/,?@#LWa-zA-Z -]{0,40}|.{0,80}|@every .{0,12}", zone in "UTC|[a-zA-Z_/]{0,20}|.{0,80}") {
        match Timing::parse(&cron, &zone, Timestamp::from_ms(0)) {
            Ok(timing) => prop_assert!(timing.shortest_gap_s() > 0),
            Err(malformed) => prop_assert!(!malformed.message.is_empty()),
        }
    }
}
