//! The one task that writes. Whatever queued up while the last commit ran is written in the next one, so
//! many submissions share one fsync and no time window is waited for.
//!
//! A verb that fails takes nobody with it: the commit is rolled back and everybody is tried alone.

use std::{mem, sync::Arc};

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{Statements, insert};
use crate::{
    clock::{Clock, Timestamp},
    keys::Inserted,
    ledger::{Error, FeedEvent, FeedRow, Result, guarded},
    lifecycle::Change,
    submit::NewJob,
};

/// The most requests that share a commit: bounds how long the first of them waits for the rest.
const COMMIT_REQUESTS_MAX: usize = 1_024;

/// A verb that writes.
#[async_trait]
pub(super) trait Verb: Send + Sync {
    /// What the caller learns.
    type Answer: Send;
    /// Writes within a transaction. Runs again from the start when a neighbour's failure rolled it back.
    async fn write(&self, tx: &mut Tx<'_>) -> Result<Self::Answer>;
}

/// A transaction that is being written.
pub(super) struct Tx<'c> {
    /// The writer's connection.
    pub connection: &'c mut SqliteConnection,
    /// The statements.
    pub sql: &'c Statements,
    /// The instant of everything in this transaction.
    pub now: Timestamp,
    /// What the planner will hear, once committed.
    pub feed: Vec<FeedEvent>,
}

/// What waits for the writer. Inserts and settles are told apart so that all of a commit go into one statement each.
pub(super) enum Request {
    Insert(Ask<Vec<NewJob>, Vec<Inserted>>),
    Settle(Ask<Vec<Change>, Vec<bool>>),
    Other(Box<dyn Pending>),
}

/// Input that waits for an answer.
pub(super) struct Ask<I, A> {
    pub input: I,
    pub reply: oneshot::Sender<Result<A>>,
}

/// A verb of any answer that waits to be written.
#[async_trait]
pub(super) trait Pending: Send {
    async fn write(&mut self, tx: &mut Tx<'_>) -> Result<()>;
    fn reply(self: Box<Self>, committed: Result<()>);
}

struct Waiting<V: Verb> {
    verb: V,
    answer: Option<V::Answer>,
    reply: oneshot::Sender<Result<V::Answer>>,
}

#[async_trait]
impl<V: Verb> Pending for Waiting<V> {
    async fn write(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.answer = Some(self.verb.write(tx).await?);
        Ok(())
    }

    fn reply(self: Box<Self>, committed: Result<()>) {
        let Self { answer, reply, .. } = *self;
        // The caller may have gone away; what was committed stays.
        let _ = reply.send(committed.map(|()| answer.expect("a committed verb was written")));
    }
}

/// The callers' end.
#[derive(Clone)]
pub(super) struct Writer(mpsc::UnboundedSender<Request>);

impl Writer {
    /// Starts the task on its own connection. It ends when the last `Writer` is dropped.
    pub(super) fn start(
        connection: SqliteConnection,
        sql: Arc<Statements>,
        clock: Arc<dyn Clock>,
        nudges: broadcast::Sender<Arc<FeedRow>>,
    ) -> Self {
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(Task { connection, sql, clock, nudges }.run(requests));
        Self(sender)
    }

    pub(super) async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        self.ask(|reply| Request::Insert(Ask { input: jobs, reply })).await
    }

    pub(super) async fn settle(&self, changes: Vec<Change>) -> Result<Vec<bool>> {
        self.ask(|reply| Request::Settle(Ask { input: changes, reply })).await
    }

    pub(super) async fn write<V: Verb + 'static>(&self, verb: V) -> Result<V::Answer> {
        self.ask(|reply| Request::Other(Box::new(Waiting { verb, answer: None, reply }))).await
    }

    async fn ask<A>(&self, request: impl FnOnce(oneshot::Sender<Result<A>>) -> Request) -> Result<A> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::Unavailable("the writer has stopped".into());
        self.0.send(request(reply)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

struct Task {
    connection: SqliteConnection,
    sql: Arc<Statements>,
    clock: Arc<dyn Clock>,
    nudges: broadcast::Sender<Arc<FeedRow>>,
}

impl Task {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut queued = Vec::new();
        while requests.recv_many(&mut queued, COMMIT_REQUESTS_MAX).await > 0 {
            let mut batch = Batch::of(mem::take(&mut queued));
            match self.commit(&mut batch).await {
                Ok(()) => batch.reply(Ok(())),
                Err(error) if batch.is_single() => batch.reply(Err(error)),
                Err(_) => self.commit_one_by_one(batch).await,
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the ledger's writing connection");
        }
    }

    async fn commit_one_by_one(&mut self, batch: Batch) {
        for mut single in batch.into_singles() {
            let committed = self.commit(&mut single).await;
            single.reply(committed);
        }
    }

    async fn commit(&mut self, batch: &mut Batch) -> Result<()> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        let written = match self.write(batch).await {
            Ok(fed) => sqlx::query("COMMIT").execute(&mut self.connection).await.map(|_| fed).map_err(Error::from),
            Err(error) => Err(error),
        };
        match written {
            Ok(fed) => {
                if let Some(row) = fed {
                    // No receiver is fine: a nudge is only a hint.
                    let _ = self.nudges.send(Arc::new(row));
                }
                Ok(())
            }
            Err(error) => {
                // SQLite itself rolls back on some errors, and then there is nothing left to roll back.
                let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
                Err(error)
            }
        }
    }

    async fn write(&mut self, batch: &mut Batch) -> Result<Option<FeedRow>> {
        let mut tx = Tx { connection: &mut self.connection, sql: &self.sql, now: self.clock.now(), feed: Vec::new() };
        let jobs: Vec<&NewJob> = batch.inserts.iter().flat_map(|ask| &ask.input).collect();
        batch.inserted = insert::insert(&mut tx, &jobs).await?;
        for other in &mut batch.others {
            other.write(&mut tx).await?;
        }
        let changes: Vec<&Change> = batch.settles.iter().flat_map(|ask| &ask.input).collect();
        batch.settled = guarded::settle(&mut tx, &changes).await?;
        append_feed(tx).await
    }
}

async fn append_feed(tx: Tx<'_>) -> Result<Option<FeedRow>> {
    if tx.feed.is_empty() {
        return Ok(None);
    }
    let events = serde_json::to_string(&tx.feed)?;
    let seq = sqlx::query_scalar(tx.sql.append_feed.clone()).bind(events).bind(tx.now.ms()).fetch_one(tx.connection).await?;
    Ok(Some(FeedRow { seq, at_ms: tx.now.ms(), events: tx.feed }))
}

/// Requests that share a commit.
#[derive(Default)]
struct Batch {
    inserts: Vec<Ask<Vec<NewJob>, Vec<Inserted>>>,
    /// For each job of each insert in turn, what became of it.
    inserted: Vec<Inserted>,
    others: Vec<Box<dyn Pending>>,
    settles: Vec<Ask<Vec<Change>, Vec<bool>>>,
    /// For each change of each settle in turn, whether it was written.
    settled: Vec<bool>,
}

impl Batch {
    fn of(requests: impl IntoIterator<Item = Request>) -> Self {
        let mut batch = Self::default();
        for request in requests {
            match request {
                Request::Insert(ask) => batch.inserts.push(ask),
                Request::Settle(ask) => batch.settles.push(ask),
                Request::Other(pending) => batch.others.push(pending),
            }
        }
        batch
    }

    fn is_single(&self) -> bool {
        self.inserts.len() + self.others.len() + self.settles.len() == 1
    }

    fn into_singles(self) -> impl Iterator<Item = Self> {
        let inserts = self.inserts.into_iter().map(Request::Insert);
        let others = self.others.into_iter().map(Request::Other);
        let settles = self.settles.into_iter().map(Request::Settle);
        inserts.chain(others).chain(settles).map(|request| Self::of([request]))
    }

    fn reply(self, committed: Result<()>) {
        let mut inserted = self.inserted.into_iter();
        for ask in self.inserts {
            let became: Vec<Inserted> = inserted.by_ref().take(ask.input.len()).collect();
            let _ = ask.reply.send(committed.clone().map(|()| became));
        }
        for other in self.others {
            other.reply(committed.clone());
        }
        let mut settled = self.settled.into_iter();
        for ask in self.settles {
            let written: Vec<bool> = settled.by_ref().take(ask.input.len()).collect();
            let _ = ask.reply.send(committed.clone().map(|()| written));
        }
    }
}
