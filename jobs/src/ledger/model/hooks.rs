//! `Hooks` of the model.

use async_trait::async_trait;

use super::{ModelLedger, Tables};
use crate::{
    clock::Timestamp,
    connection::{Connection, ConnectionId},
    hook::{Event, EventId, Hook, Keeping, Listed, NewEvent, NewHook, Outcome, Page},
    job::JobError,
    ledger::{Hooks, Result},
    notification::delivery::{Came, Report},
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Hooks for ModelLedger {
    async fn set_hook(&self, new: NewHook) -> Result<Option<Hook>> {
        Ok(self.transact(|tables, now, _| {
            tables.connections.get(&new.connection).filter(|connection| connection.tenant == new.tenant)?;
            let NewHook { tenant, connection, salt, token, forward_url } = new;
            let hook = match tables.hooks.get(&connection) {
                Some(before) => Hook { salt, token, forward_url, rotated_at: Some(now), ..before.clone() },
                None => {
                    Hook { tenant, connection, salt, token, forward_url, refused: 0, refused_at: None, created_at: now, rotated_at: None }
                }
            };
            tables.hooks.insert(connection, hook.clone());
            Some(hook)
        }))
    }

    async fn hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<Option<Hook>> {
        Ok(self.read(|tables| tables.hooks.get(&connection).filter(|hook| hook.tenant == *tenant).cloned()))
    }

    async fn hook_of(&self, token: &[u8; 32]) -> Result<Option<(Hook, Connection, Timestamp)>> {
        Ok(self.transact(|tables, now, _| {
            let hook = tables.hooks.values().find(|hook| hook.token == *token)?;
            Some((hook.clone(), tables.connections.get(&hook.connection)?.clone(), now))
        }))
    }

    async fn end_hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<bool> {
        Ok(self.transact(|tables, _, _| tables.end_hook(tenant, connection)))
    }

    async fn count_refused(&self, tenant: &TenantId, connection: ConnectionId, calls: u64) -> Result<()> {
        self.transact(|tables, now, _| {
            if let Some(hook) = tables.hooks.get_mut(&connection).filter(|hook| hook.tenant == *tenant) {
                hook.refused += calls;
                hook.refused_at = Some(now);
            }
        });
        Ok(())
    }

    async fn keep_event(&self, new: NewEvent, jobs: Vec<NewJob>) -> Result<Keeping> {
        Ok(self.transact(|tables, now, told| {
            let same = |event: &&Event| event.connection == new.connection && event.digest == new.digest;
            match tables.events.values().find(same).map(|event| event.id) {
                Some(id) if id == new.id => return Keeping::Kept,
                Some(id) => return Keeping::Repeated(id),
                None => {}
            }
            let NewEvent { id, tenant, connection, digest, facts, payload } = new;
            tables.events.insert(id, Event { id, tenant, connection, digest, received_at: now, facts, payload });
            tables.insert_all(jobs, now, told);
            Keeping::Kept
        }))
    }

    async fn event(&self, tenant: &TenantId, id: EventId) -> Result<Option<(Event, Timestamp)>> {
        Ok(self.transact(|tables, now, _| tables.event_of(tenant, id).map(|event| (event.clone(), now))))
    }

    async fn events(&self, tenant: &TenantId, connection: ConnectionId, page: Page) -> Result<Listed> {
        Ok(self.read(|tables| {
            let of_connection = |event: &&Event| event.tenant == *tenant && event.connection == connection;
            let own = tables.events.values().rev().filter(of_connection).filter(|event| page.before.is_none_or(|before| event.id < before));
            let (mut own, mut events, mut bytes) = (own.peekable(), Vec::new(), 0);
            while let Some(event) = own.next_if(|_| events.len() < page.size && bytes <= page.bytes_max) {
                bytes += serde_json::to_string(&event.facts).map_or(0, |facts| facts.len());
                events.push(headed(event));
            }
            Listed { more: own.peek().is_some(), events }
        }))
    }

    async fn apply_reports(&self, tenant: &TenantId, id: EventId, reports: Vec<(u32, Report)>, last: bool) -> Result<Option<Event>> {
        Ok(self.transact(|tables, now, _| {
            let mut event = tables.event_of(tenant, id)?.clone();
            for (place, report) in reports {
                if event.facts.reports.contains_key(&place) {
                    continue;
                }
                let came = tables.report(tenant, event.connection, &report, now);
                if came != Came::Unmatched || last {
                    event.facts.reports.insert(place, Outcome::of(&report, came));
                }
            }
            tables.events.insert(id, event.clone());
            Some(headed(&event))
        }))
    }

    async fn close_event(&self, tenant: &TenantId, id: EventId, error: Option<JobError>) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            let Some(event) = tables.events.get_mut(&id).filter(|event| event.tenant == *tenant) else { return false };
            if event.facts.applied_at.is_none() {
                (event.facts.applied_at, event.facts.error) = (Some(now), error);
            }
            true
        }))
    }
}

impl Tables {
    pub(super) fn end_hook(&mut self, tenant: &TenantId, connection: ConnectionId) -> bool {
        self.hooks.get(&connection).is_some_and(|hook| hook.tenant == *tenant) && self.hooks.remove(&connection).is_some()
    }

    pub(super) fn forget_events(&mut self, before: Timestamp, limit: usize) -> u64 {
        let mut old: Vec<(Timestamp, EventId)> = self.events.values().map(|event| (event.received_at, event.id)).collect();
        old.retain(|(received_at, _)| *received_at < before);
        old.sort();
        old.truncate(limit);
        old.iter().for_each(|(_, id)| drop(self.events.remove(id)));
        old.len() as u64
    }

    fn event_of(&self, tenant: &TenantId, id: EventId) -> Option<&Event> {
        self.events.get(&id).filter(|event| event.tenant == *tenant)
    }
}

/// Without its payload.
fn headed(event: &Event) -> Event {
    Event { payload: Vec::new(), ..event.clone() }
}
