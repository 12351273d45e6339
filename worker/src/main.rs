//! `windrow-worker`: runs the built-in kinds of a cluster, any number of them.

use std::process::ExitCode;

fn main() -> ExitCode {
    windrow_worker::cluster::run(windrow_jobs::kinds::handlers())
}
