//! `Intake` of the model.

use async_trait::async_trait;

use super::ModelLedger;
use crate::{
    job::Job,
    ledger::{FeedEvent, Intake, Result},
    lifecycle::Change,
    queue::{LimitScope, Limits, QueueName},
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Intake for ModelLedger {
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<()> {
        self.transact(|tables, _, told| {
            for new in jobs {
                if tables.jobs.contains_key(&new.id) {
                    continue;
                }
                *tables.accepted.entry(new.tenant.clone()).or_default() += 1;
                tables.put(accepted(new), told);
            }
        });
        Ok(())
    }

    async fn operate(&self, tenant: &TenantId, changes: Vec<Change>) -> Result<Vec<bool>> {
        Ok(self.transact(|tables, now, told| {
            let mut written = Vec::new();
            for change in &changes {
                let owned = tables.jobs.get(&change.id).is_some_and(|job| job.tenant == *tenant);
                written.push(owned && tables.write(change, now, told));
            }
            written
        }))
    }

    async fn set_limits(&self, queue: &QueueName, scope: &LimitScope, limits: Limits) -> Result<()> {
        self.transact(|tables, _, told| {
            tables.limits.insert((queue.clone(), scope.clone()), limits);
            told.other.push(FeedEvent::Limits);
        });
        Ok(())
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
    }
}
