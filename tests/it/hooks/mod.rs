//! Inbound hooks over HTTP: calls that others' official packages signed (`sign.py`, OpenSSL), and calls that nobody should have made.

mod apply;
mod cluster;
mod forward;
mod kill;
mod replay;
mod statuses;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use reqwest::Method;
use serde_json::{Value, json};
use windrow_jobs::kinds::http_request::sign::signature;
use windrow_tests::{
    python,
    server::{Client, Server},
};

use crate::printed;

/// What lets the binaries call servers of this machine.
const ALLOW: (&str, &str) = ("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1");
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_bmV4dG5leHRuZXh0bmV4dG5leHRuZXh0";
const AUTH_TOKEN: &str = "12345678901234567890123456789012";
const APP_SECRET: &str = "app-secret-of-the-tests";
const VERIFY_TOKEN: &str = "grüße & more";
const FORM: &str = "application/x-www-form-urlencoded";

/// A call of a hook, as a provider makes it.
#[derive(Clone)]
struct Told {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Told {
    /// Calls, and returns the status and the problem's code.
    async fn call(&self) -> (u16, String) {
        let client = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let mut request = client.post(&self.url).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{}: {error:?}", self.url));
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The same with another header.
    fn with(&self, name: &'static str, value: &str) -> Self {
        let mut told = self.clone();
        told.headers.retain(|(known, _)| *known != name);
        told.headers.push((name, value.to_owned()));
        told
    }

    fn with_body(&self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.clone() }
    }

    fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }
}

const REFUSED: (u16, &str) = (401, "signature_invalid");

/// Whether it was answered so.
async fn expect(told: &Told, status: u16, code: &str, what: &str) {
    let (answered, with) = told.call().await;
    assert_eq!((answered, with.as_str()), (status, code), "{what}");
}

async fn connect(client: &Client, name: &str, provider: &str, config: Value, secrets: Value) {
    let connection = json!({ "name": name, "provider": provider, "config": config, "secrets": secrets });
    let made = client.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

async fn connect_own(client: &Client, name: &str, secret: &str) {
    connect(client, name, "http", json!({ "url": "https://example.com/" }), json!({ "signing_secret": secret })).await;
}

async fn connect_meta(client: &Client) {
    let config = json!({ "phone_number_id": "106540352242922", "business_account_id": "102290129340398" });
    let secrets = json!({ "access_token": "token", "app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN });
    connect(client, "wa", "whatsapp", config, secrets).await;
}

/// Makes a hook and returns what was answered.
async fn hook(client: &Client, name: &str, options: Value) -> Value {
    let made = client.send(Method::POST, &format!("/v1/connections/{name}/hook"), &[], Some(options)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

/// The hook's URL on this machine, whatever its public one is.
async fn hook_url(client: &Client, name: &str) -> String {
    let url = hook(client, name, json!({})).await["url"].as_str().expect("a URL").to_owned();
    on(client, &url)
}

fn on(client: &Client, url: &str) -> String {
    let path = url.find("/v1/hooks/").map(|at| &url[at..]).expect("a hook's URL");
    format!("{}{path}", client.url())
}

async fn events(client: &Client, name: &str) -> Vec<Value> {
    client.read(&format!("/v1/connections/{name}/hook/events?page_size=1000")).await["events"].as_array().expect("events").clone()
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() as i64
}

/// A call signed by us; that we sign as others do is judged by others' packages.
fn own(url: &str, id: &str, at_s: i64, body: &str) -> Told {
    let signed = signature(SECRET, id, at_s, body.as_bytes()).expect("signed");
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at_s.to_string()),
        ("webhook-signature", signed),
    ];
    Told { url: url.to_owned(), headers, body: body.into() }
}

/// What the official packages answer.
async fn official(folder: &Path, asked: Value) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/hooks/sign.py");
    let answered = python::run("python", &[script, &asked.to_string()], &[], folder).await;
    assert_eq!(answered.code, Some(0), "{answered:?}");
    serde_json::from_str(&answered.stdout).expect("JSON")
}

/// As Meta signs, by OpenSSL.
fn openssl(folder: &Path, body: &[u8]) -> String {
    let file = folder.join("signed-by-openssl");
    std::fs::write(&file, body).expect("written");
    let mut command = Command::new("openssl");
    let command = command.args(["dgst", "-sha256", "-hmac", APP_SECRET]).arg(&file).stderr(Stdio::inherit());
    let output = command.output().expect("openssl runs");
    let text = String::from_utf8(output.stdout).expect("text");
    format!("sha256={}", text.split_whitespace().last().expect("a digest"))
}

#[tokio::test]
async fn each_scheme_takes_what_the_official_packages_sign_and_nothing_else() {
    let server = Server::start_with(&[("WINDROW_PUBLIC_URL", "https://jobs.example.com"), ("WINDROW_LOG", "trace")]).await;
    let acme = server.of_tenant("acme");
    connect_own(&server, "own", &format!("{OTHER_SECRET} {SECRET}")).await;
    connect_own(&acme, "own", OTHER_SECRET).await;
    let sms = json!({ "account_sid": format!("AC{}", "0".repeat(32)) });
    connect(&server, "sms", "twilio", sms, json!({ "auth_token": AUTH_TOKEN })).await;
    connect_meta(&server).await;
    let public = hook(&server, "sms", json!({})).await["url"].as_str().expect("a URL").to_owned();
    assert!(public.starts_with("https://jobs.example.com/v1/hooks/"), "{public}");
    let (own_url, acme_url, wa_url) = (hook_url(&server, "own").await, hook_url(&acme, "own").await, hook_url(&server, "wa").await);

    let (at_s, own_body) = (now_s(), r#"{"type":"order.paid","text":"größer"}"#);
    let fields = json!({ "MessageSid": "SM1", "MessageStatus": "delivered", "To": "+4915112345678", "Body": "a+b & größer=ja" });
    let with_query = format!("{public}?delivery=019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70.send");
    let asked = json!([
        { "scheme": "standard_webhooks", "secret": SECRET, "id": "msg_1", "at": at_s, "body": own_body },
        { "scheme": "twilio", "secret": AUTH_TOKEN, "url": with_query, "form": fields },
        { "scheme": "twilio", "secret": AUTH_TOKEN, "url": public, "body": r#"{"a":1}"# },
    ]);
    let signed = official(server.home(), asked).await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();

    let json_type = ("content-type", "application/json".to_owned());
    let of_own = Told {
        url: own_url.clone(),
        headers: vec![
            json_type.clone(),
            ("webhook-id", "msg_1".into()),
            ("webhook-timestamp", at_s.to_string()),
            ("webhook-signature", text(&signed[0])),
        ],
        body: own_body.into(),
    };
    let form = "MessageSid=SM1&MessageStatus=delivered&To=%2B4915112345678&Body=a%2Bb+%26+gr%C3%B6%C3%9Fer%3Dja";
    let of_form = Told {
        url: on(&server, &text(&signed[1]["url"])),
        headers: vec![("content-type", FORM.into()), ("x-twilio-signature", text(&signed[1]["signature"]))],
        body: form.into(),
    };
    let of_json = Told {
        url: on(&server, &text(&signed[2]["url"])),
        headers: vec![json_type.clone(), ("x-twilio-signature", text(&signed[2]["signature"]))],
        body: r#"{"a":1}"#.into(),
    };
    let meta_body = "{\"object\":\"whatsapp_business_account\",\"entry\":[],\"bytes\":\"\\u00fc ü\"}\n";
    let signature = openssl(server.home(), meta_body.as_bytes());
    let of_meta = Told { url: wa_url, headers: vec![json_type, ("x-hub-signature-256", signature)], body: meta_body.into() };

    let (refused, code) = REFUSED;
    for (what, told) in [("own", &of_own), ("form", &of_form), ("json", &of_json), ("meta", &of_meta)] {
        let mut tampered = told.body.clone();
        let last = tampered.len() - 2;
        tampered[last] ^= 1;
        expect(&told.with_body(tampered), refused, code, what).await;
        expect(&told.with_body(b"".to_vec()), refused, code, what).await;
        let unsigned = Told { headers: vec![told.headers[0].clone()], ..told.clone() };
        expect(&unsigned, refused, code, what).await;
        // Another tenant's hook, whose connection has another secret; and nobody's.
        expect(&told.at(&acme_url), refused, code, what).await;
        expect(&told.at(&format!("{}/v1/hooks/{}", server.url(), "0".repeat(64))), 404, "hook_not_found", what).await;
        expect(told, 200, "", what).await;
    }
    expect(&of_own.with("webhook-id", "msg_2"), refused, code, "the id is signed").await;
    expect(&of_form.at(&of_form.url.replace("delivery=", "delivery=1")), refused, code, "the URL is signed").await;
    expect(&of_json.at(&of_form.url), refused, code, "and it has the body's hash").await;

    let list = events(&server, "own").await;
    assert_eq!((list.len(), &list[0]["bytes"], &list[0]["content_type"]), (1, &json!(own_body.len()), &json!("application/json")));
    assert_eq!((events(&acme, "own").await.len(), events(&server, "sms").await.len(), events(&server, "wa").await.len()), (0, 2, 1));
    let raw = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let event = text(&events(&server, "wa").await[0]["id"]);
    let key = std::fs::read_to_string(server.data_dir().join("api-key")).expect("the key");
    let raw = raw.get(format!("{}/v1/connections/wa/hook/events/{event}", server.url())).bearer_auth(key.trim());
    let raw = raw.send().await.expect("an answer");
    assert_eq!(raw.headers()["content-security-policy"], "sandbox; default-src 'none'");
    assert_eq!(raw.bytes().await.expect("bytes"), meta_body.as_bytes(), "byte for byte");
    let strange = acme.send(Method::GET, &format!("/v1/connections/own/hook/events/{event}"), &[], None).await;
    assert_eq!((strange.status, &strange.body["code"]), (404, &json!("event_not_found")), "of another connection");
    // They are counted once a second.
    let counted = until_refused(&server, "own", 4).await;
    assert_eq!(counted["scheme"], "standard_webhooks", "{counted}");
    assert!(counted["refused_at"].is_string(), "{counted}");
    until_refused(&acme, "own", 4).await;

    let log = server.log();
    for token in [&own_url, &acme_url, &of_form.url].map(|url| &url[url.len() - 20..]) {
        assert!(!log.contains(token), "a hook's token is in the log");
    }
}

/// A hook once so many calls of it were refused.
async fn until_refused(client: &Client, connection: &str, count: u64) -> Value {
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let hook = client.read(&format!("/v1/connections/{connection}/hook")).await;
        let counted = hook["refused"].as_u64().expect("a count");
        if counted >= count || tokio::time::Instant::now() > until {
            assert_eq!(counted, count, "{hook}");
            return hook;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_challenge_is_answered_to_whoever_knows_the_verify_token() {
    let server = Server::start().await;
    connect_meta(&server).await;
    connect_own(&server, "own", SECRET).await;
    let (url, own_url) = (hook_url(&server, "wa").await, hook_url(&server, "own").await);
    let client = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let ask = async |url: &str, mode: &str, token: &str, challenge: &str| {
        let query = [("hub.mode", mode), ("hub.challenge", challenge), ("hub.verify_token", token)];
        let url = reqwest::Url::parse_with_params(url, query).expect("a URL");
        let answer = client.get(url).send().await.expect("an answer");
        let media_type = answer.headers().get("content-type").map_or("", |value| value.to_str().expect("text")).to_owned();
        (answer.status().as_u16(), media_type, answer.text().await.expect("text"))
    };
    assert_eq!(ask(&url, "subscribe", VERIFY_TOKEN, "1158201444").await, (200, "text/plain".into(), "1158201444".into()));
    for (mode, token, challenge) in [
        ("subscribe", "wrong", "1"),
        ("subscribe", "", "1"),
        ("unsubscribe", VERIFY_TOKEN, "1"),
        ("subscribe", VERIFY_TOKEN, &"x".repeat(1_025)),
    ] {
        let (status, _, body) = ask(&url, mode, token, challenge).await;
        assert!(status == 403 && body.contains("challenge_refused"), "{mode} {token}: {status} {body}");
    }
    assert_eq!(ask(&own_url, "subscribe", "", "1").await.0, 403, "nobody asks so of another provider's hook");
    assert_eq!(ask(&url.replace("/v1/hooks/", "/v1/hooks/0"), "subscribe", VERIFY_TOKEN, "1").await.0, 404);
}

#[tokio::test]
async fn a_body_may_have_a_mebibyte_and_not_a_byte_more() {
    let server = Server::start().await;
    connect_own(&server, "own", SECRET).await;
    let url = hook_url(&server, "own").await;
    let full = own(&url, "full", now_s(), &"x".repeat(1 << 20));
    expect(&full, 200, "", "a mebibyte").await;
    expect(&own(&url, "more", now_s(), &"x".repeat((1 << 20) + 1)), 413, "body_too_large", "and one more").await;
    let kept = events(&server, "own").await;
    assert_eq!((kept.len(), &kept[0]["bytes"]), (1, &json!(1 << 20)));
}

#[tokio::test]
async fn what_cannot_have_a_hook_says_why() {
    let server = Server::start().await;
    connect(&server, "bare", "http", json!({ "url": "https://example.com/" }), json!({ "bearer_token": "x" })).await;
    let config = json!({ "token_url": "https://example.com/token", "client_id": "me" });
    connect(&server, "crm", "oauth2", config, json!({ "client_secret": "x" })).await;
    connect_own(&server, "own", SECRET).await;
    let made = async |name: &str, options: Value| {
        let answer = server.send(Method::POST, &format!("/v1/connections/{name}/hook"), &[], Some(options)).await;
        (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned(), answer.body["pointer"].clone())
    };
    assert_eq!(made("bare", json!({})).await, (409, "hook_secret_missing".into(), Value::Null));
    assert_eq!(made("crm", json!({})).await, (409, "hook_unsupported".into(), Value::Null));
    assert_eq!(made("none", json!({})).await, (404, "connection_not_found".into(), Value::Null));
    for url in [
        "ftp://example.com",
        "https://",
        "https://me:word@example.com",
        "https://example.com/#a",
        "https://exämple.com",
        "http://[",
        "http://a:b",
    ] {
        assert_eq!(made("own", json!({ "forward_url": url })).await, (422, "field_invalid".into(), json!("/forward_url")), "{url}");
    }
    for (method, path) in [(Method::GET, "hook"), (Method::DELETE, "hook")] {
        let answer = server.send(method, &format!("/v1/connections/own/{path}"), &[], None).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("hook_not_found")));
    }
    let first = hook_url(&server, "own").await;
    let second = hook_url(&server, "own").await;
    expect(&own(&first, "1", now_s(), "{}"), 404, "hook_not_found", "another has taken its place").await;
    expect(&own(&second, "1", now_s(), "{}"), 200, "", "which is good").await;
    assert_eq!(server.send(Method::DELETE, "/v1/connections/own/hook", &[], None).await.status, 204);
    expect(&own(&second, "2", now_s(), "{}"), 404, "hook_not_found", "it has ended").await;
    assert_eq!(events(&server, "own").await.len(), 1, "what it was told stays");
}

#[tokio::test]
async fn the_examples_work_as_printed() {
    let server = Server::start_with(&[ALLOW]).await;
    let steps = printed::steps("docs/hooks.md", "Examples");
    assert!(steps.len() >= 4, "there are {} examples", steps.len());
    printed::run(&server, &steps).await;
}
