//! `Children` of the model.

use async_trait::async_trait;

use super::ModelLedger;
use crate::{
    children::{Child, stamped},
    job::{JobId, State},
    ledger::{Children, Result},
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Children for ModelLedger {
    async fn bear(&self, parent: JobId, attempt: u32, children: Vec<NewJob>) -> Result<bool> {
        Ok(self.transact(|tables, now, told| {
            let runs = |job: &crate::job::Job| job.state == State::Running && job.attempt == attempt && !job.cancel_requested;
            let runs = tables.jobs.get(&parent).is_some_and(runs);
            if runs {
                tables.insert_all(children.iter().map(|child| stamped(child, now)).collect(), now, told);
            }
            runs
        }))
    }

    async fn children(&self, tenant: &TenantId, ids: &[JobId]) -> Result<Vec<Child>> {
        Ok(self.read(|tables| {
            let own = ids.iter().filter_map(|id| tables.jobs.get(id)).filter(|job| job.tenant == *tenant);
            own.map(|job| Child { id: job.id, state: job.state, error: job.error.clone(), tags: job.tags.clone() }).collect()
        }))
    }
}
