//! The verb `insert`: all jobs of a commit in one statement.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::{changes::Delay, writer::Tx};
use crate::{
    clock::Timestamp,
    job::State,
    ledger::{BATCH_MAX, FeedEvent, LaneKey, ReadyJob, Result, rows},
    submit::NewJob,
};

/// Keeps these jobs with their side rows.
pub(super) async fn insert(tx: &mut Tx<'_>, jobs: impl Iterator<Item = &NewJob>) -> Result<()> {
    let jobs: Vec<&NewJob> = jobs.collect();
    for batch in jobs.chunks(BATCH_MAX) {
        insert_batch(tx, batch).await?;
    }
    Ok(())
}

async fn insert_batch(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<()> {
    let rows: Vec<_> = jobs.iter().map(|job| row(job)).collect();
    let inserted: HashSet<Uuid> = sqlx::query_scalar(tx.sql.insert.clone())
        .bind(serde_json::to_string(&rows)?)
        .bind(tx.now.ms())
        .fetch_all(&mut *tx.connection)
        .await?
        .into_iter()
        .collect();
    let new: Vec<_> = jobs.iter().filter(|job| inserted.contains(&Uuid::from_bytes(*job.id.as_bytes()))).collect();
    if new.is_empty() {
        return Ok(());
    }

    let mut accepted: BTreeMap<&str, i64> = BTreeMap::new();
    for job in &new {
        *accepted.entry(job.tenant.as_str()).or_default() += 1;
    }
    sqlx::query(tx.sql.accept.clone()).bind(serde_json::to_string(&accepted)?).execute(&mut *tx.connection).await?;

    let delays = new.iter().filter_map(|job| Delay::of(job.state, job.id, &job.tenant, job.run_at, job.deadline)).collect();
    Delay::write(tx, delays).await?;
    let ready: Vec<_> = new.iter().filter(|job| job.state == State::Available).map(|job| ready_job(job)).collect();
    if !ready.is_empty() {
        tx.feed.push(FeedEvent::Ready(ready));
    }
    Ok(())
}

fn row(job: &NewJob) -> serde_json::Value {
    json!({
        "id": rows::hex(job.id),
        "tenant": job.tenant,
        "queue": job.queue,
        "kind": job.kind,
        "contract_version": job.contract_version,
        "state": job.state.number(),
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "run_at_ms": job.run_at.ms(),
        "deadline_at_ms": job.deadline.map(Timestamp::ms),
        "payload": job.payload.get(),
        "tags": serde_json::Value::from(job.tags.as_slice()).to_string(),
    })
}

fn ready_job(job: &NewJob) -> ReadyJob {
    ReadyJob {
        id: job.id,
        attempt: 0,
        lane: LaneKey { queue: job.queue.clone(), tenant: job.tenant.clone() },
        kind: job.kind.clone(),
        priority: job.priority,
    }
}
