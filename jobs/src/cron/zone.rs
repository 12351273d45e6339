//! The clock of a time zone: its offset from UTC, when that changes, and what a pattern's moments become of it.
//!
//! Time is walked from change to change of the offset. In between, the zone's clock is UTC plus a constant and nothing can
//! go wrong. At a change the rule of Debian's cron decides:
//! - put forward (a gap): a fixed-time moment that was jumped over fires at the first instant after the gap, a wildcard one
//!   is skipped;
//! - put back (an overlap): a fixed-time moment that the clock already showed is not repeated, a wildcard one is.

use std::fmt;

use chrono::{DateTime, FixedOffset, Offset, SecondsFormat, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::{Field, Malformed, pattern::Pattern};
use crate::clock::Timestamp;

/// How far apart the offset is probed for a change. Two changes of one zone are a week apart at least (in version 2025b the
/// closest are 167 hours); a test looks whether that still holds.
pub(super) const PROBE_S: i64 = 3 * DAY_S;
const DAY_S: i64 = 86_400;

/// What the clock showed before a change is shown again for at most this long; no zone was ever put back by more than a day.
const OVERLAP_S_MAX: i64 = 2 * DAY_S;

/// No pattern holds a moment outside these years, on whichever clock: the end of 1969, the beginning of 2101.
pub(super) const WALK_S: std::ops::RangeInclusive<i64> = -2 * DAY_S..=4_134_067_200;

/// The longest name that is looked at; the longest there is has 32 bytes.
const NAME_BYTES_MAX: usize = 64;

/// How many letters may be wrong in a name for which another is proposed.
const TYPOS_MAX: usize = 3;

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zone(Tz);

/// The offset of the zone changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// The first instant of the new offset.
    pub(super) at_s: i64,
    /// The offset until then.
    pub(super) from_s: i64,
    /// The offset from then on.
    pub(super) to_s: i64,
}

impl Change {
    /// What the clock was about to show.
    pub(super) fn local_before_s(self) -> i64 {
        self.at_s + self.from_s
    }

    /// What it shows instead.
    pub(super) fn local_after_s(self) -> i64 {
        self.at_s + self.to_s
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Zone {
    /// The zone of this name, or a hint at the one that was meant.
    pub(super) fn named(name: &str) -> Result<Self, Malformed> {
        name.parse().map(Self).map_err(|_| {
            let message = if name.len() > NAME_BYTES_MAX {
                format!("the time zone's name has {} bytes; at most {NAME_BYTES_MAX} are allowed", name.len())
            } else if let Some(meant) = meant_by(name) {
                format!("`{name}` is no time zone of the IANA database; did you mean `{meant}`?")
            } else {
                format!("`{name}` is no time zone of the IANA database; names such as `Europe/Vienna` or `UTC` are allowed")
            };
            Malformed { field: Field::TimeZone, message }
        })
    }

    /// The first instant after `after_s` at which the pattern fires, in seconds since 1970.
    pub(super) fn first_fire_after(self, pattern: &Pattern, after_s: i64) -> Option<i64> {
        let mut from_s = after_s.max(*WALK_S.start());
        if from_s > *WALK_S.end() {
            return None;
        }
        let mut offset_s = self.offset_s(from_s);
        // The earliest moment that is not yet behind us.
        let mut local_s = from_s + offset_s + 1;
        if pattern.is_fixed_time() {
            local_s = local_s.max(self.shown_until_s(from_s));
        }
        loop {
            let moment_s = pattern.at_or_after(local_s);
            // A fixed-time moment that was jumped over is before all that this offset shows.
            let fire_s = moment_s.map(|moment_s| from_s.max(moment_s - offset_s));
            // Even if no moment lies ahead, the clock may be put back before one.
            let until_s = fire_s.unwrap_or(from_s + OVERLAP_S_MAX);
            let Some(change) = self.next_change(from_s, until_s) else { return fire_s };
            local_s = if pattern.is_fixed_time() { local_s.max(change.local_before_s()) } else { change.local_after_s() };
            (from_s, offset_s) = (change.at_s, change.to_s);
        }
    }

    /// Where the clock was lately before it was put back: no moment before this one is new. At most `at_s` on the clock if it
    /// was not put back of late.
    fn shown_until_s(self, at_s: i64) -> i64 {
        let (mut shown_s, mut from_s) = (i64::MIN, at_s - OVERLAP_S_MAX);
        while let Some(change) = self.next_change(from_s, at_s) {
            shown_s = shown_s.max(change.local_before_s());
            from_s = change.at_s;
        }
        shown_s
    }

    /// The first change of the offset after the instant `from_s`, up to and including `until_s`.
    pub(super) fn next_change(self, from_s: i64, until_s: i64) -> Option<Change> {
        let offset_s = self.offset_s(from_s);
        let mut same_s = from_s;
        while same_s < until_s {
            let mut other_s = (same_s + PROBE_S).min(until_s);
            if self.offset_s(other_s) == offset_s {
                same_s = other_s;
                continue;
            }
            while other_s - same_s > 1 {
                let middle_s = same_s + (other_s - same_s) / 2;
                if self.offset_s(middle_s) == offset_s {
                    same_s = middle_s;
                } else {
                    other_s = middle_s;
                }
            }
            return Some(Change { at_s: other_s, from_s: offset_s, to_s: self.offset_s(other_s) });
        }
        None
    }

    /// How far the zone's clock is ahead of UTC at this instant.
    fn offset_s(self, at_s: i64) -> i64 {
        let at = DateTime::from_timestamp(at_s, 0).unwrap_or_default();
        i64::from(self.0.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
    }

    /// The instant on the zone's clock. RFC 3339 knows no seconds in offsets, as a few zones had in the 1970s: such an offset
    /// is cut to the minute, so that the instant stays right.
    pub(super) fn local(self, at: Timestamp) -> String {
        let Some(utc) = Utc.timestamp_millis_opt(at.ms()).single() else { return at.to_string() };
        let offset_s = self.0.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc();
        let whole = FixedOffset::east_opt(offset_s - offset_s % 60).expect("an offset is shorter than a day");
        utc.with_timezone(&whole).to_rfc3339_opts(SecondsFormat::Millis, false)
    }
}

/// The name that was meant: the same in other cases, one that ends with it as a city, or the one with the fewest typos.
fn meant_by(name: &str) -> Option<&'static str> {
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let spelled = name.trim().replace(' ', "_");
    let is_city = |known: &&str| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&spelled));
    let same = names().find(|known| known.eq_ignore_ascii_case(&spelled)).or_else(|| names().find(is_city));
    same.or_else(|| {
        let lower = spelled.to_ascii_lowercase();
        let nearest = names().map(|known| (typos(&lower, &known.to_ascii_lowercase()), known)).min()?;
        (nearest.0 <= TYPOS_MAX.min(spelled.len() / 3)).then_some(nearest.1)
    })
}

/// How many letters must be changed, added or taken away to make one word of the other.
fn typos(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.bytes().enumerate() {
        let (mut diagonal, mut left) = (line, line + 1);
        row[0] = left;
        for (column, known) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != known);
            diagonal = row[column + 1];
            left = changed.min(diagonal + 1).min(left + 1);
            row[column + 1] = left;
        }
    }
    row[other.len()]
}
