//! `@every 1h30m`: an interval, counted from an anchor and not from any clock on a wall.

use std::fmt;

use super::Malformed;
use crate::clock::Timestamp;

/// The shortest interval: what else fires, fires on whole seconds.
const INTERVAL_S_MIN: i64 = 1;
/// The longest interval: a leap year.
const INTERVAL_S_MAX: i64 = 366 * DAY_S;
const DAY_S: i64 = 86_400;

/// The units, in the order in which they are written: the letter, its seconds and its name.
const UNITS: [(char, i64, &str); 4] = [('d', DAY_S, "day"), ('h', 3_600, "hour"), ('m', 60, "minute"), ('s', 1, "second")];

/// A fixed interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Every {
    /// Its length.
    pub(super) interval_s: i64,
}

impl Every {
    /// Reads a duration such as `90m` or `1h30m`.
    pub(super) fn read(text: &str) -> Result<Self, Malformed> {
        let allowed = "write days, hours, minutes and seconds in this order, such as `90m`, `1h30m`, `10s` or `1d`";
        let malformed = || Malformed::cron(format!("`@every` holds `{text}`, which is no duration: {allowed}"));
        let (mut interval_s, mut rest, mut units) = (0_i64, text, UNITS.as_slice());
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letter = after.chars().next().ok_or_else(malformed)?.to_ascii_lowercase();
            let place = units.iter().position(|(unit, ..)| *unit == letter).ok_or_else(malformed)?;
            // What has more digits than a number of seconds may have is far above the bound.
            let number: i64 = if number.is_empty() { Err(malformed()) } else { Ok(number.parse().unwrap_or(i64::MAX)) }?;
            interval_s = interval_s.saturating_add(number.saturating_mul(units[place].1));
            (rest, units) = (&after[1..], &units[place + 1..]);
        }
        match interval_s {
            0 if text.is_empty() => Err(Malformed::cron(format!("`@every` lacks its duration: {allowed}"))),
            INTERVAL_S_MIN..=INTERVAL_S_MAX => Ok(Self { interval_s }),
            _ => Err(Malformed::cron(format!("`@every` holds `{text}`; 1s to 366d are allowed"))),
        }
    }

    /// The first whole number of intervals after the anchor, at least one, that ends after `after`.
    pub(super) fn next_after(self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let interval_ms = self.interval_s * 1_000;
        let passed = after.ms().checked_sub(anchor.ms())?.div_euclid(interval_ms).max(0);
        let since_ms = passed.checked_add(1)?.checked_mul(interval_ms)?;
        let next = anchor.plus_ms(since_ms);
        // It is cut at the end of the years that can be written: there it fires no more.
        (next.ms_since(anchor) == since_ms).then_some(next)
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, unit_s, name) = UNITS.into_iter().find(|(_, unit_s, _)| self.interval_s % unit_s == 0).unwrap_or(UNITS[3]);
        match self.interval_s / unit_s {
            1 => f.write_str(name),
            count => write!(f, "{count} {name}s"),
        }
    }
}
