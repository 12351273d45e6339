//! Whether a call of a hook comes from its provider: three schemes. Pure, and every comparison takes the same time whatever it finds.
//!
//! - Standard Webhooks 1.0.0, <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md> (at 03f5f8c6).
//! - Twilio, <https://www.twilio.com/docs/usage/webhooks/webhooks-security>: HMAC-SHA1 over the URL that was called and the fields of a form,
//!   or over a URL that has the body's SHA-256.
//! - Meta, <https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads>: HMAC-SHA256 over the body. So
//!   says the page "Create a webhook endpoint" of WhatsApp's documentation as well, which is the one that we read (2026-11-22, the copy in
//!   github.com/LimaLb01/endpoint-flow, docs_whatsappflow/docs_apiwhatsapp/create_webhook.md at 2d85b2b3).

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac as sha1_hmac;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Hook, Scheme, WINDOW_MS};
use crate::{
    clock::Timestamp,
    connection::{HookKey, seal::DataKey},
    kinds::http_request::sign,
};

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// A call as it came.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The URL that was called, as its caller knows it.
    pub url: &'a str,
    /// What follows the path, without the question mark.
    pub query: &'a str,
    /// The headers of [`Scheme::headers`], by their names in small letters.
    pub headers: &'a BTreeMap<String, String>,
    /// The body's media type.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Scheme {
    /// The headers that are kept of a call: those by which it is verified, and those that name it.
    pub const fn headers(self) -> &'static [&'static str] {
        match self {
            Self::StandardWebhooks => &["webhook-id", "webhook-timestamp", "webhook-signature"],
            Self::Twilio => &["x-twilio-signature", "i-twilio-idempotency-token"],
            Self::Meta => &["x-hub-signature-256"],
        }
    }
}

/// Whether the call is signed by this secret, or one of these, separated by spaces.
pub fn verify(scheme: Scheme, secret: &str, call: &Call<'_>, now: Timestamp) -> bool {
    match scheme {
        Scheme::StandardWebhooks => standard_webhooks(secret, call, now),
        Scheme::Twilio => twilio(secret, call),
        Scheme::Meta => meta(secret, call),
    }
}

/// Tells a call from every other of its hook. What is signed counts and nothing else, so that whoever repeats what was signed
/// cannot make it look new.
pub fn digest(scheme: Scheme, call: &Call<'_>) -> [u8; 32] {
    let parts: [&[u8]; 3] = match (scheme, call.headers.get("webhook-id")) {
        // A sender that tries again signs anew, with another time.
        (Scheme::StandardWebhooks, Some(id)) => [b"id", id.as_bytes(), b""],
        (Scheme::Twilio, _) => [b"query", call.query.as_bytes(), call.body],
        _ => [b"body", b"", call.body],
    };
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether both texts are the same.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// What opens a hook and signs what it passes on.
pub fn key_of(key: &DataKey, hook: &Hook) -> HookKey {
    let forward = key.forward_key(&hook.tenant, hook.connection, hook.salt);
    HookKey {
        token: key.hook_token(&hook.tenant, hook.connection, hook.salt),
        forward_secret: format!("whsec_{}", BASE64.encode(forward.as_slice())),
    }
}

fn standard_webhooks(secrets: &str, call: &Call<'_>, now: Timestamp) -> bool {
    let header = |name: &str| call.headers.get(name).map_or("", String::as_str);
    let (id, given) = (header("webhook-id"), header("webhook-signature"));
    let Ok(timestamp_s) = header("webhook-timestamp").parse::<i64>() else { return false };
    let in_window = timestamp_s.checked_mul(1_000).is_some_and(|at_ms| now.ms().abs_diff(at_ms) <= WINDOW_MS.unsigned_abs());
    if id.is_empty() || !in_window {
        return false;
    }
    let Ok(expected) = sign::signature(secrets, id, timestamp_s, call.body) else { return false };
    let fits = |given: &str| any(expected.split(' '), |expected| expected.as_bytes().ct_eq(given.as_bytes()));
    any(given.split_ascii_whitespace(), fits).into()
}

fn twilio(token: &str, call: &Call<'_>) -> bool {
    let given = call.headers.get("x-twilio-signature").map_or("", String::as_str);
    let Ok(given) = BASE64.decode(given) else { return false };
    let fields = if is_form(call.content_type) {
        form_urlencoded::parse(call.body).into_owned().collect::<BTreeSet<(String, String)>>()
    } else {
        // Of what is no form the URL has the hash, and the signature has the URL.
        let told = form_urlencoded::parse(call.query.as_bytes()).find(|(name, _)| name == "bodySHA256");
        let hash: String = Sha256::digest(call.body).iter().map(|byte| format!("{byte:02x}")).collect();
        if !told.is_some_and(|(_, told)| same(&told.to_ascii_lowercase(), &hash)) {
            return false;
        }
        BTreeSet::new()
    };
    let signed: String = fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
    let key = sha1_hmac::Key::new(sha1_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    // Some of its callers name the port that a scheme has anyway, and some leave it out.
    let urls = [Some(call.url.to_owned()), with_port(call.url), without_port(call.url)];
    let fits = |url: String| sha1_hmac::verify(&key, format!("{url}{signed}").as_bytes(), &given).is_ok();
    urls.into_iter().flatten().fold(false, |found, url| fits(url) | found)
}

fn meta(secret: &str, call: &Call<'_>) -> bool {
    let given = call.headers.get("x-hub-signature-256").map_or("", String::as_str);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(call.body);
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    given.strip_prefix("sha256=").is_some_and(|given| same(given, &expected))
}

/// Whether one of them fits, each asked.
fn any<T>(all: impl Iterator<Item = T>, fits: impl Fn(T) -> Choice) -> Choice {
    all.fold(Choice::from(0), |found, one| found | fits(one))
}

fn is_form(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM)
}

/// Scheme, host and port, and the rest of a URL.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

fn with_port(url: &str) -> Option<String> {
    let (scheme, authority, rest) = split(url)?;
    let port = if scheme == "https" { 443 } else { 80 };
    (!has_port(authority)).then(|| format!("{scheme}://{authority}:{port}{rest}"))
}

fn without_port(url: &str) -> Option<String> {
    let (scheme, authority, rest) = split(url)?;
    let (host, _) = authority.rsplit_once(':').filter(|_| has_port(authority))?;
    Some(format!("{scheme}://{host}{rest}"))
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
