//! The duty `dispatch`: the planner's eyes and hands. It feeds the planner with what the ledger says and gives
//! the tickets it plans to the carrier; it decides nothing itself.
//!
//! Its lag: for how long the oldest row had lain unread in the feed when it was read, by this process's clock; rows are stamped
//! by the ledger's.
//!
//! What the planner holds in memory is always rebuilt from the ledger: at a take-over, and after any failure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use tokio::sync::{
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    mpsc,
};
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::Timestamp,
    dispatch::plan::Planner,
    ledger::{Depths, Error, FeedEvent, FeedRow, Result, TicketId},
    status::Planning,
};

use crate::{Scheduler, duty, lag::Lags, leader::Renewal, promote::Delays, scrub::Ask};

/// How often the feed is read whether or not there was a nudge, where nudges tell of everything.
const TICK_MS: i64 = 1_000;
/// How often it is read where they do not, while there is something to be found.
const READ_BUSY_MS: i64 = 5;
/// How often when there was nothing for [`BUSY_MS`].
const READ_IDLE_MS: i64 = 200;
/// What was found makes the next this long likely to bring more: a job's whole way and back, many times over.
const BUSY_MS: i64 = 1_000;
/// How often the workers are looked at: one that died without a word is missed this late, and its silence.
const WORKERS_EVERY_MS: i64 = 2_000;
/// A worker that was not heard of for longer is not planned for: three of its signs of life.
const WORKER_SILENT_MS_MAX: i64 = 15_000;
/// A ticket that nobody presented for this long is taken back.
const TICKET_MS_MAX: i64 = 30_000;
/// Feed rows read in one go.
const FEED_ROWS_MAX: usize = 1_000;
/// Nudged feed rows that are not yet taken off the feed.
const SEEN_MAX: usize = 512;
/// The pause before memory is rebuilt after a failure.
const TROUBLE_PAUSE_MS: i64 = 500;

/// Its name in logs and metrics.
pub(crate) const NAME: &str = "dispatch";

/// What the duty shares with the others of its term.
pub(crate) struct Term {
    /// The term's number.
    pub(crate) epoch: i64,
    /// Whether it still lasts.
    pub(crate) renewal: Renewal,
    /// Where due times are told on, for the duty `promote`.
    pub(crate) delays: Arc<Delays>,
    /// How far behind every duty is.
    pub(crate) lags: Lags,
}

/// Plans until `stop`.
pub(crate) async fn run(scheduler: Scheduler, term: Term, mut asked: mpsc::Receiver<Ask>, stop: CancellationToken) {
    loop {
        let failed = tokio::select! {
            // The end of the term first: what another leads by now is not to be touched.
            biased;
            () = stop.cancelled() => return,
            Err(error) = plan_on(&scheduler, &term, &mut asked) => error,
        };
        tracing::warn!(error = %failed, "dispatch starts again from the ledger");
        tokio::select! {
            () = stop.cancelled() => return,
            () = scheduler.clock.sleep_until(scheduler.clock.now().plus_ms(TROUBLE_PAUSE_MS)) => {}
        }
    }
}

/// Takes over and plans; returns only by an error.
async fn plan_on(scheduler: &Scheduler, term: &Term, asked: &mut mpsc::Receiver<Ask>) -> Result<std::convert::Infallible> {
    let mut dispatch = Dispatch::take_over(scheduler, term, asked).await?;
    loop {
        dispatch.plan().await?;
        dispatch.wait().await?;
    }
}

struct Dispatch<'s> {
    scheduler: &'s Scheduler,
    term: &'s Term,
    /// What the duty `scrub` asks the planner.
    asked: &'s mut mpsc::Receiver<Ask>,
    planner: Planner,
    nudges: broadcast::Receiver<Arc<FeedRow>>,
    /// Nudged rows that are still in the feed.
    seen: Vec<i64>,
    /// Rows that were read off the feed while their nudges were still under way.
    read: BTreeSet<i64>,
    ticked_at: Timestamp,
    /// When the feed is read next.
    read_at: Timestamp,
    /// When it last told something.
    found_at: Timestamp,
    workers_at: Timestamp,
    /// For how long the oldest row had lain in the feed that was read since the last tick.
    lag_ms: i64,
    published: Depths,
}

impl<'s> Dispatch<'s> {
    /// Builds the planner's memory from the ledger. Listens first, so that nothing falls between.
    async fn take_over(scheduler: &'s Scheduler, term: &'s Term, asked: &'s mut mpsc::Receiver<Ask>) -> Result<Self> {
        let now = scheduler.clock.now();
        let mut dispatch = Self {
            scheduler,
            term,
            asked,
            planner: Planner::new(),
            nudges: scheduler.ledger.nudges(),
            seen: Vec::new(),
            read: BTreeSet::new(),
            ticked_at: now,
            read_at: now,
            found_at: now,
            workers_at: now,
            lag_ms: 0,
            published: Depths::default(),
        };
        dispatch.until_fresh().await;
        scheduler.carrier.reset().await?;
        dispatch.load_limits().await?;
        dispatch.load_workers().await?;
        let ledger = &scheduler.ledger;
        dispatch.planner.load_running(ledger.running().await?);
        dispatch.planner.discover(ledger.lanes().await?);
        dispatch.read_feed().await?;
        Ok(dispatch)
    }

    /// Hands out what may run now.
    async fn plan(&mut self) -> Result<()> {
        self.take_back().await?;
        self.refill().await?;
        let tickets = self.planner.plan(self.scheduler.clock.now(), &mut TicketId::now_v7);
        if !tickets.is_empty() {
            let handed_out: usize = tickets.iter().map(|ticket| ticket.ids.len()).sum();
            metrics::counter!("windrow_tickets_issued_total").increment(tickets.len() as u64);
            metrics::counter!("windrow_jobs_handed_out_total").increment(handed_out as u64);
            let leads = self.scheduler.carrier.offer(self.term.epoch, tickets).await?;
            if !leads {
                return Err(Error::Unavailable("another scheduler leads".into()));
            }
        }
        Ok(())
    }

    /// Takes back what a pause, a lower cap or nobody's interest says should not be out.
    async fn take_back(&mut self) -> Result<()> {
        let stale_before = self.scheduler.clock.now().plus_ms(-TICKET_MS_MAX);
        let mut unwanted = self.planner.overdrawn();
        unwanted.extend(self.planner.stale(stale_before));
        if !unwanted.is_empty() {
            let revoked = self.scheduler.carrier.revoke(unwanted).await?;
            self.planner.revoked(&revoked);
        }
        Ok(())
    }

    async fn refill(&mut self) -> Result<()> {
        for want in self.planner.wants() {
            let jobs = self.scheduler.ledger.ready(&want.lane, want.after, want.jobs).await?;
            self.planner.refill(&want.lane, jobs, want.jobs);
        }
        Ok(())
    }

    /// Waits for something to do, and learns of it.
    async fn wait(&mut self) -> Result<()> {
        let clock = &self.scheduler.clock;
        let now = clock.now();
        if now < self.ticked_at {
            // The clock was set back: what lies ahead by the old time is due now.
            (self.ticked_at, self.read_at, self.found_at, self.workers_at) = (now, now, now, now);
        }
        let tick_at = self.ticked_at.plus_ms(TICK_MS).min(self.read_at);
        let wake_at = self.planner.next_wake(now).map_or(tick_at, |wake_at| wake_at.min(tick_at));
        tokio::select! {
            nudge = self.nudges.recv() => match nudge {
                Ok(row) => self.hear_all(row).await?,
                Err(RecvError::Lagged(_)) => drop(self.read_feed().await?),
                Err(RecvError::Closed) => {}
            },
            Some(Ask { jobs, missed }) = self.asked.recv() => {
                // Whoever asked may have ended with its term.
                let _ = missed.send(jobs.into_iter().filter(|job| self.planner.misses(job)).collect());
            }
            () = clock.sleep_until(wake_at) => {}
        }
        if clock.now() >= tick_at || self.seen.len() >= SEEN_MAX {
            self.tick().await?;
        }
        Ok(())
    }

    /// Hears this nudge and those that queued up behind it.
    async fn hear_all(&mut self, first: Arc<FeedRow>) -> Result<()> {
        let mut next = Some(first);
        while let Some(row) = next {
            if !self.read.remove(&row.seq) {
                self.seen.push(row.seq);
                self.hear(&row).await?;
            }
            next = match self.nudges.try_recv() {
                Ok(row) => Some(row),
                Err(TryRecvError::Lagged(_)) => return self.read_feed().await.map(|_| ()),
                Err(TryRecvError::Empty | TryRecvError::Closed) => None,
            };
        }
        Ok(())
    }

    async fn hear(&mut self, row: &FeedRow) -> Result<()> {
        let now = self.scheduler.clock.now();
        for event in &row.events {
            match event {
                FeedEvent::Limits => self.load_limits().await?,
                FeedEvent::Workers => self.load_workers().await?,
                FeedEvent::Delayed(due_ms) => self.term.delays.tell(*due_ms),
                event => self.planner.apply(event, now),
            }
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<()> {
        let began = Instant::now();
        let found = self.read_feed().await?;
        let now = self.scheduler.clock.now();
        if found {
            self.found_at = now;
        }
        self.read_at = now.plus_ms(match now.ms_since(self.found_at) {
            _ if self.scheduler.hears_all => TICK_MS,
            ..BUSY_MS => READ_BUSY_MS,
            _ => READ_IDLE_MS,
        });
        if now < self.ticked_at.plus_ms(TICK_MS) {
            return Ok(());
        }
        self.ticked_at = now;
        if now.ms_since(self.workers_at) >= WORKERS_EVERY_MS {
            self.load_workers().await?;
        }
        self.term.lags.looked(NAME, std::mem::take(&mut self.lag_ms), now.plus_ms(TICK_MS));
        self.publish(now).await?;
        duty::record(NAME, began, true, now);
        Ok(())
    }

    /// Takes everything off the feed; what a nudge had told before is only removed. Returns whether there was more.
    async fn read_feed(&mut self) -> Result<bool> {
        // Nudges older than the oldest row that can still be told twice are long through the channel.
        while self.read.len() > FEED_ROWS_MAX {
            self.read.pop_first();
        }
        let mut found = false;
        loop {
            self.until_fresh().await;
            let rows = self.scheduler.ledger.feed(std::mem::take(&mut self.seen), FEED_ROWS_MAX).await?;
            found |= !rows.is_empty();
            let now = self.scheduler.clock.now();
            for row in &rows {
                if row.at_ms > 0 {
                    self.lag_ms = self.lag_ms.max(now.ms() - row.at_ms);
                }
                self.read.insert(row.seq);
                self.hear(row).await?;
            }
            if rows.len() < FEED_ROWS_MAX {
                return Ok(found);
            }
        }
    }

    /// Until nobody else can lead: another's tickets and feed are not to be touched.
    async fn until_fresh(&self) {
        self.term.renewal.until_fresh(&*self.scheduler.clock).await;
    }

    async fn load_limits(&mut self) -> Result<()> {
        let limits = self.scheduler.ledger.limits().await?;
        self.planner.set_limits(&limits);
        Ok(())
    }

    async fn load_workers(&mut self) -> Result<()> {
        let workers = self.scheduler.ledger.workers(WORKER_SILENT_MS_MAX).await?;
        self.planner.set_workers(&workers);
        let contracts = self.scheduler.ledger.contracts().await?;
        self.planner
            .set_kinds(contracts.into_iter().map(|contract| (contract.kind, contract.policy.cost, contract.policy.ticket_jobs_max)));
        self.workers_at = self.scheduler.clock.now();
        Ok(())
    }

    /// Publishes each second, changed or not: its age proves that somebody plans.
    async fn publish(&mut self, now: Timestamp) -> Result<()> {
        let planning = Planning {
            leader: self.scheduler.name.clone(),
            epoch: self.term.epoch,
            carrying: self.scheduler.carrier.carrying(),
            duties: self.term.lags.at(now),
        };
        let depths = Depths { planning: Some(planning), ..self.planner.depths(now) };
        record(&depths, &self.published);
        self.scheduler.ledger.publish_depths(depths.clone()).await?;
        self.published = depths;
        Ok(())
    }
}

/// Tells the depths per queue; a tenant's are in the ledger. Queues that were told of before and are empty now are told of too.
fn record(depths: &Depths, before: &Depths) {
    let mut queues: BTreeMap<&str, (u64, u64, i64)> = BTreeMap::new();
    for lane in &before.lanes {
        queues.insert(lane.lane.queue.as_str(), (0, 0, depths.at_ms));
    }
    for lane in &depths.lanes {
        let (ready, running, oldest_ms) = queues.entry(lane.lane.queue.as_str()).or_insert((0, 0, depths.at_ms));
        *ready += lane.ready;
        *running += lane.running;
        *oldest_ms = lane.oldest_ms.map_or(*oldest_ms, |lane_ms| lane_ms.min(*oldest_ms));
    }
    for (queue, (ready, running, oldest_ms)) in queues {
        metrics::gauge!("windrow_queue_ready", "queue" => queue.to_owned()).set(ready as f64);
        metrics::gauge!("windrow_queue_running", "queue" => queue.to_owned()).set(running as f64);
        metrics::gauge!("windrow_queue_oldest_age_seconds", "queue" => queue.to_owned()).set((depths.at_ms - oldest_ms) as f64 / 1_000.0);
    }
}
