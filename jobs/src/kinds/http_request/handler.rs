//! The code of `http.request`: open the connection, make the request, send it once more often than it is done, read what came.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    ANSWER_BYTES_MAX, INLINE_BYTES_MAX, Payload, Reply, Verb, contract,
    sign::{id_of, signature},
    target::target,
    verdict::{Verdict, retry_after, verdict},
};
use crate::{
    clock::Timestamp,
    connection::{Access, AccessError, Hidden, Opened, Used, catalog, door::unlock},
    contract::Contract,
    effect::{Call, Failed, Policy, Receipt, Sent},
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::Services,
    outbound::{
        self, Answer, HeaderMap, HeaderName, HeaderValue, Limits, Method, Outbound, Request, StatusCode, Url, header,
        tokens::{Token, TokenError},
    },
};

/// The effect's name: a job makes one request.
const EFFECT: &str = "request";
/// The artifact that a large answer becomes.
const ARTIFACT: &str = "response";
/// How much of an error's answer is told.
const EXCERPT_BYTES: usize = 1_024;
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
    opened: Opened,
    /// Whose token is sent.
    tokens_of: Option<Opened>,
    way: Outbound,
    url: Url,
    timeout: Duration,
}

impl<'a> Making<'a> {
    async fn of(services: &'a Services, context: &'a Context, payload: Payload) -> Result<Self, Outcome> {
        if payload.respond_async && services.public_url.is_none() {
            let message = "respond_async needs to know where callbacks go: set api.public_url (WINDROW_PUBLIC_URL) for this worker";
            return Err(Outcome::bury("setting_missing", message));
        }
        let opened = context.connection(&payload.connection, &[catalog::http::NAME]).await.map_err(closed)?;
        let tokens_of = match &payload.token_connection {
            Some(name) => Some(context.connection(name, &[catalog::oauth2::NAME, catalog::service_account::NAME]).await.map_err(closed)?),
            None => None,
        };
        let base = opened.config["url"].as_str().unwrap_or_default();
        let way = services.doors.way(&opened).map_err(|error| unsent(&error))?;
        let base = way.url(base).map_err(|error| unsent(&error))?;
        let url = target(&base, payload.path.as_deref(), &payload.query).map_err(|message| Outcome::bury("path_invalid", message))?;
        let of_connection = opened.config["timeout_s"].as_u64().unwrap_or(catalog::http::TIMEOUT_S.into());
        let timeout = Duration::from_secs(payload.timeout_s.map_or(of_connection, u64::from));
        Ok(Self { services, context, payload, opened, tokens_of, way, url, timeout })
    }

    /// Whoever answers may repeat what it was sent: nothing that opens a door is kept of it.
    async fn send(&self, call: Call) -> Result<Sent<Reply>, Failed> {
        let mut hidden = [Some(&self.opened), self.tokens_of.as_ref()]
            .into_iter()
            .flatten()
            .fold(Hidden::default(), |hidden, opened| hidden.and(&opened.secrets));
        if let Some(token) = &call.token {
            hidden = hidden.and_text(token);
        }
        let sent = self.send_as(&call, &mut hidden).await;
        sent.map_err(|failed| {
            failed.map(|outcome| match outcome {
                Outcome::Retry { error, after } => Outcome::Retry { error: hidden.error(error), after },
                Outcome::Bury(error) => Outcome::Bury(hidden.error(error)),
                outcome => outcome,
            })
        })
    }

    async fn send_as(&self, call: &Call, hidden: &mut Hidden) -> Result<Sent<Reply>, Failed> {
        let token = self.token(hidden).await?;
        let answer = self.send_with(call, token.as_ref()).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let (Some(tokens_of), Some(token)) = (&self.tokens_of, &token)
        {
            // It may have ended early: a new one is tried once.
            self.services.tokens.forget(tokens_of, token);
            let token = self.token(hidden).await?;
            return self.read(self.send_with(call, token.as_ref()).await?, hidden).await;
        }
        self.read(answer, hidden).await
    }

    async fn token(&self, hidden: &mut Hidden) -> Result<Option<Token>, Failed> {
        let Some(tokens_of) = &self.tokens_of else {
            return Ok(None);
        };
        // A connection that is refused waits to be mended, and the job with it as long as it has attempts.
        let failed = |error: TokenError| {
            Failed::not_done(Outcome::Retry { error: JobError { retryable: true, ..error.as_job_error() }, after: error.after() })
        };
        let token = self.services.tokens.token(&self.context.access, tokens_of).await.map_err(failed)?;
        *hidden = std::mem::take(hidden).and_text(token.as_str());
        Ok(Some(token))
    }

    async fn send_with(&self, call: &Call, token: Option<&Token>) -> Result<Answer, Failed> {
        let request = self.request(call, token).map_err(|outcome| Failed::not_done(*outcome))?;
        let total_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let limits = Limits { total_ms, silence_ms: SILENCE_MS, body_bytes_max: ANSWER_BYTES_MAX, redirects_max: 0 };
        self.way.send(request, &limits).await.map_err(|error| failed(&error))
    }

    fn request(&self, call: &Call, token: Option<&Token>) -> Result<Request, Box<Outcome>> {
        let now = self.services.clock.now();
        let body = match &self.payload.body {
            Some(body) => serde_json::to_vec(body).expect("a JSON value has a JSON form"),
            None => Vec::new(),
        };
        let mut headers = HeaderMap::new();
        if self.payload.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.opened.config["headers"].as_object().into_iter().flatten() {
            put(&mut headers, name, value.as_str().unwrap_or_default())?;
        }
        for (name, value) in &self.payload.headers {
            put(&mut headers, name, value)?;
        }
        // Ours come last, so that nothing stands in their place.
        for (name, value) in self.our_headers(call, now) {
            put(&mut headers, name, &value)?;
        }
        if let Some(secrets) = self.opened.secrets.get(catalog::http::SIGNING_SECRET) {
            let (id, timestamp_s) = (id_of(&call.key), now.ms().div_euclid(1_000));
            let signed = signature(secrets, &id, timestamp_s, &body);
            let signed = signed.map_err(|message| Box::new(Outcome::bury("signing_secret_invalid", message)))?;
            put(&mut headers, "webhook-id", &id)?;
            put(&mut headers, "webhook-timestamp", &timestamp_s.to_string())?;
            put(&mut headers, "webhook-signature", &signed)?;
        }
        let mut request = Request { method: self.method(), url: self.url.clone(), headers, body };
        unlock(&mut request, &self.opened, token.map(Token::bearer));
        Ok(request)
    }

    fn our_headers(&self, call: &Call, now: Timestamp) -> Vec<(&'static str, String)> {
        let patience = if call.token.is_some() { Duration::from_secs(self.payload.callback_timeout_s.into()) } else { self.timeout };
        let until = now.plus_ms(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
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
            None => self.opened.config["method"].as_str().and_then(|method| method.parse().ok()).unwrap_or(Method::POST),
        }
    }

    async fn read(&self, answer: Answer, hidden: &Hidden) -> Result<Sent<Reply>, Failed> {
        let status = answer.status.as_u16();
        let verdict = verdict(status);
        if verdict == Verdict::Done {
            for used in [Some(&self.opened), self.tokens_of.as_ref()].into_iter().flatten() {
                self.report(used, Used::Well).await;
            }
            if status == 202 && self.payload.respond_async {
                self.context.info("the endpoint finishes later");
                return Ok(Sent::Handed(Duration::from_secs(self.payload.callback_timeout_s.into())));
            }
            return self.reply(answer, hidden).await.map(|result| Sent::Done(Receipt { provider_id: None, result }));
        }
        let after = answer.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok());
        let after = after.and_then(|after| retry_after(after, self.services.clock.now()));
        // Before anything is made of it: where it is cut again, what is left of a secret is known no more.
        let excerpt = hidden.cut_text(&answer.excerpt(EXCERPT_BYTES).await);
        let message = format!("{} answered {status}: {excerpt}", self.url.host_str().unwrap_or_default());
        let again = |code| Outcome::Retry { error: JobError::new(code, &message, true), after };
        Err(match verdict {
            Verdict::NotNow => Failed::not_done(again("endpoint_busy")),
            Verdict::Unclear => Failed::unknown(again("endpoint_failed")),
            Verdict::Unauthorized => {
                let refused = self.tokens_of.as_ref().unwrap_or(&self.opened);
                self.report(refused, Used::Refused(JobError::new("connection_refused", &message, false))).await;
                // The connection waits to be mended, and the job with it as long as it has attempts.
                Failed::not_done(again("connection_refused"))
            }
            Verdict::Never | Verdict::Done => Failed::not_done(Outcome::bury("endpoint_refused", message)),
        })
    }

    /// What came of using a connection. That nobody could be told does not undo the call.
    async fn report(&self, opened: &Opened, used: Used) {
        let access: &Arc<dyn Access> = &self.context.access;
        if let Err(error) = access.report(opened, used).await {
            tracing::warn!(job.id = %self.context.job, connection = %opened.id, %error, "a connection's use was not noted");
        }
    }

    async fn reply(&self, answer: Answer, hidden: &Hidden) -> Result<Reply, Failed> {
        let status = answer.status.as_u16();
        let media_type = header_of(&answer.headers, "content-type", hidden).unwrap_or_else(|| "application/octet-stream".into());
        let wanted = self.payload.answer_headers.iter().map(|name| name.to_lowercase()).chain(["content-type".to_owned()]);
        let headers: BTreeMap<String, String> =
            wanted.filter_map(|name| Some((name.clone(), header_of(&answer.headers, &name, hidden)?))).collect();
        let bytes = answer.bytes().await.map_err(|error| failed(&error))?;
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

fn put(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Box<Outcome>> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => {
            headers.insert(name, value);
            Ok(())
        }
        _ => Err(Box::new(Outcome::bury("header_invalid", format!("the header {name:?} cannot be sent")))),
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

fn closed(error: AccessError) -> Outcome {
    let error = error.as_job_error();
    if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) }
}

fn unsent(error: &outbound::Error) -> Outcome {
    if error.is_final() { Outcome::bury(error.code(), error.to_string()) } else { Outcome::retry(error.code(), error.to_string()) }
}

fn failed(error: &outbound::Error) -> Failed {
    match error {
        error if error.is_unsent() => Failed::not_done(unsent(error)),
        // It was done, and would be answered in the same way.
        outbound::Error::TooLarge { .. } | outbound::Error::Encoded { .. } => {
            Failed::unknown(Outcome::bury(error.code(), error.to_string()))
        }
        error => Failed::unknown(Outcome::retry(error.code(), error.to_string())),
    }
}
