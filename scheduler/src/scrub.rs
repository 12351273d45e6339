//! The duty `scrub`: walks through the ledger, some jobs a second, and puts back side rows that are missing. None ever should
//! be: each repair is a bug, counted and told.
//!
//! An available job needs no row, since its lane's index holds it; but the planner reads that index only where it does not
//! think to know a lane to its end. So the jobs come before the planner, and one that it misses twice, longer apart than news
//! takes through the feed, is announced anew: the planner keeps sets, so at worst it hears what it knows.
//!
//! Its lag: for how long the walk under way has been.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use windrow_jobs::{
    clock::{Clock, Timestamp},
    job::JobId,
    ledger::{ReadyJob, Result},
};

use crate::{
    DutyLedger, Scheduler,
    duty::{Acted, Duty},
};

/// Jobs looked at in one go: a hundredth of two hundred thousand, for a few milliseconds of the ledger's time.
const JOBS_MAX: usize = 2_000;
/// How often some are looked at.
const LOOK_EVERY_MS: i64 = 1_000;
/// News of a job may be under way for this long: twice the time by which the feed's floor trails.
const NEWS_MS: i64 = 10_000;
/// Jobs that the planner misses, kept to be asked about again; the next walk comes across those beyond.
const SUSPECTS_MAX: usize = 10_000;

/// Jobs that the ledger holds available, for the planner to say which of them it misses.
pub(crate) struct Ask {
    pub(crate) jobs: Vec<ReadyJob>,
    pub(crate) missed: oneshot::Sender<Vec<ReadyJob>>,
}

pub(crate) struct Scrub {
    ledger: Arc<dyn DutyLedger>,
    clock: Arc<dyn Clock>,
    planner: mpsc::Sender<Ask>,
    /// Where the walk goes on.
    after: Option<JobId>,
    began_at: Timestamp,
    /// Jobs that the planner missed, and when that was seen.
    suspects: Vec<(Timestamp, ReadyJob)>,
}

impl Scrub {
    pub(crate) fn new(scheduler: &Scheduler, planner: mpsc::Sender<Ask>) -> Self {
        let (ledger, clock) = (scheduler.ledger.clone(), scheduler.clock.clone());
        let began_at = clock.now();
        Self { ledger, clock, planner, after: None, began_at, suspects: Vec::new() }
    }

    /// Which of these jobs the planner misses; none where it has none to answer.
    async fn missed(&self, jobs: Vec<ReadyJob>) -> Vec<ReadyJob> {
        if jobs.is_empty() {
            return jobs;
        }
        let (missed, answer) = oneshot::channel();
        let asked = self.planner.send(Ask { jobs, missed }).await;
        // A planner that begins anew drops what it was asked; the next walk asks again.
        if asked.is_ok() { answer.await.unwrap_or_default() } else { Vec::new() }
    }

    /// Announces those whose news is due and that the planner misses still.
    async fn announce(&mut self, now: Timestamp) -> Result<()> {
        let due = self.suspects.extract_if(.., |(seen_at, _)| now.ms_since(*seen_at) >= NEWS_MS).map(|(_, job)| job).collect();
        let missed = self.missed(due).await;
        if !missed.is_empty() {
            let announced = self.ledger.announce(missed).await?;
            repaired("planner", announced);
        }
        Ok(())
    }
}

#[async_trait]
impl Duty for Scrub {
    const NAME: &'static str = "scrub";

    async fn act(&mut self) -> Result<Acted> {
        let now = self.clock.now();
        self.announce(now).await?;
        if self.after.is_none() {
            self.began_at = now;
        }
        let scrubbed = self.ledger.scrub(self.after, JOBS_MAX).await?;
        repaired("delayed", scrubbed.delayed);
        repaired("lease", scrubbed.leases);
        metrics::counter!("windrow_scrub_jobs_total").increment(scrubbed.jobs);
        let mut missed = self.missed(scrubbed.ready).await;
        missed.retain(|job| !self.suspects.iter().any(|(_, suspect)| suspect.id == job.id));
        missed.truncate(SUSPECTS_MAX.saturating_sub(self.suspects.len()));
        self.suspects.extend(missed.into_iter().map(|job| (now, job)));
        self.after = scrubbed.next;
        Ok(Acted { sleep_ms: LOOK_EVERY_MS, lag_ms: now.ms_since(self.began_at) })
    }
}

fn repaired(cover: &'static str, rows: u64) {
    metrics::counter!("windrow_scrub_repairs_total", "cover" => cover).increment(rows);
    if rows > 0 {
        tracing::warn!(cover, rows, "side rows were missing and are put back: this is a bug, please report it");
    }
}
