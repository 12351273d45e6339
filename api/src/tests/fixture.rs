//! A router over a ledger in memory that can be made to fail (`fixture/fallible.rs`).

mod fallible;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    connection::seal::Keyring,
    job::{JobError, JobId},
    ledger::{Claim, Depths, Inspect, TicketId, Upkeep, Work, WorkerRecord},
    lifecycle::{self, Ending, Snapshot},
    objects::{folder::FolderObjects, link::Signer},
    queue::{BUILT_IN_QUEUES, QueueName},
    renderer::pool::Renderers,
    settings::Settings,
};

pub(super) use self::fallible::{Fallible, FallibleSearch, Fault};
use super::conformance;
use crate::{Api, Parts, router, wait::Changes};

pub(super) const KEY: &str = "a-key-for-tests-0123456789";
pub(super) const START_MS: i64 = 1_800_000_000_000;

/// The tenant that may have a fire a minute only; the others may have one each second.
pub(super) const SLOW_TENANT: &str = "slow";
pub(super) const FIRES_KEPT_MS: i64 = 30 * 86_400_000;

pub(super) struct Fixture {
    pub(super) router: Router,
    pub(super) ledger: Arc<Fallible>,
    pub(super) search: Arc<FallibleSearch>,
    pub(super) clock: VirtualClock,
    pub(super) changes: Changes,
    pub(super) shutdown: CancellationToken,
    pub(super) objects: FolderObjects,
    _home: tempfile::TempDir,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII")).unwrap_or_default()
    }
}

impl Fixture {
    pub(super) fn new() -> Self {
        let clock = VirtualClock::starting_at(Timestamp::from_ms(START_MS));
        let ledger = Arc::new(Fallible::new(clock.clone()));
        let search = Arc::new(FallibleSearch::new(clock.clone()));
        let (changes, shutdown) = (Changes::default(), CancellationToken::new());
        let home = tempfile::tempdir().expect("a folder");
        let signer = Signer::new(b"master");
        let objects = FolderObjects::open(home.path(), signer.clone(), "https://jobs.example.com".into()).expect("a store");
        let mut settings = Settings::default();
        settings.schedules.tenant_gaps_s_min = format!("{SLOW_TENANT}=60").parse().expect("seconds");
        let router = router(Api::new(Parts {
            ledger: ledger.clone(),
            queues: BUILT_IN_QUEUES.iter().map(|name| name.parse().expect("a queue")).collect(),
            schedules: (&settings).into(),
            key: KEY.into(),
            public_url: "https://jobs.example.com".into(),
            objects: Arc::new(objects.clone()),
            signer,
            keyring: Keyring::new(&"m".repeat(32).parse().expect("a master key")),
            renderers: Renderers::in_process(),
            search: search.clone(),
            changes: changes.clone(),
            inside: None,
            shutdown: shutdown.clone(),
        }));
        Self { router, ledger, search, clock, changes, shutdown, objects, _home: home }
    }

    /// Sends a request, and holds the answer against the OpenAPI document.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("the body arrives").to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, bytes };
        conformance::check(&method, &path, &answer);
        answer
    }

    pub(super) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {KEY}"));
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    /// `GET` without a key.
    pub(super) async fn anonymous(&self, path: &str) -> Answer {
        self.send(Request::builder().uri(path).body(Body::empty()).expect("a request")).await
    }

    /// Posts a body of another media type.
    pub(super) async fn call_as(&self, media_type: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method("POST").uri(path).header("authorization", format!("Bearer {KEY}"));
        self.send(request.header("content-type", media_type).body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Answer {
        self.call("POST", path, &[], body).await
    }

    pub(super) async fn patch(&self, path: &str, body: &str) -> Answer {
        self.call("PATCH", path, &[], body).await
    }

    /// Makes a schedule of an echo job that fires each hour, with these further fields, and returns its path.
    pub(super) async fn scheduled(&self, name: &str, fields: &str) -> String {
        let job = r#"{"kind":"echo","payload":{"message":"{{ n }} at {{ fire_at }}"}}"#;
        let answer = self.post("/v1/schedules", &format!(r#"{{"name":"{name}","cron":"@hourly","job":{job}{fields}}}"#)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());
        answer.header("location").strip_prefix("https://jobs.example.com").expect("an absolute location").to_owned()
    }

    /// Submits an echo job with these further fields and returns its path.
    pub(super) async fn submitted(&self, fields: &str) -> String {
        let answer = self.post("/v1/jobs", &format!(r#"{{"kind":"echo","payload":{{}}{fields}}}"#)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.json());
        answer.header("location").strip_prefix("https://jobs.example.com").expect("an absolute location").to_owned()
    }

    /// Begins an attempt of the job at this path.
    pub(super) async fn claim(&self, path: &str) -> Snapshot {
        let model = &self.ledger.model;
        let worker = WorkerRecord { id: "worker".into(), slots: [(QueueName::default_queue(), 1)].into(), kinds: vec!["echo".into()] };
        model.enroll(&worker, &[]).await.expect("enrolled");
        let id = id_of(path);
        let before = model.reread(vec![id]).await.expect("a snapshot")[0];
        let claim = Claim {
            worker: "worker".into(),
            ticket: TicketId::nil(),
            ticket_row: false,
            ids: vec![(id, before.attempt)],
            take: 1,
            lease_ms: 30_000,
        };
        model.claim(claim).await.expect("claimed")[0].snapshot
    }

    /// Ends an attempt.
    pub(super) async fn settle(&self, snapshot: &Snapshot, ending: Ending) {
        let model = &self.ledger.model;
        let now = model.now().await.expect("now");
        let change = lifecycle::settle(snapshot, snapshot.attempt, ending, now, &Default::default(), 0.5).expect("decided");
        assert_eq!(model.settle(vec![change]).await.expect("settled"), [true]);
    }

    pub(super) async fn publish_depths(&self, depths: Depths) {
        self.ledger.model.publish_depths(depths).await.expect("published");
    }
}

pub(super) fn id_of(path: &str) -> JobId {
    path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("a path that ends with an id")
}

pub(super) fn failure() -> Ending {
    Ending::Bury(JobError::new("no_use", "it is of no use", false))
}
