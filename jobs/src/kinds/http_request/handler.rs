//! The code of `http.request`: open the connection, make the request, send it once more often than it is done, read what came.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    ANSWER_BYTES_MAX, INLINE_BYTES_MAX, Payload, Reply, Verb, contract,
    verdict::{Verdict, verdict},
};
use crate::{
    connection::{
        Hidden,
        caller::{Asking, Caller, Refusal, Uncalled},
    },
    contract::Contract,
    effect::{Call, Failed, Policy, Receipt, Sent},
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::Services,
    outbound::{self, Answer, HeaderMap, Limits, Method, Url},
};

/// The effect's name: a job makes one request.
const EFFECT: &str = "request";
/// The artifact that a large answer becomes.
const ARTIFACT: &str = "response";
/// What of a header of the answer is told.
const HEADER_CHARS_MAX: usize = 512;
/// The longest silence within an answer's body.
const SILENCE_MS: u64 = 30_000;

/// The handler.
pub struct HttpRequest {
    services: Services,
}

impl HttpRequest {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for HttpRequest {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let making = match Making::of(&self.services, &context, payload).await {
            Ok(making) => making,
            Err(outcome) => return Ok(outcome),
        };
        let effect = context.effect(EFFECT, Policy::Resend);
        let effect = if making.payload.respond_async { effect.with_callback() } else { effect };
        let made = effect.run(|call| async {
            tokio::select! {
                sent = making.send(call) => sent,
                () = context.cancel.cancelled() => Err(Failed::unknown(Outcome::Cancel)),
            }
        });
        Ok(match made.await {
            // A person may say that it was done, and not what came of it.
            Ok(performed) => Outcome::done(&performed.result.unwrap_or(Reply::Reported { reported: Value::Null })),
            Err(stopped) => stopped.into_outcome(),
        })
    }
}

/// A request in the making, and what it is made of.
struct Making<'a> {
    services: &'a Services,
    context: &'a Context,
    payload: Payload,
    caller: Caller,
    url: Url,
    timeout: Duration,
}

impl<'a> Making<'a> {
    async fn of(services: &'a Services, context: &'a Context, payload: Payload) -> Result<Self, Outcome> {
        if payload.respond_async && services.public_url.is_none() {
            let message = "respond_async needs to know where callbacks go: set api.public_url (WINDROW_PUBLIC_URL) for this worker";
            return Err(Outcome::bury("setting_missing", message));
        }
        let caller = Caller::open(services, context, &payload.connection, payload.token_connection.as_deref()).await?;
        let url = caller.url(payload.path.as_deref(), &payload.query)?;
        let timeout = payload.timeout_s.map_or(caller.timeout(), |timeout_s| Duration::from_secs(timeout_s.into()));
        Ok(Self { services, context, payload, caller, url, timeout })
    }

    /// Whoever answers may repeat what it was sent: nothing that opens a door is kept of it.
    async fn send(&self, call: Call) -> Result<Sent<Reply>, Failed> {
        if let Some(token) = &call.token {
            self.caller.hide_also(token);
        }
        self.send_as(&call).await.map_err(|failed| failed.map(|outcome| self.caller.hide(outcome)))
    }

    async fn send_as(&self, call: &Call) -> Result<Sent<Reply>, Failed> {
        let asking = self.asking(call).map_err(|error| Failed::not_done(Outcome::Bury(error)))?;
        let total_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let limits = Limits { total_ms, silence_ms: SILENCE_MS, body_bytes_max: ANSWER_BYTES_MAX, redirects_max: 0 };
        match self.caller.send(&asking, &limits).await {
            Ok(answer) => self.read(answer).await,
            Err(Uncalled::Failed(error)) => Err(failed(error)),
            Err(uncalled) => Err(Failed::not_done(uncalled.into_outcome())),
        }
    }

    fn asking(&self, call: &Call) -> Result<Asking, JobError> {
        let mut asking = Asking::new(self.method(), self.url.clone());
        if let Some(body) = &self.payload.body {
            asking.body = serde_json::to_vec(body).expect("a JSON value has a JSON form");
        }
        for (name, value) in &self.payload.headers {
            asking.put(name, value)?;
        }
        for (name, value) in self.our_headers(call) {
            asking.put(name, &value)?;
        }
        Ok(Asking { signed_as: Some(call.key.clone()), ..asking })
    }

    fn our_headers(&self, call: &Call) -> Vec<(&'static str, String)> {
        let patience = if call.token.is_some() { Duration::from_secs(self.payload.callback_timeout_s.into()) } else { self.timeout };
        let until = self.services.clock.now().plus_ms(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
        let deadline = self.context.deadline.map_or(until, |deadline| deadline.min(until));
        let mut ours = vec![
            ("idempotency-key", call.key.clone()),
            ("windrow-job", self.context.job.to_string()),
            ("windrow-tenant", self.context.tenant.to_string()),
            ("windrow-attempt", self.context.attempt.to_string()),
            ("windrow-deadline", deadline.to_string()),
        ];
        if let (Some(token), Some(public_url)) = (&call.token, &self.services.public_url) {
            ours.push(("prefer", "respond-async".to_owned()));
            ours.push(("windrow-callback-url", format!("{public_url}/v1/callbacks/{token}")));
        }
        ours
    }

    fn method(&self) -> Method {
        match self.payload.method {
            Some(Verb::Post) => Method::POST,
            Some(Verb::Put) => Method::PUT,
            Some(Verb::Patch) => Method::PATCH,
            Some(Verb::Get) => Method::GET,
            Some(Verb::Delete) => Method::DELETE,
            None => self.caller.opened().config["method"].as_str().and_then(|method| method.parse().ok()).unwrap_or(Method::POST),
        }
    }

    async fn read(&self, answer: Answer) -> Result<Sent<Reply>, Failed> {
        let status = answer.status.as_u16();
        if verdict(status) == Verdict::Done {
            self.caller.was_good().await;
            if status == 202 && self.payload.respond_async {
                self.context.info("the endpoint finishes later");
                return Ok(Sent::Handed(Duration::from_secs(self.payload.callback_timeout_s.into())));
            }
            return self.reply(answer, &self.caller.hidden()).await.map(|result| Sent::Done(Receipt { provider_id: None, result }));
        }
        let Refusal { verdict, message, after } = self.caller.refusal(answer).await;
        let again = |code| Outcome::Retry { error: JobError::new(code, &message, true), after };
        Err(match verdict {
            Verdict::NotNow => Failed::not_done(again("endpoint_busy")),
            Verdict::Unclear => Failed::unknown(again("endpoint_failed")),
            // The connection waits to be mended, and the job with it as long as it has attempts.
            Verdict::Unauthorized => Failed::not_done(again("connection_refused")),
            Verdict::Never | Verdict::Done => Failed::not_done(Outcome::bury("endpoint_refused", message)),
        })
    }

    async fn reply(&self, answer: Answer, hidden: &Hidden) -> Result<Reply, Failed> {
        let status = answer.status.as_u16();
        let media_type = header_of(&answer.headers, "content-type", hidden).unwrap_or_else(|| "application/octet-stream".into());
        let wanted = self.payload.answer_headers.iter().map(|name| name.to_lowercase()).chain(["content-type".to_owned()]);
        let headers: BTreeMap<String, String> =
            wanted.filter_map(|name| Some((name.clone(), header_of(&answer.headers, &name, hidden)?))).collect();
        let bytes = answer.bytes().await.map_err(failed)?;
        let body = inline(&media_type, &bytes, hidden);
        let artifact = match body {
            None if !bytes.is_empty() => {
                let kept = self.context.artifact(ARTIFACT, media_type_of(&media_type), bytes).await;
                let lost = |error| Failed::unknown(Outcome::retry("answer_not_kept", format!("keeping the answer: {error}")));
                Some(kept.map_err(lost)?.name)
            }
            _ => None,
        };
        Ok(Reply::Answered { status, headers, body, artifact })
    }
}

/// A body that fits into the job's result; none for one that does not, or that is empty.
fn inline(media_type: &str, bytes: &[u8], hidden: &Hidden) -> Option<Value> {
    if bytes.is_empty() || bytes.len() > INLINE_BYTES_MAX {
        return None;
    }
    let essence = media_type_of(media_type);
    let is_json = essence == "application/json" || essence.ends_with("+json");
    let json = if is_json { serde_json::from_slice(bytes).ok() } else { None };
    let value = json.or_else(|| std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(Value::from))?;
    let value = hidden.value(value);
    // Text may be six times as long in JSON.
    (value.to_string().len() <= INLINE_BYTES_MAX).then_some(value)
}

/// The media type without its parameters.
fn media_type_of(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

fn header_of(headers: &HeaderMap, name: &str, hidden: &Hidden) -> Option<String> {
    let text = hidden.text(&String::from_utf8_lossy(headers.get(name)?.as_bytes()));
    Some(text.chars().take(HEADER_CHARS_MAX).collect())
}

fn failed(error: outbound::Error) -> Failed {
    match error {
        // It was done, and would be answered in the same way.
        outbound::Error::TooLarge { .. } | outbound::Error::Encoded { .. } => {
            Failed::unknown(Outcome::bury(error.code(), error.to_string()))
        }
        error if error.is_unsent() => Failed::not_done(Uncalled::Failed(error).into_outcome()),
        error => Failed::unknown(Uncalled::Failed(error).into_outcome()),
    }
}
