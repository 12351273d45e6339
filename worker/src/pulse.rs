//! Whether a worker is well: it looks after its leases, leaves no work lying, and the ledger answers.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use windrow_jobs::{
    clock::{Clock, SystemClock},
    process::health::Health,
    settings::STALLED_AFTER_S,
};

use crate::boottime::boottime_ms;

/// A worker whose lease-keeping stood still for longer is stuck: its attempts are being given to others.
const STILL_MS_MAX: i64 = 30_000;
/// A worker that the ledger did not answer for longer does no work at present.
const SILENT_MS_MAX: i64 = 5_000;

/// When a worker last did what it must keep doing.
pub struct Pulse {
    clock: Arc<dyn Clock>,
    stalled_after_ms: i64,
    looked_at_ms: AtomicI64,
    answered_at_ms: AtomicI64,
    /// What work it leaves lying, in words.
    stalled: Mutex<Option<String>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock), STALLED_AFTER_S)
    }
}

impl Pulse {
    /// The pulse of a worker that is stuck once it leaves work lying beside free slots for so long by this clock.
    pub fn new(clock: Arc<dyn Clock>, stalled_after_s: u32) -> Self {
        let now_ms = boottime_ms();
        Self {
            clock,
            stalled_after_ms: i64::from(stalled_after_s) * 1_000,
            looked_at_ms: AtomicI64::new(now_ms),
            answered_at_ms: AtomicI64::new(now_ms),
            stalled: Mutex::default(),
        }
    }

    /// The worker looked after its leases; whether the ledger answered it.
    pub(crate) fn beat(&self, answered: bool) {
        let now_ms = boottime_ms();
        self.looked_at_ms.store(now_ms, Ordering::Relaxed);
        if answered {
            self.answered_at_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// What work is left lying, if any. Returns whether any was before.
    pub(crate) fn stall(&self, reason: Option<String>) -> bool {
        std::mem::replace(&mut *self.stalled(), reason).is_some()
    }

    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) const fn stalled_after_ms(&self) -> i64 {
        self.stalled_after_ms
    }

    /// A panic while the reason was held leaves it whole, so its poison means nothing here.
    fn stalled(&self) -> MutexGuard<'_, Option<String>> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for Pulse {
    fn live(&self) -> Result<(), String> {
        within(&self.looked_at_ms, STILL_MS_MAX, "the worker has not looked after its leases")?;
        self.stalled().clone().map_or(Ok(()), Err)
    }

    fn ready(&self) -> Result<(), String> {
        self.live()?;
        within(&self.answered_at_ms, SILENT_MS_MAX, "the ledger has not answered")
    }
}

fn within(at_ms: &AtomicI64, limit_ms: i64, wrong: &str) -> Result<(), String> {
    let since_ms = boottime_ms() - at_ms.load(Ordering::Relaxed);
    if since_ms <= limit_ms { Ok(()) } else { Err(format!("{wrong} for {since_ms} ms")) }
}
