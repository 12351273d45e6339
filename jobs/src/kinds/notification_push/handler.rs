//! The code of `notification.push`: open the connection, fill in the words, send to all who have none yet, say what came of it.
//!
//! All that waits before a message can be sent (its turn, an access token) comes before the effect's intent, so that an attempt which
//! dies there leaves nothing in doubt. Where nobody is left to send to, nothing is opened or filled in: the receipts are enough.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, OnceLock, PoisonError},
};

use fcm::Target;
use futures::{StreamExt, stream};

use super::{
    Payload, WhenUnknown,
    apple::{self, Apple},
    contract,
    fate::{Came, Fate, Said, Tally},
    google::{self, Google},
    words,
};
use crate::{
    connection::{AccessError, Opened, Used, catalog},
    contract::Contract,
    effect::{Call, Failed, Kept, Policy, Receipt, Sent, Standing, Stopped},
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::Services,
    outbound::tokens::Token,
};

/// How many messages of a job are under way at once: over HTTP/2 they share a connection.
const AT_ONCE: usize = 32;
/// How often progress is told: each time that so many are done.
const TELL_EVERY: usize = 50;

/// The handler.
pub struct Push {
    services: Services,
}

impl Push {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for Push {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let (kept, recipients) = (known(&context).await?, recipients(&payload));
        let policy = policy(payload.when_unknown);
        if recipients.iter().all(|recipient| is_settled(kept.get(&recipient.key), policy)) {
            let sending = Sending { context: &context, way: None, payload: &payload, kept, tally: Mutex::default() };
            return Ok(sending.send_all(recipients).await);
        }
        let opened = match context.connection(&payload.connection, &[catalog::fcm::NAME, catalog::apns::NAME]).await {
            Ok(opened) => opened,
            Err(error) => return Ok(closed(&error)),
        };
        let shown = match words::shown(&context, &self.services.renderers, &payload).await {
            Ok(shown) => shown,
            Err(outcome) => return Ok(outcome),
        };
        let google = Google::new(&self.services.outbound, &self.services.tokens, self.services.clock.as_ref(), &opened);
        let gate = if opened.provider == catalog::apns::NAME {
            match apple::Message::of(&payload, shown.as_ref(), opened.config["topic"].as_str().unwrap_or_default()) {
                Ok(message) => Gate::Apple(&self.services.apple, message),
                Err(why) => return Ok(Outcome::bury("message_unfit", why)),
            }
        } else {
            Gate::Google(google, Box::new(google::message(&payload, shown.as_ref())))
        };
        let way = Some(Way { opened: &opened, gate });
        let sending = Sending { context: &context, way, payload: &payload, kept, tally: Mutex::default() };
        Ok(sending.send_all(recipients).await)
    }
}

/// An open connection, and how its provider is spoken to.
struct Way<'s> {
    opened: &'s Opened,
    gate: Gate<'s>,
}

/// How a provider is spoken to, and what it is told.
enum Gate<'s> {
    Google(Google<'s>, Box<fcm::Message>),
    Apple(&'s Apple, apple::Message),
}

/// To whom a message goes, and the effect by which it is sent.
struct Recipient {
    key: String,
    target: Target,
}

/// All that has to be there before a message is sent.
struct Ready<'s> {
    way: &'s Way<'s>,
    /// FCM's; APNs' are made without waiting.
    token: Option<Token>,
}

/// A job's messages on their way.
struct Sending<'s> {
    context: &'s Context,
    /// None where all is settled.
    way: Option<Way<'s>>,
    payload: &'s Payload,
    /// The effects of the attempts before.
    kept: HashMap<String, Kept>,
    tally: Mutex<Tally>,
}

impl Sending<'_> {
    async fn send_all(self, recipients: Vec<Recipient>) -> Outcome {
        let total = recipients.len();
        let each: Vec<_> = recipients.into_iter().map(|recipient| self.to(recipient, total)).collect();
        stream::iter(each).buffer_unordered(AT_ONCE).collect::<()>().await;
        self.tally.into_inner().unwrap_or_else(PoisonError::into_inner).outcome()
    }

    async fn to(&self, recipient: Recipient, total: usize) {
        let over = self.tally.lock().unwrap_or_else(PoisonError::into_inner).is_over();
        let came = match self.kept.get(&recipient.key).and_then(done) {
            Some(done) => done,
            None if over => Came::Untried,
            None => {
                let came = self.send(&recipient).await;
                self.report(&came).await;
                came
            }
        };
        let to = match &recipient.target {
            Target::Token(to) | Target::Fid(to) | Target::Topic(to) | Target::Condition(to) => to,
        };
        let done = {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(to, came);
            tally.done()
        };
        if total > 1 && done > 0 && done.is_multiple_of(TELL_EVERY) {
            self.context.progress(u8::try_from(done * 100 / total).unwrap_or(100), format!("{done} of {total}"));
        }
    }

    /// One message, as an effect.
    async fn send(&self, recipient: &Recipient) -> Came {
        let policy = policy(self.payload.when_unknown);
        let mut ready = None;
        if !is_settled(self.kept.get(&recipient.key), policy) {
            ready = tokio::select! {
                made = self.ready() => match made {
                    Ok(made) => made,
                    Err(came) => return came,
                },
                () = self.context.cancel.cancelled() => return Came::Ended(Outcome::Cancel),
            };
        }
        let said = OnceLock::new();
        let effect = self.context.effect(&recipient.key, policy);
        let performed = effect.run(|call| async {
            let Some(ready) = ready.take() else {
                // It was settled a moment ago, and a person took that back.
                return Err(Failed::not_done(Outcome::retry("effect_changed", "the effect was changed meanwhile")));
            };
            let came = tokio::select! {
                came = self.ask(recipient, ready, call) => came,
                () = self.context.cancel.cancelled() => return Err(Failed::unknown(Outcome::Cancel)),
            };
            let sent = settled(&came);
            let _ = said.set(came);
            sent
        });
        match performed.await {
            Ok(performed) => match performed.result {
                Some(fate) => Came::Done(fate, performed.provider_id),
                None => Came::Unknown,
            },
            Err(Stopped::Failed(outcome)) => said.into_inner().map_or(Came::Ended(outcome), Came::Said),
            Err(Stopped::Parked(_)) => Came::Parked,
            Err(stopped) => Came::Ended(stopped.into_outcome()),
        }
    }

    /// A token, then the turn: nobody takes a place in the row who could not use it. None where there is no way.
    async fn ready(&self) -> Result<Option<Ready<'_>>, Came> {
        let Some(way) = &self.way else { return Ok(None) };
        let token = match &way.gate {
            Gate::Google(google, _) => Some(google.token(self.context).await.map_err(Came::Said)?),
            Gate::Apple(..) => None,
        };
        self.context.turn(way.opened).await.map_err(Came::Ended)?;
        Ok(Some(Ready { way, token }))
    }

    async fn ask(&self, recipient: &Recipient, Ready { way, token }: Ready<'_>, call: Call) -> Said {
        match (&way.gate, token, &recipient.target) {
            (Gate::Google(google, message), Some(token), target) => {
                let message = google::addressed(message, target.clone(), &call.key);
                google.send(self.context, token, &message, self.payload.validate_only).await
            }
            (Gate::Apple(apple, message), _, Target::Token(token)) => apple.send(self.context, way.opened, token, message, &call.key).await,
            _ => unreachable!("FCM's token is there, and a message to a topic is unfit for APNs"),
        }
    }

    /// What a message says of the connection. That nobody could be told does not undo it.
    async fn report(&self, came: &Came) {
        let Some(way) = &self.way else { return };
        let used = match came {
            Came::Said(Said::Closed(error, _)) if error.code == "connection_refused" || error.code == "connection_invalid" => {
                Used::Refused(JobError { retryable: false, ..error.clone() })
            }
            Came::Done(..) if !self.tally.lock().unwrap_or_else(PoisonError::into_inner).has_done() => Used::Well,
            _ => return,
        };
        if let Err(error) = self.context.access.report(way.opened, used).await {
            tracing::warn!(job.id = %self.context.job, connection = %way.opened.id, %error, "a connection's use was not noted");
        }
    }
}

/// What the ledger keeps of what a provider said.
fn settled(said: &Said) -> Result<Sent<Fate>, Failed> {
    let done = |provider_id, result| Ok(Sent::Done(Receipt { provider_id, result }));
    let again = |error: &JobError, after| Outcome::Retry { error: error.clone(), after };
    match said {
        Said::Taken(id) => done(id.clone(), Fate::Sent),
        Said::Dead { reason, at } => done(None, Fate::Dead { reason: reason.clone(), at: *at }),
        Said::Refused { message, .. } => Err(Failed::not_done(Outcome::bury("message_refused", message))),
        Said::Later(error, after) | Said::Closed(error, after) => Err(Failed::not_done(again(error, *after))),
        Said::Unclear(error, after) => Err(Failed::unknown(again(error, *after))),
    }
}

/// The effects of the attempts before. A first attempt has none.
async fn known(context: &Context) -> Result<HashMap<String, Kept>, Failure> {
    if context.attempt == 1 {
        return Ok(HashMap::new());
    }
    let kept = context.effects.effects(&context.tenant, context.job).await?;
    Ok(kept.into_iter().map(|kept| (kept.key.clone(), kept)).collect())
}

const fn policy(when_unknown: WhenUnknown) -> Policy {
    match when_unknown {
        WhenUnknown::Resend => Policy::Resend,
        WhenUnknown::Drop => Policy::Drop,
        WhenUnknown::Park => Policy::Park,
    }
}

/// Whether an effect needs no message any more, by this policy.
fn is_settled(kept: Option<&Kept>, policy: Policy) -> bool {
    kept.is_some_and(|kept| match kept.facts.standing {
        Standing::Withdrawn => false,
        Standing::Intended => policy != Policy::Resend,
        _ => true,
    })
}

/// What an attempt before has come to, where that is settled.
fn done(kept: &Kept) -> Option<Came> {
    if kept.facts.standing != Standing::Confirmed {
        return None;
    }
    // A person may say that it was sent, and nothing else.
    let fate = kept.facts.result.as_ref().and_then(|result| serde_json::from_str(result.0.get()).ok()).unwrap_or(Fate::Sent);
    Some(Came::Done(fate, kept.facts.provider_id.clone()))
}

/// Everybody once. The keys are by the place in the payload, which does not change.
fn recipients(payload: &Payload) -> Vec<Recipient> {
    let one = |target| vec![Recipient { key: "message".into(), target }];
    let to = &payload.to;
    if let Some(tokens) = &to.tokens {
        let mut seen = HashSet::new();
        let places = tokens.iter().enumerate().filter(|(_, token)| seen.insert(token.as_str()));
        return places.map(|(place, token)| Recipient { key: format!("token-{place}"), target: Target::Token(token.clone()) }).collect();
    }
    match (&to.token, &to.topic, &to.condition) {
        (Some(token), ..) => one(Target::Token(token.clone())),
        (_, Some(topic), _) => one(Target::Topic(topic.clone())),
        (_, _, Some(condition)) => one(Target::Condition(condition.clone())),
        _ => Vec::new(),
    }
}

fn closed(error: &AccessError) -> Outcome {
    let error = error.as_job_error();
    if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) }
}
