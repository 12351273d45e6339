//! `notification.sms` and `notification.whatsapp` against a server that speaks as Twilio and Meta do (`provider.py`), beside what official and
//! well-known clients send (`official.py`), with status reports signed by Twilio's own package.

mod judged;
mod reported;
mod scripted;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{
    python::tool,
    server::{Answer, Server},
};

use crate::http_request::Peer;

const ACCOUNT: &str = "AC00000000000000000000000000000000";
const SERVICE: &str = "MG00000000000000000000000000000000";
const TOKEN: &str = "planted-auth-token-5c1f";
const WRONG: &str = "planted-wrong-token-77aa";
const NUMBER: &str = "106540352242922";
const ACCESS: &str = "EAAG-token";
const APP_SECRET: &str = "planted-app-secret-90d2";

/// A server, and the providers that it calls.
struct Stage {
    server: Server,
    provider: Peer,
}

impl Stage {
    async fn new() -> Self {
        let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/notification_phone/provider.py");
        let wrong = format!("{ACCOUNT}:{WRONG}");
        let provider = Peer::start(&tool("python"), "provider", &["-u", script, &wrong], &[], server.home()).await;
        Self { server, provider }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.provider.port)
    }

    /// Makes a connection of this provider, with more configuration and secrets than it needs.
    async fn connect(&self, name: &str, provider: &str, config: Value, secrets: Value) {
        let (mut whole, mut all) = match provider {
            "twilio" => (json!({ "account_sid": ACCOUNT }), json!({ "auth_token": TOKEN })),
            _ => (
                json!({ "phone_number_id": NUMBER, "business_account_id": "102290129340398" }),
                json!({ "access_token": ACCESS, "app_secret": APP_SECRET, "verify_token": "shown-by-meta" }),
            ),
        };
        whole["base_url"] = self.url().into();
        for (into, from) in [(&mut whole, config), (&mut all, secrets)] {
            into.as_object_mut().expect("an object").extend(from.as_object().expect("an object").clone());
        }
        let body = json!({ "name": name, "provider": provider, "config": whole, "secrets": all });
        let made = self.send(Method::POST, "/v1/connections", Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }

    async fn phone(&self) {
        self.connect("phone", "twilio", json!({ "from": "Windrow" }), json!({})).await;
    }

    async fn whatsapp(&self) {
        self.connect("whatsapp", "whatsapp", json!({}), json!({})).await;
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.server.send(method, path, &[], body).await
    }

    async fn submit(&self, kind: &str, payload: Value, max_attempts: u32) -> Value {
        let mut payload = payload;
        if payload.get("connection").is_none() {
            payload["connection"] = if kind == "notification.sms" { "phone" } else { "whatsapp" }.into();
        }
        self.server.submit(json!({ "kind": kind, "payload": payload, "max_attempts": max_attempts })).await
    }

    /// What comes of a job.
    async fn came_of(&self, kind: &str, payload: Value, max_attempts: u32) -> Value {
        let job = self.submit(kind, payload, max_attempts).await;
        self.server.wait(&job).await
    }

    /// What the provider was sent to this path, by the recipient.
    fn sent(&self, path: &str) -> BTreeMap<String, Vec<Value>> {
        let mut sent: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in self.provider.seen(path).into_iter().filter(|line| line["method"] == "POST") {
            let to = match line["form"].as_array() {
                Some(form) => form.iter().find(|field| field[0] == "To").and_then(|field| field[1].as_str()),
                None => line["body"]["to"].as_str(),
            };
            sent.entry(to.expect("a recipient").to_owned()).or_default().push(line.clone());
        }
        sent
    }

    fn messages(&self) -> BTreeMap<String, Vec<Value>> {
        self.sent(&format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"))
    }

    fn whatsapps(&self) -> BTreeMap<String, Vec<Value>> {
        self.sent(&format!("/v23.0/{NUMBER}/messages"))
    }

    /// Has the provider report, and returns what the hook answered.
    async fn report(&self, report: Value) -> u64 {
        let answer = client().post(format!("{}/_report", self.url())).json(&report).send().await.expect("the provider answers");
        answer.json::<Value>().await.expect("JSON")["status"].as_u64().expect("a status")
    }
}

/// Calls servers of this machine, for which no certificates are needed.
fn client() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client")
}

/// How a job ended: its state, its error's code, its attempts. A completed job has no error that counts.
fn error(job: &Value) -> (&str, &str, u64) {
    let state = job["state"].as_str().unwrap_or_default();
    let code = if state == "completed" { "" } else { job["error"]["code"].as_str().unwrap_or_default() };
    (state, code, job["attempt"].as_u64().unwrap_or_default())
}
