//! docs/cron.md: every example of the page is run.

use windrow_jobs::{clock::Timestamp, cron::Timing};

use crate::documents::read;

/// The rows of all tables that begin with these headings.
fn rows(headings: &[&str]) -> Vec<Vec<String>> {
    let page = read("docs/cron.md");
    let head = format!("| {} |", headings.join(" | "));
    let (_, below) = page.split_once(&format!("\n{head}\n")).unwrap_or_else(|| panic!("docs/cron.md has no table {head}"));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
    below.lines().skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// Asserts that these are the next fires, and returns them.
fn assert_fires(cron: &str, zone: &str, after: &str, told: &str) -> Vec<Timestamp> {
    let after = Timestamp::parse_rfc3339(&format!("{after}:00Z")).unwrap_or_else(|error| panic!("{after}: {error}"));
    let timing = Timing::parse(cron, zone, after).unwrap_or_else(|error| panic!("{cron} in {zone}: {error}"));
    let told: Vec<&str> = told.split(", ").collect();
    let fires: Vec<Timestamp> = std::iter::successors(timing.next_after(after), |fire| timing.next_after(*fire)).take(told.len()).collect();
    // Without its seconds, which are 0: 2026-03-29T03:00+02:00.
    let found: Vec<String> = fires.iter().map(|fire| timing.local(*fire).replace(":00.000", "")).collect();
    assert_eq!(found, told, "{cron} in {zone} after {after}");
    fires
}

#[test]
fn the_examples_of_the_syntax_fire_as_the_page_says() {
    let rows = rows(&["expression", "zone", "after (UTC)", "fires on the zone's clock"]);
    assert!(rows.len() >= 6, "{rows:?}");
    for row in rows {
        let [cron, zone, after, fires] = row.as_slice() else { panic!("{row:?}") };
        assert_fires(cron, zone, after, fires);
    }
}

#[test]
fn the_examples_of_gaps_and_overlaps_fire_as_the_page_says() {
    let rows = rows(&["expression", "kind", "zone", "after (UTC)", "fires on the zone's clock", "in UTC"]);
    assert!(rows.len() >= 8, "{rows:?}");
    for row in rows {
        let [cron, kind, zone, after, local, utc] = row.as_slice() else { panic!("{row:?}") };
        let fires = assert_fires(cron, zone, after, local);
        let found: Vec<String> = fires.iter().map(|fire| fire.to_string().replace(":00.000Z", "")).collect();
        assert_eq!(found.join(", "), *utc, "{cron} in {zone} after {after}");
        let is_fixed_time = cron.split(' ').take(2).all(|field| !field.starts_with('*'));
        assert_eq!(kind == "fixed-time", is_fixed_time, "{cron} is {kind}");
    }
}

#[test]
fn what_the_page_calls_refused_is_refused() {
    for cron in ["0 0 30 2 *", "@reboot", "0 0 L * *", "0 0 15W * *", "0 0 * * 5#2", "0 0 * * 5-2", "@every 367d"] {
        assert!(Timing::parse(cron, "UTC", Timestamp::default()).is_err(), "{cron} is taken");
    }
    for (one, same) in [("@yearly", "@annually"), ("@daily", "@midnight")] {
        let fire = |cron| Timing::parse(cron, "UTC", Timestamp::default()).map(|timing| timing.next_after(Timestamp::default()));
        assert_eq!(fire(one), fire(same));
    }
}
