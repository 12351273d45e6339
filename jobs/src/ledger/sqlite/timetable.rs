//! The role `Timetable` and the verb `fire`, as `ledger/timetable.rs` asks for them.

use std::collections::HashSet;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    SqliteLedger,
    changes::{execute_over, snapshots},
    insert,
    writer::{Tx, Verb},
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
impl Timetable for SqliteLedger {
    async fn create_schedule(&self, id: ScheduleId, tenant: &TenantId, definition: Definition) -> Result<Edited> {
        self.writer.write(Create { id, tenant: tenant.clone(), definition }).await
    }

    async fn edit_schedule(&self, tenant: &TenantId, id: ScheduleId, seen: Option<u32>, edit: Edit, rules: &Rules) -> Result<Edited> {
        loop {
            let one = EditOne { tenant: tenant.clone(), id, seen, edit: edit.clone(), rules: rules.clone() };
            if let Some(edited) = self.writer.write(one).await? {
                return Ok(edited);
            }
        }
    }

    async fn delete_schedule(&self, tenant: &TenantId, id: ScheduleId) -> Result<bool> {
        self.writer.write(Delete { tenant: tenant.clone(), id }).await
    }

    async fn run_schedule(&self, tenant: &TenantId, id: ScheduleId, rules: &Rules) -> Result<Option<std::result::Result<Fire, Placed>>> {
        self.writer.write(Run { tenant: tenant.clone(), id, rules: rules.clone() }).await
    }

    async fn schedule(&self, tenant: &TenantId, by: &ScheduleKey) -> Result<Option<Schedule>> {
        let found = match by {
            ScheduleKey::Id(id) => sqlx::query_as(self.sql.schedule_by_id.clone()).bind(id.0).bind(tenant.as_str()),
            ScheduleKey::Name(name) => sqlx::query_as(self.sql.schedule_by_name.clone()).bind(tenant.as_str()).bind(name),
        };
        let row: Option<ScheduleRow> = found.fetch_optional(&self.readers).await?;
        row.map(ScheduleRow::into_schedule).transpose()
    }

    async fn schedules(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Schedule>> {
        let rows: Vec<ScheduleRow> = sqlx::query_as(self.sql.schedules.clone())
            .bind(tenant.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
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
        let rows: Vec<FireRow> = sqlx::query_as(self.sql.fires.clone())
            .bind(id.0)
            .bind(before.map_or(i64::MAX, Timestamp::ms))
            .bind(rows::as_word(status))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(FireRow::into_fire).collect()
    }
}

impl SqliteLedger {
    pub(super) async fn fire_due(&self, rules: &Rules, limit: usize) -> Result<Fired> {
        let fired = timetable::fire_all(self, rules, limit).await?;
        Ok(Fired { next_due: self.first_due().await?, ..fired })
    }

    pub(super) async fn forget(&self, kept_ms: i64, limit: usize) -> Result<u64> {
        self.writer.write(Forget { kept_ms, limit }).await
    }
}

#[async_trait]
impl Firing for SqliteLedger {
    async fn fire_some(&self, rules: &Rules, limit: usize) -> Result<Fired> {
        self.writer.write(FireDue { rules: rules.clone(), limit }).await
    }

    async fn put_off_first(&self, error: &Error) -> Result<()> {
        self.writer.write(PutOffFirst(error.clone())).await
    }
}

struct PutOffFirst(Error);

#[async_trait]
impl Verb for PutOffFirst {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        timetable::put_off_first(tx, &self.0).await
    }
}

struct Create {
    id: ScheduleId,
    tenant: TenantId,
    definition: Definition,
}

#[async_trait]
impl Verb for Create {
    type Answer = Edited;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Edited> {
        let schedule = Schedule::new(self.id, self.tenant.clone(), self.definition.clone(), tx.now);
        timetable::create(tx, schedule).await
    }
}

struct EditOne {
    tenant: TenantId,
    id: ScheduleId,
    seen: Option<u32>,
    edit: Edit,
    rules: Rules,
}

#[async_trait]
impl Verb for EditOne {
    type Answer = Option<Edited>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<Edited>> {
        timetable::edit(tx, &self.tenant, self.id, self.seen, &self.edit, &self.rules).await
    }
}

struct Delete {
    tenant: TenantId,
    id: ScheduleId,
}

#[async_trait]
impl Verb for Delete {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let deleted =
            sqlx::query(tx.sql.delete_schedule.clone()).bind(self.id.0).bind(self.tenant.as_str()).execute(&mut *tx.connection).await?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(tx.sql.orphan_fires.clone()).bind(self.id.0).execute(&mut *tx.connection).await?;
        Ok(true)
    }
}

struct Run {
    tenant: TenantId,
    id: ScheduleId,
    rules: Rules,
}

#[async_trait]
impl Verb for Run {
    type Answer = Option<std::result::Result<Fire, Placed>>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Self::Answer> {
        timetable::run(tx, &self.tenant, self.id, &self.rules).await
    }
}

struct FireDue {
    rules: Rules,
    limit: usize,
}

#[async_trait]
impl Verb for FireDue {
    type Answer = Fired;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Fired> {
        timetable::fire(tx, &self.rules, self.limit).await
    }
}

struct Forget {
    kept_ms: i64,
    limit: usize,
}

#[async_trait]
impl Verb for Forget {
    type Answer = u64;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let forgotten = sqlx::query(tx.sql.forget_fires.clone())
            .bind(tx.now.plus_ms(-self.kept_ms).ms())
            .bind(i64::try_from(self.limit).unwrap_or(i64::MAX))
            .execute(&mut *tx.connection)
            .await?;
        Ok(forgotten.rows_affected())
    }
}

#[async_trait]
impl ScheduleTable for Tx<'_> {
    async fn clock(&mut self) -> Result<Timestamp> {
        Ok(self.now)
    }

    async fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<ScheduleRow>> {
        Ok(sqlx::query_as(self.sql.due_schedules.clone())
            .bind(now.ms())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.connection)
            .await?)
    }

    async fn lock(&mut self, tenant: &TenantId, id: ScheduleId) -> Result<Option<ScheduleRow>> {
        Ok(sqlx::query_as(self.sql.lock_schedule.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(&mut *self.connection).await?)
    }

    async fn insert_schedule(&mut self, schedule: &Schedule) -> Result<bool> {
        let inserted = sqlx::query(self.sql.insert_schedule.clone())
            .bind(schedule.id.0)
            .bind(schedule.tenant.as_str())
            .bind(&schedule.definition.name)
            .bind(serde_json::to_string(&schedule.definition)?)
            .bind(schedule.paused)
            .bind(schedule.version)
            .bind(schedule.created_at.ms())
            .bind(schedule.updated_at.ms())
            .bind(schedule.next_fire_at.map(Timestamp::ms))
            .bind(schedule.last_fire_at.map(Timestamp::ms))
            .bind(i64::try_from(schedule.jobs_made).unwrap_or(i64::MAX))
            .bind(schedule.due_at.map(Timestamp::ms))
            .execute(&mut *self.connection)
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn holder(&mut self, tenant: &TenantId, name: &str) -> Result<Option<ScheduleId>> {
        let holder: Option<Uuid> = sqlx::query_scalar(self.sql.schedule_holder.clone())
            .bind(tenant.as_str())
            .bind(name)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(holder.map(ScheduleId))
    }

    async fn store(&mut self, schedule: &Schedule) -> Result<bool> {
        let stored = sqlx::query(self.sql.store_schedule.clone())
            .bind(schedule.id.0)
            .bind(&schedule.definition.name)
            .bind(serde_json::to_string(&schedule.definition)?)
            .bind(schedule.paused)
            .bind(schedule.version)
            .bind(schedule.updated_at.ms())
            .bind(schedule.next_fire_at.map(Timestamp::ms))
            .bind(schedule.due_at.map(Timestamp::ms))
            .execute(&mut *self.connection)
            .await;
        timetable::stored(stored.map(drop))
    }

    async fn move_on(&mut self, schedules: &[Schedule]) -> Result<()> {
        let row = |schedule: &Schedule| {
            json!({
                "id": schedule.id.0.simple().to_string(),
                "next_fire_at_ms": schedule.next_fire_at.map(Timestamp::ms),
                "last_fire_at_ms": schedule.last_fire_at.map(Timestamp::ms),
                "due_at_ms": schedule.due_at.map(Timestamp::ms),
                "jobs_made": schedule.jobs_made,
            })
        };
        execute_over(self, |sql| &sql.move_schedules, &schedules.iter().map(row).collect::<Vec<_>>()).await
    }

    async fn postpone(&mut self, ids: &[ScheduleId], until: Timestamp) -> Result<()> {
        let ids: Vec<_> = ids.iter().map(|id| id.0.simple().to_string()).collect();
        let ids = serde_json::to_string(&ids)?;
        sqlx::query(self.sql.postpone_schedules.clone()).bind(ids).bind(until.ms()).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn open_fires(&mut self, ids: &[ScheduleId]) -> Result<Vec<(Uuid, i64, Option<Uuid>)>> {
        let ids: Vec<_> = ids.iter().map(|id| id.0.simple().to_string()).collect();
        Ok(sqlx::query_as(self.sql.open_fires.clone()).bind(serde_json::to_string(&ids)?).fetch_all(&mut *self.connection).await?)
    }

    async fn reopen(&mut self, id: ScheduleId, limit: i64) -> Result<()> {
        sqlx::query(self.sql.reopen_fires.clone()).bind(id.0).bind(limit).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn last_instant(&mut self, id: ScheduleId, from: Timestamp) -> Result<Option<Timestamp>> {
        let last_ms: Option<i64> =
            sqlx::query_scalar(self.sql.last_instant.clone()).bind(id.0).bind(from.ms()).fetch_optional(&mut *self.connection).await?;
        Ok(last_ms.map(Timestamp::from_ms))
    }

    async fn write_fires(&mut self, fires: &[(ScheduleId, &Fire)]) -> Result<HashSet<(ScheduleId, Timestamp)>> {
        let new: Vec<(Uuid, i64)> =
            sqlx::query_as(self.sql.write_fires.clone()).bind(as_rows(fires)?).fetch_all(&mut *self.connection).await?;
        Ok(new.into_iter().map(|(id, fire_at_ms)| (ScheduleId(id), Timestamp::from_ms(fire_at_ms))).collect())
    }

    async fn settle_fires(&mut self, fires: &[(ScheduleId, &Fire)]) -> Result<()> {
        sqlx::query(self.sql.settle_fires.clone()).bind(as_rows(fires)?).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn close_fires(&mut self, fires: &[(ScheduleId, Timestamp)]) -> Result<()> {
        let rows: Vec<_> = fires.iter().map(|(id, fire_at)| json!([id.0.simple().to_string(), fire_at.ms()])).collect();
        execute_over(self, |sql| &sql.close_fires, &rows).await
    }

    async fn look_at_jobs(&mut self, ids: &[JobId]) -> Result<Vec<Snapshot>> {
        snapshots(self, ids).await
    }

    async fn hold_jobs(&mut self, ids: &[JobId]) -> Result<Vec<Snapshot>> {
        snapshots(self, ids).await
    }

    async fn keep(&mut self, jobs: &[&NewJob]) -> Result<()> {
        insert::insert(self, jobs).await.map(drop)
    }

    fn tell_due(&mut self, due_at: Timestamp) {
        self.feed.push(FeedEvent::Delayed(due_at.ms()));
    }
}

fn as_rows(fires: &[(ScheduleId, &Fire)]) -> Result<String> {
    Ok(serde_json::to_string(&fires.iter().map(|(id, fire)| row(*id, fire)).collect::<Vec<_>>())?)
}

fn row(id: ScheduleId, fire: &Fire) -> Value {
    json!({
        "schedule_id": id.0.simple().to_string(),
        "fire_at_ms": fire.fire_at.ms(),
        "status": fire.status,
        "manual": u8::from(fire.manual),
        "reason": fire.reason,
        "message": fire.message,
        "job_id": fire.job_id.map(rows::hex),
        "n": fire.n,
        "decided_at_ms": fire.decided_at.ms(),
        "late_ms": fire.late_ms,
        "is_open": u8::from(fire.open),
    })
}
