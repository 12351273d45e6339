//! The moments of local time that seven fields hold, without any zone: the `cron` crate, asked about naive time.
//!
//! Vixie's rule for days is added here: when neither of the two day fields begins with a star, a day needs to match only one
//! of them. The crate knows no such rule, so two of its schedules are merged. Next: `zone.rs`.

use ::cron::{Schedule, TimeUnitSpec};
use chrono::DateTime;

use super::{Malformed, expression::Fields};

/// Moments of local time.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// Both day fields; or, if either will do, the days of the month.
    schedule: Schedule,
    /// If either day field will do, the weekdays.
    or_weekdays: Option<Schedule>,
    /// Whether neither the minute nor the hour begins with a star.
    is_fixed_time: bool,
}

impl Pattern {
    pub(super) fn new(fields: &Fields) -> Result<Self, Malformed> {
        let schedule = |day: &str, weekday: &str| {
            let Fields { second, minute, hour, month, year, .. } = fields;
            let text = format!("{} {} {} {day} {} {weekday} {}", second.text, minute.text, hour.text, month.text, year.text);
            text.parse::<Schedule>().map_err(|error| Malformed::cron(error.to_string()))
        };
        let (day, weekday) = (&fields.day, &fields.weekday);
        let (schedule, or_weekdays) = if day.has_star || weekday.has_star {
            (schedule(&day.text, &weekday.text)?, None)
        } else {
            (schedule(&day.text, "*")?, Some(schedule("*", &weekday.text)?))
        };
        let pattern = Self { schedule, or_weekdays, is_fixed_time: !fields.minute.has_star && !fields.hour.has_star };
        match pattern.at_or_after(0) {
            Some(_) => Ok(pattern),
            None => Err(Malformed::cron("the expression never fires: no year from 1970 to 2100 has a day that it asks for")),
        }
    }

    /// The first moment at or after this one; both are local time as seconds since 1970.
    pub(super) fn at_or_after(&self, local_s: i64) -> Option<i64> {
        // The crate's years begin with 1970.
        let before = DateTime::from_timestamp(local_s.max(0) - 1, 0)?;
        let next = |schedule: &Schedule| schedule.after(&before).next().map(|next| next.timestamp());
        let by_weekday = self.or_weekdays.as_ref().and_then(next);
        [next(&self.schedule), by_weekday].into_iter().flatten().min()
    }

    pub(super) fn is_fixed_time(&self) -> bool {
        self.is_fixed_time
    }

    /// The seconds of a minute, in order.
    pub(super) fn seconds(&self) -> Vec<i64> {
        values(self.schedule.seconds())
    }

    /// The minutes of an hour, in order.
    pub(super) fn minutes(&self) -> Vec<i64> {
        values(self.schedule.minutes())
    }

    /// The hours of a day, in order.
    pub(super) fn hours(&self) -> Vec<i64> {
        values(self.schedule.hours())
    }

    /// The days of a month, in order.
    pub(super) fn days(&self) -> Vec<i64> {
        values(self.schedule.days_of_month())
    }

    /// The months, in order.
    pub(super) fn months(&self) -> Vec<i64> {
        values(self.schedule.months())
    }

    /// The weekdays from Sunday = 1, in order.
    pub(super) fn weekdays(&self) -> Vec<i64> {
        values(self.or_weekdays.as_ref().unwrap_or(&self.schedule).days_of_week())
    }

    /// The years, in order.
    pub(super) fn years(&self) -> Vec<i64> {
        values(self.schedule.years())
    }

    /// Whether a day needs to match one of the two day fields only.
    pub(super) fn is_either_day(&self) -> bool {
        self.or_weekdays.is_some()
    }
}

fn values(unit: &impl TimeUnitSpec) -> Vec<i64> {
    unit.iter().map(i64::from).collect()
}
