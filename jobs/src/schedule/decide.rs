//! What becomes of a schedule's fires: every decision there is, made here and nowhere else. Pure.
//!
//! A decision takes a schedule as it stands in the ledger, the fires before whose end it must know ([`Open`]) and the
//! ledger's clock. Whoever asks writes all of the [`Decision`] in one transaction, with the schedule's row locked: so each
//! instant is decided once, whoever leads. A schedule that was away for long is decided in pieces; the rules look only at what
//! is still to be decided, so the pieces make the same whole.

use super::{
    Definition, Fire, FireStatus, MISSED_AFTER_MS, Misfire, Overlap, Placed, Schedule, ScheduleId, SkipReason, check, template::Values,
};
use crate::{
    clock::Timestamp,
    contract::Catalog,
    cron::Timing,
    job::JobId,
    lifecycle::{self, Change, Snapshot},
    submit::NewJob,
    tenant::TenantId,
};

/// Fires of one schedule that are decided in one go; more wait for the next, which follows at once.
const FIRES_MAX: usize = 100;
/// How soon a fire that waits for a job looks whether that has ended; then after a tenth of the time that it has waited.
const QUEUED_LOOK_MS: i64 = 500;
/// The longest time between two such looks.
const QUEUED_LOOK_MS_MAX: i64 = 10_000;
/// The longest message of a fire that was skipped, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// What decisions go by, besides the schedule itself.
#[derive(Clone)]
pub struct Rules {
    /// The kinds and their contracts.
    pub catalog: Catalog,
    /// For how long fires are kept; what was missed before that leaves no trace.
    pub fires_kept_ms: i64,
}

/// A fire before, whose end the next one may have to wait for.
#[derive(Debug, Clone)]
pub struct Open {
    /// Its instant.
    pub fire_at: Timestamp,
    /// The job that it submitted; none where it is queued.
    pub job_id: Option<JobId>,
    /// That job as it stands; none where it is gone.
    pub job: Option<Snapshot>,
}

/// What is to be written for one schedule.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// Fires that were decided. One whose instant has a row already was decided before: it is dropped, with its job.
    pub fires: Vec<Fire>,
    /// Queued fires whose wait is over: they stand in the place of their rows.
    pub settled: Vec<Fire>,
    /// Fires at whose jobs nobody need look again.
    pub closed: Vec<Timestamp>,
    /// The jobs that fires submit, which name them.
    pub jobs: Vec<NewJob>,
    /// Cancels of jobs of fires before.
    pub cancels: Vec<Change>,
    /// The schedule's next instant.
    pub next_fire_at: Option<Timestamp>,
    /// When it is looked at next.
    pub due_at: Option<Timestamp>,
    /// The latest instant decided.
    pub last_fire_at: Option<Timestamp>,
    /// How many jobs it has made.
    pub jobs_made: u64,
}

/// What an owner changes of a schedule.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Everything it says.
    Define(Box<Definition>),
    /// It expects no fires from now on.
    Pause,
    /// It expects fires again, from now on.
    Resume,
}

impl Schedule {
    /// A schedule that begins now.
    pub fn new(id: ScheduleId, tenant: TenantId, definition: Definition, now: Timestamp) -> Self {
        let mut schedule = Self {
            id,
            tenant,
            definition,
            paused: false,
            version: 1,
            created_at: now,
            updated_at: now,
            next_fire_at: None,
            last_fire_at: None,
            jobs_made: 0,
            due_at: None,
        };
        schedule.expect_from(now);
        schedule
    }

    /// The schedule after an edit, once all that was due before is decided.
    pub fn edited(&self, edit: &Edit, now: Timestamp) -> Self {
        let mut edited = Self { version: self.version + 1, updated_at: now, ..self.clone() };
        let expects_anew = match edit {
            Edit::Define(definition) => {
                edited.definition = (**definition).clone();
                !definition.keeps_time_of(&self.definition)
            }
            Edit::Pause => !std::mem::replace(&mut edited.paused, true),
            Edit::Resume => std::mem::replace(&mut edited.paused, false),
        };
        if expects_anew {
            edited.expect_from(now);
        }
        edited
    }

    /// Whether something that it expected is still to be decided before it may change.
    pub fn is_behind(&self, now: Timestamp) -> bool {
        self.next_fire_at.is_some_and(|fire_at| fire_at <= now)
    }

    fn expect_from(&mut self, now: Timestamp) {
        // An instant that was decided stays so, even if the clock was set back to before it.
        let after = self.last_fire_at.map_or(now, |last_fire_at| last_fire_at.max(now));
        self.next_fire_at = if self.paused { None } else { self.definition.first_fire(self.created_at, after) };
        // A fire that waits for a job is looked after whatever the schedule expects.
        let looked_at = self.due_at.filter(|due_at| *due_at <= now.plus_ms(QUEUED_LOOK_MS_MAX));
        let due_at = self.next_fire_at.map(|fire_at| fire_at.plus_ms(self.jitter_ms()));
        self.due_at = [due_at, looked_at.filter(|_| !self.paused)].into_iter().flatten().min();
    }

    /// By how much each fire is put off: the same for all of this schedule's, in every process and release.
    pub fn jitter_ms(&self) -> i64 {
        // FNV-1a.
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let hash = self.id.0.as_bytes().iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
        let range_ms = u64::from(self.definition.jitter_s) * 1_000 + 1;
        i64::try_from(hash % range_ms).expect("a day in milliseconds is small")
    }

    /// A fire by hand at `now`, whatever the schedule expects. `taken_until` is the latest instant of it that has a row.
    pub fn run(&self, taken_until: Option<Timestamp>, rules: &Rules, now: Timestamp) -> Result<(Fire, NewJob), Placed> {
        let free = taken_until.map_or(now, |taken| taken.plus_ms(1).max(now));
        // Expected fires fall on full seconds: none of theirs is taken.
        let fire_at = if free.ms() % 1_000 == 0 { free.plus_ms(1) } else { free };
        let n = self.jobs_made + 1;
        let job = check::kept_job(&self.definition.job, &self.tenant, Values { fire_at, n }, &rules.catalog, now)?;
        let fire = Fire {
            fire_at,
            status: FireStatus::Fired,
            manual: true,
            reason: None,
            message: None,
            job_id: Some(job.id),
            n: Some(n),
            decided_at: now,
            late_ms: 0,
            open: self.definition.overlap != Overlap::Allow,
        };
        Ok((fire, job))
    }
}

impl Definition {
    /// The first instant expected after `now`, of a schedule made at `created_at`.
    fn first_fire(&self, created_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let timing = self.timing(created_at).ok()?;
        // An instant that is the very beginning counts.
        let after = self.starts_at.map_or(now, |starts_at| starts_at.plus_ms(-1).max(now));
        self.until_end(timing.next_after(after))
    }

    /// The first instant expected of a schedule that is made now.
    pub(super) fn first_fire_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.first_fire(now, now)
    }

    fn until_end(&self, fire_at: Option<Timestamp>) -> Option<Timestamp> {
        fire_at.filter(|fire_at| self.ends_at.is_none_or(|ends_at| *fire_at <= ends_at))
    }
}

/// Why a schedule is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Its time has come.
    Due,
    /// Its owner changes it: what it expected until now is decided by what it said until now, jitter or not.
    Edit,
    /// Its owner pauses it: what it expected until now is skipped, and nothing waits any more.
    Pause,
}

/// What becomes of everything that this schedule expected until now, or of the first of it.
pub fn decide(schedule: &Schedule, open: &[Open], rules: &Rules, now: Timestamp, occasion: Occasion) -> Decision {
    let mut look = Look::begin(schedule, open, rules, now, occasion);
    look.end_waits();
    match schedule.definition.timing(schedule.created_at) {
        Ok(timing) => look.decide_due(&timing),
        Err(malformed) => look.give_up(&malformed.to_string()),
    }
    look.finish()
}

struct Look<'a> {
    schedule: &'a Schedule,
    rules: &'a Rules,
    now: Timestamp,
    occasion: Occasion,
    /// Jobs of fires before that live.
    live: Vec<Snapshot>,
    /// Fires that wait for them.
    waiting: Vec<Timestamp>,
    /// Jobs that this look makes.
    made: usize,
    decision: Decision,
}

impl<'a> Look<'a> {
    fn begin(schedule: &'a Schedule, open: &[Open], rules: &'a Rules, now: Timestamp, occasion: Occasion) -> Self {
        let decision = Decision {
            next_fire_at: schedule.next_fire_at,
            last_fire_at: schedule.last_fire_at,
            jobs_made: schedule.jobs_made,
            ..Decision::default()
        };
        let mut look = Self { schedule, rules, now, occasion, live: Vec::new(), waiting: Vec::new(), made: 0, decision };
        for fire in open {
            match (fire.job_id, fire.job) {
                (None, _) => look.waiting.push(fire.fire_at),
                (Some(_), Some(job)) if !job.state.is_final() => look.live.push(job),
                (Some(_), _) => look.decision.closed.push(fire.fire_at),
            }
        }
        look
    }

    fn overlap(&self) -> Overlap {
        self.schedule.definition.overlap
    }

    /// Whether a job of this schedule lives.
    fn is_busy(&self) -> bool {
        !self.live.is_empty() || self.made > 0
    }

    /// Submits what waited and need not wait any longer; asks again what it waits for to stop.
    fn end_waits(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let Some(latest) = waiting.pop() else { return };
        // One waits at most; a change of policy may have left more.
        for fire_at in waiting {
            let fire = self.skipped(fire_at, SkipReason::Superseded);
            self.decision.settled.push(fire);
        }
        if self.occasion == Occasion::Pause {
            let fire = self.skipped(latest, SkipReason::Paused);
            self.decision.settled.push(fire);
            return;
        }
        if self.overlap() == Overlap::CancelPrevious {
            self.cancel_live();
        }
        if self.is_busy() && self.overlap() != Overlap::Allow {
            self.waiting.push(latest);
        } else {
            let fire = self.submitted(latest, FireStatus::Fired);
            self.decision.settled.push(fire);
        }
    }

    /// Cancels what lives. A job that was only waiting itself is over at once.
    fn cancel_live(&mut self) {
        for mut job in std::mem::take(&mut self.live) {
            let cancelled = lifecycle::cancel(&job).ok();
            if !cancelled.as_ref().is_some_and(|change| change.state.is_final()) {
                job.cancel_requested = true;
                self.live.push(job);
            }
            self.decision.cancels.extend(cancelled);
        }
    }

    fn decide_due(&mut self, timing: &Timing) {
        let due = self.due(timing);
        let missed = due.iter().filter(|fire_at| self.late_ms(**fire_at) > MISSED_AFTER_MS).count();
        for (place, fire_at) in due.iter().copied().enumerate().take(FIRES_MAX) {
            let made_up_for = place < missed && self.is_made_up_for(fire_at, missed - place, due.len() - place);
            if self.occasion == Occasion::Pause {
                let fire = self.skipped(fire_at, SkipReason::Paused);
                self.decision.fires.push(fire);
            } else if place < missed && !made_up_for {
                let fire = self.fire(fire_at, FireStatus::Missed);
                self.decision.fires.push(fire);
            } else {
                self.go_off(fire_at, if made_up_for { FireStatus::CaughtUp } else { FireStatus::Fired });
            }
            self.decision.last_fire_at = Some(fire_at);
        }
        let next = match due.get(FIRES_MAX) {
            Some(next) => Some(*next),
            None => due.last().map_or(self.first(timing), |last| self.after(timing, *last)),
        };
        self.decision.next_fire_at = next;
    }

    /// The instants that are due, oldest first: as many as are decided now, and as many more as that depends on.
    fn due(&self, timing: &Timing) -> Vec<Timestamp> {
        let ahead = match self.schedule.definition.misfire {
            Misfire::Skip | Misfire::FireOnce => 1,
            Misfire::CatchUp { max, .. } => max as usize,
        };
        let mut due = Vec::new();
        let mut next = self.first(timing);
        while let Some(fire_at) = next.filter(|fire_at| self.due_at(*fire_at) <= self.now)
            && due.len() < FIRES_MAX + ahead
        {
            due.push(fire_at);
            next = self.after(timing, fire_at);
        }
        due
    }

    /// The first instant that is to be decided. What would have been forgotten by now is left out.
    fn first(&self, timing: &Timing) -> Option<Timestamp> {
        let next = self.schedule.next_fire_at?;
        let forgotten = self.now.plus_ms(-self.rules.fires_kept_ms);
        if next < forgotten { self.after(timing, forgotten) } else { Some(next) }
    }

    fn after(&self, timing: &Timing, fire_at: Timestamp) -> Option<Timestamp> {
        self.schedule.definition.until_end(timing.next_after(fire_at))
    }

    /// Whether a missed fire is made up for, which is the first of `missed` missed ones and of `due` in all.
    fn is_made_up_for(&self, fire_at: Timestamp, missed: usize, due: usize) -> bool {
        match self.schedule.definition.misfire {
            Misfire::Skip => false,
            Misfire::FireOnce => due == 1,
            Misfire::CatchUp { max, window_s } => missed <= max as usize && self.now.ms_since(fire_at) <= i64::from(window_s) * 1_000,
        }
    }

    /// A fire that is to submit its job, unless one before still lives.
    fn go_off(&mut self, fire_at: Timestamp, status: FireStatus) {
        if !self.is_busy() && self.waiting.is_empty() {
            let fire = self.submitted(fire_at, status);
            self.decision.fires.push(fire);
            return;
        }
        let fire = match self.overlap() {
            Overlap::Allow => self.submitted(fire_at, status),
            Overlap::Skip => self.skipped(fire_at, SkipReason::Overlap),
            Overlap::QueueOne if self.waiting.is_empty() => self.queued(fire_at),
            Overlap::QueueOne => self.skipped(fire_at, SkipReason::Overlap),
            Overlap::CancelPrevious => {
                self.supersede();
                self.cancel_live();
                if self.is_busy() { self.queued(fire_at) } else { self.submitted(fire_at, status) }
            }
        };
        self.decision.fires.push(fire);
    }

    /// A later fire takes the place of those that wait, and of what this look has decided to submit but nobody has seen yet.
    fn supersede(&mut self) {
        for fire_at in std::mem::take(&mut self.waiting) {
            let fire = self.skipped(fire_at, SkipReason::Superseded);
            match self.decision.fires.iter_mut().find(|decided| decided.fire_at == fire_at) {
                Some(decided) => *decided = fire,
                None => self.decision.settled.push(fire),
            }
        }
        let now = self.now;
        let unseen = self.decision.fires.iter_mut().chain(&mut self.decision.settled).filter(|fire| fire.job_id.is_some());
        for fire in unseen {
            *fire = Fire {
                status: FireStatus::Skipped,
                reason: Some(SkipReason::Superseded),
                job_id: None,
                n: None,
                decided_at: now,
                open: false,
                ..fire.clone()
            };
        }
        self.decision.jobs.clear();
        self.decision.jobs_made -= self.made as u64;
        self.made = 0;
    }

    fn submitted(&mut self, fire_at: Timestamp, status: FireStatus) -> Fire {
        let (Rules { catalog, .. }, n) = (self.rules, self.decision.jobs_made + 1);
        let Schedule { definition, tenant, .. } = self.schedule;
        match check::kept_job(&definition.job, tenant, Values { fire_at, n }, catalog, self.now) {
            Ok(job) => {
                self.made += 1;
                self.decision.jobs_made = n;
                let fire = Fire { job_id: Some(job.id), n: Some(n), open: self.overlap() != Overlap::Allow, ..self.fire(fire_at, status) };
                self.decision.jobs.push(job);
                fire
            }
            Err(placed) => {
                let mut message = format!("{}: {placed}", placed.pointer()).replace(char::is_control, " ");
                message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
                Fire { message: Some(message), ..self.skipped(fire_at, SkipReason::Rejected) }
            }
        }
    }

    fn queued(&mut self, fire_at: Timestamp) -> Fire {
        self.waiting.push(fire_at);
        Fire { open: true, ..self.fire(fire_at, FireStatus::Queued) }
    }

    fn skipped(&self, fire_at: Timestamp, reason: SkipReason) -> Fire {
        Fire { reason: Some(reason), ..self.fire(fire_at, FireStatus::Skipped) }
    }

    fn fire(&self, fire_at: Timestamp, status: FireStatus) -> Fire {
        Fire {
            fire_at,
            status,
            manual: false,
            reason: None,
            message: None,
            job_id: None,
            n: None,
            decided_at: self.now,
            late_ms: self.late_ms(fire_at),
            open: false,
        }
    }

    /// An expression that was accepted and is not any more, as when a zone has left the database: said once, then it stops.
    fn give_up(&mut self, why: &str) {
        if let Some(fire_at) = self.schedule.next_fire_at.filter(|fire_at| self.due_at(*fire_at) <= self.now) {
            let fire = Fire { message: Some(why.to_owned()), ..self.skipped(fire_at, SkipReason::Rejected) };
            self.decision.fires.push(fire);
            self.decision.next_fire_at = None;
        }
    }

    fn due_at(&self, fire_at: Timestamp) -> Timestamp {
        fire_at.plus_ms(if self.occasion == Occasion::Due { self.schedule.jitter_ms() } else { 0 })
    }

    fn late_ms(&self, fire_at: Timestamp) -> i64 {
        self.now.ms_since(self.due_at(fire_at))
    }

    fn finish(mut self) -> Decision {
        let due_at = self.decision.next_fire_at.map(|fire_at| fire_at.plus_ms(self.schedule.jitter_ms()));
        let waited_ms = |fire_at: &Timestamp| self.now.ms_since(*fire_at);
        let pause_ms = |fire_at| (waited_ms(fire_at) / 10).clamp(QUEUED_LOOK_MS, QUEUED_LOOK_MS_MAX);
        let look_at = self.waiting.last().map(|fire_at| self.now.plus_ms(pause_ms(fire_at)));
        self.decision.due_at = [due_at, look_at].into_iter().flatten().min();
        self.decision
    }
}
