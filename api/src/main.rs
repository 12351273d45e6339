//! `windrow-api`: the HTTP side of a cluster. Until the PostgreSQL ledger is built it says so and ends.

use std::process::ExitCode;

/// Usage or configuration, as in every binary of Windrow.
const EXIT_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    eprintln!(
        "windrow-api serves a PostgreSQL ledger, which this release does not have yet.\nStart everything in one process instead: windrow serve"
    );
    ExitCode::from(EXIT_CONFIGURATION)
}
