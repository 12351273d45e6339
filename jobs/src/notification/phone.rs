//! What the senders to phones (`notification.sms`, `notification.whatsapp`) share: what a number is, what becomes of a message of which
//! nobody knows whether it was taken, and how a provider is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::effect::Policy;

/// The numbers of ITU-T E.164, as a pattern: a plus sign and up to fifteen digits.
pub const E164: &str = r"^\+[1-9][0-9]{6,14}$";
/// The effect's name: a job sends one message.
pub const EFFECT: &str = "send";

/// What becomes of a message of which nobody knows whether the provider took it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnknown {
    /// Look whether it was taken, as far as the provider lets one look; send it again where it was not found.
    #[default]
    Ask,
    /// Send it again: at least once.
    Resend,
    /// Leave it: at most once.
    Drop,
    /// End the job until a person has said what happened.
    Park,
}

impl From<WhenUnknown> for Policy {
    fn from(when: WhenUnknown) -> Self {
        match when {
            WhenUnknown::Ask => Self::Ask,
            WhenUnknown::Resend => Self::Resend,
            WhenUnknown::Drop => Self::Drop,
            WhenUnknown::Park => Self::Park,
        }
    }
}

#[cfg(feature = "handlers")]
pub(crate) use self::asking::{Asked, ask, closed, failed, heard_of, unsent, use_of};

#[cfg(feature = "handlers")]
mod asking {
    use std::time::Duration;

    use serde::de::DeserializeOwned;

    use crate::{
        clock::Timestamp,
        connection::{AccessError, Opened, Used},
        effect::Failed,
        handler::{Context, Outcome},
        kinds::http_request::retry_after,
        ledger,
        outbound::{self, Limits, Outbound, Request, header},
    };

    /// The largest answer: a page of a hundred of WhatsApp's templates has some 200 KiB.
    const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
    /// How long an answer may take.
    const TOTAL_MS: u64 = 30_000;
    /// How much of an answer that is no JSON is told.
    const EXCERPT_BYTES: usize = 512;

    /// What was answered.
    pub(crate) struct Asked {
        /// Its status.
        pub status: u16,
        /// What `Retry-After` asks for.
        pub after: Option<Duration>,
        body: Vec<u8>,
    }

    impl Asked {
        /// The body, where it is such JSON.
        pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
            serde_json::from_slice(&self.body).ok()
        }

        /// The beginning of the body, for a message.
        pub fn excerpt(&self) -> String {
            let cut = &self.body[..self.body.len().min(EXCERPT_BYTES)];
            String::from_utf8_lossy(cut).chars().filter(|character| !character.is_control() || *character == '\n').collect()
        }
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(outbound: &Outbound, request: Request, now: Timestamp) -> Result<Asked, outbound::Error> {
        let limits = Limits { total_ms: TOTAL_MS, body_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() };
        let answer = outbound.send(request, &limits).await?;
        let after = answer.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok());
        let after = after.and_then(|after| retry_after(after, now));
        Ok(Asked { status: answer.status.as_u16(), after, body: answer.bytes().await? })
    }

    /// A connection that does not open.
    pub(crate) fn closed(error: &AccessError) -> Outcome {
        let error = error.as_job_error();
        if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) }
    }

    /// A call that did not come about.
    pub(crate) fn unsent(error: &outbound::Error) -> Outcome {
        if error.is_final() { Outcome::bury(error.code(), error.to_string()) } else { Outcome::retry(error.code(), error.to_string()) }
    }

    /// A call without an answer that could be read. Even where the answer was too large the message may have been taken.
    pub(crate) fn failed(error: &outbound::Error) -> Failed {
        if error.is_unsent() { Failed::not_done(unsent(error)) } else { Failed::unknown(Outcome::retry(error.code(), error.to_string())) }
    }

    /// What the provider calls the message, where it has reported anything of it before its sending was noted: then it was taken.
    pub(crate) async fn heard_of(context: &Context) -> Result<Option<String>, Failed> {
        let away = |error: ledger::Error| Failed::unknown(Outcome::retry("ledger_unavailable", error.to_string()));
        let deliveries = context.ledger.deliveries(&context.tenant, context.job).await.map_err(away)?;
        Ok(deliveries.into_iter().find(|delivery| delivery.key == super::EFFECT).and_then(|delivery| delivery.provider_id))
    }

    /// Says what came of using a connection. That nobody could be told does not undo the call.
    pub(crate) async fn use_of(context: &Context, opened: &Opened, used: Used) {
        if let Err(error) = context.access.report(opened, used).await {
            tracing::warn!(job.id = %context.job, connection = %opened.id, %error, "a connection's use was not noted");
        }
    }
}
