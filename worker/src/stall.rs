//! Whether the worker leaves work lying that it should take: work is on offer, slots are free, and nothing is claimed.
//!
//! Judged by what the ledger (or the shelf of the one process) says, never by the runners or the carrier, which may be
//! what is stuck. An offer is permitted work: the planner makes no ticket of what is paused, capped or over its rate.
//! No verdict without a look: while the ledger is away nothing is known, and that is a matter of `ready`, not of `live`.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tokio_util::sync::CancellationToken;
use windrow_jobs::{clock::Timestamp, dispatch::carrier::WorkerEnd, ledger::Offer, queue::QueueName};

use crate::{pulse::Pulse, slots::Slots};

/// How often it is seen what is on offer: one small read per worker.
const LOOK_EVERY_MS: i64 = 1_000;
/// The most that the time between two looks counts for: a machine that slept, or a clock that was set, is no worker that
/// was stuck meanwhile.
const LOOK_COUNTS_MS_MAX: i64 = 2 * LOOK_EVERY_MS;

/// Looks every second, and shows what it sees in the worker's pulse.
pub(crate) struct Watch {
    pub worker: String,
    pub carrier: Arc<dyn WorkerEnd>,
    pub kinds: Vec<String>,
    pub queues: BTreeMap<QueueName, Arc<Slots>>,
    pub pulse: Arc<Pulse>,
}

impl Watch {
    /// Looks until `stop`: a worker that drains takes nothing, and is well.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let names: Vec<QueueName> = self.queues.keys().cloned().collect();
        let mut stall = Stall::new(self.pulse.stalled_after_ms());
        let clock = self.pulse.clock().clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = clock.sleep_until(clock.now().plus_ms(LOOK_EVERY_MS)) => {}
            }
            let offers = tokio::select! {
                () = stop.cancelled() => break,
                offers = self.carrier.on_offer(&names, &self.kinds) => offers,
            };
            match offers {
                Ok(offers) => self.show(stall.look(clock.now(), self.seen(&offers))),
                Err(error) => {
                    tracing::debug!(worker = self.worker, %error, "looking at what is on offer");
                    stall.forget();
                    self.show(Vec::new());
                }
            }
        }
        self.show(Vec::new());
    }

    fn seen<'w>(&'w self, offers: &'w [Offer]) -> impl Iterator<Item = Seen<'w>> {
        self.queues.iter().map(|(queue, slots)| {
            let offer = offers.iter().find(|offer| offer.queue == *queue);
            Seen { queue, free: slots.free(), claims: slots.claims(), oldest_ms: offer.map(|offer| offer.age_ms) }
        })
    }

    fn show(&self, stalled: Vec<Stalled>) {
        for queue in self.queues.keys() {
            let stalled = stalled.iter().any(|stalled| stalled.queue == *queue);
            metrics::gauge!("windrow_worker_stalled", "queue" => queue.to_string()).set(f64::from(u8::from(stalled)));
        }
        let reasons: Vec<String> = stalled.iter().map(ToString::to_string).collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        match (self.pulse.stall(reason.clone()), reason) {
            (false, Some(reason)) => tracing::error!(worker = self.worker, reason, "the worker leaves work lying"),
            (true, None) => tracing::info!(worker = self.worker, "the worker leaves no work lying any more"),
            _ => {}
        }
    }
}

/// One queue at one look.
struct Seen<'q> {
    queue: &'q QueueName,
    free: u32,
    claims: u64,
    /// For how long the oldest ticket on offer has waited; none where none is.
    oldest_ms: Option<i64>,
}

/// A queue whose work is left lying.
#[derive(Debug, PartialEq, Eq)]
struct Stalled {
    queue: QueueName,
    free: u32,
    oldest_ms: i64,
    unclaimed_ms: i64,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, free, oldest_ms, unclaimed_ms } = self;
        write!(
            f,
            "queue {queue}: work is on offer (the oldest ticket waits {oldest_ms} ms), {free} slots are free, and nothing was claimed for {} s",
            unclaimed_ms / 1_000
        )
    }
}

/// What the looks so far come to. Pure.
struct Stall {
    after_ms: i64,
    looked_at: Option<Timestamp>,
    queues: BTreeMap<QueueName, Waiting>,
}

/// One queue over the looks.
#[derive(Default)]
struct Waiting {
    claims: u64,
    /// Since the last claim, or the start.
    unclaimed_ms: i64,
    /// For how long every look saw an offer, a free slot and no claim; none while it does not.
    idle_ms: Option<i64>,
}

impl Stall {
    const fn new(after_ms: i64) -> Self {
        Self { after_ms, looked_at: None, queues: BTreeMap::new() }
    }

    /// Takes a look in. Returns the queues whose work is left lying.
    fn look<'q>(&mut self, now: Timestamp, seen: impl Iterator<Item = Seen<'q>>) -> Vec<Stalled> {
        let since_ms = self.looked_at.map_or(0, |looked_at| now.ms_since(looked_at).clamp(0, LOOK_COUNTS_MS_MAX));
        self.looked_at = Some(now);
        seen.filter_map(|seen| self.queues.entry(seen.queue.clone()).or_default().look(&seen, since_ms, self.after_ms)).collect()
    }

    /// Nothing could be seen: whoever waited begins anew.
    fn forget(&mut self) {
        self.queues.values_mut().for_each(|waiting| waiting.idle_ms = None);
    }
}

impl Waiting {
    fn look(&mut self, seen: &Seen<'_>, since_ms: i64, after_ms: i64) -> Option<Stalled> {
        if self.claims == seen.claims {
            self.unclaimed_ms += since_ms;
        } else {
            *self = Self { claims: seen.claims, ..Self::default() };
        }
        let oldest_ms = seen.oldest_ms.filter(|_| seen.free > 0);
        self.idle_ms = oldest_ms.map(|_| self.idle_ms.map_or(0, |idle_ms| idle_ms + since_ms));
        let (oldest_ms, idle_ms) = (oldest_ms?, self.idle_ms?);
        (idle_ms >= after_ms).then(|| Stalled { queue: seen.queue.clone(), free: seen.free, oldest_ms, unclaimed_ms: self.unclaimed_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a look finds: free slots, claims so far, an offer.
    type Look = (u32, u64, bool);
    const OFFERED: Look = (2, 0, true);

    /// Whether the last of these looks, one a second, says that work is left lying, with a patience of 3 s.
    fn stalled(looks: &[Look]) -> bool {
        let (queue, mut stall) = (QueueName::default_queue(), Stall::new(3_000));
        let mut last = false;
        for (second, (free, claims, offered)) in looks.iter().enumerate() {
            let seen = Seen { queue: &queue, free: *free, claims: *claims, oldest_ms: offered.then_some(700) };
            let at = Timestamp::from_ms(1_000 * i64::try_from(second).expect("a few looks"));
            last = !stall.look(at, [seen].into_iter()).is_empty();
        }
        last
    }

    #[test]
    fn only_work_that_lies_beside_free_slots_all_the_time_is_left_lying() {
        let busy: Look = (0, 0, true);
        let nothing: Look = (2, 0, false);
        let cases: [(&str, &[Look], bool); 7] = [
            ("not long enough", &[OFFERED; 3], false),
            ("long enough", &[OFFERED; 4], true),
            ("no work, a paused queue, a cap", &[nothing; 9], false),
            ("all slots busy", &[busy; 9], false),
            ("busy in between", &[OFFERED, OFFERED, busy, OFFERED, OFFERED, OFFERED], false),
            ("a claim in between", &[OFFERED, OFFERED, OFFERED, (2, 1, true), (2, 1, true)], false),
            ("a claim long ago", &[(2, 1, true), (2, 1, true), (2, 1, true), (2, 1, true), (2, 1, true)], true),
        ];
        for (case, looks, expected) in cases {
            assert_eq!(stalled(looks), expected, "{case}");
        }
    }

    #[test]
    fn a_look_that_failed_is_no_look() {
        let (queue, mut stall) = (QueueName::default_queue(), Stall::new(2_000));
        let look = |stall: &mut Stall, second: i64| {
            let seen = Seen { queue: &queue, free: 1, claims: 0, oldest_ms: Some(5) };
            stall.look(Timestamp::from_ms(1_000 * second), [seen].into_iter())
        };
        assert!(look(&mut stall, 0).is_empty() && look(&mut stall, 1).is_empty());
        stall.forget();
        assert!(look(&mut stall, 2).is_empty(), "the ledger was away: it begins anew");
        assert!(look(&mut stall, 3).is_empty());
        let stalled = look(&mut stall, 4);
        let expected = "queue default: work is on offer (the oldest ticket waits 5 ms), 1 slots are free, and nothing was claimed for 4 s";
        assert_eq!(stalled.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_step_of_the_clock_is_no_stall() {
        let (queue, mut stall) = (QueueName::default_queue(), Stall::new(30_000));
        for at_ms in [0, 3_600_000, 0, 7_200_000] {
            let seen = Seen { queue: &queue, free: 1, claims: 0, oldest_ms: Some(5) };
            assert!(stall.look(Timestamp::from_ms(at_ms), [seen].into_iter()).is_empty());
        }
    }
}
