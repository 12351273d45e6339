//! Somebody's phones: answers as Twilio does to `POST …/Messages.json`, and counts who was called.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use axum::{Form, Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

/// They answer until they are dropped.
pub(super) struct Phones {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

struct Shared {
    began: Instant,
    seen: Mutex<Seen>,
    held: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

#[derive(Default)]
struct Seen {
    taken: BTreeMap<String, usize>,
    came_ms: Vec<i64>,
    refused: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "To")]
    to: String,
}

impl Phones {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            began: Instant::now(),
            seen: Mutex::default(),
            held: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        });
        let router = Router::new().route("/2010-04-01/Accounts/{account}/Messages.json", post(take)).with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { address, shared, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each number got a message.
    pub(super) fn taken(&self) -> BTreeMap<String, usize> {
        self.shared.seen().taken.clone()
    }

    /// When each message came, in milliseconds, in that order.
    pub(super) fn came_ms(&self) -> Vec<i64> {
        self.shared.seen().came_ms.clone()
    }

    /// This number is no longer in use.
    pub(super) fn refuse(&self, number: &str) {
        self.shared.seen().refused.insert(number.to_owned());
    }

    /// Nobody is answered until [`Phones::release`].
    pub(super) fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    pub(super) fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// Waits until so many wait for an answer.
    pub(super) async fn until_waiting(&self, number: usize) {
        self.shared.waiting.subscribe().wait_for(|waiting| *waiting >= number).await.expect("it is there");
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("not poisoned")
    }
}

async fn take(State(shared): State<Arc<Shared>>, Form(message): Form<Message>) -> impl IntoResponse {
    shared.waiting.send_modify(|waiting| *waiting += 1);
    let mut held = shared.held.subscribe();
    held.wait_for(|held| !held).await.expect("it is there");
    shared.waiting.send_modify(|waiting| *waiting -= 1);
    let mut seen = shared.seen();
    if seen.refused.contains(&message.to) {
        let error = json!({ "code": 21211, "message": "Invalid 'To' Phone Number", "more_info": "https://www.twilio.com/docs/errors/21211", "status": 400 });
        return (StatusCode::BAD_REQUEST, Json(error));
    }
    let came_ms = i64::try_from(shared.began.elapsed().as_millis()).expect("a short time");
    seen.came_ms.push(came_ms);
    let times = seen.taken.entry(message.to.clone()).or_default();
    *times += 1;
    (StatusCode::CREATED, Json(json!({ "sid": format!("SM{:032}", seen.came_ms.len()), "status": "queued", "to": message.to })))
}
