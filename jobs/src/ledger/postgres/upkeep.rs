//! The role `Upkeep`: the duties' verbs.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::{
    PostgresLedger, Tx,
    changes::{int, snapshots, uuid},
    floor::{Floor, Stretch},
};
use crate::{
    artifact::own_prefix,
    clock::Timestamp,
    job::{JobId, State},
    ledger::{
        BATCH_MAX, Depths, Error, FeedRow, Fired, HeadKey, Inspect, LaneKey, Leadership, Promoted, Pruned, ReadyJob, Result, Retention,
        RunningJob, Scrubbed, Ticket, TicketId, Upkeep, WORKER_FORGOTTEN_MS, WorkerRecord, guarded::apply, rows, side,
    },
    lifecycle::Change,
    schedule::Rules,
};

#[async_trait]
impl Upkeep for PostgresLedger {
    async fn lead(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Leadership>> {
        let epoch: Option<i64> = sqlx::query_scalar(self.core.sql.lead.clone())
            .bind(self.core.clock_ms())
            .bind(name)
            .bind(holder)
            .bind(ttl_ms)
            .fetch_optional(&self.core.writers)
            .await?;
        Ok(epoch.map(|epoch| Leadership { epoch }))
    }

    async fn abdicate(&self, name: &str, holder: &str) -> Result<()> {
        sqlx::query(self.core.sql.abdicate.clone()).bind(name).bind(holder).execute(&self.core.writers).await?;
        Ok(())
    }

    async fn issue(&self, leadership: &str, epoch: i64, tickets: Vec<Ticket>) -> Result<bool> {
        let ids: Vec<String> = tickets.iter().map(|ticket| serde_json::json!(ticket.ids).to_string()).collect();
        // Losing a ticket in a crash loses a hint: nobody waits for the disk here.
        let mut tx = self.core.begin_relaxed().await?;
        let issued = sqlx::query(tx.sql().issue.clone())
            .bind(self.core.clock_ms())
            .bind(leadership)
            .bind(epoch)
            .bind(tickets.iter().map(|ticket| ticket.id).collect::<Vec<_>>())
            .bind(tickets.iter().map(|ticket| ticket.queue.as_str()).collect::<Vec<_>>())
            .bind(tickets.iter().map(|ticket| ticket.kind.as_str()).collect::<Vec<_>>())
            .bind(ids)
            .execute(tx.connection())
            .await?;
        tx.commit().await?;
        Ok(issued.rows_affected() == tickets.len() as u64)
    }

    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>> {
        Ok(sqlx::query_scalar(self.core.sql.revoke.clone()).bind(tickets).fetch_all(&self.core.writers).await?)
    }

    async fn revoke_all(&self) -> Result<()> {
        // A term begins at the feed's beginning: others have read meanwhile, and the ledger may be a restored one.
        *self.core.floor() = Floor::default();
        sqlx::query(self.core.sql.revoke_all.clone()).execute(&self.core.writers).await?;
        Ok(())
    }

    async fn feed(&self, seen: Vec<i64>, limit: usize) -> Result<Vec<FeedRow>> {
        let highest_seen = seen.iter().copied().max();
        if !seen.is_empty() {
            sqlx::query(self.core.sql.drop_feed.clone()).bind(seen).execute(&self.core.writers).await?;
        }
        let now = self.core.local_now();
        let look = self.core.floor().look(now);
        let mut feed = self.take_feed(look, limit).await?;
        let sweep = if feed.len() < limit { self.core.floor().sweep(now, look.above) } else { None };
        if let Some(sweep) = sweep {
            feed.extend(self.take_feed(sweep, limit - feed.len()).await?);
        }
        // A look that the limit cut has not seen all that lies below a nudge's place.
        let highest_seen = highest_seen.filter(|_| feed.len() < limit);
        self.core.floor().saw(feed.iter().map(|row| row.seq).chain(highest_seen), now);
        feed.sort_by_key(|row| row.seq);
        Ok(feed)
    }

    async fn lanes(&self) -> Result<Vec<LaneKey>> {
        let mut tx = self.core.begin_long().await?;
        let lanes: Vec<rows::LaneRow> = sqlx::query_as(self.core.sql.lanes.clone()).fetch_all(tx.connection()).await?;
        tx.commit().await?;
        lanes.iter().map(rows::LaneRow::lane).collect()
    }

    async fn ready(&self, lane: &LaneKey, after: Option<HeadKey>, limit: usize) -> Result<Vec<ReadyJob>> {
        let (priority, id) = after.map_or((i16::MAX, Uuid::nil()), |key| (key.priority.0, uuid(key.id)));
        let rows: Vec<rows::ReadyRow> = sqlx::query_as(self.core.sql.ready.clone())
            .bind(lane.queue.as_str())
            .bind(lane.tenant.as_str())
            .bind(priority)
            .bind(id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.writers)
            .await?;
        rows.into_iter().map(|row| row.into_ready(lane)).collect()
    }

    async fn running(&self) -> Result<Vec<RunningJob>> {
        let mut tx = self.core.begin_long().await?;
        let leases: Vec<(i64, Vec<u8>)> =
            sqlx::query_as(tx.sql().lease_rows.clone()).bind(i64::MAX).bind(i64::MAX).fetch_all(tx.connection()).await?;
        let ids: HashSet<JobId> = leases.iter().flat_map(|(_, ids)| side::lease_ids(ids)).collect();
        let ids: Vec<Uuid> = ids.into_iter().map(uuid).collect();
        let rows: Vec<(Uuid, i32, String, String)> = sqlx::query_as(tx.sql().running.clone()).bind(ids).fetch_all(tx.connection()).await?;
        tx.commit().await?;
        let running = |(id, attempt, queue, tenant): (Uuid, i32, String, String)| {
            let lane = LaneKey { queue: rows::name(&queue)?, tenant: rows::name(&tenant)? };
            Ok(RunningJob { id: rows::job_id(id), attempt: rows::count(attempt)?, lane })
        };
        rows.into_iter().map(running).collect()
    }

    async fn workers(&self, silent_ms_max: i64) -> Result<Vec<WorkerRecord>> {
        let records: Vec<String> = sqlx::query_scalar(self.core.sql.workers.clone())
            .bind(self.core.clock_ms())
            .bind(silent_ms_max)
            .fetch_all(&self.core.writers)
            .await?;
        records.iter().map(|record| Ok(serde_json::from_str(record)?)).collect()
    }

    async fn promote(&self, limit: usize) -> Result<Promoted> {
        let (now, buckets) = self.due_buckets().await?;
        let (due, later): (Vec<_>, Vec<_>) = buckets.into_iter().partition(|(_, due_at_ms)| *due_at_ms <= now.ms());
        let first = |buckets: Vec<(i16, i64)>| buckets.into_iter().map(|(_, due_at_ms)| Timestamp::from_ms(due_at_ms)).min();
        if due.is_empty() {
            return Ok(Promoted { now, promoted: 0, next_due: first(later), lag_ms: 0 });
        }
        let lag_ms = due.iter().map(|(_, due_at_ms)| now.ms() - due_at_ms).max().unwrap_or(0);
        // Losing a promotion in a crash loses nothing, as the due times come back with it: nobody waits for the disk here.
        let mut tx = self.core.begin_relaxed().await?;
        let promoted = promote(&mut tx, &due, limit.min(BATCH_MAX), now).await?;
        tx.commit().await?;
        let (now, buckets) = self.due_buckets().await?;
        Ok(Promoted { now, promoted, next_due: first(buckets), lag_ms })
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
        self.forget_memory(limit).await
    }

    async fn index_records(&self, limit: usize) -> Result<u64> {
        self.walk_records(limit).await
    }

    async fn forget_translations(&self, unused_ms: i64, limit: usize) -> Result<u64> {
        self.forget_unused(unused_ms, limit).await
    }

    async fn reap(&self, limit: usize, incarnation_over: bool) -> Result<u64> {
        let mut reaped = 0;
        loop {
            let (now_reaped, forgotten) = self.reap_some(limit, incarnation_over).await?;
            reaped += now_reaped;
            if forgotten < limit {
                return Ok(reaped);
            }
        }
    }

    async fn first_expiry(&self) -> Result<Option<Timestamp>> {
        let first_ms: Option<i64> = sqlx::query_scalar(self.core.sql.first_expiry.clone()).fetch_optional(&self.core.writers).await?;
        Ok(first_ms.map(Timestamp::from_ms))
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<Pruned> {
        let mut from = self.core.prune_from.lock().await;
        let now = self.now().await?;
        if *from == JobId::from_bytes([0; 16]) {
            self.core.extend_partitions().await?;
            self.core.drop_empty_partitions(now.ms()).await?;
        }
        let mut tx = self.core.begin().await?;
        sqlx::query(tx.sql().forget_workers.clone()).bind(now.plus_ms(-WORKER_FORGOTTEN_MS).ms()).execute(tx.connection()).await?;
        let rows: Vec<(Uuid, String, i16, Option<i64>)> = sqlx::query_as(tx.sql().prunable.clone())
            .bind(uuid(*from))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(tx.connection())
            .await?;
        let next = match rows.last() {
            Some((id, ..)) if rows.len() == limit => rows::job_id(*id),
            _ => JobId::from_bytes([0; 16]),
        };
        let goes_on = rows.len() == limit;
        let (mut going, mut most_over_ms) = ((Vec::new(), Vec::new()), 0);
        for (id, _, state, finished_at_ms) in rows {
            let state = known_state(state)?;
            if let (Some((_, over_ms)), Some(finished_at_ms)) = (side::prunable(state, finished_at_ms, retention, now), finished_at_ms) {
                most_over_ms = over_ms.max(most_over_ms);
                going.0.push(id);
                going.1.push(finished_at_ms);
            }
        }
        let pruned = if going.0.is_empty() { Pruned::default() } else { prune(&mut tx, going).await? };
        tx.commit().await?;
        *from = next;
        Ok(Pruned { over_ms: most_over_ms, goes_on, ..pruned })
    }

    async fn forget_keys(&self, limit: usize) -> Result<u64> {
        let forgotten = sqlx::query(self.core.sql.forget_keys.clone())
            .bind(self.core.clock_ms())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .execute(&self.core.writers)
            .await?;
        Ok(forgotten.rows_affected())
    }

    async fn scrub(&self, after: Option<JobId>, limit: usize) -> Result<Scrubbed> {
        self.scrub_some(after, limit).await
    }

    async fn announce(&self, jobs: Vec<ReadyJob>) -> Result<u64> {
        let mut tx = self.core.begin().await?;
        let mut announced = 0;
        for jobs in jobs.chunks(BATCH_MAX) {
            let still: Vec<(Uuid, i32)> = sqlx::query_as(tx.sql().unclaimed.clone())
                .bind(jobs.iter().map(|job| uuid(job.id)).collect::<Vec<_>>())
                .bind(jobs.iter().map(|job| int(job.attempt)).collect::<Vec<_>>())
                .fetch_all(tx.connection())
                .await?;
            announced += still.len() as u64;
            tx.feed.extend(side::announcement(jobs, still)?);
        }
        tx.commit().await?;
        Ok(announced)
    }

    async fn publish_depths(&self, depths: Depths) -> Result<()> {
        let depths = serde_json::to_string(&Depths { at_ms: self.now().await?.ms(), ..depths })?;
        sqlx::query(self.core.sql.publish_depths.clone()).bind(depths).execute(&self.core.writers).await?;
        Ok(())
    }

    fn nudges(&self) -> broadcast::Receiver<Arc<FeedRow>> {
        self.core.nudges.subscribe()
    }
}

impl PostgresLedger {
    async fn take_feed(&self, stretch: Stretch, limit: usize) -> Result<Vec<FeedRow>> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(self.core.sql.take_feed.clone())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(stretch.above)
            .bind(stretch.up_to)
            .fetch_all(&self.core.writers)
            .await?;
        let feed_row = |(seq, at_ms, events): (i64, i64, String)| Ok(FeedRow { seq, at_ms, events: serde_json::from_str(&events)? });
        rows.into_iter().map(feed_row).collect()
    }

    /// Looks at some leases that ran out. Returns how many attempts ended, and how many leases are forgotten.
    async fn reap_some(&self, limit: usize, incarnation_over: bool) -> Result<(u64, usize)> {
        let now = self.now().await?;
        let run_out_by = if incarnation_over { i64::MAX } else { now.ms() };
        let mut tx = self.core.begin().await?;
        let leases: Vec<(i64, Vec<u8>)> = sqlx::query_as(tx.sql().lease_rows.clone())
            .bind(run_out_by)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(tx.connection())
            .await?;
        let ids: HashSet<JobId> = leases.iter().flat_map(|(_, ids)| side::lease_ids(ids)).collect();
        let ids: Vec<JobId> = ids.into_iter().collect();
        let mut reaped = 0;
        let mut still_run_out = HashSet::new();
        for ids in ids.chunks(BATCH_MAX) {
            let changes = side::reap(&snapshots(&mut tx, ids).await?, incarnation_over, now);
            let written = apply(&mut tx, None, &changes.iter().collect::<Vec<_>>()).await?;
            reaped += written.iter().filter(|written| written.is_done()).count() as u64;
            // A refused one moved on since it was read; it may be running again under a lease that is looked at here.
            still_run_out.extend(changes.iter().zip(&written).filter(|(_, written)| !written.is_done()).map(|(change, _)| change.id));
        }
        let done = |ids: &[u8]| !side::lease_ids(ids).any(|id| still_run_out.contains(&id));
        let looked_at: Vec<i64> = leases.iter().filter(|(_, ids)| done(ids)).map(|(id, _)| *id).collect();
        let forgotten = looked_at.len();
        sqlx::query(tx.sql().drop_lease.clone()).bind(looked_at).execute(tx.connection()).await?;
        tx.commit().await?;
        Ok((reaped, forgotten))
    }

    /// The ledger's clock, and the earliest due time of every bucket that has any.
    async fn due_buckets(&self) -> Result<(Timestamp, Vec<(i16, i64)>)> {
        let rows: Vec<(i64, Option<i16>, Option<i64>)> =
            sqlx::query_as(self.core.sql.due_buckets.clone()).bind(self.core.clock_ms()).fetch_all(&self.core.writers).await?;
        let now_ms = rows.first().map(|(now_ms, ..)| *now_ms);
        let now = now_ms.map(Timestamp::from_ms).ok_or_else(|| Error::Corrupt("the clock does not tell the time".into()))?;
        Ok((now, rows.into_iter().filter_map(|(_, bucket, due_at_ms)| bucket.zip(due_at_ms)).collect()))
    }
}

/// Looks at what is due in these buckets, each from its earliest due time on. Returns how many jobs went on.
async fn promote(tx: &mut Tx<'_>, buckets: &[(i16, i64)], limit: usize, now: Timestamp) -> Result<u64> {
    let shares = side::bucket_shares(limit, buckets.len());
    let due: Vec<(i16, i64, Uuid)> = sqlx::query_as(tx.sql().due.clone())
        .bind(buckets.iter().map(|(bucket, _)| *bucket).collect::<Vec<_>>())
        .bind(buckets.iter().map(|(_, due_at_ms)| *due_at_ms).collect::<Vec<_>>())
        .bind(shares)
        .bind(now.ms())
        .fetch_all(tx.connection())
        .await?;
    sqlx::query(tx.sql().drop_due.clone())
        .bind(due.iter().map(|(bucket, ..)| *bucket).collect::<Vec<_>>())
        .bind(due.iter().map(|(_, due_at_ms, _)| *due_at_ms).collect::<Vec<_>>())
        .bind(due.iter().map(|(.., id)| *id).collect::<Vec<_>>())
        .execute(tx.connection())
        .await?;
    let mut ids: Vec<JobId> = due.iter().map(|(.., id)| rows::job_id(*id)).collect();
    // Locked in one order for all of them, as every writer does, so that none of them deadlock.
    ids.sort();
    ids.dedup();
    let changes: Vec<Change> = side::promote(&snapshots(tx, &ids).await?, now);
    let written = apply(tx, None, &changes.iter().collect::<Vec<_>>()).await?;
    Ok(written.iter().filter(|written| written.is_done()).count() as u64)
}

/// Deletes these jobs, where they are still as they were read, and folds them into the totals.
async fn prune(tx: &mut Tx<'_>, (ids, finished_at_ms): (Vec<Uuid>, Vec<i64>)) -> Result<Pruned> {
    let gone: Vec<(Uuid, String, i16)> =
        sqlx::query_as(tx.sql().prune.clone()).bind(ids).bind(finished_at_ms).fetch_all(tx.connection()).await?;
    let ids: Vec<Uuid> = gone.iter().map(|(id, ..)| *id).collect();
    sqlx::query(tx.sql().prune_attempts.clone()).bind(&ids).execute(tx.connection()).await?;
    sqlx::query(tx.sql().prune_effects.clone()).bind(&ids).execute(tx.connection()).await?;
    sqlx::query(tx.sql().prune_deliveries.clone()).bind(&ids).execute(tx.connection()).await?;
    sqlx::query(tx.sql().prune_logs.clone()).bind(&ids).execute(tx.connection()).await?;
    let kept: Vec<(Uuid, String)> = sqlx::query_as(tx.sql().prune_artifacts.clone()).bind(&ids).fetch_all(tx.connection()).await?;
    let own = gone.iter().map(|(id, tenant, _)| (*id, own_prefix(tenant, rows::job_id(*id)))).collect();
    let mut totals: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    for (_, tenant, state) in gone {
        let column = match known_state(state)? {
            State::Completed => 0,
            State::Dead => 1,
            _ => 2,
        };
        totals.entry(tenant).or_default()[column] += 1;
    }
    let column = |index: usize| totals.values().map(|counts| counts[index]).collect::<Vec<_>>();
    sqlx::query(tx.sql().fold.clone())
        .bind(totals.keys().map(String::as_str).collect::<Vec<_>>())
        .bind(column(0))
        .bind(column(1))
        .bind(column(2))
        .execute(tx.connection())
        .await?;
    Ok(Pruned { jobs: ids.len() as u64, objects: side::own_objects(kept, &own), ..Pruned::default() })
}

fn known_state(number: i16) -> Result<State> {
    State::from_number(number.into()).ok_or_else(|| Error::Corrupt(format!("no state has the number {number}")))
}
