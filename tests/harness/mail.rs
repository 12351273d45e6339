//! A mail server that others wrote (aiosmtpd, `mail/server.py`), over TLS by an authority of its own, which does as it is told.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Mutex,
};

use crate::{authority, python::tool, server::Process};

/// Who may send.
pub const USER: &str = "sender@example.com";
/// By what.
pub const PASSWORD: &str = "planted-mail-password-5c1d";
/// How long it may take to start.
const START_TRIES: u32 = 1_500;
const START_PAUSE: Duration = Duration::from_millis(20);

/// A running mail server.
pub struct MailServer {
    /// Where it is.
    pub port: u16,
    /// The authority that signed its certificate, as PEM; none without TLS.
    pub ca_pem: Option<String>,
    tls: String,
    control: Mutex<BufReader<TcpStream>>,
    process: Process,
    _folder: TempDir,
}

impl MailServer {
    /// Starts one that speaks TLS so: `implicit`, `starttls` or `none`. With TLS it wants [`USER`] and [`PASSWORD`].
    pub async fn start(tls: &str) -> Self {
        Self::start_with(tls, json!({})).await
    }

    /// The same with settings beside.
    pub async fn start_with(tls: &str, settings: Value) -> Self {
        let folder = tempfile::Builder::new().prefix("windrow-mail-").tempdir().expect("a folder for the mail server");
        let mut told = json!({ "tls": tls });
        let mut ca_pem = None;
        if tls != "none" {
            ca_pem = Some(authority::found(folder.path()).await);
            authority::sign(folder.path(), "server").await;
            let path = |name: &str| folder.path().join(name).display().to_string();
            told = json!({ "tls": tls, "certificate": path("server.pem"), "key": path("server.key"), "user": USER, "password": PASSWORD });
        }
        for (name, value) in settings.as_object().into_iter().flatten() {
            told[name] = value.clone();
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/mail/server.py");
        let mut process = Process::spawn_program(&tool("python"), "mail", &["-u", script, &told.to_string()], &[], folder.path());
        let (port, control) = ports(&mut process).await;
        let control = TcpStream::connect(("127.0.0.1", control)).await.expect("it is controlled");
        Self { port, ca_pem, tls: tls.to_owned(), control: Mutex::new(BufReader::new(control)), process, _folder: folder }
    }

    /// The connection that leads to it, but for its name.
    pub fn connection(&self) -> Value {
        let mut config = json!({ "host": "127.0.0.1", "port": self.port, "tls": self.tls, "from": "Orders <orders@example.com>" });
        let mut secrets = json!({});
        if let Some(ca_pem) = &self.ca_pem {
            config["ca_pem"] = json!(ca_pem);
            config["user"] = json!(USER);
            secrets = json!({ "password": PASSWORD });
        }
        json!({ "provider": "smtp", "config": config, "secrets": secrets })
    }

    /// Asks its control (see `mail/server.py`).
    pub async fn ask(&self, asked: Value) -> Value {
        let mut control = self.control.lock().await;
        control.get_mut().write_all(format!("{asked}\n").as_bytes()).await.expect("it hears");
        let mut line = String::new();
        control.read_line(&mut line).await.expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} {}", self.process.log()))
    }

    /// Has it do this instead, the next time there.
    pub async fn script(&self, orders: Value) {
        self.ask(json!({ "script": orders })).await;
    }

    /// Every message that it took, as Python's `email` package reads it.
    pub async fn messages(&self) -> Vec<Value> {
        self.ask(json!({ "messages": true })).await.as_array().expect("a list").clone()
    }

    /// How often it took which message, by the effect that sent it.
    pub async fn taken(&self) -> BTreeMap<String, u64> {
        let taken = self.ask(json!({ "taken": true })).await;
        let one = |one: &Value| Some((one[0].as_str()?.to_owned(), one[2].as_u64()?));
        taken.as_array().expect("a list").iter().map(|taken| one(taken).unwrap_or_else(|| panic!("{taken}"))).collect()
    }

    /// Its connections and what was said.
    pub async fn counts(&self) -> Value {
        self.ask(json!({ "counts": true })).await
    }
}

async fn ports(process: &mut Process) -> (u16, u16) {
    for _ in 0..START_TRIES {
        let output = process.output();
        let ports: Vec<u16> = output.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        if let ([one, other], true) = (ports.as_slice(), output.ends_with('\n')) {
            return (*one, *other);
        }
        process.check_alive();
        tokio::time::sleep(START_PAUSE).await;
    }
    panic!("the mail server does not start: {}", process.log());
}
