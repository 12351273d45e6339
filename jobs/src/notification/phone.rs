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

/// What an answer other than a message means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The connection is not let in, or its account is blocked: it goes to `error`.
    Refused,
    /// Not taken, and it may be asked again.
    NotNow,
    /// Taken or not: nobody knows.
    Unclear,
    /// It will not be taken, for this reason.
    Never(&'static str),
}

impl Verdict {
    /// What a status means by itself.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Refused,
            429 => Self::NotNow,
            // A 503 too: what stands before the provider may have lost the answer of a message that was taken.
            408 | 500..=599 => Self::Unclear,
            // A success that is no message: something else answers.
            200..=299 => Self::Unclear,
            _ => Self::Never("message_refused"),
        }
    }
}

#[cfg(feature = "handlers")]
pub(crate) use self::asking::{
    Asked, ask, ask_within, closed, confirmed, failed, heard_of, hide, is_settled, judged, kept, note, unsent, use_of, word,
};

#[cfg(feature = "handlers")]
mod asking {
    use std::time::Duration;

    use serde::de::DeserializeOwned;

    use super::Verdict;
    use crate::{
        clock::Timestamp,
        connection::{AccessError, Hidden, Opened, Used},
        effect::{Failed, Kept, Performed, Reported, Standing},
        handler::{Context, Outcome},
        job::JobError,
        kinds::http_request::retry_after,
        ledger,
        notification::delivery::{Delivery, Sending},
        outbound::{self, Limits, Outbound, Request, header},
    };

    /// The largest answer: a page of a hundred of WhatsApp's templates has some 200 KiB.
    const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
    /// How long an answer may take.
    const TOTAL_MS: u64 = 30_000;
    /// How much of an answer that is no JSON is told.
    const EXCERPT_BYTES: usize = 512;
    /// The longest of a provider's ids and words that is kept: as long as an id in a report may be.
    const WORD_BYTES_MAX: usize = 512;

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

        /// The body as it came.
        pub fn body(&self) -> &[u8] {
            &self.body
        }

        /// The beginning of the body, for a message, without what is hidden: that is taken out of all of it first, or the cut would leave
        /// the beginning of a secret.
        pub fn excerpt(&self, hidden: &Hidden) -> String {
            let whole = hidden.text(&String::from_utf8_lossy(&self.body));
            let cut = &whole[..whole.floor_char_boundary(EXCERPT_BYTES)];
            cut.chars().filter(|character| !character.is_control() || *character == '\n').collect()
        }
    }

    /// A provider's word for something, as it is kept: whoever answers may repeat what it was sent, and at any length.
    pub(crate) fn word(hidden: &Hidden, told: &str) -> String {
        let word: String = hidden.text(told).chars().filter(|character| !character.is_control()).collect();
        word[..word.floor_char_boundary(WORD_BYTES_MAX)].to_owned()
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(outbound: &Outbound, request: Request, now: Timestamp) -> Result<Asked, outbound::Error> {
        ask_within(outbound, request, now, &Limits { total_ms: TOTAL_MS, body_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() }).await
    }

    /// The same within other limits.
    pub(crate) async fn ask_within(
        outbound: &Outbound,
        request: Request,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Asked, outbound::Error> {
        let answer = outbound.send(request, limits).await?;
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

    /// How the sending stands that an attempt before began. A first attempt has begun nothing.
    pub(crate) async fn kept(context: &Context) -> Result<Option<Kept>, Outcome> {
        if context.attempt == 1 {
            return Ok(None);
        }
        let known = context.effects.effects(&context.tenant, context.job).await;
        let known = known.map_err(|error| Outcome::retry("ledger_unavailable", error.to_string()))?;
        Ok(known.into_iter().find(|kept| kept.key == super::EFFECT))
    }

    /// Whether nothing will be sent any more.
    pub(crate) fn is_settled(kept: Option<&Kept>) -> bool {
        kept.is_some_and(|kept| !matches!(kept.facts.standing, Standing::Intended | Standing::Withdrawn))
    }

    /// What came of a sending that is confirmed: that stays so, whatever has become of the connection and the words.
    pub(crate) fn confirmed<T: DeserializeOwned>(kept: Option<&Kept>) -> Option<Performed<T>> {
        let facts = kept.map(|kept| &kept.facts).filter(|facts| facts.standing == Standing::Confirmed)?;
        let result = facts.result.as_ref().and_then(|Reported(json)| serde_json::from_str(json.get()).ok());
        Some(Performed { result, provider_id: facts.provider_id.clone(), replayed: true })
    }

    /// What the provider calls the message, where it has reported anything of it, by this connection, before its sending was noted: then
    /// it was taken.
    pub(crate) async fn heard_of(context: &Context, opened: &Opened) -> Result<Option<String>, Failed> {
        let away = |error: ledger::Error| Failed::unknown(Outcome::retry("ledger_unavailable", error.to_string()));
        let deliveries = context.ledger.deliveries(&context.tenant, context.job).await.map_err(away)?;
        let ours = |delivery: &Delivery| delivery.key == super::EFFECT && delivery.connection == opened.id;
        Ok(deliveries.into_iter().find(ours).and_then(|delivery| delivery.provider_id))
    }

    /// Says what came of using a connection. That nobody could be told does not undo the call.
    pub(crate) async fn use_of(context: &Context, opened: &Opened, used: Used) {
        if let Err(error) = context.access.report(opened, used).await {
            tracing::warn!(job.id = %context.job, connection = %opened.id, %error, "a connection's use was not noted");
        }
    }

    /// What becomes of a message whose provider said this, by what it means.
    pub(crate) async fn judged(context: &Context, opened: &Opened, verdict: Verdict, said: String, after: Option<Duration>) -> Failed {
        let again = |code| Outcome::Retry { error: JobError::new(code, &said, true), after };
        match verdict {
            Verdict::Refused => {
                use_of(context, opened, Used::Refused(JobError::new("connection_refused", &said, false))).await;
                // The connection waits to be mended, and the job with it as long as it has attempts.
                Failed::not_done(again("connection_refused"))
            }
            Verdict::NotNow => Failed::not_done(again("provider_busy")),
            Verdict::Unclear => Failed::unknown(again("provider_failed")),
            Verdict::Never(code) => {
                // It let us in: what is wrong is the message.
                use_of(context, opened, Used::Well).await;
                Failed::not_done(Outcome::bury(code, said))
            }
        }
    }

    /// Whoever answers may repeat what it was sent: nothing that opens a door is kept of it.
    pub(crate) fn hide(hidden: &Hidden, failed: Failed) -> Failed {
        failed.map(|outcome| match outcome {
            Outcome::Retry { error, after } => Outcome::Retry { error: hidden.error(error), after },
            Outcome::Bury(error) => Outcome::Bury(hidden.error(error)),
            outcome => outcome,
        })
    }

    /// Notes a sending, so that what the provider reports later finds it. Noting it again changes nothing.
    pub(crate) async fn note(context: &Context, opened: &Opened, to: &str, provider_id: &str) -> ledger::Result<()> {
        let sending = Sending {
            tenant: context.tenant.clone(),
            job: context.job,
            key: super::EFFECT.into(),
            connection: opened.id,
            recipient: to.to_owned(),
            provider_id: Some(provider_id.to_owned()),
        };
        context.ledger.note_sending(sending).await?;
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const TOKEN: &str = "planted-token-5c1f90d277aa";

        #[test]
        fn a_secret_on_the_cut_leaves_nothing() {
            let hidden = Hidden::default().and_text(TOKEN);
            for before in EXCERPT_BYTES - TOKEN.len() - 1..=EXCERPT_BYTES + 1 {
                let body = format!("{}{TOKEN}</html>", "x".repeat(before)).into_bytes();
                let excerpt = Asked { status: 502, after: None, body }.excerpt(&hidden);
                assert!(excerpt.len() <= EXCERPT_BYTES && !excerpt.contains(&TOKEN[..3]), "{before}: {excerpt}");
            }
            let umlauts = Asked { status: 502, after: None, body: "ü\u{7}".repeat(EXCERPT_BYTES).into_bytes() };
            assert!(umlauts.excerpt(&hidden).chars().all(|character| character == 'ü'));
        }

        #[test]
        fn words_are_short_and_have_no_secret() {
            let hidden = Hidden::default().and_text(TOKEN);
            assert_eq!(word(&hidden, &format!("SM1\0 {TOKEN}")), "SM1 (hidden)");
            assert_eq!(word(&hidden, &"ü".repeat(WORD_BYTES_MAX)).len(), WORD_BYTES_MAX);
        }
    }
}
