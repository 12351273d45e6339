//! The code of `hook.forward`. Who receives it sees what the provider sent: body, media type, signature; and ours, which is fresh.

use super::{Forwarded, Payload, contract};
use crate::{
    contract::Contract,
    effect::{Call, Failed, Policy, Receipt, Sent},
    handler::{Context, Failure, Handler, Outcome},
    hook::{Event, Hook},
    job::JobError,
    kinds::{
        Services,
        http_request::{
            retry_after,
            sign::{id_of, signature},
            verdict::{Verdict, verdict},
        },
    },
    outbound::{self, HeaderMap, HeaderName, HeaderValue, Limits, Method, Request, header},
};

/// The effect's name: a job passes one event on.
const EFFECT: &str = "forward";
/// How long an answer may take.
const ANSWER_MS: u64 = 30_000;
/// The largest answer that is read; none of it is kept.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// How much of an error's answer is told.
const EXCERPT_BYTES: usize = 512;
/// What the provider's own headers begin with where ours have their names.
const ORIGINAL: &str = "windrow-original-";

/// The handler.
pub struct ForwardHook {
    services: Services,
}

impl ForwardHook {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }

    async fn send(&self, context: &Context, event: &Event, (hook, url): (&Hook, &str), call: &Call) -> Result<Sent<u16>, Failed> {
        let secret = match context.access.hook_key(hook, &hook.connection.to_string()).await {
            Ok(key) => key.forward_secret,
            Err(error) => return Err(Failed::not_done(Outcome::Retry { error: error.as_job_error(), after: None })),
        };
        let request = self.request(event, url, &secret, call).map_err(Failed::not_done)?;
        let limits = Limits { total_ms: ANSWER_MS, silence_ms: ANSWER_MS, body_bytes_max: ANSWER_BYTES_MAX, redirects_max: 0 };
        let answer = self.services.outbound.send(request, &limits).await.map_err(|error| failed(&error))?;
        let status = answer.status.as_u16();
        let verdict = verdict(status);
        if verdict == Verdict::Done {
            return Ok(Sent::Done(Receipt { provider_id: None, result: status }));
        }
        let after = answer.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok());
        let after = after.and_then(|after| retry_after(after, self.services.clock.now()));
        let message = format!("{} answered {status}: {}", answer.host().to_owned(), answer.excerpt(EXCERPT_BYTES).await);
        let again = |code: &str| Outcome::Retry { error: JobError::new(code, &message, true), after };
        Err(match verdict {
            Verdict::NotNow => Failed::not_done(again("endpoint_busy")),
            Verdict::Unclear | Verdict::Unauthorized => Failed::unknown(again("endpoint_failed")),
            Verdict::Never | Verdict::Done => Failed::not_done(Outcome::bury("endpoint_refused", message)),
        })
    }

    fn request(&self, event: &Event, url: &str, secret: &str, call: &Call) -> Result<Request, Outcome> {
        let url = self.services.outbound.url(url).map_err(|error| unsent(&error))?;
        let mut headers = HeaderMap::new();
        let mut put = |name: &str, value: &str| {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        };
        for (name, value) in &event.facts.headers {
            let renamed = format!("{ORIGINAL}{name}");
            put(if name.starts_with("webhook-") { &renamed } else { name }, value);
        }
        if !event.facts.content_type.is_empty() {
            put(header::CONTENT_TYPE.as_str(), &event.facts.content_type);
        }
        let (id, timestamp_s) = (id_of(&call.key), self.services.clock.now().ms().div_euclid(1_000));
        let signed = signature(secret, &id, timestamp_s, &event.payload).map_err(|why| Outcome::bury("signing_secret_invalid", why))?;
        put("webhook-id", &id);
        put("webhook-timestamp", &timestamp_s.to_string());
        put("webhook-signature", &signed);
        put("idempotency-key", &call.key);
        put("windrow-event", &event.id.to_string());
        put("windrow-received-at", &event.received_at.to_string());
        put("windrow-query", &event.facts.query);
        Ok(Request { method: Method::POST, url, headers, body: event.payload.clone() })
    }
}

impl Handler for ForwardHook {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let Some((event, _)) = context.ledger.event(&context.tenant, payload.event).await? else {
            return Ok(Outcome::bury("event_unknown", format!("there is no event {}", payload.event)));
        };
        // As it is set now: whoever takes the URL back is not told any more.
        let hook = context.ledger.hook(&context.tenant, event.connection).await?;
        let Some((hook, url)) = hook.and_then(|hook| Some((hook.clone(), hook.forward_url?))) else {
            return Ok(Outcome::done(&Forwarded { event: event.id, status: None }));
        };
        let (told, passed_on, to) = (&context, &event, (&hook, url.as_str()));
        let sent = context.effect(EFFECT, Policy::Resend).run(|call| async move {
            tokio::select! {
                sent = self.send(told, passed_on, to, &call) => sent,
                () = told.cancel.cancelled() => Err(Failed::unknown(Outcome::Cancel)),
            }
        });
        Ok(match sent.await {
            Ok(performed) => Outcome::done(&Forwarded { event: event.id, status: performed.result }),
            Err(stopped) => stopped.into_outcome(),
        })
    }
}

fn unsent(error: &outbound::Error) -> Outcome {
    if error.is_final() { Outcome::bury(error.code(), error.to_string()) } else { Outcome::retry(error.code(), error.to_string()) }
}

fn failed(error: &outbound::Error) -> Failed {
    if error.is_unsent() { Failed::not_done(unsent(error)) } else { Failed::unknown(Outcome::retry(error.code(), error.to_string())) }
}
