//! What a schedule says of itself.

use super::timing;

#[test]
fn a_timing_is_told_in_one_sentence() {
    let cases = [
        ("0 8 * * 1-5", "Europe/Vienna", "At 08:00 on Monday to Friday, Europe/Vienna"),
        ("*/15 * * * *", "UTC", "Every 15 minutes, UTC"),
        ("0-59/15 * * * *", "UTC", "Every 15 minutes, UTC"),
        ("* * * * *", "UTC", "Every minute, UTC"),
        ("@hourly", "UTC", "Every hour, UTC"),
        ("@daily", "UTC", "At 00:00, UTC"),
        ("@weekly", "UTC", "At 00:00 on Sunday, UTC"),
        ("@monthly", "UTC", "At 00:00 on day 1 of the month, UTC"),
        ("@yearly", "UTC", "At 00:00 on day 1 of the month in January, UTC"),
        ("0 */2 * * *", "UTC", "Every 2 hours, UTC"),
        ("0 */8 * * *", "UTC", "Every 8 hours, UTC"),
        ("5 */8 * * *", "UTC", "At 00:05, 08:05 and 16:05, UTC"),
        ("5 */2 * * *", "UTC", "At minute 5 of every 2nd hour, UTC"),
        ("0 8-17 * * *", "UTC", "Every hour from 08:00 to 17:00, UTC"),
        ("*/15 8-17 * * MON-FRI", "UTC", "Every 15 minutes from 08:00 to 17:59 on Monday to Friday, UTC"),
        ("* 8,17 * * *", "UTC", "Every minute of hours 8 and 17, UTC"),
        ("5,35 * * * *", "UTC", "At minutes 5 and 35 of every hour, UTC"),
        ("7 * * * *", "UTC", "At minute 7 of every hour, UTC"),
        ("*/7 * * * *", "UTC", "At minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour, UTC"),
        ("0,1,2,3,4,30 9 * * 0,6", "UTC", "At 09:00, 09:01, 09:02, 09:03, 09:04 and 09:30 on Saturday and Sunday, UTC"),
        ("0,1,2,3,4,30,45 9 * * *", "UTC", "At minutes 0 to 4, 30 and 45 of hour 9, UTC"),
        ("30 0 12 * * *", "UTC", "At 12:00:30, UTC"),
        ("*/10 * * * * *", "UTC", "Every 10 seconds, UTC"),
        ("* * * * * *", "UTC", "Every second, UTC"),
        ("5,10 * * * * *", "UTC", "At seconds 5 and 10 of every minute, UTC"),
        ("0 0-59 * * * *", "UTC", "Every minute, UTC"),
        ("30 */5 * * * *", "UTC", "At second 30 of every 5th minute, UTC"),
        ("*/20 1,2 8-10 * * *", "UTC", "Every 20 seconds of minutes 1 and 2 from 08:00 to 10:59, UTC"),
        ("0 0 1,15 * *", "UTC", "At 00:00 on days 1 and 15 of the month, UTC"),
        ("0 0 1-7,20 * *", "UTC", "At 00:00 on days 1 to 7 and 20 of the month, UTC"),
        ("0 0 13 * 5", "UTC", "At 00:00 on day 13 of the month or on Friday, UTC"),
        ("0 0 1-31 * 5", "UTC", "At 00:00, UTC"),
        ("0 0 */10 * 1,3", "UTC", "At 00:00 on days 1, 11, 21 and 31 of the month that are Monday and Wednesday, UTC"),
        ("0 0 * * 0-7", "UTC", "At 00:00, UTC"),
        ("0 0 * 6-8,12 *", "UTC", "At 00:00 in June to August and December, UTC"),
        ("0 0 0 1 1 * 2030,2032-2034", "UTC", "At 00:00 on day 1 of the month in January in 2030 and 2032 to 2034, UTC"),
        ("@every 90m", "UTC", "Every 90 minutes, counted from 2020-01-01T00:00:00.000Z"),
        ("@every 1h", "UTC", "Every hour, counted from 2020-01-01T00:00:00.000Z"),
        ("@every 36h", "UTC", "Every 36 hours, counted from 2020-01-01T00:00:00.000Z"),
        ("@every 2d", "UTC", "Every 2 days, counted from 2020-01-01T00:00:00.000Z"),
        ("@every 61s", "UTC", "Every 61 seconds, counted from 2020-01-01T00:00:00.000Z"),
    ];
    for (cron, zone, words) in cases {
        assert_eq!(timing(cron, zone).describe(), words, "{cron:?}");
    }
}

#[test]
fn the_shortest_gap_is_of_the_day_the_night_and_the_changes_of_the_clock() {
    const HOUR: u64 = 3_600;
    let cases = [
        ("* * * * * *", "UTC", 1),
        ("*/10 * * * * *", "UTC", 10),
        ("0,50 * * * * *", "UTC", 10),
        ("59 * * * * *", "UTC", 60),
        ("* * * * *", "UTC", 60),
        ("*/7 * * * *", "UTC", 4 * 60),
        ("*/59 * * * *", "UTC", 60),
        ("0 * * * *", "UTC", HOUR),
        ("0 */5 * * *", "UTC", 4 * HOUR),
        ("0 8,17 * * *", "UTC", 9 * HOUR),
        ("0 0 1 1 *", "UTC", 24 * HOUR),
        ("0,30 23,0 * * *", "UTC", 30 * 60),
        // A day of 23 hours.
        ("0 12 * * *", "Europe/Vienna", 23 * HOUR),
        ("0 * * * *", "Europe/Vienna", HOUR),
        ("*/15 * * * *", "Europe/Vienna", 15 * 60),
        // The clock jumps from 2 to 3.
        ("0 1,4 * * *", "Europe/Vienna", 2 * HOUR),
        ("0 */3 * * *", "Europe/Vienna", 2 * HOUR),
        // At 2:30 it is 3:00, and then 3:30.
        ("30 2,3 * * *", "Europe/Vienna", 30 * 60),
        ("45 2,4 * * *", "Europe/Vienna", HOUR + 45 * 60),
        // 2:00 to 3:00 comes twice: after 2:59:59 it is 2:00.
        ("0 */2 * * *", "Europe/Vienna", HOUR),
        // Lord Howe repeats half an hour: after 1:59 it is 1:30.
        ("30,59 * * * *", "Australia/Lord_Howe", 60),
        ("30,59 * * * *", "UTC", 29 * 60),
        // Apia's missing day was before the anchor.
        ("0 12 * * *", "Pacific/Apia", 23 * HOUR),
    ];
    for (cron, zone, expected_s) in cases {
        assert_eq!(timing(cron, zone).shortest_gap_s(), expected_s, "{cron:?} in {zone}");
    }
    let apia = crate::cron::Timing::parse("0 12 * * *", "Pacific/Apia", super::at("2011-01-01T00:00:00Z")).expect("a timing");
    assert_eq!(apia.shortest_gap_s(), 12 * HOUR);
}
