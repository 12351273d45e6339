//! `Connections` of the model.

use async_trait::async_trait;

use super::{ModelLedger, Tables};
use crate::{
    connection::{CONNECTIONS_MAX, Change, Connection, ConnectionId, NewConnection, Sealed, Stored, TenantKey},
    ledger::{
        Connections, Result,
        vault::{changed, made},
    },
    pace,
    tenant::TenantId,
};

#[async_trait]
impl Connections for ModelLedger {
    async fn create_connection(&self, new: NewConnection) -> Result<Stored> {
        Ok(self.transact(|tables, now, _| {
            if let Some(standing) = tables.connection_of(&new.tenant, new.id) {
                return Stored::Done(Box::new(standing.clone()));
            }
            if !tables.is_key_standing(&new.tenant, new.sealed.as_ref()) {
                return Stored::KeyGone;
            }
            if tables.connections_of(&new.tenant).count() >= CONNECTIONS_MAX {
                return Stored::TooMany;
            }
            let name_is_taken = tables.connections_of(&new.tenant).any(|other| other.name == new.name);
            if name_is_taken || tables.connections.contains_key(&new.id) {
                return Stored::NameTaken;
            }
            let connection = made(new, now);
            tables.connections.insert(connection.id, connection.clone());
            Stored::Done(Box::new(connection))
        }))
    }

    async fn connection(&self, tenant: &TenantId, name: &str) -> Result<Option<Connection>> {
        Ok(self.read(|tables| tables.connections_of(tenant).find(|connection| connection.name == name).cloned()))
    }

    async fn connections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Connection>> {
        Ok(self.read(|tables| {
            let later = |connection: &&Connection| after.is_none_or(|after| connection.name.as_str() > after);
            let mut own: Vec<Connection> = tables.connections_of(tenant).filter(later).cloned().collect();
            own.sort_by_key(|connection| connection.name.clone());
            own.truncate(limit);
            own
        }))
    }

    async fn change_connection(&self, tenant: &TenantId, id: ConnectionId, seen: u32, change: Change) -> Result<Stored> {
        Ok(self.transact(|tables, now, _| {
            if !tables.is_key_standing(tenant, change.sealed.as_ref()) {
                return Stored::KeyGone;
            }
            let Some(before) = tables.connection_of(tenant, id) else { return Stored::Missing };
            if before.version != seen {
                return Stored::Stale;
            }
            let after = changed(before, change, now);
            tables.connections.insert(id, after.clone());
            Stored::Done(Box::new(after))
        }))
    }

    async fn delete_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<bool> {
        Ok(self.transact(|tables, _, _| {
            tables.end_hook(tenant, id);
            let is_theirs = tables.connection_of(tenant, id).is_some();
            if is_theirs {
                tables.approved.remove(&id);
            }
            is_theirs && tables.connections.remove(&id).is_some()
        }))
    }

    async fn touch_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<()> {
        self.transact(|tables, now, _| {
            if let Some(connection) = tables.connections.get_mut(&id).filter(|connection| connection.tenant == *tenant) {
                connection.last_used_at = Some(now);
            }
        });
        Ok(())
    }

    async fn take_turn(&self, tenant: &TenantId, id: ConnectionId, apart_us: i64, patience_us: i64) -> Result<Option<pace::Turn>> {
        Ok(self.transact(|tables, now, _| {
            tables.connection_of(tenant, id)?;
            let until_us = tables.taken_until_us.entry(id).or_default();
            let (turn, until_then_us) = pace::take(*until_us, now.ms().saturating_mul(1_000), apart_us, patience_us);
            *until_us = until_then_us;
            Some(turn)
        }))
    }

    async fn tenant_key(&self, tenant: &TenantId) -> Result<Option<TenantKey>> {
        Ok(self.read(|tables| tables.tenant_keys.get(tenant).cloned()))
    }

    async fn keep_tenant_key(&self, key: TenantKey) -> Result<TenantKey> {
        Ok(self.transact(|tables, _, _| tables.tenant_keys.entry(key.tenant.clone()).or_insert(key).clone()))
    }

    async fn rewrap_tenant_key(&self, key: TenantKey, seen: &str) -> Result<bool> {
        Ok(self.transact(|tables, _, _| match tables.tenant_keys.get_mut(&key.tenant) {
            Some(standing) if standing.id == key.id && standing.master == seen => {
                *standing = key;
                true
            }
            _ => false,
        }))
    }

    async fn tenant_keys_not_by(&self, master: &str, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantKey>> {
        Ok(self.read(|tables| {
            let others = tables.tenant_keys.values().filter(|key| key.master != master && after.is_none_or(|after| key.tenant > *after));
            others.take(limit).cloned().collect()
        }))
    }

    async fn wrappings(&self) -> Result<Vec<(String, u64)>> {
        Ok(self.read(|tables| {
            let mut counts = std::collections::BTreeMap::new();
            tables.tenant_keys.values().for_each(|key| *counts.entry(key.master.clone()).or_insert(0) += 1);
            counts.into_iter().collect()
        }))
    }

    async fn destroy_tenant_key(&self, tenant: &TenantId) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            let destroyed = tables.tenant_keys.remove(tenant).is_some();
            for connection in tables.connections.values_mut().filter(|connection| connection.tenant == *tenant) {
                if let Some(change) = connection.shredded() {
                    *connection = changed(connection, change, now);
                }
            }
            destroyed
        }))
    }
}

impl Tables {
    fn connections_of(&self, tenant: &TenantId) -> impl Iterator<Item = &Connection> {
        self.connections.values().filter(move |connection| connection.tenant == *tenant)
    }

    pub(super) fn connection_of(&self, tenant: &TenantId, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id).filter(|connection| connection.tenant == *tenant)
    }

    fn is_key_standing(&self, tenant: &TenantId, sealed: Option<&Sealed>) -> bool {
        sealed.is_none_or(|sealed| self.tenant_keys.get(tenant).is_some_and(|key| key.id == sealed.key))
    }
}
