//! The role `Work`: claim, heartbeat, settle, and what running handlers say.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{
    PostgresLedger, Tx,
    changes::{int, uuid},
};
use crate::{
    artifact::Artifact,
    clock::Timestamp,
    contract::Contract,
    job::JobId,
    ledger::{Claim, Claimed, FeedEvent, Held, Holding, Note, Offer, Result, Ticket, Work, WorkerRecord, guarded, rows},
    lifecycle::{Change, Snapshot},
    queue::QueueName,
};

#[async_trait]
impl Work for PostgresLedger {
    async fn enroll(&self, worker: &WorkerRecord, contracts: &[Contract]) -> Result<()> {
        let mut tx = self.core.begin().await?;
        sqlx::query(tx.sql().enroll.clone())
            .bind(self.core.clock_ms())
            .bind(&worker.id)
            .bind(serde_json::to_string(worker)?)
            .execute(tx.connection())
            .await?;
        let texts: Vec<String> = contracts.iter().map(serde_json::to_string).collect::<std::result::Result<_, _>>()?;
        sqlx::query(tx.sql().publish.clone())
            .bind(contracts.iter().map(|contract| contract.kind.as_str()).collect::<Vec<_>>())
            .bind(contracts.iter().map(|contract| int(contract.version)).collect::<Vec<_>>())
            .bind(texts)
            .execute(tx.connection())
            .await?;
        tx.feed.push(FeedEvent::Workers);
        tx.commit().await
    }

    async fn dismiss(&self, worker: &str) -> Result<()> {
        let mut tx = self.core.begin().await?;
        sqlx::query(tx.sql().dismiss.clone()).bind(worker).execute(tx.connection()).await?;
        tx.feed.push(FeedEvent::Workers);
        tx.commit().await
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>> {
        let mut tx = self.core.begin().await?;
        let claimed = claim_in(&mut tx, &claim).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    async fn heartbeat(&self, worker: &str, held: Vec<Holding>) -> Result<Vec<Held>> {
        let mut tx = self.core.begin().await?;
        sqlx::query(tx.sql().seen.clone()).bind(self.core.clock_ms()).bind(worker).execute(tx.connection()).await?;
        let renewed = if held.is_empty() { Vec::new() } else { renew(&mut tx, worker, held).await? };
        tx.commit().await?;
        Ok(renewed)
    }

    async fn settle(&self, changes: Vec<Change>) -> Result<Vec<bool>> {
        let changes: Vec<&Change> = changes.iter().collect();
        let mut tx = self.core.begin().await?;
        let written = guarded::settle(&mut tx, &changes).await?;
        tx.commit().await?;
        Ok(written)
    }

    async fn tickets(&self, queues: &[QueueName], kinds: &[String], limit: usize) -> Result<Vec<Ticket>> {
        let rows: Vec<rows::TicketRow> = sqlx::query_as(self.core.sql.tickets.clone())
            .bind(queues.iter().map(QueueName::as_str).collect::<Vec<_>>())
            .bind(kinds)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.writers)
            .await?;
        rows.into_iter().map(rows::TicketRow::into_ticket).collect()
    }

    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(self.core.sql.on_offer.clone())
            .bind(self.core.clock_ms())
            .bind(queues.iter().map(QueueName::as_str).collect::<Vec<_>>())
            .bind(kinds)
            .fetch_all(&self.core.writers)
            .await?;
        rows.into_iter().map(rows::offer).collect()
    }

    async fn reread(&self, ids: Vec<JobId>) -> Result<Vec<Snapshot>> {
        let ids: Vec<Uuid> = ids.into_iter().map(uuid).collect();
        let rows: Vec<rows::SnapshotRow> = sqlx::query_as(self.core.sql.snapshots.clone()).bind(ids).fetch_all(&self.core.writers).await?;
        rows.iter().map(rows::SnapshotRow::snapshot).collect()
    }

    async fn note(&self, notes: Vec<Note>) -> Result<()> {
        let mut tx = self.core.begin().await?;
        keep_remarks(&mut tx, &notes).await?;
        keep_lines(&mut tx, &notes).await?;
        tx.commit().await
    }

    async fn record_artifact(&self, id: JobId, artifact: Artifact) -> Result<bool> {
        let recorded = sqlx::query(self.core.sql.record_artifact.clone())
            .bind(uuid(id))
            .bind(int(artifact.attempt))
            .bind(&artifact.name)
            .bind(i64::try_from(artifact.bytes).unwrap_or(i64::MAX))
            .bind(&artifact.sha256)
            .bind(&artifact.media_type)
            .bind(&artifact.key)
            .execute(&self.core.writers)
            .await?;
        Ok(recorded.rows_affected() > 0)
    }
}

async fn claim_in(tx: &mut Tx<'_>, claim: &Claim) -> Result<Vec<Claimed>> {
    if claim.ticket_row && !use_ticket(tx, claim).await? {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = claim.ids.iter().map(|(id, _)| uuid(*id)).collect();
    let attempts: Vec<i32> = claim.ids.iter().map(|(_, attempt)| int(*attempt)).collect();
    let rows = sqlx::query(tx.sql().claim.clone())
        .bind(tx.core.clock_ms())
        .bind(&ids)
        .bind(&attempts)
        .bind(i64::try_from(claim.take).unwrap_or(i64::MAX))
        .bind(&claim.worker)
        .bind(claim.lease_ms)
        .fetch_all(tx.connection())
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let claimed_at = Timestamp::from_ms(row.try_get("claimed_at_ms")?);
        claimed.push(<rows::ClaimedRow as sqlx::FromRow<_>>::from_row(row)?.into_claimed(claimed_at)?);
    }
    let place = |job: &Claimed| claim.ids.iter().position(|(id, _)| *id == job.snapshot.id);
    claimed.sort_by_key(place);

    if let Some(expires_at) = claimed.iter().filter_map(|job| job.snapshot.lease_until).max() {
        lease(tx, expires_at, claimed.iter().map(|job| job.snapshot.id)).await?;
    }
    let returned: Vec<Uuid> = if claimed.len() == claim.ids.len() {
        Vec::new()
    } else {
        sqlx::query_scalar(tx.sql().unclaimed.clone()).bind(&ids).bind(&attempts).fetch_all(tx.connection()).await?
    };
    tx.feed.push(FeedEvent::Claimed {
        ticket: claim.ticket,
        claimed: claimed.iter().map(|job| (job.snapshot.id, job.snapshot.attempt)).collect(),
        returned: returned.into_iter().map(rows::job_id).collect(),
    });
    Ok(claimed)
}

async fn use_ticket(tx: &mut Tx<'_>, claim: &Claim) -> Result<bool> {
    let used: Option<Uuid> = sqlx::query_scalar(tx.sql().use_ticket.clone()).bind(claim.ticket).fetch_optional(tx.connection()).await?;
    Ok(used.is_some())
}

async fn renew(tx: &mut Tx<'_>, worker: &str, mut held: Vec<Holding>) -> Result<Vec<Held>> {
    held.sort_by_key(|holding| holding.id);
    let renewed: Vec<(Uuid, i32, bool, i64)> = sqlx::query_as(tx.sql().heartbeat.clone())
        .bind(tx.core.clock_ms())
        .bind(held.iter().map(|holding| uuid(holding.id)).collect::<Vec<_>>())
        .bind(held.iter().map(|holding| int(holding.attempt)).collect::<Vec<_>>())
        .bind(held.iter().map(|holding| holding.lease_ms).collect::<Vec<_>>())
        .bind(worker)
        .fetch_all(tx.connection())
        .await?;
    // A row per length of lease: under the longest one a lost attempt with a short one would be found late.
    let mut by_end: BTreeMap<i64, Vec<JobId>> = BTreeMap::new();
    for (id, .., lease_until_ms) in &renewed {
        by_end.entry(*lease_until_ms).or_default().push(rows::job_id(*id));
    }
    for (lease_until_ms, ids) in by_end {
        lease(tx, Timestamp::from_ms(lease_until_ms), ids.into_iter()).await?;
    }
    let held = |(id, attempt, cancel_requested, _)| Ok(Held { id: rows::job_id(id), attempt: rows::count(attempt)?, cancel_requested });
    renewed.into_iter().map(held).collect()
}

async fn lease(tx: &mut Tx<'_>, expires_at: Timestamp, ids: impl Iterator<Item = JobId>) -> Result<()> {
    let ids: Vec<u8> = ids.flat_map(|id| *id.as_bytes()).collect();
    sqlx::query(tx.sql().lease.clone()).bind(expires_at.ms()).bind(ids).execute(tx.connection()).await?;
    Ok(())
}

/// What an attempt said last.
#[derive(Default)]
struct LastWords<'n> {
    progress: Option<String>,
    checkpoint: Option<&'n str>,
}

async fn keep_remarks(tx: &mut Tx<'_>, notes: &[Note]) -> Result<()> {
    // Of several notes of one attempt the last word counts; a statement would take any.
    let mut remarks: BTreeMap<(JobId, u32), LastWords<'_>> = BTreeMap::new();
    for note in notes.iter().filter(|note| note.progress.is_some() || note.checkpoint.is_some()) {
        let last = remarks.entry((note.id, note.attempt)).or_default();
        last.progress = note.progress.as_ref().map(|said| serde_json::json!(said).to_string()).or(last.progress.take());
        last.checkpoint = note.checkpoint.as_deref().or(last.checkpoint);
    }
    if remarks.is_empty() {
        return Ok(());
    }
    sqlx::query(tx.sql().note.clone())
        .bind(remarks.keys().map(|(id, _)| uuid(*id)).collect::<Vec<_>>())
        .bind(remarks.keys().map(|(_, attempt)| int(*attempt)).collect::<Vec<_>>())
        .bind(remarks.values().map(|last| last.progress.as_deref()).collect::<Vec<_>>())
        .bind(remarks.values().map(|last| last.checkpoint).collect::<Vec<_>>())
        .execute(tx.connection())
        .await?;
    Ok(())
}

async fn keep_lines(tx: &mut Tx<'_>, notes: &[Note]) -> Result<()> {
    let notes: Vec<&Note> = notes.iter().filter(|note| !note.lines.is_empty() || note.dropped > 0).collect();
    if notes.is_empty() {
        return Ok(());
    }
    sqlx::query(tx.sql().log.clone())
        .bind(notes.iter().map(|note| uuid(note.id)).collect::<Vec<_>>())
        .bind(notes.iter().map(|note| int(note.attempt)).collect::<Vec<_>>())
        .bind(notes.iter().map(|note| serde_json::json!(note.lines).to_string()).collect::<Vec<_>>())
        .bind(notes.iter().map(|note| int(note.dropped)).collect::<Vec<_>>())
        .execute(tx.connection())
        .await?;
    Ok(())
}
