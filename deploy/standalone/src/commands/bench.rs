//! `windrow bench`: how fast it is on this machine, beside the ceiling of the same run.
//!
//! The measuring is the tests' harness, which starts real servers; it is linked only with cargo feature `testkit`.
//! Without it, and in a debug build, the verb says what to build. docs/bench.md says how to read the figures.

use clap::ValueEnum;

use crate::{cli::Format, failure::Failure};

/// What builds a `windrow` that measures, and the processes that it starts.
const BUILD: &str = "cargo build --release --workspace --bins --features windrow/testkit";

/// What the scenarios are, below the options in the help.
pub const SCENARIOS: &str = "\
Scenarios (jobs of the kind echo with a payload of about 200 bytes; each job is committed with fsync):
  submit         one job per POST on kept-alive connections, until its 202; p50 and p99 of the request
  submit-batch   the same with a hundred jobs per POST
  enqueue        one job per call of the library, no HTTP, callers sharing commits; p50 and p99 of the call
  enqueue-batch  the same with a hundred jobs per call
  drain          a backlog is there when the workers start: from the first claim to the last completion
  end-to-end     POSTs (of --batch jobs) while workers complete them: from the first POST to the last completion
  latency        one job per POST, --rate per second: p50 and p99 from the POST to the start of its handler; the ratio is that of the
                 p50s, the ceiling's by ours
  delayed        --rate jobs per second, a third each due in 1 to 5 s, due in 50 to 500 ms, and failing once: p50 and p99 from run_at to
                 the start of the handler, then the same beside --load immediate jobs per second; the ratio is that of the p50s,
                 immediate jobs' from their POST to their start by ours
  storm          --jobs delayed jobs are due within --spread-ms, beside --rate immediate ones per second: p50 and p99 of these from
                 the POST to the start, before and during the storm; how many are promoted per second
  schedules      --jobs schedules (100000) are spread over a year, and 1000 more are due in the same second, as often as there are
                 rounds: p50 and p99 from their instant to the start of the handler, beside those to the decision; and what a look of
                 the scheduler takes with few and with all of them
  all            each of them

Beside each of the others, in the same run: `limit`, a bare pipeline of the same durable steps on the same servers, and, where it
has such a thing, `apalis`, raw apalis-redis at its defaults. Afterwards the ledger's audit must find every accepted job completed.

With --json stdout has a line per scenario and nothing else; the environment is a line on stderr.

Exit codes:
  0  measured; every job is accounted for
  1  a job is missing, or something failed
  2  a debug build, a binary that is missing or older than its sources, or wrong usage";

/// What to measure, and how much of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to measure
    #[arg(required = true, value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// Over which ledger: windrow serve, or a cluster with PostgreSQL and Redis; both if separated by a comma
    #[arg(long, required = true, value_enum, value_delimiter = ',')]
    ledger: Vec<Ledger>,
    /// Print a JSON line per scenario, as --output json does
    #[arg(long)]
    json: bool,
    /// Seconds that are measured of a scenario: half of them Windrow's, half the ceiling's
    #[arg(long, value_name = "SECONDS", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    duration_s: u32,
    /// Slices in which Windrow and the ceiling take turns; the medians are reported
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// End a slice after so many jobs too; of a drain, its backlog; of a storm, what is delayed; of schedules, their number [default: 50000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    jobs: Option<u64>,
    /// Requests or calls at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    connections: u32,
    /// Worker processes of a cluster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Slots of each worker
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    slots: u32,
    /// Jobs per POST of end-to-end
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: u64,
    /// Jobs per second of latency, of delayed, and immediate ones of storm: by default so few that each is alone
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Immediate jobs per second of delayed, in its loaded half
    #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    load: u32,
    /// Milliseconds within which a storm is due
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    spread_ms: u32,
    /// Measure a cluster without Redis
    #[arg(long)]
    without_redis: bool,
}

/// A scenario's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    Submit,
    SubmitBatch,
    Enqueue,
    EnqueueBatch,
    Drain,
    EndToEnd,
    Latency,
    Delayed,
    Storm,
    Schedules,
    All,
}

/// A ledger's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ledger {
    Sqlite,
    Postgres,
}

/// Measures, or says what to build first.
pub async fn run(args: &Args, format: Format) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        return Err(Failure::Usage(format!(
            "this is a debug build, whose figures mean nothing: {BUILD}, then target/release/windrow bench"
        )));
    }
    let format = if args.json { Format::Json } else { format };
    measure(args, format).await
}

#[cfg(not(feature = "testkit"))]
#[expect(clippy::unused_async, reason = "the other one waits")]
async fn measure(_: &Args, _: Format) -> Result<(), Failure> {
    Err(Failure::Usage(format!("this build cannot measure: {BUILD}, then target/release/windrow bench")))
}

#[cfg(feature = "testkit")]
use self::testkit::measure;

#[cfg(feature = "testkit")]
mod testkit {
    use std::time::Duration;

    use anyhow::anyhow;
    use serde_json::{Value, json};
    use tokio::sync::mpsc;
    use windrow_tests::bench::{self, LedgerKind, Options, Said, report};

    use super::{Args, Ledger, Scenario};
    use crate::{
        cli::Format,
        failure::Failure,
        output::{self, text},
    };

    pub(super) async fn measure(args: &Args, format: Format) -> Result<(), Failure> {
        let (scenarios, ledgers) = (scenarios(args), ledgers(args));
        bench::check_built(&ledgers).map_err(Failure::Usage)?;
        let options = options(args);
        let (say, mut said) = mpsc::unbounded_channel();
        // A task of its own: the harness panics where a server does not start, and that is a failure like others.
        let mut running = tokio::spawn(async move {
            let say = |what| drop(say.send(what));
            bench::run(&scenarios, &ledgers, &options, say).await
        });
        let mut lines = Vec::new();
        let ended = loop {
            tokio::select! {
                biased;
                Some(what) = said.recv() => print(what, format, &mut lines),
                ended = &mut running => break ended,
                _ = tokio::signal::ctrl_c() => {
                    // What it has started ends as the task's own variables are dropped.
                    running.abort();
                    let _ = running.await;
                    return Err(Failure::Job("interrupted".into()));
                }
            }
        };
        while let Ok(what) = said.try_recv() {
            print(what, format, &mut lines);
        }
        if format == Format::Text && !lines.is_empty() {
            let rows: Vec<_> = lines.iter().map(report::Line::row).collect();
            output::line("");
            output::table(&report::HEADS, &rows).iter().for_each(|line| output::line(line));
        }
        ended.map_err(|panic| anyhow!(panic).context("measuring"))?.map_err(Failure::Other)
    }

    fn print(said: Said, format: Format, lines: &mut Vec<report::Line>) {
        match (said, format) {
            (Said::Environment(environment), Format::Json) => output::complain(&json!({ "environment": environment }).to_string()),
            (Said::Environment(environment), Format::Text) => flat("", &environment).iter().for_each(|line| output::line(line)),
            (Said::Warning(warning), _) => output::complain(&format!("warning: {warning}")),
            (Said::Line(line), Format::Json) => output::line(&serde_json::to_string(&*line).unwrap_or_default()),
            (Said::Line(line), Format::Text) => {
                output::line(&format!("\n{} over {}", line.scenario, line.ledger));
                let rows = [line.row()];
                output::table(&report::HEADS, &rows).iter().for_each(|text| output::line(&format!("  {text}")));
                line.remarks().iter().for_each(|remark| output::line(&format!("  {remark}")));
                lines.push(*line);
            }
        }
    }

    /// An object as lines, nested names joined by dots.
    fn flat(prefix: &str, value: &Value) -> Vec<String> {
        let Value::Object(fields) = value else {
            return vec![format!("{prefix:<32} {}", text(value))];
        };
        fields
            .iter()
            .flat_map(|(name, value)| flat(&if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") }, value))
            .collect()
    }

    fn scenarios(args: &Args) -> Vec<bench::Scenario> {
        let named = args.scenarios.iter().flat_map(|scenario| match scenario {
            Scenario::Submit => vec![bench::Scenario::Submit],
            Scenario::SubmitBatch => vec![bench::Scenario::SubmitBatch],
            Scenario::Enqueue => vec![bench::Scenario::Enqueue],
            Scenario::EnqueueBatch => vec![bench::Scenario::EnqueueBatch],
            Scenario::Drain => vec![bench::Scenario::Drain],
            Scenario::EndToEnd => vec![bench::Scenario::EndToEnd],
            Scenario::Latency => vec![bench::Scenario::Latency],
            Scenario::Delayed => vec![bench::Scenario::Delayed],
            Scenario::Storm => vec![bench::Scenario::Storm],
            Scenario::Schedules => vec![bench::Scenario::Schedules],
            Scenario::All => bench::Scenario::ALL.to_vec(),
        });
        named.collect()
    }

    fn ledgers(args: &Args) -> Vec<LedgerKind> {
        let named = args.ledger.iter().map(|ledger| match ledger {
            Ledger::Sqlite => LedgerKind::Sqlite,
            Ledger::Postgres => LedgerKind::Postgres,
        });
        named.collect()
    }

    fn options(args: &Args) -> Options {
        Options {
            duration: Duration::from_secs(args.duration_s.into()),
            rounds: args.rounds as usize,
            jobs: args.jobs,
            connections: args.connections as usize,
            workers: args.workers as usize,
            slots: args.slots,
            batch: args.batch,
            rate: args.rate,
            load: args.load,
            spread_ms: args.spread_ms,
            redis: !args.without_redis,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_this_crate_tells_to_build_is_what_the_harness_asks_for() {
            assert_eq!(super::super::BUILD, bench::BUILD);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches};

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        let command = Args::augment_args(clap::Command::new("bench"));
        Args::from_arg_matches(&command.try_get_matches_from(line.split(' '))?)
    }

    #[test]
    fn scenarios_ledgers_and_options_are_parsed() {
        let args = parse("bench submit end-to-end --ledger sqlite,postgres --duration-s 4 --rounds 2 --rate 2000").expect("it parses");
        assert_eq!(args.scenarios, [Scenario::Submit, Scenario::EndToEnd]);
        assert_eq!(args.ledger, [Ledger::Sqlite, Ledger::Postgres]);
        assert_eq!((args.duration_s, args.rounds, args.rate, args.jobs), (4, 2, 2_000, None));
        for wrong in
            ["bench", "bench submit", "bench --ledger sqlite", "bench sing --ledger sqlite", "bench drain --ledger sqlite --rounds 0"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_scenario_is_explained() {
        for scenario in Scenario::value_variants() {
            let value = scenario.to_possible_value().expect("none is hidden");
            assert!(SCENARIOS.lines().any(|line| line.trim_start().starts_with(&format!("{} ", value.get_name()))), "{scenario:?}");
        }
    }
}
