//! A destination that takes records over HTTP: many at once, or one by one.
//!
//! The ledger has the intent before anything is sent; what came of it is settled after. Whatever was on its way when the attempt ended is sent
//! again by the next, with the same `Idempotency-Key`. What the provider refuses for what a record says is that record's error; what it refuses
//! whatever is sent ends the run. Nothing is sent without a lease.
//! The pieces: `elsewhere/single.rs` and `elsewhere/bulk.rs` are the two ways, `elsewhere/asking.rs` asks, `elsewhere/carried.rs` is what came
//! of it. Next: `request.rs`, `connection/caller.rs`.

mod asking;
mod bulk;
mod carried;
mod results;
mod single;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;

use self::carried::Unsettled;
use crate::{
    clock::Clock,
    connection::{caller::Caller, turns::Turns},
    handler::{Context, Outcome},
    kinds::Services,
    sync::{
        SyncId,
        decide::Elsewhere,
        definition::{HttpDestination, Limits},
        state::{Incoming, Planned, SettledAs},
    },
};

pub(super) use self::carried::Carried;

/// Records that are settled at once where each is sent by itself, and how many are on their way at a time.
const SINGLES: usize = 24;
const SINGLES_AT_ONCE: usize = 4;

/// How many records are settled at once.
pub(super) fn batch_max(http: &HttpDestination) -> usize {
    http.bulk.as_ref().map_or(SINGLES, |bulk| bulk.records_max as usize)
}

/// The way to such a destination.
pub(super) struct Http {
    context: Context,
    caller: Caller,
    sync: SyncId,
    http: HttpDestination,
    /// Whether nothing is remembered of what is deleted.
    forget: bool,
    was_good: AtomicBool,
    /// Whose turn it is to ask; several ask at a time.
    turns: Mutex<Turns>,
    clock: Arc<dyn Clock>,
    /// How long nobody asks after an answer that it is too much, and does not say how long.
    throttled_wait: Duration,
}

impl Http {
    /// Opens its connection.
    pub(super) async fn open(
        services: &Services,
        context: &Context,
        sync: SyncId,
        http: HttpDestination,
        forget: bool,
        limits: &Limits,
    ) -> Result<Self, Outcome> {
        let clock = services.clock.clone();
        let turns = Mutex::new(Turns::of(limits.requests_per_s));
        let throttled_wait = Duration::from_secs(limits.throttled_wait_s.into());
        let caller = Caller::open(services, context, &http.connection, http.token_connection.as_deref()).await?;
        Ok(Self { context: context.clone(), caller, sync, http, forget, was_good: AtomicBool::new(false), turns, clock, throttled_wait })
    }

    /// Does what is planned.
    pub(super) async fn carry_out(&self, plan: Vec<(Incoming, Planned)>) -> Carried {
        let mut carried = Carried::of(&plan);
        let keys = plan.iter().map(|(record, _)| record.key.clone()).collect();
        let (gone, there): (Vec<_>, Vec<_>) = plan.into_iter().partition(|(_, planned)| planned.fate == Elsewhere::Delete);
        match (&self.http.bulk, &self.http.single) {
            (Some(bulk), _) => self.write_many(bulk, there, &mut carried).await,
            (None, Some(single)) => self.each(there, &mut carried, |record, planned| self.write(single, record, planned)).await,
            (None, None) => carried.stopped = Some(Outcome::bury("destination_unknown", "the destination says no way to write")),
        }
        if carried.stopped.is_none() {
            self.each(gone, &mut carried, |record, planned| self.delete(record, planned)).await;
        }
        if carried.stopped.is_some() {
            carried.withdraw(keys);
        }
        carried
    }

    /// Does something with each, a few at a time; after the first that has to wait no more is begun.
    async fn each<'h, F>(&'h self, plan: Vec<(Incoming, Planned)>, carried: &mut Carried, work: impl Fn(Incoming, Planned) -> F)
    where
        F: Future<Output = Result<SettledAs, Unsettled>> + 'h,
    {
        let is_stopped = AtomicBool::new(false);
        let begun = plan.into_iter().map(|(record, planned)| {
            let (key, work) = (record.key.clone(), work(record, planned));
            let is_stopped = &is_stopped;
            async move {
                if is_stopped.load(Ordering::Relaxed) {
                    return None;
                }
                let came = work.await;
                if matches!(came, Err(Unsettled::Stopped { .. })) {
                    is_stopped.store(true, Ordering::Relaxed);
                }
                Some((key, came))
            }
        });
        let mut all = futures::stream::iter(begun).buffer_unordered(SINGLES_AT_ONCE);
        while let Some(one) = all.next().await {
            if let Some((key, came)) = one {
                carried.came(&key, came);
            }
        }
    }
}
