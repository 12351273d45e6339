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
    windrow_jobs::renderer::answer_if_asked().unwrap_or_else(cli::run)
}
