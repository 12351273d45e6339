//! Tokens over real sockets and by a virtual clock: how often they are asked for, and what becomes of those who wait.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
};

use super::{grant::read, *};
use crate::{
    clock::VirtualClock,
    connection::{AccessError, HookKey, Secrets},
    hook::Hook,
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
        let answers: VecDeque<String> = answers.iter().map(|(status, body)| answer(*status, body)).collect();
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
        Arc::new(Vault {
            config,
            secrets: Mutex::new(secrets),
            reports: Mutex::default(),
            away: AtomicBool::new(false),
            kept: Notify::new(),
        })
    }

    fn credentials(&self) -> Arc<Vault> {
        self.vault("client_credentials", &[("client_secret", "s&cret")])
    }

    fn tokens(&self, clock: &VirtualClock) -> Tokens {
        let hosts: Hosts = self.address.to_string().parse().expect("a host");
        Tokens::new(Outbound::new(hosts).expect("a client"), Arc::new(clock.clone()))
    }
}

/// `retry_after` within the body stands in the head as well.
fn answer(status: u16, body: &serde_json::Value) -> String {
    let (wait, body) = (body["retry_after"].as_str().map(|after| format!("retry-after: {after}\r\n")), body.to_string());
    let wait = wait.unwrap_or_default();
    format!("HTTP/1.1 {status} OK\r\ncontent-length: {}\r\n{wait}connection: close\r\n\r\n{body}", body.len())
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
    let answer = answers.lock().expect("not poisoned").pop_front().unwrap_or_else(|| answer(500, &json!({})));
    stream.write_all(answer.as_bytes()).await
}

/// A tenant's one connection.
struct Vault {
    config: serde_json::Value,
    secrets: Mutex<BTreeMap<String, String>>,
    reports: Mutex<Vec<Used>>,
    /// Whether the ledger is away.
    away: AtomicBool,
    /// Something was kept.
    kept: Notify,
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

    fn ledger(&self) -> ledger::Result<()> {
        if self.away.load(Ordering::SeqCst) { Err(ledger::Error::Unavailable("it is away".into())) } else { Ok(()) }
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
        self.ledger()?;
        Ok(self.opened(&tenant.to_string(), 1))
    }

    async fn report(&self, _: &Opened, used: Used) -> ledger::Result<()> {
        self.reports.lock().expect("not poisoned").push(used);
        Ok(())
    }

    async fn take_turn(&self, opened: &Opened, _: i64, _: i64) -> Result<crate::pace::Turn, AccessError> {
        Err(AccessError::Unknown(opened.name.clone()))
    }

    async fn replaced(&self, _: &Opened, secret: &str, before: &str, after: &str) -> ledger::Result<()> {
        self.ledger()?;
        self.kept.notify_one();
        let mut secrets = self.secrets.lock().expect("not poisoned");
        assert_eq!(secrets.insert(secret.into(), after.into()).as_deref(), Some(before));
        Ok(())
    }

    async fn hook_key(&self, _: &Hook, name: &str) -> Result<HookKey, AccessError> {
        Err(AccessError::HookLost(name.to_owned()))
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
    assert!(matches!(asked(&tokens, &vault).await, Err(TokenError::Unavailable { .. })));
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
    let endpoint = Endpoint::start(&[(400, json!({ "error": "invalid_grant" })), token("one", 60)]).await;
    let vault = endpoint.vault("refresh_token", &[("refresh_token", "r1")]);
    let tokens = endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0)));
    let another = async {
        while endpoint.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        endpoint.gate.add_permits(2);
        // It keeps what it got a moment after this one was refused.
        tokio::time::sleep(LOOK_EVERY * 2).await;
        vault.secrets.lock().expect("not poisoned").insert("refresh_token".into(), "r2".into());
    };
    let (given, ()) = tokio::join!(asked(&tokens, &vault), another);
    assert_eq!(given.as_deref(), Ok("one"));
    let seen = endpoint.seen();
    assert!(seen[0].contains("refresh_token=r1") && seen[1].contains("refresh_token=r2") && seen.len() == 2, "{seen:?}");
    assert!(vault.reports().is_empty());
}

#[tokio::test]
async fn a_spent_refresh_token_is_not_shown_again() {
    let rotating = |text: &str, next: &str| (200, json!({ "access_token": text, "expires_in": 3_600, "refresh_token": next }));
    let endpoint = Endpoint::open(&[rotating("one", "r2"), rotating("two", "r3"), rotating("three", "r4")]).await;
    let vault = endpoint.vault("refresh_token", &[("refresh_token", "r1")]);
    let (access, opened): (Arc<dyn Access>, _) = (vault.clone(), vault.opened("acme", 1));
    let tokens = endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0)));
    let one = tokens.token(&access, &opened).await.expect("a token");
    // The service said 401; the attempt has the connection as it opened it.
    tokens.forget(&opened, &one);
    assert_eq!(tokens.token(&access, &opened).await.expect("a token").as_str(), "two");
    assert_eq!(tokens.new_token(&access, &opened).await.expect("a token").as_str(), "three", "a test wants one of its own");
    let forms: Vec<bool> = endpoint.seen().iter().zip(["=r1&", "=r2&", "=r3&"]).map(|(form, token)| form.contains(token)).collect();
    assert_eq!(forms, [true; 3]);
    assert!(vault.reports().is_empty());
    let edited = vault.opened("acme", 2);
    assert!(matches!(tokens.token(&access, &edited).await, Err(TokenError::Unavailable { .. })), "this is not what stands there");
    assert_eq!(endpoint.seen().len(), 3);
}

#[tokio::test]
async fn a_rotated_refresh_token_outlasts_an_outage_of_the_ledger() {
    let rotating = |text: &str, next: &str| (200, json!({ "access_token": text, "expires_in": 60, "refresh_token": next }));
    let endpoint = Endpoint::start(&[rotating("one", "r2"), rotating("two", "r3")]).await;
    let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
    let (tokens, vault) = (endpoint.tokens(&clock), endpoint.vault("refresh_token", &[("refresh_token", "r1")]));
    let (access, opened): (Arc<dyn Access>, _) = (vault.clone(), vault.opened("acme", 1));
    let outage = async {
        while endpoint.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        vault.away.store(true, Ordering::SeqCst);
        endpoint.gate.add_permits(2);
    };
    let (one, ()) = tokio::join!(tokens.token(&access, &opened), outage);
    assert_eq!(one.expect("a token").as_str(), "one");
    clock.advance_ms(MINUTE_MS);
    assert_eq!(tokens.token(&access, &opened).await.expect("a token").as_str(), "two", "by the one that is not kept yet");
    assert!(endpoint.seen()[1].contains("=r2&"), "{:?}", endpoint.seen());
    assert_eq!(vault.opened("acme", 1).secrets.get("refresh_token"), Some("r1"));
    vault.away.store(false, Ordering::SeqCst);
    vault.kept.notified().await;
    assert_eq!(vault.opened("acme", 1).secrets.get("refresh_token"), Some("r3"), "the last of them");
    assert!(vault.reports().is_empty());
}

#[tokio::test]
async fn who_asks_to_wait_is_not_asked_before() {
    let busy = (429, json!({ "error": "slow_down", "retry_after": "90" }));
    let endpoint =
        Endpoint::open(&[token("one", 1_200), busy.clone(), busy, token("two", 1_200), (503, json!({ "retry_after": "999999" }))]).await;
    let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
    let (tokens, vault) = (endpoint.tokens(&clock), endpoint.credentials());
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("one"));
    clock.advance_ms(19 * MINUTE_MS);
    for _ in 0..3 {
        assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("one"), "it is good for another minute");
    }
    assert_eq!(endpoint.seen().len(), 2);
    clock.advance_ms(MINUTE_MS);
    let after = |given: Result<String, TokenError>| given.expect_err("not yet").after();
    assert_eq!(after(asked(&tokens, &vault).await), Some(Duration::from_secs(30)));
    assert_eq!(endpoint.seen().len(), 2);
    clock.advance_ms(30_000);
    assert_eq!(after(asked(&tokens, &vault).await), Some(Duration::from_secs(90)), "it asks for the same again");
    clock.advance_ms(90_000);
    assert_eq!(asked(&tokens, &vault).await.as_deref(), Ok("two"));
    clock.advance_ms(20 * MINUTE_MS);
    assert_eq!(after(asked(&tokens, &vault).await), Some(WAIT_MAX), "nobody shuts us out for days");
}

#[tokio::test]
async fn what_an_endpoint_repeats_of_secrets_is_taken_out() {
    let echo = "s&cret, s%26cret and dGhlK2NsaWVudDpzJTI2Y3JldA==";
    let endpoint = Endpoint::open(&[(400, json!({ "error": "invalid_client", "error_description": echo }))]).await;
    let (tokens, vault) = (endpoint.tokens(&VirtualClock::starting_at(Timestamp::from_ms(0))), endpoint.credentials());
    let Err(TokenError::Refused(why)) = asked(&tokens, &vault).await else { panic!("it refused") };
    assert!(why.contains("(hidden), (hidden) and") && !why.contains("cret") && !why.contains("zJTI2Y3JldA"), "{why}");
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
    let given = |status, body: &str| read(status, None, body.as_bytes()).map(|given| (given.access_token, given.life_ms));
    // The example of RFC 6749, section 5.1.
    let example =
        r#"{ "access_token":"2YotnFZFEjr1zCsicMWpAA", "token_type":"example", "expires_in":3600, "example_parameter":"example_value" }"#;
    assert!(matches!(given(200, example), Err(TokenError::Refused(_))), "a type that we do not know");
    assert_eq!(given(200, &example.replace(":\"example\",", ":\"bearer\",")), Ok(("2YotnFZFEjr1zCsicMWpAA".into(), 3_600_000)));
    assert_eq!(given(200, r#"{"access_token":"a","expires_in":"60"}"#), Ok(("a".into(), 60_000)), "a text, as some servers write");
    assert_eq!(given(200, r#"{"access_token":"a"}"#), Ok(("a".into(), 300_000)), "not said");
    for body in ["", "[]", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\r\nb"}"#, "<html>"] {
        assert!(matches!(given(200, body), Err(TokenError::Unavailable { .. })), "{body}");
    }
    // The example of section 5.2.
    assert!(matches!(given(400, r#"{ "error":"invalid_request" }"#), Err(TokenError::Refused(why)) if why.contains("invalid_request")));
    for (status, body) in [(503, "busy"), (429, "{}"), (400, r#"{"error":"temporarily_unavailable"}"#)] {
        assert!(matches!(given(status, body), Err(TokenError::Unavailable { .. })), "{status} {body}");
    }
}
