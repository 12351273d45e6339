//! A run under way: phase by phase, from where the ledger says that it is.
//!
//! The ledger keeps where it is with what was written, and refuses whoever no longer holds the run. A run that fails for good is ended with its
//! error; one that is interrupted is left as it is. Next: `read.rs`, `write.rs`, `finish.rs`.

use std::{collections::HashSet, time::Duration};

use super::{
    KIND,
    batch::Calls,
    elsewhere::Http,
    handler::{away, stopped},
    place::{At, Phase, Reach},
};
use crate::{
    handler::{Context, Outcome},
    job::JobError,
    kinds::Services,
    sync::{
        mapping::Mapping,
        state::{Counts, Fence, Policy, Progress, Run, Sync},
    },
};

/// The longest wait, whatever is asked.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// So often it is waited without a charge while nothing is done in between.
const WAITS_MAX: u32 = 20;

/// Runs that are looked at at once.
const RUNS_LOOKED_AT: usize = 100;

/// A run under way.
pub(super) struct Running<'a> {
    pub services: &'a Services,
    pub context: &'a Context,
    pub sync: Sync,
    pub run: Run,
    pub fence: Fence,
    pub policy: Policy,
    pub mapping: Mapping,
    /// What is sent elsewhere beside the record.
    pub calls: Option<Calls>,
    /// Where it is, and how the ledger has that.
    pub at: At,
    pub written: Option<String>,
    /// Keys of which it was told that they cannot be taken over, once; read again when they are needed.
    pub told: Option<HashSet<String>>,
    /// How far it was when this attempt began, and whether the job was told that it got further.
    begun: Reach,
    moved_on: bool,
    /// The way to a destination elsewhere, once it is needed.
    pub elsewhere: Option<Http>,
}

impl<'a> Running<'a> {
    pub(super) fn of(services: &'a Services, context: &'a Context, sync: Sync, run: Run) -> Result<Self, Outcome> {
        let fence = Fence { sync: sync.id, tenant: context.tenant.clone(), number: run.number, job: context.job, attempt: context.attempt };
        let at = match &run.place {
            None => At::start(sync.reads_all(run.full)),
            Some(place) => serde_json::from_str(place)
                .map_err(|error| Outcome::bury("place_unreadable", format!("where the run is was written by another program: {error}")))?,
        };
        let policy = Policy { delete: sync.definition.delete(), conflict: sync.definition.conflict };
        let mapping = Mapping::new(&sync.definition);
        let calls = sync.definition.destination.http.as_ref().map(Calls::of);
        let (written, begun) = (run.place.clone(), at.reach(&run.counts));
        Ok(Self {
            services,
            context,
            sync,
            run,
            fence,
            policy,
            mapping,
            calls,
            at,
            written,
            told: None,
            begun,
            moved_on: false,
            elsewhere: None,
        })
    }

    pub(super) async fn go(mut self) -> Result<Outcome, Outcome> {
        match &self.written {
            None if self.run.dry_run => self.context.info(format!("run {} begins; it only counts", self.run.number)),
            None => self.context.info(format!("run {} begins", self.run.number)),
            Some(_) => self.context.info(format!(
                "run {} goes on: {:?}, pass {}, after {} pages and {} records of it",
                self.run.number, self.at.phase, self.at.pass, self.at.pages, self.at.read
            )),
        }
        let phases = match self.trust().await {
            Ok(()) => self.phases().await,
            Err(outcome) => Err(outcome),
        };
        match phases {
            Ok(()) => {}
            Err(Outcome::Bury(error)) => {
                self.at.error = Some(error);
                self.enter(Phase::End).await?;
            }
            Err(outcome) if outcome == stopped() => return Err(outcome),
            Err(Outcome::Snooze(after)) => return self.wait(after.min(WAIT_MAX)).await,
            Err(Outcome::Retry { error, after }) => return Err(Outcome::Retry { error, after: after.map(|after| after.min(WAIT_MAX)) }),
            Err(outcome) => return Err(outcome),
        }
        self.end().await
    }

    /// Validators say that nothing changed since they were learned: of use only where no run came in between that wrote something else.
    async fn trust(&mut self) -> Result<(), Outcome> {
        let Some(since) = self.sync.since.clone().filter(|_| !self.at.all && self.has_validators()) else { return Ok(()) };
        let mut before = self.run.number;
        while before > since.run + 1 {
            let runs =
                self.context.ledger.sync_runs(&self.fence.tenant, self.fence.sync, Some(before), RUNS_LOOKED_AT).await.map_err(away)?;
            match runs.last() {
                Some(last) if runs.iter().all(|run| run.dry_run || run.number <= since.run) => before = last.number,
                _ => {
                    self.at.all = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Somebody asks it to wait. That costs nothing while the run gets on in between.
    async fn wait(mut self, after: Duration) -> Result<Outcome, Outcome> {
        if self.at.waits >= WAITS_MAX {
            let message = format!("it was told to wait {WAITS_MAX} times, and nothing was done in between");
            return Err(Outcome::Retry { error: JobError::new("provider_busy", message, true), after: Some(after) });
        }
        self.at.waits += 1;
        self.enter(self.at.phase).await?;
        Ok(Outcome::Snooze(after))
    }

    /// Tells the job once that this attempt got on, so that what those before it cost is forgiven.
    async fn got_on(&mut self) {
        if self.at.reach(&self.run.counts) <= self.begun {
            return;
        }
        self.at.waits = 0;
        if !self.moved_on {
            match self.context.recorder.moved_on().await {
                Ok(()) => self.moved_on = true,
                Err(error) => tracing::debug!(kind = KIND, %error, "that a run got on is told with its next page"),
            }
        }
    }

    async fn phases(&mut self) -> Result<(), Outcome> {
        loop {
            match self.at.phase {
                Phase::Read => self.read().await?,
                Phase::Verify => self.verify().await?,
                Phase::Sweep => self.sweep().await?,
                Phase::Assemble => self.assemble().await?,
                Phase::End => return Ok(()),
            }
        }
    }

    /// Another phase, or another pass.
    pub(super) async fn enter(&mut self, phase: Phase) -> Result<(), Outcome> {
        self.at.phase = phase;
        self.at.step += 1;
        let place = self.at.json();
        if !self.context.ledger.keep_place(&self.fence, &place).await.map_err(away)? {
            return Err(stopped());
        }
        self.written = Some(place);
        self.got_on().await;
        Ok(())
    }

    /// What a write that leads to this place says of itself.
    pub(super) fn progress(&self, at: &At, Numbers { pages, read, bytes }: Numbers) -> Progress {
        Progress { from: self.written.clone(), place: at.json(), pages, read, bytes }
    }

    /// A write was done.
    pub(super) async fn wrote(&mut self, counts: Option<Counts>, at: At) -> Result<(), Outcome> {
        self.run.counts = counts.ok_or_else(stopped)?;
        self.written = Some(at.json());
        self.at = at;
        self.got_on().await;
        let (failed, failed_max) = (self.run.counts.failed, self.sync.definition.limits.failed_max);
        if failed > failed_max {
            return Err(Outcome::bury("failed_max", format!("{failed} records failed, more than the {failed_max} allowed")));
        }
        Ok(())
    }

    /// Whoever is told to stop does so between two pages.
    pub(super) fn heed(&self) -> Result<(), Outcome> {
        if self.context.cancel.is_cancelled() { Err(stopped()) } else { Ok(()) }
    }
}

/// What a write adds to a run's counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    pub pages: u64,
    pub read: u64,
    pub bytes: u64,
}
