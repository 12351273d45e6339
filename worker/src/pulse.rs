//! Whether a worker is well: it looks after its leases, and the ledger answers.

use std::sync::atomic::{AtomicI64, Ordering};

use windrow_jobs::process::health::Health;

use crate::boottime::boottime_ms;

/// A worker whose lease-keeping stood still for longer is stuck: its attempts are being given to others.
const STILL_MS_MAX: i64 = 30_000;
/// A worker that the ledger did not answer for longer does no work at present.
const SILENT_MS_MAX: i64 = 5_000;

/// When a worker last did what it must keep doing.
pub struct Pulse {
    looked_at_ms: AtomicI64,
    answered_at_ms: AtomicI64,
}

impl Default for Pulse {
    fn default() -> Self {
        let now_ms = boottime_ms();
        Self { looked_at_ms: AtomicI64::new(now_ms), answered_at_ms: AtomicI64::new(now_ms) }
    }
}

impl Pulse {
    /// The worker looked after its leases; whether the ledger answered it.
    pub(crate) fn beat(&self, answered: bool) {
        let now_ms = boottime_ms();
        self.looked_at_ms.store(now_ms, Ordering::Relaxed);
        if answered {
            self.answered_at_ms.store(now_ms, Ordering::Relaxed);
        }
    }
}

impl Health for Pulse {
    fn live(&self) -> Result<(), String> {
        within(&self.looked_at_ms, STILL_MS_MAX, "the worker has not looked after its leases")
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
