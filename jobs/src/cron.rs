//! When a schedule fires: a cron expression on the clock of a time zone. Pure: no input, no clock, no ledger.
//!
//! `expression.rs` reads what was written, `pattern.rs` walks it over local time without any zone (the `cron` crate), and
//! `zone.rs` knows when the zone's clock is put forward or back. [`Timing::next_after`] joins the two by the rule of
//! Debian's cron. The page for users is docs/cron.md, and its examples are tests.

mod describe;
mod every;
mod expression;
mod field;
mod pattern;
mod shortest;
#[cfg(test)]
mod tests;
mod zone;

use crate::clock::Timestamp;
use every::Every;
use expression::Expression;
use pattern::Pattern;
use zone::Zone;

/// When a schedule fires: an expression in a time zone.
#[derive(Debug, Clone)]
pub struct Timing {
    rule: Rule,
    zone: Zone,
    anchor: Timestamp,
}

#[derive(Debug, Clone)]
enum Rule {
    /// So long after the anchor, and again; whatever any clock on a wall shows.
    Every(Every),
    /// Whenever the zone's clock shows what the pattern holds.
    Pattern(Box<Pattern>),
}

/// Which of the inputs is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The expression.
    Cron,
    /// The name of the time zone.
    TimeZone,
}

/// What was given is no timing, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// Which of the inputs is wrong.
    pub field: Field,
    /// What part of it is wrong, what it holds and what is allowed.
    pub message: String,
}

impl Malformed {
    fn cron(message: impl Into<String>) -> Self {
        Self { field: Field::Cron, message: message.into() }
    }
}

/// The version of the time-zone database that was built in.
pub fn tzdb_version() -> &'static str {
    chrono_tz::IANA_TZDB_VERSION
}

impl Timing {
    /// Reads an expression and the name of a time zone.
    ///
    /// `anchor` is where `@every` counts from: it fires at the anchor plus one, two, three intervals and so on. Other
    /// expressions fire without regard to it; it is where [`Timing::shortest_gap_s`] begins to look.
    pub fn parse(cron: &str, time_zone: &str, anchor: Timestamp) -> Result<Self, Malformed> {
        let rule = match Expression::read(cron)? {
            Expression::Every(every) => Rule::Every(every),
            Expression::Fields(fields) => Rule::Pattern(Box::new(Pattern::new(&fields)?)),
        };
        Ok(Self { rule, zone: Zone::named(time_zone)?, anchor })
    }

    /// The first fire after `after`, or none if there never is one again.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(every) => every.next_after(self.anchor, after),
            Rule::Pattern(pattern) => {
                let after_s = after.ms().div_euclid(1_000);
                let next_s = self.zone.first_fire_after(pattern, after_s)?;
                Some(Timestamp::from_ms(next_s * 1_000))
            }
        }
    }

    /// One sentence in English that says when it fires.
    pub fn describe(&self) -> String {
        match &self.rule {
            Rule::Every(every) => format!("Every {every}, counted from {}", self.anchor),
            Rule::Pattern(pattern) => format!("{}, {}", describe::pattern(pattern), self.zone),
        }
    }

    /// The shortest time between two of its fires after the anchor, in seconds.
    ///
    /// Never more than the truth, and sometimes less: it takes every day for one on which it fires.
    pub fn shortest_gap_s(&self) -> u64 {
        match &self.rule {
            Rule::Every(every) => every.interval_s.unsigned_abs(),
            Rule::Pattern(pattern) => shortest::gap_s(pattern, &self.zone, self.anchor).unsigned_abs(),
        }
    }

    /// The instant on the zone's clock, in RFC 3339 with offset and milliseconds.
    pub fn local(&self, at: Timestamp) -> String {
        self.zone.local(at)
    }
}
