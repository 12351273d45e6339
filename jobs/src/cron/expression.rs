//! What somebody wrote as `cron`: a shorthand, an interval, or five to seven fields. Next: `field.rs`.

use super::{
    Malformed,
    every::Every,
    field::{DAY, HOUR, MINUTE, MONTH, SECOND, Translated, WEEKDAY, YEAR},
};

/// The longest expression; one that lists every other minute has 120 bytes.
const BYTES_MAX: usize = 256;

/// The shorthands, and what they stand for.
const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What an expression says.
#[derive(Debug)]
pub(super) enum Expression {
    Every(Every),
    Fields(Box<Fields>),
}

/// Seven fields; what was left out is filled in.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) second: Translated,
    pub(super) minute: Translated,
    pub(super) hour: Translated,
    pub(super) day: Translated,
    pub(super) month: Translated,
    pub(super) weekday: Translated,
    pub(super) year: Translated,
}

impl Expression {
    /// Reads it, or says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, Malformed> {
        if text.len() > BYTES_MAX {
            return Err(Malformed::cron(format!("the expression has {} bytes; at most {BYTES_MAX} are allowed", text.len())));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [] => Err(Malformed::cron(
                "the expression is empty; five fields such as `0 8 * * 1-5`, or a shorthand such as `@daily`, are allowed",
            )),
            [every, duration @ ..] if every.eq_ignore_ascii_case("@every") => Every::read(&duration.concat()).map(Self::Every),
            [shorthand] if shorthand.starts_with('@') => Self::read(stands_for(shorthand)?),
            [zone, ..] if zone.to_ascii_uppercase().starts_with("TZ=") || zone.to_ascii_uppercase().starts_with("CRON_TZ=") => {
                Err(Malformed::cron(format!("the expression begins with `{zone}`; the time zone has a field of its own, `time_zone`")))
            }
            _ => Fields::read(&words).map(|fields| Self::Fields(Box::new(fields))),
        }
    }
}

fn stands_for(shorthand: &str) -> Result<&'static str, Malformed> {
    if shorthand.eq_ignore_ascii_case("@reboot") {
        return Err(Malformed::cron("`@reboot` is not supported: a schedule goes by the time, not by restarts"));
    }
    let known = SHORTHANDS.iter().find(|(name, _)| shorthand.eq_ignore_ascii_case(name)).map(|(_, fields)| *fields);
    known.ok_or_else(|| {
        let names: Vec<&str> = SHORTHANDS.iter().map(|(name, _)| *name).collect();
        Malformed::cron(format!("`{shorthand}` is no shorthand; {} and `@every` with a duration are allowed", names.join(", ")))
    })
}

impl Fields {
    /// Five fields from the minute on; six with the second before it; seven with the year at the end.
    fn read(words: &[&str]) -> Result<Self, Malformed> {
        let (second, [minute, hour, day, month, weekday], year) = match *words {
            [minute, hour, day, month, weekday] => ("0", [minute, hour, day, month, weekday], "*"),
            [second, minute, hour, day, month, weekday] => (second, [minute, hour, day, month, weekday], "*"),
            [second, minute, hour, day, month, weekday, year] => (second, [minute, hour, day, month, weekday], year),
            _ => return Err(wrong_count(words.len())),
        };
        Ok(Self {
            second: SECOND.translate(second)?,
            minute: MINUTE.translate(minute)?,
            hour: HOUR.translate(hour)?,
            day: DAY.translate(day)?,
            month: MONTH.translate(month)?,
            weekday: WEEKDAY.translate(weekday)?,
            year: YEAR.translate(year)?,
        })
    }
}

fn wrong_count(count: usize) -> Malformed {
    let fields = if count == 1 { "field" } else { "fields" };
    Malformed::cron(format!(
        "the expression has {count} {fields}; 5 (minute, hour, day of month, month, day of week), 6 (the second before them) \
         or 7 (and the year after them) are allowed"
    ))
}
