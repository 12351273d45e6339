//! `Work` of the model.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Enrolled, Issued, Lease, ModelLedger, Tables, snapshot};
use crate::{
    artifact::Artifact,
    clock::Timestamp,
    contract::Contract,
    job::{Job, JobId, State},
    ledger::{Claim, Claimed, FeedEvent, Held, Holding, LogChunk, Note, Offer, Result, Ticket, TicketId, Work, WorkerRecord},
    lifecycle::{Change, Snapshot},
    queue::QueueName,
};

#[async_trait]
impl Work for ModelLedger {
    async fn enroll(&self, worker: &WorkerRecord, contracts: &[Contract]) -> Result<()> {
        self.transact(|tables, now, told| {
            tables.workers.insert(worker.id.clone(), Enrolled { record: worker.clone(), seen_at: now });
            for contract in contracts {
                // A version is published once and never changed.
                tables.contracts.entry((contract.kind.clone(), contract.version)).or_insert_with(|| contract.clone());
            }
            told.other.push(FeedEvent::Workers);
        });
        Ok(())
    }

    async fn dismiss(&self, worker: &str) -> Result<()> {
        self.transact(|tables, _, told| {
            tables.workers.remove(worker);
            told.other.push(FeedEvent::Workers);
        });
        Ok(())
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>> {
        Ok(self.transact(|tables, now, told| {
            let mut claimed = Vec::new();
            let mut returned = Vec::new();
            if claim.ticket_row && !tables.use_ticket(claim.ticket) {
                return claimed;
            }
            for (id, attempt) in &claim.ids {
                let Some(job) = tables.jobs.get_mut(id).filter(|job| is_claimable(job, *attempt)) else {
                    continue;
                };
                if claimed.len() < claim.take {
                    begin_attempt(job, &claim, now);
                    claimed.push(claimed_job(job, now));
                } else {
                    returned.push(*id);
                }
            }
            let began: Vec<(JobId, u32)> = claimed.iter().map(|job| (job.snapshot.id, job.snapshot.attempt)).collect();
            tables.lease(now.plus_ms(claim.lease_ms), began.iter().map(|(id, _)| *id).collect());
            told.other.push(FeedEvent::Claimed { ticket: claim.ticket, claimed: began, returned });
            claimed
        }))
    }

    async fn heartbeat(&self, worker: &str, held: Vec<Holding>) -> Result<Vec<Held>> {
        Ok(self.transact(|tables, now, _| {
            if let Some(enrolled) = tables.workers.get_mut(worker) {
                enrolled.seen_at = now;
            }
            let mut renewed = Vec::new();
            for Holding { id, attempt, lease_ms } in held {
                let holder = tables.holder(id, attempt);
                let Some(job) = holder.filter(|job| job.worker.as_deref() == Some(worker)) else {
                    continue;
                };
                let lease_until = now.plus_ms(lease_ms);
                job.lease_until = Some(lease_until);
                renewed.push(Held { id, attempt, cancel_requested: job.cancel_requested });
                tables.lease(lease_until, vec![id]);
            }
            renewed
        }))
    }

    async fn settle(&self, changes: Vec<Change>) -> Result<Vec<bool>> {
        Ok(self.transact(|tables, now, told| {
            changes.iter().map(|change| tables.write(change, now, told).is_done() || tables.stands_already(change)).collect()
        }))
    }

    async fn tickets(&self, queues: &[QueueName], kinds: &[String], limit: usize) -> Result<Vec<Ticket>> {
        let wanted = |ticket: &&Ticket| queues.contains(&ticket.queue) && kinds.contains(&ticket.kind);
        Ok(self.read(|tables| tables.tickets.iter().map(|issued| &issued.ticket).filter(wanted).take(limit).cloned().collect()))
    }

    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>> {
        let now = self.clock.now();
        Ok(self.read(|tables| {
            let mut oldest: BTreeMap<&QueueName, i64> = BTreeMap::new();
            for Issued { ticket, at } in &tables.tickets {
                if queues.contains(&ticket.queue) && kinds.contains(&ticket.kind) {
                    let age_ms = oldest.entry(&ticket.queue).or_default();
                    *age_ms = now.ms_since(*at).max(*age_ms);
                }
            }
            oldest.into_iter().map(|(queue, age_ms)| Offer { queue: queue.clone(), age_ms }).collect()
        }))
    }

    async fn reread(&self, ids: Vec<JobId>) -> Result<Vec<Snapshot>> {
        Ok(self.read(|tables| ids.iter().filter_map(|id| tables.jobs.get(id)).map(snapshot).collect()))
    }

    async fn note(&self, notes: Vec<Note>) -> Result<()> {
        self.transact(|tables, _, _| {
            for note in notes {
                let Some(job) = tables.holder(note.id, note.attempt) else {
                    continue;
                };
                job.progress = note.progress.or(job.progress.take());
                job.checkpoint = note.checkpoint.or(job.checkpoint.take());
                if !note.lines.is_empty() || note.dropped > 0 {
                    let chunk = LogChunk { attempt: note.attempt, lines: note.lines, dropped: note.dropped };
                    tables.logs.entry(note.id).or_default().push(chunk);
                }
            }
        });
        Ok(())
    }

    async fn record_artifact(&self, id: JobId, artifact: Artifact) -> Result<bool> {
        Ok(self.transact(|tables, _, _| {
            let runs = tables.holder(id, artifact.attempt).is_some();
            if runs {
                tables.artifacts.insert((id, artifact.name.clone()), artifact);
            }
            runs
        }))
    }
}

impl Tables {
    /// Uses a ticket's row up; false where it is gone.
    fn use_ticket(&mut self, id: TicketId) -> bool {
        let before = self.tickets.len();
        self.tickets.retain(|issued| issued.ticket.id != id);
        self.tickets.len() < before
    }

    /// The job, if this attempt of it runs.
    fn holder(&mut self, id: JobId, attempt: u32) -> Option<&mut Job> {
        self.jobs.get_mut(&id).filter(|job| job.state == State::Running && job.attempt == attempt)
    }

    /// Remembers whom to look at when the leases run out.
    fn lease(&mut self, expires_at: Timestamp, ids: Vec<JobId>) {
        if !ids.is_empty() {
            self.leases.push(Lease { expires_at, ids });
        }
    }

    /// Whether a settle whose answer was lost wrote this ending.
    fn stands_already(&self, change: &Change) -> bool {
        // Without an outcome it is no attempt that ended the job: a cancel while it waited, or a deadline.
        let outcome = change.verdict.as_ref().and_then(|verdict| verdict.outcome);
        let ended_so = |job: &Job| job.outcome.is_some() && job.outcome == outcome;
        let as_left = |job: &Job| job.state.is_final() && job.state == change.state && job.attempt == change.guard.attempt && ended_so(job);
        self.jobs.get(&change.id).is_some_and(as_left)
    }
}

fn is_claimable(job: &Job, attempt: u32) -> bool {
    job.state == State::Available && job.attempt == attempt && !job.cancel_requested
}

fn begin_attempt(job: &mut Job, claim: &Claim, now: Timestamp) {
    job.state = State::Running;
    job.attempt += 1;
    job.worker = Some(claim.worker.clone());
    job.started_at = Some(now);
    job.lease_until = Some(now.plus_ms(claim.lease_ms));
    job.outcome = None;
    job.reason = None;
    job.progress = None;
}

fn claimed_job(job: &Job, now: Timestamp) -> Claimed {
    Claimed {
        snapshot: snapshot(job),
        tenant: job.tenant.clone(),
        queue: job.queue.clone(),
        kind: job.kind.clone(),
        contract_version: job.contract_version,
        payload: job.payload.get().to_owned(),
        checkpoint: job.checkpoint.clone(),
        claimed_at: now,
    }
}
