//! A client of the HTTP API for tests: every answer as JSON, every wait bounded, what a test takes for granted checked.
//!
//! A job is named by any JSON that has its `id`, such as the answer to its submission.

use std::time::Duration;

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_jobs::clock::Timestamp;

/// How long anything may take that a test waits for.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one request may take: longer than any `Prefer: wait` of the tests.
const ANSWER_MAX: Duration = Duration::from_secs(90);

/// A server's address, a key, and the tenant to speak for.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
    tenant: Option<String>,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where it is no JSON.
    pub body: Value,
}

impl Client {
    /// A client of the server at this URL.
    pub fn new(url: &str, key: &str) -> Self {
        // Without this it looks for the system's root certificates, and fails where there are none.
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(ANSWER_MAX).build().expect("an HTTP client");
        Self { http, url: url.to_owned(), key: key.to_owned(), tenant: None }
    }

    /// The same client speaking for another tenant.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self.clone() }
    }

    /// The server's base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let what = format!("{method} {path}");
        self.try_send(method, path, headers, body).await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// Sends bytes of this media type.
    pub async fn upload(&self, method: Method, path: &str, media_type: &str, body: Vec<u8>) -> Answer {
        let mut request =
            self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key).header("content-type", media_type);
        if let Some(tenant) = &self.tenant {
            request = request.header("x-tenant", tenant);
        }
        let response = request.body(body).send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.expect("a body")).unwrap_or_default();
        Answer { status, headers, body }
    }

    /// `GET`; nothing if there is no answer.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        self.try_send(Method::GET, path, &[], None).await.ok()
    }

    async fn try_send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(tenant) = &self.tenant {
            request = request.header("x-tenant", tenant);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Answer { status, headers, body })
    }

    /// `PUT` of bytes of some media type.
    pub async fn put(&self, path: &str, media_type: &str, body: Vec<u8>) -> Answer {
        let mut request = self.http.put(format!("{}{path}", self.url)).bearer_auth(&self.key).header("content-type", media_type);
        if let Some(tenant) = &self.tenant {
            request = request.header("x-tenant", tenant);
        }
        let response = request.body(body).send().await.unwrap_or_else(|error| panic!("PUT {path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap_or_else(|error| panic!("PUT {path}: {error:?}"));
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// `GET` of something that is there.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, &[], None).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.body
    }

    /// `GET` of something that is text and needs no key.
    pub async fn text(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap_or_else(|error| panic!("GET {path}: {error:?}"));
        assert_eq!(answer.status(), 200, "GET {path}");
        answer.text().await.unwrap_or_else(|error| panic!("GET {path}: {error:?}"))
    }

    /// `POST` without a body.
    pub async fn post(&self, path: &str) -> Answer {
        self.send(Method::POST, path, &[], None).await
    }

    /// Submits a job, which is accepted.
    pub async fn submit(&self, submission: Value) -> Value {
        let answer = self.send(Method::POST, "/v1/jobs", &[], Some(submission)).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body
    }

    /// Submits a job; nothing if there is no answer, or another than that it is accepted.
    pub async fn try_submit(&self, submission: Value) -> Option<Value> {
        let answer = self.try_send(Method::POST, "/v1/jobs", &[], Some(submission)).await.ok()?;
        (answer.status == 202).then_some(answer.body)
    }

    /// Submits an `echo`, which is accepted.
    pub async fn echo(&self, payload: Value) -> Value {
        self.submit(json!({ "kind": "echo", "payload": payload })).await
    }

    /// A job as it stands.
    pub async fn get(&self, job: &Value) -> Value {
        self.read(&path(job, "")).await
    }

    /// The attempts of a job.
    pub async fn attempts(&self, job: &Value) -> Vec<Value> {
        array(self.read(&path(job, "/attempts")).await, "attempts")
    }

    /// What the attempts of a job logged.
    pub async fn logs(&self, job: &Value) -> Vec<Value> {
        array(self.read(&path(job, "/logs")).await, "logs")
    }

    /// A page of jobs.
    pub async fn list(&self, query: &str) -> Vec<Value> {
        array(self.read(&format!("/v1/jobs?{query}")).await, "jobs")
    }

    /// All jobs that fit, page by page, newest first.
    pub async fn list_all(&self, query: &str) -> Vec<Value> {
        let (mut jobs, mut token) = (Vec::new(), String::new());
        loop {
            let mut page = self.read(&format!("/v1/jobs?{query}&page_size=1000{token}")).await;
            let next = page["next_page_token"].as_str().map(|next| format!("&page_token={next}"));
            jobs.extend(array(page.take(), "jobs"));
            match next {
                Some(next) => token = next,
                None => return jobs,
            }
        }
    }

    /// Waits for a job to become final.
    pub async fn wait(&self, job: &Value) -> Value {
        self.until(job, "final", is_final).await
    }

    /// Waits for a job to be as described.
    pub async fn until(&self, job: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + WAIT_MAX;
        loop {
            let seen = self.get(job).await;
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < give_up, "the job does not become {what}: {seen}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for a list of jobs to be as described.
    pub async fn until_list(&self, query: &str, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.until_entries(&format!("/v1/jobs?{query}"), "jobs", what, holds).await
    }

    /// Waits for the list of this name at a path to be as described.
    pub async fn until_entries(&self, path: &str, list: &str, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let give_up = Instant::now() + WAIT_MAX;
        loop {
            let seen = array(self.read(path).await, list);
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < give_up, "the list at {path} does not become {what}: {seen:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a path answers with this status.
    pub async fn until_status(&self, path: &str, status: u16) {
        let give_up = Instant::now() + WAIT_MAX;
        while self.try_get(path).await.is_none_or(|answer| answer.status != status) {
            assert!(Instant::now() < give_up, "{path} does not answer {status}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks for a job to stop.
    pub async fn cancel(&self, job: &Value) -> Answer {
        self.post(&path(job, "/cancel")).await
    }

    /// Sends a dead or cancelled job back.
    pub async fn redrive(&self, job: &Value) -> Answer {
        self.post(&path(job, "/redrive")).await
    }

    /// Changes what may start from a queue; the limits as they are then.
    pub async fn limit(&self, queue: &str, patch: Value) -> Value {
        let answer = self.send(Method::PATCH, &format!("/v1/queues/{queue}"), &[], Some(patch)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// A queue as it stands, once the planner of a server that has just started says how deep the queues are.
    pub async fn queue(&self, name: &str) -> Value {
        self.until_queue(name, "told of", |_| true).await
    }

    /// Waits for a queue to be as described.
    pub async fn until_queue(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + WAIT_MAX;
        loop {
            let answer = self.send(Method::GET, "/v1/queues", &[], None).await;
            assert!(answer.status == 200 || answer.body["code"] == "depths_unavailable", "GET /v1/queues: {}", answer.body);
            let queues = answer.body["queues"].as_array();
            if let Some(queue) = queues.and_then(|queues| queues.iter().find(|queue| queue["name"] == name && holds(queue))) {
                return queue.clone();
            }
            assert!(Instant::now() < give_up, "the queue {name} does not become {what}: {}", answer.body);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A job's path, or that of something below it.
pub fn path(job: &Value, below: &str) -> String {
    let id = job["id"].as_str().unwrap_or_else(|| panic!("{job} has no id"));
    format!("/v1/jobs/{id}{below}")
}

/// Whether a job is in a final state.
pub fn is_final(job: &Value) -> bool {
    matches!(job["state"].as_str(), Some("completed" | "dead" | "cancelled"))
}

/// A field with a time, in milliseconds since the epoch.
pub fn ms(object: &Value, field: &str) -> i64 {
    let text = object[field].as_str().unwrap_or_else(|| panic!("{field} of {object} is no time"));
    Timestamp::parse_rfc3339(text).unwrap_or_else(|error| panic!("{field} of {object}: {error}")).ms()
}

fn array(mut answer: Value, name: &str) -> Vec<Value> {
    match answer[name].take() {
        Value::Array(items) => items,
        other => panic!("{name} is no array: {other}"),
    }
}
