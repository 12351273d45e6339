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
    connection::{Access, ConnectionId, Opened, Used, catalog::oauth2::REFRESH_TOKEN},
    job::JobError,
    ledger,
    tenant::TenantId,
};

/// A token is renewed when this part of its life is left: of an hour at 55 minutes.
const EARLY_PART: i64 = 12;
/// The most connections whose tokens are kept; past that all are forgotten, and asked for again.
const KEPT_MAX: usize = 10_000;
/// How often a rotated refresh token is written before it is given up: it is the only one that is good.
const KEEPS_MAX: u32 = 5;
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
    #[error("{0}")]
    Unavailable(String),
}

impl TokenError {
    /// The same as a job's error.
    pub fn as_job_error(&self) -> JobError {
        match self {
            Self::Refused(message) => JobError::new("connection_refused", message, false),
            Self::Unavailable(message) => JobError::new("token_unavailable", message, true),
        }
    }
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        let message = format!("asking for a token: {error}");
        if error.is_final() { Self::Refused(message) } else { Self::Unavailable(message) }
    }
}

impl From<ledger::Error> for TokenError {
    fn from(error: ledger::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

type Flight = Shared<BoxFuture<'static, Result<Token, TokenError>>>;

/// For whom a token is. An edit of the connection is another: it may have changed whose token it is.
type For = (TenantId, ConnectionId);

#[derive(Default)]
struct Slot {
    generation: u32,
    token: Option<Token>,
    /// The request under way, and its number.
    flight: Option<(u64, Flight)>,
}

/// The tokens of a worker. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Kept>);

struct Kept {
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    slots: Mutex<(u64, HashMap<For, Slot>)>,
}

impl Tokens {
    /// No tokens yet.
    pub fn new(outbound: Outbound, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Kept { outbound, clock, slots: Mutex::default() }))
    }

    /// A token for this connection: the one that is kept, or a new one. A refusal is reported to `access`.
    pub async fn token(&self, access: &Arc<dyn Access>, opened: &Opened) -> Result<Token, TokenError> {
        let grant = Grant::of(opened)?;
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
            let kept = slot.token.clone().filter(|token| now < token.ends_at);
            if let Some(token) = kept.as_ref().filter(|token| now < token.renew_at) {
                return Ok(token.clone());
            }
            // One whose task died has landed without saying so.
            slot.flight.take_if(|(_, flight)| flight.peek().is_some());
            let (_, flight) = slot.flight.get_or_insert_with(|| {
                *flights += 1;
                (*flights, self.clone().take_off(*flights, access.clone(), opened.clone(), grant))
            });
            (flight.clone(), kept)
        };
        // One that is about to end is good until then, should there be no other yet.
        match (flight.await, kept) {
            (Err(TokenError::Unavailable(error)), Some(kept)) if self.0.clock.now() < kept.ends_at => {
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
    fn take_off(self, number: u64, access: Arc<dyn Access>, opened: Opened, grant: Grant) -> Flight {
        let flying = tokio::spawn(async move {
            let landed = self.fetch(&access, &opened, &grant).await;
            let mut slots = self.slots();
            let slot = slots
                .1
                .get_mut(&(opened.tenant.clone(), opened.id))
                .filter(|slot| slot.flight.as_ref().is_some_and(|(is, _)| *is == number));
            if let Some(slot) = slot {
                slot.flight = None;
                if let Ok(token) = &landed {
                    slot.token = Some(token.clone());
                }
            }
            landed
        });
        let landed = async { flying.await.unwrap_or_else(|error| Err(TokenError::Unavailable(format!("asking for a token: {error}")))) };
        landed.boxed().shared()
    }

    async fn fetch(&self, access: &Arc<dyn Access>, opened: &Opened, grant: &Grant) -> Result<Token, TokenError> {
        let refused = match self.ask(access, opened, grant).await {
            Err(TokenError::Refused(why)) => why,
            other => return other,
        };
        // Another worker may have used the refresh token up, and kept the one that it got for it.
        if let Ok(now) = access.open(&opened.tenant, &opened.name).await
            && now.id == opened.id
            && now.secrets.get(REFRESH_TOKEN) != opened.secrets.get(REFRESH_TOKEN)
        {
            return self.ask(access, &now, grant).await;
        }
        access.report(opened, Used::Refused(JobError::new("token_refused", &refused, false))).await?;
        Err(TokenError::Refused(refused))
    }

    async fn ask(&self, access: &Arc<dyn Access>, opened: &Opened, grant: &Grant) -> Result<Token, TokenError> {
        let asked_at = self.0.clock.now();
        let ask = grant.ask(opened, asked_at, &Uuid::new_v4().to_string())?;
        let url = self.0.outbound.url(grant.url())?;
        let mut request = Request::new(Method::POST, url)
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
        let given = grant::read(status, &answer.bytes().await?)?;
        metrics::counter!("windrow_tokens_total").increment(1);
        if let Some(after) = &given.refresh_token {
            keep(access, opened, after).await;
        }
        // Counted from when it was asked for: its life began no earlier.
        let early_ms = given.life_ms / EARLY_PART;
        let ends_at = asked_at.plus_ms(given.life_ms);
        Ok(Token { text: given.access_token.into(), renew_at: ends_at.plus_ms(-early_ms), ends_at })
    }

    fn slots(&self) -> MutexGuard<'_, (u64, HashMap<For, Slot>)> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a rotated refresh token. The one before may be good no more, so it is tried again where the ledger is away.
async fn keep(access: &Arc<dyn Access>, opened: &Opened, after: &str) {
    let before = opened.secrets.get(REFRESH_TOKEN).unwrap_or_default();
    if before.is_empty() || before == after {
        return;
    }
    for round in 1..=KEEPS_MAX {
        match access.replaced(opened, REFRESH_TOKEN, before, after).await {
            Ok(()) => return,
            Err(error) if round == KEEPS_MAX => {
                tracing::error!(connection = %opened.id, %error, "a rotated refresh token is lost: the connection needs a new one");
            }
            Err(error) => {
                tracing::warn!(connection = %opened.id, %error, "keeping a rotated refresh token: trying again");
                tokio::time::sleep(std::time::Duration::from_millis(200) * round).await;
            }
        }
    }
}
