//! A pattern as a sentence in English. It tells what the fields hold, not how they were written.

use super::pattern::Pattern;

/// More moments of a day than this are told by their fields, not one by one.
const MOMENTS_MAX: usize = 6;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
/// From Monday on, so that a weekend is told as one.
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// When it fires, without the zone: "At 08:00 on Monday to Friday".
pub(super) fn pattern(pattern: &Pattern) -> String {
    let parts = [time(pattern), day(pattern), months(pattern), years(pattern)];
    let told: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    told.join(" ")
}

fn time(pattern: &Pattern) -> String {
    let (seconds, minutes, hours) = (pattern.seconds(), pattern.minutes(), pattern.hours());
    let is_on_the_minute = seconds == [0];
    if seconds.len() == 1 && minutes.len() * hours.len() <= MOMENTS_MAX && hours.len() < 24 {
        let moments = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| clock(*hour, *minute)));
        let moments = moments.map(|moment| if is_on_the_minute { moment } else { format!("{moment}:{:02}", seconds[0]) });
        // A regular step is told as one.
        if !(is_on_the_minute && minutes == [0] && step(&hours, 24).is_some()) {
            return format!("At {}", listed(&moments.collect::<Vec<_>>()));
        }
    }
    match (is_on_the_minute, minutes == [0], consecutive(&hours)) {
        (true, true, _) if step(&hours, 24).is_some() => often(&hours, 24, "hour"),
        (true, true, Some((first, last))) => format!("Every hour from {} to {}", clock(first, 0), clock(last, 0)),
        (true, ..) => with(often(&minutes, 60, "minute"), within_hours(&minutes, &hours)),
        (false, ..) if minutes.len() == 60 && hours.len() == 24 => {
            with(often(&seconds, 60, "second"), within(&seconds, &minutes, 60, "minute"))
        }
        (false, ..) => with(with(often(&seconds, 60, "second"), within(&seconds, &minutes, 60, "minute")), within_hours(&minutes, &hours)),
    }
}

fn with(head: String, tail: String) -> String {
    if tail.is_empty() { head } else { format!("{head} {tail}") }
}

/// "Every 15 minutes", or "At minutes 5 and 35".
fn often(values: &[i64], span: i64, unit: &str) -> String {
    match step(values, span) {
        Some(1) => format!("Every {unit}"),
        Some(step) => format!("Every {step} {unit}s"),
        None => format!("At {}", counted(values, unit)),
    }
}

/// Which of the larger unit: "of every 2nd minute", or nothing if it is each and was said already.
fn within(smaller: &[i64], values: &[i64], span: i64, unit: &str) -> String {
    match step(values, span) {
        Some(1) if step(smaller, 60).is_some() => String::new(),
        Some(1) => format!("of every {unit}"),
        Some(step) => format!("of every {} {unit}", nth(step)),
        None => format!("of {}", counted(values, unit)),
    }
}

fn within_hours(minutes: &[i64], hours: &[i64]) -> String {
    match consecutive(hours) {
        Some((first, last)) if hours.len() < 24 => format!("from {} to {}", clock(first, 0), clock(last, 59)),
        _ => within(minutes, hours, 24, "hour"),
    }
}

fn day(pattern: &Pattern) -> String {
    let (days, mut weekdays) = (pattern.days(), pattern.weekdays());
    weekdays.iter_mut().for_each(|day| *day = if *day == 1 { 7 } else { *day - 1 });
    weekdays.sort_unstable();
    let day = format!("on {} of the month", counted(&days, "day"));
    let weekday = named(&weekdays, &WEEKDAYS);
    match (pattern.is_either_day(), days.len() == 31, weekdays.len() == 7) {
        (_, true, true) | (true, true, false) | (true, false, true) => String::new(),
        (true, ..) => format!("{day} or on {weekday}"),
        (false, true, false) => format!("on {weekday}"),
        (false, false, true) => day,
        (false, ..) => format!("{day} that are {weekday}"),
    }
}

fn months(pattern: &Pattern) -> String {
    let months = pattern.months();
    if months.len() == MONTHS.len() { String::new() } else { format!("in {}", named(&months, &MONTHS)) }
}

fn years(pattern: &Pattern) -> String {
    let years = pattern.years();
    // The crate's years are 1970 to 2100: all of them, if none was asked for.
    if years.len() == 131 { String::new() } else { format!("in {}", listed(&runs(&years, ToString::to_string))) }
}

fn clock(hour: i64, minute: i64) -> String {
    format!("{hour:02}:{minute:02}")
}

/// The step, if these are all its multiples within the span and it divides that.
fn step(values: &[i64], span: i64) -> Option<i64> {
    let step = if let [0, second, ..] = values { *second } else { return None };
    let is_regular = span % step == 0 && values.iter().copied().eq((0..span).step_by(usize::try_from(step).ok()?));
    is_regular.then_some(step)
}

/// The first and the last of three or more, if none between them is missing.
fn consecutive(values: &[i64]) -> Option<(i64, i64)> {
    let (first, last) = (*values.first()?, *values.last()?);
    (values.len() > 2 && last - first == values.len() as i64 - 1).then_some((first, last))
}

/// "minute 5", "minutes 5, 6 and 30 to 40".
fn counted(values: &[i64], unit: &str) -> String {
    let plural = if values.len() == 1 { "" } else { "s" };
    format!("{unit}{plural} {}", listed(&runs(values, ToString::to_string)))
}

/// The names of these values, which count from 1.
fn named(values: &[i64], names: &[&str]) -> String {
    let name =
        |value: &i64| usize::try_from(value - 1).ok().and_then(|place| names.get(place)).map_or_else(String::new, ToString::to_string);
    listed(&runs(values, name))
}

/// Three or more in a row are told as "first to last".
fn runs(values: &[i64], told: impl Fn(&i64) -> String) -> Vec<String> {
    let chunks = values.chunk_by(|one, next| next - one == 1);
    let tell = |run: &[i64]| match run {
        [first, _, .., last] if run.len() > 2 => vec![format!("{} to {}", told(first), told(last))],
        few => few.iter().map(&told).collect(),
    };
    chunks.flat_map(tell).collect()
}

fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn nth(number: i64) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
