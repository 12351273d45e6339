//! Somebody's CRM: takes contacts over HTTP, many at once or one by one, and counts how often each was written. It knows no
//! `Idempotency-Key`, unless it is told to, so whatever is sent twice is seen twice.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, Method, StatusCode},
    response::{Html, IntoResponse, Response},
    routing::{any, post},
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How long it is waited for a request.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What it does with a request instead of answering as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It takes it, and says that it failed.
    Lost,
    /// It does not take it, and says so: come again after so many seconds.
    Busy(u32),
    /// It does not take it, with this status.
    Status(u16),
    /// It does not take it, and says this as if all were well.
    Says(Value),
    /// It does not take it, and answers with a page for people as if all were well.
    Page,
}

/// It serves until it is dropped.
pub struct Taker {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

/// What it knows.
#[derive(Default)]
struct Known {
    /// By its own id.
    contacts: BTreeMap<String, Value>,
    writes: BTreeMap<String, u64>,
    deleted: BTreeMap<String, u64>,
    refused: BTreeSet<String>,
    /// What the next requests get.
    faults: VecDeque<Option<Fault>>,
    requests: u64,
    arrivals: Vec<Instant>,
    /// Answers by their `Idempotency-Key`, if it knows of such.
    answered: Option<BTreeMap<String, Value>>,
    keys: Vec<String>,
}

struct Shared {
    known: Mutex<Known>,
    /// Requests from this one on are not answered.
    held: watch::Sender<u64>,
    requests: watch::Sender<u64>,
}

impl Taker {
    /// Starts it, empty.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { known: Mutex::default(), held: watch::Sender::new(u64::MAX), requests: watch::Sender::new(0) });
        let router = Router::new()
            .route("/bulk", post(bulk))
            .route("/contacts", any(collection))
            .route("/contacts/{id}", any(contact))
            .with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { address, shared, serving }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it keeps, by its own ids.
    pub fn contacts(&self) -> BTreeMap<String, Value> {
        self.shared.known().contacts.clone()
    }

    /// How often each contact was written, by its `key`.
    pub fn writes(&self) -> BTreeMap<String, u64> {
        self.shared.known().writes.clone()
    }

    /// How often each contact was deleted, by its own id.
    pub fn deleted(&self) -> BTreeMap<String, u64> {
        self.shared.known().deleted.clone()
    }

    /// Every `Idempotency-Key`, in the order in which they came.
    pub fn idempotency_keys(&self) -> Vec<String> {
        self.shared.known().keys.clone()
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.shared.known().requests
    }

    /// When each request came.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.shared.known().arrivals.clone()
    }

    /// It answers an `Idempotency-Key` that it knows as it did before.
    pub fn recognise(&self) {
        self.shared.known().answered = Some(BTreeMap::new());
    }

    /// It does not take a contact of this key.
    pub fn refuse(&self, key: &str) {
        self.shared.known().refused.insert(key.to_owned());
    }

    /// It takes all again.
    pub fn accept_all(&self) {
        self.shared.known().refused.clear();
    }

    /// Somebody else makes a contact there.
    pub fn plant(&self, id: &str, contact: Value) {
        self.shared.known().contacts.insert(id.to_owned(), contact);
    }

    /// Somebody else deletes one.
    pub fn forget(&self, id: &str) {
        self.shared.known().contacts.remove(id);
    }

    /// What the next requests get; none for an answer as it should be.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.shared.known().faults.extend(faults);
    }

    /// Nobody is answered until [`Taker::release`]; what comes is taken nevertheless.
    pub fn hold(&self) {
        self.hold_from(0);
    }

    /// The same from the request of this number on.
    pub fn hold_from(&self, number: u64) {
        self.shared.held.send_replace(number);
    }

    /// Everybody is answered.
    pub fn release(&self) {
        self.shared.held.send_replace(u64::MAX);
    }

    /// Waits until so many requests have come.
    pub async fn until_requests(&self, number: u64) {
        let mut requests = self.shared.requests.subscribe();
        let came = tokio::time::timeout(WAIT_MAX, requests.wait_for(|requests| *requests >= number)).await;
        drop(
            came.unwrap_or_else(|_| panic!("{} requests came within {WAIT_MAX:?}, and not {number}", self.requests()))
                .expect("it is there"),
        );
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("not poisoned")
    }

    /// Does it, unless it is told otherwise, and answers when it may.
    async fn answer(&self, headers: &HeaderMap, work: impl FnOnce(&mut Known) -> (u16, Value)) -> Response {
        let ((answer, fault), requests) = {
            let mut known = self.known();
            known.requests += 1;
            let fault = known.faults.pop_front().flatten();
            let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
            known.keys.extend(key.clone());
            let before = key.as_ref().and_then(|key| known.answered.as_ref()?.get(key).cloned());
            let answer = match (&fault, before) {
                (Some(Fault::Busy(_)), _) => (429, json!({ "message": "slow down" })),
                (Some(Fault::Status(status)), _) => (*status, json!({ "message": "as told" })),
                (Some(Fault::Says(said)), _) => (200, said.clone()),
                (Some(Fault::Page), _) => (200, Value::Null),
                (fault, Some(before)) => (if fault.is_some() { 500 } else { 200 }, before),
                (fault, None) => {
                    let (status, body) = work(&mut known);
                    if let (Some(answered), Some(key), true) = (&mut known.answered, key, status < 300) {
                        answered.insert(key, body.clone());
                    }
                    if fault.is_some() { (500, json!({ "message": "lost" })) } else { (status, body) }
                }
            };
            known.arrivals.push(Instant::now());
            ((answer, fault), known.requests)
        };
        self.requests.send_replace(requests);
        let mut held = self.held.subscribe();
        held.wait_for(|held| requests < *held).await.expect("it is there");
        let (status, body) = answer;
        let mut response = (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response();
        match fault {
            Some(Fault::Busy(after_s)) => {
                response.headers_mut().insert("retry-after", after_s.to_string().parse().expect("a header"));
                response
            }
            Some(Fault::Page) => Html("<!doctype html><title>Sign in</title>").into_response(),
            _ => response,
        }
    }
}

impl Known {
    fn write(&mut self, id: String, contact: Value) -> (u16, Value) {
        let key = key_of(&contact);
        if self.refused.contains(&key) {
            return (422, json!({ "message": format!("{key} is no contact of ours") }));
        }
        *self.writes.entry(key).or_default() += 1;
        let is_new = self.contacts.insert(id.clone(), contact).is_none();
        (if is_new { 201 } else { 200 }, json!({ "data": { "id": id } }))
    }
}

fn key_of(contact: &Value) -> String {
    match &contact["key"] {
        Value::String(key) => key.clone(),
        other => other.to_string(),
    }
}

/// `{"records": […], "atomic": true}` takes all or none.
async fn bulk(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let work = |known: &mut Known| {
        let records = body["records"].as_array().cloned().unwrap_or_default();
        let is_refused = |known: &Known, record: &Value| known.refused.contains(&key_of(record));
        if body["atomic"] == true && records.iter().any(|record| is_refused(known, record)) {
            return (422, json!({ "message": "one of them is no contact of ours" }));
        }
        let results: Vec<Value> = records
            .into_iter()
            .map(|record| {
                let (status, answer) = known.write(key_of(&record), record);
                if status < 300 { json!({ "id": answer["data"]["id"], "error": null }) } else { json!({ "error": answer["message"] }) }
            })
            .collect();
        (200, json!({ "results": results }))
    };
    shared.answer(&headers, work).await
}

/// `POST` makes one, `GET ?email=` looks.
async fn collection(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Option<Json<Value>>,
) -> Response {
    let work = |known: &mut Known| match (method, body) {
        (Method::POST, Some(Json(contact))) => {
            let id = format!("c{}", known.contacts.len() + known.deleted.len() + 1);
            known.write(id, contact)
        }
        _ => {
            let matches = known.contacts.iter().filter(|(_, contact)| query.iter().all(|(name, value)| contact[name] == **value));
            let found: Vec<Value> = matches.map(|(id, _)| json!({ "id": id })).collect();
            (200, json!({ "data": found }))
        }
    };
    shared.answer(&headers, work).await
}

/// `PUT` makes or changes one, `PATCH` changes one, `DELETE` deletes one.
async fn contact(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Option<Json<Value>>,
) -> Response {
    let work = |known: &mut Known| match (method, body) {
        (Method::PUT, Some(Json(contact))) => known.write(id, contact),
        (Method::PATCH, Some(Json(contact))) if known.contacts.contains_key(&id) => known.write(id, contact),
        (Method::DELETE, _) if known.contacts.remove(&id).is_some() => {
            *known.deleted.entry(id).or_default() += 1;
            (204, Value::Null)
        }
        _ => (404, json!({ "message": "no such contact" })),
    };
    shared.answer(&headers, work).await
}
