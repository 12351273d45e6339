//! Asking a provider about a record, a few times, and what its answer says.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::Value;

use super::{Http, carried::Unsettled};
use crate::{
    connection::caller::{Asking, Uncalled},
    handler::Outcome,
    job::JobError,
    kinds::{
        http_request::verdict::Verdict,
        sync_run::{
            handler::stopped,
            request::{self, About},
        },
    },
    outbound::{Limits, Method},
    sync::{
        definition::{Call, CallMethod},
        state::Incoming,
    },
};

/// How often something is sent within an attempt, and how long it rests before, doubling.
const TRIES_MAX: u32 = 4;
const REST_FIRST_MS: u64 = 500;
/// A longer wait is spent without a slot.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
const SILENCE_MS: u64 = 30_000;

/// What the provider answers.
pub(super) enum Answered {
    /// Yes, and this.
    Taken(Value),
    /// Not this.
    Refused { status: u16, message: String },
}

impl Http {
    pub(super) fn asking(
        &self,
        call: &Call,
        record: &Incoming,
        data: &Value,
        id: Option<&str>,
        content: Option<Value>,
        what: &str,
    ) -> Result<Asking, Unsettled> {
        let about = About { key: Some(&record.key), id, record: Some(data) };
        let mut asking = self.call(call, &about, content)?;
        put(&mut asking, "idempotency-key", &request::idempotency_key(self.sync, what, [record]))?;
        Ok(asking)
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

    /// Asks until there is an answer that says something, a few times.
    pub(super) async fn ask(&self, asking: &Asking) -> Result<Answered, Unsettled> {
        let (mut rest, mut in_doubt) = (Duration::from_millis(REST_FIRST_MS), false);
        for tries in 1.. {
            let (outcome, wait) = match self.ask_once(asking).await {
                Ok(answered) => return Ok(answered),
                Err(unanswered) => {
                    in_doubt |= unanswered.in_doubt;
                    match unanswered.outcome {
                        Outcome::Retry { error, after } if unanswered.again => (Outcome::Retry { error, after }, after),
                        outcome => return Err(Unsettled::Stopped { outcome, in_doubt }),
                    }
                }
            };
            if let Some(wait) = wait.filter(|wait| *wait > WAIT_MAX) {
                self.context.progress(0, "the destination asks to wait");
                return Err(Unsettled::Stopped { outcome: Outcome::Snooze(wait), in_doubt });
            }
            if tries == TRIES_MAX {
                return Err(Unsettled::Stopped { outcome, in_doubt });
            }
            tokio::select! {
                () = tokio::time::sleep(wait.unwrap_or(rest)) => rest *= 2,
                () = self.context.cancel.cancelled() => return Err(Unsettled::Stopped { outcome: stopped(), in_doubt }),
            }
        }
        unreachable!("the last try returns")
    }

    async fn ask_once(&self, asking: &Asking) -> Result<Answered, Unanswered> {
        if self.context.cancel.is_cancelled() || !self.context.lease.valid() {
            return Err(Unanswered { outcome: stopped(), again: false, in_doubt: false });
        }
        let total_ms = u64::try_from(self.caller.timeout().as_millis()).unwrap_or(u64::MAX);
        let limits = Limits { total_ms, silence_ms: SILENCE_MS, body_bytes_max: ANSWER_BYTES_MAX, redirects_max: 0 };
        let sent = tokio::select! {
            sent = self.caller.send(asking, &limits) => sent,
            () = self.context.cancel.cancelled() => return Err(Unanswered { outcome: stopped(), again: false, in_doubt: true }),
        };
        let answer = sent.map_err(|uncalled| {
            // Whoever has no token will have none at once.
            let again = matches!(uncalled, Uncalled::Failed(_));
            let in_doubt = matches!(&uncalled, Uncalled::Failed(error) if !error.is_unsent());
            Unanswered { outcome: self.caller.hide(uncalled.into_outcome()), again, in_doubt }
        })?;
        let status = answer.status.as_u16();
        if answer.status.is_success() {
            if !self.was_good.swap(true, Ordering::Relaxed) {
                self.caller.was_good().await;
            }
            let bytes = answer.bytes().await.map_err(|error| {
                let outcome = self.caller.hide(Outcome::retry(error.code(), error.to_string()));
                Unanswered { outcome, again: true, in_doubt: true }
            })?;
            return Ok(Answered::Taken(serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
        }
        let refusal = self.caller.refusal(answer).await;
        let retry = |code| Outcome::Retry { error: JobError::new(code, &refusal.message, true), after: refusal.after };
        let (outcome, again, in_doubt) = match refusal.verdict {
            // It is about what was sent: another record may be taken.
            _ if matches!(status, 400 | 404 | 409 | 410 | 413 | 414 | 422 | 431) => {
                return Ok(Answered::Refused { status, message: refusal.message });
            }
            Verdict::NotNow => (retry("destination_failed"), true, false),
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

pub(super) fn put(asking: &mut Asking, name: &str, value: &str) -> Result<(), Unsettled> {
    asking.put(name, value).map_err(|error| Outcome::Bury(error).into())
}
