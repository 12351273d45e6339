//! Every state against every event, then what each part of a snapshot changes, then random lives.

use proptest::prelude::*;

use super::*;
use AttemptOutcome as Outcome;
use State::{Available, Cancelled, Completed, Dead, Held, Retryable, Running, Scheduled};

const NOW: Timestamp = Timestamp::from_ms(1_000_000);
const BACKOFF: Backoff = Backoff { base_ms: 1_000, cap_ms: 60_000 };
const JITTER: f64 = 0.5;

/// A job in its second attempt, due, with a lease that has run out, no deadline and nothing else about it.
fn job(state: State) -> Snapshot {
    Snapshot {
        id: JobId::from_bytes([7; 16]),
        state,
        attempt: 2,
        forgiven: 0,
        crashes: 0,
        max_attempts: 10,
        cancel_requested: false,
        run_at: NOW,
        deadline: None,
        lease_until: (state == Running).then_some(NOW),
    }
}

/// Everything that can happen to a job, apart from the claim, which the ledger writes without a decision.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Settle(Ending),
    Reap,
    Promote,
    Cancel,
    Redrive,
}

impl Event {
    fn decide(self, job: &Snapshot, now: Timestamp) -> Result<Change, Refusal> {
        match self {
            Self::Settle(ending) => settle(job, job.attempt, ending, now, &BACKOFF, JITTER),
            Self::Reap => reap(job, now, JITTER),
            Self::Promote => promote(job, now),
            Self::Cancel => cancel(job),
            Self::Redrive => redrive(job),
        }
    }

    fn all() -> Vec<Self> {
        let mut events: Vec<Self> = endings().into_iter().map(Self::Settle).collect();
        events.extend([Self::Reap, Self::Promote, Self::Cancel, Self::Redrive]);
        events
    }
}

fn error() -> JobError {
    JobError::new("broken", "it broke", true)
}

fn retry() -> Ending {
    Ending::Retry { error: error(), after_ms: None }
}

fn done() -> Ending {
    Ending::Done("{}".to_owned())
}

fn endings() -> [Ending; 11] {
    [
        done(),
        retry(),
        Ending::Snooze(700),
        Ending::Cancel(None),
        Ending::Bury(error()),
        Ending::TimedOut(error()),
        Ending::Panicked(error()),
        Ending::Expired,
        Ending::Interrupted,
        Ending::Unknown(900),
        Ending::Mismatched(error()),
    ]
}

/// Where a change leads and what it records.
type Led = (State, Option<Outcome>, Option<Reason>);

fn led(change: &Change) -> Led {
    let verdict = change.verdict.as_ref();
    (change.state, verdict.and_then(|verdict| verdict.outcome), verdict.and_then(|verdict| verdict.reason))
}

#[test]
fn every_state_answers_every_event() {
    let ended = |state, outcome: Outcome, reason: Reason| Ok((state, Some(outcome), Some(reason)));
    let moved = |state| Ok((state, None, None));
    let stopped = Ok((Cancelled, None, Some(Reason::Cancelled)));
    let (not_running, waiting) =
        ([Scheduled, Available, Retryable, Held, Completed, Dead, Cancelled], [Scheduled, Available, Retryable, Held]);

    let of_running = [
        (Event::Settle(done()), Ok((Completed, Some(Outcome::Completed), None))),
        (Event::Settle(retry()), ended(Retryable, Outcome::Retry, Reason::Failed)),
        (Event::Settle(Ending::Snooze(700)), ended(Scheduled, Outcome::Snoozed, Reason::Snoozed)),
        (Event::Settle(Ending::Cancel(None)), ended(Cancelled, Outcome::Cancelled, Reason::Cancelled)),
        (Event::Settle(Ending::Bury(error())), ended(Dead, Outcome::Dead, Reason::Permanent)),
        (Event::Settle(Ending::TimedOut(error())), ended(Retryable, Outcome::Retry, Reason::Timeout)),
        (Event::Settle(Ending::Panicked(error())), ended(Retryable, Outcome::Retry, Reason::Panic)),
        (Event::Settle(Ending::Expired), ended(Dead, Outcome::Dead, Reason::Deadline)),
        (Event::Settle(Ending::Interrupted), ended(Available, Outcome::Released, Reason::Shutdown)),
        (Event::Settle(Ending::Unknown(900)), ended(Scheduled, Outcome::Released, Reason::UnknownKind)),
        (Event::Settle(Ending::Mismatched(error())), ended(Dead, Outcome::Dead, Reason::ContractMismatch)),
        (Event::Reap, ended(Retryable, Outcome::Retry, Reason::LeaseLost)),
        (Event::Promote, Err(Refusal::NotDue)),
        (Event::Cancel, moved(Running)),
        (Event::Redrive, Err(Refusal::NotRedrivable)),
    ];
    assert_eq!(of_running.clone().map(|(event, _)| event).to_vec(), Event::all(), "the table names every event");
    for (event, expected) in of_running {
        let decided = event.clone().decide(&job(Running), NOW);
        assert_eq!(decided.as_ref().map(led), expected.as_ref().copied(), "running, {event:?}");
    }

    for state in not_running {
        let expected = |event: &Event| match event {
            Event::Settle(_) | Event::Reap => Err(Refusal::AttemptOver),
            Event::Promote if matches!(state, Scheduled | Retryable) => moved(Available),
            Event::Promote => Err(Refusal::NotDue),
            Event::Cancel if waiting.contains(&state) => stopped,
            Event::Cancel => Err(Refusal::Final),
            Event::Redrive if matches!(state, Dead | Cancelled) => moved(Available),
            Event::Redrive => Err(Refusal::NotRedrivable),
        };
        for event in Event::all() {
            assert_eq!(event.clone().decide(&job(state), NOW).as_ref().map(led), expected(&event).as_ref().copied(), "{state}, {event:?}");
        }
    }
}

#[test]
fn a_pending_cancel_stops_whatever_did_not_finish() {
    let asked = Snapshot { cancel_requested: true, max_attempts: 1, crashes: CRASHES_MAX, deadline: Some(NOW), ..job(Running) };
    for event in endings().into_iter().map(Event::Settle).chain([Event::Reap]) {
        let change = event.clone().decide(&asked, NOW).expect("the attempt runs");
        let expected = match event {
            Event::Settle(Ending::Done(_)) => (Completed, Some(Outcome::Completed), None),
            _ => (Cancelled, Some(Outcome::Cancelled), Some(Reason::Cancelled)),
        };
        assert_eq!(led(&change), expected, "{event:?}");
    }
    assert_eq!(cancel(&asked), Err(Refusal::AlreadyRequested));
}

#[test]
fn a_cancel_asks_a_running_handler_and_touches_nothing_else() {
    let running = Snapshot { forgiven: 1, crashes: 1, ..job(Running) };
    let change = cancel(&running).expect("it runs");
    assert_eq!(change, Change { cancel_requested: true, ..running.change_to(Running) });
    assert!(!change.ends_attempt());
}

#[test]
fn an_attempt_that_got_on_is_the_first_that_counts() {
    // Killed again and again, each time after it got on, it goes on for as long as it takes.
    let mut seen = Snapshot { attempt: 1, forgiven: 0, crashes: 0, max_attempts: 3, ..job(Running) };
    for attempt in 1..20 {
        seen.attempt = attempt;
        let change = move_on(&seen, attempt).expect("it runs");
        assert_eq!((change.state, change.verdict.is_none(), change.ends_attempt()), (Running, true, false));
        let moved = Snapshot { forgiven: change.forgiven, crashes: change.crashes, ..seen };
        assert_eq!((moved, moved.charged()), (seen.moved_on(), 1));
        let change = reap_orphan(&moved, NOW, JITTER).expect("it runs");
        assert_eq!((change.state, change.crashes), (Retryable, 1), "attempt {attempt}");
        seen = Snapshot { crashes: change.crashes, forgiven: change.forgiven, ..moved };
    }
    // Without that it is quarantined.
    seen.attempt = 20;
    let second = reap_orphan(&seen, NOW, JITTER).expect("it runs");
    let third = Snapshot { attempt: 21, crashes: second.crashes, forgiven: second.forgiven, ..seen };
    assert_eq!((second.state, reap_orphan(&third, NOW, JITTER).expect("it runs").state), (Retryable, Dead));
    // What was forgiven before stays so, and only whoever runs gets on.
    let redriven = Snapshot { attempt: 6, forgiven: 6, ..job(Running) };
    assert_eq!(redriven.moved_on().forgiven, 6);
    assert_eq!(move_on(&job(Running), 3), Err(Refusal::AttemptOver));
    assert_eq!(move_on(&job(Available), 2), Err(Refusal::AttemptOver));
}

#[test]
fn a_stopped_attempt_keeps_what_went_wrong() {
    let asked = Snapshot { cancel_requested: true, ..job(Running) };
    for ending in [retry(), Ending::Bury(error()), Ending::TimedOut(error()), Ending::Cancel(Some(error()))] {
        let change = settle(&asked, 2, ending.clone(), NOW, &BACKOFF, JITTER).expect("it runs");
        assert_eq!(change.verdict.expect("a verdict").error, Some(error()), "{ending:?}");
    }
}

#[test]
fn only_the_attempt_that_runs_may_settle() {
    for attempt in [0, 1, 3] {
        assert_eq!(settle(&job(Running), attempt, done(), NOW, &BACKOFF, JITTER), Err(Refusal::AttemptOver), "attempt {attempt}");
    }
}

#[test]
fn a_result_is_recorded_and_clears_the_error_of_the_attempt_before() {
    let change = settle(&job(Running), 2, Ending::Done("[1]".to_owned()), NOW, &BACKOFF, JITTER).expect("it runs");
    let verdict = Verdict { outcome: Some(Outcome::Completed), reason: None, error: None, result: Some("[1]".to_owned()) };
    assert_eq!((change.delay_ms, change.verdict), (None, Some(verdict)));
}

#[test]
fn a_passed_deadline_ends_what_waits_and_what_failed_but_not_what_finished() {
    let (passed, ahead) = (Some(NOW), Some(NOW.plus_ms(1)));
    let expired = |outcome| Ok((Dead, outcome, Some(Reason::Deadline)));
    let failed = |reason| Ok((Retryable, Some(Outcome::Retry), Some(reason)));
    let table = [
        (Scheduled, Event::Promote, passed, expired(None)),
        (Available, Event::Promote, passed, expired(None)),
        (Retryable, Event::Promote, passed, expired(None)),
        (Held, Event::Promote, passed, expired(None)),
        (Running, Event::Promote, passed, Err(Refusal::NotDue)),
        (Completed, Event::Promote, passed, Err(Refusal::NotDue)),
        (Dead, Event::Promote, passed, Err(Refusal::NotDue)),
        (Cancelled, Event::Promote, passed, Err(Refusal::NotDue)),
        (Scheduled, Event::Promote, ahead, Ok((Available, None, None))),
        (Available, Event::Promote, ahead, Err(Refusal::NotDue)),
        (Running, Event::Settle(retry()), passed, expired(Some(Outcome::Dead))),
        (Running, Event::Settle(Ending::TimedOut(error())), passed, expired(Some(Outcome::Dead))),
        (Running, Event::Settle(Ending::Panicked(error())), passed, expired(Some(Outcome::Dead))),
        (Running, Event::Reap, passed, expired(Some(Outcome::Dead))),
        (Running, Event::Settle(retry()), ahead, failed(Reason::Failed)),
        (Running, Event::Reap, ahead, failed(Reason::LeaseLost)),
        (Running, Event::Settle(done()), passed, Ok((Completed, Some(Outcome::Completed), None))),
        (Running, Event::Settle(Ending::Snooze(1)), passed, Ok((Scheduled, Some(Outcome::Snoozed), Some(Reason::Snoozed)))),
        (Running, Event::Settle(Ending::Bury(error())), passed, Ok((Dead, Some(Outcome::Dead), Some(Reason::Permanent)))),
    ];
    for (state, event, deadline, expected) in table {
        let decided = event.clone().decide(&Snapshot { deadline, ..job(state) }, NOW);
        assert_eq!(decided.as_ref().map(led), expected.as_ref().copied(), "{state}, {event:?}, deadline {deadline:?}");
    }
}

#[test]
fn what_is_not_due_stays() {
    for state in [Scheduled, Retryable] {
        let later = Snapshot { run_at: NOW.plus_ms(1), ..job(state) };
        assert_eq!(promote(&later, NOW), Err(Refusal::NotDue), "{state}");
    }
}

#[test]
fn a_promotion_keeps_the_record_of_the_last_attempt() {
    let change = promote(&job(Retryable), NOW).expect("it is due");
    assert_eq!(change, job(Retryable).change_to(Available));
}

#[test]
fn charged_attempts_exhaust_a_job_and_forgiven_ones_do_not() {
    // attempt, forgiven, max_attempts → dead?
    let table = [(1, 0, 1, true), (1, 0, 2, false), (2, 0, 2, true), (2, 1, 2, false), (5, 3, 2, true), (5, 4, 2, false), (9, 0, 2, true)];
    for (attempt, forgiven, max_attempts, exhausted) in table {
        let running = Snapshot { attempt, forgiven, max_attempts, ..job(Running) };
        let expected = if exhausted { (Dead, Some(Reason::Exhausted)) } else { (Retryable, Some(Reason::Failed)) };
        let change = settle(&running, attempt, retry(), NOW, &BACKOFF, JITTER).expect("it runs");
        assert_eq!((change.state, led(&change).2), expected, "attempt {attempt}, forgiven {forgiven}, max {max_attempts}");
        assert_eq!(change.verdict.expect("a verdict").error, Some(error()), "the last error stays");
    }
}

#[test]
fn an_attempt_that_is_no_fault_of_the_job_is_not_charged() {
    let last = Snapshot { max_attempts: 1, attempt: 3, forgiven: 2, ..job(Running) };
    let table = [
        (Ending::Snooze(700), Scheduled, Some(700)),
        (Ending::Snooze(-5), Scheduled, Some(0)),
        (Ending::Interrupted, Available, None),
        (Ending::Unknown(900), Scheduled, Some(900)),
    ];
    for (ending, state, delay_ms) in table {
        let change = settle(&last, 3, ending.clone(), NOW, &BACKOFF, JITTER).expect("it runs");
        assert_eq!((change.state, change.delay_ms, change.forgiven, change.crashes), (state, delay_ms, 3, 0), "{ending:?}");
    }
}

#[test]
fn the_wait_grows_with_the_charged_attempts_and_heeds_retry_after() {
    // attempt, forgiven, Retry-After → delay with a jitter of one half.
    let table = [(1, 0, None, 500), (2, 0, None, 1_000), (2, 1, None, 500), (3, 0, None, 2_000), (1, 0, Some(5_000), 5_000)];
    for (attempt, forgiven, after_ms, expected_ms) in table {
        let running = Snapshot { attempt, forgiven, ..job(Running) };
        let ending = Ending::Retry { error: error(), after_ms };
        let change = settle(&running, attempt, ending, NOW, &BACKOFF, JITTER).expect("it runs");
        assert_eq!(change.delay_ms, Some(expected_ms), "attempt {attempt}, forgiven {forgiven}, after {after_ms:?}");
    }
}

#[test]
fn a_lease_that_is_still_good_is_not_reaped() {
    let table = [(Some(NOW.plus_ms(1)), Some(Refusal::LeaseHeld)), (Some(NOW), None), (Some(NOW.plus_ms(-1)), None), (None, None)];
    for (lease_until, refusal) in table {
        assert_eq!(reap(&Snapshot { lease_until, ..job(Running) }, NOW, JITTER).err(), refusal, "lease until {lease_until:?}");
    }
}

#[test]
fn an_orphan_is_reaped_whatever_its_lease_says() {
    let held = Snapshot { lease_until: Some(NOW.plus_ms(1)), ..job(Running) };
    let change = reap_orphan(&held, NOW, JITTER).expect("its worker is gone");
    assert_eq!((led(&change), change.guard.lease_until), ((Retryable, Some(Outcome::Retry), Some(Reason::LeaseLost)), held.lease_until));
    assert_eq!(reap_orphan(&job(Available), NOW, JITTER), Err(Refusal::AttemptOver));
}

#[test]
fn a_job_that_took_too_many_workers_down_is_quarantined() {
    for crashes in 0..CRASHES_MAX {
        let change = reap(&Snapshot { crashes, ..job(Running) }, NOW, JITTER).expect("the lease ran out");
        let last = crashes + 1 == CRASHES_MAX;
        let expected = if last { (Dead, Some(Reason::Quarantined)) } else { (Retryable, Some(Reason::LeaseLost)) };
        assert_eq!((change.state, led(&change).2, change.crashes), (expected.0, expected.1, crashes + 1));
        assert_eq!(change.verdict.and_then(|verdict| verdict.error).map(|error| error.code).as_deref(), Some("lease_lost"));
    }
    let exhausted = reap(&Snapshot { max_attempts: 2, ..job(Running) }, NOW, JITTER).expect("the lease ran out");
    assert_eq!(led(&exhausted), (Dead, Some(Outcome::Dead), Some(Reason::Exhausted)), "a lost lease is charged");
}

#[test]
fn a_redrive_gives_all_attempts_back_and_keeps_their_count() {
    for state in [Dead, Cancelled] {
        let ended = Snapshot { attempt: 7, forgiven: 2, crashes: CRASHES_MAX, cancel_requested: true, deadline: Some(NOW), ..job(state) };
        let change = redrive(&ended).expect("it may be redriven");
        let expected = Change {
            delay_ms: Some(0),
            forgiven: 7,
            crashes: 0,
            cancel_requested: false,
            lifts_deadline: true,
            verdict: Some(Verdict::default()),
            ..ended.change_to(Available)
        };
        assert_eq!(change, expected, "{state}");
    }
}

#[test]
fn a_guard_carries_everything_that_was_seen() {
    for state in State::ALL {
        for cancel_requested in [false, true] {
            let seen = Snapshot { cancel_requested, ..job(state) };
            for event in Event::all() {
                let Ok(change) = event.clone().decide(&seen, NOW) else {
                    continue;
                };
                // Only the reaper depends on the lease: a heartbeat must not refuse a settle or a cancel.
                let lease_until = if event == Event::Reap { seen.lease_until } else { None };
                let expected = Guard { state, attempt: seen.attempt, cancel_requested, lease_until };
                assert_eq!((change.id, change.guard), (seen.id, expected), "{state}, {event:?}");
            }
        }
    }
}

#[test]
fn an_attempt_ends_exactly_when_its_job_leaves_running() {
    for state in State::ALL {
        for event in Event::all() {
            if let Ok(change) = event.clone().decide(&job(state), NOW) {
                let ends = matches!(event, Event::Settle(_) | Event::Reap);
                assert_eq!(change.ends_attempt(), ends, "{state}, {event:?}");
                assert_eq!(change.ends_attempt(), led(&change).1.is_some(), "an attempt that ended has an outcome: {state}, {event:?}");
            }
        }
    }
}

#[test]
fn a_final_state_is_left_only_by_redrive() {
    for state in State::ALL.into_iter().filter(|state| state.is_final()) {
        for deadline in [None, Some(NOW)] {
            for event in Event::all().into_iter().filter(|event| *event != Event::Redrive) {
                let decided = event.clone().decide(&Snapshot { deadline, ..job(state) }, NOW);
                assert!(decided.is_err(), "{state}, {event:?}");
            }
        }
    }
}

/// What happens in a random life.
#[derive(Debug, Clone)]
enum Step {
    Claim,
    Heartbeat,
    Pass(i64),
    /// Decided and written at once.
    Happen(Event),
    /// Decided now, written by a later `Write`, if its guard still holds then.
    Decide(Event),
    Write,
}

fn step() -> impl Strategy<Value = Step> {
    // Promote reads and writes in one transaction, so nothing comes between its decision and its write.
    let event = || prop::sample::select(Event::all());
    let late = prop::sample::select(Event::all()).prop_filter("promote is never late", |event| *event != Event::Promote);
    prop_oneof![
        4 => Just(Step::Claim),
        1 => Just(Step::Heartbeat),
        2 => (1_i64..5_000).prop_map(Step::Pass),
        4 => Just(Step::Happen(Event::Promote)),
        6 => event().prop_map(Step::Happen),
        3 => late.prop_map(Step::Decide),
        3 => Just(Step::Write),
    ]
}

const LEASE_MS: i64 = 1_000;

/// The least that a ledger does.
#[derive(Debug)]
struct Life {
    now: Timestamp,
    job: Snapshot,
    late: Vec<Change>,
}

impl Life {
    fn take(&mut self, step: Step) {
        match step {
            Step::Claim if self.job.state == Available => {
                let lease_until = Some(self.now.plus_ms(LEASE_MS));
                self.job = Snapshot { state: Running, attempt: self.job.attempt + 1, lease_until, ..self.job };
            }
            Step::Heartbeat if self.job.state == Running => self.job.lease_until = Some(self.now.plus_ms(LEASE_MS)),
            Step::Claim | Step::Heartbeat => {}
            Step::Pass(ms) => self.now = self.now.plus_ms(ms),
            Step::Happen(event) => {
                if let Ok(change) = event.decide(&self.job, self.now) {
                    self.write(&change);
                }
            }
            Step::Decide(event) => self.late.extend(event.decide(&self.job, self.now)),
            Step::Write => {
                if let Some(change) = self.late.pop() {
                    self.write(&change);
                }
            }
        }
    }

    fn write(&mut self, change: &Change) {
        let Guard { state, attempt, cancel_requested, lease_until } = change.guard;
        let before = self.job;
        let lease_as_seen = lease_until.is_none() || lease_until == before.lease_until;
        if (state, attempt, cancel_requested) != (before.state, before.attempt, before.cancel_requested) || !lease_as_seen {
            return;
        }
        // Every field by name: a change says nothing of the attempt, so it cannot alter its count.
        let Change { id, guard: _, state, delay_ms, forgiven, crashes, cancel_requested, lifts_deadline, verdict: _ } = *change;
        self.job = Snapshot {
            id,
            state,
            attempt: before.attempt,
            forgiven,
            crashes,
            max_attempts: before.max_attempts,
            cancel_requested,
            run_at: delay_ms.map_or(before.run_at, |delay_ms| self.now.plus_ms(delay_ms)),
            deadline: before.deadline.filter(|_| !lifts_deadline),
            lease_until: before.lease_until.filter(|_| !change.ends_attempt()),
        };
    }

    fn check(&self, before: &Snapshot, step: &Step) -> Result<(), TestCaseError> {
        let job = &self.job;
        let claimed = before.state == Available && job.state == Running;
        prop_assert_eq!(job.attempt, before.attempt + u32::from(claimed), "only a claim begins an attempt");
        prop_assert!(!before.state.is_final() || job.state == before.state || job.state == Available && job.forgiven == job.attempt);
        prop_assert!(job.forgiven <= job.attempt);
        prop_assert!(job.charged() <= job.max_attempts, "never more charged attempts than allowed");
        prop_assert_eq!(job.lease_until.is_some(), job.state == Running);
        if !job.state.is_final() {
            prop_assert!(job.crashes < CRASHES_MAX);
            prop_assert!(job.state == Running || !job.exhausted(), "what waits has an attempt left");
            prop_assert!(job.state == Running || !job.cancel_requested, "what waits was not asked to stop");
        }
        if before.cancel_requested && matches!(step, Step::Happen(_)) {
            let stopped = matches!(job.state, Running | Completed | Cancelled);
            prop_assert!(stopped || before.state.is_final(), "who was asked to stop finishes or stops");
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_life_breaks_an_invariant(
        max_attempts in 1_u32..5,
        deadline_ms in prop::option::of(0_i64..60_000),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let deadline = deadline_ms.map(|ms| NOW.plus_ms(ms));
        let job = Snapshot { attempt: 0, max_attempts, deadline, ..job(Scheduled) };
        let mut life = Life { now: NOW, job, late: Vec::new() };
        for step in steps {
            let before = life.job;
            life.take(step.clone());
            life.check(&before, &step)?;
        }
    }
}
