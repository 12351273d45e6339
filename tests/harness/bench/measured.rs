//! What was measured of a scenario, on its way to the report, and the waits and counts that the scenarios share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use super::{
    LedgerKind, Scenario,
    load::{Pace, Run},
    report::{Baseline, Line, Part, Percentiles, Spread, middle, spread},
    stage::Books,
    statistics::{Times, rounded},
};

/// The tenant beside the default one.
pub(super) const BESIDE: &str = "beside";
/// The most jobs that sustained submission may be ahead of completion by: then the backlog neither runs dry nor grows.
const AHEAD_MAX: u64 = 20_000;
/// How often completion is looked at while jobs are submitted.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a baseline may take for what it was given.
const BASELINE_MAX: Duration = Duration::from_secs(60);

/// What was measured in the rounds.
#[derive(Default)]
pub(super) struct Measured {
    /// Jobs per second, a round each.
    pub ours: Vec<f64>,
    /// The same of the bare pipeline.
    pub limit: Vec<f64>,
    /// Of the operation that `of` names.
    pub times: Times,
    /// Whose time that is.
    pub of: Option<&'static str>,
    /// The same operation of the bare pipeline.
    pub limit_times: Times,
    /// Of the wait for a final answer.
    pub until_final: Times,
    /// Other baselines.
    pub also: Vec<Baseline>,
    /// What the scenario tells apart.
    pub parts: Vec<Part>,
    /// What it is compared with, where that is not the bare pipeline.
    pub compared_with: Option<&'static str>,
    /// How many jobs were accepted, of the tenant `default`.
    pub accepted: u64,
    /// How many of the tenant that is only [`BESIDE`] it.
    pub beside: u64,
}

impl Measured {
    /// What is reported of it.
    pub(super) fn line(self, scenario: Scenario, ledger: LedgerKind) -> Line {
        let percentiles = self.times.p50_p99_ms().map(Percentiles::of);
        let latency = self.limit_times.p50_p99_ms().map(Percentiles::of);
        // At a given rate both do as many jobs: what tells them apart is the time. More is better here too.
        let ratio = match (latency, percentiles) {
            (Some(limit), Some(ours)) => limit.p50_ms / ours.p50_ms,
            _ => middle(&self.ours) / middle(&self.limit),
        };
        Line {
            scenario: scenario.to_string(),
            ledger: ledger.to_string(),
            jobs_per_s: middle(&self.ours),
            p50_ms: percentiles.map(|percentiles| percentiles.p50_ms),
            p99_ms: percentiles.map(|percentiles| percentiles.p99_ms),
            baseline: Baseline { name: self.compared_with.unwrap_or("limit").to_owned(), jobs_per_s: middle(&self.limit), latency },
            ratio: rounded(ratio),
            of: self.of.map(ToOwned::to_owned),
            also: self.also,
            until_final: self.until_final.p50_p99_ms().map(Percentiles::of),
            parts: self.parts,
            jobs: self.accepted + self.beside,
            spread: Spread { jobs_per_s: spread(&self.ours), baseline: spread(&self.limit) },
        }
    }

    /// Adds a part, if anything was timed.
    pub(super) fn part(&mut self, name: &str, times: Times) {
        self.parts.extend(Part::of(name, times));
    }

    /// Adds a round of submissions.
    pub(super) fn add(&mut self, run: Run) {
        self.ours.push(run.jobs_per_s());
        self.accepted += run.jobs;
        self.times.merge(run.calls);
    }

    /// Adds what apalis did per second.
    pub(super) fn also(&mut self, apalis: anyhow::Result<f64>) {
        match apalis {
            Ok(jobs_per_s) => self.also.push(Baseline { name: "apalis".to_owned(), jobs_per_s: middle(&[jobs_per_s]), latency: None }),
            Err(error) => without_apalis(&error),
        }
    }
}

/// Its failures are no failure of the run: at its defaults it gives up on a Redis that takes half a second to answer.
pub(super) fn without_apalis(error: &anyhow::Error) {
    eprintln!("apalis fails, and is left out: {error:#}");
}

/// Keeps callers from running ahead, who begin with `before` jobs submitted and completed.
pub(super) fn paced(before: u64, completed: &Arc<AtomicU64>) -> Pace {
    Pace { submitted: Arc::new(AtomicU64::new(before)), completed: completed.clone(), ahead_max: AHEAD_MAX }
}

/// How many jobs are completed by the books, looked up again and again while the tasks live.
pub(super) fn look_at(books: &Arc<Books>, before: u64) -> (Arc<AtomicU64>, JoinSet<()>) {
    let (completed, mut looking) = (Arc::new(AtomicU64::new(before)), JoinSet::new());
    let (books, seen) = (books.clone(), completed.clone());
    looking.spawn(async move {
        loop {
            // A look that fails is repeated; that nothing moves is noticed by the wait that follows.
            if let Ok(count) = books.completed().await {
                seen.store(count, Ordering::Relaxed);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    (completed, looking)
}

/// Waits until a baseline has completed so many jobs, or one of its tasks has failed.
pub(super) async fn until_completed(working: &mut JoinSet<anyhow::Result<()>>, completed: &AtomicU64, jobs: u64) -> anyhow::Result<()> {
    let give_up = Instant::now() + BASELINE_MAX;
    while completed.load(Ordering::Relaxed) < jobs {
        if let Some(ended) = working.try_join_next() {
            ended.context("the baseline")??;
        }
        ensure!(Instant::now() < give_up, "the baseline has completed {} of {jobs} jobs", completed.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Jobs per second of so many milliseconds.
pub(super) fn per_s(jobs: u64, ms: i64) -> f64 {
    jobs as f64 * 1_000.0 / ms.max(1) as f64
}

/// By the clock that the servers go by too, since they run on this machine.
pub(super) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
