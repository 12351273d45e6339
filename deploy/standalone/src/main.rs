//! `windrow`: everything in one process, and the command line. Wiring only; start at `cli.rs`.

mod cli;
mod client;
mod commands;
mod failure;
mod key;
mod output;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
