//! The role `Work`: claim, heartbeat, settle, and what running handlers say.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::{
    SqliteLedger, changes,
    writer::{Tx, Verb},
};
use crate::{
    artifact::Artifact,
    clock::Timestamp,
    contract::Contract,
    job::JobId,
    ledger::{Claim, Claimed, FeedEvent, Held, Holding, Note, Offer, Result, Ticket, Work, WorkerRecord, rows},
    lifecycle::{Change, Snapshot},
    queue::QueueName,
};

#[async_trait]
impl Work for SqliteLedger {
    async fn enroll(&self, worker: &WorkerRecord, contracts: &[Contract]) -> Result<()> {
        self.writer.write(Enroll { worker: worker.clone(), contracts: contracts.to_vec() }).await
    }

    async fn dismiss(&self, worker: &str) -> Result<()> {
        self.writer.write(Dismiss(worker.to_owned())).await
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>> {
        self.writer.write(claim).await
    }

    async fn heartbeat(&self, worker: &str, held: Vec<Holding>) -> Result<Vec<Held>> {
        self.writer.write(Heartbeat { worker: worker.to_owned(), held }).await
    }

    async fn settle(&self, changes: Vec<Change>) -> Result<Vec<bool>> {
        self.writer.settle(changes).await
    }

    async fn tickets(&self, queues: &[QueueName], kinds: &[String], limit: usize) -> Result<Vec<Ticket>> {
        let rows: Vec<rows::TicketRow> = sqlx::query_as(self.sql.tickets.clone())
            .bind(serde_json::to_string(queues)?)
            .bind(serde_json::to_string(kinds)?)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(rows::TicketRow::into_ticket).collect()
    }

    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(self.sql.on_offer.clone())
            .bind(self.clock.now().ms())
            .bind(serde_json::to_string(queues)?)
            .bind(serde_json::to_string(kinds)?)
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(rows::offer).collect()
    }

    async fn reread(&self, ids: Vec<JobId>) -> Result<Vec<Snapshot>> {
        let ids: Vec<_> = ids.into_iter().map(rows::hex).collect();
        let rows: Vec<rows::SnapshotRow> =
            sqlx::query_as(self.sql.snapshots.clone()).bind(serde_json::to_string(&ids)?).fetch_all(&self.readers).await?;
        rows.iter().map(rows::SnapshotRow::snapshot).collect()
    }

    async fn note(&self, notes: Vec<Note>) -> Result<()> {
        self.writer.write(Notes(notes)).await
    }

    async fn record_artifact(&self, id: JobId, artifact: Artifact) -> Result<bool> {
        self.writer.write(RecordArtifact { id, artifact }).await
    }
}

#[async_trait]
impl Verb for Claim {
    type Answer = Vec<Claimed>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>> {
        if self.ticket_row && !use_ticket(tx, self).await? {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = self.ids.iter().map(|(id, attempt)| json!([rows::hex(*id), attempt])).collect();
        let ids = serde_json::to_string(&ids)?;
        let rows: Vec<rows::ClaimedRow> = sqlx::query_as(tx.sql.claim.clone())
            .bind(&ids)
            .bind(tx.now.ms())
            .bind(i64::try_from(self.take).unwrap_or(i64::MAX))
            .bind(&self.worker)
            .bind(self.lease_ms)
            .fetch_all(&mut *tx.connection)
            .await?;
        let now = tx.now;
        let mut claimed = rows.into_iter().map(|row| row.into_claimed(now)).collect::<Result<Vec<_>>>()?;
        let place = |job: &Claimed| self.ids.iter().position(|(id, _)| *id == job.snapshot.id);
        claimed.sort_by_key(place);

        if !claimed.is_empty() {
            lease(tx, now.plus_ms(self.lease_ms), claimed.iter().map(|job| job.snapshot.id)).await?;
        }
        let all_claimed = claimed.len() == self.ids.len();
        let returned: Vec<Uuid> = if all_claimed {
            Vec::new()
        } else {
            sqlx::query_scalar(tx.sql.unclaimed.clone()).bind(&ids).fetch_all(&mut *tx.connection).await?
        };
        tx.feed.push(FeedEvent::Claimed {
            ticket: self.ticket,
            claimed: claimed.iter().map(|job| (job.snapshot.id, job.snapshot.attempt)).collect(),
            returned: returned.into_iter().map(rows::job_id).collect(),
        });
        Ok(claimed)
    }
}

async fn use_ticket(tx: &mut Tx<'_>, claim: &Claim) -> Result<bool> {
    let used: Option<Uuid> = sqlx::query_scalar(tx.sql.use_ticket.clone()).bind(claim.ticket).fetch_optional(&mut *tx.connection).await?;
    Ok(used.is_some())
}

async fn lease(tx: &mut Tx<'_>, expires_at: Timestamp, ids: impl Iterator<Item = JobId>) -> Result<()> {
    let ids: Vec<u8> = ids.flat_map(|id| *id.as_bytes()).collect();
    sqlx::query(tx.sql.lease.clone()).bind(expires_at.ms()).bind(ids).execute(&mut *tx.connection).await?;
    Ok(())
}

struct Heartbeat {
    worker: String,
    held: Vec<Holding>,
}

#[async_trait]
impl Verb for Heartbeat {
    type Answer = Vec<Held>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Vec<Held>> {
        let now = tx.now;
        sqlx::query(tx.sql.seen.clone()).bind(&self.worker).bind(now.ms()).execute(&mut *tx.connection).await?;
        if self.held.is_empty() {
            return Ok(Vec::new());
        }
        let held: Vec<_> = self
            .held
            .iter()
            .map(|holding| json!({"id": rows::hex(holding.id), "attempt": holding.attempt, "lease_ms": holding.lease_ms}))
            .collect();
        let renewed: Vec<(Uuid, i32, bool, i64)> = sqlx::query_as(tx.sql.heartbeat.clone())
            .bind(serde_json::to_string(&held)?)
            .bind(now.ms())
            .bind(&self.worker)
            .fetch_all(&mut *tx.connection)
            .await?;
        // A row per length of lease: under the longest one a lost attempt with a short one would be found late.
        let mut by_end: BTreeMap<i64, Vec<JobId>> = BTreeMap::new();
        for (id, .., lease_until_ms) in &renewed {
            by_end.entry(*lease_until_ms).or_default().push(rows::job_id(*id));
        }
        for (lease_until_ms, ids) in by_end {
            lease(tx, Timestamp::from_ms(lease_until_ms), ids.into_iter()).await?;
        }
        renewed
            .into_iter()
            .map(|(id, attempt, cancel_requested, _)| Ok(Held { id: rows::job_id(id), attempt: rows::count(attempt)?, cancel_requested }))
            .collect()
    }
}

struct Enroll {
    worker: WorkerRecord,
    contracts: Vec<Contract>,
}

#[async_trait]
impl Verb for Enroll {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        let now_ms = tx.now.ms();
        sqlx::query(tx.sql.enroll.clone())
            .bind(&self.worker.id)
            .bind(serde_json::to_string(&self.worker)?)
            .bind(now_ms)
            .execute(&mut *tx.connection)
            .await?;
        changes::execute_over(tx, |sql| &sql.publish, &self.contracts).await?;
        tx.feed.push(FeedEvent::Workers);
        Ok(())
    }
}

struct Dismiss(String);

#[async_trait]
impl Verb for Dismiss {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        sqlx::query(tx.sql.dismiss.clone()).bind(&self.0).execute(&mut *tx.connection).await?;
        tx.feed.push(FeedEvent::Workers);
        Ok(())
    }
}

struct Notes(Vec<Note>);

#[async_trait]
impl Verb for Notes {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        for note in &self.0 {
            let row = json!([{
                "id": rows::hex(note.id),
                "attempt": note.attempt,
                "progress": note.progress.as_ref().map(|progress| json!(progress).to_string()),
                "checkpoint": note.checkpoint,
                "lines": json!(note.lines).to_string(),
                "dropped": note.dropped,
            }])
            .to_string();
            if note.progress.is_some() || note.checkpoint.is_some() {
                sqlx::query(tx.sql.note.clone()).bind(&row).execute(&mut *tx.connection).await?;
            }
            if !note.lines.is_empty() || note.dropped > 0 {
                sqlx::query(tx.sql.log.clone()).bind(&row).execute(&mut *tx.connection).await?;
            }
        }
        Ok(())
    }
}

struct RecordArtifact {
    id: JobId,
    artifact: Artifact,
}

#[async_trait]
impl Verb for RecordArtifact {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let artifact = &self.artifact;
        let recorded = sqlx::query(tx.sql.record_artifact.clone())
            .bind(Uuid::from_bytes(*self.id.as_bytes()))
            .bind(artifact.attempt)
            .bind(&artifact.name)
            .bind(i64::try_from(artifact.bytes).unwrap_or(i64::MAX))
            .bind(&artifact.sha256)
            .bind(&artifact.media_type)
            .bind(&artifact.key)
            .execute(&mut *tx.connection)
            .await?;
        Ok(recorded.rows_affected() > 0)
    }
}
