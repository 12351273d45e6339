//! What fires when a zone's clock is put forward or back, case by case, on that clock and in UTC.

use super::{at, fires, timing};
use crate::cron::zone::{PROBE_S, WALK_S, Zone};

struct Case {
    name: &'static str,
    zone: &'static str,
    cron: &'static str,
    /// In UTC.
    after: &'static str,
    /// On the zone's clock, and the time of day in UTC.
    fires: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        name: "a fixed time in a gap fires at the first instant after it",
        zone: "Europe/Vienna",
        cron: "30 2 * * *",
        after: "2026-03-28T00:00:00Z",
        fires: &[
            ("2026-03-28T02:30:00+01:00", "01:30:00"),
            ("2026-03-29T03:00:00+02:00", "01:00:00"),
            ("2026-03-30T02:30:00+02:00", "00:30:00"),
        ],
    },
    Case {
        name: "several fixed times in a gap fire once",
        zone: "Europe/Vienna",
        cron: "15,45 2 * * *",
        after: "2026-03-28T12:00:00Z",
        fires: &[("2026-03-29T03:00:00+02:00", "01:00:00"), ("2026-03-30T02:15:00+02:00", "00:15:00")],
    },
    Case {
        name: "a fixed time in a gap and one at its end fire once",
        zone: "Europe/Vienna",
        cron: "0 2,3,4 * * *",
        after: "2026-03-28T12:00:00Z",
        fires: &[
            ("2026-03-29T03:00:00+02:00", "01:00:00"),
            ("2026-03-29T04:00:00+02:00", "02:00:00"),
            ("2026-03-30T02:00:00+02:00", "00:00:00"),
        ],
    },
    Case {
        name: "a fixed minute of every second fires once after a gap",
        zone: "Europe/Vienna",
        cron: "* 30 2 * * *",
        after: "2026-03-28T12:00:00Z",
        fires: &[("2026-03-29T03:00:00+02:00", "01:00:00"), ("2026-03-30T02:30:00+02:00", "00:30:00")],
    },
    Case {
        name: "a wildcard hour in a gap is skipped",
        zone: "Europe/Vienna",
        cron: "30 * * * *",
        after: "2026-03-29T00:00:00Z",
        fires: &[("2026-03-29T01:30:00+01:00", "00:30:00"), ("2026-03-29T03:30:00+02:00", "01:30:00")],
    },
    Case {
        name: "a wildcard minute in a gap is skipped until the next day",
        zone: "Europe/Vienna",
        cron: "*/30 2 * * *",
        after: "2026-03-28T12:00:00Z",
        fires: &[("2026-03-30T02:00:00+02:00", "00:00:00"), ("2026-03-30T02:30:00+02:00", "00:30:00")],
    },
    Case {
        name: "a fixed time in an overlap fires once, at the first",
        zone: "Europe/Vienna",
        cron: "30 2 * * *",
        after: "2026-10-24T12:00:00Z",
        fires: &[("2026-10-25T02:30:00+02:00", "00:30:00"), ("2026-10-26T02:30:00+01:00", "01:30:00")],
    },
    Case {
        name: "a wildcard hour in an overlap fires in both",
        zone: "Europe/Vienna",
        cron: "30 * * * *",
        after: "2026-10-25T00:00:00Z",
        fires: &[
            ("2026-10-25T02:30:00+02:00", "00:30:00"),
            ("2026-10-25T02:30:00+01:00", "01:30:00"),
            ("2026-10-25T03:30:00+01:00", "02:30:00"),
        ],
    },
    Case {
        name: "a wildcard minute in an overlap fires in both",
        zone: "Europe/Vienna",
        cron: "*/30 2 * * *",
        after: "2026-10-24T12:00:00Z",
        fires: &[
            ("2026-10-25T02:00:00+02:00", "00:00:00"),
            ("2026-10-25T02:30:00+02:00", "00:30:00"),
            ("2026-10-25T02:00:00+01:00", "01:00:00"),
            ("2026-10-25T02:30:00+01:00", "01:30:00"),
            ("2026-10-26T02:00:00+01:00", "01:00:00"),
        ],
    },
    Case {
        name: "within the second pass of an overlap a fixed time is over for the day",
        zone: "Europe/Vienna",
        cron: "30 2 * * *",
        after: "2026-10-25T01:10:00Z",
        fires: &[("2026-10-26T02:30:00+01:00", "01:30:00")],
    },
    Case {
        name: "the last fire of all is repeated by an overlap",
        zone: "Europe/Vienna",
        cron: "0 */30 2 25 10 * 2026",
        after: "2026-10-25T00:30:00Z",
        fires: &[("2026-10-25T02:00:00+01:00", "01:00:00"), ("2026-10-25T02:30:00+01:00", "01:30:00")],
    },
    Case {
        name: "fixed times at the borders of an overlap",
        zone: "Europe/Vienna",
        cron: "0 2,3 * * *",
        after: "2026-10-24T12:00:00Z",
        fires: &[("2026-10-25T02:00:00+02:00", "00:00:00"), ("2026-10-25T03:00:00+01:00", "02:00:00")],
    },
    Case {
        name: "a day that begins with a gap: its midnight is an hour late",
        zone: "America/Sao_Paulo",
        cron: "@daily",
        after: "2018-11-03T12:00:00Z",
        fires: &[("2018-11-04T01:00:00-02:00", "03:00:00"), ("2018-11-05T00:00:00-02:00", "02:00:00")],
    },
    Case {
        name: "a day whose last hour is repeated has one midnight after it",
        zone: "America/Sao_Paulo",
        cron: "@daily",
        after: "2018-02-17T01:00:00Z",
        fires: &[("2018-02-17T00:00:00-02:00", "02:00:00"), ("2018-02-18T00:00:00-03:00", "03:00:00")],
    },
    Case {
        name: "the hour before midnight that is repeated",
        zone: "America/Sao_Paulo",
        cron: "30 23 * * *",
        after: "2018-02-17T12:00:00Z",
        fires: &[("2018-02-17T23:30:00-02:00", "01:30:00"), ("2018-02-18T23:30:00-03:00", "02:30:00")],
    },
    Case {
        name: "a gap that ends on another date: the Saturday's fire is on Sunday",
        zone: "America/Nuuk",
        cron: "30 23 * * SAT",
        after: "2024-03-30T12:00:00Z",
        fires: &[("2024-03-31T00:00:00-01:00", "01:00:00"), ("2024-04-06T23:30:00-01:00", "00:30:00")],
    },
    Case {
        name: "Lord Howe's gap of half an hour, fixed",
        zone: "Australia/Lord_Howe",
        cron: "15 2 * * *",
        after: "2026-10-03T00:00:00Z",
        fires: &[("2026-10-04T02:30:00+11:00", "15:30:00"), ("2026-10-05T02:15:00+11:00", "15:15:00")],
    },
    Case {
        name: "Lord Howe's overlap of half an hour, fixed",
        zone: "Australia/Lord_Howe",
        cron: "45 1 * * *",
        after: "2026-04-04T00:00:00Z",
        fires: &[("2026-04-05T01:45:00+11:00", "14:45:00"), ("2026-04-06T01:45:00+10:30", "15:15:00")],
    },
    Case {
        name: "Lord Howe's overlap of half an hour, wildcard",
        zone: "Australia/Lord_Howe",
        cron: "15,45 * * * *",
        after: "2026-04-04T14:00:00Z",
        fires: &[
            ("2026-04-05T01:15:00+11:00", "14:15:00"),
            ("2026-04-05T01:45:00+11:00", "14:45:00"),
            ("2026-04-05T01:45:00+10:30", "15:15:00"),
            ("2026-04-05T02:15:00+10:30", "15:45:00"),
        ],
    },
    Case {
        name: "Apia had no 30 December 2011: a fixed time fires as the next day begins",
        zone: "Pacific/Apia",
        cron: "0 12 * * *",
        after: "2011-12-29T00:00:00Z",
        fires: &[
            ("2011-12-29T12:00:00-10:00", "22:00:00"),
            ("2011-12-31T00:00:00+14:00", "10:00:00"),
            ("2011-12-31T12:00:00+14:00", "22:00:00"),
        ],
    },
    Case {
        name: "Apia's Friday of that week",
        zone: "Pacific/Apia",
        cron: "0 12 * * FRI",
        after: "2011-12-24T00:00:00Z",
        fires: &[("2011-12-31T00:00:00+14:00", "10:00:00"), ("2012-01-06T12:00:00+14:00", "22:00:00")],
    },
    Case {
        name: "Apia's missing day, wildcard",
        zone: "Pacific/Apia",
        cron: "0 */12 30 12 *",
        after: "2011-01-01T00:00:00Z",
        fires: &[("2012-12-30T00:00:00+14:00", "10:00:00"), ("2012-12-30T12:00:00+14:00", "22:00:00")],
    },
    Case {
        name: "Dublin's winter time is the exception in the database, and a gap like any other",
        zone: "Europe/Dublin",
        cron: "30 1 * * *",
        after: "2026-03-28T12:00:00Z",
        fires: &[("2026-03-29T02:00:00+01:00", "01:00:00"), ("2026-03-30T01:30:00+01:00", "00:30:00")],
    },
    Case {
        name: "Dublin's overlap",
        zone: "Europe/Dublin",
        cron: "30 1 * * *",
        after: "2026-10-24T12:00:00Z",
        fires: &[("2026-10-25T01:30:00+01:00", "00:30:00"), ("2026-10-26T01:30:00+00:00", "01:30:00")],
    },
    Case {
        name: "Casablanca puts its clock back for Ramadan",
        zone: "Africa/Casablanca",
        cron: "30 2 * * *",
        after: "2026-02-14T12:00:00Z",
        fires: &[("2026-02-15T02:30:00+01:00", "01:30:00"), ("2026-02-16T02:30:00+00:00", "02:30:00")],
    },
    Case {
        name: "Casablanca puts its clock forward after Ramadan",
        zone: "Africa/Casablanca",
        cron: "30 2 * * *",
        after: "2026-03-21T12:00:00Z",
        fires: &[("2026-03-22T03:00:00+01:00", "02:00:00"), ("2026-03-23T02:30:00+01:00", "01:30:00")],
    },
    Case {
        name: "Kathmandu is 5:45 ahead",
        zone: "Asia/Kathmandu",
        cron: "0 8 * * 1-5",
        after: "2026-03-27T12:00:00Z",
        fires: &[("2026-03-30T08:00:00+05:45", "02:15:00")],
    },
    Case {
        name: "Kathmandu's gap of a quarter of an hour, at the beginning of 1986",
        zone: "Asia/Kathmandu",
        cron: "@daily",
        after: "1985-12-31T00:00:00Z",
        fires: &[("1986-01-01T00:15:00+05:45", "18:30:00"), ("1986-01-02T00:00:00+05:45", "18:15:00")],
    },
    Case {
        name: "Monrovia's gap of 44 minutes and a half, in 1972",
        zone: "Africa/Monrovia",
        cron: "0,15,50 0 7 1 *",
        after: "1972-01-01T00:00:00Z",
        fires: &[("1972-01-07T00:44:30+00:00", "00:44:30"), ("1972-01-07T00:50:00+00:00", "00:50:00")],
    },
    Case {
        name: "Caracas went half an hour forward in 2016: every hour, two of them close together",
        zone: "America/Caracas",
        cron: "@hourly",
        after: "2016-05-01T06:00:00Z",
        fires: &[("2016-05-01T02:00:00-04:30", "06:30:00"), ("2016-05-01T03:00:00-04:00", "07:00:00")],
    },
];

#[test]
fn what_fires_at_each_kind_of_transition() {
    for Case { name, zone, cron, after, fires: expected } in CASES {
        let local: Vec<&str> = expected.iter().map(|(local, _)| *local).collect();
        assert_eq!(fires(cron, zone, after, expected.len()), local, "{name}");
        for (local, utc) in *expected {
            assert_eq!(at(local).to_string()[11..19], **utc, "{name}: the table itself");
        }
    }
}

#[test]
fn the_answer_does_not_depend_on_where_one_starts() {
    for Case { name, zone, cron, after, fires: expected } in CASES {
        let timing = timing(cron, zone);
        let mut from = at(after);
        for fire in expected.iter().map(|(local, _)| at(local)) {
            // From far off, from every half hour on the way, and from just before.
            let starts = (0..).map(|half_hours| from.plus_ms(half_hours * 1_800_000)).take_while(|start| *start < fire);
            for start in starts.chain([fire.plus_ms(-1)]) {
                assert_eq!(timing.next_after(start), Some(fire), "{name}, from {start}");
            }
            from = fire;
        }
    }
}

/// The walk probes the offset every [`PROBE_S`]: two changes that undo each other in between would not be seen.
#[test]
fn no_zone_changes_its_offset_twice_between_two_probes() {
    let (mut changes, mut closest_s) = (0, i64::MAX);
    for zone in chrono_tz::TZ_VARIANTS {
        let zone = Zone::named(zone.name()).expect("a name of the database");
        // Looked at each day over the years that rules are still made for.
        let days = (at("2000-01-01T00:00:00Z").ms() / 1_000..at("2045-01-01T00:00:00Z").ms() / 1_000).step_by(86_400);
        let mut last_s = i64::MIN;
        for day_s in days {
            if let Some(change) = zone.next_change(day_s, day_s + 86_400) {
                closest_s = closest_s.min(change.at_s.saturating_sub(last_s));
                (changes, last_s) = (changes + 1, change.at_s);
            }
        }
    }
    assert!(changes > 10_000, "{changes} changes");
    assert!(closest_s >= 2 * PROBE_S, "two changes are only {closest_s} s apart");
    assert!(WALK_S.contains(&at("2100-12-31T23:59:59Z").ms().div_euclid(1_000)));
}
