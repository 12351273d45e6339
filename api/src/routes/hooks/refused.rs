//! Counts calls of hooks that are refused for their signature. Whoever has a hook's URL can make such calls as fast as they like, so they are
//! counted here and written once a second for each hook, however many they were. A crash loses the last second's.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use windrow_jobs::{connection::ConnectionId, hook::Hook, tenant::TenantId};

use crate::Api;

/// How long calls are counted before they are written.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);

/// The calls that are not written yet, by hook.
#[derive(Clone, Default)]
pub(crate) struct Refused(Arc<Mutex<HashMap<(TenantId, ConnectionId), u64>>>);

impl Refused {
    /// Counts one. Returns whether it is the first since the last were taken.
    fn add(&self, tenant: &TenantId, connection: ConnectionId) -> bool {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match calls.entry((tenant.clone(), connection)) {
            Entry::Occupied(mut entry) => {
                *entry.get_mut() += 1;
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(1);
                true
            }
        }
    }

    /// Takes those of a hook.
    fn take(&self, tenant: &TenantId, connection: ConnectionId) -> u64 {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.remove(&(tenant.clone(), connection)).unwrap_or_default()
    }
}

/// Counts a call. The first of a second has all of them written when it is over, or when the api stops.
pub(super) fn count(api: &Api, hook: &Hook) {
    let (tenant, connection) = (hook.tenant.clone(), hook.connection);
    if !api.refused.add(&tenant, connection) {
        return;
    }
    let api = api.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(WRITTEN_EVERY) => {}
            () = api.shutdown.cancelled() => {}
        }
        let calls = api.refused.take(&tenant, connection);
        if let Err(error) = api.ledger.count_refused(&tenant, connection, calls).await {
            tracing::warn!(%connection, calls, %error, "refused calls of a hook were not counted");
        }
    });
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_the_first_of_a_hooks_calls_has_them_written() {
        let (refused, tenant) = (Refused::default(), TenantId::default_tenant());
        let [one, other] = [1, 2].map(|number| ConnectionId(Uuid::from_u128(number)));
        assert!(refused.add(&tenant, one) && refused.add(&tenant, other));
        assert!(!refused.add(&tenant, one) && !refused.add(&tenant, one));
        assert_eq!((refused.take(&tenant, one), refused.take(&tenant, one), refused.take(&tenant, other)), (3, 0, 1));
        assert!(refused.add(&tenant, one), "and the next second's");
    }
}
