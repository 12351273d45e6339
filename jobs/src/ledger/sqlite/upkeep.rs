//! The role `Upkeep`: the duties' verbs.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::{
    SqliteLedger,
    changes::{execute_over, snapshots},
    scrub::Scrub,
    syncs::{ForgetItems, IndexRecords},
    writer::{Tx, Verb},
};
use crate::{
    artifact::own_prefix,
    clock::Timestamp,
    job::{JobId, State},
    ledger::{
        BATCH_MAX, Depths, Error, FeedRow, Fired, HeadKey, LaneKey, Leadership, Promoted, Pruned, ReadyJob, Result, Retention, RunningJob,
        Scrubbed, Ticket, TicketId, Upkeep, WORKER_FORGOTTEN_MS, WorkerRecord, guarded::apply, rows, side,
    },
    lifecycle::Change,
    schedule::Rules,
};

#[async_trait]
impl Upkeep for SqliteLedger {
    async fn lead(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Leadership>> {
        self.writer.write(Lead { name: name.to_owned(), holder: holder.to_owned(), ttl_ms }).await
    }

    async fn abdicate(&self, name: &str, holder: &str) -> Result<()> {
        self.writer.write(Abdicate { name: name.to_owned(), holder: holder.to_owned() }).await
    }

    async fn issue(&self, leadership: &str, epoch: i64, tickets: Vec<Ticket>) -> Result<bool> {
        self.writer.write(Issue { leadership: leadership.to_owned(), epoch, tickets }).await
    }

    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>> {
        self.writer.write(Revoke(tickets)).await
    }

    async fn revoke_all(&self) -> Result<()> {
        self.writer.write(RevokeAll).await
    }

    async fn feed(&self, seen: Vec<i64>, limit: usize) -> Result<Vec<FeedRow>> {
        self.writer.write(Feed { seen, limit }).await
    }

    async fn lanes(&self) -> Result<Vec<LaneKey>> {
        let lanes: Vec<rows::LaneRow> = sqlx::query_as(self.sql.lanes.clone()).fetch_all(&self.readers).await?;
        lanes.iter().map(rows::LaneRow::lane).collect()
    }

    async fn ready(&self, lane: &LaneKey, after: Option<HeadKey>, limit: usize) -> Result<Vec<ReadyJob>> {
        let (priority, id) = after.map_or((i16::MAX, [0; 16]), |key| (key.priority.0, *key.id.as_bytes()));
        let rows: Vec<rows::ReadyRow> = sqlx::query_as(self.sql.ready.clone())
            .bind(lane.queue.as_str())
            .bind(lane.tenant.as_str())
            .bind(priority)
            .bind(Uuid::from_bytes(id))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(|row| row.into_ready(lane)).collect()
    }

    async fn running(&self) -> Result<Vec<RunningJob>> {
        let mut tx = self.readers.begin().await?;
        let leases: Vec<(i64, Vec<u8>)> =
            sqlx::query_as(self.sql.lease_rows.clone()).bind(i64::MAX).bind(i64::MAX).fetch_all(&mut *tx).await?;
        let ids: HashSet<JobId> = leases.iter().flat_map(|(_, ids)| side::lease_ids(ids)).collect();
        let ids: Vec<_> = ids.into_iter().map(rows::hex).collect();
        let rows: Vec<(Uuid, i32, String, String)> =
            sqlx::query_as(self.sql.running.clone()).bind(serde_json::to_string(&ids)?).fetch_all(&mut *tx).await?;
        let running = |(id, attempt, queue, tenant): (Uuid, i32, String, String)| {
            let lane = LaneKey { queue: rows::name(&queue)?, tenant: rows::name(&tenant)? };
            Ok(RunningJob { id: rows::job_id(id), attempt: rows::count(attempt)?, lane })
        };
        rows.into_iter().map(running).collect()
    }

    async fn workers(&self, silent_ms_max: i64) -> Result<Vec<WorkerRecord>> {
        let since = self.clock.now().plus_ms(-silent_ms_max);
        let records: Vec<String> = sqlx::query_scalar(self.sql.workers.clone()).bind(since.ms()).fetch_all(&self.readers).await?;
        records.iter().map(|record| Ok(serde_json::from_str(record)?)).collect()
    }

    async fn promote(&self, limit: usize) -> Result<Promoted> {
        self.writer.write(Promote { limit: limit.min(BATCH_MAX) }).await
    }

    async fn fire(&self, rules: &Rules, limit: usize) -> Result<Fired> {
        self.fire_due(rules, limit).await
    }

    async fn forget_fires(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        self.forget(kept_ms, limit).await
    }

    async fn forget_events(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        self.forget_told(kept_ms, limit).await
    }

    async fn forget_items(&self, limit: usize) -> Result<u64> {
        self.writer.write(ForgetItems(limit)).await
    }

    async fn index_records(&self, limit: usize) -> Result<u64> {
        self.writer.write(IndexRecords(limit)).await
    }

    async fn forget_translations(&self, unused_ms: i64, limit: usize) -> Result<u64> {
        self.forget_unused(unused_ms, limit).await
    }

    async fn reap(&self, limit: usize, incarnation_over: bool) -> Result<u64> {
        let mut reaped = 0;
        loop {
            let (now_reaped, looked_at) = self.writer.write(Reap { limit, incarnation_over }).await?;
            reaped += now_reaped;
            if looked_at < limit {
                return Ok(reaped);
            }
        }
    }

    async fn first_expiry(&self) -> Result<Option<Timestamp>> {
        let first_ms: Option<i64> = sqlx::query_scalar(self.sql.first_expiry.clone()).fetch_optional(&self.readers).await?;
        Ok(first_ms.map(Timestamp::from_ms))
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<Pruned> {
        let mut from = self.prune_from.lock().await;
        let (pruned, next) = self.writer.write(Prune { retention, limit, from: *from }).await?;
        *from = next;
        Ok(pruned)
    }

    async fn forget_keys(&self, limit: usize) -> Result<u64> {
        self.writer.write(ForgetKeys(limit)).await
    }

    async fn scrub(&self, after: Option<JobId>, limit: usize) -> Result<Scrubbed> {
        self.writer.write(Scrub { after, limit }).await
    }

    async fn announce(&self, jobs: Vec<ReadyJob>) -> Result<u64> {
        self.writer.write(Announce(jobs)).await
    }

    async fn publish_depths(&self, depths: Depths) -> Result<()> {
        self.writer.write(PublishDepths(depths)).await
    }

    fn nudges(&self) -> broadcast::Receiver<Arc<FeedRow>> {
        self.nudges.subscribe()
    }
}

struct Lead {
    name: String,
    holder: String,
    ttl_ms: i64,
}

#[async_trait]
impl Verb for Lead {
    type Answer = Option<Leadership>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Leadership>> {
        let epoch: Option<i64> = sqlx::query_scalar(tx.sql.lead.clone())
            .bind(&self.name)
            .bind(&self.holder)
            .bind(tx.now.ms())
            .bind(self.ttl_ms)
            .fetch_optional(&mut *tx.connection)
            .await?;
        Ok(epoch.map(|epoch| Leadership { epoch }))
    }
}

struct Abdicate {
    name: String,
    holder: String,
}

#[async_trait]
impl Verb for Abdicate {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        sqlx::query(tx.sql.abdicate.clone()).bind(&self.name).bind(&self.holder).execute(&mut *tx.connection).await?;
        Ok(())
    }
}

struct Issue {
    leadership: String,
    epoch: i64,
    tickets: Vec<Ticket>,
}

#[async_trait]
impl Verb for Issue {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let row = |ticket: &Ticket| {
            let ids = json!(ticket.ids).to_string();
            json!({"id": ticket.id.simple().to_string(), "queue": ticket.queue, "kind": ticket.kind, "ids": ids})
        };
        let rows: Vec<_> = self.tickets.iter().map(row).collect();
        let issued = sqlx::query(tx.sql.issue.clone())
            .bind(serde_json::to_string(&rows)?)
            .bind(&self.leadership)
            .bind(self.epoch)
            .bind(tx.now.ms())
            .execute(&mut *tx.connection)
            .await?;
        Ok(issued.rows_affected() == self.tickets.len() as u64)
    }
}

struct Revoke(Vec<TicketId>);

#[async_trait]
impl Verb for Revoke {
    type Answer = Vec<TicketId>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Vec<TicketId>> {
        let ids: Vec<_> = self.0.iter().map(|id| id.simple().to_string()).collect();
        Ok(sqlx::query_scalar(tx.sql.revoke.clone()).bind(serde_json::to_string(&ids)?).fetch_all(&mut *tx.connection).await?)
    }
}

struct RevokeAll;

#[async_trait]
impl Verb for RevokeAll {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        sqlx::query(tx.sql.revoke_all.clone()).execute(&mut *tx.connection).await?;
        Ok(())
    }
}

struct Feed {
    seen: Vec<i64>,
    limit: usize,
}

#[async_trait]
impl Verb for Feed {
    type Answer = Vec<FeedRow>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Vec<FeedRow>> {
        if !self.seen.is_empty() {
            execute_over(tx, |sql| &sql.drop_feed, &self.seen).await?;
        }
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(tx.sql.take_feed.clone()).bind(limit).fetch_all(&mut *tx.connection).await?;
        let feed_row = |(seq, at_ms, events): (i64, i64, String)| Ok(FeedRow { seq, at_ms, events: serde_json::from_str(&events)? });
        let mut feed = rows.into_iter().map(feed_row).collect::<Result<Vec<_>>>()?;
        feed.sort_by_key(|row| row.seq);
        Ok(feed)
    }
}

struct Promote {
    limit: usize,
}

#[async_trait]
impl Verb for Promote {
    type Answer = Promoted;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Promoted> {
        let mut promoted = 0;
        let mut left = self.limit;
        let buckets = due_buckets(tx).await?;
        let (due, later): (Vec<_>, Vec<_>) = buckets.into_iter().partition(|(_, due_at_ms)| *due_at_ms <= tx.now.ms());
        let lag_ms = due.iter().map(|(_, due_at_ms)| tx.now.ms() - due_at_ms).max().unwrap_or(0);
        for (turn, (bucket, _)) in due.iter().enumerate() {
            left -= promote_bucket(tx, *bucket, side::bucket_share(left, due.len() - turn), &mut promoted).await?;
        }
        let left_over = if due.is_empty() { later } else { due_buckets(tx).await? };
        let next_due = left_over.into_iter().map(|(_, due_at_ms)| Timestamp::from_ms(due_at_ms)).min();
        Ok(Promoted { now: tx.now, promoted, next_due, lag_ms })
    }
}

async fn due_buckets(tx: &mut Tx<'_>) -> Result<Vec<(i64, i64)>> {
    Ok(sqlx::query_as(tx.sql.due_buckets.clone()).fetch_all(&mut *tx.connection).await?)
}

/// Looks at what is due in a bucket; the returned count is of the rows looked at.
async fn promote_bucket(tx: &mut Tx<'_>, bucket: i64, limit: usize, promoted: &mut u64) -> Result<usize> {
    let due: Vec<(i64, Uuid)> = sqlx::query_as(tx.sql.due.clone())
        .bind(bucket)
        .bind(tx.now.ms())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *tx.connection)
        .await?;
    let looked_at: Vec<_> = due.iter().map(|(due_at_ms, id)| json!([due_at_ms, rows::hex(rows::job_id(*id))])).collect();
    sqlx::query(tx.sql.drop_due.clone()).bind(bucket).bind(serde_json::to_string(&looked_at)?).execute(&mut *tx.connection).await?;
    let mut ids: Vec<JobId> = due.iter().map(|(_, id)| rows::job_id(*id)).collect();
    ids.sort();
    ids.dedup();
    let now = tx.now;
    let changes = side::promote(&snapshots(tx, &ids).await?, now);
    *promoted += apply_all(tx, &changes).await?;
    Ok(due.len())
}

async fn apply_all(tx: &mut Tx<'_>, changes: &[Change]) -> Result<u64> {
    let changes: Vec<&Change> = changes.iter().collect();
    let written = apply(tx, None, &changes).await?;
    Ok(written.into_iter().filter(|written| written.is_done()).count() as u64)
}

struct Reap {
    limit: usize,
    incarnation_over: bool,
}

#[async_trait]
impl Verb for Reap {
    type Answer = (u64, usize);

    async fn write(&self, tx: &mut Tx<'_>) -> Result<(u64, usize)> {
        let run_out_by = if self.incarnation_over { i64::MAX } else { tx.now.ms() };
        let leases: Vec<(i64, Vec<u8>)> = sqlx::query_as(tx.sql.lease_rows.clone())
            .bind(run_out_by)
            .bind(i64::try_from(self.limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx.connection)
            .await?;
        if leases.is_empty() {
            return Ok((0, 0));
        }
        let ids: HashSet<JobId> = leases.iter().flat_map(|(_, ids)| side::lease_ids(ids)).collect();
        let ids: Vec<JobId> = ids.into_iter().collect();
        let mut reaped = 0;
        for ids in ids.chunks(BATCH_MAX) {
            let jobs = snapshots(tx, ids).await?;
            reaped += apply_all(tx, &side::reap(&jobs, self.incarnation_over, tx.now)).await?;
        }
        // The one writer has just ended every running attempt of these whose lease had run out.
        let looked_at: Vec<i64> = leases.iter().map(|(id, _)| *id).collect();
        execute_over(tx, |sql| &sql.drop_lease, &looked_at).await?;
        Ok((reaped, leases.len()))
    }
}

struct Prune {
    retention: Retention,
    limit: usize,
    from: JobId,
}

#[async_trait]
impl Verb for Prune {
    type Answer = (Pruned, JobId);

    /// Looks at the next jobs in the order of their ids, which is that of their creation, and begins anew
    /// after the last that is old enough: no index on `finished_at_ms` is needed, which every settle would pay.
    async fn write(&self, tx: &mut Tx<'_>) -> Result<(Pruned, JobId)> {
        let silent_since = tx.now.plus_ms(-WORKER_FORGOTTEN_MS);
        sqlx::query(tx.sql.forget_workers.clone()).bind(silent_since.ms()).execute(&mut *tx.connection).await?;
        let rows: Vec<(Uuid, String, i16, Option<i64>)> = sqlx::query_as(tx.sql.prunable.clone())
            .bind(Uuid::from_bytes(*self.from.as_bytes()))
            .bind(i64::try_from(self.limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx.connection)
            .await?;
        let beginning = JobId::from_bytes([0; 16]);
        let next = match rows.last() {
            Some((id, ..)) if rows.len() == self.limit => rows::job_id(*id),
            _ => beginning,
        };
        let goes_on = rows.len() == self.limit;
        let (mut going, mut most_over_ms) = (Vec::new(), 0);
        let mut own = HashMap::new();
        let mut totals: BTreeMap<String, [i64; 3]> = BTreeMap::new();
        for (id, tenant, state, finished_at_ms) in rows {
            let state = State::from_number(state.into()).ok_or_else(|| Error::Corrupt(format!("no state has the number {state}")))?;
            if let Some((column, over_ms)) = side::prunable(state, finished_at_ms, self.retention, tx.now) {
                most_over_ms = over_ms.max(most_over_ms);
                going.push(rows::hex(rows::job_id(id)));
                own.insert(id, own_prefix(&tenant, rows::job_id(id)));
                totals.entry(tenant).or_default()[column] += 1;
            }
        }
        if going.is_empty() {
            return Ok((Pruned { goes_on, ..Pruned::default() }, next));
        }
        execute_over(tx, |sql| &sql.prune_logs, &going).await?;
        execute_over(tx, |sql| &sql.prune_attempts, &going).await?;
        execute_over(tx, |sql| &sql.prune_effects, &going).await?;
        execute_over(tx, |sql| &sql.prune_deliveries, &going).await?;
        let kept: Vec<(Uuid, String)> =
            sqlx::query_as(tx.sql.prune_artifacts.clone()).bind(serde_json::to_string(&going)?).fetch_all(&mut *tx.connection).await?;
        execute_over(tx, |sql| &sql.prune, &going).await?;
        let folded: Vec<_> = totals
            .into_iter()
            .map(|(tenant, [completed, dead, cancelled])| json!({"tenant": tenant, "completed": completed, "dead": dead, "cancelled": cancelled}))
            .collect();
        execute_over(tx, |sql| &sql.fold, &folded).await?;
        let objects = side::own_objects(kept, &own);
        Ok((Pruned { jobs: going.len() as u64, objects, over_ms: most_over_ms, goes_on }, next))
    }
}

struct ForgetKeys(usize);

#[async_trait]
impl Verb for ForgetKeys {
    type Answer = u64;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let limit = i64::try_from(self.0).unwrap_or(i64::MAX);
        let forgotten = sqlx::query(tx.sql.forget_keys.clone()).bind(tx.now.ms()).bind(limit).execute(&mut *tx.connection).await?;
        Ok(forgotten.rows_affected())
    }
}

struct Announce(Vec<ReadyJob>);

#[async_trait]
impl Verb for Announce {
    type Answer = u64;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let ids: Vec<_> = self.0.iter().map(|job| json!([rows::hex(job.id), job.attempt])).collect();
        let ids = serde_json::to_string(&ids)?;
        let still: Vec<(Uuid, i32)> = sqlx::query_as(tx.sql.unclaimed.clone()).bind(ids).fetch_all(&mut *tx.connection).await?;
        let announced = still.len() as u64;
        tx.feed.extend(side::announcement(&self.0, still)?);
        Ok(announced)
    }
}

struct PublishDepths(Depths);

#[async_trait]
impl Verb for PublishDepths {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        let depths = serde_json::to_string(&Depths { at_ms: tx.now.ms(), ..self.0.clone() })?;
        sqlx::query(tx.sql.publish_depths.clone()).bind(depths).execute(&mut *tx.connection).await?;
        Ok(())
    }
}
