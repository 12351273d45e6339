//! The carrier that needs nothing but the ledger: tickets are rows, and workers look for them.
//!
//! It is what carries everything while Redis is away, and the whole of a cluster without one. Its floor is the
//! time between two looks. A worker looks only while one of its queues waits for a ticket, and seldom while
//! another carrier brings its tickets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rand::seq::SliceRandom;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{PlannerEnd, WorkerEnd, channel::ChannelCarrier};
use crate::{
    ledger::{Offer, Result, Ticket, TicketId, Upkeep, Work},
    queue::QueueName,
    status::{Carrier, Carrying},
};

/// The leadership whose epoch guards ticket rows: that of the duties.
pub const LEADERSHIP: &str = "duties";

/// Tickets seen in one look: enough for every queue of a worker, few enough that most are still there when presented.
const LOOK_MAX: usize = 64;
/// The pause between looks while tickets come.
const PAUSE_BUSY: Duration = Duration::from_millis(5);
/// The pause when none came for [`BUSY`]: four looks a second per idle worker.
const PAUSE_IDLE: Duration = Duration::from_millis(250);
/// The pause while another carrier is well: what that loses waits so long.
const PAUSE_RELAXED: Duration = Duration::from_secs(1);
/// A ticket makes another this soon likely: its jobs free their slots, and the planner fills them.
const BUSY: Duration = Duration::from_secs(1);

/// The planner's end: ticket rows, written and deleted.
pub struct TicketRows(pub Arc<dyn Upkeep>);

#[async_trait]
impl PlannerEnd for TicketRows {
    async fn offer(&self, epoch: i64, tickets: Vec<Ticket>) -> Result<bool> {
        self.0.issue(LEADERSHIP, epoch, tickets).await
    }

    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>> {
        self.0.revoke(tickets).await
    }

    async fn reset(&self) -> Result<()> {
        self.0.revoke_all().await
    }

    fn carrying(&self) -> Carrying {
        Carrying { in_use: Carrier::Ledger, why: "no Redis is configured (dispatch.redis_url)".into(), stands_in: false }
    }
}

/// A worker's end: looks for tickets of the queues that wait for one.
pub struct TicketLooks {
    ledger: Arc<dyn Work>,
    /// The kinds this worker knows; a ticket of another is left to others.
    kinds: Vec<String>,
    /// What was found and not yet taken.
    found: ChannelCarrier,
    /// How many takers wait, by queue.
    waiting: Mutex<BTreeMap<QueueName, usize>>,
    wanted: Notify,
    /// Whether another carrier is well.
    relaxed: AtomicBool,
    /// Whether another carrier brought a ticket since the last look.
    brought: AtomicBool,
    hurried: Notify,
}

impl TicketLooks {
    /// A worker's end for these kinds; [`TicketLooks::keep`] must run beside it.
    pub fn new(ledger: Arc<dyn Work>, kinds: Vec<String>) -> Self {
        Self {
            ledger,
            kinds,
            found: ChannelCarrier::default(),
            waiting: Mutex::default(),
            wanted: Notify::new(),
            relaxed: AtomicBool::new(false),
            brought: AtomicBool::new(false),
            hurried: Notify::new(),
        }
    }

    /// Says whether another carrier is well, so that looks may be seldom.
    pub fn relax(&self, relaxed: bool) {
        if self.relaxed.swap(relaxed, Ordering::SeqCst) && !relaxed {
            self.hurried.notify_one();
        }
    }

    /// Hands on a ticket that another carrier brought. Returns whether it did: one of a kind that this worker does not
    /// know is left to those whose looks find its row.
    pub fn hand(&self, ticket: Ticket) -> bool {
        let known = self.kinds.contains(&ticket.kind);
        if known {
            self.brought.store(true, Ordering::SeqCst);
            self.found.put(ticket);
        }
        known
    }

    /// Looks while somebody waits, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut found_at: Option<Instant> = None;
        while !stop.is_cancelled() {
            let looked = tokio::select! {
                biased;
                // A look waits for somebody who waits for a ticket, and whoever stops takes none.
                () = stop.cancelled() => return,
                looked = self.look() => looked,
            };
            let found = match looked {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "looking for tickets");
                    0
                }
            };
            let brought = self.brought.swap(false, Ordering::SeqCst);
            if brought && self.relaxed.load(Ordering::SeqCst) {
                // What was found comes the other way too: nothing to hurry for.
                found_at = None;
            } else if found > 0 {
                found_at = Some(Instant::now());
            }
            let busy = found_at.is_some_and(|found_at| found_at.elapsed() < BUSY);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.hurried.notified() => {}
                () = tokio::time::sleep(self.pause(busy)) => {}
            }
        }
    }

    fn pause(&self, busy: bool) -> Duration {
        match self.relaxed.load(Ordering::SeqCst) {
            _ if busy => PAUSE_BUSY,
            true => PAUSE_RELAXED,
            false => PAUSE_IDLE,
        }
    }

    async fn look(&self) -> Result<usize> {
        let queues = self.wanted_queues().await;
        let mut tickets = self.ledger.tickets(&queues, &self.kinds, LOOK_MAX).await?;
        // All workers see the same tickets: in one order they would all run for the first.
        tickets.shuffle(&mut rand::rng());
        let found = tickets.len();
        let mut wanted = lock(&self.waiting).clone();
        for ticket in tickets {
            let takers = wanted.entry(ticket.queue.clone()).or_default();
            if *takers > 0 {
                *takers -= 1;
                self.found.put(ticket);
            }
        }
        Ok(found)
    }

    /// The queues that wait for a ticket; waits until there is one.
    async fn wanted_queues(&self) -> Vec<QueueName> {
        loop {
            let wanted = self.wanted.notified();
            let queues: Vec<QueueName> = lock(&self.waiting).keys().cloned().collect();
            if !queues.is_empty() {
                return queues;
            }
            wanted.await;
        }
    }
}

#[async_trait]
impl WorkerEnd for TicketLooks {
    fn writes_rows(&self) -> bool {
        true
    }

    async fn take(&self, queue: &QueueName) -> Result<Ticket> {
        let _waiting = Waiting::of(self, queue);
        self.found.take(queue).await
    }

    /// Nothing to give: the row is there until a claim finds it.
    async fn give_back(&self, _: Ticket) {}

    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>> {
        self.ledger.on_offer(queues, kinds).await
    }
}

/// Counts a taker as waiting for as long as it lives, however it ends.
struct Waiting<'l> {
    looks: &'l TicketLooks,
    queue: &'l QueueName,
}

impl<'l> Waiting<'l> {
    fn of(looks: &'l TicketLooks, queue: &'l QueueName) -> Self {
        *lock(&looks.waiting).entry(queue.clone()).or_default() += 1;
        looks.wanted.notify_one();
        Self { looks, queue }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.looks.waiting);
        if let Some(takers) = waiting.get_mut(self.queue) {
            *takers -= 1;
            if *takers == 0 {
                waiting.remove(self.queue);
            }
        }
    }
}

/// A panic while the map was held leaves it whole, so its poison means nothing here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Timestamp, VirtualClock},
        ledger::model::ModelLedger,
    };

    #[tokio::test]
    async fn it_stops_though_nobody_waits_for_a_ticket() {
        let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
        let looks = Arc::new(TicketLooks::new(Arc::new(ModelLedger::new(Arc::new(clock))), Vec::new()));
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(looks.keep(stop.clone()));
        tokio::task::yield_now().await;
        stop.cancel();
        keeping.await.expect("it returns");
    }
}
