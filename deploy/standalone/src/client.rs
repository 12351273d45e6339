//! Talks to a server over its HTTP API.

use std::{error::Error, time::Duration};

use reqwest::{Method, Url, header::HeaderMap};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    cli::Cli,
    failure::{Failure, Problem},
    key,
};
use windrow_jobs::settings::Effective;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take beside what was asked to be waited for.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// The longest wait of one request, in seconds; the server grants no more.
const WAIT_S_MAX: u64 = 60;
/// How long a server may be away while its job is waited for: a restart, or a standby taking over.
const AWAY_MAX: Duration = Duration::from_secs(30);
/// How often a server that is away is asked again.
const AWAY_EVERY: Duration = Duration::from_secs(1);

/// A server and the key to it.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: String,
    tenant: Option<String>,
}

/// What a server answered, if it was no problem.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What names this edition of what was answered.
    pub fn etag(&self) -> Option<String> {
        self.headers.get("etag").and_then(|etag| etag.to_str().ok()).map(ToOwned::to_owned)
    }
}

impl Client {
    /// The server that the command line and the settings name.
    pub fn of(cli: &Cli, effective: &Effective) -> Result<Self, Failure> {
        let base = key::base_url(cli, effective)?;
        let key = key::api_key(cli, effective, &base)?;
        Self::new(base, key, cli.tenant.as_ref().map(ToString::to_string))
    }

    /// A client of this server.
    pub fn new(base: Url, key: String, tenant: Option<String>) -> Result<Self, Failure> {
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT_MAX).user_agent(concat!("windrow/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            // Without this the client looks for the system's root certificates, and fails where there are none.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| Failure::Other(anyhow::Error::new(error).context("making the HTTP client")))?;
        Ok(Self { http, base, key, tenant })
    }

    /// The server's base URL.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET` with a query.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Reply, Failure> {
        self.send(Method::GET, path, query, &[], None).await
    }

    /// `POST`, with a JSON body if there is one.
    pub async fn post(&self, path: &str, body: Option<String>, wait_s: Option<u64>) -> Result<Reply, Failure> {
        let wait = wait_s.map(|wait_s| ("prefer", format!("wait={}", wait_s.min(WAIT_S_MAX))));
        self.send(Method::POST, path, &[], wait.as_slice(), body).await
    }

    /// Submits one job.
    pub async fn submit(&self, body: String, idempotency_key: Option<&str>, wait_s: Option<u64>) -> Result<Reply, Failure> {
        let mut headers: Vec<(&str, String)> =
            wait_s.map(|wait_s| ("prefer", format!("wait={}", wait_s.min(WAIT_S_MAX)))).into_iter().collect();
        if let Some(key) = idempotency_key {
            if key.bytes().any(|byte| !matches!(byte, b' '..=b'~')) {
                return Err(Failure::Usage("--idempotency-key takes visible ASCII".into()));
            }
            let escaped = key.replace('\\', "\\\\").replace('"', "\\\"");
            headers.push(("idempotency-key", format!("\"{escaped}\"")));
        }
        self.send(Method::POST, "/v1/jobs", &[], &headers, Some(body)).await
    }

    /// Submits many jobs: a JSON array, or an object per line.
    pub async fn submit_batch(&self, body: String, atomic: bool) -> Result<Reply, Failure> {
        let media_type = if body.trim_start().starts_with('[') { "application/json" } else { "application/x-ndjson" };
        let query: &[_] = if atomic { &[("atomic", "true".to_owned())] } else { &[] };
        self.send(Method::POST, "/v1/jobs/batch", query, &[("content-type", media_type.to_owned())], Some(body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, query: &[(&str, String)], body: String) -> Result<Reply, Failure> {
        self.send(Method::PATCH, path, query, &[], Some(body)).await
    }

    /// `PATCH` with a JSON body, of what still stands as it was `seen`.
    pub async fn patch_seen(&self, path: &str, query: &[(&str, String)], seen: &str, body: String) -> Result<Reply, Failure> {
        self.send(Method::PATCH, path, query, &[("if-match", seen.to_owned())], Some(body)).await
    }

    /// `POST` with a query and a JSON body.
    pub async fn post_to(&self, path: &str, query: &[(&str, String)], body: String) -> Result<Reply, Failure> {
        self.send(Method::POST, path, query, &[], Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.send(Method::DELETE, path, &[], &[], None).await
    }

    /// What a link leads to; the link is the permission.
    pub async fn download(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let answer = self.http.get(url).timeout(ANSWER_MAX).send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let content = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            return Err(Failure::Refused(Box::new(Problem::of(status.as_u16(), &String::from_utf8_lossy(&content)))));
        }
        Ok(content.into())
    }

    /// Follows a job until it is final or the time is up; `each` sees it whenever it changed.
    pub async fn follow(&self, id: &str, until: Option<Instant>, mut each: impl FnMut(&Value)) -> Result<Reply, Failure> {
        let path = job_path(id, "");
        let mut last = self.patiently(&path, &[]).await?;
        loop {
            let job = last.json();
            each(&job);
            if is_final(&job) || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(last);
            }
            let left_s = until.map_or(WAIT_S_MAX, |until| until.duration_since(Instant::now()).as_secs() + 1);
            let mut headers = vec![("prefer", format!("wait={}", left_s.min(WAIT_S_MAX)))];
            headers.extend(last.etag().map(|etag| ("if-none-match", etag)));
            let next = self.patiently(&path, &headers).await?;
            if next.status != 304 {
                last = next;
            }
        }
    }

    /// Asks again while the server is away, for a while.
    async fn patiently(&self, path: &str, headers: &[(&str, String)]) -> Result<Reply, Failure> {
        let give_up = Instant::now() + AWAY_MAX;
        let mut known = false;
        loop {
            match self.send(Method::GET, path, &[], headers, None).await {
                // A server that never answered is more likely misspelt than away.
                Err(Failure::Unreachable { .. }) if (known || !headers.is_empty()) && Instant::now() < give_up => known = true,
                other => return other,
            }
            tokio::time::sleep(AWAY_EVERY).await;
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Result<Reply, Failure> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let timeout = ANSWER_MAX + Duration::from_secs(WAIT_S_MAX);
        let mut request = self.http.request(method, url).bearer_auth(&self.key).timeout(timeout);
        if let Some(tenant) = &self.tenant {
            request = request.header("x-tenant", tenant);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.map_err(|error| self.unreachable(&error))?;
        if status.is_client_error() || status.is_server_error() {
            return Err(Failure::Refused(Box::new(Problem::of(status.as_u16(), &body))));
        }
        Ok(Reply { status: status.as_u16(), headers, body })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        // The innermost cause says it best: "Connection refused".
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Failure::Unreachable { url: self.base().to_owned(), cause: cause.to_string() }
    }
}

/// A job's path, or that of something below it.
pub fn job_path(id: &str, below: &str) -> String {
    format!("/v1/jobs/{}{below}", path_segment(id))
}

/// What the command line gave, as one segment of a path: a slash or question mark in it must not change the path.
pub fn path_segment(given: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // A dot too: a segment of one or two of them would be taken for a way through the path.
    given.bytes().map(|byte| if plain(byte) { (byte as char).into() } else { format!("%{byte:02x}") }).collect()
}

/// Whether a job's JSON is in a final state.
pub fn is_final(job: &Value) -> bool {
    matches!(job["state"].as_str(), Some("completed" | "dead" | "cancelled"))
}

/// Whether a job's JSON says that it went well.
pub fn check_completed(job: &Value) -> Result<(), Failure> {
    match job["state"].as_str() {
        Some("completed") => Ok(()),
        Some(state) if is_final(job) => Err(Failure::Job(format!("the job is {state}"))),
        Some(state) => Err(Failure::Job(format!("the job is not final in time: it is {state}"))),
        None => Err(Failure::Job("the server did not answer with a job".into())),
    }
}
