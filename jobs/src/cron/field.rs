//! One field of an expression: what it may hold, and how the `cron` crate wants it written.
//!
//! The crate counts weekdays from Sunday = 1 and tells little of what it refuses, so everything is checked and translated
//! before the crate sees it. Next: `pattern.rs`.

use super::Malformed;

/// What a field is called and what it may hold.
#[derive(Debug)]
pub(super) struct FieldRule {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

/// The longest number that is read; no value of any field has more digits.
const DIGITS_MAX: usize = 4;

const MONTHS: &[&str] =
    &["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const WEEKDAYS: &[&str] = &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

pub(super) const SECOND: FieldRule = FieldRule { name: "second", min: 0, max: 59, names: &[] };
pub(super) const MINUTE: FieldRule = FieldRule { name: "minute", min: 0, max: 59, names: &[] };
pub(super) const HOUR: FieldRule = FieldRule { name: "hour", min: 0, max: 23, names: &[] };
pub(super) const DAY: FieldRule = FieldRule { name: "day-of-month", min: 1, max: 31, names: &[] };
pub(super) const MONTH: FieldRule = FieldRule { name: "month", min: 1, max: 12, names: MONTHS };
/// 0 and 7 are both Sunday.
pub(super) const WEEKDAY: FieldRule = FieldRule { name: "day-of-week", min: 0, max: 7, names: WEEKDAYS };
/// The years that the crate walks.
pub(super) const YEAR: FieldRule = FieldRule { name: "year", min: 1970, max: 2100, names: &[] };

/// A field that was read.
#[derive(Debug)]
pub(super) struct Translated {
    /// As the crate wants it.
    pub(super) text: String,
    /// Whether it was written with a star at its front.
    pub(super) has_star: bool,
}

/// From, to and every how many.
struct Item {
    from: u32,
    to: u32,
    step: u32,
}

impl FieldRule {
    /// Checks what this field holds and writes it as the crate wants it.
    pub(super) fn translate(&self, text: &str) -> Result<Translated, Malformed> {
        let has_star = text.starts_with('*') || (self.is_day() && text.starts_with('?'));
        let items = text.split(',').map(|item| self.item(item, text)).collect::<Result<Vec<_>, _>>()?;
        let written = if self.is_weekday() { weekdays(&items) } else { items.iter().map(|item| self.written(item)).collect() };
        Ok(Translated { text: written.join(","), has_star })
    }

    fn is_weekday(&self) -> bool {
        self.names.len() == WEEKDAYS.len()
    }

    fn is_day(&self) -> bool {
        self.is_weekday() || self.max == DAY.max
    }

    /// `*`, `5`, `1-5`, and each of them with a step.
    fn item(&self, item: &str, field: &str) -> Result<Item, Malformed> {
        if item.is_empty() {
            return Err(self.malformed(field, "with nothing before or after a comma"));
        }
        let (span, step) = item.split_once('/').map_or((item, None), |(span, step)| (span, Some(step)));
        let (from, to) = match span.split_once('-') {
            Some((from, to)) => self.range(from, to, item)?,
            None if span == "*" || (span == "?" && self.is_day()) => (self.min, self.max),
            // From there on by the step, as later cron programs read it.
            None if step.is_some() => (self.value(span, item)?, self.max),
            None => self.value(span, item).map(|value| (value, value))?,
        };
        let step = step.map_or(Ok(1), |step| self.step(step, item))?;
        Ok(Item { from, to, step })
    }

    fn range(&self, from: &str, to: &str, item: &str) -> Result<(u32, u32), Malformed> {
        let (from, mut to) = (self.value(from, item)?, self.value(to, item)?);
        // Sunday at the end of a range is the week's end: FRI-SUN, 6-0.
        if self.is_weekday() && to == 0 && from > 0 {
            to = self.max;
        }
        if from > to {
            let (min, max) = (self.min, self.max);
            return Err(self.malformed(item, &format!("whose range runs backwards: write `{from}-{max},{min}-{to}`")));
        }
        Ok((from, to))
    }

    fn step(&self, step: &str, item: &str) -> Result<u32, Malformed> {
        let max = if self.max == YEAR.max { YEAR.max - YEAR.min } else { self.max };
        let value = number(step).filter(|step| (1..=max).contains(step));
        value.ok_or_else(|| self.malformed(item, &format!("whose step is `{step}`: 1 to {max} are allowed")))
    }

    fn value(&self, text: &str, item: &str) -> Result<u32, Malformed> {
        let named = self.names.iter().position(|name| is_name(text, name)).and_then(|place| u32::try_from(place).ok());
        let value = named.map(|place| self.min + place).or_else(|| number(text));
        value.filter(|value| (self.min..=self.max).contains(value)).ok_or_else(|| self.refused(text, item))
    }

    fn refused(&self, text: &str, item: &str) -> Malformed {
        let is_special = self.is_day() && (item.contains('#') || item.ends_with(['L', 'l', 'W', 'w']));
        if is_special {
            return self.malformed(item, "but `L`, `W` and `#` (last day, nearest working day, nth weekday) are not supported");
        }
        if text == "?" {
            return self.malformed(item, "but `?` is allowed in the two day fields only");
        }
        let names = match self.names {
            [first, .., last] => format!(", or {} to {}", short(first), short(last)),
            _ => String::new(),
        };
        self.malformed(item, &format!("where {} to {}{names} are allowed", self.min, self.max))
    }

    fn malformed(&self, held: &str, reason: &str) -> Malformed {
        Malformed::cron(format!("the {} field holds `{held}`, {reason}", self.name))
    }

    /// As the crate wants it, which reads a full field faster when it is a star.
    fn written(&self, item: &Item) -> String {
        match item {
            Item { from, to, step: 1 } if from == to => from.to_string(),
            Item { from, to, step: 1 } if (*from, *to) == (self.min, self.max) => "*".to_owned(),
            Item { from, to, step: 1 } => format!("{from}-{to}"),
            Item { from, to, step } => format!("{from}-{to}/{step}"),
        }
    }
}

/// The weekdays of these items as the crate counts them, from Sunday = 1.
fn weekdays(items: &[Item]) -> Vec<String> {
    let all = items.iter().flat_map(|item| (item.from..=item.to).step_by(item.step as usize));
    let held: std::collections::BTreeSet<u32> = all.map(|day| day % 7 + 1).collect();
    if held.len() == WEEKDAYS.len() { vec!["*".to_owned()] } else { held.iter().map(ToString::to_string).collect() }
}

fn number(text: &str) -> Option<u32> {
    let is_plain = (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Whether this is the name, or its first three letters.
fn is_name(text: &str, name: &str) -> bool {
    text.eq_ignore_ascii_case(name) || text.eq_ignore_ascii_case(&name[..3])
}

fn short(name: &str) -> String {
    name[..3].to_ascii_uppercase()
}
