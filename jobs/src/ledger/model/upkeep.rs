//! `Upkeep` of the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{
    Delayed, Issued, Leader, Lease, ModelLedger, Tables, Told, due,
    inspect::{count, nothing},
    lane, ready_job, snapshot,
};
use crate::{
    artifact::own_prefix,
    backoff::reap_jitter,
    clock::Timestamp,
    job::{Job, JobId, State},
    ledger::{
        BATCH_MAX, Depths, FeedRow, Fired, HeadKey, LaneKey, Leadership, Promoted, Pruned, ReadyJob, Result, Retention, RunningJob,
        Scrubbed, Ticket, TicketId, Upkeep, WorkerRecord,
    },
    lifecycle,
    schedule::Rules,
    tenant::TenantId,
};

#[async_trait]
impl Upkeep for ModelLedger {
    async fn lead(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Leadership>> {
        Ok(self.transact(|tables, now, _| {
            let epoch = match tables.leaders.get(name) {
                None => 1,
                Some(leader) if leader.holder == holder => leader.epoch,
                Some(leader) if leader.expires_at <= now => leader.epoch + 1,
                Some(_) => return None,
            };
            let leader = Leader { holder: holder.to_owned(), epoch, expires_at: now.plus_ms(ttl_ms) };
            tables.leaders.insert(name.to_owned(), leader);
            Some(Leadership { epoch })
        }))
    }

    async fn abdicate(&self, name: &str, holder: &str) -> Result<()> {
        self.transact(|tables, _, _| {
            if let Some(leader) = tables.leaders.get_mut(name).filter(|leader| leader.holder == holder) {
                leader.expires_at = Timestamp::from_ms(0);
            }
        });
        Ok(())
    }

    async fn issue(&self, leadership: &str, epoch: i64, tickets: Vec<Ticket>) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            let leads = tables.leaders.get(leadership).is_some_and(|leader| leader.epoch == epoch && leader.expires_at > now);
            if leads {
                tables.tickets.extend(tickets.into_iter().map(|ticket| Issued { ticket, at: now }));
            }
            leads
        }))
    }

    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>> {
        Ok(self.transact(|tables, _, _| {
            let revoked = tables.tickets.extract_if(.., |issued| tickets.contains(&issued.ticket.id));
            revoked.map(|issued| issued.ticket.id).collect()
        }))
    }

    async fn revoke_all(&self) -> Result<()> {
        self.transact(|tables, _, _| tables.tickets.clear());
        Ok(())
    }

    async fn feed(&self, seen: Vec<i64>, limit: usize) -> Result<Vec<FeedRow>> {
        Ok(self.transact(|tables, _, _| {
            tables.feed.retain(|seq, _| !seen.contains(seq));
            let oldest = tables.feed.keys().copied().take(limit).collect::<Vec<i64>>();
            oldest.iter().filter_map(|seq| tables.feed.remove(seq)).collect()
        }))
    }

    async fn lanes(&self) -> Result<Vec<LaneKey>> {
        Ok(self.read(|tables| {
            let mut lanes: Vec<LaneKey> = tables.jobs.values().filter(|job| !job.state.is_final()).map(lane).collect();
            lanes.sort();
            lanes.dedup();
            lanes
        }))
    }

    async fn ready(&self, key: &LaneKey, after: Option<HeadKey>, limit: usize) -> Result<Vec<ReadyJob>> {
        Ok(self.read(|tables| {
            let available = tables.jobs.values().filter(|job| job.state == State::Available && lane(job) == *key);
            let mut waiting: Vec<&Job> = available.filter(|job| after.is_none_or(|after| head_key(job) > after)).collect();
            waiting.sort_by_key(|job| head_key(job));
            waiting.into_iter().take(limit).map(ready_job).collect()
        }))
    }

    async fn running(&self) -> Result<Vec<RunningJob>> {
        let running = |job: &Job| RunningJob { id: job.id, attempt: job.attempt, lane: lane(job) };
        Ok(self.read(|tables| tables.running().map(running).collect()))
    }

    async fn workers(&self, silent_ms_max: i64) -> Result<Vec<WorkerRecord>> {
        let now = self.clock.now();
        Ok(self.read(|tables| {
            let heard_of = tables.workers.values().filter(|worker| now.ms_since(worker.seen_at) <= silent_ms_max);
            heard_of.map(|worker| worker.record.clone()).collect()
        }))
    }

    async fn promote(&self, limit: usize) -> Result<Promoted> {
        Ok(self.transact(|tables, now, told| {
            let mut promoted = 0;
            let lag_ms = tables.delayed.first().map_or(0, |entry| now.ms_since(entry.due).max(0));
            for entry in tables.due_in_turn(now).into_iter().take(limit.min(BATCH_MAX)) {
                // The entry goes whatever comes of it: a job that waits for another time has an entry for that.
                tables.delayed.remove(&entry);
                let decided = tables.jobs.get(&entry.id).map(|job| lifecycle::promote(&snapshot(job), now));
                if let Some(Ok(change)) = decided {
                    promoted += u64::from(tables.write(&change, now, told).is_done());
                }
            }
            Promoted { now, promoted, next_due: tables.delayed.first().map(|entry| entry.due), lag_ms }
        }))
    }

    async fn fire(&self, rules: &Rules, limit: usize) -> Result<Fired> {
        Ok(self.transact(|tables, now, told| tables.fire(rules, limit, now, told)))
    }

    async fn forget_fires(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        Ok(self.transact(|tables, now, _| tables.forget_fires(now.plus_ms(-kept_ms), limit)))
    }

    async fn forget_events(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        Ok(self.transact(|tables, now, _| tables.forget_events(now.plus_ms(-kept_ms), limit)))
    }

    async fn forget_items(&self, _: usize) -> Result<u64> {
        // What a sync remembers goes with it.
        Ok(0)
    }

    async fn index_records(&self, _: usize) -> Result<u64> {
        Ok(self.transact(|tables, _, _| {
            let unready = tables.fields.values_mut().flat_map(|fields| fields.values_mut()).filter(|is_ready| !**is_ready);
            unready.map(|is_ready| *is_ready = true).count() as u64
        }))
    }

    async fn forget_translations(&self, unused_ms: i64, limit: usize) -> Result<u64> {
        Ok(self.transact(|tables, now, _| tables.forget_translations(now.plus_ms(-unused_ms), limit)))
    }

    async fn reap(&self, _: usize, incarnation_over: bool) -> Result<u64> {
        Ok(self.transact(|tables, now, told| {
            let suspects = if incarnation_over { tables.running().map(|job| job.id).collect() } else { tables.suspects(now) };
            let decide = if incarnation_over { lifecycle::reap_orphan } else { lifecycle::reap };
            let mut reaped = 0;
            for id in suspects {
                let decided = tables.jobs.get(&id).map(|job| decide(&snapshot(job), now, reap_jitter(id, job.attempt)));
                if let Some(Ok(change)) = decided {
                    reaped += u64::from(tables.write(&change, now, told).is_done());
                }
            }
            tables.drop_leases(now);
            reaped
        }))
    }

    async fn first_expiry(&self) -> Result<Option<Timestamp>> {
        Ok(self.read(|tables| tables.leases.iter().map(|lease| lease.expires_at).min()))
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<Pruned> {
        Ok(self.transact(|tables, now, _| {
            let old: Vec<&Job> = tables.jobs.values().filter(|job| over_ms(job, retention, now) > 0).take(limit).collect();
            let most_over_ms = old.iter().map(|job| over_ms(job, retention, now)).max().unwrap_or(0);
            let gone: Vec<(JobId, TenantId, State)> = old.into_iter().map(|job| (job.id, job.tenant.clone(), job.state)).collect();
            let mut objects = BTreeSet::new();
            for (id, tenant, state) in &gone {
                let totals = tables.pruned.entry(tenant.clone()).or_insert_with(|| nothing(tenant));
                count(totals, *state);
                totals.pruned += 1;
                tables.jobs.remove(id);
                tables.logs.remove(id);
                tables.attempts.retain(|(of, _), _| of != id);
                let own = own_prefix(tenant.as_str(), *id);
                let keys = tables.artifacts.iter().filter(|((of, _), _)| of == id).map(|(_, artifact)| artifact.key.clone());
                objects.extend(keys.filter(|key| key.starts_with(&own)));
                tables.artifacts.retain(|(of, _), _| of != id);
                tables.effects.retain(|(of, _), _| of != id);
                tables.deliveries.retain(|(of, _), _| of != id);
            }
            Pruned { jobs: gone.len() as u64, objects: objects.into_iter().collect(), over_ms: most_over_ms, goes_on: false }
        }))
    }

    async fn forget_keys(&self, limit: usize) -> Result<u64> {
        Ok(self.transact(|tables, now, _| {
            let over = tables.answers.iter().filter(|(_, answered)| answered.expires_at <= now);
            let names: Vec<_> = over.map(|(name, _)| name.clone()).take(limit).collect();
            names.iter().for_each(|name| drop(tables.answers.remove(name)));
            names.len() as u64
        }))
    }

    async fn scrub(&self, after: Option<JobId>, limit: usize) -> Result<Scrubbed> {
        Ok(self.transact(|tables, _, told| {
            let rest = tables.jobs.values().filter(|job| after.is_none_or(|after| job.id > after));
            let jobs: Vec<Job> = rest.take(limit).cloned().collect();
            let next = jobs.last().filter(|_| jobs.len() == limit).map(|job| job.id);
            let mut scrubbed = Scrubbed { next, jobs: jobs.len() as u64, ..Scrubbed::default() };
            for job in &jobs {
                scrubbed.delayed += u64::from(tables.cover_due_time(job, told));
                scrubbed.leases += u64::from(tables.cover_lease(job));
            }
            scrubbed.ready = jobs.iter().filter(|job| job.state == State::Available).map(ready_job).collect();
            scrubbed
        }))
    }

    async fn announce(&self, jobs: Vec<ReadyJob>) -> Result<u64> {
        Ok(self.transact(|tables, _, told| {
            let claimable = |job: &Job, attempt| job.state == State::Available && job.attempt == attempt && !job.cancel_requested;
            let still = jobs.into_iter().filter(|job| tables.jobs.get(&job.id).is_some_and(|row| claimable(row, job.attempt)));
            let before = told.ready.len();
            told.ready.extend(still);
            (told.ready.len() - before) as u64
        }))
    }

    async fn publish_depths(&self, depths: Depths) -> Result<()> {
        self.transact(|tables, now, _| tables.depths = Some(Depths { at_ms: now.ms(), ..depths }));
        Ok(())
    }

    fn nudges(&self) -> broadcast::Receiver<Arc<FeedRow>> {
        self.nudges.subscribe()
    }
}

impl Tables {
    /// Sees to it that a job with a due time is looked at then. Returns whether nobody would have.
    fn cover_due_time(&mut self, job: &Job, told: &mut Told) -> bool {
        let Some(due) = due(job) else { return false };
        let missing = self.delayed.insert(Delayed { due, tenant: job.tenant.clone(), id: job.id });
        if missing {
            told.due(due);
        }
        missing
    }

    /// Sees to it that a running job is looked at once its lease has run out. Returns whether nobody would have.
    fn cover_lease(&mut self, job: &Job) -> bool {
        let Some(until) = job.lease_until.filter(|_| job.state == State::Running) else { return false };
        let missing = !self.leases.iter().any(|lease| lease.expires_at >= until && lease.ids.contains(&job.id));
        if missing {
            self.leases.push(Lease { expires_at: until, ids: vec![job.id] });
        }
        missing
    }

    /// What is due: the tenants in turn, each tenant's oldest first.
    fn due_in_turn(&self, now: Timestamp) -> Vec<Delayed> {
        let mut turns: BTreeMap<&TenantId, usize> = BTreeMap::new();
        let mut due: Vec<(usize, &Delayed)> = Vec::new();
        for entry in self.delayed.iter().take_while(|entry| entry.due <= now) {
            let turn = turns.entry(&entry.tenant).or_default();
            due.push((*turn, entry));
            *turn += 1;
        }
        due.sort();
        due.into_iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// The jobs of the leases that ran out.
    fn suspects(&self, now: Timestamp) -> Vec<JobId> {
        let run_out = self.leases.iter().filter(|lease| lease.expires_at <= now);
        run_out.flat_map(|lease| lease.ids.iter().copied()).collect()
    }

    /// Forgets the leases that ran out and leave nobody running on a lease that ran out.
    fn drop_leases(&mut self, now: Timestamp) {
        let Self { leases, jobs, .. } = self;
        let overdue =
            |id: &JobId| jobs.get(id).is_some_and(|job| job.state == State::Running && job.lease_until.is_some_and(|until| until <= now));
        leases.retain(|lease| lease.expires_at > now || lease.ids.iter().any(overdue));
    }
}

const fn head_key(job: &Job) -> HeadKey {
    HeadKey { priority: std::cmp::Reverse(job.priority), id: job.id }
}

/// How much longer than its retention a job was kept; zero or less while its time is not over, or it lives.
fn over_ms(job: &Job, retention: Retention, now: Timestamp) -> i64 {
    let retention_ms = if job.state == State::Dead { retention.dead_ms } else { retention.completed_ms };
    job.finished_at.map_or(0, |finished_at| now.ms_since(finished_at) - retention_ms)
}
