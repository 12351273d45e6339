//! `windrow-worker`: the worker as a process of their own.
//!
//! It needs PostgreSQL, which the next step of the ledger brings; until then the worker runs in `windrow serve`.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!("windrow-worker: this release keeps its ledger in SQLite, which one process holds; run `windrow serve`");
    ExitCode::from(2)
}
