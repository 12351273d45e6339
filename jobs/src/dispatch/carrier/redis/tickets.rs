//! The planner's end: ticket rows first, then the same tickets into Redis, without ever waiting for it.
//!
//! A task of its own pushes, so that a Redis that hangs costs the planner nothing; what it cannot push is dropped,
//! since the rows are there. What is left of used-up tickets it removes as it goes. While there is nothing to push it
//! asks Redis whether it lives, so that `/status` tells the truth of an idle installation too.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::redis::{AsyncCommands, Client, RedisResult, Script, aio::ConnectionManager};
use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{NUDGES, QUEUES, config};
use crate::{
    dispatch::{
        carrier::{PlannerEnd, ledger::TicketRows},
        window::WINDOW_IDS_MAX,
    },
    ledger::{Result, Ticket, TicketId, Upkeep},
    queue::QueueName,
    redis::{Outages, connect},
    status::{Carrier, Carrying},
};

/// What waits to be pushed: a second's worth of plans; in an outage more would only be old.
const PUSHES_MAX: usize = 256;
/// How often, while nothing is pushed, the remains of used-up tickets are removed, or else Redis is asked whether it lives.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Used-up tickets removed with each push or sweep: more than a push adds, so that none are left behind, and less
/// than a millisecond of Redis's time.
const SWEEP_TICKETS_MAX: usize = 500;

static PUSH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("push.lua")));
static REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("remove.lua")));
static CLEAR: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("clear.lua")));

/// The planner's end. Its task ends with it.
pub struct RedisTickets {
    rows: TicketRows,
    pushes: mpsc::Sender<Push>,
    /// Whether Redis was there when it was last asked for anything.
    well: Arc<AtomicBool>,
}

/// What is to be done to Redis.
enum Push {
    Offer(Vec<Ticket>),
    Revoke(Vec<TicketId>),
    Reset,
}

impl RedisTickets {
    /// Begins. Connects when the planner first has something to say: a standby must not touch a leader's tickets.
    pub fn start(client: Client, ledger: Arc<dyn Upkeep>) -> Self {
        let (pushes, pushed) = mpsc::channel(PUSHES_MAX);
        let well = Arc::new(AtomicBool::new(true));
        tokio::spawn(push_all(client, pushed, well.clone()));
        Self { rows: TicketRows(ledger), pushes, well }
    }

    /// Full means that Redis is away or slow: the rows carry what is dropped here.
    fn push(&self, push: Push) {
        let _ = self.pushes.try_send(push);
    }
}

#[async_trait]
impl PlannerEnd for RedisTickets {
    async fn offer(&self, epoch: i64, tickets: Vec<Ticket>) -> Result<bool> {
        let leads = self.rows.offer(epoch, tickets.clone()).await?;
        if leads {
            self.push(Push::Offer(tickets));
        }
        Ok(leads)
    }

    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>> {
        let revoked = self.rows.revoke(tickets).await?;
        if !revoked.is_empty() {
            self.push(Push::Revoke(revoked.clone()));
        }
        Ok(revoked)
    }

    async fn reset(&self) -> Result<()> {
        self.rows.reset().await?;
        self.push(Push::Reset);
        Ok(())
    }

    fn carrying(&self) -> Carrying {
        if self.well.load(Ordering::Relaxed) {
            Carrying { in_use: Carrier::Redis, why: "Redis is configured, and answers".into(), stands_in: false }
        } else {
            Carrying { in_use: Carrier::Ledger, why: "Redis does not answer".into(), stands_in: true }
        }
    }
}

/// Pushes until the planner's end is dropped.
async fn push_all(client: Client, mut pushes: mpsc::Receiver<Push>, well: Arc<AtomicBool>) {
    let mut outages = Outages::of("pushing tickets");
    // One that is full answers well, and refuses what is pushed: only a push that it takes shows that it has room again.
    let mut refused = false;
    let mut next = pushes.recv().await;
    if next.is_none() {
        return;
    }
    loop {
        let mut answered = || {
            outages.over();
            well.store(true, Ordering::Relaxed);
        };
        let Err(error) = push_on(&client, next.take(), &mut pushes, refused, &mut answered).await else { return };
        refused = error.code().is_some();
        well.store(false, Ordering::Relaxed);
        let pause = tokio::time::sleep(outages.failed(&error));
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                // What comes meanwhile is dropped: it would be late.
                push = pushes.recv() => if push.is_none() { return },
            }
        }
    }
}

/// Pushes over one connection; returns at the end of the pushes, or by an error.
async fn push_on(
    client: &Client,
    first: Option<Push>,
    pushes: &mut mpsc::Receiver<Push>,
    refused: bool,
    answered: &mut impl FnMut(),
) -> RedisResult<()> {
    let mut redis = Redis { connection: connect(client).await?, shelves: BTreeMap::new() };
    let mut next = first;
    while next.is_none() {
        // Nothing to say yet, and perhaps never again: another may lead by now, whose tickets are not to be touched.
        redis.ping().await?;
        if !refused {
            answered();
        }
        next = match wait(pushes).await {
            Waited::Push(push) => Some(push),
            Waited::Long => None,
            Waited::End => return Ok(()),
        };
    }
    // What is there was pushed before an outage or by another planner, and is stale.
    redis.clear().await?;
    loop {
        match next.take() {
            Some(push) => redis.push(push).await?,
            None if redis.shelves.values().all(Shelf::is_swept) => redis.ping().await?,
            None => redis.sweep().await?,
        }
        // Only now: a Redis that is full can be connected to, and refuses what is pushed.
        answered();
        next = match wait(pushes).await {
            Waited::Push(push) => Some(push),
            Waited::Long => None,
            Waited::End => return Ok(()),
        };
    }
}

/// What came of a wait for something to push.
enum Waited {
    Push(Push),
    Long,
    End,
}

async fn wait(pushes: &mut mpsc::Receiver<Push>) -> Waited {
    tokio::select! {
        push = pushes.recv() => push.map_or(Waited::End, Waited::Push),
        () = tokio::time::sleep(SWEEP_EVERY) => Waited::Long,
    }
}

/// A connection, and what is known to lie behind it.
struct Redis {
    connection: ConnectionManager,
    shelves: BTreeMap<QueueName, Shelf>,
}

impl Redis {
    async fn push(&mut self, push: Push) -> RedisResult<()> {
        match push {
            Push::Offer(tickets) => {
                let mut queues: BTreeMap<QueueName, Vec<Ticket>> = BTreeMap::new();
                for ticket in tickets {
                    queues.entry(ticket.queue.clone()).or_default().push(ticket);
                }
                for (queue, tickets) in queues {
                    self.offer(&queue, tickets).await?;
                }
                Ok(())
            }
            Push::Revoke(tickets) => self.revoke(&tickets).await,
            Push::Reset => self.clear().await,
        }
    }

    /// Pushes as many of the tickets as the budget allows; the rest has its rows.
    async fn offer(&mut self, queue: &QueueName, mut tickets: Vec<Ticket>) -> RedisResult<()> {
        let shelf = self.shelves.entry(queue.clone()).or_default();
        if shelf.fitting(&tickets) < tickets.len() {
            let length: usize = self.connection.llen(config(queue).active_jobs_list()).await?;
            shelf.shrink_to(length);
            tickets.truncate(shelf.fitting(&tickets));
        }
        shelf.waiting.extend(tickets.iter().map(|ticket| (ticket.id, ticket.ids.len())));
        self.write(queue, &tickets).await
    }

    async fn ping(&mut self) -> RedisResult<()> {
        ::redis::cmd("PING").exec_async(&mut self.connection).await
    }

    async fn sweep(&mut self) -> RedisResult<()> {
        let unswept = self.shelves.iter().filter(|(_, shelf)| !shelf.is_swept());
        let queues: Vec<QueueName> = unswept.map(|(queue, _)| queue.clone()).collect();
        for queue in queues {
            self.write(&queue, &[]).await?;
        }
        Ok(())
    }

    async fn write(&mut self, queue: &QueueName, tickets: &[Ticket]) -> RedisResult<()> {
        let config = config(queue);
        let mut script = PUSH.key(config.active_jobs_list());
        script.key(config.job_data_hash()).key(config.job_meta_hash()).key(config.done_jobs_set()).key(QUEUES);
        script.arg(queue.as_str()).arg(NUDGES).arg(SWEEP_TICKETS_MAX);
        for ticket in tickets {
            let data = serde_json::to_vec(ticket).expect("a ticket is names and numbers: it has a JSON form");
            script.arg(ticket.id.to_string()).arg(data);
        }
        let (active, kept): (usize, usize) = script.invoke_async(&mut self.connection).await?;
        let shelf = self.shelves.entry(queue.clone()).or_default();
        shelf.shrink_to(active);
        shelf.kept = kept;
        metrics::gauge!("windrow_redis_tickets", "queue" => queue.to_string()).set(kept as f64);
        Ok(())
    }

    async fn revoke(&mut self, tickets: &[TicketId]) -> RedisResult<()> {
        for (queue, shelf) in &mut self.shelves {
            let waiting: Vec<String> = shelf.waiting.iter().filter(|(id, _)| tickets.contains(id)).map(|(id, _)| id.to_string()).collect();
            if waiting.is_empty() {
                continue;
            }
            let config = config(queue);
            let mut script = REMOVE.key(config.active_jobs_list());
            script.key(config.job_data_hash()).key(config.job_meta_hash()).arg(waiting);
            let active: usize = script.invoke_async(&mut self.connection).await?;
            shelf.waiting.retain(|(id, _)| !tickets.contains(id));
            shelf.shrink_to(active);
        }
        Ok(())
    }

    async fn clear(&mut self) -> RedisResult<()> {
        let names: Vec<String> = self.connection.smembers(QUEUES).await?;
        for queue in names.iter().filter_map(|name| name.parse().ok()) {
            let config = config(&queue);
            let mut script = CLEAR.key(config.active_jobs_list());
            script.key(config.job_data_hash()).key(config.job_meta_hash()).key(config.workers_set()).key(config.inflight_jobs_set());
            script.key(config.done_jobs_set()).key(config.dead_jobs_set()).key(config.failed_jobs_set());
            script.key(config.scheduled_jobs_set()).key(config.signal_list());
            let () = script.invoke_async(&mut self.connection).await?;
        }
        self.shelves.clear();
        Ok(())
    }
}

/// What was pushed for one queue.
#[derive(Default)]
struct Shelf {
    /// The tickets that may still be in the active list, oldest first, and how many ids each names. Workers take
    /// from the front, so of a list of so many these are the last so many.
    waiting: VecDeque<(TicketId, usize)>,
    /// How many tickets had data when it was last asked, used-up ones included.
    kept: usize,
}

impl Shelf {
    fn is_swept(&self) -> bool {
        self.kept == 0
    }

    fn shrink_to(&mut self, length: usize) {
        let gone = self.waiting.len().saturating_sub(length);
        self.waiting.drain(..gone);
    }

    /// How many of these tickets, from the first, fit the budget of ids.
    fn fitting(&self, tickets: &[Ticket]) -> usize {
        let mut left = (WINDOW_IDS_MAX as usize).saturating_sub(self.waiting.iter().map(|(_, ids)| ids).sum());
        let fits = |ticket: &&Ticket| match left.checked_sub(ticket.ids.len()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        tickets.iter().take_while(fits).count()
    }
}
