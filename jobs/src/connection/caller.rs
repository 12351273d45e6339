//! Calls a tenant's HTTP endpoint through its connection: the connection's headers, what opens its door, and what is taken out of errors.
//!
//! Whoever calls ([`http.request`](crate::kinds::http_request), syncs) says what is asked; a token that the endpoint refuses is renewed once.
//! It never goes to another origin than the connection's, follows no redirect by itself, and decides nothing but what a status means.
//! Next: `door.rs`, `kinds/http_request/verdict.rs`, `outbound/mod.rs`.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    AccessError, Hidden, Opened, Used, catalog,
    door::{self, unlock},
};
use crate::{
    handler::{Context, Outcome},
    job::JobError,
    kinds::{
        Services,
        http_request::{
            retry_after,
            sign::{id_of, signature},
            target::target,
            verdict::{Verdict, verdict},
        },
    },
    outbound::{
        self, Answer, HeaderMap, HeaderName, HeaderValue, Limits, Method, Outbound, Request, StatusCode, Url, header,
        tokens::{Token, TokenError},
    },
};

/// The longest wait that is taken from `Retry-After`: whoever means more says it again.
const AFTER_MAX: Duration = Duration::from_secs(86_400);
/// How much of an error's answer is told.
const EXCERPT_BYTES: usize = 1_024;

/// A connection that is open for calls.
pub struct Caller {
    services: Services,
    context: Context,
    opened: Opened,
    /// Whose token is sent.
    tokens_of: Option<Opened>,
    way: Outbound,
    base: Url,
    timeout: Duration,
    hidden: Mutex<Hidden>,
}

/// What is asked, beside what the connection adds to it.
#[derive(Debug, Clone)]
pub struct Asking {
    /// How.
    pub method: Method,
    /// For what: [`Caller::url`] makes one.
    pub url: Url,
    /// Headers, in the place of the connection's of the same names.
    pub headers: HeaderMap,
    /// The body; empty for none. JSON, unless a header says otherwise.
    pub body: Vec<u8>,
    /// Under which id the body is signed, where the connection has a signing secret.
    pub signed_as: Option<String>,
}

impl Asking {
    /// Without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Vec::new(), signed_as: None }
    }

    /// With this header; the error says that it cannot be sent.
    pub fn put(&mut self, name: &str, value: &str) -> Result<(), JobError> {
        put(&mut self.headers, name, value)
    }
}

/// Why a call brought no answer.
#[derive(Debug, Clone)]
pub enum Uncalled {
    /// There is no token to be had.
    NoToken(TokenError),
    /// It cannot be asked like this.
    Unsendable(JobError),
    /// It was on its way.
    Failed(outbound::Error),
}

/// What an answer that is no success says.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What its status means.
    pub verdict: Verdict,
    /// Who answered what; without secrets.
    pub message: String,
    /// How long `Retry-After` asks us to wait, up to a day.
    pub after: Option<Duration>,
}

impl Caller {
    /// Opens the connection, and the one whose token is sent. The outcome is the attempt's, where that cannot be.
    pub async fn open(services: &Services, context: &Context, connection: &str, token_connection: Option<&str>) -> Result<Self, Outcome> {
        let opened = context.connection(connection, &[catalog::http::NAME]).await.map_err(closed)?;
        let tokens_of = match token_connection {
            Some(name) => Some(context.connection(name, &[catalog::oauth2::NAME, catalog::service_account::NAME]).await.map_err(closed)?),
            None => None,
        };
        let way = services.doors.way(&opened).await.map_err(|error| unsent(&error))?;
        let base = way.url(opened.config["url"].as_str().unwrap_or_default()).map_err(|error| unsent(&error))?;
        let timeout = Duration::from_secs(opened.config["timeout_s"].as_u64().unwrap_or(catalog::http::TIMEOUT_S.into()));
        let hidden = tokens_of.iter().fold(door::hidden(&opened), |hidden, opened| hidden.and(&opened.secrets));
        let (services, context) = (services.clone(), context.clone());
        Ok(Self { services, context, opened, tokens_of, way, base, timeout, hidden: Mutex::new(hidden) })
    }

    /// The connection.
    pub const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// How long an answer may take, as the connection has it.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where a path below the connection's URL lies, with parameters after those of the connection's URL.
    pub fn url<K: AsRef<str>, V: AsRef<str>>(&self, path: Option<&str>, query: impl IntoIterator<Item = (K, V)>) -> Result<Url, Outcome> {
        target(&self.base, path, query).map_err(|message| Outcome::bury("path_invalid", message))
    }

    /// Whether this is the connection's origin: to no other are its secrets sent.
    pub fn is_at_home(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Asks, and gives what was answered, whatever its status. Renews a token that was refused, once.
    pub async fn send(&self, asking: &Asking, limits: &Limits) -> Result<Answer, Uncalled> {
        let token = self.token().await?;
        let answer = self.send_with(asking, limits, token.as_ref()).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let (Some(tokens_of), Some(token)) = (&self.tokens_of, &token)
        {
            // It may have ended early: a new one is tried once.
            self.services.tokens.forget(tokens_of, token);
            let token = self.token().await?;
            return self.send_with(asking, limits, token.as_ref()).await;
        }
        Ok(answer)
    }

    async fn token(&self) -> Result<Option<Token>, Uncalled> {
        let Some(tokens_of) = &self.tokens_of else {
            return Ok(None);
        };
        let token = self.services.tokens.token(&self.context.access, tokens_of).await.map_err(Uncalled::NoToken)?;
        self.hide_also(token.as_str());
        Ok(Some(token))
    }

    async fn send_with(&self, asking: &Asking, limits: &Limits, token: Option<&Token>) -> Result<Answer, Uncalled> {
        let request = self.request(asking, token).map_err(Uncalled::Unsendable)?;
        self.way.send(request, limits).await.map_err(Uncalled::Failed)
    }

    fn request(&self, asking: &Asking, token: Option<&Token>) -> Result<Request, JobError> {
        if !self.is_at_home(&asking.url) {
            let (there, home) = (asking.url.host_str().unwrap_or_default(), self.base.host_str().unwrap_or_default());
            return Err(JobError::new("url_invalid", format!("a URL at {there} is none of the connection's, which is at {home}"), false));
        }
        let mut headers = HeaderMap::new();
        if !asking.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.opened.config["headers"].as_object().into_iter().flatten() {
            put(&mut headers, name, value.as_str().unwrap_or_default())?;
        }
        for (name, value) in &asking.headers {
            headers.insert(name, value.clone());
        }
        // Ours come last, so that nothing stands in their place.
        if let (Some(id), Some(secrets)) = (&asking.signed_as, self.opened.secrets.get(catalog::http::SIGNING_SECRET)) {
            let (id, timestamp_s) = (id_of(id), self.services.clock.now().ms().div_euclid(1_000));
            let signed = signature(secrets, &id, timestamp_s, &asking.body);
            let signed = signed.map_err(|message| JobError::new("signing_secret_invalid", message, false))?;
            put(&mut headers, "webhook-id", &id)?;
            put(&mut headers, "webhook-timestamp", &timestamp_s.to_string())?;
            put(&mut headers, "webhook-signature", &signed)?;
        }
        let mut request = Request { method: asking.method.clone(), url: asking.url.clone(), headers, body: asking.body.clone() };
        unlock(&mut request, &self.opened, token.map(Token::bearer));
        Ok(request)
    }

    /// What an answer that is no success says. One that does not let us in puts the connection, whose secrets they are, into `error`.
    pub async fn refusal(&self, answer: Answer) -> Refusal {
        let (status, host) = (answer.status.as_u16(), answer.host().to_owned());
        let after = answer.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok());
        let after = after.and_then(|after| retry_after(after, self.services.clock.now())).map(|after| after.min(AFTER_MAX));
        // Before anything is made of it: where it is cut again, what is left of a secret is known no more.
        let excerpt = self.hidden().cut_text(&answer.excerpt(EXCERPT_BYTES).await);
        let message = format!("{host} answered {status}: {excerpt}");
        let verdict = verdict(status);
        if verdict == Verdict::Unauthorized {
            self.was_refused(&message).await;
        }
        Refusal { verdict, message, after }
    }

    /// Says that the provider refused the connection: the one whose token was sent, or this one.
    pub async fn was_refused(&self, message: &str) {
        let refused = self.tokens_of.as_ref().unwrap_or(&self.opened);
        self.report(refused, Used::Refused(JobError::new("connection_refused", message, false))).await;
    }

    /// Says that the connection is good, and the one whose token was sent.
    pub async fn was_good(&self) {
        for used in [Some(&self.opened), self.tokens_of.as_ref()].into_iter().flatten() {
            self.report(used, Used::Well).await;
        }
    }

    /// What came of using a connection. That nobody could be told does not undo the call.
    async fn report(&self, opened: &Opened, used: Used) {
        if let Err(error) = self.context.access.report(opened, used).await {
            tracing::warn!(job.id = %self.context.job, connection = %opened.id, %error, "a connection's use was not noted");
        }
    }

    /// What is taken out of what is told: the secrets of both connections, and each token that was sent.
    pub fn hidden(&self) -> Hidden {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes this out as well from now on.
    pub fn hide_also(&self, text: &str) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        *hidden = std::mem::take(&mut *hidden).and_text(text);
    }

    /// The outcome without what is not told.
    pub fn hide(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Retry { error, after } => Outcome::Retry { error: self.hidden().error(error), after },
            Outcome::Bury(error) => Outcome::Bury(self.hidden().error(error)),
            outcome => outcome,
        }
    }
}

impl Uncalled {
    /// The attempt's end: what may pass is tried again.
    pub fn into_outcome(self) -> Outcome {
        match self {
            // A connection that is refused waits to be mended, and the job with it as long as it has attempts.
            Self::NoToken(error) => Outcome::Retry { error: JobError { retryable: true, ..error.as_job_error() }, after: error.after() },
            Self::Unsendable(error) => Outcome::Bury(error),
            Self::Failed(error) => unsent(&error),
        }
    }
}

/// Adds a header; the error says that it cannot be sent.
fn put(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), JobError> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => {
            headers.insert(name, value);
            Ok(())
        }
        _ => Err(JobError::new("header_invalid", format!("the header {name:?} cannot be sent"), false)),
    }
}

fn closed(error: AccessError) -> Outcome {
    let error = error.as_job_error();
    if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) }
}

fn unsent(error: &outbound::Error) -> Outcome {
    if error.is_final() { Outcome::bury(error.code(), error.to_string()) } else { Outcome::retry(error.code(), error.to_string()) }
}
