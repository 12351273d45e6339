//! What really happened, kept by the test from the answers alone, and the rules that it must keep.
//!
//! It knows nothing of guards: an attempt begins with an answered claim, lives as long as answered heartbeats say,
//! and ends once, by the one whose ending was answered `true`. A row that stands otherwise is a violation.

use std::collections::BTreeMap;

use windrow_jobs::{
    clock::Timestamp,
    job::{Attempt, AttemptOutcome, Job, JobId, State},
    ledger::{Claimed, Held},
    lifecycle::{Change, Snapshot},
};

/// A broken rule, in words.
pub(super) type Violation = String;

/// Whose decision a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A worker's, of its attempt.
    Worker,
    /// The reaper's, who saw this lease.
    Reaper { saw_lease: Option<Timestamp> },
    /// An operator's request to stop.
    Canceller,
    /// An operator's request to begin again.
    Redriver,
}

/// What was done to the ledger, and what it answered.
pub(super) enum Deed<'d> {
    Claim { worker: &'static str, id: JobId, lease_ms: i64, answer: Option<&'d Claimed> },
    Heartbeat { id: JobId, attempt: u32, lease_ms: i64, answer: Option<Held> },
    Write { by: By, change: &'d Change, answer: bool },
    Promote,
    Reap,
}

/// Every job's story.
pub(super) struct Record(BTreeMap<JobId, Story>);

struct Story {
    /// The row as it stood after the last deed.
    row: Job,
    deadline: Option<Timestamp>,
    /// From the first on.
    attempts: Vec<Run>,
}

/// An attempt.
struct Run {
    worker: &'static str,
    lease_until: Timestamp,
    cancel_asked: bool,
    ended: Option<End>,
}

/// How an attempt ended, and who said so.
#[derive(Debug, Clone, Copy)]
enum End {
    Settled(AttemptOutcome),
    Reaped(AttemptOutcome),
}

impl End {
    const fn outcome(self) -> AttemptOutcome {
        match self {
            Self::Settled(outcome) | Self::Reaped(outcome) => outcome,
        }
    }
}

impl Record {
    /// Of jobs that nobody touched yet.
    pub(super) fn of(rows: Vec<Job>) -> Self {
        Self(rows.into_iter().map(|row| (row.id, Story { deadline: row.deadline, row, attempts: Vec::new() })).collect())
    }

    /// Where a job stood after the last deed.
    pub(super) fn state(&self, id: JobId) -> State {
        self.0[&id].row.state
    }

    /// Takes down what was done, and holds the rows that it left against the story.
    pub(super) fn take_down(&mut self, deed: &Deed<'_>, rows: Vec<Job>, now: Timestamp) -> Result<(), Violation> {
        let (known, found) = (self.0.len(), rows.len());
        rule(known == found, || format!("there were {known} jobs and now there are {found}"))?;
        for row in rows {
            let story = self.0.get_mut(&row.id).ok_or("a job came out of nothing")?;
            story.go_on(deed, &row, now)?;
            story.stands(&row)?;
            story.row = row;
        }
        Ok(())
    }

    /// Holds a job's attempts, as readers see them, against the story: each once, ended as it was answered.
    pub(super) fn has_attempts(&self, id: JobId, attempts: &[Attempt]) -> Result<(), Violation> {
        let told: Vec<_> = attempts.iter().map(|attempt| (attempt.attempt, attempt.worker.as_str(), attempt.outcome)).collect();
        let runs = (1..).zip(&self.0[&id].attempts);
        let happened: Vec<_> = runs.map(|(number, run)| (number, run.worker, run.ended.map(End::outcome))).collect();
        rule(told == happened, || format!("the attempts were {happened:?}, and readers see {told:?}"))
    }
}

impl Story {
    fn go_on(&mut self, deed: &Deed<'_>, row: &Job, now: Timestamp) -> Result<(), Violation> {
        match deed {
            Deed::Claim { worker, id, lease_ms, answer: Some(claimed) } if *id == row.id => {
                self.begins(worker, &claimed.snapshot, row, now.plus_ms(*lease_ms))
            }
            Deed::Heartbeat { id, attempt, lease_ms, answer } if *id == row.id => {
                self.is_held(*attempt, *answer, row, now.plus_ms(*lease_ms))
            }
            Deed::Write { by, change, answer: true } if change.id == row.id => self.changes(*by, change, row),
            Deed::Promote => self.waits(row, now),
            Deed::Reap => self.is_looked_after(row, now),
            _ => self.is_untouched(row),
        }
    }

    fn begins(&mut self, worker: &'static str, claimed: &Snapshot, row: &Job, lease_until: Timestamp) -> Result<(), Violation> {
        let next = self.row.attempt + 1;
        rule(self.row.state == State::Available, || format!("a {} job was claimed", self.row.state))?;
        rule((claimed.attempt, row.attempt) == (next, next), || format!("attempt {next} is claimed as {}", claimed.attempt))?;
        self.attempts.push(Run { worker, lease_until, cancel_asked: false, ended: None });
        Ok(())
    }

    fn is_held(&mut self, attempt: u32, answer: Option<Held>, row: &Job, lease_until: Timestamp) -> Result<(), Violation> {
        let run = self.attempts.get_mut(attempt as usize - 1).ok_or("a heartbeat of an attempt that never began")?;
        match (answer, run.ended) {
            (Some(held), None) => {
                run.lease_until = lease_until;
                rule(held.cancel_requested == run.cancel_asked, || format!("the worker heard of a cancel: {}", held.cancel_requested))
            }
            (None, Some(_)) => self.is_untouched(row),
            (Some(_), Some(end)) => Err(format!("attempt {attempt} was {end:?}, and its lease was renewed")),
            (None, None) => Err(format!("attempt {attempt} runs, and its worker heard that it is lost")),
        }
    }

    /// A change that was answered `true`.
    fn changes(&mut self, by: By, change: &Change, row: &Job) -> Result<(), Violation> {
        if let (By::Worker | By::Reaper { .. }, Ok(())) = (by, self.is_untouched(row)) {
            return self.stood_already(change);
        }
        let verdict = change.verdict.as_ref().map(|verdict| (verdict.outcome, verdict.reason));
        let decided = (change.state, change.cancel_requested, verdict.unwrap_or((self.row.outcome, self.row.reason)));
        let standing = (row.state, row.cancel_requested, (row.outcome, row.reason));
        rule(standing == decided, || format!("decided and answered `true`: {decided:?}; stands there: {standing:?}"))?;
        match by {
            By::Worker => self.ends(change, End::Settled),
            By::Reaper { saw_lease } => {
                self.lease_is(saw_lease)?;
                self.ends(change, End::Reaped)
            }
            By::Canceller => self.is_asked_to_stop(change),
            By::Redriver => self.begins_again(),
        }
    }

    /// An ending that was answered `true` and wrote nothing: this attempt must have ended so before.
    fn stood_already(&self, change: &Change) -> Result<(), Violation> {
        let number = change.guard.attempt;
        let ended = self.attempts.get(number as usize - 1).and_then(|run| run.ended);
        let claimed = change.verdict.as_ref().and_then(|verdict| verdict.outcome);
        let same = ended.map(End::outcome) == claimed;
        rule(same, || format!("attempt {number} was {ended:?}, and was told that its ending as {claimed:?} stands"))
    }

    /// The lease that the reaper saw is the one that the attempt has.
    fn lease_is(&self, seen: Option<Timestamp>) -> Result<(), Violation> {
        let lease = self.attempts.last().map(|run| run.lease_until);
        rule(lease == seen, || format!("reaped for a lease that ran until {seen:?}; it was renewed until {lease:?}"))
    }

    fn ends(&mut self, change: &Change, end: fn(AttemptOutcome) -> End) -> Result<(), Violation> {
        let (number, latest) = (change.guard.attempt, self.attempts.len());
        rule(number as usize == latest, || format!("an ending of attempt {number} was written while attempt {latest} is the latest"))?;
        let run = self.attempts.last_mut().ok_or("an attempt ended that never began")?;
        if let Some(end) = run.ended {
            return Err(format!("attempt {number} was {end:?}, and then ended again: {}", change.state));
        }
        let heeded = !run.cancel_asked || matches!(change.state, State::Cancelled | State::Completed);
        rule(heeded, || format!("a cancel was accepted while attempt {number} ran; the job is {}", change.state))?;
        let outcome = change.verdict.as_ref().and_then(|verdict| verdict.outcome).ok_or("an attempt ended without an outcome")?;
        run.ended = Some(end(outcome));
        Ok(())
    }

    fn is_asked_to_stop(&mut self, change: &Change) -> Result<(), Violation> {
        let before = self.row.state;
        rule(!before.is_final(), || format!("a {before} job was cancelled"))?;
        if before != State::Running {
            return rule(change.state == State::Cancelled, || format!("a cancel left a {before} job {}", change.state));
        }
        rule(change.state == State::Running, || format!("a cancel ended an attempt that runs: {}", change.state))?;
        self.attempts.last_mut().ok_or("a job runs without an attempt")?.cancel_asked = true;
        Ok(())
    }

    fn begins_again(&mut self) -> Result<(), Violation> {
        let before = self.row.state;
        rule(matches!(before, State::Dead | State::Cancelled), || format!("a {before} job was redriven"))?;
        self.deadline = None;
        Ok(())
    }

    /// Time alone moves a job that waits, and one that is past its deadline.
    fn waits(&self, row: &Job, now: Timestamp) -> Result<(), Violation> {
        let waiting = self.row.state.waits_for_time();
        let due = waiting && self.row.run_at <= now && row.state == State::Available;
        let waiting = waiting || self.row.state == State::Available;
        let expired = waiting && self.deadline.is_some_and(|deadline| deadline <= now) && row.state == State::Dead;
        if due || expired { Ok(()) } else { self.is_untouched(row) }
    }

    /// The ledger's own reaper ends what ran out, all of it and nothing else.
    fn is_looked_after(&mut self, row: &Job, now: Timestamp) -> Result<(), Violation> {
        let Some(run) = self.attempts.last_mut().filter(|run| run.ended.is_none() && run.lease_until <= now) else {
            return self.is_untouched(row);
        };
        rule(row.state != State::Running, || format!("nobody ends attempt {}, whose lease ran until {:?}", row.attempt, run.lease_until))?;
        let heeded = !run.cancel_asked || row.state == State::Cancelled;
        rule(heeded, || format!("a cancel was accepted while attempt {} ran; the job is {}", row.attempt, row.state))?;
        rule(row.state != State::Completed, || format!("attempt {} was reaped and is completed", row.attempt))?;
        run.ended = Some(End::Reaped(row.outcome.ok_or("an attempt was reaped without an outcome")?));
        Ok(())
    }

    fn is_untouched(&self, row: &Job) -> Result<(), Violation> {
        let (before, after) = (format!("{:?}", self.row), format!("{row:?}"));
        rule(before == after, || format!("changed by nobody whose write was taken, from\n  {before}\nto\n  {after}"))
    }

    /// What holds at every moment.
    fn stands(&self, row: &Job) -> Result<(), Violation> {
        let (attempt, begun) = (row.attempt as usize, self.attempts.len());
        rule(attempt == begun, || format!("{begun} attempts began, and the job is at {attempt}"))?;
        rule(row.deadline == self.deadline, || format!("the deadline is {:?}, not {:?}", row.deadline, self.deadline))?;
        rule(row.finished_at.is_some() == row.state.is_final(), || format!("{} at {:?}", row.state, row.finished_at))?;
        let running = self.attempts.last().filter(|run| run.ended.is_none());
        rule(running.is_some() == (row.state == State::Running), || {
            format!("{}, and attempt {attempt} ended: {}", row.state, running.is_none())
        })?;
        let lease_until = running.map(|run| run.lease_until);
        rule(row.lease_until == lease_until, || format!("the lease runs until {:?}, not {lease_until:?}", row.lease_until))?;
        let Some(run) = running else { return Ok(()) };
        rule(row.cancel_requested == run.cancel_asked, || {
            format!("a cancel was accepted: {}; the row says {}", run.cancel_asked, row.cancel_requested)
        })
    }
}

/// A rule, and what to say where it does not hold.
fn rule(holds: bool, otherwise: impl FnOnce() -> Violation) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
