//! The verb `insert`: whatever queued up while the last commit ran is one statement and one commit.
//!
//! Jobs with keys share commits among themselves: who has no key never waits for another's (`keyed.rs`).
//! A commit whose fate is unknown is repeated with the same ids until it is known; a submission whose data the
//! database refuses takes nobody with it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Core, Tx, changes, is_passing};
use crate::{
    clock::Timestamp,
    keys::Inserted,
    ledger::{BATCH_MAX, Error, Result, keyed, side::SideRows},
    submit::NewJob,
};

/// Tasks that commit at the same time: the second fills while the first waits for the disk.
const COMMITTERS: usize = 2;
/// How long an insert is repeated before its caller hears that the ledger is not available.
const REPEAT_FOR: Duration = Duration::from_secs(3);
/// The pause between two tries.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);

/// One submission that waits for its commit.
struct Ask {
    jobs: Vec<NewJob>,
    reply: oneshot::Sender<Result<Vec<Inserted>>>,
}

/// The callers' end. The tasks behind it end when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Inserts {
    plain: mpsc::UnboundedSender<Ask>,
    keyed: mpsc::UnboundedSender<Ask>,
}

impl Inserts {
    pub(super) fn start(core: &Arc<Core>) -> Self {
        Self { plain: start_committers(core), keyed: start_committers(core) }
    }

    pub(super) async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>> {
        let stopped = || Error::Unavailable("the inserter has stopped".into());
        let (reply, answer) = oneshot::channel();
        let sender = if jobs.iter().all(|job| job.keys.is_empty()) { &self.plain } else { &self.keyed };
        sender.send(Ask { jobs, reply }).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// The same at once and alone, but nothing is kept where an idempotency key went with another submission before.
pub(super) async fn insert_unless_reused(core: &Core, jobs: &[NewJob]) -> Result<Vec<Inserted>> {
    insert_until_known(core, &jobs.iter().collect::<Vec<_>>(), true).await
}

fn start_committers(core: &Arc<Core>) -> mpsc::UnboundedSender<Ask> {
    let (sender, asks) = mpsc::unbounded_channel();
    let asks = Arc::new(tokio::sync::Mutex::new(asks));
    for _ in 0..COMMITTERS {
        tokio::spawn(commit_all(core.clone(), asks.clone()));
    }
    sender
}

async fn commit_all(core: Arc<Core>, asks: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Ask>>>) {
    loop {
        let mut batch = Vec::new();
        if asks.lock().await.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        commit(&core, batch).await;
    }
}

/// Commits a batch of submissions; where the database refuses the data of one, halves it until that one is alone.
async fn commit(core: &Core, batch: Vec<Ask>) {
    let mut open = vec![batch];
    while let Some(mut batch) = open.pop() {
        let jobs: Vec<&NewJob> = batch.iter().flat_map(|ask| &ask.jobs).collect();
        match insert_until_known(core, &jobs, false).await {
            Err(Error::Refused(_)) if batch.len() > 1 => {
                let second = batch.split_off(batch.len() / 2);
                open.push(second);
                open.push(batch);
            }
            committed => {
                let mut inserted = committed.map(Vec::into_iter);
                for ask in batch {
                    let became = inserted.as_mut().map(|inserted| inserted.take(ask.jobs.len()).collect());
                    // A caller that went away does not undo its job.
                    let _ = ask.reply.send(became.map_err(|error| error.clone()));
                }
            }
        }
    }
}

async fn insert_until_known(core: &Core, jobs: &[&NewJob], unless_reused: bool) -> Result<Vec<Inserted>> {
    let until = Instant::now() + REPEAT_FOR;
    loop {
        match insert(core, jobs, unless_reused).await {
            Err(error) if is_passing(&error) && Instant::now() < until => tokio::time::sleep(REPEAT_PAUSE).await,
            known => return known,
        }
    }
}

async fn insert(core: &Core, jobs: &[&NewJob], unless_reused: bool) -> Result<Vec<Inserted>> {
    let mut tx = core.begin().await?;
    let inserted = if jobs.iter().all(|job| job.keys.is_empty()) {
        vec![Inserted::Kept; jobs.len()]
    } else {
        keyed::reserve_all(&mut tx, jobs).await?
    };
    if unless_reused && inserted.contains(&Inserted::Reused) {
        tx.roll_back().await?;
        return Ok(inserted);
    }
    let kept: Vec<&NewJob> = jobs.iter().zip(&inserted).filter(|(_, inserted)| **inserted == Inserted::Kept).map(|(job, _)| *job).collect();
    keep(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(inserted)
}

/// Keeps these jobs with their side rows.
pub(super) async fn keep(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<()> {
    for jobs in jobs.chunks(BATCH_MAX) {
        // One id twice in one statement would be refused as a whole; the later one is the repetition.
        let mut distinct = HashSet::with_capacity(jobs.len());
        let jobs: Vec<&NewJob> = jobs.iter().copied().filter(|job| distinct.insert(job.id)).collect();
        let inserted: Vec<uuid::Uuid> = sqlx::query_scalar(tx.sql().insert.clone())
            .bind(jobs.iter().map(|job| changes::uuid(job.id)).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.tenant.as_str()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.queue.as_str()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| changes::int(job.contract_version)).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| changes::state(job.state)).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.priority).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| changes::int(job.max_attempts)).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.created_at.ms()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.run_at.ms()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.deadline.map(Timestamp::ms)).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.payload.get()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| serde_json::Value::from(job.tags.as_slice()).to_string()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|job| job.keys.unique.as_deref()).collect::<Vec<_>>())
            .fetch_all(tx.connection())
            .await?;
        if !inserted.is_empty() {
            let inserted: HashSet<_> = inserted.into_iter().collect();
            let new: Vec<&NewJob> = jobs.into_iter().filter(|job| inserted.contains(&changes::uuid(job.id))).collect();
            changes::write_side_rows(tx, SideRows::of_insert(&new), None).await?;
        }
    }
    Ok(())
}
