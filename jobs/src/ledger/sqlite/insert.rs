//! The verb `insert`: all jobs of a commit in one statement, after their keys if they have any (`keyed.rs`).

use std::collections::{BTreeMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::{changes, writer::Tx};
use crate::{
    clock::Timestamp,
    keys::Inserted,
    ledger::{BATCH_MAX, Result, keyed, rows, side::SideRows},
    submit::NewJob,
};

/// Keeps these jobs with their side rows, but for those that their keys forbid.
pub(super) async fn insert(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<Vec<Inserted>> {
    if jobs.iter().all(|job| job.keys.is_empty()) {
        keep(tx, jobs).await?;
        return Ok(vec![Inserted::Kept; jobs.len()]);
    }
    let inserted = keyed::reserve_all(tx, jobs).await?;
    let kept: Vec<&NewJob> = jobs.iter().zip(&inserted).filter(|(_, inserted)| **inserted == Inserted::Kept).map(|(job, _)| *job).collect();
    keep(tx, &kept).await?;
    Ok(inserted)
}

/// The same, but nothing is written where an idempotency key went with another submission before.
pub(super) async fn insert_unless_reused(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<Vec<Inserted>> {
    let told = tx.feed.len();
    sqlx::query("SAVEPOINT unless_reused").execute(&mut *tx.connection).await?;
    let inserted = insert(tx, jobs).await?;
    if inserted.contains(&Inserted::Reused) {
        sqlx::query("ROLLBACK TO unless_reused").execute(&mut *tx.connection).await?;
        tx.feed.truncate(told);
    }
    sqlx::query("RELEASE unless_reused").execute(&mut *tx.connection).await?;
    Ok(inserted)
}

async fn keep(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<()> {
    for batch in jobs.chunks(BATCH_MAX) {
        insert_batch(tx, batch).await?;
    }
    Ok(())
}

async fn insert_batch(tx: &mut Tx<'_>, jobs: &[&NewJob]) -> Result<()> {
    let rows: Vec<_> = jobs.iter().map(|job| row(job)).collect();
    let mut inserted: HashSet<Uuid> = sqlx::query_scalar(tx.sql.insert.clone())
        .bind(serde_json::to_string(&rows)?)
        .fetch_all(&mut *tx.connection)
        .await?
        .into_iter()
        .collect();
    // An id twice in a batch is kept once: the first time it is met.
    let new: Vec<&NewJob> = jobs.iter().copied().filter(|job| inserted.remove(&Uuid::from_bytes(*job.id.as_bytes()))).collect();
    if new.is_empty() {
        return Ok(());
    }

    let mut accepted: BTreeMap<&str, i64> = BTreeMap::new();
    for job in &new {
        *accepted.entry(job.tenant.as_str()).or_default() += 1;
    }
    sqlx::query(tx.sql.accept.clone()).bind(serde_json::to_string(&accepted)?).execute(&mut *tx.connection).await?;

    changes::write_side_rows(tx, SideRows::of_insert(&new)).await
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
        "created_at_ms": job.created_at.ms(),
        "run_at_ms": job.run_at.ms(),
        "deadline_at_ms": job.deadline.map(Timestamp::ms),
        "payload": job.payload.get(),
        "tags": serde_json::Value::from(job.tags.as_slice()).to_string(),
        "unique_key": job.keys.unique,
    })
}
