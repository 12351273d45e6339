//! The role `Timetable` and the verb `fire`, as `ledger/timetable.rs` asks for them.

use std::collections::HashSet;

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    PostgresLedger, Tx,
    changes::{int, snapshots, uuid},
    inserts,
};
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{
        Edited, Error, FeedEvent, Fired, Inspect, Result, ScheduleKey, Timetable, rows,
        timetable::{self, FireRow, Firing, ScheduleRow, ScheduleTable},
    },
    lifecycle::Snapshot,
    schedule::{Definition, Edit, Fire, FireStatus, Placed, Rules, Schedule, ScheduleId},
    submit::NewJob,
    tenant::TenantId,
};

#[async_trait]
impl Timetable for PostgresLedger {
    async fn create_schedule(&self, id: ScheduleId, tenant: &TenantId, definition: Definition) -> Result<Edited> {
        let mut tx = self.core.begin().await?;
        let now = tx.clock().await?;
        let edited = timetable::create(&mut tx, Schedule::new(id, tenant.clone(), definition, now)).await?;
        tx.commit().await?;
        Ok(edited)
    }

    async fn edit_schedule(&self, tenant: &TenantId, id: ScheduleId, seen: Option<u32>, edit: Edit, rules: &Rules) -> Result<Edited> {
        loop {
            let mut tx = self.core.begin().await?;
            let edited = timetable::edit(&mut tx, tenant, id, seen, &edit, rules).await?;
            tx.commit().await?;
            if let Some(edited) = edited {
                return Ok(edited);
            }
        }
    }

    async fn delete_schedule(&self, tenant: &TenantId, id: ScheduleId) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let deleted = sqlx::query(tx.sql().delete_schedule.clone()).bind(id.0).bind(tenant.as_str()).execute(tx.connection()).await?;
        if deleted.rows_affected() > 0 {
            sqlx::query(tx.sql().orphan_fires.clone()).bind(id.0).execute(tx.connection()).await?;
        }
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn run_schedule(&self, tenant: &TenantId, id: ScheduleId, rules: &Rules) -> Result<Option<std::result::Result<Fire, Placed>>> {
        let mut tx = self.core.begin().await?;
        let run = timetable::run(&mut tx, tenant, id, rules).await?;
        tx.commit().await?;
        Ok(run)
    }

    async fn schedule(&self, tenant: &TenantId, by: &ScheduleKey) -> Result<Option<Schedule>> {
        let found = match by {
            ScheduleKey::Id(id) => sqlx::query_as(self.core.sql.schedule_by_id.clone()).bind(id.0).bind(tenant.as_str()),
            ScheduleKey::Name(name) => sqlx::query_as(self.core.sql.schedule_by_name.clone()).bind(tenant.as_str()).bind(name),
        };
        let row: Option<ScheduleRow> = found.fetch_optional(&self.core.readers).await?;
        row.map(ScheduleRow::into_schedule).transpose()
    }

    async fn schedules(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Schedule>> {
        let rows: Vec<ScheduleRow> = sqlx::query_as(self.core.sql.schedules.clone())
            .bind(tenant.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(ScheduleRow::into_schedule).collect()
    }

    async fn fires(
        &self,
        tenant: &TenantId,
        id: ScheduleId,
        status: Option<FireStatus>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Fire>> {
        if self.schedule(tenant, &ScheduleKey::Id(id)).await?.is_none() {
            return Ok(Vec::new());
        }
        let rows: Vec<FireRow> = sqlx::query_as(self.core.sql.fires.clone())
            .bind(id.0)
            .bind(before.map_or(i64::MAX, Timestamp::ms))
            .bind(rows::as_word(status))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(FireRow::into_fire).collect()
    }
}

impl PostgresLedger {
    pub(super) async fn fire_due(&self, rules: &Rules, limit: usize) -> Result<Fired> {
        let fired = timetable::fire_all(self, rules, limit).await?;
        Ok(Fired { next_due: self.first_due().await?, ..fired })
    }

    pub(super) async fn forget(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        let before = self.now().await?.plus_ms(-kept_ms);
        let forgotten = sqlx::query(self.core.sql.forget_fires.clone())
            .bind(before.ms())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .execute(&self.core.writers)
            .await?;
        Ok(forgotten.rows_affected())
    }
}

#[async_trait]
impl Firing for PostgresLedger {
    async fn fire_some(&self, rules: &Rules, limit: usize) -> Result<Fired> {
        let mut tx = self.core.begin().await?;
        match timetable::fire(&mut tx, rules, limit).await {
            Ok(fired) => tx.commit().await.map(|()| fired),
            Err(error) => {
                // And waits for it: a transaction that is only dropped holds the schedules for a while, and whoever looks next
                // would leave them out. Where the connection is gone the database has let go of them.
                let _ = tx.roll_back().await;
                Err(error)
            }
        }
    }

    async fn put_off_first(&self, error: &Error) -> Result<()> {
        let mut tx = self.core.begin().await?;
        timetable::put_off_first(&mut tx, error).await?;
        tx.commit().await
    }
}

#[async_trait]
impl ScheduleTable for Tx<'_> {
    async fn clock(&mut self) -> Result<Timestamp> {
        let clock_ms = self.core.clock_ms();
        Ok(Timestamp::from_ms(sqlx::query_scalar(self.sql().clock.clone()).bind(clock_ms).fetch_one(self.connection()).await?))
    }

    async fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<ScheduleRow>> {
        Ok(sqlx::query_as(self.sql().due_schedules.clone())
            .bind(now.ms())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(self.connection())
            .await?)
    }

    async fn lock(&mut self, tenant: &TenantId, id: ScheduleId) -> Result<Option<ScheduleRow>> {
        Ok(sqlx::query_as(self.sql().lock_schedule.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(self.connection()).await?)
    }

    async fn insert_schedule(&mut self, schedule: &Schedule) -> Result<bool> {
        let inserted = sqlx::query(self.sql().insert_schedule.clone())
            .bind(schedule.id.0)
            .bind(schedule.tenant.as_str())
            .bind(&schedule.definition.name)
            .bind(serde_json::to_string(&schedule.definition)?)
            .bind(schedule.paused)
            .bind(int(schedule.version))
            .bind(schedule.created_at.ms())
            .bind(schedule.updated_at.ms())
            .bind(schedule.next_fire_at.map(Timestamp::ms))
            .bind(schedule.last_fire_at.map(Timestamp::ms))
            .bind(long(schedule.jobs_made))
            .bind(schedule.due_at.map(Timestamp::ms))
            .execute(self.connection())
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn holder(&mut self, tenant: &TenantId, name: &str) -> Result<Option<ScheduleId>> {
        let holder: Option<Uuid> = sqlx::query_scalar(self.sql().schedule_holder.clone())
            .bind(tenant.as_str())
            .bind(name)
            .fetch_optional(self.connection())
            .await?;
        Ok(holder.map(ScheduleId))
    }

    async fn store(&mut self, schedule: &Schedule) -> Result<bool> {
        let stored = sqlx::query(self.sql().store_schedule.clone())
            .bind(schedule.id.0)
            .bind(&schedule.definition.name)
            .bind(serde_json::to_string(&schedule.definition)?)
            .bind(schedule.paused)
            .bind(int(schedule.version))
            .bind(schedule.updated_at.ms())
            .bind(schedule.next_fire_at.map(Timestamp::ms))
            .bind(schedule.due_at.map(Timestamp::ms))
            .execute(self.connection())
            .await;
        timetable::stored(stored.map(drop))
    }

    async fn move_on(&mut self, schedules: &[Schedule]) -> Result<()> {
        let ms = |time: fn(&Schedule) -> Option<Timestamp>| schedules.iter().map(|one| time(one).map(Timestamp::ms)).collect::<Vec<_>>();
        sqlx::query(self.sql().move_schedules.clone())
            .bind(schedules.iter().map(|schedule| schedule.id.0).collect::<Vec<_>>())
            .bind(ms(|schedule| schedule.next_fire_at))
            .bind(ms(|schedule| schedule.last_fire_at))
            .bind(ms(|schedule| schedule.due_at))
            .bind(schedules.iter().map(|schedule| long(schedule.jobs_made)).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn postpone(&mut self, ids: &[ScheduleId], until: Timestamp) -> Result<()> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        sqlx::query(self.sql().postpone_schedules.clone()).bind(ids).bind(until.ms()).execute(self.connection()).await?;
        Ok(())
    }

    async fn open_fires(&mut self, ids: &[ScheduleId]) -> Result<Vec<(Uuid, i64, Option<Uuid>)>> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        Ok(sqlx::query_as(self.sql().open_fires.clone()).bind(ids).fetch_all(self.connection()).await?)
    }

    async fn reopen(&mut self, id: ScheduleId, limit: i64) -> Result<()> {
        sqlx::query(self.sql().reopen_fires.clone()).bind(id.0).bind(limit).execute(self.connection()).await?;
        Ok(())
    }

    async fn last_instant(&mut self, id: ScheduleId, from: Timestamp) -> Result<Option<Timestamp>> {
        let last_ms: Option<i64> =
            sqlx::query_scalar(self.sql().last_instant.clone()).bind(id.0).bind(from.ms()).fetch_optional(self.connection()).await?;
        Ok(last_ms.map(Timestamp::from_ms))
    }

    async fn write_fires(&mut self, fires: &[(ScheduleId, &Fire)]) -> Result<HashSet<(ScheduleId, Timestamp)>> {
        let new: Vec<(Uuid, i64)> = sqlx::query_as(self.sql().write_fires.clone())
            .bind(column(fires, |(id, _)| id.0))
            .bind(column(fires, |(_, fire)| fire.fire_at.ms()))
            .bind(column(fires, |(_, fire)| rows::as_word(Some(fire.status))))
            .bind(column(fires, |(_, fire)| fire.manual))
            .bind(column(fires, |(_, fire)| rows::as_word(fire.reason)))
            .bind(column(fires, |(_, fire)| fire.message.clone()))
            .bind(column(fires, |(_, fire)| fire.job_id.map(uuid)))
            .bind(column(fires, |(_, fire)| fire.n.map(long)))
            .bind(column(fires, |(_, fire)| fire.decided_at.ms()))
            .bind(column(fires, |(_, fire)| fire.late_ms))
            .bind(column(fires, |(_, fire)| fire.open))
            .fetch_all(self.connection())
            .await?;
        Ok(new.into_iter().map(|(id, fire_at_ms)| (ScheduleId(id), Timestamp::from_ms(fire_at_ms))).collect())
    }

    async fn settle_fires(&mut self, fires: &[(ScheduleId, &Fire)]) -> Result<()> {
        sqlx::query(self.sql().settle_fires.clone())
            .bind(column(fires, |(id, _)| id.0))
            .bind(column(fires, |(_, fire)| fire.fire_at.ms()))
            .bind(column(fires, |(_, fire)| rows::as_word(Some(fire.status))))
            .bind(column(fires, |(_, fire)| rows::as_word(fire.reason)))
            .bind(column(fires, |(_, fire)| fire.message.clone()))
            .bind(column(fires, |(_, fire)| fire.job_id.map(uuid)))
            .bind(column(fires, |(_, fire)| fire.n.map(long)))
            .bind(column(fires, |(_, fire)| fire.decided_at.ms()))
            .bind(column(fires, |(_, fire)| fire.late_ms))
            .bind(column(fires, |(_, fire)| fire.open))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn close_fires(&mut self, fires: &[(ScheduleId, Timestamp)]) -> Result<()> {
        sqlx::query(self.sql().close_fires.clone())
            .bind(fires.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
            .bind(fires.iter().map(|(_, fire_at)| fire_at.ms()).collect::<Vec<_>>())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn look_at_jobs(&mut self, ids: &[JobId]) -> Result<Vec<Snapshot>> {
        let ids: Vec<Uuid> = ids.iter().copied().map(uuid).collect();
        let rows: Vec<rows::SnapshotRow> = sqlx::query_as(self.sql().snapshots.clone()).bind(ids).fetch_all(self.connection()).await?;
        rows.iter().map(rows::SnapshotRow::snapshot).collect()
    }

    async fn hold_jobs(&mut self, ids: &[JobId]) -> Result<Vec<Snapshot>> {
        snapshots(self, ids).await
    }

    async fn keep(&mut self, jobs: &[&NewJob]) -> Result<()> {
        inserts::keep(self, jobs).await
    }

    fn tell_due(&mut self, due_at: Timestamp) {
        self.feed.push(FeedEvent::Delayed(due_at.ms()));
    }
}

fn column<T>(fires: &[(ScheduleId, &Fire)], of: impl Fn(&(ScheduleId, &Fire)) -> T) -> Vec<T> {
    fires.iter().map(of).collect()
}

/// A count as the database's type; no count of ours comes near its end.
fn long(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
