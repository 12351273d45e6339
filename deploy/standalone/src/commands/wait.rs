//! `windrow wait`: until a job is final.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    cli::Format,
    client::{Client, check_completed},
    failure::Failure,
    output,
};

/// For what, and for how long.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job's id
    id: String,
    /// Give up after this many seconds [default: never]
    #[arg(long, value_name = "SECONDS")]
    timeout_s: Option<u64>,
}

/// Waits, prints the job, and fails unless it is completed.
pub async fn run(args: &Args, client: &Client, format: Format) -> Result<(), Failure> {
    let until = args.timeout_s.map(|timeout_s| Instant::now() + Duration::from_secs(timeout_s));
    let reply = client.follow(&args.id, until, |_| {}).await?;
    let job = reply.json();
    output::answer(format, &reply.body, || output::job_lines(&job));
    check_completed(&job)
}
