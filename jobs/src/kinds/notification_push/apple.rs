//! How APNs is spoken to: HTTP/2 to a connection of the team's own, a provider token, and what the answer means.
//!
//! After Apple's "Sending notification requests to APNs", "Establishing a token-based connection to APNs" and "Handling notification
//! responses from APNs" (<https://developer.apple.com/documentation/usernotifications>). On 2026-11-22 we read stored copies of the
//! beginnings of the first and of the last (down to the statuses), and what Apple's forum quotes of the second
//! (<https://developer.apple.com/forums/thread/687789>). The rest is as we know it.
//! The pieces: `apple/message.rs` makes headers and body, `apple/token.rs` keeps provider tokens, `apple/answer.rs` reads.

mod answer;
mod message;
mod token;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

pub(super) use self::message::Message;
use self::{
    answer::{Meaning, Refusal},
    token::ProviderTokens,
};
use super::fate::Said;
use crate::{
    clock::Clock,
    connection::Opened,
    handler::Context,
    job::JobError,
    kinds::http_request::retry_after,
    outbound::{self, Apart, HeaderMap, HeaderName, HeaderValue, Limits, Method, Outbound, Request, header},
    tenant::TenantId,
};

/// What APNs may take, and say.
const LIMITS: Limits = Limits { total_ms: 30_000, silence_ms: 10_000, body_bytes_max: 16 * 1024, redirects_max: 0 };
/// How much of `apns-id` is kept: a UUID has 36 characters.
const ID_CHARS_MAX: usize = 100;
/// The most ways to APNs that are kept; past that all are forgotten, and made anew.
const WAYS_MAX: usize = 256;

/// APNs takes provider tokens of one team over a connection, so each has its own.
type Whose = (TenantId, String, Apart);

/// The way to APNs, for all connections of a worker. Cheap to clone.
#[derive(Clone)]
pub struct Apple(Arc<Kept>);

struct Kept {
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    ways: Mutex<HashMap<Whose, Outbound>>,
    tokens: ProviderTokens,
}

/// Why nothing came back.
pub enum Untold {
    /// The connection's key or certificates cannot be used.
    Invalid(String),
    /// Nobody answered.
    Way(outbound::Error),
    /// The lease was too short, or the job to stop, before it was asked again with another token.
    Over,
}

impl Apple {
    /// Nothing is open yet.
    pub fn new(outbound: Outbound, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Kept { outbound, clock, ways: Mutex::default(), tokens: ProviderTokens::default() }))
    }

    /// Sends a message to a device, known by the effect's key, and says what APNs says to it.
    pub(super) async fn send(&self, context: &Context, opened: &Opened, device: &str, message: &Message, key: &str) -> Said {
        if !is_device(device) {
            return Said::Dead { reason: "BadDeviceToken".into(), at: None };
        }
        match self.ask(context, opened, device, message, key).await {
            Ok(Ok(id)) => Said::Taken(id),
            Ok(Err(refusal)) => refusal.said(message.topic_is_own()),
            Err(Untold::Invalid(why)) => Said::Closed(JobError::new("connection_invalid", why, false), None),
            Err(Untold::Way(error)) => super::untold(&error),
            Err(Untold::Over) => super::over(),
        }
    }

    /// Sends a message to a device that cannot exist. `Ok`: key, team and topic are right.
    pub async fn test(&self, context: &Context, opened: &Opened) -> Result<String, Result<JobError, Untold>> {
        let message = Message::of_test(&text(opened, "topic"));
        let refusal = match self.ask(context, opened, &"0".repeat(64), &message, "connection.test").await.map_err(Err)? {
            Ok(_) => return Ok("it took a message to a device that does not exist".into()),
            Err(refusal) => refusal,
        };
        match refusal.meaning(true) {
            Meaning::DeadToken => {
                Ok(format!("it answered {} to a device that does not exist, so key, team and topic are right", refusal.reason))
            }
            Meaning::Denied | Meaning::Expired | Meaning::BadMessage => {
                Err(Ok(JobError::new("connection_refused", refusal.to_string(), false)))
            }
            Meaning::Later | Meaning::Unclear => Err(Ok(JobError::new("answer_refused", refusal.to_string(), true))),
        }
    }

    /// What it calls the message, or why it did not take it. A provider token that has ended is renewed once.
    async fn ask(
        &self,
        context: &Context,
        opened: &Opened,
        device: &str,
        message: &Message,
        key: &str,
    ) -> Result<Result<Option<String>, Refusal>, Untold> {
        let mut token = self.0.tokens.token(opened, self.0.clock.now()).map_err(Untold::Invalid)?;
        let mut answered = self.post(opened, device, message, key, &token).await?;
        if answered.as_ref().is_err_and(|refusal| refusal.meaning(true) == Meaning::Expired)
            && let Some(renewed) = self.0.tokens.renewed(opened, &token, self.0.clock.now()).map_err(Untold::Invalid)?
        {
            if !super::may_ask_again(context) {
                return Err(Untold::Over);
            }
            token = renewed;
            answered = self.post(opened, device, message, key, &token).await?;
        }
        // Whoever answers may repeat what it was sent.
        let hidden = opened.secrets.hidden().and_text(&token);
        Ok(match answered {
            Ok(id) => Ok(id.map(|id| hidden.cut_text(&id))),
            Err(refusal) => Err(Refusal { reason: hidden.cut_text(&refusal.reason), ..refusal }),
        })
    }

    async fn post(
        &self,
        opened: &Opened,
        device: &str,
        message: &Message,
        key: &str,
        token: &str,
    ) -> Result<Result<Option<String>, Refusal>, Untold> {
        let way = self.way(opened).map_err(|error| Untold::Invalid(error.to_string()))?;
        let url = way.url(&format!("{}/3/device/{device}", text(opened, "base_url").trim_end_matches('/'))).map_err(Untold::Way)?;
        let mut headers = HeaderMap::new();
        for (name, value) in message.headers(key) {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else { continue };
            headers.insert(name, value);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut authorization = HeaderValue::try_from(format!("bearer {token}")).expect("base64 and dots are what a header carries");
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
        let request = Request { method: Method::POST, url, headers, body: message.body().to_vec() };
        let answer = way.send(request, &LIMITS).await.map_err(Untold::Way)?;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (id, after) = (header("apns-id"), header("retry-after"));
        if answer.status.is_success() {
            return Ok(Ok(id.map(|id| id.chars().take(ID_CHARS_MAX).collect())));
        }
        let after = after.and_then(|after| retry_after(&after, self.0.clock.now()));
        let status = answer.status.as_u16();
        // Of an answer that breaks off the status is known all the same.
        let body = answer.bytes().await.unwrap_or_default();
        Ok(Err(Refusal::read(status, after, &body)))
    }

    /// The team's own connections.
    fn way(&self, opened: &Opened) -> Result<Outbound, outbound::Error> {
        let ca_pem = opened.config["ca_pem"].as_str().map(str::to_owned);
        let whose = (opened.tenant.clone(), text(opened, "team_id"), Apart { ca_pem, http2_only: true, identity: None });
        let mut ways = self.0.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.get(&whose) {
            return Ok(way.clone());
        }
        if ways.len() >= WAYS_MAX {
            ways.clear();
        }
        let way = self.0.outbound.apart(&whose.2)?;
        ways.insert(whose, way.clone());
        Ok(way)
    }
}

/// Device tokens are hexadecimal; anything else would be another path.
fn is_device(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn text(opened: &Opened, name: &str) -> String {
    opened.config[name].as_str().unwrap_or_default().to_owned()
}
