//! `Inspect` of the model.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{ModelLedger, Tables, latest_attempt, snapshot};
use crate::{
    artifact::Artifact,
    clock::Timestamp,
    contract::Contract,
    job::{Attempt, Job, JobId, State},
    ledger::{Balance, Depths, Inspect, ListFilter, Listed, LogChunk, Outcomes, Page, Result},
    lifecycle::Snapshot,
    queue::{LimitScope, Limits, QueueName},
    tenant::TenantId,
};

#[async_trait]
impl Inspect for ModelLedger {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.clock.now())
    }

    async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>> {
        Ok(self.read(|tables| tables.of(tenant, id).cloned()))
    }

    async fn snapshot(&self, tenant: &TenantId, id: JobId) -> Result<Option<Snapshot>> {
        Ok(self.read(|tables| tables.of(tenant, id).map(snapshot)))
    }

    async fn list(&self, tenant: &TenantId, filter: &ListFilter, page: Page) -> Result<Listed> {
        Ok(self.read(|tables| {
            let newest_first = tables.jobs.values().rev();
            let mut fitting = newest_first
                .filter(|job| job.tenant == *tenant && page.before.is_none_or(|before| job.id < before) && fits(filter, job))
                .peekable();
            let (mut jobs, mut bytes) = (Vec::new(), 0);
            while let Some(job) = fitting.next_if(|_| jobs.len() < page.size && bytes <= page.bytes_max) {
                bytes += job.payload.get().len() + job.result.as_ref().map_or(0, |result| result.get().len());
                jobs.push(job.clone());
            }
            Listed { jobs, more: fitting.peek().is_some() }
        }))
    }

    async fn attempts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Attempt>> {
        Ok(self.read(|tables| {
            let Some(job) = tables.of(tenant, id) else {
                return Vec::new();
            };
            let kept = tables.attempts.range((id, 0)..=(id, u32::MAX)).map(|(_, attempt)| attempt.clone());
            let mut attempts: Vec<Attempt> = kept.collect();
            if !tables.attempts.contains_key(&(id, job.attempt)) {
                attempts.extend(latest_attempt(job));
            }
            attempts
        }))
    }

    async fn logs(&self, tenant: &TenantId, id: JobId) -> Result<Vec<LogChunk>> {
        Ok(self.read(|tables| {
            let owned = tables.of(tenant, id).is_some();
            tables.logs.get(&id).filter(|_| owned).cloned().unwrap_or_default()
        }))
    }

    async fn artifacts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Artifact>> {
        Ok(self.read(|tables| {
            let owned = tables.of(tenant, id).is_some();
            let of_job = tables.artifacts.iter().filter(|((of, _), _)| owned && *of == id);
            of_job.map(|(_, artifact)| artifact.clone()).collect()
        }))
    }

    async fn contracts(&self) -> Result<Vec<Contract>> {
        Ok(self.read(|tables| {
            // Versions come in rising order, so the last one of a kind stays.
            let newest: BTreeMap<_, _> = tables.contracts.iter().map(|((kind, _), contract)| (kind, contract)).collect();
            newest.into_values().cloned().collect()
        }))
    }

    async fn depths(&self) -> Result<Option<Depths>> {
        Ok(self.read(|tables| tables.depths.clone()))
    }

    async fn limits(&self) -> Result<Vec<(QueueName, LimitScope, Limits)>> {
        Ok(self.read(|tables| tables.limits.iter().map(|((queue, scope), limits)| (queue.clone(), scope.clone(), *limits)).collect()))
    }

    async fn first_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.read(|tables| tables.schedules.values().filter_map(|schedule| schedule.due_at).min()))
    }

    async fn balances(&self) -> Result<Vec<Balance>> {
        Ok(self.read(|tables| {
            let of_jobs = tables.jobs.values().map(|job| &job.tenant);
            let tenants: BTreeSet<_> = tables.accepted.keys().chain(of_jobs).chain(tables.pruned.keys()).collect();
            tenants.into_iter().map(|tenant| tables.balance(tenant)).collect()
        }))
    }
}

impl Tables {
    fn of(&self, tenant: &TenantId, id: JobId) -> Option<&Job> {
        self.jobs.get(&id).filter(|job| job.tenant == *tenant)
    }

    fn balance(&self, tenant: &TenantId) -> Balance {
        let mut balance = self.pruned.get(tenant).cloned().unwrap_or_else(|| nothing(tenant));
        balance.accepted = self.accepted.get(tenant).copied().unwrap_or(0);
        balance.outcomes = self.outcomes.get(tenant).copied().unwrap_or_default();
        for job in self.jobs.values().filter(|job| job.tenant == *tenant) {
            count(&mut balance, job.state);
        }
        balance
    }
}

/// The balance of a tenant that never did anything.
pub(super) fn nothing(tenant: &TenantId) -> Balance {
    Balance { tenant: tenant.clone(), accepted: 0, completed: 0, dead: 0, cancelled: 0, live: 0, pruned: 0, outcomes: Outcomes::default() }
}

/// Counts a job in this state.
pub(super) const fn count(balance: &mut Balance, state: State) {
    match state {
        State::Completed => balance.completed += 1,
        State::Dead => balance.dead += 1,
        State::Cancelled => balance.cancelled += 1,
        State::Scheduled | State::Available | State::Running | State::Retryable | State::Held => balance.live += 1,
    }
}

fn fits(filter: &ListFilter, job: &Job) -> bool {
    filter.kind.as_ref().is_none_or(|kind| job.kind == *kind)
        && filter.queue.as_ref().is_none_or(|queue| job.queue == *queue)
        && filter.state.is_none_or(|state| job.state == state)
        && filter.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
        && filter.created_from.is_none_or(|from| job.created_at >= from)
        && filter.created_to.is_none_or(|to| job.created_at < to)
}
