//! A router over a ledger in memory that can be made to fail.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU8, Ordering},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use windrow_jobs::{
    artifact::Artifact,
    clock::{Timestamp, VirtualClock},
    connection::{self, Connection, ConnectionId, NewConnection, Stored, TenantKey, seal::Keyring},
    contract::Contract,
    effect::{Intended, Intent, Kept, Turn},
    job::{Attempt, Job, JobError, JobId},
    keys::{Inserted, Written},
    ledger::{
        Balance, Claim, Connections, Depths, Edited, Effects, Error, Inspect, Intake, Library, ListFilter, Listed, LogChunk, Page, Result,
        ScheduleKey, TicketId, Timetable, Upkeep, Work, WorkerRecord, model::ModelLedger,
    },
    library::{Asking, Edition, Entry, Role},
    lifecycle::{self, Change, Ending, Snapshot},
    objects::{folder::FolderObjects, link::Signer},
    queue::{BUILT_IN_QUEUES, LimitScope, Limits, LimitsPatch, QueueName},
    schedule::{Definition, Edit, Fire, FireStatus, Placed, Rules, Schedule, ScheduleId},
    settings::Settings,
    submit::NewJob,
    tenant::TenantId,
};

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
        let ledger = Arc::new(Fallible {
            model: ModelLedger::new(Arc::new(clock.clone())),
            fault: AtomicU8::new(Fault::None as u8),
            meddler: Mutex::default(),
        });
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
            changes: changes.clone(),
            inside: None,
            shutdown: shutdown.clone(),
        }));
        Self { router, ledger, clock, changes, shutdown, objects, _home: home }
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

/// How the ledger fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fault {
    None,
    Unavailable,
    Refused,
    Corrupt,
    Panic,
    Hang,
}

/// The ledger in memory, which fails when told to.
pub(super) struct Fallible {
    pub(super) model: ModelLedger,
    fault: AtomicU8,
    /// An edit that somebody else makes just before the next one.
    meddler: Mutex<Option<Edit>>,
}

impl Fallible {
    pub(super) fn fail(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// Lets somebody else make this edit just before the next one.
    pub(super) fn meddle(&self, edit: Edit) {
        *self.meddler.lock().expect("not poisoned") = Some(edit);
    }

    async fn pass(&self) -> Result<()> {
        let faults = [Fault::None, Fault::Unavailable, Fault::Refused, Fault::Corrupt, Fault::Panic, Fault::Hang];
        match faults[usize::from(self.fault.load(Ordering::SeqCst))] {
            Fault::None => Ok(()),
            Fault::Unavailable => Err(Error::Unavailable("host db.internal".into())),
            Fault::Refused => Err(Error::Refused("table jobs".into())),
            Fault::Corrupt => Err(Error::Corrupt("row 7".into())),
            Fault::Panic => panic!("a bug"),
            Fault::Hang => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Intake for Fallible {
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        self.pass().await?;
        self.model.insert(jobs).await
    }

    async fn insert_unless_reused(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        self.pass().await?;
        self.model.insert_unless_reused(jobs).await
    }

    async fn operate(&self, tenant: &TenantId, changes: Vec<Change>) -> Result<Vec<Written>> {
        self.pass().await?;
        self.model.operate(tenant, changes).await
    }

    async fn set_limits(&self, queue: &QueueName, scope: &LimitScope, patch: LimitsPatch) -> Result<Limits> {
        self.pass().await?;
        self.model.set_limits(queue, scope, patch).await
    }
}

#[async_trait]
impl Effects for Fallible {
    async fn intend(&self, intent: Intent) -> Result<Intended> {
        self.pass().await?;
        self.model.intend(intent).await
    }

    async fn turn_effect(&self, turn: Turn) -> Result<bool> {
        self.pass().await?;
        self.model.turn_effect(turn).await
    }

    async fn effects(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Kept>> {
        self.pass().await?;
        self.model.effects(tenant, job).await
    }

    async fn awaited(&self, callback: &[u8; 32]) -> Result<Option<(Kept, Timestamp)>> {
        self.pass().await?;
        self.model.awaited(callback).await
    }
}

#[async_trait]
impl Connections for Fallible {
    async fn create_connection(&self, new: NewConnection) -> Result<Stored> {
        self.pass().await?;
        self.model.create_connection(new).await
    }

    async fn connection(&self, tenant: &TenantId, name: &str) -> Result<Option<Connection>> {
        self.pass().await?;
        self.model.connection(tenant, name).await
    }

    async fn connections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Connection>> {
        self.pass().await?;
        self.model.connections(tenant, after, limit).await
    }

    async fn change_connection(&self, tenant: &TenantId, id: ConnectionId, seen: u32, change: connection::Change) -> Result<Stored> {
        self.pass().await?;
        self.model.change_connection(tenant, id, seen, change).await
    }

    async fn delete_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<bool> {
        self.pass().await?;
        self.model.delete_connection(tenant, id).await
    }

    async fn touch_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<()> {
        self.pass().await?;
        self.model.touch_connection(tenant, id).await
    }

    async fn tenant_key(&self, tenant: &TenantId) -> Result<Option<TenantKey>> {
        self.pass().await?;
        self.model.tenant_key(tenant).await
    }

    async fn keep_tenant_key(&self, key: TenantKey) -> Result<TenantKey> {
        self.pass().await?;
        self.model.keep_tenant_key(key).await
    }

    async fn rewrap_tenant_key(&self, key: TenantKey, seen: &str) -> Result<bool> {
        self.pass().await?;
        self.model.rewrap_tenant_key(key, seen).await
    }

    async fn tenant_keys_not_by(&self, master: &str, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantKey>> {
        self.pass().await?;
        self.model.tenant_keys_not_by(master, after, limit).await
    }

    async fn wrappings(&self) -> Result<Vec<(String, u64)>> {
        self.pass().await?;
        self.model.wrappings().await
    }

    async fn destroy_tenant_key(&self, tenant: &TenantId) -> Result<bool> {
        self.pass().await?;
        self.model.destroy_tenant_key(tenant).await
    }
}

#[async_trait]
impl Inspect for Fallible {
    async fn now(&self) -> Result<Timestamp> {
        self.pass().await?;
        self.model.now().await
    }

    async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
        self.pass().await?;
        self.model.get(tenant, id).await
    }

    async fn snapshot(&self, tenant: &TenantId, id: JobId) -> Result<Option<Snapshot>> {
        self.pass().await?;
        self.model.snapshot(tenant, id).await
    }

    async fn list(&self, tenant: &TenantId, filter: &ListFilter, page: Page) -> Result<Listed> {
        self.pass().await?;
        self.model.list(tenant, filter, page).await
    }

    async fn attempts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Attempt>> {
        self.pass().await?;
        self.model.attempts(tenant, id).await
    }

    async fn logs(&self, tenant: &TenantId, id: JobId) -> Result<Vec<LogChunk>> {
        self.pass().await?;
        self.model.logs(tenant, id).await
    }

    async fn artifacts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Artifact>> {
        self.pass().await?;
        self.model.artifacts(tenant, id).await
    }

    async fn contracts(&self) -> Result<Vec<Contract>> {
        self.pass().await?;
        self.model.contracts().await
    }

    async fn depths(&self) -> Result<Option<Depths>> {
        self.pass().await?;
        self.model.depths().await
    }

    async fn limits(&self) -> Result<Vec<(QueueName, LimitScope, Limits)>> {
        self.pass().await?;
        self.model.limits().await
    }

    async fn first_due(&self) -> Result<Option<Timestamp>> {
        self.pass().await?;
        self.model.first_due().await
    }

    async fn balances(&self) -> Result<Vec<Balance>> {
        self.pass().await?;
        self.model.balances().await
    }
}

#[async_trait]
impl Library for Fallible {
    async fn publish_bundle(&self, tenant: &TenantId, edition: Edition) -> Result<(Edition, bool)> {
        self.pass().await?;
        self.model.publish_bundle(tenant, edition).await
    }

    async fn bundle(&self, tenant: &TenantId, role: Role, name: &str, version: &str) -> Result<Option<Edition>> {
        self.pass().await?;
        self.model.bundle(tenant, role, name, version).await
    }

    async fn bundle_versions(&self, tenant: &TenantId, role: Role, name: &str) -> Result<Vec<Edition>> {
        self.pass().await?;
        self.model.bundle_versions(tenant, role, name).await
    }

    async fn bundles(&self, tenant: &TenantId, role: Role, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.pass().await?;
        self.model.bundles(tenant, role, after, limit).await
    }

    async fn shelf(&self, tenant: &TenantId, role: Role, names: &[String]) -> Result<Vec<Asking>> {
        self.pass().await?;
        self.model.shelf(tenant, role, names).await
    }
}

#[async_trait]
impl Timetable for Fallible {
    async fn create_schedule(&self, id: ScheduleId, tenant: &TenantId, definition: Definition) -> Result<Edited> {
        self.pass().await?;
        self.model.create_schedule(id, tenant, definition).await
    }

    async fn edit_schedule(&self, tenant: &TenantId, id: ScheduleId, seen: Option<u32>, edit: Edit, rules: &Rules) -> Result<Edited> {
        self.pass().await?;
        let meddling = self.meddler.lock().expect("not poisoned").take();
        if let Some(meddling) = meddling {
            self.model.edit_schedule(tenant, id, None, meddling, rules).await?;
        }
        self.model.edit_schedule(tenant, id, seen, edit, rules).await
    }

    async fn delete_schedule(&self, tenant: &TenantId, id: ScheduleId) -> Result<bool> {
        self.pass().await?;
        self.model.delete_schedule(tenant, id).await
    }

    async fn run_schedule(&self, tenant: &TenantId, id: ScheduleId, rules: &Rules) -> Result<Option<std::result::Result<Fire, Placed>>> {
        self.pass().await?;
        self.model.run_schedule(tenant, id, rules).await
    }

    async fn schedule(&self, tenant: &TenantId, by: &ScheduleKey) -> Result<Option<Schedule>> {
        self.pass().await?;
        self.model.schedule(tenant, by).await
    }

    async fn schedules(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Schedule>> {
        self.pass().await?;
        self.model.schedules(tenant, after, limit).await
    }

    async fn fires(
        &self,
        tenant: &TenantId,
        id: ScheduleId,
        status: Option<FireStatus>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Fire>> {
        self.pass().await?;
        self.model.fires(tenant, id, status, before, limit).await
    }
}
