//! The code of `notification.email`: have the words made, build the message, give it to the server once.
//!
//! All that can fail without anything having been sent (words, attachments, a turn at the server, a connection) comes before the effect's intent, so
//! that an attempt which dies there leaves nothing in doubt. In doubt is only what lies between MAIL and the server's answer to the whole message.

use std::{future::Future, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Payload, Refused, Reply,
    attachments::{self, File},
    contract,
    message::{Parts, Words, message},
    smtp::{Letter, Server, Taken, Trouble, address_of, domain_of, pool::Pools, pool::Turn},
};
use crate::{
    clock::Timestamp,
    connection::{Access, AccessError, Opened, Used, catalog},
    contract::Contract,
    effect::{Call, Failed, Kept, Receipt, Sent, Standing},
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::Services,
    notification::{compose, locale::Locale, mailbox::Mailbox},
    renderer::words::Asked,
};

/// The effect's name.
const EFFECT: &str = "send";
/// How often a message is sent to those for whom the server did not take it before: a job's attempts.
const ROUNDS_MAX: usize = 100;
/// How much of the answer to each recipient is kept, in bytes.
const KEPT_BYTES_MAX: usize = 120;
/// Where every turn at the server is taken, somebody else uses the worker meanwhile.
const BUSY: Duration = Duration::from_secs(3);
/// How long what is being said may still be said when the job is to stop: less than is left until it is dropped.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The handler.
pub struct NotificationEmail {
    services: Services,
    pools: Pools,
}

impl NotificationEmail {
    /// With what it needs.
    pub fn new(services: Services) -> Self {
        Self { services, pools: Pools::default() }
    }
}

impl Handler for NotificationEmail {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let known = match known(&context).await {
            Ok(known) => known,
            Err(outcome) => return Ok(outcome),
        };
        if let Some(reply) = finished(&known) {
            return Ok(Outcome::done(&reply));
        }
        let mailing = match Mailing::of(self, &context, payload).await {
            Ok(mailing) => mailing,
            Err(outcome) => return Ok(outcome),
        };
        Ok(mailing.hide(mailing.send(&known).await.map_or_else(|outcome| outcome, |reply| Outcome::done(&reply))))
    }
}

/// What came of giving over a message, as the effect keeps it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Given {
    /// When it was first sent.
    at: Option<Timestamp>,
    accepted: Vec<String>,
    refused: Vec<Refused>,
    /// For whom it was not taken yet.
    deferred: Vec<Refused>,
    answer: Option<String>,
}

impl Given {
    /// Adds it to what came of the job, but for whom it was not taken yet.
    fn told_in(self, reply: &mut Reply) -> Self {
        reply.accepted.extend(self.accepted);
        reply.refused.extend(self.refused);
        reply.answer = self.answer.or(reply.answer.take());
        Self { at: self.at, deferred: self.deferred, ..Self::default() }
    }
}

/// A message that is being sent.
struct Mailing<'a> {
    services: &'a Services,
    pools: &'a Pools,
    context: &'a Context,
    payload: Payload,
    opened: Opened,
    server: Server,
    from: Mailbox,
    message_id: String,
}

/// All that has to be there before it is sent.
struct Ready {
    words: Words,
    files: Vec<File>,
    turn: Turn,
    /// When the server's time is over.
    until: Instant,
}

impl<'a> Mailing<'a> {
    async fn of(handler: &'a NotificationEmail, context: &'a Context, payload: Payload) -> Result<Self, Outcome> {
        let opened = context.connection(&payload.connection, &[catalog::smtp::NAME]).await.map_err(closed)?;
        let configured = || Mailbox::from(opened.config["from"].as_str().unwrap_or_default());
        let from = payload.from.clone().unwrap_or_else(configured);
        let message_id = format!("<{}.{EFFECT}@{}>", context.job, domain_of(&from.address));
        let server = Server::of(&opened);
        let (services, pools) = (&handler.services, &handler.pools);
        Ok(Self { services, pools, context, payload, opened, server, from, message_id })
    }

    /// Sends it to everybody; to those for whom the server did not take it yet, the next attempt does.
    async fn send(&self, known: &[Kept]) -> Result<Reply, Outcome> {
        let mut left: Vec<String> = Vec::new();
        for (_, _, recipient) in self.payload.recipients() {
            if !left.contains(&recipient.address) {
                left.push(recipient.address.clone());
            }
        }
        let mut reply = Reply { message_id: self.message_id.clone(), ..Reply::default() };
        let mut at = None;
        for round in 1..=ROUNDS_MAX {
            let key = key_of(round);
            let (given, replayed) = self.give_once(&key, &left, at, is_settled(known, &key)).await?;
            at = at.or(given.at);
            let given = given.told_in(&mut reply);
            if given.deferred.is_empty() {
                return Ok(reply);
            }
            if !replayed {
                let words: Vec<String> = given.deferred.iter().map(|one| format!("{}: {}", one.address, one.answer)).collect();
                let message = format!("{} of {} recipients are left: {}", words.len(), self.payload.recipients().count(), words.join("; "));
                return Err(Outcome::retry("recipients_deferred", message));
            }
            left = given.deferred.into_iter().map(|one| one.address).collect();
        }
        Err(Outcome::bury("recipients_refused", format!("{} recipients were put off {ROUNDS_MAX} times", left.len())))
    }

    /// One effect: gives it to those who are left, unless that was done. Returns whether it was.
    async fn give_once(&self, key: &str, left: &[String], at: Option<Timestamp>, settled: bool) -> Result<(Given, bool), Outcome> {
        let mut ready = if settled { None } else { Some(self.ready().await?) };
        let effect = self.context.effect(key, self.payload.when_unknown.into());
        let made = effect.run(|call| async {
            match ready.take() {
                Some(ready) => self.give(call, ready, left, at).await,
                // It was settled a moment ago, and a person took that back.
                None => Err(Failed::not_done(Outcome::retry("effect_changed", "the effect was changed meanwhile"))),
            }
        });
        let performed = made.await.map_err(crate::effect::Stopped::into_outcome)?;
        Ok((performed.result.unwrap_or_default(), performed.replayed))
    }

    async fn ready(&self) -> Result<Ready, Outcome> {
        let words = self.words().await?;
        self.context.turn(&self.opened).await?;
        let Some(mut turn) = self.pools.turn(&self.server).await else { return Err(Outcome::Snooze(BUSY)) };
        // With a turn, so that no more files are in memory than there are turns.
        let files = attachments::read(self.context, &self.payload.attachments).await?;
        let until = Instant::now() + self.server.send_timeout;
        match timeout_at(until, turn.conversation(&self.services.outbound, &self.server)).await {
            Ok(Ok(_)) => Ok(Ready { words, files, turn, until }),
            Ok(Err(trouble)) => Err(self.troubled(&trouble).await),
            Err(_) => Err(self.late().outcome()),
        }
    }

    async fn words(&self) -> Result<Words, Outcome> {
        if let Some(template) = &self.payload.template {
            let composed = compose(self.context, &self.services.renderers, template).await?;
            let Some(subject) = composed.subject else {
                return Err(Outcome::bury("template_failed", format!("the template {} has no subject", template.name)));
            };
            return Ok(Words { subject, text: composed.text, html: composed.html });
        }
        let Payload { subject, text, html, .. } = &self.payload;
        let text = match (text, html) {
            (None, Some(html)) => self.text_of(html).await?,
            (text, _) => text.clone(),
        };
        Ok(Words { subject: subject.clone().unwrap_or_default(), text, html: html.clone() })
    }

    /// HTML as text: by the process that does it for templates.
    async fn text_of(&self, html: &str) -> Result<Option<String>, Outcome> {
        let variables = Map::from_iter([("html".to_owned(), Value::from(html))]);
        let locale: Locale = "en".parse().expect("it is a language");
        let asked = Asked { locale, subject: None, text: None, html: Some("{{ html | safe }}".to_owned()), layout: None, variables };
        let made = self.services.renderers.words(asked).await;
        made.map(|words| words.text).map_err(|unmade| match unmade {
            crate::renderer::pool::Unmade::Wordless(why) => Outcome::bury("template_failed", format!("making a text of its HTML: {why}")),
            crate::renderer::pool::Unmade::Unavailable(why) => Outcome::retry("renderer_unavailable", why),
        })
    }

    /// `at`: when it was first sent, where this is for the rest of the recipients.
    async fn give(&self, call: Call, ready: Ready, left: &[String], at: Option<Timestamp>) -> Result<Sent<Given>, Failed> {
        let Ready { words, files, mut turn, until } = ready;
        let (is_rest, at) = (at.is_some(), at.unwrap_or(call.first_at));
        let letter = self.letter(&call, &words, files, left, at);
        let letter = letter.map_err(|why| Failed::not_done(Outcome::bury("message_invalid", why)))?;
        let said = self.until_stopped(timeout_at(until, turn.give(&self.services.outbound, &self.server, &letter))).await;
        let trouble = match said {
            Some(Ok(Ok(taken))) => {
                turn.keep();
                self.report(Used::Well).await;
                return Ok(Sent::Done(self.receipt(taken, at)));
            }
            Some(Ok(Err(trouble))) => trouble,
            Some(Err(_)) => self.late(),
            None if turn.is_out() => self.late(),
            None => return Err(Failed::not_done(Outcome::Cancel)),
        };
        if turn.is_out() {
            let message = format!("nobody knows whether the message was taken: {trouble}");
            return Err(Failed::unknown(Outcome::retry("answer_lost", message)));
        }
        turn.keep();
        match trouble {
            // Some have it already: that the others never will is what came of it.
            Trouble::Recipients { refused, deferred, .. } if deferred.is_empty() && is_rest => {
                Ok(Sent::Done(Receipt { provider_id: None, result: Given { at: Some(at), refused: short(refused), ..Given::default() } }))
            }
            trouble => Err(Failed::not_done(self.troubled(&trouble).await)),
        }
    }

    /// What is being said is said to its end, if that comes soon. None where the job is to stop before.
    async fn until_stopped<T>(&self, said: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(said);
        tokio::select! {
            said = &mut said => Some(said),
            () = self.context.cancel.cancelled() => timeout(LAST_WORDS, said).await.ok(),
        }
    }

    fn letter(&self, call: &Call, words: &Words, files: Vec<File>, left: &[String], at: Timestamp) -> Result<Letter, String> {
        let configured = self.opened.config.get("reply_to").and_then(Value::as_str).map(Mailbox::from);
        let parts = Parts {
            from: &self.from,
            reply_to: self.payload.reply_to.as_ref().or(configured.as_ref()),
            words,
            files,
            message_id: self.message_id.clone(),
            effect: &call.key,
            at,
        };
        let address = |text: &String| address_of(text).ok_or_else(|| format!("{text:?} is no e-mail address"));
        let to = left.iter().map(address).collect::<Result<_, _>>()?;
        Ok(Letter { from: address(&self.from.address)?, to, bytes: message(&self.payload, parts)? })
    }

    fn receipt(&self, taken: Taken, at: Timestamp) -> Receipt<Given> {
        let Taken { accepted, refused, deferred, answer } = taken;
        let result = Given { at: Some(at), accepted, refused: short(refused), deferred: short(deferred), answer: Some(answer.text) };
        Receipt { provider_id: Some(self.message_id.clone()), result }
    }

    fn late(&self) -> Trouble {
        Trouble::Late { host: self.server.host.clone(), waited_s: self.server.send_timeout.as_secs() }
    }

    /// How the attempt ends; a connection that is refused is said to be.
    async fn troubled(&self, trouble: &Trouble) -> Outcome {
        if trouble.is_refusal() {
            let refused = JobError { retryable: false, ..trouble.as_job_error() };
            self.report(Used::Refused(refused)).await;
        }
        trouble.outcome()
    }

    /// What came of using the connection. That nobody could be told does not undo the message.
    async fn report(&self, used: Used) {
        let access: &Arc<dyn Access> = &self.context.access;
        if let Err(error) = access.report(&self.opened, used).await {
            tracing::warn!(job.id = %self.context.job, connection = %self.opened.id, %error, "a connection's use was not noted");
        }
    }

    /// Servers may repeat what they were sent: nothing that opens a door is told.
    fn hide(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Retry { error, after } => Outcome::Retry { error: self.server.hidden.error(error), after },
            Outcome::Bury(error) => Outcome::Bury(self.server.hidden.error(error)),
            outcome => outcome,
        }
    }
}

/// The effect by which those are tried who are left in this round.
fn key_of(round: usize) -> String {
    if round == 1 { EFFECT.to_owned() } else { format!("{EFFECT}.{round}") }
}

/// What was done before. A first attempt has done nothing.
async fn known(context: &Context) -> Result<Vec<Kept>, Outcome> {
    if context.attempt == 1 {
        return Ok(Vec::new());
    }
    let known = context.effects.effects(&context.tenant, context.job).await;
    known.map_err(|error| Outcome::retry("ledger_unavailable", error.to_string()))
}

/// What came of it where everybody was tried and that was confirmed: the connection is not needed any more, and may be gone.
fn finished(known: &[Kept]) -> Option<Reply> {
    let mut reply = Reply::default();
    for round in 1..=ROUNDS_MAX {
        let key = key_of(round);
        let facts = &known.iter().find(|kept| kept.key == key && kept.facts.standing == Standing::Confirmed)?.facts;
        let given: Given = serde_json::from_str(facts.result.as_ref()?.0.get()).ok()?;
        if round == 1 {
            reply.message_id = facts.provider_id.clone()?;
        }
        if given.told_in(&mut reply).deferred.is_empty() {
            return Some(reply);
        }
    }
    None
}

/// Their answers so short that an effect keeps those of the most recipients there are: 100 addresses of 254 bytes have 31 KiB as JSON.
fn short(refused: Vec<Refused>) -> Vec<Refused> {
    let cut = |answer: String| answer[..answer.floor_char_boundary(KEPT_BYTES_MAX)].to_owned();
    refused.into_iter().map(|one| Refused { answer: cut(one.answer), ..one }).collect()
}

/// Whether there is nothing left to do for it, whatever that means.
fn is_settled(known: &[Kept], key: &str) -> bool {
    let open = |standing| matches!(standing, Standing::Intended | Standing::Withdrawn);
    known.iter().any(|kept| kept.key == key && !open(kept.facts.standing))
}

fn closed(error: AccessError) -> Outcome {
    let error = error.as_job_error();
    if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{effect::RESULT_BYTES_MAX, kinds::notification_email::RECIPIENTS_MAX};

    #[test]
    fn an_effect_keeps_what_became_of_the_most_recipients_there_are() {
        let address = format!("\"{}\"@{}", "\\\"".repeat(31), "a.".repeat(94));
        for word in ["ü", "\"", "🍏"] {
            let one = |_| Refused { address: address.clone(), answer: word.repeat(500) };
            let deferred = short((0..RECIPIENTS_MAX).map(one).collect());
            let given = Given { at: Some(Timestamp::from_ms(0)), deferred, answer: Some(word.repeat(500)), ..Given::default() };
            let bytes = serde_json::to_vec(&given).expect("JSON").len();
            assert!(bytes <= RESULT_BYTES_MAX && given.deferred.len() == RECIPIENTS_MAX, "{bytes}");
        }
    }
}
