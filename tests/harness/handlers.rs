//! A handler's context without a worker: for tests of what handlers do.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    artifact::Artifact,
    connection::{Access, AccessError, ConnectionId, HookKey, NoAccess, Opened, Secrets, Used},
    handler::{Context, Lease, Listener, Recorder, Remark},
    hook::Hook,
    kinds::{Services, build_generate::tools::Shape},
    ledger::{self, Claimed, Effects, Ledger},
    objects::{self, Content, Key, Link, Meta, Object, Objects},
    pace,
    renderer::pool::Renderers,
    settings::{OutboundSettings, Settings},
    tenant::TenantId,
};

/// The lease of an attempt, valid until a test says otherwise.
pub struct SwitchedLease(pub AtomicBool);

impl Default for SwitchedLease {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Lease for SwitchedLease {
    fn valid(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The context of a claimed attempt. Nobody listens, and there are neither files nor connections.
pub fn context_of(claimed: &Claimed, ledger: Arc<dyn Ledger>, effects: Arc<dyn Effects>, lease: Arc<dyn Lease>) -> Context {
    Context {
        job: claimed.snapshot.id,
        tenant: claimed.tenant.clone(),
        attempt: claimed.snapshot.attempt,
        checkpoint: claimed.checkpoint.as_deref().map(Arc::from),
        turned: Arc::default(),
        deadline: claimed.snapshot.deadline,
        cancel: CancellationToken::new(),
        listener: Arc::new(Nobody),
        objects: Arc::new(Nobody),
        ledger: ledger.clone(),
        recorder: Arc::new(Records(claimed.clone(), ledger)),
        lease,
        effects,
        access: Arc::new(NoAccess),
    }
}

/// What handlers need, in tests: they may call servers of this machine.
pub fn services() -> Services {
    let outbound = OutboundSettings { allow_hosts: "127.0.0.1".parse().expect("a host") };
    let services = Services::of(&Settings { outbound, ..Settings::default() }, Shape::Cluster, None).expect("a way out");
    Services { renderers: Renderers::in_process(), ..services }
}

struct Records(Claimed, Arc<dyn Ledger>);

#[async_trait]
impl Recorder for Records {
    async fn record(&self, artifact: Artifact) -> ledger::Result<bool> {
        self.1.record_artifact(self.0.snapshot.id, artifact).await
    }

    async fn moved_on(&self) -> ledger::Result<()> {
        Ok(())
    }
}

/// Connections as they are given, and what was said of using them.
#[derive(Default)]
pub struct Given {
    connections: Mutex<Vec<Opened>>,
    reports: Mutex<Vec<(String, Used)>>,
}

impl Given {
    /// With a connection of this name, of this provider, configured so, with these secrets.
    pub fn connect(&self, name: &str, provider: &str, config: serde_json::Value, secrets: &[(&str, &str)]) {
        let secrets = secrets.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned())).collect();
        let (name, provider, tenant) = (name.to_owned(), provider.to_owned(), crate::jobs::tenant());
        let opened = Opened { id: ConnectionId::generate(), tenant, name, provider, generation: 1, config, secrets: Secrets(secrets) };
        self.connections.lock().expect("not poisoned").push(opened);
    }

    /// What was said, and of which connection.
    pub fn reports(&self) -> Vec<(String, Used)> {
        self.reports.lock().expect("not poisoned").clone()
    }
}

#[async_trait]
impl Access for Given {
    async fn open(&self, _: &TenantId, name: &str) -> Result<Opened, AccessError> {
        let connections = self.connections.lock().expect("not poisoned");
        connections.iter().find(|opened| opened.name == name).cloned().ok_or_else(|| AccessError::Unknown(name.to_owned()))
    }

    async fn open_to_test(&self, tenant: &TenantId, name: &str) -> Result<Opened, AccessError> {
        self.open(tenant, name).await
    }

    async fn report(&self, opened: &Opened, used: Used) -> ledger::Result<()> {
        self.reports.lock().expect("not poisoned").push((opened.name.clone(), used));
        Ok(())
    }

    async fn take_turn(&self, _: &Opened, _: i64, _: i64) -> Result<pace::Turn, AccessError> {
        Ok(pace::Turn::Taken { wait_us: 0 })
    }

    async fn replaced(&self, _: &Opened, _: &str, _: &str, _: &str) -> ledger::Result<()> {
        Ok(())
    }

    async fn hook_key(&self, _: &Hook, name: &str) -> Result<HookKey, AccessError> {
        Err(AccessError::Unknown(name.to_owned()))
    }
}

struct Nobody;

impl Listener for Nobody {
    fn hear(&self, _: Remark) {}
}

#[async_trait]
impl Objects for Nobody {
    async fn put(&self, key: &Key, _: &str, _: Content) -> objects::Result<Meta> {
        Err(objects::Error::Refused(format!("there is no store for {key}")))
    }

    async fn head(&self, _: &Key) -> objects::Result<Option<Meta>> {
        Ok(None)
    }

    async fn get(&self, _: &Key) -> objects::Result<Option<Object>> {
        Ok(None)
    }

    async fn list(&self, _: &str, _: Option<&Key>, _: usize) -> objects::Result<Vec<Key>> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &Key) -> objects::Result<()> {
        Ok(())
    }

    async fn link(&self, key: &Key, _: windrow_jobs::clock::Timestamp, _: std::time::Duration) -> objects::Result<Link> {
        Err(objects::Error::Refused(format!("there is no store for {key}")))
    }
}
