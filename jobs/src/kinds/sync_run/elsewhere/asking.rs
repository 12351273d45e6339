//! Asking a provider about a record, a few times, and what its answer says.
//!
//! An answer is read only where something is looked for in it, and at most as large as that may be. A page for people is never a yes.

use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use serde_json::Value;

use super::{Http, carried::Unsettled, single::Meant};
use crate::{
    connection::{
        caller::{Asking, Uncalled},
        turns::Turns,
    },
    handler::Outcome,
    job::JobError,
    kinds::{
        http_request::verdict::Verdict,
        sync_run::{
            handler::stopped,
            request::{self, About},
        },
    },
    outbound::{self, Answer, Limits, Method, header},
    sync::{
        definition::{Call, CallMethod},
        reader,
    },
};

/// How often something is sent within an attempt, and how long it rests before, doubling.
const TRIES_MAX: u32 = 4;
const REST_FIRST_MS: u64 = 500;
/// A longer wait is spent without a slot; none is longer than a day, whatever is asked.
const WAIT_MAX: Duration = Duration::from_secs(20);
const SNOOZE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How long an answer is still waited for when the attempt is to stop: a worker that goes down gives it a second.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The largest answer that is read: about many records, about one.
const MUCH_BYTES_MAX: u64 = 8 * 1024 * 1024;
const LITTLE_BYTES_MAX: u64 = 1024 * 1024;
const SILENCE_MS: u64 = 30_000;

/// What is looked for in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Its status says all.
    Nothing,
    /// What it says of a record.
    Little,
    /// What it says of many.
    Much,
}

/// What the provider answers.
pub(super) struct Answered {
    pub said: Said,
    /// Whether a try of this attempt before this answer may have arrived.
    pub in_doubt: bool,
}

/// What an answer says.
pub(super) enum Said {
    /// Yes, and this; why that cannot be read. Nothing where nothing is wanted.
    Yes { status: u16, answer: Result<Value, String> },
    /// Not this.
    No { status: u16, message: String },
}

impl Http {
    /// What is asked to carry something out. It has a key by which a repetition is known.
    pub(super) fn asking(&self, call: &Call, meant: Meant<'_>, id: Option<&str>, content: Option<Value>) -> Result<Asking, Unsettled> {
        let about = About { key: Some(&meant.record.key), id, record: Some(meant.data) };
        let mut asking = self.call(call, &about, content)?;
        let records = [(meant.record, meant.planned.meant_at)];
        let key = request::idempotency_key(self.sync, &asking.method, &asking.url, records);
        put(&mut asking, "idempotency-key", &key)?;
        Ok(asking)
    }

    /// What is asked to learn something: as often as it is asked, it is asked anew.
    pub(super) fn looking(&self, call: &Call, meant: Meant<'_>) -> Result<Asking, Unsettled> {
        self.call(call, &About { key: Some(&meant.record.key), id: None, record: Some(meant.data) }, None)
    }

    pub(super) fn call(&self, call: &Call, about: &About<'_>, content: Option<Value>) -> Result<Asking, Unsettled> {
        let url = self.caller.url(None, request::query(call, about)?)?;
        let method = match call.method {
            CallMethod::Get => Method::GET,
            CallMethod::Post => Method::POST,
            CallMethod::Put => Method::PUT,
            CallMethod::Patch => Method::PATCH,
            CallMethod::Delete => Method::DELETE,
        };
        let mut asking = Asking::new(method, request::below(url, call, about)?);
        asking.body = request::body(call, content)?;
        for (name, value) in &call.headers {
            put(&mut asking, name, value)?;
        }
        Ok(asking)
    }

    /// Asks until there is an answer that says something, a few times. `before`: whether a try of another attempt may have arrived.
    pub(super) async fn ask(&self, asking: &Asking, before: bool, wanted: Wanted) -> Result<Answered, Unsettled> {
        let (mut rest, mut in_doubt) = (Duration::from_millis(REST_FIRST_MS), false);
        for tries in 1.. {
            let wait = match self.ask_once(asking, wanted).await {
                // Our try before this one may still be worked on there.
                Ok(Said::No { status: 409, .. }) if (in_doubt || before) && tries < TRIES_MAX => None,
                Ok(said) => return Ok(Answered { said, in_doubt }),
                Err(unanswered) => {
                    in_doubt |= unanswered.in_doubt;
                    match unanswered.outcome {
                        Outcome::Retry { after: Some(wait), .. } if unanswered.again && wait > WAIT_MAX => {
                            self.context.progress(0, "the destination asks to wait");
                            return Err(Unsettled::Stopped { outcome: Outcome::Snooze(wait.min(SNOOZE_MAX)), in_doubt });
                        }
                        Outcome::Retry { after, .. } if unanswered.again && tries < TRIES_MAX => after,
                        outcome => return Err(Unsettled::Stopped { outcome, in_doubt }),
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait.unwrap_or(rest)) => rest *= 2,
                () = self.context.cancel.cancelled() => return Err(Unsettled::Stopped { outcome: stopped(), in_doubt }),
            }
        }
        unreachable!("the last try returns")
    }

    async fn ask_once(&self, asking: &Asking, wanted: Wanted) -> Result<Said, Unanswered> {
        self.wait_for_turn().await?;
        if self.context.cancel.is_cancelled() || !self.context.lease.valid() {
            return Err(Unanswered::unsent(stopped()));
        }
        let said = tokio::select! {
            said = self.send(asking, wanted) => said,
            () = self.last_words() => Err(Unanswered { outcome: stopped(), again: false, in_doubt: true }),
        };
        said.map_err(|unanswered| Unanswered { outcome: self.caller.hide(unanswered.outcome), ..unanswered })
    }

    /// Until it may be asked. A longer wait is spent without a slot.
    async fn wait_for_turn(&self) -> Result<(), Unanswered> {
        let turn = self.turns().take(WAIT_MAX);
        let pause = turn.map_err(|pause| {
            self.context.progress(0, "the destination is asked no more for a while");
            Unanswered::unsent(Outcome::Snooze(pause.min(SNOOZE_MAX)))
        })?;
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.context.cancel.cancelled() => Err(Unanswered::unsent(stopped())),
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the attempt is to stop, and a moment more: what is answered by then is known to have been done.
    async fn last_words(&self) {
        self.context.cancel.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    }

    async fn send(&self, asking: &Asking, wanted: Wanted) -> Result<Said, Unanswered> {
        let total_ms = u64::try_from(self.caller.timeout().as_millis()).unwrap_or(u64::MAX);
        let body_bytes_max = if wanted == Wanted::Much { MUCH_BYTES_MAX } else { LITTLE_BYTES_MAX };
        let limits = Limits { total_ms, silence_ms: SILENCE_MS, body_bytes_max, redirects_max: 0 };
        let answer = self.caller.send(asking, &limits).await.map_err(|uncalled| {
            // Whoever has no token will have none at once.
            let again = matches!(uncalled, Uncalled::Failed(_));
            let in_doubt = matches!(&uncalled, Uncalled::Failed(error) if !error.is_unsent());
            Unanswered { outcome: uncalled.into_outcome(), again, in_doubt }
        })?;
        // What says that nothing more may be asked holds all that are yet to be asked.
        self.turns().heard(&answer.headers, self.clock.now());
        if answer.status.is_success() { self.yes(answer, wanted, body_bytes_max).await } else { self.no(answer).await }
    }

    async fn yes(&self, answer: Answer, wanted: Wanted, bytes_max: u64) -> Result<Said, Unanswered> {
        let status = answer.status.as_u16();
        let unclear = |code: &str, message: String| Unanswered { outcome: Outcome::retry(code, message), again: true, in_doubt: true };
        let form = answer.headers.get(header::CONTENT_TYPE).and_then(|form| form.to_str().ok()).unwrap_or_default();
        if form.trim_start().to_ascii_lowercase().starts_with("text/html") {
            let message = format!("{} answered {status} with a page for people (text/html)", answer.host());
            return Err(unclear("destination_failed", message));
        }
        if !self.was_good.swap(true, Ordering::Relaxed) {
            self.caller.was_good().await;
        }
        let read = answer.bytes().await;
        let answer = match read {
            // It is read so that the way to the provider can be used again.
            _ if wanted == Wanted::Nothing => Ok(Value::Null),
            Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Value::Null),
            Ok(bytes) => tokio::task::spawn_blocking(move || reader::json(&bytes, bytes_max))
                .await
                .map_err(|error| unclear("destination_failed", format!("what was answered was not read to its end: {error}")))?,
            Err(error @ outbound::Error::TooLarge { .. }) => Err(error.to_string()),
            Err(error) => return Err(unclear(error.code(), error.to_string())),
        };
        Ok(Said::Yes { status, answer })
    }

    async fn no(&self, answer: Answer) -> Result<Said, Unanswered> {
        let status = answer.status.as_u16();
        let refusal = self.caller.refusal(answer).await;
        let is_throttled = matches!(status, 429 | 503);
        let after = refusal.after.or_else(|| is_throttled.then_some(self.throttled_wait));
        if let Some(pause) = after.filter(|_| is_throttled) {
            self.turns().rest(pause);
        }
        let retry = |code| Outcome::Retry { error: JobError::new(code, &refusal.message, true), after };
        let (outcome, again, in_doubt) = match refusal.verdict {
            // It is about what was sent: another record may be taken.
            _ if matches!(status, 400 | 404 | 409 | 410 | 413 | 414 | 422 | 431) => {
                return Ok(Said::No { status, message: refusal.message });
            }
            // Whoever stands before the provider says so as well, and knows nothing of what lies behind; but of these two.
            Verdict::NotNow => (retry("destination_failed"), true, !matches!(status, 425 | 429)),
            Verdict::Unclear | Verdict::Done => (retry("destination_failed"), true, true),
            Verdict::Unauthorized => (retry("connection_refused"), false, false),
            Verdict::Never => (Outcome::bury("destination_refused", &refusal.message), false, false),
        };
        Err(Unanswered { outcome, again, in_doubt })
    }
}

/// Why there is no answer that says something.
struct Unanswered {
    outcome: Outcome,
    /// Whether it may be asked again at once.
    again: bool,
    /// Whether what was asked may have been done.
    in_doubt: bool,
}

impl Unanswered {
    /// It was not even asked.
    const fn unsent(outcome: Outcome) -> Self {
        Self { outcome, again: false, in_doubt: false }
    }
}

pub(super) fn put(asking: &mut Asking, name: &str, value: &str) -> Result<(), Unsettled> {
    asking.put(name, value).map_err(|error| Outcome::Bury(error).into())
}
