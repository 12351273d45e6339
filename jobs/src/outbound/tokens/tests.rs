//! Tokens over real sockets and by a virtual clock: how often they are asked for, and what becomes of those who wait.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{grant::read, *};
use crate::{
    clock::VirtualClock,
    connection::{AccessError, Secrets},
    settings::hosts::Hosts,
};

/// A token endpoint: it answers what it is given, in turn, once it is let.
struct Endpoint {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    gate: Arc<Semaphore>,
}

impl Endpoint {
    async fn start(answers: &[(u16, serde_json::Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers: VecDeque<String> = answers.iter().map(|(status, body)| answer(*status, &body.to_string())).collect();
        let (answers, seen, gate) = (Arc::new(Mutex::new(answers)), Arc::<Mutex<Vec<String>>>::default(), Arc::new(Semaphore::new(0)));
        let endpoint = Self { address, seen: seen.clone(), gate: gate.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answers.clone(), seen.clone(), gate.clone()));
            }
        });
        endpoint
    }

    /// One that answers at once.
    async fn open(answers: &[(u16, serde_json::Value)]) -> Self {
        let endpoint = Self::start(answers).await;
        endpoint.gate.add_permits(1_000);
        endpoint
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("not poisoned").clone()
    }

    fn vault(&self, grant: &str, secrets: &[(&str, &str)]) -> Arc<Vault> {
        let token_url = format!("http://{}/token", self.address);
        let config = json!({ "grant": grant, "token_url": token_url, "client_id": "the client", "client_auth": "basic" });
        let secrets = secrets.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned())).collect();
        Arc::new(Vault { config, secrets: Mutex::new(secrets), reports: Mutex::default() })
    }

    fn credentials(&self) -> Arc<Vault> {
        self.vault("client_credentials", &[("client_secret", "s&cret")])
    }

    fn tokens(&self, clock: &VirtualClock) -> Tokens {
        let hosts: Hosts = self.address.to_string().parse().expect("a host");
        Tokens::new(Outbound::new(hosts).expect("a client"), Arc::new(clock.clone()))
    }
}

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

async fn converse(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<String>>>,
    seen: Arc<Mutex<Vec<String>>>,
    gate: Arc<Semaphore>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    seen.lock().expect("not poisoned").push(String::from_utf8_lossy(&body).into_owned());
    gate.acquire().await.expect("never closed").forget();
    let answer = answers.lock().expect("not poisoned").pop_front().unwrap_or_else(|| answer(500, "{}"));
    stream.write_all(answer.as_bytes()).await
}

/// A tenant's one connection.
struct Vault {
    config: serde_json::Value,
    secrets: Mutex<BTreeMap<String, String>>,
    reports: Mutex<Vec<Used>>,
}

impl Vault {
    fn opened(&self, tenant: &str, generation: u32) -> Opened {
        Opened {
            id: ConnectionId(Uuid::nil()),
            tenant: tenant.parse().expect("a tenant"),
            name: "crm".into(),
            provider: "oauth2".into(),
            generation,
            config: self.config.clone(),
            secrets: Secrets(self.secrets.lock().expect("not poisoned").clone()),
        }
    }

    fn reports(&self) -> Vec<Used> {
        self.reports.lock().expect("not poisoned").clone()
    }
}

#[async_trait]
impl Access for Vault {
    async fn open_to_test(&self, tenant: &TenantId, name: &str) -> Result<Opened, AccessError> {
        self.open(tenant, name).await
    }

    async fn open(&self, tenant: &TenantId, _: &str) -> Result<Opened, AccessError> {
        Ok(self.opened(&tenant.to_string(), 1))
    }

    async fn report(&self, _: &Opened, used: Used) -> ledger::Result<()> {
        self.reports.lock().expect("not poisoned").push(used);
        Ok(())
    }

    async fn replaced(&self, _: &Opened, secret: &str, before: &str, after: &str) -> ledger::Result<()> {
        let mut secrets = self.secrets.lock().expect("not poisoned");
        assert_eq!(secrets.insert(secret.into(), after.into()).as_deref(), Some(before));
        Ok(())
    }
}

fn token(text: &str, expires_in_s: u32) -> (u16, serde_json::Value) {
    (200, json!({ "access_token": text, "token_type": "Bearer", "expires_in": expires_in_s }))
}

const MINUTE_MS: i64 = 60_000;

async fn asked(tokens: &Tokens, vault: &Arc<Vault>) -> Result<String, TokenError> {
    let access: Arc<dyn Access> = vault.clone();
    let token = tokens.token(&access, &vault.opened("acme", 1)).await?;
    Ok(token.as_str().to_owned())
}

#[tokio::test]
async fn a_hundred_callers_share_one_request() {
    let endpoint = Endpoint::start(&[token("one", 3_600), token("two", 3_600)]).await;
    let (tokens, vault) = (endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0))), endpoint.credentials());
    let callers = join_all((0..100).map(|_| asked(&tokens, &vault)));
    // By then every caller was polled once, and waits.
    let (given, ()) = tokio::join!(callers, async { endpoint.gate.add_permits(2) });
    assert!(given.iter().all(|token| token.as_deref() == Ok("one")), "{given:?}");
    assert_eq!(endpoint.seen(), ["grant_type=client_credentials"]);
}

#[tokio::test]
async fn a_token_of_an_hour_is_renewed_at_fifty_five_minutes() {
    let endpoint = Endpoint::open(&[token("one", 3_600), token("two", 3_600)]).await;
    let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
    let (tokens, vault) = (endpoint.tokens(&clock), endpoint.credentials());
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("one"));
    clock.advance_ms(55 * MINUTE_MS - 1);
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("one"));
    clock.advance_ms(1);
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("two"));
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_token_its_life() {
    let endpoint = Endpoint::open(&[token("one", 3_600), (503, json!({})), (503, json!({})), token("two", 3_600)]).await;
    let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
    let (tokens, vault) = (endpoint.tokens(&clock), endpoint.credentials());
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("one"));
    clock.advance_ms(56 * MINUTE_MS);
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("one"));
    clock.advance_ms(4 * MINUTE_MS);
    assert!(matches!(asked(&tokens, &vault).await, Err(TokenError::Unavailable(_))));
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("two"), "a request that failed poisons nothing");
    assert!(vault.reports().is_empty(), "a server in trouble says nothing about the connection");
}

#[tokio::test]
async fn who_goes_away_takes_nobodys_token_along() {
    let endpoint = Endpoint::start(&[token("one", 3_600)]).await;
    let (tokens, vault) = (endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0))), endpoint.credentials());
    {
        let mut first = Box::pin(asked(&tokens, &vault));
        assert!(futures::poll!(&mut first).is_pending());
    }
    let (second, ()) = tokio::join!(asked(&tokens, &vault), async { endpoint.gate.add_permits(1) });
    assert_eq!(second.as_deref(), Ok("one"));
    assert_eq!(endpoint.seen().len(), 1);
}

#[tokio::test]
async fn tenants_and_edits_have_tokens_of_their_own_and_a_refused_one_is_forgotten() {
    let endpoint = Endpoint::open(&["one", "two", "three", "four"].map(|text| token(text, 3_600))).await;
    let (tokens, vault) = (endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0))), endpoint.credentials());
    let access: Arc<dyn Access> = vault.clone();
    let mut given = Vec::new();
    for (tenant, generation) in [("acme", 1), ("beta", 1), ("acme", 2), ("beta", 1)] {
        given.push(tokens.token(&access, &vault.opened(tenant, generation)).await.expect("a token"));
    }
    assert_eq!(given.iter().map(Token::as_str).collect::<Vec<_>>(), ["one", "two", "three", "two"]);
    let beta = vault.opened("beta", 1);
    tokens.forget(&beta, &given[0]);
    assert_eq!(tokens.token(&access, &beta).await.as_ref(), Ok(&given[1]), "another's token says nothing about this one");
    tokens.forget(&beta, &given[1]);
    assert_eq!(tokens.token(&access, &beta).await.expect("a token").as_str(), "four");
    assert!(!format!("{given:?}").contains("one"));
}

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_and_used_next() {
    let rotating = |text: &str, next: &str| (200, json!({ "access_token": text, "expires_in": 60, "refresh_token": next }));
    let endpoint = Endpoint::open(&[rotating("one", "r2"), rotating("two", "r3")]).await;
    let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
    let (tokens, vault) = (endpoint.tokens(&clock), endpoint.vault("refresh_token", &[("refresh_token", "r1")]));
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("one"));
    clock.advance_ms(MINUTE_MS);
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("two"));
    let form = |token: &str| format!("grant_type=refresh_token&refresh_token={token}&client_id=the+client");
    assert_eq!(endpoint.seen(), [form("r1"), form("r2")]);
    assert_eq!(vault.opened("acme", 1).secrets.get("refresh_token"), Some("r3"));
}

#[tokio::test]
async fn a_refresh_token_that_another_worker_used_up_is_not_the_end() {
    let endpoint = Endpoint::open(&[(400, json!({ "error": "invalid_grant" })), token("one", 60)]).await;
    let vault = endpoint.vault("refresh_token", &[("refresh_token", "r1")]);
    let opened = vault.opened("acme", 1);
    vault.secrets.lock().expect("not poisoned").insert("refresh_token".into(), "r2".into());
    let access: Arc<dyn Access> = vault.clone();
    let tokens = endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0)));
    let token = tokens.token(&access, &opened).await.expect("a token");
    assert_eq!(token.as_str(), "one");
    assert!(endpoint.seen()[1].contains("refresh_token=r2") && vault.reports().is_empty());
}

#[tokio::test]
async fn a_refusal_is_reported_once_and_stands() {
    let endpoint = Endpoint::start(&[(401, json!({ "error": "invalid_client", "error_description": "no such client" }))]).await;
    let (tokens, vault) = (endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0))), endpoint.credentials());
    let callers = join_all((0..3).map(|_| asked(&tokens, &vault)));
    let (given, ()) = tokio::join!(callers, async { endpoint.gate.add_permits(1) });
    let refused = Err(TokenError::Refused("the token endpoint answered 401: invalid_client no such client".into()));
    assert_eq!(given, vec![refused; 3]);
    assert!(matches!(vault.reports().as_slice(), [Used::Refused(error)] if error.code == "token_refused"), "{:?}", vault.reports());
}

#[test]
fn answers_read_as_rfc_6749_has_them() {
    let given = |status, body: &str| read(status, body.as_bytes()).map(|given| (given.access_token, given.life_ms));
    // The example of RFC 6749, section 5.1.
    let example =
        r#"{ "access_token":"2YotnFZFEjr1zCsicMWpAA", "token_type":"example", "expires_in":3600, "example_parameter":"example_value" }"#;
    assert!(matches!(given(200, example), Err(TokenError::Refused(_))), "a type that we do not know");
    assert_eq!(given(200, &example.replace(":\"example\",", ":\"bearer\",")), Ok(("2YotnFZFEjr1zCsicMWpAA".into(), 3_600_000)));
    assert_eq!(given(200, r#"{"access_token":"a","expires_in":"60"}"#), Ok(("a".into(), 60_000)), "a text, as some servers write");
    assert_eq!(given(200, r#"{"access_token":"a"}"#), Ok(("a".into(), 300_000)), "not said");
    for body in ["", "[]", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\r\nb"}"#, "<html>"] {
        assert!(matches!(given(200, body), Err(TokenError::Unavailable(_))), "{body}");
    }
    // The example of section 5.2.
    assert!(matches!(given(400, r#"{ "error":"invalid_request" }"#), Err(TokenError::Refused(why)) if why.contains("invalid_request")));
    for (status, body) in [(503, "busy"), (429, "{}"), (400, r#"{"error":"temporarily_unavailable"}"#)] {
        assert!(matches!(given(status, body), Err(TokenError::Unavailable(_))), "{status} {body}");
    }
}
