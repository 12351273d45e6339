//! What a token endpoint is asked, and how its answer reads: OAuth 2.0 (RFC 6749) and its JWT assertions (RFC 7523). Pure.
//!
//! A connection says which grant it is by `config.oauth2` and its secrets.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use super::TokenError;
use crate::{clock::Timestamp, connection::Opened};

/// The secret that a provider may replace at each use.
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
/// For how long an assertion holds: long enough for clocks that differ.
const ASSERTION_S: i64 = 300;
/// A token's life where the endpoint does not say it.
const UNSAID_S: i64 = 300;
/// The longest life that is believed: a day.
const LIFE_S_MAX: i64 = 86_400;

/// `config.oauth2` of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// How the right to a token is shown.
    pub grant: Kind,
    /// Where tokens are given out.
    pub token_url: String,
    /// The client's id. Needed for all but service accounts.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Where the client shows its secret.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// What is asked for.
    #[serde(default)]
    pub scope: Option<String>,
    /// For whom the token is, where the endpoint asks. Of an assertion: the token endpoint, unless said.
    #[serde(default)]
    pub audience: Option<String>,
    /// Who signs the assertion: the service account's address.
    #[serde(default)]
    pub issuer: Option<String>,
    /// In whose name, where it is another's.
    #[serde(default)]
    pub subject: Option<String>,
    /// Which of the account's keys signs.
    #[serde(default)]
    pub key_id: Option<String>,
}

/// How the right to a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By the client's own secret (RFC 6749, 4.4).
    ClientCredentials,
    /// By a refresh token (RFC 6749, 6).
    RefreshToken,
    /// By a signed assertion (RFC 7523).
    ServiceAccount,
}

/// Where the client shows its secret (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the header.
    #[default]
    Basic,
    /// In the form, for servers that know no better.
    Body,
}

/// What is sent to a token endpoint.
#[derive(PartialEq, Eq)]
pub(super) struct Ask {
    pub form: String,
    pub authorization: Option<String>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask(hidden)")
    }
}

/// What a token endpoint gave.
pub(super) struct Given {
    pub access_token: String,
    pub life_ms: i64,
    pub refresh_token: Option<String>,
}

impl OAuth2 {
    /// The grant of a connection; none where it has none.
    pub fn of(opened: &Opened) -> Result<Option<Self>, TokenError> {
        match opened.config.get("oauth2") {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(config) => Self::deserialize(config).map(Some).map_err(|error| invalid(opened, &format!("config.oauth2: {error}"))),
        }
    }

    /// What is sent at `now`; `nonce` makes an assertion the only one of its kind.
    pub(super) fn ask(&self, opened: &Opened, now: Timestamp, nonce: &str) -> Result<Ask, TokenError> {
        let secret = |name: &str| opened.secrets.get(name).ok_or_else(|| invalid(opened, &format!("it has no secret {name}")));
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self.grant {
            Kind::ClientCredentials => form.append_pair("grant_type", "client_credentials"),
            Kind::RefreshToken => form.append_pair("grant_type", "refresh_token").append_pair(REFRESH_TOKEN, secret(REFRESH_TOKEN)?),
            Kind::ServiceAccount => {
                let assertion = self.assertion(opened, secret("private_key")?, now, nonce)?;
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer").append_pair("assertion", &assertion)
            }
        };
        let mut authorization = None;
        if self.grant != Kind::ServiceAccount {
            if let Some(scope) = &self.scope {
                form.append_pair("scope", scope);
            }
            if let Some(audience) = &self.audience {
                form.append_pair("audience", audience);
            }
            let id = self.client_id.as_deref().ok_or_else(|| invalid(opened, "config.oauth2 has no client_id"))?;
            // A client that only holds a refresh token may be a public one.
            let client_secret = match self.grant {
                Kind::RefreshToken => opened.secrets.get("client_secret"),
                _ => Some(secret("client_secret")?),
            };
            match (self.client_auth, client_secret) {
                (ClientAuth::Basic, Some(client_secret)) => authorization = Some(basic(id, client_secret)),
                (ClientAuth::Body, Some(client_secret)) => {
                    form.append_pair("client_id", id).append_pair("client_secret", client_secret);
                }
                (_, None) => {
                    form.append_pair("client_id", id);
                }
            }
        }
        Ok(Ask { form: form.finish(), authorization })
    }

    fn assertion(&self, opened: &Opened, private_key: &str, now: Timestamp, nonce: &str) -> Result<String, TokenError> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            sub: Option<&'a str>,
            aud: &'a str,
            iat: i64,
            exp: i64,
            jti: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<&'a str>,
        }
        let issued_s = now.ms().div_euclid(1_000);
        let claims = Claims {
            iss: self.issuer.as_deref().ok_or_else(|| invalid(opened, "config.oauth2 has no issuer"))?,
            sub: self.subject.as_deref(),
            aud: self.audience.as_deref().unwrap_or(&self.token_url),
            iat: issued_s,
            exp: issued_s + ASSERTION_S,
            jti: nonce,
            scope: self.scope.as_deref(),
        };
        // The library's own message could repeat parts of the key.
        let key = EncodingKey::from_rsa_pem(private_key.as_bytes()).map_err(|_| invalid(opened, "its private_key is no RSA key in PEM"))?;
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &key).map_err(|_| invalid(opened, "its private_key does not sign"))
    }
}

/// The client's id and secret as a header has them: each form-encoded first (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", BASE64.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

fn invalid(opened: &Opened, why: &str) -> TokenError {
    TokenError::Refused(format!("the connection {} cannot ask for a token: {why}", opened.name))
}

/// Reads an answer (RFC 6749, 5.1 and 5.2).
pub(super) fn read(status: u16, body: &[u8]) -> Result<Given, TokenError> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: Option<String>,
        token_type: Option<String>,
        expires_in: Option<Seconds>,
        refresh_token: Option<String>,
        error: Option<String>,
        error_description: Option<String>,
    }
    // A number, though there are servers that write a text.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(f64),
        Text(String),
    }
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    if !(200..300).contains(&status) {
        let said = answer.and_then(|answer| Some(format!("{} {}", answer.error?, answer.error_description.unwrap_or_default())));
        let message = format!("the token endpoint answered {status}: {}", said.as_deref().unwrap_or("without a reason").trim_end());
        let for_now = matches!(status, 408 | 425 | 429 | 500..) || said.is_some_and(|said| said.starts_with("temporarily_unavailable"));
        return Err(if for_now { TokenError::Unavailable(message) } else { TokenError::Refused(message) });
    }
    let no_token = |why: &str| TokenError::Unavailable(format!("the token endpoint answered {status} without a token: {why}"));
    let answer = answer.ok_or_else(|| no_token("it is no JSON object of one"))?;
    let token = answer.access_token.filter(|token| !token.is_empty()).ok_or_else(|| no_token("there is no access_token"))?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no_token("the access_token has characters that no header carries"));
    }
    if answer.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(TokenError::Refused("the token endpoint gives tokens of another type than bearer".into()));
    }
    let life_s = match answer.expires_in {
        Some(Seconds::Number(seconds)) => seconds as i64,
        Some(Seconds::Text(text)) => text.parse().unwrap_or(UNSAID_S),
        None => UNSAID_S,
    };
    Ok(Given { access_token: token, life_ms: life_s.clamp(0, LIFE_S_MAX) * 1_000, refresh_token: answer.refresh_token })
}
