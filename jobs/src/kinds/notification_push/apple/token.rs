//! Provider tokens: JWTs by which APNs knows a team (ES256), made anew between 20 and 60 minutes.
//!
//! Apple refuses a token of more than an hour (`ExpiredProviderToken`), and a team whose tokens change more often than every 20 minutes
//! (`TooManyProviderTokenUpdates`). So connections with the same key share one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    connection::{Opened, catalog::apns::PRIVATE_KEY},
};

/// For how long a provider token is used.
const PROVIDER_TOKEN_S: i64 = 45 * 60;
/// How often one may be replaced that APNs says has ended.
const RENEWED_S_MIN: i64 = 20 * 60;
/// The most keys whose tokens are kept; past that those that are no longer used go.
const KEPT_MAX: usize = 10_000;

/// Team, key, and the hash of the key itself.
type Whose = (String, String, [u8; 32]);

struct Kept {
    text: Arc<str>,
    made_at: Timestamp,
    /// When it was last replaced before its time.
    renewed_at: Option<Timestamp>,
}

/// The provider tokens of a worker.
#[derive(Default)]
pub(super) struct ProviderTokens(Mutex<HashMap<Whose, Kept>>);

impl ProviderTokens {
    /// The token of this connection's key. The error says what is wrong with the key.
    pub(super) fn token(&self, opened: &Opened, now: Timestamp) -> Result<Arc<str>, String> {
        self.kept(opened, now, |kept| now.ms_since(kept.made_at) < PROVIDER_TOKEN_S * 1_000).map(|(token, _)| token)
    }

    /// Another one in the place of this, which APNs says has ended; none where that was so a moment ago, and making more would not help.
    pub(super) fn renewed(&self, opened: &Opened, ended: &str, now: Timestamp) -> Result<Option<Arc<str>>, String> {
        let good = |kept: &Kept| {
            let too_soon = kept.renewed_at.is_some_and(|at| now.ms_since(at) < RENEWED_S_MIN * 1_000);
            &*kept.text != ended || too_soon
        };
        let (token, made) = self.kept(opened, now, good)?;
        if made {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(whose(opened)?.0).and_modify(|kept| kept.renewed_at = Some(now));
        }
        Ok(Some(token).filter(|token| &**token != ended))
    }

    /// The one that is kept, while it is good, or a new one; and whether it is new.
    fn kept(&self, opened: &Opened, now: Timestamp, good: impl Fn(&Kept) -> bool) -> Result<(Arc<str>, bool), String> {
        let (whose, key) = whose(opened)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match all.get(&whose) {
            Some(kept) if good(kept) => return Ok((kept.text.clone(), false)),
            Some(kept) => kept.renewed_at,
            None => None,
        };
        let text: Arc<str> = sign(&whose.0, &whose.1, key, now)?.into();
        if all.len() >= KEPT_MAX {
            all.retain(|_, kept| now.ms_since(kept.made_at) < PROVIDER_TOKEN_S * 1_000);
        }
        all.insert(whose, Kept { text: text.clone(), made_at: now, renewed_at: before });
        Ok((text, true))
    }
}

fn whose(opened: &Opened) -> Result<(Whose, &str), String> {
    let text = |name: &str| opened.config[name].as_str().unwrap_or_default().to_owned();
    let key = opened.secrets.get(PRIVATE_KEY).ok_or("it has no secret private_key")?;
    Ok(((text("team_id"), text("key_id"), Sha256::digest(key).into()), key))
}

fn sign(team_id: &str, key_id: &str, key: &str, now: Timestamp) -> Result<String, String> {
    #[derive(Serialize)]
    struct Claims<'a> {
        iss: &'a str,
        iat: i64,
    }
    // The library's own message could repeat parts of the key.
    let key = EncodingKey::from_ec_pem(key.as_bytes()).map_err(|_| "its private_key is no EC key in PEM")?;
    let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
    let claims = Claims { iss: team_id, iat: now.ms().div_euclid(1_000) };
    jsonwebtoken::encode(&header, &claims, &key).map_err(|_| "its private_key does not sign: it must be of the curve P-256".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::connection::{ConnectionId, Secrets};

    /// A key made for this test by `openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -nocrypt`.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghzdYnCrouose2vWR\nCYnVNTqJcS6IEZErmdJIy5gLymOhRANCAASggedMVWbBRfzOL6XpmNkv2VMvUsM/\n1Fp8HI1t2+VPvdf5I3fRvcqQW5k0Nl5xWqJkEi2iCZblAv1qDd+fgQoS\n-----END PRIVATE KEY-----\n";

    fn opened(topic: &str, key: &str) -> Opened {
        Opened {
            id: ConnectionId(Uuid::nil()),
            tenant: "acme".parse().expect("a tenant"),
            name: "phones".into(),
            provider: "apns".into(),
            generation: 1,
            config: json!({ "team_id": "TEAM567890", "key_id": "KEY4567890", "topic": topic }),
            secrets: Secrets([(PRIVATE_KEY.to_owned(), key.to_owned())].into()),
        }
    }

    #[test]
    fn a_token_is_kept_for_45_minutes_by_all_connections_of_its_key() {
        let (tokens, at) = (ProviderTokens::default(), |minutes: i64| Timestamp::from_ms(minutes * 60_000));
        let first = tokens.token(&opened("a", KEY), at(0)).expect("signed");
        assert_eq!(tokens.token(&opened("b", KEY), at(44)).expect("kept"), first);
        assert_ne!(tokens.token(&opened("a", KEY), at(45)).expect("signed"), first);
        assert_eq!(tokens.token(&opened("a", "no key"), at(0)), Err("its private_key is no EC key in PEM".into()));
    }

    #[test]
    fn a_token_that_has_ended_is_replaced_once_in_20_minutes() {
        let (tokens, at) = (ProviderTokens::default(), |minutes: i64| Timestamp::from_ms(minutes * 60_000));
        let opened = opened("a", KEY);
        let first = tokens.token(&opened, at(0)).expect("signed");
        let second = tokens.renewed(&opened, &first, at(1)).expect("signed").expect("another");
        assert_ne!(first, second);
        assert_eq!(tokens.renewed(&opened, &first, at(2)), Ok(Some(second.clone())), "somebody else has replaced it");
        assert_eq!(tokens.renewed(&opened, &second, at(20)), Ok(None), "too soon");
        let third = tokens.renewed(&opened, &second, at(21)).expect("signed").expect("another");
        assert_eq!(tokens.token(&opened, at(22)).expect("kept"), third);
    }
}
