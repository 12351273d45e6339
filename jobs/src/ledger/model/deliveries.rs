//! `Deliveries` of the model.

use async_trait::async_trait;

use super::{ModelLedger, Tables};
use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    job::JobId,
    ledger::{Deliveries, Result},
    notification::delivery::{Came, Delivery, Report, Sending, Whose, cut},
    tenant::TenantId,
};

#[async_trait]
impl Deliveries for ModelLedger {
    async fn note_sending(&self, sending: Sending) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            if tables.jobs.get(&sending.job).is_none_or(|job| job.tenant != sending.tenant) {
                return false;
            }
            let name = (sending.job, sending.key.clone());
            let after = match tables.deliveries.get(&name) {
                Some(before) => before.with_sending(&sending, now),
                None => Some(Delivery::noted(sending, now)),
            };
            after.into_iter().for_each(|after| drop(tables.deliveries.insert(name.clone(), after)));
            true
        }))
    }

    async fn report(&self, tenant: &TenantId, connection: ConnectionId, report: &Report) -> Result<Came> {
        Ok(self.transact(|tables, now, _| tables.report(tenant, connection, report, now)))
    }

    async fn deliveries(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Delivery>> {
        let of_job = |delivery: &&Delivery| delivery.job == job && delivery.tenant == *tenant;
        Ok(self.read(|tables| tables.deliveries.values().filter(of_job).cloned().collect()))
    }
}

impl Tables {
    pub(super) fn report(&mut self, tenant: &TenantId, connection: ConnectionId, report: &Report, now: Timestamp) -> Came {
        let own = |delivery: &&Delivery| delivery.tenant == *tenant && delivery.connection == connection;
        let found = report.about.iter().find_map(|whose| match whose {
            Whose::Ours(job, key) => self.deliveries.get(&(*job, key.clone())).filter(own),
            Whose::Theirs(id) => self.deliveries.values().rev().filter(own).find(|one| one.provider_id.as_deref() == Some(&cut(id))),
        });
        if let Some(before) = found {
            let Some(after) = before.with_report(report, now) else { return Came::Unchanged };
            self.deliveries.insert((after.job, after.key.clone()), after);
            return Came::Applied;
        }
        for whose in &report.about {
            let Whose::Ours(job, key) = whose else { continue };
            let name = (*job, key.clone());
            let has_effect = self.effects.get(&name).is_some_and(|effect| effect.tenant == *tenant);
            if has_effect && self.jobs.contains_key(job) && !self.deliveries.contains_key(&name) {
                self.deliveries.insert(name, Delivery::reported_first(tenant, (*job, key), connection, report, now));
                return Came::Applied;
            }
        }
        Came::Unmatched
    }
}
