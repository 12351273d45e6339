//! The rules one by one, as tables; `transitions.rs` has what happens when a clock is put forward or back, `properties.rs`
//! compares with an oracle that looks at every moment.

mod properties;
mod refusals;
mod transitions;
mod words;

use super::{Timing, tzdb_version};
use crate::clock::Timestamp;

/// An instant as RFC 3339.
fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn timing(cron: &str, zone: &str) -> Timing {
    Timing::parse(cron, zone, at("2020-01-01T00:00:00Z")).unwrap_or_else(|error| panic!("{cron:?} in {zone}: {error}"))
}

/// The next fires after an instant, on the zone's clock and without its milliseconds.
fn fires(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let timing = timing(cron, zone);
    let fires = std::iter::successors(timing.next_after(at(after)), |fire| timing.next_after(*fire));
    fires.take(count).map(|fire| timing.local(fire).replace(".000", "")).collect()
}

/// The same in UTC, as what is between the date's year and the `Z`.
fn utc_fires(cron: &str, after: &str, count: usize) -> String {
    let short = |fire: String| fire[5..16].replace('T', " ");
    fires(cron, "UTC", after, count).into_iter().map(short).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_form_of_a_field_is_read() {
    // 2026-03-01 is a Sunday.
    let cases = [
        ("* * * * *", "03-01 00:01, 03-01 00:02"),
        ("30 * * * *", "03-01 00:30, 03-01 01:30"),
        ("*/20 * * * *", "03-01 00:20, 03-01 00:40, 03-01 01:00"),
        ("5/15 8 * * *", "03-01 08:05, 03-01 08:20, 03-01 08:35, 03-01 08:50, 03-02 08:05"),
        ("10-12 8 * * *", "03-01 08:10, 03-01 08:11, 03-01 08:12, 03-02 08:10"),
        ("10-20/5 8 * * *", "03-01 08:10, 03-01 08:15, 03-01 08:20, 03-02 08:10"),
        ("0 8,12-13,20/3 * * *", "03-01 08:00, 03-01 12:00, 03-01 13:00, 03-01 20:00, 03-01 23:00, 03-02 08:00"),
        ("  0\t 08   *  * * ", "03-01 08:00, 03-02 08:00"),
        ("0 0 31 * *", "03-31 00:00, 05-31 00:00, 07-31 00:00"),
        ("0 0 1 */4 *", "05-01 00:00, 09-01 00:00, 01-01 00:00"),
        ("0 0 1 JUL,dec *", "07-01 00:00, 12-01 00:00"),
        ("0 0 1 September-Oct *", "09-01 00:00, 10-01 00:00"),
        ("0 0 29 2 *", "02-29 00:00, 02-29 00:00"),
        ("@yearly", "01-01 00:00"),
        ("@Annually", "01-01 00:00"),
        ("@monthly", "04-01 00:00, 05-01 00:00"),
        ("@weekly", "03-08 00:00, 03-15 00:00"),
        ("@daily", "03-02 00:00, 03-03 00:00"),
        (" @MIDNIGHT ", "03-02 00:00, 03-03 00:00"),
        ("@hourly", "03-01 01:00, 03-01 02:00"),
    ];
    for (cron, expected) in cases {
        let count = expected.split(", ").count();
        assert_eq!(utc_fires(cron, "2026-03-01T00:00:00Z", count), expected, "{cron:?}");
    }
}

#[test]
fn weekdays_count_from_sunday_which_is_0_and_7() {
    // The days of the week from Sunday, 2026-03-01.
    let cases = [
        ("0", "1"),
        ("7", "1"),
        ("SUN", "1"),
        ("sunday", "1"),
        ("1", "2"),
        ("Mon", "2"),
        ("6", "7"),
        ("1-5", "2 3 4 5 6"),
        ("MON-FRI", "2 3 4 5 6"),
        ("MON-FRI/2", "2 4 6"),
        ("5-7", "1 6 7"),
        ("6-0", "1 7"),
        ("FRI-SUN", "1 6 7"),
        ("SUN-TUE", "1 2 3"),
        ("0-6", "1 2 3 4 5 6 7"),
        ("0-7", "1 2 3 4 5 6 7"),
        ("1-7", "1 2 3 4 5 6 7"),
        ("0-0", "1"),
        ("*/2", "1 3 5 7"),
        ("1/2", "1 2 4 6"),
        ("TUE/3", "3 6"),
        ("2,4,SAT", "3 5 7"),
        ("7,1-2", "1 2 3"),
        ("?", "1 2 3 4 5 6 7"),
    ];
    for (field, expected) in cases {
        let count = expected.split(' ').count();
        let fires = fires(&format!("0 12 * * {field}"), "UTC", "2026-03-01T00:00:00Z", count);
        let days: Vec<&str> = fires.iter().map(|fire| fire[8..10].trim_start_matches('0')).collect();
        assert_eq!(days.join(" "), expected, "{field}");
    }
}

#[test]
fn two_restricted_day_fields_are_either_or_and_a_star_makes_them_both() {
    let cases = [
        // The 13th, and every Friday.
        ("0 0 13 * 5", "03-06, 03-13, 03-20, 03-27, 04-03, 04-10, 04-13, 04-17"),
        ("0 0 13 * *", "03-13, 04-13"),
        ("0 0 13 * ?", "03-13, 04-13"),
        ("0 0 ? * 5", "03-06, 03-13"),
        // A day field that begins with a star is no restriction by Vixie's rule, so both must match: odd days that are Fridays.
        ("0 0 */2 * 5", "03-13, 03-27, 04-03, 04-17"),
        // The 13th, if it is a Sunday, Tuesday, Thursday or Saturday.
        ("0 0 13 * */2", "06-13, 08-13, 09-13, 10-13"),
        // A full field without a star is a restriction: any day will do.
        ("0 0 1-31 * 5", "03-02, 03-03, 03-04"),
        ("0 0 31 2 1", "02-01, 02-08, 02-15"),
    ];
    for (cron, expected) in cases {
        let found = utc_fires(cron, "2026-03-01T00:00:00Z", expected.split(", ").count()).replace(" 00:00", "");
        assert_eq!(found, expected, "{cron:?}");
    }
}

#[test]
fn six_fields_begin_with_seconds_and_seven_end_with_the_year() {
    let cases: [(&str, &[&str]); 4] = [
        ("*/25 59 23 31 12 *", &["2026-12-31T23:59:00+00:00", "2026-12-31T23:59:25+00:00", "2026-12-31T23:59:50+00:00"]),
        ("30 0 12 * * MON", &["2026-03-02T12:00:30+00:00", "2026-03-09T12:00:30+00:00"]),
        ("0 0 0 1 1 ? 2030/20", &["2030-01-01T00:00:00+00:00", "2050-01-01T00:00:00+00:00", "2070-01-01T00:00:00+00:00"]),
        ("0 0 12 29 2 * 2027-2033", &["2028-02-29T12:00:00+00:00", "2032-02-29T12:00:00+00:00"]),
    ];
    for (cron, expected) in cases {
        assert_eq!(fires(cron, "UTC", "2026-03-01T00:00:00Z", expected.len()), expected, "{cron:?}");
    }
}

#[test]
fn after_the_last_fire_there_is_none() {
    for (cron, last) in [("0 0 0 1 1 * 2020", "2020-01-01T00:00:00Z"), ("59 23 31 12 *", "2100-12-31T23:59:00Z")] {
        let timing = timing(cron, "UTC");
        assert_eq!(timing.next_after(at(last).plus_ms(-1)), Some(at(last)), "{cron:?}");
        assert_eq!(timing.next_after(at(last)), None, "{cron:?}");
        assert_eq!(timing.next_after(Timestamp::from_ms(i64::MAX)), None, "{cron:?}");
    }
    let first = at("1970-01-01T00:00:00Z");
    assert_eq!(timing("@daily", "UTC").next_after(Timestamp::from_ms(i64::MIN)), Some(first));
    // East of Greenwich the year 1970 begins earlier.
    assert_eq!(timing("@daily", "Asia/Tokyo").next_after(Timestamp::from_ms(i64::MIN)), Some(first.plus_ms(-9 * 3_600_000)));
}

#[test]
fn fires_are_on_whole_seconds_and_after_the_instant_given() {
    let timing = timing("* * * * * *", "UTC");
    let second = at("2026-03-01T12:00:05Z");
    for (after_ms, next_ms) in [(-1, 0), (0, 1_000), (1, 1_000), (999, 1_000), (1_000, 2_000)] {
        assert_eq!(timing.next_after(second.plus_ms(after_ms)), Some(second.plus_ms(next_ms)), "{after_ms}");
    }
}

#[test]
fn every_counts_from_its_anchor_and_asks_no_clock() {
    let anchor = at("2026-03-28T23:59:59.500Z");
    let cases = [
        ("@every 90m", 5_400),
        ("@EVERY 1h30m", 5_400),
        ("@every 1h 30m", 5_400),
        ("@every 10s", 10),
        ("@every 1d", 86_400),
        ("@every 1d2h3m4s", 93_784),
        ("@every 1s", 1),
        ("@every 366d", 366 * 86_400),
    ];
    for (cron, interval_s) in cases {
        // The clocks of Vienna are put forward the next night.
        let timing = Timing::parse(cron, "Europe/Vienna", anchor).unwrap_or_else(|error| panic!("{cron}: {error}"));
        let ms = interval_s * 1_000;
        for (after_ms, next_ms) in [(-3 * ms, ms), (0, ms), (ms - 1, ms), (ms, 2 * ms), (10 * ms + 1, 11 * ms)] {
            let (after, next) = (anchor.plus_ms(after_ms), anchor.plus_ms(next_ms));
            assert_eq!(timing.next_after(after), Some(next), "{cron} after {after}");
        }
        assert_eq!(timing.shortest_gap_s(), interval_s.unsigned_abs(), "{cron}");
        assert_eq!(timing.next_after(Timestamp::from_ms(i64::MAX)), None, "{cron}");
        assert_eq!(timing.next_after(at("9999-12-31T23:59:59.999Z")), None, "{cron}");
    }
}

#[test]
fn an_instant_is_told_on_the_clock_of_the_zone() {
    let cases = [
        ("UTC", "2026-07-01T12:00:00.123Z", "2026-07-01T12:00:00.123+00:00"),
        ("Europe/Vienna", "2026-07-01T12:00:00.000Z", "2026-07-01T14:00:00.000+02:00"),
        ("Asia/Kathmandu", "2026-07-01T12:00:00Z", "2026-07-01T17:45:00.000+05:45"),
        ("America/St_Johns", "2026-01-01T00:00:00Z", "2025-12-31T20:30:00.000-03:30"),
        // Half a minute of this offset cannot be written; the instant is the same.
        ("Africa/Monrovia", "1971-06-01T00:00:00Z", "1971-05-31T23:16:00.000-00:44"),
    ];
    for (zone, instant, local) in cases {
        assert_eq!(timing("@daily", zone).local(at(instant)), local, "{zone}");
        assert_eq!(at(local), at(instant));
    }
}

#[test]
fn the_database_has_a_version() {
    let version = tzdb_version();
    assert!(version.len() == 5 && version.starts_with("20"), "{version}");
}
