//! The life of a job: every transition there is, decided here and nowhere else. Pure.
//!
//! A decision takes what the ledger said of a job (a [`Snapshot`]) and what happened, and returns a
//! [`Change`] or a [`Refusal`]. A change names everything the decision looked at (its [`Guard`]); the
//! ledger writes it only where that still holds. Whoever is refused reads again and decides again.
//! The state diagram is in ARCHITECTURE.md. Next on a job's path: `ledger/mod.rs`.

use crate::{
    backoff::Backoff,
    clock::Timestamp,
    job::{AttemptOutcome, JobError, JobId, Reason, State},
};

/// A job that took this many workers down is not given to another.
pub const CRASHES_MAX: u32 = 3;

/// What a decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The job.
    pub id: JobId,
    /// Where it stands.
    pub state: State,
    /// How many times it was claimed.
    pub attempt: u32,
    /// How many of the attempts are not charged.
    pub forgiven: u32,
    /// How many attempts ended without an outcome.
    pub crashes: u32,
    /// How many charged attempts it has.
    pub max_attempts: u32,
    /// Whether its running handler was asked to stop.
    pub cancel_requested: bool,
    /// When it may run.
    pub run_at: Timestamp,
    /// After this it is not started any more.
    pub deadline: Option<Timestamp>,
    /// Until when the holder may write.
    pub lease_until: Option<Timestamp>,
}

impl Snapshot {
    const fn charged(&self) -> u32 {
        self.attempt.saturating_sub(self.forgiven)
    }

    const fn exhausted(&self) -> bool {
        self.charged() >= self.max_attempts
    }

    fn deadline_passed(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// As it stands once its running attempt has kept something that no other has to do again: what the attempts before cost is forgiven, and
    /// only this one counts.
    #[must_use]
    pub const fn moved_on(self) -> Self {
        let before = self.attempt.saturating_sub(1);
        Self { forgiven: if self.forgiven > before { self.forgiven } else { before }, crashes: 0, ..self }
    }

    const fn guard(&self) -> Guard {
        Guard { state: self.state, attempt: self.attempt, cancel_requested: self.cancel_requested, lease_until: None }
    }

    /// A change to `state` that touches nothing else.
    const fn change_to(&self, state: State) -> Change {
        Change {
            id: self.id,
            guard: self.guard(),
            state,
            delay_ms: None,
            forgiven: self.forgiven,
            crashes: self.crashes,
            cancel_requested: self.cancel_requested,
            lifts_deadline: false,
            verdict: None,
        }
    }
}

/// What a change depends on: it is written only where all of this still holds.
///
/// Every part is needed: with any one left out, a seeded interleaving of settle, reap, cancel and redrive
/// breaks an invariant (`tests/it/interleaving.rs` removes them one at a time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The state that was seen.
    pub state: State,
    /// The attempt that was seen: the fencing token.
    pub attempt: u32,
    /// The cancel request that was seen.
    pub cancel_requested: bool,
    /// For the reaper: the lease that was seen to have run out.
    pub lease_until: Option<Timestamp>,
}

/// A decided transition, to be written where its guard holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The job.
    pub id: JobId,
    /// What must still hold.
    pub guard: Guard,
    /// Where it goes.
    pub state: State,
    /// `run_at` becomes the ledger's now plus this; none keeps it.
    pub delay_ms: Option<i64>,
    /// The uncharged attempts from now on.
    pub forgiven: u32,
    /// The crashes from now on.
    pub crashes: u32,
    /// Whether its handler is asked to stop.
    pub cancel_requested: bool,
    /// Whether the deadline is taken off.
    pub lifts_deadline: bool,
    /// What is recorded; none keeps what stands there.
    pub verdict: Option<Verdict>,
}

impl Change {
    /// Whether this ends the running attempt.
    pub fn ends_attempt(&self) -> bool {
        self.guard.state == State::Running && self.state != State::Running
    }
}

/// How the latest attempt, or the job without one, ended. The default clears the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// How the attempt ended; none where no attempt ran.
    pub outcome: Option<AttemptOutcome>,
    /// Why.
    pub reason: Option<Reason>,
    /// What went wrong.
    pub error: Option<JobError>,
    /// What the handler returned, as JSON text.
    pub result: Option<String>,
}

impl Verdict {
    fn of(outcome: impl Into<Option<AttemptOutcome>>, reason: Reason, error: Option<JobError>) -> Self {
        Self { outcome: outcome.into(), reason: Some(reason), error, result: None }
    }
}

/// Why there is nothing to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The job is not running, or another attempt of it is.
    #[error("the attempt is over")]
    AttemptOver,
    /// The job is in a final state.
    #[error("the job has ended")]
    Final,
    /// The job is not in a final state, or is completed.
    #[error("only a dead or cancelled job can be redriven")]
    NotRedrivable,
    /// Its time has not come, or it waits for none.
    #[error("the job is not due")]
    NotDue,
    /// The lease is still good.
    #[error("the lease has not run out")]
    LeaseHeld,
    /// A cancel was requested before.
    #[error("a cancel was already requested")]
    AlreadyRequested,
}

/// How an attempt ended, as the worker saw it.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The handler finished, with its result as JSON text.
    Done(String),
    /// The handler failed and may be tried again, not before `after_ms` if that is given.
    Retry {
        /// What went wrong.
        error: JobError,
        /// What the other side asked for by `Retry-After`.
        after_ms: Option<i64>,
    },
    /// The handler asked to be called again after this many milliseconds.
    Snooze(i64),
    /// The handler cancelled the job, or stopped because it was asked to.
    Cancel(Option<JobError>),
    /// The handler gave the job up.
    Bury(JobError),
    /// The kind's time-out passed.
    TimedOut(JobError),
    /// The handler panicked.
    Panicked(JobError),
    /// The job's deadline had passed.
    Expired,
    /// The worker is stopping and hands the job back.
    Interrupted,
    /// The worker does not know the kind at this version; another may, after this many milliseconds.
    Unknown(i64),
    /// The kind no longer reads payloads of the job's contract version.
    Mismatched(JobError),
}

/// The end of attempt `attempt`, by the worker that holds it.
///
/// `jitter` is uniform in `0.0..1.0`.
pub fn settle(job: &Snapshot, attempt: u32, ending: Ending, now: Timestamp, backoff: &Backoff, jitter: f64) -> Result<Change, Refusal> {
    if job.state != State::Running || job.attempt != attempt {
        return Err(Refusal::AttemptOver);
    }
    Ok(match ending {
        // Work that finished is recorded even if a cancel was pending: the effect happened.
        Ending::Done(result) => Change {
            verdict: Some(Verdict { outcome: Some(AttemptOutcome::Completed), result: Some(result), ..Verdict::default() }),
            ..job.change_to(State::Completed)
        },
        Ending::Cancel(error) => cancelled(job, AttemptOutcome::Cancelled.into(), error),
        Ending::Bury(error) => dead(job, AttemptOutcome::Dead.into(), Reason::Permanent, Some(error)),
        Ending::Mismatched(error) => dead(job, AttemptOutcome::Dead.into(), Reason::ContractMismatch, Some(error)),
        Ending::Expired => expired(job, AttemptOutcome::Dead.into(), None),
        Ending::Retry { error, after_ms } => failed(job, Reason::Failed, error, now, backoff.delay_ms(job.charged(), jitter, after_ms)),
        Ending::TimedOut(error) => failed(job, Reason::Timeout, error, now, backoff.delay_ms(job.charged(), jitter, None)),
        Ending::Panicked(error) => failed(job, Reason::Panic, error, now, backoff.delay_ms(job.charged(), jitter, None)),
        Ending::Snooze(delay_ms) => uncharged(job, State::Scheduled, AttemptOutcome::Snoozed, Reason::Snoozed, Some(delay_ms.max(0))),
        Ending::Interrupted => uncharged(job, State::Available, AttemptOutcome::Released, Reason::Shutdown, None),
        Ending::Unknown(delay_ms) => uncharged(job, State::Scheduled, AttemptOutcome::Released, Reason::UnknownKind, Some(delay_ms.max(0))),
    })
}

/// The running attempt has kept something that no other has to do again. A reaper that read before this counts as if it had not been: its lease
/// had run out then.
pub fn move_on(job: &Snapshot, attempt: u32) -> Result<Change, Refusal> {
    if job.state != State::Running || job.attempt != attempt {
        return Err(Refusal::AttemptOver);
    }
    Ok(job.moved_on().change_to(State::Running))
}

/// The end of an attempt whose worker let its lease run out.
pub fn reap(job: &Snapshot, now: Timestamp, jitter: f64) -> Result<Change, Refusal> {
    if job.state == State::Running && job.lease_until.is_some_and(|lease_until| lease_until > now) {
        return Err(Refusal::LeaseHeld);
    }
    reap_orphan(job, now, jitter)
}

/// The end of an attempt whose worker is known to be gone, whatever its lease says.
pub fn reap_orphan(job: &Snapshot, now: Timestamp, jitter: f64) -> Result<Change, Refusal> {
    if job.state != State::Running {
        return Err(Refusal::AttemptOver);
    }
    let crashed = Snapshot { crashes: job.crashes + 1, ..*job };
    let error = JobError::new("lease_lost", "the worker stopped renewing its lease", true);
    let change = if crashed.crashes >= CRASHES_MAX {
        dead(&crashed, AttemptOutcome::Dead.into(), Reason::Quarantined, Some(error))
    } else {
        failed(&crashed, Reason::LeaseLost, error, now, Backoff::default().delay_ms(crashed.crashes, jitter, None))
    };
    Ok(Change { guard: Guard { lease_until: job.lease_until, ..change.guard }, ..change })
}

/// What the passing of time does: a due job becomes available, one past its deadline dies.
pub fn promote(job: &Snapshot, now: Timestamp) -> Result<Change, Refusal> {
    match job.state {
        State::Scheduled | State::Retryable | State::Available | State::Held if job.deadline_passed(now) => Ok(expired(job, None, None)),
        State::Scheduled | State::Retryable if job.run_at <= now => Ok(job.change_to(State::Available)),
        _ => Err(Refusal::NotDue),
    }
}

/// Somebody asks for the job to stop. A running handler is asked, all else stops at once.
pub fn cancel(job: &Snapshot) -> Result<Change, Refusal> {
    match job.state {
        state if state.is_final() => Err(Refusal::Final),
        State::Running if job.cancel_requested => Err(Refusal::AlreadyRequested),
        State::Running => Ok(Change { cancel_requested: true, ..job.change_to(State::Running) }),
        _ => Ok(cancelled(job, None, None)),
    }
}

/// What a snoozed job waited for has come: it need not wait out its time.
pub fn wake(job: &Snapshot) -> Result<Change, Refusal> {
    match job.state {
        State::Scheduled => Ok(Change { delay_ms: Some(0), ..job.change_to(State::Available) }),
        state if state.is_final() => Err(Refusal::Final),
        _ => Err(Refusal::NotDue),
    }
}

/// An operator sends a dead or cancelled job back, with all its attempts and without its deadline.
pub fn redrive(job: &Snapshot) -> Result<Change, Refusal> {
    match job.state {
        State::Dead | State::Cancelled => Ok(Change {
            delay_ms: Some(0),
            forgiven: job.attempt,
            crashes: 0,
            cancel_requested: false,
            lifts_deadline: true,
            verdict: Some(Verdict::default()),
            ..job.change_to(State::Available)
        }),
        _ => Err(Refusal::NotRedrivable),
    }
}

/// An attempt that failed: try again, unless something forbids it.
fn failed(job: &Snapshot, reason: Reason, error: JobError, now: Timestamp, delay_ms: i64) -> Change {
    if job.cancel_requested {
        return cancelled(job, AttemptOutcome::Cancelled.into(), Some(error));
    }
    if job.deadline_passed(now) {
        return expired(job, AttemptOutcome::Dead.into(), Some(error));
    }
    if job.exhausted() {
        return dead(job, AttemptOutcome::Dead.into(), Reason::Exhausted, Some(error));
    }
    Change {
        delay_ms: Some(delay_ms),
        verdict: Some(Verdict::of(AttemptOutcome::Retry, reason, Some(error))),
        ..job.change_to(State::Retryable)
    }
}

/// An attempt that ended through no fault of the job's.
fn uncharged(job: &Snapshot, state: State, outcome: AttemptOutcome, reason: Reason, delay_ms: Option<i64>) -> Change {
    if job.cancel_requested {
        return cancelled(job, AttemptOutcome::Cancelled.into(), None);
    }
    Change { delay_ms, forgiven: job.forgiven + 1, verdict: Some(Verdict::of(outcome, reason, None)), ..job.change_to(state) }
}

/// The job is given up; one that somebody asked to stop is stopped instead.
fn dead(job: &Snapshot, outcome: Option<AttemptOutcome>, reason: Reason, error: Option<JobError>) -> Change {
    if job.cancel_requested {
        return cancelled(job, outcome.map(|_| AttemptOutcome::Cancelled), error);
    }
    Change { verdict: Some(Verdict::of(outcome, reason, error)), ..job.change_to(State::Dead) }
}

fn expired(job: &Snapshot, outcome: Option<AttemptOutcome>, error: Option<JobError>) -> Change {
    let error = error.unwrap_or_else(|| JobError::new("deadline", "the job's deadline passed before it was done", false));
    dead(job, outcome, Reason::Deadline, Some(error))
}

fn cancelled(job: &Snapshot, outcome: Option<AttemptOutcome>, error: Option<JobError>) -> Change {
    Change { verdict: Some(Verdict::of(outcome, Reason::Cancelled, error)), ..job.change_to(State::Cancelled) }
}

#[cfg(test)]
mod tests;
