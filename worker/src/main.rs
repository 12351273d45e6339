//! `windrow-worker`: runs the built-in kinds of a cluster, any number of them.

use std::process::ExitCode;

use windrow_jobs::{kinds, outbound::Outbound};

fn main() -> ExitCode {
    windrow_worker::cluster::run_with(|settings| Ok(kinds::handlers(&Outbound::new(settings.outbound.allow_hosts.clone())?)))
}
