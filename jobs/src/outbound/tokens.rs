//! Tokens that open a provider's door: asked for once, kept while they are good, renewed before they end.
//!
//! One request is under way for a connection, however many attempts wait for it. It runs by itself, so nobody who goes away takes
//! the others' token along. What is asked and how an answer reads is in `tokens/grant.rs`.

mod grant;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use uuid::Uuid;

pub use self::grant::Grant;
use super::{Error, HeaderValue, Limits, Method, Outbound, Request, header};
use crate::{
    clock::{Clock, Timestamp},
    connection::{Access, AccessError, ConnectionId, Hidden, Opened, TOKEN_REFUSED, Used, catalog::oauth2::REFRESH_TOKEN},
    job::JobError,
    kinds::http_request::retry_after,
    ledger,
    tenant::TenantId,
};

/// A token is renewed when this part of its life is left: of an hour at 55 minutes.
const EARLY_PART: i64 = 12;
/// The most connections whose tokens are kept; past that all are forgotten, and asked for again.
const KEPT_MAX: usize = 10_000;
/// How often a rotated refresh token is written before it is given up: for a day, as it is the only one that is good.
const KEEPS_MAX: u32 = 2_900;
/// The longest pause between two such tries.
const KEEP_EVERY_MAX: Duration = Duration::from_secs(30);
/// How often it is looked, after a refusal, whether another worker has used the refresh token up and keeps the one that it got for it:
/// together longer than such an answer and its keeping take.
const LOOKS_MAX: u32 = 5;
/// The pause before each such look.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The longest wait that a token endpoint may ask for: past that a person is faster.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// What a token endpoint may take, and say.
const LIMITS: Limits = Limits { total_ms: 20_000, silence_ms: 10_000, body_bytes_max: 64 * 1024, redirects_max: 0 };

/// A token, with which the provider lets somebody in. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: Arc<str>,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

impl Token {
    /// The token itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As the header `Authorization` has it.
    pub fn bearer(&self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.text)).expect("a token is of visible ASCII characters");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(until {})", self.ends_at)
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The provider will not give one, however often it is asked.
    #[error("{0}")]
    Refused(String),
    /// Not now.
    #[error("{message}")]
    Unavailable {
        /// What was wrong.
        message: String,
        /// How long the endpoint asked us to wait.
        after: Option<Duration>,
    },
}

impl TokenError {
    fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), after: None }
    }

    /// How long the endpoint asked us to wait.
    pub const fn after(&self) -> Option<Duration> {
        match self {
            Self::Refused(_) => None,
            Self::Unavailable { after, .. } => *after,
        }
    }

    /// The same without what it may repeat of what was sent.
    fn without(self, hidden: &Hidden) -> Self {
        match self {
            Self::Refused(message) => Self::Refused(hidden.text(&message)),
            Self::Unavailable { message, after } => Self::Unavailable { message: hidden.text(&message), after },
        }
    }

    /// The same as a job's error.
    pub fn as_job_error(&self) -> JobError {
        match self {
            Self::Refused(message) => JobError::new("connection_refused", message, false),
            Self::Unavailable { message, .. } => JobError::new("token_unavailable", message, true),
        }
    }
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        let message = format!("asking for a token: {error}");
        if error.is_final() { Self::Refused(message) } else { Self::unavailable(message) }
    }
}

impl From<ledger::Error> for TokenError {
    fn from(error: ledger::Error) -> Self {
        Self::unavailable(error.to_string())
    }
}

type Flight = Shared<BoxFuture<'static, Result<Token, TokenError>>>;

/// For whom a token is. An edit of the connection is another: it may have changed whose token it is.
type For = (TenantId, ConnectionId);

#[derive(Default)]
struct Slot {
    generation: u32,
    token: Option<Token>,
    /// The endpoint asked not to be asked before.
    not_before: Option<Timestamp>,
    /// The request under way, and its number.
    flight: Option<(u64, Flight)>,
}

/// A refresh token that the ledger does not have yet, in the place of the one that it has. It is the only one that is good.
#[derive(Clone, PartialEq, Eq)]
struct Unkept {
    before: String,
    after: String,
}

/// The tokens of a worker. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Kept>);

struct Kept {
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    slots: Mutex<(u64, HashMap<For, Slot>)>,
    unkept: Mutex<HashMap<For, Unkept>>,
}

impl Tokens {
    /// No tokens yet.
    pub fn new(outbound: Outbound, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Kept { outbound, clock, slots: Mutex::default(), unkept: Mutex::default() }))
    }

    /// A token for this connection: the one that is kept, or a new one. A refusal is reported to `access`.
    pub async fn token(&self, access: &Arc<dyn Access>, opened: &Opened) -> Result<Token, TokenError> {
        self.given(access, opened, false).await
    }

    /// A new one, whatever is kept, as that would say nothing of the secrets. Where one is being asked for, it is that.
    pub async fn new_token(&self, access: &Arc<dyn Access>, opened: &Opened) -> Result<Token, TokenError> {
        self.given(access, opened, true).await
    }

    async fn given(&self, access: &Arc<dyn Access>, opened: &Opened, anew: bool) -> Result<Token, TokenError> {
        let now = self.0.clock.now();
        let (flight, kept) = {
            let mut slots = self.slots();
            let (flights, slots) = &mut *slots;
            if slots.len() >= KEPT_MAX {
                slots.retain(|_, slot| slot.flight.is_some());
            }
            let slot = slots.entry((opened.tenant.clone(), opened.id)).or_default();
            if slot.generation != opened.generation {
                *slot = Slot { generation: opened.generation, ..Slot::default() };
            }
            let kept = slot.token.clone().filter(|token| !anew && now < token.ends_at);
            if let Some(token) = kept.as_ref().filter(|token| now < token.renew_at) {
                return Ok(token.clone());
            }
            if let Some(until) = slot.not_before.filter(|until| !anew && now < *until) {
                let after = Some(Duration::from_millis((until.ms() - now.ms()).unsigned_abs()));
                let message = format!("the token endpoint asked not to be asked before {until}");
                return kept.ok_or(TokenError::Unavailable { message, after });
            }
            // One whose task died has landed without saying so.
            slot.flight.take_if(|(_, flight)| flight.peek().is_some());
            let (_, flight) = slot.flight.get_or_insert_with(|| {
                *flights += 1;
                (*flights, self.clone().take_off(*flights, access.clone(), opened.clone()))
            });
            (flight.clone(), kept)
        };
        // One that is about to end is good until then, should there be no other yet.
        match (flight.await, kept) {
            (Err(TokenError::Unavailable { message: error, .. }), Some(kept)) if self.0.clock.now() < kept.ends_at => {
                tracing::warn!(connection = %opened.id, error, "renewing a token failed; the old one is used while it lasts");
                Ok(kept)
            }
            (landed, _) => landed,
        }
    }

    /// The provider refused this token: it is not given out again.
    pub fn forget(&self, opened: &Opened, token: &Token) {
        let mut slots = self.slots();
        if let Some(slot) = slots.1.get_mut(&(opened.tenant.clone(), opened.id))
            && slot.token.as_ref() == Some(token)
        {
            slot.token = None;
        }
    }

    /// Starts a request that nobody's going away ends.
    fn take_off(self, number: u64, access: Arc<dyn Access>, opened: Opened) -> Flight {
        let flying = tokio::spawn(async move {
            let landed = self.fetch(&access, &opened).await;
            let mut slots = self.slots();
            let slot = slots
                .1
                .get_mut(&(opened.tenant.clone(), opened.id))
                .filter(|slot| slot.flight.as_ref().is_some_and(|(is, _)| *is == number));
            if let Some(slot) = slot {
                slot.flight = None;
                match &landed {
                    Ok(token) => (slot.token, slot.not_before) = (Some(token.clone()), None),
                    Err(error) => slot.not_before = error.after().map(|after| self.0.clock.now().plus_ms(wait_ms(after))),
                }
            }
            landed
        });
        let landed = async { flying.await.unwrap_or_else(|error| Err(TokenError::unavailable(format!("asking for a token: {error}")))) };
        landed.boxed().shared()
    }

    async fn fetch(&self, access: &Arc<dyn Access>, opened: &Opened) -> Result<Token, TokenError> {
        let (shown, asked) = match Grant::of(opened) {
            Ok(grant) if grant.refreshes() => self.refresh(access, opened, &grant).await,
            Ok(grant) => (opened.clone(), self.ask(access, opened, &grant).await),
            Err(error) => (opened.clone(), Err(error)),
        };
        if let Err(TokenError::Refused(refused)) = &asked {
            access.report(&shown, Used::Refused(JobError::new(TOKEN_REFUSED, refused, false))).await?;
        }
        asked
    }

    /// Asks by the newest refresh token there is, as one that was used up is good no more: an attempt may have opened the connection
    /// long ago, and other workers ask as well. Returns what was shown last, too.
    async fn refresh(&self, access: &Arc<dyn Access>, opened: &Opened, grant: &Grant) -> (Opened, Result<Token, TokenError>) {
        let mut shown = match self.newest(access, opened).await {
            Ok(newest) => newest,
            Err(error) => return (opened.clone(), Err(error)),
        };
        let mut asked = self.ask(access, &shown, grant).await;
        for _ in 0..LOOKS_MAX {
            if !matches!(asked, Err(TokenError::Refused(_))) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            match self.newest(access, opened).await {
                Ok(newest) if newest.secrets.get(REFRESH_TOKEN) != shown.secrets.get(REFRESH_TOKEN) => {
                    asked = self.ask(access, &newest, grant).await;
                    shown = newest;
                }
                Ok(_) => {}
                // Whether another has a newer one is not known, so nothing is said of the connection.
                Err(error) => asked = Err(error),
            }
        }
        (shown, asked)
    }

    /// The connection as it stands now. One in error opens too: it may be so because another worker was refused what this one has.
    async fn newest(&self, access: &Arc<dyn Access>, opened: &Opened) -> Result<Opened, TokenError> {
        let unkept = self.unkept().get(&(opened.tenant.clone(), opened.id)).cloned();
        let (mut newest, is_read) = match access.open_to_test(&opened.tenant, &opened.name).await {
            Ok(now) if (now.id, now.generation) == (opened.id, opened.generation) => (now, true),
            Ok(_) => return Err(TokenError::unavailable(format!("the connection {} was edited meanwhile", opened.name))),
            // The ledger is away; what it was to keep is not.
            Err(AccessError::Ledger(_)) if unkept.is_some() => (opened.clone(), false),
            Err(error) => return Err(TokenError::unavailable(error.to_string())),
        };
        if let Some(unkept) = unkept.filter(|unkept| !is_read || newest.secrets.get(REFRESH_TOKEN) == Some(&unkept.before)) {
            newest.secrets.0.insert(REFRESH_TOKEN.into(), unkept.after);
        }
        Ok(newest)
    }

    async fn ask(&self, access: &Arc<dyn Access>, opened: &Opened, grant: &Grant) -> Result<Token, TokenError> {
        let asked_at = self.0.clock.now();
        let ask = grant.ask(opened, asked_at, &Uuid::new_v4().to_string())?;
        let mut hidden = opened.secrets.hidden();
        if let Some(assertion) = &ask.assertion {
            hidden = hidden.and_text(assertion);
        }
        let given = self.post(grant.url(), ask).await.map_err(|error| error.without(&hidden))?;
        metrics::counter!("windrow_tokens_total").increment(1);
        if let Some(after) = &given.refresh_token {
            self.keep(access, opened, after).await;
        }
        // Counted from when it was asked for: its life began no earlier.
        let early_ms = given.life_ms / EARLY_PART;
        let ends_at = asked_at.plus_ms(given.life_ms);
        Ok(Token { text: given.access_token.into(), renew_at: ends_at.plus_ms(-early_ms), ends_at })
    }

    async fn post(&self, url: &str, ask: grant::Ask) -> Result<grant::Given, TokenError> {
        let mut request = Request::new(Method::POST, self.0.outbound.url(url)?)
            .with(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .with(header::ACCEPT, HeaderValue::from_static("application/json"));
        request.body = ask.form.into_bytes();
        if let Some(authorization) = ask.authorization {
            let mut value = HeaderValue::try_from(authorization).expect("base64 is what a header carries");
            value.set_sensitive(true);
            request = request.with(header::AUTHORIZATION, value);
        }
        let answer = self.0.outbound.send(request, &LIMITS).await?;
        let status = answer.status.as_u16();
        let after = answer.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok());
        let after = after.and_then(|after| retry_after(after, self.0.clock.now())).map(|after| after.min(WAIT_MAX));
        grant::read(status, after, &answer.bytes().await?)
    }

    /// Keeps a rotated refresh token. The one before may be good no more, so this goes on where the ledger is away; meanwhile it is asked
    /// by the one that is not kept yet.
    async fn keep(&self, access: &Arc<dyn Access>, opened: &Opened, after: &str) {
        let used = opened.secrets.get(REFRESH_TOKEN).unwrap_or_default();
        if used.is_empty() || used == after {
            return;
        }
        let whose = (opened.tenant.clone(), opened.id);
        {
            let mut unkept = self.unkept();
            if let Some(waiting) = unkept.get_mut(&whose).filter(|waiting| waiting.after == used) {
                // Somebody is at it.
                waiting.after = after.to_owned();
                return;
            }
            unkept.insert(whose.clone(), Unkept { before: used.to_owned(), after: after.to_owned() });
        }
        let Err(error) = self.keep_once(access, opened, &whose).await else { return };
        tracing::warn!(connection = %opened.id, %error, "keeping a rotated refresh token failed: it goes on");
        let (tokens, access, opened) = (self.clone(), access.clone(), opened.clone());
        tokio::spawn(async move { tokens.keep_on(&access, &opened, &whose).await });
    }

    async fn keep_on(&self, access: &Arc<dyn Access>, opened: &Opened, whose: &For) {
        for round in 1..=KEEPS_MAX {
            tokio::time::sleep((Duration::from_millis(200) * round).min(KEEP_EVERY_MAX)).await;
            match self.keep_once(access, opened, whose).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(connection = %opened.id, %error, round, "keeping a rotated refresh token: trying again"),
            }
        }
        self.unkept().remove(whose);
        tracing::error!(connection = %opened.id, "a rotated refresh token is lost: the connection needs a new one");
    }

    /// Writes what is to be kept, and what came after it meanwhile.
    async fn keep_once(&self, access: &Arc<dyn Access>, opened: &Opened, whose: &For) -> ledger::Result<()> {
        loop {
            let Some(waiting) = self.unkept().get(whose).cloned() else { return Ok(()) };
            access.replaced(opened, REFRESH_TOKEN, &waiting.before, &waiting.after).await?;
            let mut unkept = self.unkept();
            match unkept.get_mut(whose).filter(|now| **now != waiting) {
                // Each round wants another answer of the endpoint, so it does not last.
                Some(newer) if newer.before == waiting.before => newer.before = waiting.after,
                Some(_) => {}
                None => {
                    unkept.remove(whose);
                    return Ok(());
                }
            }
        }
    }

    fn unkept(&self) -> MutexGuard<'_, HashMap<For, Unkept>> {
        self.0.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, (u64, HashMap<For, Slot>)> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_ms(after: Duration) -> i64 {
    i64::try_from(after.as_millis()).unwrap_or(i64::MAX)
}
