//! The slots of one queue in this worker: how many there are, which hold a job, and how often a ticket was presented.
//!
//! A slot that is only reserved, by a runner that waits for a ticket, still counts as free: nothing runs in it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of one queue.
pub(crate) struct Slots {
    total: u32,
    permits: Arc<Semaphore>,
    /// How many hold a job.
    occupied: AtomicU32,
    /// Claims that the ledger answered.
    claims: AtomicU64,
}

impl Slots {
    pub(crate) fn new(total: u32) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(total as usize));
        Arc::new(Self { total, permits, occupied: AtomicU32::new(0), claims: AtomicU64::new(0) })
    }

    /// Waits for a slot.
    pub(crate) async fn wait(self: Arc<Self>) -> Slot {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore of the slots is never closed");
        Slot { slots: self, occupied: false, _permit: permit }
    }

    /// A slot, if there is one now.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Slot> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(Slot { slots: self.clone(), occupied: false, _permit: permit })
    }

    /// A claim was answered, whatever it brought.
    pub(crate) fn claimed(&self) {
        self.claims.fetch_add(1, Ordering::Relaxed);
    }

    /// How many slots hold no job.
    pub(crate) fn free(&self) -> u32 {
        self.total.saturating_sub(self.occupied.load(Ordering::Relaxed))
    }

    /// How many claims were answered so far.
    pub(crate) fn claims(&self) -> u64 {
        self.claims.load(Ordering::Relaxed)
    }
}

/// One slot. Dropping it frees it.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    occupied: bool,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// The same slot with a job in it.
    pub(crate) fn occupied(mut self) -> Self {
        if !self.occupied {
            self.occupied = true;
            self.slots.occupied.fetch_add(1, Ordering::Relaxed);
        }
        self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.occupied {
            self.slots.occupied.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
