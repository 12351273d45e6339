//! How a handler does an effect: `context.effect(key, policy).run(…)`.
//!
//! Reads as: write the intent, or take what was found; ask whether the lease is still ours; try; write what came of it. What
//! is to be done about an effect that was found is decided in `effect.rs`.
//!
//! ```no_run
//! # use windrow_jobs::{effect::{Failed, Policy, Receipt, Sent}, handler::{Context, Outcome}};
//! # async fn charge(_: &str) -> Result<String, std::io::Error> { Ok("ch_1".into()) }
//! # async fn run(context: Context) -> Outcome {
//! let charged = context.effect("charge", Policy::Resend).run(|call| async move {
//!     // The provider recognises `call.key` should this be sent again.
//!     match charge(&call.key).await {
//!         Ok(id) => Ok(Sent::Done(Receipt { provider_id: Some(id), result: "charged".to_owned() })),
//!         Err(error) => Err(Failed::unknown(Outcome::retry("charge_failed", error.to_string()))),
//!     }
//! });
//! match charged.await {
//!     Ok(done) => Outcome::done(&done.result),
//!     Err(stopped) => stopped.into_outcome(),
//! }
//! # }
//! ```

use std::{future::Future, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    AWAIT_MS_MAX, Facts, Intended, Intent, KEY_BYTES_MAX, Kept, Policy, RESULT_BYTES_MAX, Reported, Standing, Step, Turn, decide, handed_at,
};
use crate::{
    clock::Timestamp,
    handler::{Context, Outcome},
    ledger,
};

/// The first look at whether a report has come that nobody could wake the job for: a report may arrive before the attempt that
/// waits for it has ended.
const LOOK_FIRST_MS: i64 = 5_000;
/// The longest time between two such looks.
const LOOK_MS_MAX: i64 = 300_000;
/// The bytes of a token by which the other side reports: more than anybody guesses.
const TOKEN_BYTES: usize = 32;

/// An effect that a handler is about to do.
#[must_use = "an effect happens when it is run"]
pub struct Effect<'c> {
    context: &'c Context,
    key: String,
    policy: Policy,
    reports: bool,
}

/// What the other side is told of the effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The same whenever this effect is tried: for an `Idempotency-Key`.
    pub key: String,
    /// How often it was tried, this time included.
    pub tries: u32,
    /// By which the other side may report, where it is to: good for this try only.
    pub token: Option<String>,
    /// When it was first intended, by the ledger's clock: the same whenever it is tried.
    pub first_at: Timestamp,
}

/// What trying came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent<T> {
    /// It happened.
    Done(Receipt<T>),
    /// The other side has taken it over, and reports within so long, or it counts as unknown.
    Handed(Duration),
}

/// What is kept of an effect that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt<T> {
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// What came of it; at most [`RESULT_BYTES_MAX`] as JSON.
    pub result: T,
}

/// Why trying came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    known: bool,
    outcome: Outcome,
}

impl Failed {
    /// It certainly did not happen: the connection was refused, the other side said no. The attempt ends like this.
    pub const fn not_done(outcome: Outcome) -> Self {
        Self { known: true, outcome }
    }

    /// Nobody knows whether it happened: no answer came. The attempt ends like this, and the next follows the policy.
    pub const fn unknown(outcome: Outcome) -> Self {
        Self { known: false, outcome }
    }

    /// The same with what becomes of the attempt made into something else.
    #[must_use]
    pub fn map(self, become_of: impl FnOnce(Outcome) -> Outcome) -> Self {
        Self { outcome: become_of(self.outcome), ..self }
    }
}

/// An effect that is done with.
#[derive(Debug, Clone, PartialEq)]
pub struct Performed<T> {
    /// What came of it; none where it was dropped, or where a person said that it happened and not what came of it.
    pub result: Option<T>,
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// Whether it had been done before this call.
    pub replayed: bool,
}

/// Why a handler cannot go on past an effect.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It failed; the attempt ends like this.
    #[error("the effect failed")]
    Failed(Outcome),
    /// The attempt no longer has the right to do it.
    #[error("the attempt is over, or its lease too short for an effect")]
    Over,
    /// The other side will report.
    #[error("the other side will report")]
    Awaiting(Duration),
    /// A person must say whether it happened.
    #[error("nobody knows whether {0} happened: say so by POST …/effects/{0}, then redrive the job")]
    Parked(String),
    /// The handler asks for what cannot be kept.
    #[error("{0}")]
    Invalid(String),
    /// The ledger is away; the effect was not tried.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl Stopped {
    /// How the attempt ends.
    pub fn into_outcome(self) -> Outcome {
        match self {
            Self::Failed(outcome) => outcome,
            Self::Over => Outcome::retry("lease_short", self.to_string()),
            Self::Awaiting(after) => Outcome::Snooze(after),
            Self::Parked(_) => Outcome::bury("effect_parked", self.to_string()),
            Self::Invalid(_) => Outcome::bury("effect_invalid", self.to_string()),
            Self::Ledger(_) => Outcome::retry("ledger_unavailable", self.to_string()),
        }
    }
}

impl<'c> Effect<'c> {
    pub(crate) fn new(context: &'c Context, key: String, policy: Policy) -> Self {
        Self { context, key, policy, reports: false }
    }

    /// The other side may report later, by the token it is given.
    pub fn with_callback(self) -> Self {
        Self { reports: true, ..self }
    }

    /// Does it, unless it was done before. With [`Policy::Ask`] use [`Effect::run_asking`].
    pub async fn run<T, F, S>(self, send: S) -> Result<Performed<T>, Stopped>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<Sent<T>, Failed>> + Send,
        S: FnOnce(Call) -> F + Send,
    {
        let nobody = |_| std::future::ready(Ok(None));
        self.run_asking(nobody, send).await
    }

    /// The same, asking the provider by the effect's key where nobody knows: it answers with the receipt, or none where
    /// it does not know the key.
    pub async fn run_asking<T, A, F, Q, S>(self, ask: Q, send: S) -> Result<Performed<T>, Stopped>
    where
        T: Serialize + DeserializeOwned + Send,
        A: Future<Output = Result<Option<Receipt<T>>, Failed>> + Send,
        Q: FnOnce(String) -> A + Send,
        F: Future<Output = Result<Sent<T>, Failed>> + Send,
        S: FnOnce(Call) -> F + Send,
    {
        if self.key.is_empty() || self.key.len() > KEY_BYTES_MAX || !self.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Stopped::Invalid(format!("an effect's key has 1 to {KEY_BYTES_MAX} visible ASCII characters: {:?}", self.key)));
        }
        self.check_lease()?;
        match self.take_or_try(ask, send).await {
            // A report may have come meanwhile: what is confirmed has not failed.
            Err(Stopped::Failed(outcome)) => match self.found().await {
                Some(kept) if kept.facts.standing == Standing::Confirmed => {
                    count("replayed");
                    performed(&kept.facts, true)
                }
                _ => Err(Stopped::Failed(outcome)),
            },
            came => came,
        }
    }

    async fn take_or_try<T, A, F, Q, S>(&self, ask: Q, send: S) -> Result<Performed<T>, Stopped>
    where
        T: Serialize + DeserializeOwned + Send,
        A: Future<Output = Result<Option<Receipt<T>>, Failed>> + Send,
        Q: FnOnce(String) -> A + Send,
        F: Future<Output = Result<Sent<T>, Failed>> + Send,
        S: FnOnce(Call) -> F + Send,
    {
        let token = self.reports.then(token);
        let mark = rand::random();
        let kept = match self.intend(token.as_deref(), mark).await? {
            Intended::Refused => return Err(Stopped::Over),
            Intended::Written(kept) => {
                count("first");
                kept
            }
            Intended::Found { kept, now } => match decide(&kept, self.context.attempt, self.policy, mark, now) {
                Step::Replay => {
                    count("replayed");
                    return performed(&kept.facts, true);
                }
                Step::Await(until) => return Err(Stopped::Awaiting(look_after(&kept, now, until))),
                Step::Fail(facts, error) => {
                    self.turn(&kept, facts, None, None, true).await?;
                    let outcome = if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) };
                    return Err(Stopped::Failed(outcome));
                }
                Step::Drop(facts) => {
                    count("dropped");
                    self.turn_if_new(&kept, facts).await?;
                    return Ok(Performed { result: None, provider_id: kept.facts.provider_id, replayed: true });
                }
                Step::Park(facts) => {
                    count("parked");
                    self.turn_if_new(&kept, facts).await?;
                    return Err(Stopped::Parked(self.key.clone()));
                }
                Step::Ask(facts) => match ask(self.outer_key()).await {
                    Ok(Some(receipt)) => {
                        count("asked");
                        let kept = Kept { facts: Facts { unknowns: facts.unknowns, ..kept.facts.clone() }, ..kept };
                        self.confirm(&kept, receipt.provider_id.clone(), &receipt.result).await?;
                        return Ok(Performed { result: Some(receipt.result), provider_id: receipt.provider_id, replayed: true });
                    }
                    Ok(None) => self.turn(&kept, facts, token.as_deref(), None, true).await?,
                    Err(failed) => return Err(Stopped::Failed(failed.outcome)),
                },
                Step::Try(facts) => {
                    count("repeated");
                    self.turn(&kept, facts, token.as_deref(), None, true).await?
                }
            },
        };
        self.try_it(kept, token, send).await
    }

    async fn try_it<T, F, S>(&self, kept: Kept, token: Option<String>, send: S) -> Result<Performed<T>, Stopped>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<Sent<T>, Failed>> + Send,
        S: FnOnce(Call) -> F + Send,
    {
        // Fencing cannot stop what goes to the outside, so the lease is asked at the last moment.
        if let Err(over) = self.check_lease() {
            self.withdraw(&kept).await;
            return Err(over);
        }
        let call = Call { key: self.outer_key(), tries: kept.facts.tries, token, first_at: kept.created_at };
        match send(call).await {
            Ok(Sent::Done(receipt)) => {
                let facts = self.confirm(&kept, receipt.provider_id, &receipt.result).await?;
                Ok(Performed { result: Some(receipt.result), provider_id: facts.provider_id, replayed: false })
            }
            Ok(Sent::Handed(within)) => self.hand_over(&kept, within).await,
            Err(failed) => {
                if failed.known {
                    self.withdraw(&kept).await;
                }
                Err(Stopped::Failed(failed.outcome))
            }
        }
    }

    /// The name by which the outside knows it.
    fn outer_key(&self) -> String {
        format!("{}.{}", self.context.job, self.key)
    }

    fn check_lease(&self) -> Result<(), Stopped> {
        if self.context.lease.valid() && !self.context.cancel.is_cancelled() { Ok(()) } else { Err(Stopped::Over) }
    }

    async fn intend(&self, token: Option<&str>, mark: u64) -> Result<Intended, Stopped> {
        let intent = Intent {
            mark,
            tenant: self.context.tenant.clone(),
            job: self.context.job,
            attempt: self.context.attempt,
            key: self.key.clone(),
            policy: self.policy,
            callback: token.map(hash_of),
        };
        match self.patiently(|| self.context.effects.intend(intent.clone())).await? {
            // Written, and its answer lost.
            Intended::Found { kept, .. } if kept.facts.mark == mark => Ok(Intended::Written(kept)),
            said => Ok(said),
        }
    }

    /// The effect as it stands, where the ledger says so.
    async fn found(&self) -> Option<Kept> {
        let effects = self.patiently(|| self.context.effects.effects(&self.context.tenant, self.context.job)).await;
        effects.ok()?.into_iter().find(|kept| kept.key == self.key)
    }

    /// Asks the ledger again while it is away, for as long as the lease lasts: what is not written here is unknown to the next
    /// attempt, and was not tried by this one.
    async fn patiently<T, F: Future<Output = ledger::Result<T>>>(&self, ask: impl Fn() -> F) -> ledger::Result<T> {
        loop {
            match ask().await {
                Err(ledger::Error::Unavailable(error)) if self.check_lease().is_ok() => {
                    tracing::warn!(job.id = %self.context.job, effect = self.key, error, "the ledger is away from an effect: asking again");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// Writes what was decided on `kept`; `running`: only while this attempt runs.
    async fn turn(&self, kept: &Kept, facts: Facts, token: Option<&str>, await_ms: Option<i64>, running: bool) -> Result<Kept, Stopped> {
        let turn = Turn {
            job: kept.job,
            key: kept.key.clone(),
            seen: kept.version,
            running: running.then_some(self.context.attempt),
            facts: facts.clone(),
            callback: token.map(hash_of),
            await_ms,
        };
        // Somebody else has decided in between: another attempt runs, a report came, a person spoke. The next attempt finds what.
        if !self.patiently(|| self.context.effects.turn_effect(turn.clone())).await? {
            return Err(Stopped::Failed(Outcome::retry("effect_changed", format!("{} was changed by somebody else meanwhile", self.key))));
        }
        Ok(Kept { version: kept.version + 1, facts, ..kept.clone() })
    }

    async fn turn_if_new(&self, kept: &Kept, facts: Facts) -> Result<(), Stopped> {
        if facts != kept.facts {
            self.turn(kept, facts, None, None, true).await?;
        }
        Ok(())
    }

    /// Writes that it happened, whether or not the attempt still runs.
    async fn confirm<T: Serialize>(&self, kept: &Kept, provider_id: Option<String>, result: &T) -> Result<Facts, Stopped> {
        let (result, fits) = match serde_json::value::to_raw_value(result) {
            Ok(json) if json.get().len() <= RESULT_BYTES_MAX => (Some(Reported(json)), true),
            _ => (None, false),
        };
        let facts = Facts { standing: Standing::Confirmed, mark: rand::random(), provider_id, result, error: None, ..kept.facts.clone() };
        match self.turn(kept, facts.clone(), None, None, false).await {
            // A report came before its answer, or another attempt has taken a zombie's over: it happened all the same.
            Ok(_) | Err(Stopped::Failed(_)) if fits => Ok(facts),
            Ok(_) | Err(Stopped::Failed(_)) => {
                Err(Stopped::Invalid(format!("the result of {} is no JSON of at most {RESULT_BYTES_MAX} bytes", self.key)))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes that this try did not happen. Where that fails it stays unknown, which the policy bears.
    async fn withdraw(&self, kept: &Kept) {
        let facts = kept.facts.not_done(rand::random());
        if let Err(error) = self.turn(kept, facts, None, None, false).await {
            tracing::warn!(job.id = %self.context.job, %error, "an effect that did not happen stays unknown");
        }
    }

    async fn hand_over<T: DeserializeOwned>(&self, kept: &Kept, within: Duration) -> Result<Performed<T>, Stopped> {
        let await_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX).min(AWAIT_MS_MAX);
        let facts = Facts { standing: Standing::Awaited, mark: rand::random(), ..kept.facts.clone() };
        match self.turn(kept, facts, None, Some(await_ms), false).await {
            Ok(_) => Err(Stopped::Awaiting(Duration::from_millis(LOOK_FIRST_MS.min(await_ms).unsigned_abs()))),
            // The report came before the answer that announced it.
            Err(Stopped::Failed(_)) => Err(Stopped::Awaiting(Duration::ZERO)),
            Err(error) => Err(error),
        }
    }
}

/// How long a ledger that is away is left alone.
const ASK_AGAIN: Duration = Duration::from_millis(200);

fn performed<T: DeserializeOwned>(facts: &Facts, replayed: bool) -> Result<Performed<T>, Stopped> {
    let result = match &facts.result {
        Some(Reported(json)) => serde_json::from_str(json.get()).map(Some),
        // Of a result that is null the ledger keeps none, and a person need not say what came of it.
        None => Ok(serde_json::from_str("null").ok()),
    };
    match result {
        Ok(result) => Ok(Performed { result, provider_id: facts.provider_id.clone(), replayed }),
        Err(error) => Err(Stopped::Invalid(format!("what came of the effect is nothing that its handler reads: {error}"))),
    }
}

/// When to look again for a report: soon at first, later as long as it has taken since the hand-over, at the latest when it is overdue.
fn look_after(kept: &Kept, now: Timestamp, until: Timestamp) -> Duration {
    let waited_ms = now.ms_since(handed_at(kept)).clamp(LOOK_FIRST_MS, LOOK_MS_MAX);
    Duration::from_millis(waited_ms.min(until.ms_since(now)).max(0).unsigned_abs())
}

fn token() -> String {
    let random: [u8; TOKEN_BYTES] = rand::random();
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is kept of a token.
pub fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn count(step: &'static str) {
    metrics::counter!("windrow_effects_total", "step" => step).increment(1);
}
