//! The shortest time between two fires, for a tenant's minimum interval.
//!
//! First as if every day were the same and 24 hours long, then at every change of the zone's clock: one that is put forward
//! brings fires closer, and one that is put back repeats some.

use std::collections::BTreeSet;

use super::{
    pattern::Pattern,
    zone::{Change, WALK_S, Zone},
};
use crate::clock::Timestamp;

const DAY_S: i64 = 86_400;

/// The shortest time between two fires after the anchor, in seconds; never too long, as it takes every day for one that fires.
pub(super) fn gap_s(pattern: &Pattern, zone: &Zone, anchor: Timestamp) -> i64 {
    let day = Day { hours: pattern.hours(), minutes: pattern.minutes(), seconds: pattern.seconds() };
    let at_changes = changes(zone, anchor).into_iter().map(|(before_s, step_s)| {
        if pattern.is_fixed_time() { day.fixed_time_gap_s(before_s, step_s) } else { day.gap_at_change_s(before_s, step_s) }
    });
    at_changes.chain([day.gap_s()]).min().expect("a chain with one at its end is not empty")
}

/// What the zone's clock was about to show, as a time of day, and by how much it was put forward instead, once for each pair.
fn changes(zone: &Zone, anchor: Timestamp) -> BTreeSet<(i64, i64)> {
    let mut from_s = anchor.ms().div_euclid(1_000).clamp(*WALK_S.start(), *WALK_S.end());
    let mut changes = BTreeSet::new();
    while let Some(change) = zone.next_change(from_s, *WALK_S.end()) {
        let Change { at_s, from_s: before_s, to_s } = change;
        changes.insert((change.local_before_s().rem_euclid(DAY_S), to_s - before_s));
        from_s = at_s;
    }
    changes
}

/// The times of day at which a pattern fires, each list in order.
struct Day {
    hours: Vec<i64>,
    minutes: Vec<i64>,
    seconds: Vec<i64>,
}

impl Day {
    /// Between two of them, the night included.
    fn gap_s(&self) -> i64 {
        let (mut gap_s, mut first_s, mut last_s) = (DAY_S, 0, 0);
        for (values, unit_s) in [(&self.seconds, 1), (&self.minutes, 60), (&self.hours, 3_600)] {
            let between = values.windows(2).map(|pair| (pair[1] - pair[0]) * unit_s - (last_s - first_s));
            gap_s = between.min().map_or(gap_s, |between_s| gap_s.min(between_s));
            first_s += values.first().map_or(0, |value| value * unit_s);
            last_s += values.last().map_or(0, |value| value * unit_s);
        }
        gap_s.min(DAY_S - (last_s - first_s))
    }

    /// From the last one before a change to the first one after it; what is jumped over is skipped, and what is shown again
    /// fires again.
    fn gap_at_change_s(&self, before_s: i64, step_s: i64) -> i64 {
        let after_s = before_s + step_s;
        (before_s - self.last_before_s(before_s)) + (self.first_from_s(after_s) - after_s)
    }

    /// The same for fixed times: if any is jumped over, the first instant after the change fires too.
    fn fixed_time_gap_s(&self, before_s: i64, step_s: i64) -> i64 {
        let after_s = before_s + step_s;
        if step_s < 0 {
            return DAY_S;
        }
        if self.first_from_s(before_s) >= after_s {
            return self.gap_at_change_s(before_s, step_s);
        }
        (before_s - self.last_before_s(before_s)).min(self.first_from_s(after_s + 1) - after_s)
    }

    /// The first time at or after this one, which may be on another day.
    fn first_from_s(&self, local_s: i64) -> i64 {
        let (day_s, time_s) = (local_s - local_s.rem_euclid(DAY_S), local_s.rem_euclid(DAY_S));
        let found = self.times().find(|found_s| *found_s >= time_s);
        found.map_or_else(|| day_s + DAY_S + self.times().next().unwrap_or(0), |found_s| day_s + found_s)
    }

    /// The last time before this one, which may be on another day.
    fn last_before_s(&self, local_s: i64) -> i64 {
        let (day_s, time_s) = (local_s - local_s.rem_euclid(DAY_S), local_s.rem_euclid(DAY_S));
        let found = self.times().rev().find(|found_s| *found_s < time_s);
        found.map_or_else(|| day_s - DAY_S + self.times().next_back().unwrap_or(0), |found_s| day_s + found_s)
    }

    /// All of them, in order.
    fn times(&self) -> impl DoubleEndedIterator<Item = i64> {
        let minutes = move |hour: &i64| {
            let hour = *hour;
            self.minutes.iter().map(move |minute| hour * 3_600 + minute * 60)
        };
        let seconds = move |minute_s: i64| self.seconds.iter().map(move |second| minute_s + second);
        self.hours.iter().flat_map(minutes).flat_map(seconds)
    }
}
