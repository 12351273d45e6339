//! The command line: what can be said, and who does it.
//!
//! Every verb talks to a server over the HTTP API and to nothing else, but for `serve`, `migrate`, which has the ledger to
//! itself, and `doctor`, which looks at whatever the settings name.
//! Next: `commands/<verb>.rs`.

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use windrow_jobs::{process::logging, settings::Effective, tenant::TenantId};

use crate::{client::Client, commands, failure::Failure, output};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; a job that was waited for is completed
  1  the command failed, or the job it waited for is dead, cancelled or not final in time; a check of doctor
     failed; migrate --check found an older schema; schedules apply did not write all of its file; verify found
     something that does not fit
  2  wrong usage or configuration
  3  the server cannot be reached
  130  a second Ctrl-C or SIGTERM ended a server that was stopping

Settings come from the file named by WINDROW_CONFIG and from WINDROW_ variables; `windrow config` shows them.";

/// How long tasks that let go of nothing may hold up the end of the process.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Windrow: a durable, multi-tenant job platform. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "windrow", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The server's base URL [default: http://, then the address of WINDROW_LISTEN]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The API key [default: WINDROW_API_KEY, else the api-key file in the data folder]
    #[arg(long, global = true, value_name = "KEY")]
    pub key: Option<String>,
    /// The tenant that a platform key speaks for
    #[arg(long, global = true, value_name = "NAME")]
    pub tenant: Option<TenantId>,
    /// How to print
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: what the server answered
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run api, worker and scheduler in this process
    Serve,
    /// Start a server, run a job on it, and show how it goes
    Demo(commands::demo::Args),
    /// Submit a job
    Submit(commands::submit::Args),
    /// Show a job
    Get(commands::job::Id),
    /// List jobs, newest first
    List(commands::list::Args),
    /// Wait for a job to become final
    Wait(commands::wait::Args),
    /// Show a job's attempts, and why each ended
    Attempts(commands::job::Id),
    /// Show the files that a job made, with links to them
    Artifacts(commands::job::Id),
    /// Show what a job logged
    Logs(commands::job::Id),
    /// Ask for a job to stop
    Cancel(commands::job::Id),
    /// Send a dead or cancelled job back
    Redrive(commands::job::Id),
    /// Show the kinds of jobs, and what payload each takes
    Kinds(commands::kinds::Args),
    /// Show how everything is: components, the rung of the degradation ladder, the duties
    Status,
    /// Show the queues, pause them, set their limits
    Queues(commands::queues::Args),
    /// Make schedules, see what became of their fires, apply a file of them
    Schedules(commands::schedules::Args),
    /// Check that everything that was accepted is accounted for
    #[command(subcommand)]
    Audit(commands::audit::Audit),
    /// Show the settings in effect and where each came from
    Config(commands::config::Args),
    /// Check an archive that a build made, with its signature and provenance, without a server
    #[command(after_help = commands::verify::EXIT_CODES)]
    Verify(commands::verify::Args),
    /// Bring the ledger's schema up to date
    Migrate(commands::migrate::Args),
    /// Check everything that the installation stands on
    Doctor,
    /// Measure how fast it is here, beside the ceiling of the same run
    #[command(after_help = commands::bench::SCENARIOS)]
    Bench(commands::bench::Args),
}

/// Parses the command line and does what it says.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.output;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(anyhow::Error::new(error).context("starting the runtime")).report(format),
    };
    let done = runtime.block_on(execute(cli));
    runtime.shutdown_timeout(RUNTIME_END);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(format),
    }
}

async fn execute(mut cli: Cli) -> Result<(), Failure> {
    let effective = Effective::of_process()?;
    let command = cli.command.take().unwrap_or(Command::Serve);
    logging::start(&effective, matches!(command, Command::Serve))?;
    let format = cli.output;
    match command {
        Command::Serve => commands::serve::run(&effective, format).await,
        Command::Demo(args) => commands::demo::run(&args, &cli, &effective).await,
        Command::Config(args) => commands::config::run(&args, &effective, format),
        Command::Verify(args) => commands::verify::run(&args, &effective.settings, format),
        Command::Migrate(args) => commands::migrate::run(&args, &effective.settings, format).await,
        Command::Doctor => commands::doctor::run(&cli, &effective).await,
        Command::Bench(args) => commands::bench::run(&args, format).await,
        Command::Submit(args) => commands::submit::run(&args, &Client::of(&cli, &effective)?, format).await,
        Command::Get(id) => commands::job::get(&id, &Client::of(&cli, &effective)?, format).await,
        Command::List(args) => commands::list::run(&args, &Client::of(&cli, &effective)?, format).await,
        Command::Wait(args) => commands::wait::run(&args, &Client::of(&cli, &effective)?, format).await,
        Command::Attempts(id) => commands::job::attempts(&id, &Client::of(&cli, &effective)?, format).await,
        Command::Artifacts(id) => commands::job::artifacts(&id, &Client::of(&cli, &effective)?, format).await,
        Command::Status => commands::status::run(&Client::of(&cli, &effective)?, format).await,
        Command::Kinds(args) => commands::kinds::run(&args, &Client::of(&cli, &effective)?, format).await,
        Command::Logs(id) => commands::job::logs(&id, &Client::of(&cli, &effective)?, format).await,
        Command::Cancel(id) => commands::job::cancel(&id, &Client::of(&cli, &effective)?, format).await,
        Command::Redrive(id) => commands::job::redrive(&id, &Client::of(&cli, &effective)?, format).await,
        Command::Audit(audit) => commands::audit::run(audit, &Client::of(&cli, &effective)?, format).await,
        Command::Schedules(args) => commands::schedules::run(args, &Client::of(&cli, &effective)?, format).await,
        Command::Queues(args) => commands::queues::run(args, &Client::of(&cli, &effective)?, format).await,
    }
    .map_err(|failure| failure.with_origin(&effective))
    .inspect(|()| output::flush())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_verb() {
        for line in [["windrow", "--output", "json", "get", "7"], ["windrow", "get", "7", "--output", "json"]] {
            assert_eq!(Cli::try_parse_from(line).expect("it parses").output, Format::Json);
        }
        assert!(Cli::try_parse_from(["windrow"]).expect("it parses").command.is_none());
    }
}
