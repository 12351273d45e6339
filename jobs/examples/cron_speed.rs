//! What cron costs: `cargo run --release -p windrow-jobs --example cron_speed`.
//!
//! The goals are 50 µs to parse and 10 µs to the next fire for common expressions, and 1 ms for any.

use std::{hint::black_box, time::Instant};

use windrow_jobs::{clock::Timestamp, cron::Timing};

/// How often each is done; the figure is the mean.
const ROUNDS: u32 = 2_000;

const EXPRESSIONS: [&str; 12] = [
    "* * * * * *",
    "*/5 * * * *",
    "@hourly",
    "0 8 * * MON-FRI",
    "15,45 8-18 * * 1-5",
    "0 0 1,15 * 5",
    "@monthly",
    "@yearly",
    "0 0 29 2 *",
    "0 0 0 29 2 * 2096",
    "0 0 0 1 1 * 2100",
    "@every 90m",
];

fn mean_us<T>(work: impl Fn(u32) -> T) -> f64 {
    let started = Instant::now();
    (0..ROUNDS).for_each(|round| drop(black_box(work(round))));
    started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
}

fn main() {
    let now = Timestamp::from_ms(1_800_000_000_000);
    println!("{:24} {:>12} {:>16} {:>12} {:>12}", "expression", "parse, µs", "next fire, µs", "gap, µs", "words, µs");
    for cron in EXPRESSIONS {
        for zone in ["UTC", "Europe/Vienna"] {
            let parse = || Timing::parse(cron, zone, now).expect("a timing");
            let timing = parse();
            let parse_us = mean_us(|_| parse());
            // From instants all over a year.
            let next_us = mean_us(|round| timing.next_after(now.plus_ms(i64::from(round) * 15_000_000)));
            let gap_us = mean_us(|_| timing.shortest_gap_s());
            let words_us = mean_us(|_| timing.describe());
            println!("{:24} {parse_us:>12.1} {next_us:>16.2} {gap_us:>12.1} {words_us:>12.1}", format!("{cron} {zone}"));
        }
    }
}
