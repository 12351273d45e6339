//! Due times that are told to a duty while it sleeps, so that it wakes for one that comes before what it knew of.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;
use windrow_jobs::clock::{Clock, Timestamp};

/// The earliest due time, in milliseconds since the epoch, that was told of since the duty last began to look.
pub(crate) struct Delays {
    earliest_ms: AtomicI64,
    told: Notify,
}

impl Default for Delays {
    fn default() -> Self {
        Self { earliest_ms: AtomicI64::new(i64::MAX), told: Notify::new() }
    }
}

impl Delays {
    /// Tells of a due time. A later one never hides an earlier.
    pub(crate) fn tell(&self, due_ms: i64) {
        if self.earliest_ms.fetch_min(due_ms, Ordering::SeqCst) > due_ms {
            self.told.notify_one();
        }
    }

    /// What was told so far is forgotten: a look that begins now sees it.
    pub(crate) fn forget(&self) {
        self.earliest_ms.store(i64::MAX, Ordering::SeqCst);
    }

    /// The due time when it comes, of whatever is told until then.
    pub(crate) async fn due(&self, clock: &dyn Clock, ledger_ahead_ms: i64) {
        loop {
            let told = self.told.notified();
            let due_at = Timestamp::from_ms(self.earliest_ms.load(Ordering::SeqCst)).plus_ms(-ledger_ahead_ms);
            tokio::select! {
                () = told => {}
                () = clock.sleep_until(due_at) => return,
            }
        }
    }
}

/// What the tests of the duties that are told of due times share.
#[cfg(test)]
pub(crate) mod waiting {
    use std::pin::Pin;

    /// A wait for being nudged.
    pub(crate) type Waiting<'w> = Pin<Box<dyn Future<Output = ()> + Send + 'w>>;

    /// Whether the wait is over, given a few turns: what wakes it may be woken itself first.
    pub(crate) async fn is_over(waiting: &mut Waiting<'_>) -> bool {
        for _ in 0..4 {
            tokio::select! {
                biased;
                () = &mut *waiting => return true,
                () = tokio::task::yield_now() => {}
            }
        }
        false
    }
}
