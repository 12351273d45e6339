//! Keys that never leave Vault: its Transit engine signs, by HTTP. OpenBao speaks the same.
//!
//! <https://developer.hashicorp.com/vault/api-docs/secret/transit> (sign data, read key), and for the login of a pod
//! <https://developer.hashicorp.com/vault/api-docs/auth/kubernetes> (login), both as read on 2026-11-21.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::VerifyingKey;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Error, KeyName, Scheme, Signature, Signing};
use crate::tenant::TenantId;

/// In the name of a key, where the tenant's goes.
pub const TENANT: &str = "{tenant}";
/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How often a request is sent while Vault is busy, sealed or away.
const TRIES: u32 = 3;
/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// The most that an answer may have.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Where Vault is, and who asks.
#[derive(Clone)]
pub struct Place {
    /// Its base URL.
    pub url: String,
    /// Where the Transit engine is mounted.
    pub mount: String,
    /// The name of a tenant's key, with [`TENANT`] in it.
    pub key: String,
    /// The namespace, where it has any.
    pub namespace: Option<String>,
    /// How to come by a token.
    pub login: Login,
}

/// How to come by a token.
#[derive(Clone)]
pub enum Login {
    /// This one.
    Token(String),
    /// The one in this file, which somebody else renews.
    File(PathBuf),
    /// By the pod's service account.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role to take.
        role: String,
        /// The file with the service account's token.
        jwt_file: PathBuf,
    },
}

/// Signs with a key per tenant.
pub struct Vault {
    place: Place,
    http: Client,
    /// Held while somebody logs in, so that all others wait for that token.
    token: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    until: Option<Instant>,
}

/// A request that was answered, or was not.
enum Answer {
    Read(Value),
    /// The token is not taken any more, or never was.
    Forbidden(String),
    Missing,
}

impl Vault {
    /// A client; asks nothing yet.
    pub fn new(place: Place) -> Result<Self, String> {
        let builder = Client::builder().timeout(REQUEST_MAX).redirect(reqwest::redirect::Policy::none());
        // Without TLS no roots are wanted, and where there are none, asking for the system's fails.
        let builder = if place.url.starts_with("http://") { builder.tls_certs_only([]) } else { builder };
        let http = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { place, http, token: Mutex::default() })
    }

    fn key_name(&self, tenant: &TenantId) -> String {
        self.place.key.replace(TENANT, tenant.as_str())
    }

    /// Asks with a token; where that is not taken, once more with a new one.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Option<Value>, Error> {
        let mut refused = None;
        for _ in 0..2 {
            let token = self.token(refused.as_deref()).await?;
            match self.send(method.clone(), path, Some(&token), body).await? {
                Answer::Read(read) => return Ok(Some(read)),
                Answer::Missing => return Ok(None),
                Answer::Forbidden(message) if refused.is_some() => return Err(Error::Unavailable(message)),
                Answer::Forbidden(_) => refused = Some(token),
            }
        }
        Err(Error::Unavailable(format!("Vault does not take a new token for {path}")))
    }

    /// A token that is not `refused`, as far as it can be had.
    async fn token(&self, refused: Option<&str>) -> Result<String, Error> {
        let mut held = self.token.lock().await;
        let good = |token: &&Token| token.until.is_none_or(|until| Instant::now() < until) && Some(token.text.as_str()) != refused;
        if let Some(token) = held.as_ref().filter(good) {
            return Ok(token.text.clone());
        }
        let token = self.login().await?;
        Ok(held.insert(token).text.clone())
    }

    async fn login(&self) -> Result<Token, Error> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))?;
            Ok(text.trim().to_owned())
        };
        match &self.place.login {
            Login::Token(text) => Ok(Token { text: text.clone(), until: None }),
            Login::File(path) => Ok(Token { text: read(path)?, until: None }),
            Login::Kubernetes { mount, role, jwt_file } => {
                let body = json!({ "role": role, "jwt": read(jwt_file)? });
                let path = format!("auth/{mount}/login");
                let answer = match self.send(Method::POST, &path, None, Some(&body)).await? {
                    Answer::Read(answer) => answer,
                    Answer::Forbidden(message) => return Err(Error::Unavailable(format!("logging in as role {role}: {message}"))),
                    Answer::Missing => return Err(Error::Unavailable(format!("Vault has no {path}"))),
                };
                let text = answer["auth"]["client_token"].as_str().ok_or_else(|| strange(&path))?.to_owned();
                let lasts_s = answer["auth"]["lease_duration"].as_u64().filter(|lasts_s| *lasts_s > 0);
                // A sixth early, so that it does not run out on the way.
                let until = lasts_s.map(|lasts_s| Instant::now() + Duration::from_secs(lasts_s) * 5 / 6);
                Ok(Token { text, until })
            }
        }
    }

    /// Sends a request, again where Vault cannot answer for the moment.
    async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Result<Answer, Error> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.send_once(method.clone(), path, token, body).await {
                Err(Error::Unavailable(_)) => {}
                answer => return answer,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.send_once(method, path, token, body).await
    }

    async fn send_once(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Result<Answer, Error> {
        let away = |error: reqwest::Error| Error::Unavailable(format!("Vault at {path}: {}", error.without_url()));
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.place.url)).header("x-vault-request", "true");
        if let Some(token) = token {
            request = request.header("x-vault-token", token);
        }
        if let Some(namespace) = &self.place.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if content.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(strange(path));
            }
            content.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&content).unwrap_or_default();
        let said = answer["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
        let message = format!("Vault answers {} for {path}: {}", status.as_u16(), said.trim());
        match status {
            StatusCode::NOT_FOUND => Ok(Answer::Missing),
            StatusCode::FORBIDDEN => Ok(Answer::Forbidden(message)),
            status if status.is_success() => Ok(Answer::Read(answer)),
            // What is asked is wrong, and stays so. All else may pass: a standby (307, 429, 472, 473), a proxy, one that is sealed.
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNPROCESSABLE_ENTITY => Err(Error::Refused(message)),
            _ => Err(Error::Unavailable(message)),
        }
    }
}

#[async_trait]
impl Signing for Vault {
    async fn key(&self, tenant: &TenantId) -> Result<KeyName, Error> {
        let name = self.key_name(tenant);
        let path = format!("{}/keys/{name}", self.place.mount);
        // Not for good: an operator may make it while the job is retried.
        let missing = || Error::Unavailable(format!("there is no key {name} in Vault: vault write -f {path} type=ed25519"));
        let answer = self.ask(Method::GET, &path, None).await?.ok_or_else(missing)?;
        let key = &answer["data"];
        if key["type"] != "ed25519" {
            return Err(Error::Refused(format!("the key {name} in Vault is of type {}, not ed25519", key["type"])));
        }
        let version = key["latest_version"].as_u64().and_then(|version| u32::try_from(version).ok()).ok_or_else(|| strange(&path))?;
        let public = key["keys"][version.to_string()]["public_key"].as_str().and_then(|text| STANDARD.decode(text).ok());
        let public = public.and_then(|bytes| bytes.try_into().ok()).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
        Ok(KeyName { scheme: Scheme::Vault, name, version, public: public.ok_or_else(|| strange(&path))? })
    }

    async fn sign(&self, _: &TenantId, key: &KeyName, message: &[u8]) -> Result<Signature, Error> {
        let path = format!("{}/sign/{}", self.place.mount, key.name);
        let body = json!({ "input": STANDARD.encode(message), "key_version": key.version });
        let answer = self.ask(Method::POST, &path, Some(&body)).await?;
        let answer = answer.ok_or_else(|| Error::Unavailable(format!("Vault has no {path}")))?;
        let signature = answer["data"]["signature"].as_str().ok_or_else(|| strange(&path))?;
        signature.parse().map_err(Error::Refused)
    }
}

fn strange(path: &str) -> Error {
    Error::Unavailable(format!("what Vault answers for {path} is not as documented"))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A Vault that answers this, whatever it is asked.
    async fn answering(status: u16) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4_096];
                let _ = socket.read(&mut request).await;
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nlocation: /elsewhere\r\nconnection: close\r\n\r\n");
                let _ = socket.write_all(head.as_bytes()).await;
            }
        });
        url
    }

    #[tokio::test]
    async fn only_what_is_wrong_and_stays_so_is_refused() {
        for (status, refused) in [(400, true), (405, true), (422, true)]
            .into_iter()
            .chain([307, 403, 404, 408, 412, 429, 472, 473, 500, 502, 503].map(|status| (status, false)))
        {
            let url = answering(status).await;
            let login = Login::Token("token".into());
            let place = Place { url, mount: "transit".into(), key: "k-{tenant}".into(), namespace: None, login };
            let error = Vault::new(place).expect("a client").key(&TenantId::default_tenant()).await.expect_err("no key");
            assert_eq!(matches!(error, Error::Refused(_)), refused, "{status}: {error}");
        }
    }
}
