//! `translation.translate` against a server that speaks as DeepL's own documents say (`deepl_server.py`), beside DeepL's own package
//! (`official.py`).

mod hostile;
mod killed;
mod official;
mod once;
mod quota;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{
    python::tool,
    server::{Client, Server},
};

use crate::http_request::Peer;

const KEY: &str = "planted-auth-key-3b9e:fx";
const OTHER_KEY: &str = "planted-other-key-71cc";

/// A server, and the DeepL that it calls.
struct Stage {
    server: Server,
    deepl: Peer,
}

impl Stage {
    async fn new() -> Self {
        let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/it/translation");
        let (script, schemas) = (format!("{here}/deepl_server.py"), format!("{here}/openapi.json"));
        let deepl = Peer::start(&tool("python"), "deepl", &["-u", &script, &schemas, KEY, OTHER_KEY], &[], server.home()).await;
        let stage = Self { server, deepl };
        connect(&stage.server, "deepl", json!({ "url": stage.url() }), KEY).await;
        stage
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.deepl.port)
    }

    async fn submit(&self, payload: Value) -> Value {
        submit(&self.server, payload, 5).await
    }

    /// What comes of a job.
    async fn came_of(&self, payload: Value) -> Value {
        self.server.wait(&self.submit(payload).await).await
    }

    /// What DeepL was asked to translate.
    fn asked(&self) -> Vec<Value> {
        self.deepl.seen("/v2/translate")
    }

    /// The texts that were paid for, one for each target.
    fn paid(&self) -> Vec<String> {
        let paid = self.asked().into_iter().filter(|line| line["status"] == 200);
        paid.flat_map(|line| {
            let target = line["body"]["target_lang"].as_str().expect("a target").to_owned();
            let texts = line["body"]["text"].as_array().expect("texts").clone();
            texts.into_iter().map(move |text| format!("{target}|{}", text.as_str().expect("a text")))
        })
        .collect()
    }

    /// Has DeepL do otherwise.
    async fn tell(&self, told: Value) {
        let client = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let answer = client.post(format!("{}/_told", self.url())).json(&told).send().await.expect("it answers");
        assert_eq!(answer.status(), 200);
    }
}

async fn connect(client: &Client, name: &str, config: Value, key: &str) {
    let connection = json!({ "name": name, "provider": "deepl", "config": config, "secrets": { "auth_key": key } });
    let made = client.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

async fn submit(client: &Client, payload: Value, max_attempts: u32) -> Value {
    let mut payload = payload;
    if payload.get("connection").is_none() {
        payload["connection"] = json!("deepl");
    }
    client.submit(json!({ "kind": "translation.translate", "payload": payload, "max_attempts": max_attempts })).await
}

/// How a job ended: its state, its error's code, its attempts.
fn ended(job: &Value) -> (&str, &str, u64) {
    let state = job["state"].as_str().unwrap_or_default();
    let code = if state == "completed" { "" } else { job["error"]["code"].as_str().unwrap_or_default() };
    (state, code, job["attempt"].as_u64().unwrap_or_default())
}

/// The texts of a job's translations into a language.
fn texts_of(job: &Value, target: &str) -> Vec<String> {
    let translations = job["result"]["translations"][target].as_array().unwrap_or_else(|| panic!("no translations into {target}: {job}"));
    translations.iter().map(|one| one["text"].as_str().expect("a text").to_owned()).collect()
}
