//! What is refused, and what the message says.

use crate::cron::{Field, Timing};

fn refusal(cron: &str, zone: &str) -> (Field, String) {
    let parsed = Timing::parse(cron, zone, crate::clock::Timestamp::default());
    let malformed = parsed.err().unwrap_or_else(|| panic!("{cron:?} in {zone:?} is taken"));
    assert_eq!(malformed.to_string(), malformed.message);
    (malformed.field, malformed.message)
}

#[test]
fn a_malformed_expression_is_refused_by_the_part_that_is_wrong() {
    let cases = [
        ("", "the expression is empty; five fields such as `0 8 * * 1-5`, or a shorthand such as `@daily`, are allowed"),
        (
            "0 8 * *",
            "the expression has 4 fields; 5 (minute, hour, day of month, month, day of week), 6 (the second before them) or 7 \
             (and the year after them) are allowed",
        ),
        (
            "daily",
            "the expression has 1 field; 5 (minute, hour, day of month, month, day of week), 6 (the second before them) or 7 \
             (and the year after them) are allowed",
        ),
        ("60 * * * *", "the minute field holds `60`, where 0 to 59 are allowed"),
        ("* 24 * * *", "the hour field holds `24`, where 0 to 23 are allowed"),
        ("* * 0 * *", "the day-of-month field holds `0`, where 1 to 31 are allowed"),
        ("* * * 13 *", "the month field holds `13`, where 1 to 12, or JAN to DEC are allowed"),
        ("* * * * 8", "the day-of-week field holds `8`, where 0 to 7, or SUN to SAT are allowed"),
        ("* * * * * * 1969", "the year field holds `1969`, where 1970 to 2100 are allowed"),
        ("61 * * * * *", "the second field holds `61`, where 0 to 59 are allowed"),
        ("1-99 * * * *", "the minute field holds `1-99`, where 0 to 59 are allowed"),
        ("a * * * *", "the minute field holds `a`, where 0 to 59 are allowed"),
        ("-5 * * * *", "the minute field holds `-5`, where 0 to 59 are allowed"),
        ("1.5 * * * *", "the minute field holds `1.5`, where 0 to 59 are allowed"),
        ("+1 * * * *", "the minute field holds `+1`, where 0 to 59 are allowed"),
        ("00001 * * * *", "the minute field holds `00001`, where 0 to 59 are allowed"),
        ("** * * * *", "the minute field holds `**`, where 0 to 59 are allowed"),
        ("1-2-3 * * * *", "the minute field holds `1-2-3`, where 0 to 59 are allowed"),
        ("٣ * * * *", "the minute field holds `٣`, where 0 to 59 are allowed"),
        ("1,,2 * * * *", "the minute field holds `1,,2`, with nothing before or after a comma"),
        ("1, * * * *", "the minute field holds `1,`, with nothing before or after a comma"),
        ("*/0 * * * *", "the minute field holds `*/0`, whose step is `0`: 1 to 59 are allowed"),
        ("*/90 * * * *", "the minute field holds `*/90`, whose step is `90`: 1 to 59 are allowed"),
        ("* 1-5/ * * *", "the hour field holds `1-5/`, whose step is ``: 1 to 23 are allowed"),
        ("* 1-5/2/3 * * *", "the hour field holds `1-5/2/3`, whose step is `2/3`: 1 to 23 are allowed"),
        ("0 22-2 * * *", "the hour field holds `22-2`, whose range runs backwards: write `22-23,0-2`"),
        ("0 0 * NOV-FEB *", "the month field holds `NOV-FEB`, whose range runs backwards: write `11-12,1-2`"),
        ("0 0 * * FRI-MON", "the day-of-week field holds `FRI-MON`, whose range runs backwards: write `5-7,0-1`"),
        ("0 0 * MONDAY *", "the month field holds `MONDAY`, where 1 to 12, or JAN to DEC are allowed"),
        ("0 0 * * MOND", "the day-of-week field holds `MOND`, where 0 to 7, or SUN to SAT are allowed"),
        ("0 ? * * *", "the hour field holds `?`, but `?` is allowed in the two day fields only"),
        (
            "0 0 L * *",
            "the day-of-month field holds `L`, but `L`, `W` and `#` (last day, nearest working day, nth weekday) are not supported",
        ),
        (
            "0 0 15W * *",
            "the day-of-month field holds `15W`, but `L`, `W` and `#` (last day, nearest working day, nth weekday) are not supported",
        ),
        (
            "0 0 * * 5#2",
            "the day-of-week field holds `5#2`, but `L`, `W` and `#` (last day, nearest working day, nth weekday) are not supported",
        ),
        (
            "0 0 * * FRIL",
            "the day-of-week field holds `FRIL`, but `L`, `W` and `#` (last day, nearest working day, nth weekday) are not supported",
        ),
        ("@reboot", "`@reboot` is not supported: a schedule goes by the time, not by restarts"),
        (
            "@fortnightly",
            "`@fortnightly` is no shorthand; @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and `@every` with \
             a duration are allowed",
        ),
        ("TZ=Europe/Vienna 0 8 * * *", "the expression begins with `TZ=Europe/Vienna`; the time zone has a field of its own, `time_zone`"),
        ("0 0 30 2 *", "the expression never fires: no year from 1970 to 2100 has a day that it asks for"),
        ("0 0 31 2,4,6,9,11 *", "the expression never fires: no year from 1970 to 2100 has a day that it asks for"),
        ("0 0 0 29 2 * 2027", "the expression never fires: no year from 1970 to 2100 has a day that it asks for"),
    ];
    for (cron, message) in cases {
        assert_eq!(refusal(cron, "UTC"), (Field::Cron, message.to_owned()), "{cron:?}");
    }
    let long = format!("{}0 * * * *", "0,".repeat(124));
    assert_eq!(refusal(&long, "UTC").1, "the expression has 257 bytes; at most 256 are allowed");
    assert!(Timing::parse(&long[2..], "UTC", crate::clock::Timestamp::default()).is_ok(), "one of 255 bytes is taken");
}

#[test]
fn a_malformed_interval_is_refused() {
    let form = "write days, hours, minutes and seconds in this order, such as `90m`, `1h30m`, `10s` or `1d`";
    assert_eq!(refusal("@every", "UTC").1, format!("`@every` lacks its duration: {form}"));
    for duration in ["90", "m", "1.5h", "-1h", "1w", "90m1h", "1h1h", "90 minutes", "5µs", "ten"] {
        let held = duration.replace(' ', "");
        assert_eq!(refusal(&format!("@every {duration}"), "UTC").1, format!("`@every` holds `{held}`, which is no duration: {form}"));
    }
    for duration in ["0s", "0d0h", "367d", "366d1s", "31622401s", "99999999999999999999d"] {
        assert_eq!(refusal(&format!("@every {duration}"), "UTC").1, format!("`@every` holds `{duration}`; 1s to 366d are allowed"));
    }
}

#[test]
fn an_unknown_zone_is_refused_with_the_one_that_was_meant() {
    let cases = [
        ("europe/vienna", "`europe/vienna` is no time zone of the IANA database; did you mean `Europe/Vienna`?"),
        ("Vienna", "`Vienna` is no time zone of the IANA database; did you mean `Europe/Vienna`?"),
        ("new york", "`new york` is no time zone of the IANA database; did you mean `America/New_York`?"),
        ("Europe/Viena", "`Europe/Viena` is no time zone of the IANA database; did you mean `Europe/Vienna`?"),
        ("Amerika/Bogota", "`Amerika/Bogota` is no time zone of the IANA database; did you mean `America/Bogota`?"),
        ("utc", "`utc` is no time zone of the IANA database; did you mean `UTC`?"),
        ("", "`` is no time zone of the IANA database; names such as `Europe/Vienna` or `UTC` are allowed"),
        ("+02:00", "`+02:00` is no time zone of the IANA database; names such as `Europe/Vienna` or `UTC` are allowed"),
        ("Mars/Olympus", "`Mars/Olympus` is no time zone of the IANA database; names such as `Europe/Vienna` or `UTC` are allowed"),
        ("Österreich", "`Österreich` is no time zone of the IANA database; names such as `Europe/Vienna` or `UTC` are allowed"),
    ];
    for (zone, message) in cases {
        assert_eq!(refusal("@daily", zone), (Field::TimeZone, message.to_owned()), "{zone:?}");
    }
    assert_eq!(refusal("@daily", &"x".repeat(65)).1, "the time zone's name has 65 bytes; at most 64 are allowed");
    assert_eq!(refusal("@every 1h", "Vienna").0, Field::TimeZone, "an interval has a zone too");
    assert_eq!(refusal("@reboot", "Vienna").0, Field::Cron, "the expression is looked at first");
}
