//! `windrow bench`: how fast Windrow is, beside a bare pipeline of the same durable steps on the same servers at the same time.
//!
//! It starts real servers and the release binaries as processes, and checks by the ledger's audit that every job which was
//! accepted has been completed. A figure without its environment and its ceiling is not printed. docs/bench.md says how to
//! read them. Next: `bench/scenarios.rs`; the ceiling is `bench/limit.rs`.

mod apalis;
mod callers;
mod delayed;
mod environment;
mod http;
pub mod limit;
mod load;
mod measured;
pub mod report;
mod scenarios;
mod schedules;
mod servers;
mod stage;
mod statistics;
mod storm;

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use self::{report::Line, scenarios::Bench, servers::Servers};
use crate::server::current_binary;

/// What builds all that a bench runs.
pub const BUILD: &str = "cargo build --release --workspace --bins --features windrow/testkit";
/// The most jobs of a slice that have to be run to their end afterwards, and the backlog of a drain, unless asked otherwise.
const JOBS: u64 = 50_000;

/// The schedules of `schedules`, unless asked otherwise.
const SCHEDULES: u64 = 100_000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// One job per request, until accepted.
    Submit,
    /// A hundred.
    SubmitBatch,
    /// One job per call of the library, until committed.
    Enqueue,
    /// A hundred.
    EnqueueBatch,
    /// A backlog.
    Drain,
    /// Submission while workers complete.
    EndToEnd,
    /// Few jobs, each timed.
    Latency,
    /// Few jobs with a due time, and retries.
    Delayed,
    /// Very many jobs that are due at once, beside a few immediate ones.
    Storm,
    /// Very many schedules, of which a thousand fire in the same second.
    Schedules,
}

impl Scenario {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 10] = [
        Self::Submit,
        Self::SubmitBatch,
        Self::Enqueue,
        Self::EnqueueBatch,
        Self::Drain,
        Self::EndToEnd,
        Self::Latency,
        Self::Delayed,
        Self::Storm,
        Self::Schedules,
    ];
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Submit => "submit",
            Self::SubmitBatch => "submit-batch",
            Self::Enqueue => "enqueue",
            Self::EnqueueBatch => "enqueue-batch",
            Self::Drain => "drain",
            Self::EndToEnd => "end-to-end",
            Self::Latency => "latency",
            Self::Delayed => "delayed",
            Self::Storm => "storm",
            Self::Schedules => "schedules",
        })
    }
}

/// Over which ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerKind {
    /// `windrow serve`.
    Sqlite,
    /// A cluster, with Redis unless [`Options::redis`] says otherwise.
    Postgres,
}

impl fmt::Display for LedgerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Sqlite { "sqlite" } else { "postgres" })
    }
}

/// How much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The measured time of a scenario: half of it Windrow's, half the bare pipeline's.
    pub duration: Duration,
    /// In how many slices each.
    pub rounds: usize,
    /// A slice ends after so many jobs too; for a drain, its backlog; for a storm, how many are delayed; for `schedules`, how many there are.
    pub jobs: Option<u64>,
    /// Connections or calls at the same time.
    pub connections: usize,
    /// Worker processes of a cluster.
    pub workers: usize,
    /// Slots of each worker.
    pub slots: u32,
    /// Jobs per request of `end-to-end`.
    pub batch: u64,
    /// Jobs per second of `latency`, the delayed ones of `delayed`, the immediate ones of `storm`.
    pub rate: u32,
    /// Immediate jobs per second beside the delayed ones, in the loaded half of `delayed`.
    pub load: u32,
    /// Within how many milliseconds the jobs of `storm` are due.
    pub spread_ms: u32,
    /// Whether a cluster has Redis.
    pub redis: bool,
}

impl Options {
    /// How long a slice is.
    fn slice(&self) -> Duration {
        self.duration / 2 / u32::try_from(self.rounds.max(1)).unwrap_or(1)
    }

    fn backlog(&self) -> u64 {
        self.jobs.unwrap_or(JOBS)
    }

    fn schedules(&self) -> u64 {
        self.jobs.unwrap_or(SCHEDULES)
    }
}

/// What a run says as it goes.
#[derive(Debug)]
pub enum Said {
    /// What it is measured on.
    Environment(Value),
    /// What a reader of its figures should know.
    Warning(String),
    /// A scenario's figures.
    Line(Box<Line>),
}

/// Fails with the first binary that is missing or older than its sources.
pub fn check_built(ledgers: &[LedgerKind]) -> Result<(), String> {
    let cluster = ["windrow-api", "windrow-scheduler", "windrow-worker"].iter().filter(|_| ledgers.contains(&LedgerKind::Postgres));
    let standalone = ["windrow"].iter().filter(|_| ledgers.contains(&LedgerKind::Sqlite));
    for name in cluster.chain(standalone) {
        current_binary(name).map_err(|path| format!("{} is missing, or older than its sources: {BUILD}", path.display()))?;
    }
    Ok(())
}

/// Runs these scenarios over these ledgers. Whatever it has started ends with it, or when it is dropped.
pub async fn run(scenarios: &[Scenario], ledgers: &[LedgerKind], options: &Options, mut say: impl FnMut(Said)) -> anyhow::Result<()> {
    for kind in ledgers {
        let servers = Servers::start(*kind).await?;
        let environment = environment(&servers, options).await?;
        let warnings = environment::warnings(&environment);
        say(Said::Environment(environment));
        warnings.into_iter().for_each(|warning| say(Said::Warning(warning)));
        for scenario in scenarios {
            let bench = Bench { servers: &servers, options };
            say(Said::Line(Box::new(bench.measure(*scenario).await?)));
        }
    }
    Ok(())
}

async fn environment(servers: &Servers, options: &Options) -> anyhow::Result<Value> {
    let mut environment = environment::of_machine(servers.folder())?;
    environment["servers"] = servers.environment().await?;
    environment["generator_requests_per_s"] = http::ceiling(options.connections, &scenarios::job()).await?.round().into();
    environment["options"] = json!({
        "slice_ms": options.slice().as_millis() as u64,
        "rounds": options.rounds,
        "jobs_max": options.backlog(),
        "connections": options.connections,
        "workers": if servers.kind() == LedgerKind::Sqlite { 1 } else { options.workers },
        "slots": options.slots,
        "batch": options.batch,
        "rate": options.rate,
        "load": options.load,
        "spread_ms": options.spread_ms,
        "redis": options.redis && servers.kind() == LedgerKind::Postgres,
    });
    Ok(environment)
}
