//! What a token endpoint is asked, and how its answer reads: OAuth 2.0 (RFC 6749) and its JWT assertions (RFC 7523). Pure.
//!
//! Connections to the providers `oauth2`, `service_account` and `fcm` (`connection/catalog/`) say which grant it is.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use super::TokenError;
use crate::{
    clock::Timestamp,
    connection::{
        Opened,
        catalog::{fcm, oauth2, service_account},
    },
};

/// For how long an assertion holds: long enough for clocks that differ.
const ASSERTION_S: i64 = 300;
/// A token's life where the endpoint does not say it.
const UNSAID_S: i64 = 300;
/// The longest life that is believed: a day.
const LIFE_S_MAX: i64 = 86_400;

/// How the right to a token is shown, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    token_url: String,
    scopes: Vec<String>,
    shown: Shown,
}

/// How the right to a token is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    /// By a client: its own secret (RFC 6749, 4.4) or a refresh token (6).
    Client(Client),
    /// By an assertion that a service account signs (RFC 7523).
    Account(Account),
}

/// `config` of a connection to the provider `oauth2`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Client {
    client_id: String,
    grant: ClientGrant,
    client_auth: ClientAuth,
    audience: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClientGrant {
    ClientCredentials,
    RefreshToken,
}

/// Where the client shows its secret (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClientAuth {
    /// In the header.
    Basic,
    /// In the form, for servers that know no better.
    Body,
}

/// `config` of a connection to the provider `service_account`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Account {
    client_email: String,
    subject: Option<String>,
    private_key_id: Option<String>,
}

/// What is sent to a token endpoint.
#[derive(PartialEq, Eq)]
pub(super) struct Ask {
    pub form: String,
    pub authorization: Option<String>,
    /// What opens a door by itself, and is no secret of the connection.
    pub assertion: Option<String>,
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

impl Grant {
    /// The grant of a connection, by its provider and configuration.
    pub fn of(opened: &Opened) -> Result<Self, TokenError> {
        #[derive(Deserialize)]
        struct Where {
            #[serde(alias = "token_uri")]
            token_url: String,
            #[serde(default)]
            scopes: Vec<String>,
        }
        let wrong = |error: serde_json::Error| invalid(opened, &error.to_string());
        let shown = match opened.provider.as_str() {
            oauth2::NAME => Shown::Client(Client::deserialize(&opened.config).map_err(wrong)?),
            service_account::NAME | fcm::NAME => Shown::Account(Account::deserialize(&opened.config).map_err(wrong)?),
            other => return Err(invalid(opened, &format!("the provider {other} has no tokens"))),
        };
        let Where { token_url, mut scopes } = Where::deserialize(&opened.config).map_err(wrong)?;
        if opened.provider == fcm::NAME {
            scopes = vec![::fcm::SCOPE.to_owned()];
        }
        Ok(Self { token_url, scopes, shown })
    }

    /// Whether it is by a refresh token, which may be good only once.
    pub(super) fn refreshes(&self) -> bool {
        matches!(&self.shown, Shown::Client(Client { grant: ClientGrant::RefreshToken, .. }))
    }

    pub(super) fn url(&self) -> &str {
        &self.token_url
    }

    /// What is sent at `now`; `nonce` makes an assertion the only one of its kind.
    pub(super) fn ask(&self, opened: &Opened, now: Timestamp, nonce: &str) -> Result<Ask, TokenError> {
        match &self.shown {
            Shown::Client(client) => self.ask_as_client(client, opened),
            Shown::Account(account) => self.ask_as_account(account, opened, now, nonce),
        }
    }

    fn ask_as_client(&self, client: &Client, opened: &Opened) -> Result<Ask, TokenError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match client.grant {
            ClientGrant::ClientCredentials => form.append_pair("grant_type", "client_credentials"),
            ClientGrant::RefreshToken => {
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", secret(opened, oauth2::REFRESH_TOKEN)?)
            }
        };
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        if let Some(audience) = &client.audience {
            form.append_pair("audience", audience);
        }
        // A client that only holds a refresh token may be a public one.
        let client_secret = match client.grant {
            ClientGrant::RefreshToken => opened.secrets.get(oauth2::CLIENT_SECRET),
            ClientGrant::ClientCredentials => Some(secret(opened, oauth2::CLIENT_SECRET)?),
        };
        let mut authorization = None;
        match (client.client_auth, client_secret) {
            (ClientAuth::Basic, Some(client_secret)) => authorization = Some(basic(&client.client_id, client_secret)),
            (ClientAuth::Body, Some(client_secret)) => {
                form.append_pair("client_id", &client.client_id).append_pair("client_secret", client_secret);
            }
            (_, None) => {
                form.append_pair("client_id", &client.client_id);
            }
        }
        Ok(Ask { form: form.finish(), authorization, assertion: None })
    }

    fn ask_as_account(&self, account: &Account, opened: &Opened, now: Timestamp, nonce: &str) -> Result<Ask, TokenError> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            sub: Option<&'a str>,
            aud: &'a str,
            iat: i64,
            exp: i64,
            jti: &'a str,
            scope: String,
        }
        let issued_s = now.ms().div_euclid(1_000);
        let claims = Claims {
            iss: &account.client_email,
            sub: account.subject.as_deref(),
            aud: &self.token_url,
            iat: issued_s,
            exp: issued_s + ASSERTION_S,
            jti: nonce,
            scope: self.scopes.join(" "),
        };
        // The library's own message could repeat parts of the key.
        let key = EncodingKey::from_rsa_pem(secret(opened, service_account::PRIVATE_KEY)?.as_bytes())
            .map_err(|_| invalid(opened, "its private_key is no RSA key in PEM"))?;
        let header = Header { kid: account.private_key_id.clone(), ..Header::new(Algorithm::RS256) };
        let assertion = jsonwebtoken::encode(&header, &claims, &key).map_err(|_| invalid(opened, "its private_key does not sign"))?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer").append_pair("assertion", &assertion);
        Ok(Ask { form: form.finish(), authorization: None, assertion: Some(assertion) })
    }
}

fn secret<'o>(opened: &'o Opened, name: &str) -> Result<&'o str, TokenError> {
    opened.secrets.get(name).ok_or_else(|| invalid(opened, &format!("it has no secret {name}")))
}

/// The client's id and secret as a header has them: each form-encoded first (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", BASE64.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

fn invalid(opened: &Opened, why: &str) -> TokenError {
    TokenError::Refused(format!("the connection {} cannot ask for a token: {why}", opened.name))
}

/// Reads an answer (RFC 6749, 5.1 and 5.2), which asks to wait so long.
pub(super) fn read(status: u16, after: Option<Duration>, body: &[u8]) -> Result<Given, TokenError> {
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
        return Err(if for_now { TokenError::Unavailable { message, after } } else { TokenError::Refused(message) });
    }
    let no_token = |why: &str| TokenError::unavailable(format!("the token endpoint answered {status} without a token: {why}"));
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
