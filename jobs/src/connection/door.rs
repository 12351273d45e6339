//! The door of a tenant's own endpoint (provider `http`): the way to it, and what opens it. Whoever calls one asks here.
//!
//! An endpoint that wants to see a certificate, or that only a private authority vouches for, has connections of its own, on which nobody
//! else's requests go. Next: `outbound/mod.rs` for the way, `catalog/http.rs` for what a connection says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{
    ConnectionId, Hidden, Opened,
    catalog::http::{API_KEY, API_KEY_HEADER, API_KEY_PARAMETER, BASIC_PASSWORD, BEARER_TOKEN, CLIENT_CERTIFICATE_PEM, CLIENT_KEY_PEM},
};
use crate::outbound::{Apart, Error, HeaderName, HeaderValue, Identity, Outbound, Request, Url, header};

/// The most ways of their own that are kept.
const WAYS_MAX: usize = 256;
/// For how long one is kept that nobody goes.
const IDLE: Duration = Duration::from_secs(600);

/// The ways to endpoints, for all connections of a worker. Cheap to clone.
#[derive(Clone)]
pub struct Doors(Arc<Shared>);

struct Shared {
    outbound: Outbound,
    ways: Mutex<Ways<Outbound>>,
}

impl Doors {
    /// Nothing is open yet.
    pub fn new(outbound: Outbound) -> Self {
        Self(Arc::new(Shared { outbound, ways: Mutex::default() }))
    }

    /// The way to this connection's endpoint.
    pub async fn way(&self, opened: &Opened) -> Result<Outbound, Error> {
        let apart = apart(opened);
        if apart == Apart::default() {
            return Ok(self.0.outbound.clone());
        }
        let known = self.ways().find(opened.id, opened.generation, Instant::now());
        if let Some(way) = known {
            return Ok(way);
        }
        // It reads certificates for tens of milliseconds, in which nobody else is held up. That two at once make one each does no harm.
        let outbound = self.0.outbound.clone();
        let made = tokio::task::spawn_blocking(move || outbound.apart(&apart)).await;
        let way = made.map_err(|error| Error::Unreachable { host: opened.name.clone(), why: error.to_string() })??;
        self.ways().keep(opened.id, opened.generation, way.clone(), Instant::now());
        Ok(way)
    }

    fn ways(&self) -> MutexGuard<'_, Ways<Outbound>> {
        self.0.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept, by connection. Whoever fills it drives out the one that was gone the longest ago.
struct Ways<W>(HashMap<ConnectionId, Kept<W>>);

struct Kept<W> {
    /// Of the connection that it was made of.
    generation: u32,
    way: W,
    gone_at: Instant,
}

impl<W> Default for Ways<W> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<W: Clone> Ways<W> {
    fn find(&mut self, id: ConnectionId, generation: u32, now: Instant) -> Option<W> {
        // A connection that was deleted is not found again: its key stays no longer than this.
        self.0.retain(|_, kept| now.duration_since(kept.gone_at) < IDLE);
        let kept = self.0.get_mut(&id).filter(|kept| kept.generation == generation)?;
        kept.gone_at = now;
        Some(kept.way.clone())
    }

    fn keep(&mut self, id: ConnectionId, generation: u32, way: W, now: Instant) {
        if self.0.len() >= WAYS_MAX
            && !self.0.contains_key(&id)
            && let Some(oldest) = self.0.iter().min_by_key(|(_, kept)| kept.gone_at).map(|(id, _)| *id)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(id, Kept { generation, way, gone_at: now });
    }
}

/// What is particular of the way to this connection's endpoint.
fn apart(opened: &Opened) -> Apart {
    let secret = |name| opened.secrets.get(name).map(str::to_owned);
    let identity = match (secret(CLIENT_CERTIFICATE_PEM), secret(CLIENT_KEY_PEM)) {
        (Some(certificate_pem), Some(key_pem)) => Some(Identity { certificate_pem, key_pem }),
        _ => None,
    };
    Apart { ca_pem: opened.config["ca_pem"].as_str().map(str::to_owned), identity, ..Apart::default() }
}

/// Puts into a request what opens the door: `Authorization`, which is `bearer`'s where somebody else's token is sent, and the key that the
/// endpoint knows us by.
pub fn unlock(request: &mut Request, opened: &Opened, bearer: Option<HeaderValue>) {
    if let Some(authorization) = bearer.or_else(|| authorization(opened)) {
        request.headers.insert(header::AUTHORIZATION, authorization);
    }
    let Some(key) = opened.secrets.get(API_KEY) else { return };
    if let Some(parameter) = opened.config[API_KEY_PARAMETER].as_str() {
        take_out(&mut request.url, parameter);
        request.url.query_pairs_mut().append_pair(parameter, key);
    }
    let name = opened.config[API_KEY_HEADER].as_str().and_then(|name| HeaderName::try_from(name).ok());
    if let (Some(name), Some(value)) = (name, sensitive(key.to_owned())) {
        request.headers.insert(name, value);
    }
}

/// Takes a parameter out of a URL: a redirect, or a link to the next page, may repeat it.
pub fn take_out(url: &mut Url, parameter: &str) {
    if url.query_pairs().any(|(name, _)| name == parameter) {
        let pairs: Vec<(String, String)> =
            url.query_pairs().filter(|(name, _)| name != parameter).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
        if url.query() == Some("") {
            url.set_query(None);
        }
    }
}

fn authorization(opened: &Opened) -> Option<HeaderValue> {
    match (opened.secrets.get(BEARER_TOKEN), opened.secrets.get(BASIC_PASSWORD)) {
        (Some(bearer), _) => sensitive(format!("Bearer {bearer}")),
        (None, Some(password)) => sensitive(format!("Basic {}", basic(opened, password))),
        (None, None) => None,
    }
}

/// The name and the password, as Basic has them.
fn basic(opened: &Opened, password: &str) -> String {
    let user = opened.config["basic_user"].as_str().unwrap_or_default();
    BASE64.encode(format!("{user}:{password}"))
}

/// What goes along with each request and is hidden in what comes of it: the connection's secrets, and what is made of them.
pub fn hidden(opened: &Opened) -> Hidden {
    let hidden = opened.secrets.hidden();
    match opened.secrets.get(BASIC_PASSWORD) {
        Some(password) => hidden.and_text(&basic(opened, password)),
        None => hidden,
    }
}

/// A value that no log shows; none where a header cannot carry it, which the schema rules out.
fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{connection::Secrets, outbound::Method, tenant::TenantId};

    fn opened(config: Value, secrets: &[(&str, &str)]) -> Opened {
        let secrets = secrets.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned())).collect();
        Opened {
            id: ConnectionId::generate(),
            tenant: TenantId::default_tenant(),
            name: "endpoint".into(),
            provider: "http".into(),
            generation: 1,
            config,
            secrets: Secrets(secrets),
        }
    }

    #[test]
    fn a_request_has_what_opens_the_door_and_no_log_shows_it() {
        let sent = |config: Value, secrets: &[(&str, &str)], bearer: Option<&'static str>| {
            let mut request = Request::new(Method::GET, "https://a.example/list?page=1".parse().expect("a URL"));
            unlock(&mut request, &opened(config, secrets), bearer.map(HeaderValue::from_static));
            let text = |name: &str| request.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
            if bearer.is_none() {
                assert!(request.headers.values().all(HeaderValue::is_sensitive), "{:?}", request.headers);
            }
            (text("authorization"), text("x-api-key"), request.url.query().unwrap_or_default().to_owned())
        };
        let page = || "page=1".to_owned();
        assert_eq!(sent(json!({}), &[], None), (None, None, page()));
        assert_eq!(sent(json!({}), &[("bearer_token", "t")], None), (Some("Bearer t".into()), None, page()));
        let basic = sent(json!({ "basic_user": "me" }), &[("basic_password", "p")], None);
        assert_eq!(basic, (Some("Basic bWU6cA==".into()), None, page()));
        let key = [("api_key", "a key&more"), ("bearer_token", "t")];
        let in_header = sent(json!({ "api_key_header": "X-Api-Key" }), &key, Some("Bearer other"));
        assert_eq!(in_header, (Some("Bearer other".into()), Some("a key&more".into()), page()));
        let in_query = sent(json!({ "api_key_parameter": "licensekey" }), &key[..1], None);
        assert_eq!(in_query, (None, None, "page=1&licensekey=a+key%26more".into()));
        // A server that adds a slash sends on to where it was asked, key and all.
        let mut request =
            Request::new(Method::GET, "https://a.example/list/?licensekey=a+key%26more&page=1&licensekey=x".parse().expect("a URL"));
        for _ in 0..2 {
            unlock(&mut request, &opened(json!({ "api_key_parameter": "licensekey" }), &key[..1]), None);
            assert_eq!(request.url.query(), Some("page=1&licensekey=a+key%26more"));
        }
    }

    #[tokio::test]
    async fn only_who_needs_a_way_of_their_own_has_one() {
        let doors = Doors::new(Outbound::new(Default::default()).expect("a client"));
        let kept = || doors.ways().0.len();
        doors.way(&opened(json!({}), &[("bearer_token", "t")])).await.expect("the common way");
        assert_eq!(kept(), 0);
        let wrong = opened(json!({}), &[("client_certificate_pem", "none"), ("client_key_pem", "none")]);
        let refused = doors.way(&wrong).await.err().expect("no certificate at all");
        assert!(refused.to_string().contains("client certificate"), "{refused}");
        assert_eq!(kept(), 0);
    }

    #[test]
    fn a_way_is_kept_while_somebody_goes_it_and_an_edit_makes_another() {
        let (began, ids) = (Instant::now(), (0..=WAYS_MAX).map(|_| ConnectionId::generate()).collect::<Vec<_>>());
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        let mut ways = Ways::default();
        for (number, id) in ids[..WAYS_MAX].iter().enumerate() {
            ways.keep(*id, 1, number, at(0));
        }
        assert_eq!((ways.find(ids[0], 1, at(1)), ways.find(ids[0], 2, at(1))), (Some(0), None), "it was edited");
        ways.keep(ids[0], 2, 1_000, at(1));
        assert_eq!((ways.find(ids[0], 2, at(2)), ways.0.len()), (Some(1_000), WAYS_MAX));
        for id in &ids[2..WAYS_MAX] {
            ways.find(*id, 1, at(3));
        }
        ways.keep(ids[WAYS_MAX], 1, 2_000, at(4));
        assert_eq!((ways.find(ids[1], 1, at(5)), ways.0.len()), (None, WAYS_MAX), "the one that was gone the longest ago");
        assert_eq!(ways.find(ids[WAYS_MAX], 1, at(603)), Some(2_000));
        assert_eq!(ways.0.len(), 1, "nobody went the others");
    }
}
