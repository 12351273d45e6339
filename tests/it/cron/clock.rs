//! When the clock of a zone was put forward or back, as found by looking at every day.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

const DAY_S: i64 = 86_400;

/// The changes of a zone's offset in some years.
pub struct Clock {
    zone: Tz,
    changes: Vec<Change>,
}

/// The zone's clock is put forward or back.
#[derive(Clone, Copy)]
pub struct Change {
    /// The first instant with the new offset, in seconds since 1970.
    pub at_s: i64,
    /// By how much it is put forward.
    pub step_s: i64,
}

impl Clock {
    /// The changes between two instants.
    pub fn between(zone: Tz, from_s: i64, until_s: i64) -> Self {
        let mut clock = Self { zone, changes: Vec::new() };
        for day_s in (from_s..until_s).step_by(usize::try_from(DAY_S).expect("a small number")) {
            let (mut same_s, mut other_s) = (day_s, day_s + DAY_S);
            let step_s = clock.offset_s(other_s) - clock.offset_s(same_s);
            if step_s == 0 {
                continue;
            }
            while other_s - same_s > 1 {
                let middle_s = (same_s + other_s) / 2;
                if clock.offset_s(middle_s) == clock.offset_s(same_s) { same_s = middle_s } else { other_s = middle_s }
            }
            clock.changes.push(Change { at_s: other_s, step_s });
        }
        clock
    }

    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn offset_s(&self, at_s: i64) -> i64 {
        let utc = DateTime::from_timestamp(at_s, 0).expect("a date").naive_utc();
        i64::from(self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
    }

    /// What the clock shows, as seconds since its own 1970.
    pub fn local_s(&self, at_s: i64) -> i64 {
        at_s + self.offset_s(at_s)
    }

    /// The gap that ends at this instant.
    pub fn gap_ending_at(&self, at_s: i64) -> Option<Change> {
        self.changes.iter().copied().find(|change| change.step_s > 0 && change.at_s == at_s)
    }

    /// Whether it is by anything but an hour, or over midnight.
    pub fn is_unusual(&self, change: Change) -> bool {
        let after_s = self.local_s(change.at_s);
        change.step_s.abs() != 3_600 || after_s.div_euclid(DAY_S) != (after_s - change.step_s).div_euclid(DAY_S)
    }

    /// Whether the clock shows for the second time what it showed before it was put back.
    pub fn is_in_second_pass(&self, at_s: i64) -> bool {
        self.changes.iter().any(|change| change.step_s < 0 && (change.at_s..change.at_s - change.step_s).contains(&at_s))
    }

    /// The instant on the zone's clock, for messages.
    pub fn told(&self, at_s: i64) -> String {
        let utc = DateTime::from_timestamp(at_s, 0).expect("a date");
        utc.with_timezone(&self.zone).to_rfc3339()
    }
}
