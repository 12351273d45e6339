//! Lets a request wait for a job to change, by looking again and again.
//!
//! Whoever hears of changes may wake a waiting request through [`Changes`]; a wake-up that gets lost costs at
//! most one interval.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast, futures::OwnedNotified},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    job::JobId,
    ledger::{FeedEvent, FeedRow},
};

/// The first interval between looks; short jobs are done by then.
const INTERVAL_FIRST: Duration = Duration::from_millis(5);
/// The longest interval: a thousand waiting requests are then 4,000 looks per second.
const INTERVAL_MAX: Duration = Duration::from_millis(250);

/// The jobs that requests wait for. Cheap to clone.
#[derive(Clone, Default)]
pub struct Changes(Arc<Mutex<HashMap<JobId, Waiters>>>);

struct Waiters {
    count: usize,
    changed: Arc<Notify>,
}

impl Changes {
    /// Wakes the requests that wait for these jobs.
    pub fn wake(&self, ids: impl IntoIterator<Item = JobId>) {
        let waited_for = lock(&self.0);
        if waited_for.is_empty() {
            return;
        }
        for id in ids {
            if let Some(waiters) = waited_for.get(&id) {
                waiters.changed.notify_waiters();
            }
        }
    }

    /// Wakes whom the ledger's nudges concern, until they end. Those that were missed are left to the looks.
    pub async fn follow(self, mut nudges: broadcast::Receiver<Arc<FeedRow>>) {
        loop {
            match nudges.recv().await {
                Ok(row) => row.events.iter().for_each(|event| self.wake_by(event)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn wake_by(&self, event: &FeedEvent) {
        match event {
            FeedEvent::Ready(jobs) => self.wake(jobs.iter().map(|job| job.id)),
            FeedEvent::Claimed { claimed: attempts, .. } | FeedEvent::Freed(attempts) => self.wake(attempts.iter().map(|(id, _)| *id)),
            FeedEvent::Gone(ids) => self.wake(ids.iter().copied()),
            FeedEvent::Limits | FeedEvent::Workers | FeedEvent::Delayed(_) => {}
        }
    }

    fn join(&self, id: JobId) -> Arc<Notify> {
        let mut waited_for = lock(&self.0);
        let waiters = waited_for.entry(id).or_insert_with(|| Waiters { count: 0, changed: Arc::default() });
        waiters.count += 1;
        waiters.changed.clone()
    }

    fn leave(&self, id: JobId) {
        let mut waited_for = lock(&self.0);
        if let Some(waiters) = waited_for.get_mut(&id) {
            waiters.count -= 1;
            if waiters.count == 0 {
                waited_for.remove(&id);
            }
        }
    }
}

/// A request's wait for one job: look, [`Wait::pause`], look again, until the pause says that time is up.
pub(crate) struct Wait {
    id: JobId,
    changes: Changes,
    changed: Arc<Notify>,
    /// Registered before each look, or a change between a look and the pause waits a full interval.
    next_change: Pin<Box<OwnedNotified>>,
    shutdown: CancellationToken,
    until: Instant,
    interval: Duration,
}

impl Wait {
    pub(crate) fn start(changes: &Changes, shutdown: &CancellationToken, id: JobId, time: Duration) -> Self {
        let changed = changes.join(id);
        Self {
            id,
            changes: changes.clone(),
            next_change: armed(&changed),
            changed,
            shutdown: shutdown.clone(),
            until: Instant::now() + time,
            interval: INTERVAL_FIRST,
        }
    }

    /// Sleeps until there may be something new. False when the time is up or the process stops.
    pub(crate) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.until || self.shutdown.is_cancelled() {
            return false;
        }
        tokio::select! {
            () = &mut self.next_change => {}
            () = tokio::time::sleep_until(self.until.min(now + self.interval)) => {}
            () = self.shutdown.cancelled() => {}
        }
        self.interval = (self.interval * 2).min(INTERVAL_MAX);
        self.next_change = armed(&self.changed);
        true
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.changes.leave(self.id);
    }
}

fn armed(changed: &Arc<Notify>) -> Pin<Box<OwnedNotified>> {
    let mut next_change = Box::pin(changed.clone().notified_owned());
    next_change.as_mut().enable();
    next_change
}

/// A panic while the map was held leaves it whole, so its poison means nothing here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_after_the_look_ends_the_pause_at_once() {
        let (changes, id) = (Changes::default(), JobId::generate());
        let mut wait = Wait::start(&changes, &CancellationToken::new(), id, Duration::from_secs(10));
        changes.wake([JobId::generate(), id]);
        let before = Instant::now();
        assert!(wait.pause().await);
        assert_eq!(Instant::now(), before);
        drop(wait);
        assert!(lock(&changes.0).is_empty(), "nobody waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn without_wake_ups_the_looks_grow_apart_until_the_time_is_up() {
        let mut wait = Wait::start(&Changes::default(), &CancellationToken::new(), JobId::generate(), Duration::from_secs(10));
        let (start, mut looks) = (Instant::now(), 0);
        while wait.pause().await {
            looks += 1;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(looks, 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopping_process_waits_for_nobody() {
        let shutdown = CancellationToken::new();
        let mut wait = Wait::start(&Changes::default(), &shutdown, JobId::generate(), Duration::from_secs(10));
        shutdown.cancel();
        assert!(!wait.pause().await);
    }
}
