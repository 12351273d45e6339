//! `Timetable` of the model, and its verb `fire`.

use async_trait::async_trait;

use super::{ModelLedger, Tables, Told, snapshot};
use crate::{
    clock::Timestamp,
    ledger::{Decided, Edited, Fired, Result, ScheduleKey, Timetable},
    schedule::{Definition, Edit, Fire, FireStatus, Occasion, Open, Overlap, Placed, Rules, Schedule, ScheduleId, decide::decide},
    tenant::TenantId,
};

/// Fires of a schedule that are looked at again when its overlap policy begins to ask for that.
const REOPENED_MAX: usize = 1_000;

#[async_trait]
impl Timetable for ModelLedger {
    async fn create_schedule(&self, id: ScheduleId, tenant: &TenantId, definition: Definition) -> Result<Edited> {
        Ok(self.transact(|tables, now, told| {
            if let Some(standing) = tables.schedule_of(tenant, id) {
                return Edited::Done(Box::new(standing.clone()));
            }
            if tables.schedule_named(tenant, &definition.name).is_some() {
                return Edited::NameTaken;
            }
            let schedule = Schedule::new(id, tenant.clone(), definition, now);
            schedule.due_at.into_iter().for_each(|due| told.due(due));
            tables.schedules.insert(id, schedule.clone());
            Edited::Done(Box::new(schedule))
        }))
    }

    async fn edit_schedule(&self, tenant: &TenantId, id: ScheduleId, seen: Option<u32>, edit: Edit, rules: &Rules) -> Result<Edited> {
        Ok(self.transact(|tables, now, told| tables.edit_schedule(tenant, id, seen, &edit, (rules, now), told)))
    }

    async fn delete_schedule(&self, tenant: &TenantId, id: ScheduleId) -> Result<bool> {
        Ok(self.transact(|tables, _, _| {
            let owned = tables.schedule_of(tenant, id).is_some();
            if owned {
                tables.schedules.remove(&id);
                tables.fires.iter_mut().filter(|((of, _), _)| *of == id).for_each(|(_, fire)| fire.open = false);
            }
            owned
        }))
    }

    async fn run_schedule(&self, tenant: &TenantId, id: ScheduleId, rules: &Rules) -> Result<Option<std::result::Result<Fire, Placed>>> {
        Ok(self.transact(|tables, now, told| {
            let schedule = tables.schedule_of(tenant, id)?.clone();
            let taken_until = tables.fires.range((id, now)..=(id, Timestamp::from_ms(i64::MAX))).next_back().map(|((_, at), _)| *at);
            Some(schedule.run(taken_until, rules, now).map(|(fire, job)| {
                tables.fires.insert((id, fire.fire_at), fire.clone());
                tables.insert_all(vec![job], now, told);
                tables.schedules.insert(id, Schedule { jobs_made: schedule.jobs_made + 1, ..schedule });
                fire
            }))
        }))
    }

    async fn schedule(&self, tenant: &TenantId, by: &ScheduleKey) -> Result<Option<Schedule>> {
        Ok(self.read(|tables| match by {
            ScheduleKey::Id(id) => tables.schedule_of(tenant, *id).cloned(),
            ScheduleKey::Name(name) => tables.schedule_named(tenant, name).cloned(),
        }))
    }

    async fn schedules(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Schedule>> {
        Ok(self.read(|tables| {
            let name = |schedule: &Schedule| schedule.definition.name.clone();
            let own = tables.schedules.values().filter(|schedule| schedule.tenant == *tenant);
            let mut own: Vec<Schedule> = own.filter(|one| after.is_none_or(|after| name(one).as_str() > after)).cloned().collect();
            own.sort_by_key(name);
            own.truncate(limit);
            own
        }))
    }

    async fn fires(
        &self,
        tenant: &TenantId,
        id: ScheduleId,
        status: Option<FireStatus>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Fire>> {
        Ok(self.read(|tables| {
            if tables.schedule_of(tenant, id).is_none() {
                return Vec::new();
            }
            let fits =
                |fire: &&Fire| status.is_none_or(|status| fire.status == status) && before.is_none_or(|before| fire.fire_at < before);
            tables.fires_of(id).rev().filter(fits).take(limit).cloned().collect()
        }))
    }
}

impl Tables {
    pub(super) fn fire(&mut self, rules: &Rules, limit: usize, now: Timestamp, told: &mut Told) -> Fired {
        let mut due: Vec<(Timestamp, ScheduleId)> = self.schedules.values().filter_map(|one| Some((one.due_at?, one.id))).collect();
        due.retain(|(due_at, _)| *due_at <= now);
        due.sort();
        let lag_ms = due.first().map_or(0, |(due_at, _)| now.ms_since(*due_at));
        due.truncate(limit);
        let schedules = due.len();
        let fires = due.into_iter().flat_map(|(_, id)| self.decide(id, rules, now, Occasion::Due, told)).collect();
        Fired { fires, schedules, next_due: self.schedules.values().filter_map(|schedule| schedule.due_at).min(), lag_ms }
    }

    pub(super) fn forget_fires(&mut self, before: Timestamp, limit: usize) -> u64 {
        let old = self.fires.values().filter(|fire| fire.fire_at < before && !fire.open);
        let mut old: Vec<Timestamp> = old.map(|fire| fire.fire_at).collect();
        old.sort();
        let mut left = old.len().min(limit);
        let forgotten = left as u64;
        old.truncate(limit);
        self.fires.retain(|_, fire| {
            let goes = left > 0 && !fire.open && old.last().is_some_and(|last| fire.fire_at <= *last);
            left -= usize::from(goes);
            !goes
        });
        forgotten
    }

    fn schedule_of(&self, tenant: &TenantId, id: ScheduleId) -> Option<&Schedule> {
        self.schedules.get(&id).filter(|schedule| schedule.tenant == *tenant)
    }

    fn schedule_named(&self, tenant: &TenantId, name: &str) -> Option<&Schedule> {
        self.schedules.values().find(|schedule| schedule.tenant == *tenant && schedule.definition.name == name)
    }

    fn fires_of(&self, id: ScheduleId) -> impl DoubleEndedIterator<Item = &Fire> {
        self.fires.range((id, Timestamp::from_ms(i64::MIN))..=(id, Timestamp::from_ms(i64::MAX))).map(|(_, fire)| fire)
    }

    fn edit_schedule(
        &mut self,
        tenant: &TenantId,
        id: ScheduleId,
        seen: Option<u32>,
        edit: &Edit,
        (rules, now): (&Rules, Timestamp),
        told: &mut Told,
    ) -> Edited {
        let Some(before) = self.schedule_of(tenant, id).cloned() else { return Edited::Missing };
        if seen.is_some_and(|seen| seen != before.version) {
            return Edited::Stale(before.version);
        }
        if let Edit::Define(definition) = edit
            && self.schedule_named(tenant, &definition.name).is_some_and(|holder| holder.id != id)
        {
            return Edited::NameTaken;
        }
        let occasion = if matches!(edit, Edit::Pause) { Occasion::Pause } else { Occasion::Edit };
        self.decide(id, rules, now, occasion, told);
        while self.schedules[&id].is_behind(now) {
            self.decide(id, rules, now, occasion, told);
        }
        let edited = self.schedules[&id].edited(edit, now);
        if before.definition.overlap == Overlap::Allow && edited.definition.overlap != Overlap::Allow {
            let latest = self.fires_of(id).rev().filter(|fire| fire.job_id.is_some()).take(REOPENED_MAX);
            let latest: Vec<Timestamp> = latest.map(|fire| fire.fire_at).collect();
            let submitted = self.fires.iter_mut().filter(|((of, at), _)| *of == id && latest.contains(at));
            submitted.for_each(|(_, fire)| fire.open = true);
        }
        edited.due_at.into_iter().for_each(|due| told.due(due));
        self.schedules.insert(id, edited.clone());
        Edited::Done(Box::new(edited))
    }

    fn decide(&mut self, id: ScheduleId, rules: &Rules, now: Timestamp, occasion: Occasion, told: &mut Told) -> Vec<Decided> {
        let mut schedule = self.schedules[&id].clone();
        let job = |fire: &Fire| fire.job_id.and_then(|job| self.jobs.get(&job)).map(snapshot);
        let seen = |fire: &Fire| Open { fire_at: fire.fire_at, job_id: fire.job_id, job: job(fire) };
        let open: Vec<Open> = self.fires_of(id).filter(|fire| fire.open).map(seen).collect();
        let mut decision = decide(&schedule, &open, rules, now, occasion);
        for fire_at in &decision.closed {
            self.fires.entry((id, *fire_at)).and_modify(|fire| fire.open = false);
        }
        for fire in &decision.settled {
            self.fires.insert((id, fire.fire_at), fire.clone());
        }
        let before: Vec<Fire> = decision.fires.extract_if(.., |fire| self.fires.contains_key(&(id, fire.fire_at))).collect();
        decision.jobs.retain(|job| !before.iter().any(|fire| fire.job_id == Some(job.id)));
        self.fires.extend(decision.fires.iter().map(|fire| ((id, fire.fire_at), fire.clone())));
        self.insert_all(decision.jobs, now, told);
        for change in &decision.cancels {
            self.write(change, now, told);
        }
        schedule.next_fire_at = decision.next_fire_at;
        schedule.due_at = decision.due_at;
        schedule.last_fire_at = decision.last_fire_at;
        schedule.jobs_made = decision.jobs_made;
        let (name, tenant) = (schedule.definition.name.clone(), schedule.tenant.clone());
        self.schedules.insert(id, schedule);
        let whose = |waited, fire| Decided { schedule: id, name: name.clone(), tenant: tenant.clone(), fire, waited };
        let settled = decision.settled.into_iter().map(|fire| whose(true, fire));
        settled.chain(decision.fires.into_iter().map(|fire| whose(false, fire))).collect()
    }
}
