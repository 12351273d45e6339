//! Somebody's directory of people: lists them as a provider would, in every style, and changes between two pages when it is told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How long it is waited for a request.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// It serves until it is dropped.
pub(super) struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

type Script = Box<dyn FnMut(u64, &mut Vec<Value>) -> Option<Said> + Send>;

/// What it says instead of a page.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub status: u16,
    pub retry_after_s: Option<u32>,
    pub body: Value,
}

struct Shared {
    /// In the order in which they are listed.
    people: Mutex<Vec<Value>>,
    script: Mutex<Option<Script>>,
    requests: watch::Sender<u64>,
    /// From this request on nobody is answered; 0 for nobody held.
    held_from: watch::Sender<u64>,
}

/// A person.
pub(super) fn person(id: u64, version: u64) -> Value {
    json!({ "id": format!("p{id:07}"), "name": format!("Person {id}"), "email": format!("p{id}@example.org"), "version": version,
        "updated_at": format!("2026-01-01T{:02}:{:02}:{:02}Z", version / 3_600 % 24, version / 60 % 60, version % 60) })
}

/// So many of them.
pub(super) fn people(many: u64) -> Vec<Value> {
    (1..=many).map(|id| person(id, 1)).collect()
}

impl Provider {
    /// Starts it.
    pub(super) async fn start(people: Vec<Value>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            people: Mutex::new(people),
            script: Mutex::default(),
            requests: watch::Sender::new(0),
            held_from: watch::Sender::new(0),
        });
        let router = Router::new().route("/people", get(list)).with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { address, shared, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whom it lists, to be changed.
    pub(super) fn people(&self) -> MutexGuard<'_, Vec<Value>> {
        self.shared.people.lock().expect("not poisoned")
    }

    /// What happens before each request is answered, by its number from 1.
    pub(super) fn script(&self, script: impl FnMut(u64, &mut Vec<Value>) -> Option<Said> + Send + 'static) {
        *self.shared.script.lock().expect("not poisoned") = Some(Box::new(script));
    }

    /// From the request of this number on nobody is answered, until [`Provider::release`].
    pub(super) fn hold_from(&self, request: u64) {
        self.shared.held_from.send_replace(request);
    }

    pub(super) fn release(&self) {
        self.shared.held_from.send_replace(0);
    }

    pub(super) fn requests(&self) -> u64 {
        *self.shared.requests.borrow()
    }

    /// Waits until so many requests have come.
    pub(super) async fn until_requests(&self, number: u64) {
        let mut requests = self.shared.requests.subscribe();
        let came = tokio::time::timeout(WAIT_MAX, requests.wait_for(|requests| *requests >= number)).await;
        drop(
            came.unwrap_or_else(|_| panic!("{} requests came within {WAIT_MAX:?}, and not {number}", self.requests()))
                .expect("it is there"),
        );
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn list(State(shared): State<Arc<Shared>>, Query(query): Query<BTreeMap<String, String>>, headers: HeaderMap) -> Response {
    let mut number = 0;
    shared.requests.send_modify(|requests| {
        *requests += 1;
        number = *requests;
    });
    let mut held = shared.held_from.subscribe();
    held.wait_for(|from| *from == 0 || number < *from).await.expect("it is there");
    let mut people = shared.people.lock().expect("not poisoned");
    let said = shared.script.lock().expect("not poisoned").as_mut().and_then(|script| script(number, &mut people));
    if let Some(said) = said {
        let mut response = (StatusCode::from_u16(said.status).expect("a status"), Json(said.body)).into_response();
        if let Some(after_s) = said.retry_after_s {
            response.headers_mut().insert("retry-after", after_s.to_string().parse().expect("a header"));
        }
        return response;
    }
    let number_of = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    if query.contains_key("all") {
        let tag = format!("\"{}-{}\"", people.len(), people.iter().map(|person| person["version"].as_u64().unwrap_or(0)).sum::<u64>());
        if headers.get("if-none-match").is_some_and(|known| known == tag.as_str()) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        return ([("etag", tag)], Json(json!({ "people": *people }))).into_response();
    }
    let since = query.get("since").cloned().unwrap_or_default();
    let listed: Vec<&Value> = people.iter().filter(|person| person["updated_at"].as_str() >= Some(&since)).collect();
    let size = number_of("size").unwrap_or(100);
    let start = match (number_of("page"), number_of("offset"), query.get("cursor"), query.get("after")) {
        (Some(page), ..) => (page - 1) * size,
        (_, Some(offset), ..) => offset,
        (_, _, Some(cursor), _) => cursor.strip_prefix('c').and_then(|from| from.parse().ok()).unwrap_or(0),
        (.., Some(after)) => listed.iter().position(|person| person["id"].as_str() > Some(after)).unwrap_or(listed.len()),
        _ => 0,
    };
    let page: Vec<&Value> = listed.iter().skip(start).take(size).copied().collect();
    let end = start + page.len();
    let next = (end < listed.len()).then(|| format!("c{end}"));
    let mut body = json!({ "people": page, "next": next });
    if query.contains_key("total") {
        body["total"] = json!(listed.len());
    }
    let link = next.map(|next| format!("</people?size={size}&cursor={next}>; rel=\"next\""));
    let mut response = Json(body).into_response();
    if let Some(link) = link {
        response.headers_mut().insert("link", link.parse().expect("a header"));
    }
    response
}
