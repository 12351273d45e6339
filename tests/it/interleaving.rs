//! Every part of the guard is needed: `state + attempt + cancel_requested`, and for the reaper `lease_until`.
//!
//! From a seed comes the order in which workers, silent workers, reapers, operators and the clock take their steps
//! over a real ledger; what they were answered is held against a record of the test's own. Under the shipped
//! statements no seed breaks a rule. Then each part of the guard is cut out of `apply.sql`, and seeds run until one does.
//!
//! | part that is missing | seeds of 2,000 that break a rule | the first |
//! |----------------------|---------------------------------:|----------:|
//! | `state`              |                            1,786 |         0 |
//! | `attempt`            |                              172 |         4 |
//! | `cancel_requested`   |                              383 |         0 |
//! | `lease_until`        |                              198 |         6 |
//! | none                 |                                0 |           |
//!
//! None of 8,000 seeds on SQLite, 1,000 on PostgreSQL and 200,000 on the model broke the whole guard.
//! `WINDROW_INTERLEAVING_SEEDS=2000` runs so many, and counts those that each weaker guard breaks;
//! `WINDROW_INTERLEAVING_SEED=17` runs just that one.

mod actors;
mod record;
mod round;

use std::{env, ops::Range};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use windrow_jobs::{
    clock::VirtualClock,
    ledger::{postgres, sqlite},
};
use windrow_tests::ledgers::{self, Opened};

use self::round::{Broken, JOBS, play};

/// How many seeds run on the model unless the environment says otherwise: the rules of `lifecycle.rs` without the SQL.
const MODEL_SEEDS: u64 = 10_000;
/// The same on SQLite: about ten seconds' worth.
const SEEDS: u64 = 600;
/// The same on PostgreSQL, where a step takes longer and the rules are the same.
const POSTGRES_SEEDS: u64 = 60;
/// How many seeds run, if the environment says so.
const SEEDS_WANTED: &str = "WINDROW_INTERLEAVING_SEEDS";
/// Seeds that share a ledger before its lists grow long.
const SEEDS_PER_LEDGER: usize = 50;

/// The parts of the guard in both ledgers' `apply.sql`; the state's line is each database's own.
const SQLITE_STATE: &str = "  AND jobs.state IS change.seen_state\n";
const POSTGRES_STATE: &str = "  AND jobs.state IS NOT DISTINCT FROM change.seen_state\n";
const ATTEMPT: &str = "  AND jobs.attempt = change.seen_attempt\n";
const CANCEL: &str = "  AND jobs.cancel_requested = change.seen_cancel_requested\n";
const LEASE: &str = "  AND (change.seen_lease_until_ms IS NULL OR jobs.lease_until_ms = change.seen_lease_until_ms)\n";

mod on_model {
    use super::*;

    #[tokio::test]
    async fn no_interleaving_breaks_the_guard() {
        nothing_breaks(async |clock| ledgers::model(clock).await, one_of(seeds(MODEL_SEEDS))).await;
    }
}

mod on_sqlite {
    use super::*;

    #[tokio::test]
    async fn no_interleaving_breaks_the_guard() {
        nothing_breaks(async |clock| ledgers::sqlite(clock).await, one_of(seeds(SEEDS))).await;
    }

    #[tokio::test]
    async fn every_part_of_the_guard_is_needed() {
        for part in [SQLITE_STATE, ATTEMPT, CANCEL, LEASE] {
            let statements = sqlite::Statements::default();
            let statements = sqlite::Statements { apply: without(part, &statements.apply), ..statements };
            something_breaks(part, async |clock| ledgers::sqlite_with(clock, statements.clone()).await, seeds(SEEDS)).await;
        }
    }
}

mod on_postgres {
    use super::*;

    #[tokio::test]
    async fn no_interleaving_breaks_the_guard() {
        nothing_breaks(async |clock| ledgers::postgres(clock).await, one_of(seeds(POSTGRES_SEEDS))).await;
    }

    #[tokio::test]
    async fn every_part_of_the_guard_is_needed() {
        for part in [POSTGRES_STATE, ATTEMPT, CANCEL, LEASE] {
            let statements = postgres::Statements::default();
            let statements = postgres::Statements { apply: without(part, &statements.apply), ..statements };
            something_breaks(part, async |clock| ledgers::postgres_with(clock, statements.clone()).await, seeds(POSTGRES_SEEDS)).await;
        }
    }
}

/// The one seed that the environment asks for, or so many.
fn one_of(seeds: Range<u64>) -> Range<u64> {
    number("WINDROW_INTERLEAVING_SEED").map_or(seeds, |seed| seed..seed + 1)
}

fn seeds(usually: u64) -> Range<u64> {
    0..number(SEEDS_WANTED).unwrap_or(usually)
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// The statement without this part, which it must have exactly once.
fn without(part: &str, statement: &SqlStr) -> SqlStr {
    assert_eq!(statement.as_str().matches(part).count(), 1, "{part:?} in\n{}", statement.as_str());
    // Our own statement with a line of it gone: nothing in it comes from outside.
    AssertSqlSafe(statement.as_str().replace(part, "")).into_sql_str()
}

async fn nothing_breaks(open: impl AsyncFn(&VirtualClock) -> Opened, seeds: Range<u64>) {
    if let Some(broken) = run(open, seeds, 1).await.pop() {
        let Broken { seed, violation, steps } = broken;
        panic!("seed {seed} (WINDROW_INTERLEAVING_SEED={seed}):\n{}\n{violation}", steps.join("\n"));
    }
}

async fn something_breaks(part: &str, open: impl AsyncFn(&VirtualClock) -> Opened, seeds: Range<u64>) {
    let (part, tried) = (part.trim(), seeds.end - seeds.start);
    let counted = number(SEEDS_WANTED).is_some();
    let broken = run(open, seeds, if counted { usize::MAX } else { 1 }).await;
    let Some(first) = broken.first() else { panic!("without `{part}` none of {tried} seeds breaks a rule") };
    println!("without `{part}`: seed {} breaks a rule first, {} in all: {}", first.seed, broken.len(), first.violation);
}

/// Runs the seeds until so many have broken a rule; returns those.
async fn run(open: impl AsyncFn(&VirtualClock) -> Opened, seeds: Range<u64>, broken_max: usize) -> Vec<Broken> {
    let mut broken = Vec::new();
    let seeds: Vec<u64> = seeds.collect();
    for seeds in seeds.chunks(SEEDS_PER_LEDGER) {
        let clock = ledgers::clock();
        let ledger = open(&clock).await;
        for seed in seeds {
            broken.extend(play(*seed, &*ledger, &clock).await.err());
            if broken.len() == broken_max {
                return broken;
            }
        }
        for balance in ledger.balances().await.expect("balances") {
            assert!(balance.holds() && balance.accepted == JOBS as i64, "{balance:?}");
        }
    }
    broken
}
