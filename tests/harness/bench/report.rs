//! What is said of a scenario: a JSON line for programs, a row of a table for people.

use serde::{Deserialize, Serialize};

use super::statistics::{Times, median, rounded};

/// The figures of one scenario over one ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// Which.
    pub scenario: String,
    /// `sqlite` or `postgres`.
    pub ledger: String,
    /// The median of the rounds.
    pub jobs_per_s: f64,
    /// Of the operation that `of` names, over all rounds; null where there is none.
    pub p50_ms: Option<f64>,
    /// The same.
    pub p99_ms: Option<f64>,
    /// What it is compared with.
    pub baseline: Baseline,
    /// Ours by the baseline's.
    pub ratio: f64,
    /// Whose time p50 and p99 are.
    pub of: Option<String>,
    /// Other baselines of the same run.
    pub also: Vec<Baseline>,
    /// The same percentiles of other operations of the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_final: Option<Percentiles>,
    /// The same percentiles of what the scenario tells apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Jobs that were accepted, all of which the ledger's audit found completed.
    pub jobs: u64,
    /// The slowest and the fastest round, of ours and of the baseline.
    pub spread: Spread,
}

/// A baseline's figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Baseline {
    /// `limit` or `apalis`; `immediate` and `calm` are Windrow itself without what is measured.
    pub name: String,
    /// The median of the rounds.
    pub jobs_per_s: f64,
    /// Its latency, where that is what the scenario is about.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
}

/// The middle, and what one in a hundred exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// The middle.
    pub p50_ms: f64,
    /// What one in a hundred exceeds.
    pub p99_ms: f64,
}

/// A part of what was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// Which.
    pub name: String,
    /// How many were timed.
    pub timed: u64,
    /// Their percentiles.
    #[serde(flatten)]
    pub latency: Percentiles,
    /// The longest.
    pub most_ms: f64,
}

/// Jobs per second of the slowest round, then of the fastest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Spread {
    /// Ours.
    pub jobs_per_s: (f64, f64),
    /// The baseline's.
    pub baseline: (f64, f64),
}

impl Part {
    /// Of these times; none where there are none.
    pub(super) fn of(name: &str, times: Times) -> Option<Self> {
        let (timed, most_ms) = (times.len() as u64, rounded(times.most_ms()?));
        Some(Self { name: name.to_owned(), timed, latency: Percentiles::of(times.p50_p99_ms()?), most_ms })
    }
}

impl Percentiles {
    /// As reported.
    pub(super) fn of((p50_ms, p99_ms): (f64, f64)) -> Self {
        Self { p50_ms: rounded(p50_ms), p99_ms: rounded(p99_ms) }
    }
}

/// The median of the rounds as it is reported.
pub(super) fn middle(rounds: &[f64]) -> f64 {
    median(rounds).map_or(0.0, rounded)
}

/// The slowest and the fastest round.
pub(super) fn spread(rounds: &[f64]) -> (f64, f64) {
    let (least, most) = rounds.iter().fold((f64::MAX, 0.0), |(least, most), round| (round.min(least), round.max(most)));
    (rounded(least), rounded(most))
}

/// The head of the table.
pub const HEADS: [&str; 9] = ["SCENARIO", "LEDGER", "JOBS/S", "MIN–MAX", "P50 MS", "P99 MS", "BASELINE", "JOBS/S", "RATIO"];

impl Line {
    /// The cells of a row.
    pub fn row(&self) -> Vec<String> {
        let time = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2}"));
        vec![
            self.scenario.clone(),
            self.ledger.clone(),
            format!("{:.0}", self.jobs_per_s),
            format!("{:.0}–{:.0}", self.spread.jobs_per_s.0, self.spread.jobs_per_s.1),
            time(self.p50_ms),
            time(self.p99_ms),
            self.baseline.name.clone(),
            format!("{:.0}", self.baseline.jobs_per_s),
            format!("{:.2}", self.ratio),
        ]
    }

    /// What does not fit into the row.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        remarks.extend(self.of.as_ref().map(|of| format!("p50 and p99: {of}")));
        remarks.extend(
            self.until_final
                .map(|until| format!("until final, as a waiting client hears it: p50 {:.2} ms, p99 {:.2} ms", until.p50_ms, until.p99_ms)),
        );
        for Part { name, timed, latency, most_ms } in &self.parts {
            remarks
                .push(format!("{name}: p50 {:.2} ms, p99 {:.2} ms, at most {most_ms:.2} ms, of {timed}", latency.p50_ms, latency.p99_ms));
        }
        for baseline in std::iter::once(&self.baseline).filter(|baseline| baseline.latency.is_some()).chain(&self.also) {
            let latency = baseline
                .latency
                .map_or_else(String::new, |latency| format!(", p50 {:.2} ms, p99 {:.2} ms", latency.p50_ms, latency.p99_ms));
            remarks.push(format!("{}: {:.0} jobs/s{latency}", baseline.name, baseline.jobs_per_s));
        }
        remarks.push(format!("{} jobs, all accounted for", self.jobs));
        remarks
    }
}
