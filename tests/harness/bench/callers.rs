//! What the load calls, but for HTTP: the library's own way into a ledger, the bare pipeline, apalis.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow, ensure};
use apalis::prelude::TaskSink;
use windrow_jobs::{
    clock::{Clock, SystemClock, Timestamp},
    contract::Catalog,
    keys::Inserted,
    ledger::Ledger,
    queue::QueueName,
    submit::{Submission, submit},
    tenant::TenantId,
};

use super::{
    apalis::{Apalis, Storage},
    limit::{Hand, Limit},
    load::Caller,
};

/// How long a task of apalis may take to start; one that missed its wake-up takes 30 s.
const START_MAX: Duration = Duration::from_secs(10);

/// Submits as a program does that links the library: checked by the contract, then inserted.
#[derive(Clone)]
pub(super) struct Library {
    ledger: Arc<dyn Ledger>,
    catalog: Catalog,
    queues: Vec<QueueName>,
    submission: Submission,
    jobs: u64,
    /// When the jobs of each call are due; immediately unless it is said.
    due: Option<Arc<dyn Fn(i64) -> Timestamp + Send + Sync>>,
    calls: i64,
}

impl Library {
    pub(super) fn new(ledger: Arc<dyn Ledger>, job: &serde_json::Value, jobs: u64) -> anyhow::Result<Self> {
        let catalog = Catalog::new(windrow_jobs::kinds::contracts()).map_err(|error| anyhow!("{error}"))?;
        let submission = serde_json::from_value(job.clone())?;
        Ok(Self { ledger, catalog, queues: vec![QueueName::default_queue()], submission, jobs, due: None, calls: 0 })
    }

    /// With jobs that are delayed, those of each call until then.
    pub(super) fn due(mut self, due: impl Fn(i64) -> Timestamp + Send + Sync + 'static) -> Self {
        self.due = Some(Arc::new(due));
        self
    }
}

impl Caller for Library {
    fn jobs(&self) -> u64 {
        self.jobs
    }

    async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
        let (tenant, now) = (TenantId::default_tenant(), SystemClock.now());
        self.submission.run_at = self.due.as_ref().map(|due| due(self.calls));
        self.calls += 1;
        let new = (0..self.jobs).map(|_| submit(&tenant, self.submission.clone(), &self.catalog, &self.queues, now));
        let inserted = self.ledger.insert(new.collect::<Result<_, _>>()?).await?;
        ensure!(inserted.iter().all(|became| *became == Inserted::Kept), "not all were kept: {inserted:?}");
        Ok(None)
    }
}

/// Inserts into the bare pipeline.
pub(super) struct LimitInsert {
    pub limit: Limit,
    pub jobs: u64,
}

impl Caller for LimitInsert {
    fn jobs(&self) -> u64 {
        self.jobs
    }

    async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
        self.limit.insert(usize::try_from(self.jobs)?).await?;
        Ok(None)
    }
}

/// Sends one job through the bare pipeline, every step by itself.
pub(super) struct LimitThrough {
    pub limit: Limit,
    pub hand: Hand,
}

impl Caller for LimitThrough {
    fn jobs(&self) -> u64 {
        1
    }

    async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
        self.limit.insert(1).await?;
        // One, or it might take what another caller has inserted and waits for.
        self.hand.step(1).await.map(Some)
    }
}

/// Pushes into apalis-redis.
pub(super) struct ApalisPush {
    pub storage: Storage,
    pub payload: String,
    pub jobs: u64,
}

impl Caller for ApalisPush {
    fn jobs(&self) -> u64 {
        self.jobs
    }

    async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
        let pushed = if self.jobs == 1 {
            self.storage.push(self.payload.clone()).await
        } else {
            self.storage.push_bulk(vec![self.payload.clone(); usize::try_from(self.jobs)?]).await
        };
        pushed.map_err(|error| anyhow!("{error:?}"))?;
        Ok(None)
    }
}

/// Pushes one task into apalis-redis and waits for its handler.
pub(super) struct ApalisThrough {
    pub push: ApalisPush,
    pub started: tokio::sync::mpsc::UnboundedReceiver<SystemTime>,
}

impl ApalisThrough {
    pub(super) fn new(apalis: &mut Apalis, payload: String) -> anyhow::Result<Self> {
        let started = apalis.started.take().context("somebody else hears the starts")?;
        Ok(Self { push: ApalisPush { storage: apalis.storage.clone(), payload, jobs: 1 }, started })
    }
}

impl Caller for ApalisThrough {
    fn jobs(&self) -> u64 {
        1
    }

    async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
        self.push.call().await?;
        let started = tokio::time::timeout(START_MAX, self.started.recv()).await.context("a task does not start")?;
        Ok(Some(started.context("the worker has ended")?))
    }
}
