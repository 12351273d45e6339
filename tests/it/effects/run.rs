//! `Context::effect` over a ledger that fails now and then, and over the other side's reports.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    effect::{
        Call, Failed, Intended, Intent, Kept, Performed, Policy, RESULT_BYTES_MAX, Receipt, Said, Sent, Standing, Stopped, Turn, hash_of,
        report, resolve,
    },
    handler::{Context, Outcome},
    job::{JobError, JobId},
    ledger::{self, Claimed, Effects, model::ModelLedger},
    lifecycle::Ending,
    tenant::TenantId,
};
use windrow_tests::{
    handlers::{SwitchedLease, context_of},
    jobs::{claim, insert, ready, settle, tenant},
    ledgers,
};

/// What goes wrong with one call of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It does not come through.
    Lost,
    /// It is done, and its answer is lost.
    AnswerLost,
}

/// A job whose handler does effects, over the oracle.
struct Stage {
    clock: VirtualClock,
    ledger: Arc<ModelLedger>,
    faults: Arc<Mutex<VecDeque<Option<Fault>>>>,
    lease: Arc<SwitchedLease>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Stage {
    async fn new() -> Self {
        let clock = ledgers::clock();
        let ledger = Arc::new(ModelLedger::new(Arc::new(clock.clone())));
        insert(&*ledger, [ready(1)]).await;
        Self { clock, ledger, faults: Arc::default(), lease: Arc::default(), calls: Arc::default() }
    }

    /// Claims the job: the next attempt.
    async fn attempt(&self) -> (Claimed, Context) {
        let claimed = claim(&*self.ledger, 1).await;
        let effects = Arc::new(Faulty { below: self.ledger.clone(), faults: self.faults.clone() });
        let context = context_of(&claimed, self.ledger.clone(), effects, self.lease.clone());
        (claimed, context)
    }

    /// The worker dies, and another claims.
    async fn crash(&self, claimed: &Claimed) -> (Claimed, Context) {
        assert!(settle(&*self.ledger, claimed, Ending::Interrupted).await);
        self.attempt().await
    }

    /// Does the effect, as a provider that answers like this.
    async fn mail(&self, context: &Context, policy: Policy, answer: Result<Sent<String>, Failed>) -> Result<Performed<String>, Stopped> {
        let calls = self.calls.clone();
        let send = |call: Call| async move {
            calls.lock().expect("no panic").push(call);
            answer
        };
        context.effect("mail", policy).run(send).await
    }

    fn called(&self) -> usize {
        self.calls.lock().expect("no panic").len()
    }

    async fn kept(&self) -> Kept {
        self.ledger.effects(&tenant(), self.job()).await.expect("effects").pop().expect("an effect")
    }

    fn job(&self) -> JobId {
        windrow_tests::jobs::id(1)
    }

    fn fail(&self, faults: &[Option<Fault>]) {
        self.faults.lock().expect("no panic").extend(faults);
    }
}

struct Faulty {
    below: Arc<ModelLedger>,
    faults: Arc<Mutex<VecDeque<Option<Fault>>>>,
}

impl Faulty {
    async fn through<T>(&self, call: impl Future<Output = ledger::Result<T>>) -> ledger::Result<T> {
        let fault = self.faults.lock().expect("no panic").pop_front().flatten();
        let away = || ledger::Error::Unavailable("the test says so".into());
        match fault {
            Some(Fault::Lost) => Err(away()),
            Some(Fault::AnswerLost) => {
                call.await?;
                Err(away())
            }
            None => call.await,
        }
    }
}

#[async_trait]
impl Effects for Faulty {
    async fn intend(&self, intent: Intent) -> ledger::Result<Intended> {
        self.through(self.below.intend(intent)).await
    }

    async fn turn_effect(&self, turn: Turn) -> ledger::Result<bool> {
        self.through(self.below.turn_effect(turn)).await
    }

    async fn effects(&self, tenant: &TenantId, job: JobId) -> ledger::Result<Vec<Kept>> {
        self.below.effects(tenant, job).await
    }

    async fn awaited(&self, callback: &[u8; 32]) -> ledger::Result<Option<(Kept, Timestamp)>> {
        self.below.awaited(callback).await
    }
}

fn sent() -> Result<Sent<String>, Failed> {
    Ok(Sent::Done(Receipt { provider_id: Some("p-1".into()), result: "sent".into() }))
}

fn retry() -> Outcome {
    Outcome::retry("busy", "the provider is busy")
}

#[tokio::test]
async fn a_confirmed_effect_gives_its_result_again_to_every_later_attempt() {
    let stage = Stage::new().await;
    let (mut claimed, mut context) = stage.attempt().await;
    for redelivery in 0..3 {
        let performed = stage.mail(&context, Policy::Resend, sent()).await.expect("performed");
        assert_eq!((performed.result.as_deref(), performed.provider_id.as_deref()), (Some("sent"), Some("p-1")));
        assert_eq!(performed.replayed, redelivery > 0);
        (claimed, context) = stage.crash(&claimed).await;
    }
    assert_eq!(stage.called(), 1);
    assert_eq!(stage.calls.lock().expect("no panic")[0].key, format!("{}.mail", stage.job()));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_away_is_asked_again_and_nothing_is_done_twice() {
    use Fault::{AnswerLost, Lost};
    let histories: [&[Option<Fault>]; 5] = [
        &[Some(Lost)],
        &[Some(AnswerLost)],
        &[None, Some(Lost)],
        &[None, Some(AnswerLost)],
        &[Some(AnswerLost), Some(Lost), None, Some(Lost), Some(AnswerLost), Some(Lost)],
    ];
    for history in histories {
        let stage = Stage::new().await;
        stage.fail(history);
        let (_, context) = stage.attempt().await;
        let performed = stage.mail(&context, Policy::Park, sent()).await.expect("performed");
        assert_eq!((performed.replayed, stage.called()), (false, 1), "{history:?}");
        let kept = stage.kept().await;
        assert_eq!(
            (kept.facts.standing, kept.facts.tries, kept.facts.unknowns, kept.version),
            (Standing::Confirmed, 1, 0, 2),
            "{history:?}"
        );
    }
}

#[tokio::test]
async fn without_a_lease_nothing_is_done() {
    let stage = Stage::new().await;
    let (claimed, context) = stage.attempt().await;
    stage.lease.0.store(false, Ordering::SeqCst);
    assert!(matches!(stage.mail(&context, Policy::Resend, sent()).await, Err(Stopped::Over)));
    assert_eq!((stage.called(), stage.ledger.effects(&tenant(), stage.job()).await.expect("effects").len()), (0, 0));
    // The ledger knows better than a worker that was asleep.
    stage.lease.0.store(true, Ordering::SeqCst);
    let (_, _) = stage.crash(&claimed).await;
    assert!(matches!(stage.mail(&context, Policy::Resend, sent()).await, Err(Stopped::Over)));
    assert_eq!(stage.called(), 0);
}

/// A lease that is over once it has been asked so often.
struct Running(AtomicUsize);

impl windrow_jobs::handler::Lease for Running {
    fn valid(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

#[tokio::test]
async fn a_lease_that_ends_while_the_intent_is_written_withdraws_it() {
    let stage = Stage::new().await;
    let (claimed, context) = stage.attempt().await;
    let context = Context { lease: Arc::new(Running(AtomicUsize::new(1))), ..context };
    assert!(matches!(stage.mail(&context, Policy::Park, sent()).await, Err(Stopped::Over)));
    assert_eq!((stage.called(), stage.kept().await.facts.standing), (0, Standing::Withdrawn));
    let (_, context) = stage.crash(&claimed).await;
    let performed = stage.mail(&context, Policy::Park, sent()).await.expect("it is known not to have happened");
    assert_eq!((performed.replayed, stage.called()), (false, 1));
}

#[tokio::test]
async fn what_certainly_failed_is_tried_again_and_what_may_have_happened_follows_the_policy() {
    let known = Stage::new().await;
    let (claimed, context) = known.attempt().await;
    let stopped = known.mail(&context, Policy::Park, Err(Failed::not_done(retry()))).await.expect_err("it failed");
    assert_eq!(stopped.into_outcome(), retry());
    assert_eq!(known.kept().await.facts.standing, Standing::Withdrawn);
    let (_, context) = known.crash(&claimed).await;
    assert!(known.mail(&context, Policy::Park, sent()).await.is_ok());

    let unknown = Stage::new().await;
    let (claimed, context) = unknown.attempt().await;
    let stopped = unknown.mail(&context, Policy::Park, Err(Failed::unknown(retry()))).await.expect_err("nobody knows");
    assert_eq!(stopped.into_outcome(), retry());
    let (claimed, context) = unknown.crash(&claimed).await;
    let stopped = unknown.mail(&context, Policy::Park, sent()).await.expect_err("a person decides");
    assert!(matches!(stopped.into_outcome(), Outcome::Bury(error) if error.code == "effect_parked"));
    assert_eq!(unknown.called(), 1);
    // The person says that it did not happen, and redrives.
    let kept = unknown.kept().await;
    let facts = report(&kept, Said::NotHappened, 7).expect("it is in doubt");
    let turn = Turn { job: kept.job, key: kept.key, seen: kept.version, running: None, facts, callback: None, await_ms: None };
    assert!(unknown.ledger.turn_effect(turn).await.expect("turn"));
    let (_, context) = unknown.crash(&claimed).await;
    assert!(unknown.mail(&context, Policy::Park, sent()).await.is_ok());
    assert_eq!(unknown.called(), 2);
}

#[tokio::test]
async fn who_took_it_over_reports_later() {
    let stage = Stage::new().await;
    let (claimed, context) = stage.attempt().await;
    let handed = async |context: &Context| {
        let calls = stage.calls.clone();
        let effect = context.effect("mail", Policy::Resend).with_callback();
        let send = |call: Call| async move {
            calls.lock().expect("no panic").push(call);
            Ok(Sent::<String>::Handed(Duration::from_secs(60)))
        };
        effect.run(send).await.expect_err("it is not done yet").into_outcome()
    };
    let Outcome::Snooze(after) = handed(&context).await else { panic!("it waits") };
    assert_eq!(after, Duration::from_secs(5), "a look soon, in case the report comes before the attempt has ended");
    let token = stage.calls.lock().expect("no panic")[0].token.clone().expect("a token");
    let (claimed, context) = stage.crash(&claimed).await;
    stage.clock.advance_ms(20_000);
    assert_eq!(handed(&context).await, Outcome::Snooze(Duration::from_secs(20)), "later looks are rarer");
    stage.clock.advance_ms(30_000);
    assert_eq!(handed(&context).await, Outcome::Snooze(Duration::from_secs(10)), "and none is after the end");

    let (kept, _) = stage.ledger.awaited(&hash_of(&token)).await.expect("awaited").expect("its token");
    let result = serde_json::value::to_raw_value("reported").ok().map(windrow_jobs::effect::Reported);
    let facts = report(&kept, Said::Happened { provider_id: None, result }, 7).expect("it is in doubt");
    let turn = Turn { job: kept.job, key: kept.key, seen: kept.version, running: None, facts, callback: None, await_ms: None };
    assert!(stage.ledger.turn_effect(turn).await.expect("turn"));
    let (_, context) = stage.crash(&claimed).await;
    let performed = stage.mail(&context, Policy::Resend, sent()).await.expect("reported");
    assert_eq!((performed.result.as_deref(), performed.replayed, stage.called()), (Some("reported"), true, 1));
}

#[tokio::test]
async fn a_report_that_does_not_come_makes_it_unknown_and_the_old_token_worthless() {
    let stage = Stage::new().await;
    let (claimed, context) = stage.attempt().await;
    let hand = |call: Call| async move { Ok::<_, Failed>((call.token.expect("a token"), Sent::<String>::Handed(Duration::from_secs(60)))) };
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let send = |tokens: Arc<Mutex<Vec<String>>>| {
        move |call| async move {
            let (token, handed) = hand(call).await?;
            tokens.lock().expect("no panic").push(token);
            Ok(handed)
        }
    };
    context.effect("mail", Policy::Resend).with_callback().run(send(tokens.clone())).await.expect_err("it waits");
    stage.clock.advance_ms(60_000);
    let (claimed, context) = stage.crash(&claimed).await;
    let late = context.effect("mail", Policy::Resend).with_callback().run(send(tokens.clone())).await.expect_err("it is late");
    assert!(matches!(late.into_outcome(), Outcome::Retry { error, .. } if error.code == "callback_late"), "which is charged");
    assert_eq!((stage.kept().await.facts.standing, tokens.lock().expect("no panic").len()), (Standing::Intended, 1));
    let (claimed, context) = stage.crash(&claimed).await;
    context.effect("mail", Policy::Resend).with_callback().run(send(tokens.clone())).await.expect_err("it waits again");
    let tokens = tokens.lock().expect("no panic").clone();
    assert_eq!(tokens.len(), 2);
    assert_eq!(stage.ledger.awaited(&hash_of(&tokens[0])).await.expect("awaited"), None);
    assert_eq!(stage.kept().await.facts.unknowns, 1);
    // It says that it failed: the attempt that hears of it ends like that, and the next one tries.
    let (kept, _) = stage.ledger.awaited(&hash_of(&tokens[1])).await.expect("awaited").expect("the new one counts");
    let facts = report(&kept, Said::Failed(JobError::new("full", "no room", false)), 7).expect("it is in doubt");
    let turn = Turn { job: kept.job, key: kept.key, seen: kept.version, running: None, facts, callback: None, await_ms: None };
    assert!(stage.ledger.turn_effect(turn).await.expect("turn"));
    let stopped = stage.mail(&context, Policy::Resend, sent()).await.expect_err("it failed");
    assert!(matches!(stopped.into_outcome(), Outcome::Bury(error) if error.code == "full"));
    assert_eq!(stage.kept().await.facts.standing, Standing::Intended, "of the first try nobody knows");
    let (_, context) = stage.crash(&claimed).await;
    assert!(stage.mail(&context, Policy::Resend, sent()).await.is_ok());
}

/// Reports on an effect, as the other side does.
async fn say_sent(ledger: &ModelLedger, job: JobId) {
    let kept = ledger.effects(&tenant(), job).await.expect("effects").pop().expect("an effect");
    let result = serde_json::value::to_raw_value("reported").ok().map(windrow_jobs::effect::Reported);
    let facts = report(&kept, Said::Happened { provider_id: None, result }, 7).expect("it is in doubt");
    let turn = Turn { job: kept.job, key: kept.key, seen: kept.version, running: None, facts, callback: None, await_ms: None };
    assert!(ledger.turn_effect(turn).await.expect("turn"));
}

#[tokio::test]
async fn a_report_that_comes_while_it_is_tried_counts_whatever_the_answer_says() {
    for answer in [Err(Failed::unknown(retry())), Err(Failed::not_done(retry()))] {
        let stage = Stage::new().await;
        let (_, context) = stage.attempt().await;
        let (ledger, job) = (stage.ledger.clone(), stage.job());
        let send = |_| async move {
            say_sent(&ledger, job).await;
            answer
        };
        let performed: Performed<String> = context.effect("mail", Policy::Resend).with_callback().run(send).await.expect("it was reported");
        assert_eq!(performed.result.as_deref(), Some("reported"));
    }
}

/// Between the look at an effect and the write that follows there is a report.
struct Reporting(Arc<ModelLedger>);

#[async_trait]
impl Effects for Reporting {
    async fn intend(&self, intent: Intent) -> ledger::Result<Intended> {
        let job = intent.job;
        let said = self.0.intend(intent).await?;
        say_sent(&self.0, job).await;
        Ok(said)
    }

    async fn turn_effect(&self, turn: Turn) -> ledger::Result<bool> {
        self.0.turn_effect(turn).await
    }

    async fn effects(&self, tenant: &TenantId, job: JobId) -> ledger::Result<Vec<Kept>> {
        self.0.effects(tenant, job).await
    }

    async fn awaited(&self, callback: &[u8; 32]) -> ledger::Result<Option<(Kept, Timestamp)>> {
        self.0.awaited(callback).await
    }
}

#[tokio::test]
async fn a_report_that_comes_between_the_look_and_the_try_counts() {
    for policy in [Policy::Resend, Policy::Drop, Policy::Park] {
        let stage = Stage::new().await;
        let (claimed, context) = stage.attempt().await;
        stage.mail(&context, policy, Err(Failed::unknown(retry()))).await.expect_err("nobody knows");
        let (_, context) = stage.crash(&claimed).await;
        let context = Context { effects: Arc::new(Reporting(stage.ledger.clone())), ..context };
        let performed = stage.mail(&context, policy, sent()).await.expect("it was reported");
        assert_eq!((performed.result.as_deref(), stage.called()), (Some("reported"), 1), "{policy:?}");
    }
}

#[tokio::test]
async fn a_later_failure_does_not_undo_that_nobody_knows_of_an_earlier_try() {
    let stage = Stage::new().await;
    let (claimed, context) = stage.attempt().await;
    stage.mail(&context, Policy::Resend, Err(Failed::unknown(retry()))).await.expect_err("nobody knows");
    let (claimed, context) = stage.crash(&claimed).await;
    stage.mail(&context, Policy::Resend, Err(Failed::not_done(retry()))).await.expect_err("this one failed");
    assert_eq!(stage.kept().await.facts.standing, Standing::Intended);
    // Nor does a lease that ends before the third.
    let (claimed, context) = stage.crash(&claimed).await;
    let context = Context { lease: Arc::new(Running(AtomicUsize::new(1))), ..context };
    assert!(matches!(stage.mail(&context, Policy::Resend, sent()).await, Err(Stopped::Over)));
    assert_eq!(stage.kept().await.facts.standing, Standing::Intended);
    let (_, context) = stage.crash(&claimed).await;
    let parked = stage.mail(&context, Policy::Park, sent()).await.expect_err("a person decides");
    assert!(matches!(parked, Stopped::Parked(_)), "{parked:?}");
}

#[tokio::test]
async fn heartbeats_do_not_hurry_the_looks() {
    let stage = Stage::new().await;
    let (mut claimed, context) = stage.attempt().await;
    let hand = |_| async { Ok(Sent::<String>::Handed(Duration::from_secs(600))) };
    context.effect("mail", Policy::Resend).with_callback().run(hand).await.expect_err("it waits");
    for waited_s in [20, 40, 60] {
        stage.clock.advance_ms(20_000);
        let kept = stage.kept().await;
        let facts = report(&kept, Said::Alive, rand::random()).expect("it is awaited");
        let turn = Turn { job: kept.job, key: kept.key, seen: kept.version, running: None, facts, callback: None, await_ms: Some(600_000) };
        assert!(stage.ledger.turn_effect(turn).await.expect("turn"));
        let context;
        (claimed, context) = stage.crash(&claimed).await;
        let stopped = stage.mail(&context, Policy::Resend, sent()).await.expect_err("it waits");
        assert_eq!(stopped.into_outcome(), Outcome::Snooze(Duration::from_secs(waited_s)));
    }
}

#[tokio::test]
async fn what_a_person_says_to_have_happened_needs_no_result() {
    let stage = Stage::new().await;
    let (claimed, context) = stage.attempt().await;
    stage.mail(&context, Policy::Park, Err(Failed::unknown(retry()))).await.expect_err("nobody knows");
    let kept = stage.kept().await;
    let facts = resolve(&kept, Said::Happened { provider_id: None, result: None }, 7).expect("it is in doubt");
    let turn = Turn { job: kept.job, key: kept.key, seen: kept.version, running: None, facts, callback: None, await_ms: None };
    assert!(stage.ledger.turn_effect(turn).await.expect("turn"));
    let (_, context) = stage.crash(&claimed).await;
    let performed = stage.mail(&context, Policy::Park, sent()).await.expect("it happened");
    assert_eq!((performed.result, performed.replayed, stage.called()), (None, true, 1));
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let stage = Stage::new().await;
    let (_, context) = stage.attempt().await;
    let called = Arc::new(AtomicBool::new(false));
    for key in ["", "with space", &"k".repeat(201)] {
        let called = called.clone();
        let send = |_| async move {
            called.store(true, Ordering::SeqCst);
            sent()
        };
        let stopped = context.effect(key, Policy::Drop).run(send).await.expect_err("no such key");
        assert!(matches!(stopped, Stopped::Invalid(_)), "{stopped:?}");
    }
    assert!(!called.load(Ordering::SeqCst));
    let large = Ok(Sent::Done(Receipt { provider_id: None, result: "x".repeat(RESULT_BYTES_MAX) }));
    let stopped = stage.mail(&context, Policy::Resend, large).await.expect_err("too large to keep");
    assert!(matches!(stopped.into_outcome(), Outcome::Bury(error) if error.code == "effect_invalid"));
    assert_eq!(stage.kept().await.facts.standing, Standing::Confirmed, "it happened all the same");
}
