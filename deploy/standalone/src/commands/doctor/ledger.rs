//! The database: whether it answers, is up to date, keeps what it says is kept, and tells the same time.

use std::path::Path;

use windrow_jobs::{
    clock::{Clock, SystemClock, Timestamp},
    ledger::{
        postgres::checkup::{CONNECTIONS_PER_PROCESS, Checkup, VERSION_MIN},
        schema::Schema,
        sqlite::SqliteLedger,
    },
    settings::{Migrate, Settings},
};

use super::Finding;

/// How far the clocks of two machines may be apart; a start refuses more.
pub(super) const CLOCK_DIFFERENCE_MS_MAX: i64 = 2_000;
/// Processes that the smallest cluster with a standby has: an api, a worker, two schedulers.
const PROCESSES_MIN: i64 = 4;

/// The database that the settings name.
pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    if let Ok(url) = settings.postgres_url() {
        return postgres(url, settings).await;
    }
    match settings.sqlite_file() {
        Ok(file) => vec![sqlite(&file, settings).await],
        // The settings themselves were told of before.
        Err(_) => Vec::new(),
    }
}

async fn sqlite(file: &Path, settings: &Settings) -> Finding {
    match SqliteLedger::schema(file).await {
        Ok(_) if !file.exists() => Finding::ok("schema", format!("{} is not there; the first start makes it", file.display())),
        Ok(found) => schema("schema", found, settings),
        Err(error) => {
            Finding::fail("ledger", format!("{} cannot be read: {error}", file.display()), "is it a ledger, and this the server's user?")
        }
    }
}

async fn postgres(url: &str, settings: &Settings) -> Vec<Finding> {
    let asked_at = SystemClock.now();
    let checkup = match Checkup::of(url).await {
        Ok(checkup) => checkup,
        Err(error) => {
            let advice = "is the server up, and are host, port, user, password and database of WINDROW_DATABASE_URL right?";
            return vec![Finding::fail("ledger", format!("PostgreSQL does not answer: {error}"), advice)];
        }
    };
    let answered_at = SystemClock.now();
    vec![
        Finding::ok("ledger", format!("PostgreSQL {} answers", checkup.version)),
        schema("schema", checkup.schema, settings),
        clock("clock", "the database's", checkup.now, asked_at, answered_at),
        version(&checkup),
        durability(&checkup),
        connections(&checkup),
    ]
}

/// Where a schema stands.
pub(super) fn schema(check: &'static str, schema: Schema, settings: &Settings) -> Finding {
    let Schema { applied, latest } = schema;
    match settings.ledger.migrate {
        _ if applied > latest => Finding::ok(check, format!("at {applied}, newer than the {latest} of this release, which works on it")),
        _ if schema.is_up_to_date() => Finding::ok(check, format!("at {applied}, up to date")),
        Migrate::Auto => Finding::warn(check, format!("at {applied} of {latest}"), "the next start migrates it, or `windrow migrate` now"),
        Migrate::Check => {
            Finding::fail(check, format!("at {applied} of {latest}, and starts are refused (ledger.migrate)"), "run `windrow migrate`")
        }
    }
}

/// Whether a clock that was looked at between two looks at ours may be ours.
pub(super) fn clock(check: &'static str, whose: &str, theirs: Timestamp, asked_at: Timestamp, answered_at: Timestamp) -> Finding {
    let difference_ms = match (theirs.ms_since(asked_at), theirs.ms_since(answered_at)) {
        (behind_ms, _) if behind_ms < 0 => behind_ms,
        (_, ahead_ms) if ahead_ms > 0 => ahead_ms,
        _ => 0,
    };
    let side = if difference_ms < 0 { "ahead of" } else { "behind" };
    match difference_ms.abs() {
        0 => Finding::ok(check, format!("this machine's clock and {whose} agree")),
        apart_ms => {
            let detail = format!("this machine's clock is {apart_ms} ms {side} {whose}");
            if apart_ms <= CLOCK_DIFFERENCE_MS_MAX {
                Finding::ok(check, detail)
            } else {
                Finding::fail(check, detail, "let both machines follow the same time server")
            }
        }
    }
}

fn version(checkup: &Checkup) -> Finding {
    const CHECK: &str = "postgres.version";
    if checkup.version_number >= VERSION_MIN {
        return Finding::ok(CHECK, checkup.version.clone());
    }
    Finding::fail(CHECK, checkup.version.clone(), format!("use PostgreSQL {} or newer", VERSION_MIN / 10_000))
}

fn durability(checkup: &Checkup) -> Finding {
    const CHECK: &str = "postgres.durability";
    let Checkup { fsync, synchronous_commit, .. } = checkup;
    let detail = format!("fsync is {}, synchronous_commit is {synchronous_commit}", if *fsync { "on" } else { "off" });
    if *fsync && synchronous_commit != "off" {
        return Finding::ok(CHECK, detail);
    }
    Finding::fail(CHECK, detail, "set both to on: a job that was accepted with a 202 could be lost in a crash")
}

fn connections(checkup: &Checkup) -> Finding {
    const CHECK: &str = "postgres.connections";
    let Checkup { connections_max, connections_used, .. } = checkup;
    let detail =
        format!("{connections_used} of {connections_max} connections are in use; a process of ours takes up to {CONNECTIONS_PER_PROCESS}");
    if *connections_max >= PROCESSES_MIN * CONNECTIONS_PER_PROCESS {
        return Finding::ok(CHECK, detail);
    }
    let advice = format!("set max_connections to {} or more", PROCESSES_MIN * CONNECTIONS_PER_PROCESS);
    Finding::warn(CHECK, detail, advice)
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn clocks_may_be_two_seconds_apart() {
        let at = Timestamp::from_ms;
        for (theirs_ms, verdict) in
            [(1_000, Verdict::Ok), (1_030, Verdict::Ok), (3_050, Verdict::Ok), (3_051, Verdict::Fail), (-1_001, Verdict::Fail)]
        {
            assert_eq!(clock("clock", "the database's", at(theirs_ms), at(1_000), at(1_050)).verdict, verdict, "{theirs_ms}");
        }
    }
}
