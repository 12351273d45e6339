//! The door of a tenant's own endpoint (provider `http`): the way to it, and what opens it. Whoever calls one asks here.
//!
//! An endpoint that wants to see a certificate, or that only a private authority vouches for, has connections of its own, on which nobody
//! else's requests go. Next: `outbound/mod.rs` for the way, `catalog/http.rs` for what a connection says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{
    ConnectionId, Opened,
    catalog::http::{API_KEY, API_KEY_HEADER, API_KEY_PARAMETER, BASIC_PASSWORD, BEARER_TOKEN, CLIENT_CERTIFICATE_PEM, CLIENT_KEY_PEM},
};
use crate::outbound::{Apart, Error, HeaderName, HeaderValue, Identity, Outbound, Request, header};

/// The most ways of their own that are kept; past that all are forgotten, and made anew.
const WAYS_MAX: usize = 256;

/// The ways to endpoints, for all connections of a worker. Cheap to clone.
#[derive(Clone)]
pub struct Doors(Arc<Kept>);

struct Kept {
    outbound: Outbound,
    /// By connection: the generation that it was made of, and the way.
    ways: Mutex<HashMap<ConnectionId, (u32, Outbound)>>,
}

impl Doors {
    /// Nothing is open yet.
    pub fn new(outbound: Outbound) -> Self {
        Self(Arc::new(Kept { outbound, ways: Mutex::default() }))
    }

    /// The way to this connection's endpoint.
    pub fn way(&self, opened: &Opened) -> Result<Outbound, Error> {
        let apart = apart(opened);
        if apart == Apart::default() {
            return Ok(self.0.outbound.clone());
        }
        let mut ways = self.0.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((generation, way)) = ways.get(&opened.id)
            && *generation == opened.generation
        {
            return Ok(way.clone());
        }
        if ways.len() >= WAYS_MAX {
            ways.clear();
        }
        let way = self.0.outbound.apart(&apart)?;
        ways.insert(opened.id, (opened.generation, way.clone()));
        Ok(way)
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
        request.url.query_pairs_mut().append_pair(parameter, key);
    }
    let name = opened.config[API_KEY_HEADER].as_str().and_then(|name| HeaderName::try_from(name).ok());
    if let (Some(name), Some(value)) = (name, sensitive(key.to_owned())) {
        request.headers.insert(name, value);
    }
}

fn authorization(opened: &Opened) -> Option<HeaderValue> {
    match (opened.secrets.get(BEARER_TOKEN), opened.secrets.get(BASIC_PASSWORD)) {
        (Some(bearer), _) => sensitive(format!("Bearer {bearer}")),
        (None, Some(password)) => {
            let user = opened.config["basic_user"].as_str().unwrap_or_default();
            sensitive(format!("Basic {}", BASE64.encode(format!("{user}:{password}"))))
        }
        (None, None) => None,
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
    }

    #[test]
    fn only_who_needs_a_way_of_their_own_has_one_and_an_edit_makes_another() {
        let doors = Doors::new(Outbound::new(Default::default()).expect("a client"));
        let kept = || doors.0.ways.lock().expect("not poisoned").len();
        doors.way(&opened(json!({}), &[("bearer_token", "t")])).expect("the common way");
        assert_eq!(kept(), 0);
        let wrong = opened(json!({}), &[("client_certificate_pem", "none"), ("client_key_pem", "none")]);
        let refused = doors.way(&wrong).err().expect("no certificate at all");
        assert!(refused.to_string().contains("client certificate"), "{refused}");
        assert_eq!(kept(), 0);
    }
}
