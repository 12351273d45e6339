//! The header `Idempotency-Key`, and the keys that this process is at work on.
//!
//! What a key was answered is the ledger's to know. A submission that meets its own first sending here is told to come
//! back; one that meets it in another process waits there for the first one's commit.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::HeaderMap;
use utoipa::IntoParams;
use windrow_jobs::{keys::KEY_BYTES_MAX, tenant::TenantId};

use crate::{error::ApiError, openapi};

const HEADER: &str = "idempotency-key";

/// The header, as the document has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct IdempotencyKey {
    /// Sent again within 24 hours with the same submission, it is answered as at first: a string of 1 to 255 visible ASCII characters, in
    /// double quotes or bare.
    #[param(rename = "Idempotency-Key", min_length = 1, pattern = r#"^[ \t]*("([ !#-\[\]-~]|\\["\\])+"|[!#-+\--~]+)[ \t]*$"#)]
    key: Option<String>,
}

openapi::gives! {
    IdempotencyKey: HEADER_INVALID, IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_FLIGHT;
}

/// The key of a request: a quoted string (RFC 8941 §3.3.3), or bare as many clients send it.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let invalid = |message: &str| Err(ApiError::Header { name: "Idempotency-Key", message: message.into() });
    let mut given = headers.get_all(HEADER).iter();
    let value = match (given.next(), given.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.as_bytes().trim_ascii(),
        (Some(_), Some(_)) => return invalid("given twice"),
    };
    let key = match value.strip_prefix(b"\"") {
        Some(quoted) => unquoted(quoted),
        None => bare(value),
    };
    match key {
        None => invalid("send a string of visible ASCII in double quotes"),
        Some(key) if key.is_empty() || key.len() > KEY_BYTES_MAX => invalid(&format!("a key has 1 to {KEY_BYTES_MAX} bytes")),
        Some(key) => Ok(Some(key)),
    }
}

/// What is between the quotes, of which the first is gone.
fn unquoted(quoted: &[u8]) -> Option<String> {
    let mut key = String::new();
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return bytes.next().is_none().then_some(key),
            b'\\' => key.push(char::from(*bytes.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?)),
            b' '..=b'~' => key.push(char::from(*byte)),
            _ => return None,
        }
    }
    None
}

/// A comma would make it a list, and a quote a string that did not begin.
fn bare(value: &[u8]) -> Option<String> {
    let allowed = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',');
    value.iter().all(allowed).then(|| String::from_utf8_lossy(value).into_owned())
}

/// The keys whose submissions are on their way to the ledger. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashSet<(TenantId, String)>>>);

impl InFlight {
    /// Enters a key until the returned mark is dropped.
    pub(crate) fn enter(&self, tenant: &TenantId, key: &str) -> Result<Entered, ApiError> {
        let name = (tenant.clone(), key.to_owned());
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
            return Err(ApiError::IdempotencyInFlight);
        }
        Ok(Entered { keys: self.clone(), name })
    }
}

/// A key that is in flight.
pub(crate) struct Entered {
    keys: InFlight,
    name: (TenantId, String),
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_quoted_or_bare_and_one() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(HEADER.parse().expect("a name"), value.parse().expect("a value"))]);
            key(&headers).ok().flatten()
        };
        let long = "k".repeat(KEY_BYTES_MAX);
        let good = [("\"abc\"", "abc"), ("abc", "abc"), (" \"a b, c\" ", "a b, c"), (r#""a\"b\\c""#, r#"a"b\c"#), (&long, &long)];
        for (value, expected) in good {
            assert_eq!(of(value).as_deref(), Some(expected), "{value}");
        }
        let too_long = format!("\"{long}k\"");
        for value in
            ["", "\"\"", "\"abc", "abc\"", "\"a\"b\"", r#""a\b""#, "a b", "a,b", "\"a\", \"b\"", "\"a\";p=1", "\"\u{e9}\"", &too_long]
        {
            assert_eq!(of(value), None, "{value}");
        }
    }
}
