//! `Intake` of the model.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Answered, ModelLedger, Tables, Told};
use crate::{
    clock::Timestamp,
    job::{Job, JobId},
    keys::{Acceptance, Answer, IDEMPOTENCY_MS, IdempotencyKey, Inserted, Written},
    ledger::{FeedEvent, Intake, Result},
    lifecycle::Change,
    queue::{LimitScope, Limits, LimitsPatch, QueueName},
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Intake for ModelLedger {
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        Ok(self.transact(|tables, now, told| tables.insert_all(jobs, now, told)))
    }

    async fn insert_unless_reused(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        Ok(self.transact(|tables, now, told| {
            let judged = tables.reused(&jobs, now);
            if judged.contains(&Inserted::Reused) { judged } else { tables.insert_all(jobs, now, told) }
        }))
    }

    async fn operate(&self, tenant: &TenantId, changes: Vec<Change>) -> Result<Vec<Written>> {
        Ok(self.transact(|tables, now, told| {
            let mut written = Vec::new();
            for change in &changes {
                let owned = tables.jobs.get(&change.id).is_some_and(|job| job.tenant == *tenant);
                written.push(if owned { tables.write(change, now, told) } else { Written::Stale });
            }
            written
        }))
    }

    async fn set_limits(&self, queue: &QueueName, scope: &LimitScope, patch: LimitsPatch) -> Result<Limits> {
        Ok(self.transact(|tables, _, told| {
            let limits = tables.limits.entry((queue.clone(), scope.clone())).or_default();
            *limits = limits.patched(patch);
            told.other.push(FeedEvent::Limits);
            *limits
        }))
    }
}

impl Tables {
    pub(super) fn insert_all(&mut self, jobs: Vec<NewJob>, now: Timestamp, told: &mut Told) -> Vec<Inserted> {
        let mut met: BTreeMap<JobId, Inserted> = BTreeMap::new();
        let mut inserted = Vec::new();
        for new in jobs {
            let became = match met.get(&new.id) {
                Some(became) => became.clone(),
                None => self.insert(new.clone(), now, told),
            };
            met.insert(new.id, became.clone());
            inserted.push(became);
        }
        inserted
    }

    fn insert(&mut self, new: NewJob, now: Timestamp, told: &mut Told) -> Inserted {
        if self.jobs.contains_key(&new.id) {
            return Inserted::Kept;
        }
        if let Some(became) = self.answered(&new, now) {
            return became;
        }
        let holder = new.keys.unique.clone().map(|key| *self.holders.entry((new.tenant.clone(), key)).or_insert(new.id));
        let answer = match holder.filter(|holder| *holder != new.id) {
            Some(holder) => Answer::Deduplicated(holder),
            None => Answer::Accepted(Acceptance::of(&new)),
        };
        if let Some(IdempotencyKey { key, fingerprint }) = new.keys.idempotency.clone() {
            let answered = Answered { fingerprint, answer: answer.clone(), expires_at: now.plus_ms(IDEMPOTENCY_MS) };
            self.answers.insert((new.tenant.clone(), key), answered);
        }
        if let Answer::Deduplicated(holder) = answer {
            return Inserted::Deduplicated(holder);
        }
        *self.accepted.entry(new.tenant.clone()).or_default() += 1;
        self.put(accepted(new), told);
        Inserted::Kept
    }

    /// What the first submission with this idempotency key was answered, or that it was another one.
    fn answered(&self, new: &NewJob, now: Timestamp) -> Option<Inserted> {
        let IdempotencyKey { key, fingerprint } = new.keys.idempotency.clone()?;
        let answered = self.answers.get(&(new.tenant.clone(), key)).filter(|answered| answered.expires_at > now)?;
        let same = answered.fingerprint == fingerprint;
        Some(if same { Inserted::Replayed(answered.answer.clone()) } else { Inserted::Reused })
    }

    /// Which of these jobs would be refused since their idempotency key went with another submission before.
    fn reused(&self, jobs: &[NewJob], now: Timestamp) -> Vec<Inserted> {
        let mut first: BTreeMap<(&TenantId, &str), [u8; 32]> = BTreeMap::new();
        let mut judged = Vec::new();
        for new in jobs {
            let reused = match (&new.keys.idempotency, self.answered(new, now)) {
                (Some(_), _) if self.jobs.contains_key(&new.id) => false,
                (_, Some(became)) => became == Inserted::Reused,
                (Some(IdempotencyKey { key, fingerprint }), None) => {
                    *first.entry((&new.tenant, key)).or_insert(*fingerprint) != *fingerprint
                }
                (None, None) => false,
            };
            judged.push(if reused { Inserted::Reused } else { Inserted::Kept });
        }
        judged
    }
}

fn accepted(new: NewJob) -> Job {
    Job {
        id: new.id,
        tenant: new.tenant,
        queue: new.queue,
        kind: new.kind,
        contract_version: new.contract_version,
        state: new.state,
        priority: new.priority,
        attempt: 0,
        forgiven: 0,
        crashes: 0,
        max_attempts: new.max_attempts,
        cancel_requested: false,
        created_at: new.created_at,
        run_at: new.run_at,
        started_at: None,
        finished_at: None,
        lease_until: None,
        deadline: new.deadline,
        worker: None,
        outcome: None,
        reason: None,
        progress: None,
        result: None,
        error: None,
        payload: new.payload,
        checkpoint: None,
        tags: new.tags,
        unique_key: new.keys.unique,
    }
}
