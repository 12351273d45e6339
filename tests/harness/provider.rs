//! Providers that syncs read and write, as their publications say that they speak (`providers/`, in Python: `serving.py` says how a test talks to one).

use std::{path::Path, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{authority, python::tool, server::Process};

/// How long it may take to start.
const START_TRIES: u32 = 1_500;
const START_PAUSE: Duration = Duration::from_millis(20);

/// A running provider.
pub struct Provider {
    /// Where it is.
    pub port: u16,
    /// Of one that lets nobody in without a certificate: its authority, a client's certificate, and the client's key.
    pub tls: Option<[String; 3]>,
    desk: String,
    http: reqwest::Client,
    process: Process,
    folder: TempDir,
}

impl Provider {
    /// Starts one of `providers/`, which has this.
    pub async fn start(module: &str, state: Value) -> Self {
        Self::start_as(module, state, None).await
    }

    /// The same that lets in only who shows a certificate of its authority; the client's subject is `client`.
    pub async fn start_apart(module: &str, state: Value, client: &str) -> Self {
        Self::start_as(module, state, Some(client)).await
    }

    async fn start_as(module: &str, state: Value, client: Option<&str>) -> Self {
        let folder = tempfile::Builder::new().prefix("windrow-provider-").tempdir().expect("a folder for the provider");
        let mut arguments = vec!["-u".to_owned(), script("serving.py"), module.to_owned()];
        let mut tls = None;
        if let Some(client) = client {
            let ca_pem = authority::found(folder.path()).await;
            authority::sign(folder.path(), "server").await;
            let (certificate, key) = authority::sign(folder.path(), client).await;
            let file = |name: &str| folder.path().join(name).display().to_string();
            arguments.extend(["server.pem", "server.key", "ca.pem"].map(file));
            tls = Some([ca_pem, certificate, key]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut process = Process::spawn_program(&tool("python"), module, &arguments, &[], folder.path());
        let (port, desk) = ports(&mut process).await;
        let http = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let provider = Self { port, tls, desk: format!("http://127.0.0.1:{desk}"), http, process, folder };
        provider.hold(state).await;
        provider
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls.is_some() { "https" } else { "http" }, self.port)
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has from now on; it forgets what it was asked, and what it was to do instead.
    pub async fn hold(&self, state: Value) {
        self.ask(Method::PUT, "/state", &state).await;
    }

    /// What it has by now.
    pub async fn state(&self) -> Value {
        self.ask(Method::GET, "/state", &Value::Null).await
    }

    /// What it was asked since it was looked at: method, path, query, headers, body, and the status that it answered.
    pub async fn seen(&self) -> Vec<Value> {
        self.ask(Method::GET, "/seen", &Value::Null).await.as_array().expect("a list").clone()
    }

    /// What is answered instead, each once: `{"when": "GET /path", "pass": 0, "status": 429, "headers": {}, "body": …}`.
    pub async fn fault(&self, faults: Value) {
        self.ask(Method::POST, "/faults", &faults).await;
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let asked = self.http.request(method, format!("{}{path}", self.desk)).json(body).send().await;
        let answer = asked.unwrap_or_else(|error| panic!("{error}: {}", self.process.log()));
        assert!(answer.status().is_success(), "{path}: {} {}", answer.status(), self.process.log());
        let text = answer.text().await.expect("an answer");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
    }

    /// The configuration and secrets of a connection to it.
    pub fn connection(&self, name: &str, config: Value, secrets: Value) -> Value {
        let (mut config, mut secrets) = (config, secrets);
        config["url"] = json!(self.url());
        if let Some([ca_pem, certificate, key]) = &self.tls {
            config["ca_pem"] = json!(ca_pem);
            secrets["client_certificate_pem"] = json!(certificate);
            secrets["client_key_pem"] = json!(key);
        }
        json!({ "name": name, "provider": "http", "config": config, "secrets": secrets })
    }
}

/// A file of `providers/`.
fn script(name: &str) -> String {
    format!("{}/harness/providers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Where it serves, and where a test talks to it.
async fn ports(process: &mut Process) -> (u16, u16) {
    for _ in 0..START_TRIES {
        let output = process.output();
        let ports: Vec<u16> = output.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        if let ([port, desk], true) = (ports.as_slice(), output.ends_with('\n')) {
            return (*port, *desk);
        }
        process.check_alive();
        tokio::time::sleep(START_PAUSE).await;
    }
    panic!("the provider does not start: {}", process.log());
}
