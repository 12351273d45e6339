//! `Approvals` of the model.

use async_trait::async_trait;

use super::ModelLedger;
use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    ledger::{Approvals, Result},
    notification::approved::{Fetched, Synced, Turned},
    tenant::TenantId,
};

#[async_trait]
impl Approvals for ModelLedger {
    async fn keep_approved(&self, fetched: Fetched) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            if tables.connection_of(&fetched.tenant, fetched.connection).is_none() {
                return false;
            }
            let templates = fetched.templates.into_iter().map(|template| (now, template)).collect();
            tables.approved.insert(fetched.connection, (now, templates));
            true
        }))
    }

    async fn approved(&self, tenant: &TenantId, connection: ConnectionId, name: &str) -> Result<Option<Synced>> {
        let now = self.clock.now();
        Ok(self.read(|tables| {
            tables.connection_of(tenant, connection)?;
            let (at, templates) = tables.approved.get(&connection)?;
            let mut languages: Vec<_> =
                templates.iter().map(|(_, template)| template).filter(|template| template.name == name).cloned().collect();
            languages.sort_by(|one, other| one.language.cmp(&other.language));
            Some(Synced { at: *at, now, languages })
        }))
    }

    async fn turn_approved(&self, tenant: &TenantId, connection: ConnectionId, turned: &Turned, told_at: Timestamp) -> Result<bool> {
        Ok(self.transact(|tables, _, _| {
            if tables.connection_of(tenant, connection).is_none() {
                return false;
            }
            let templates = tables.approved.get_mut(&connection).map_or(&mut [][..], |(_, templates)| templates.as_mut_slice());
            let found = templates.iter_mut().find(|(_, one)| one.name == turned.name && one.language == turned.language);
            let Some((as_of, template)) = found.filter(|(as_of, _)| *as_of <= told_at) else { return false };
            *as_of = told_at;
            template.status.clone_from(&turned.status);
            true
        }))
    }
}
