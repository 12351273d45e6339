//! When a queue's tickets are fetched: while somebody waits for one, and there may be one.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;

/// An answer that takes longer means that Redis is not well, long before it counts as lost.
const ANSWER_MAX: Duration = Duration::from_millis(250);

/// One queue's gate, shared by those who wait, those who hear, and the fetching backend.
#[derive(Default)]
pub(super) struct Gate {
    /// How many takers wait for a ticket.
    waiting: AtomicUsize,
    /// Whether there may be a ticket that no fetch has asked for yet.
    armed: AtomicBool,
    /// Whether the apalis worker is registered.
    connected: AtomicBool,
    /// The calls to Redis that have no answer yet: how many, and since when.
    calls: Mutex<(usize, Option<Instant>)>,
    fetcher: AtomicWaker,
}

impl Gate {
    /// There may be a ticket.
    pub(super) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
        self.fetcher.wake();
    }

    /// Counts a taker for as long as the guard lives.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.arm();
        Waiting(self)
    }

    /// Who is woken when the gate may open. To be called before looking.
    pub(super) fn register(&self, waker: &Waker) {
        self.fetcher.register(waker);
    }

    /// Whether to fetch now; what the gate was armed by counts as asked for.
    pub(super) fn opens(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0 && self.armed.swap(false, Ordering::SeqCst)
    }

    /// A ticket was fetched. Its taker comes back through [`Gate::wait`]; only another taker is a reason to fetch on,
    /// or this worker would hold a ticket that it has no slot for.
    pub(super) fn fetched(&self) {
        if self.waiting.load(Ordering::SeqCst) > 1 {
            self.arm();
        }
    }

    pub(super) fn connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::SeqCst);
    }

    /// Whether tickets come through it at their usual pace.
    pub(super) fn is_well(&self) -> bool {
        let answered = self.calls().1.is_none_or(|asked_at| asked_at.elapsed() < ANSWER_MAX);
        self.connected.load(Ordering::SeqCst) && answered
    }

    /// Counts a call to Redis for as long as the guard lives.
    pub(super) fn call(&self) -> Calling<'_> {
        let mut calls = self.calls();
        calls.0 += 1;
        calls.1 = calls.1.or_else(|| Some(Instant::now()));
        Calling(self)
    }

    pub(super) fn is_calling(&self) -> bool {
        self.calls().0 > 0
    }

    /// A panic while it was held leaves it whole, so its poison means nothing here.
    fn calls(&self) -> MutexGuard<'_, (usize, Option<Instant>)> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A taker that waits.
pub(super) struct Waiting<'g>(&'g Gate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A call without an answer yet.
pub(super) struct Calling<'g>(&'g Gate);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        let mut calls = self.0.calls();
        calls.0 -= 1;
        if calls.0 == 0 {
            calls.1 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_only_for_takers_and_once_for_each_reason() {
        let gate = Gate::default();
        gate.arm();
        assert!(!gate.opens(), "nobody waits");
        let waiting = gate.wait();
        assert!(gate.opens(), "a new taker may find a ticket");
        assert!(!gate.opens(), "the fetch for it is under way");
        gate.arm();
        assert!(gate.opens(), "a nudge during a fetch is a reason for another");
        gate.fetched();
        assert!(!gate.opens(), "the only taker has its ticket");
        let other = gate.wait();
        assert!(gate.opens());
        gate.fetched();
        assert!(gate.opens(), "of two takers one still waits");
        drop(other);
        gate.arm();
        drop(waiting);
        assert!(!gate.opens(), "nobody waits any more");
    }
}
