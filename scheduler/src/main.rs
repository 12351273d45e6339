//! `windrow-scheduler`: the duties as a process of their own.
//!
//! It needs PostgreSQL, which the next step of the ledger brings; until then the scheduler runs in `windrow serve`.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!("windrow-scheduler: this release keeps its ledger in SQLite, which one process holds; run `windrow serve`");
    ExitCode::from(2)
}
