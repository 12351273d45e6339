//! How a SQL ledger decides and keeps schedules. Both databases tell here how they touch their rows; what is written is the
//! same, and `schedule/decide.rs` decides it.
//!
//! Whoever decides a schedule holds its row. Its fires are written before their jobs, and a job is kept only where its fire's
//! row is new: a schedule that was set back in time by anything at all still fires once per instant.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    BATCH_MAX, Decided, Edited, Error, Fired, Result,
    guarded::{self, JobTable},
    rows,
};
use crate::{
    clock::Timestamp,
    job::JobId,
    lifecycle::{Change, Snapshot},
    schedule::{Decision, Edit, Fire, MISSED_AFTER_MS, Occasion, Open, Overlap, Placed, Rules, Schedule, ScheduleId, decide::decide},
    submit::NewJob,
    tenant::TenantId,
};

/// Fires of a schedule whose jobs are looked at again when its overlap policy begins to ask for that.
const REOPENED_MAX: i64 = 1_000;

/// How often a schedule is looked at that cannot be read, as when a later release wrote it.
const UNREADABLE_PAUSE_MS: i64 = 10_000;
const _: () = assert!(UNREADABLE_PAUSE_MS * 2 < MISSED_AFTER_MS, "whoever can read it must still be in time");
/// Payloads of jobs that a look makes, in bytes: with those of its last schedule, some 15 MiB at the most.
const JOBS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The pieces in which an edit decides what was due before it makes room for others.
const EDIT_PIECES_MAX: usize = 10;

/// A row of `schedules`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ScheduleRow {
    pub id: Uuid,
    pub tenant: String,
    pub definition: String,
    pub paused: bool,
    pub version: i32,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub next_fire_at_ms: Option<i64>,
    pub last_fire_at_ms: Option<i64>,
    pub jobs_made: i64,
    pub due_at_ms: Option<i64>,
}

impl ScheduleRow {
    pub(super) fn into_schedule(self) -> Result<Schedule> {
        Ok(Schedule {
            id: ScheduleId(self.id),
            tenant: rows::name(&self.tenant)?,
            definition: serde_json::from_str(&self.definition)?,
            paused: self.paused,
            version: rows::count(self.version)?,
            created_at: Timestamp::from_ms(self.created_at_ms),
            updated_at: Timestamp::from_ms(self.updated_at_ms),
            next_fire_at: self.next_fire_at_ms.map(Timestamp::from_ms),
            last_fire_at: self.last_fire_at_ms.map(Timestamp::from_ms),
            jobs_made: number(self.jobs_made)?,
            due_at: self.due_at_ms.map(Timestamp::from_ms),
        })
    }
}

/// A row of `fires`, as it is shown.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct FireRow {
    pub fire_at_ms: i64,
    pub status: String,
    pub manual: bool,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub job_id: Option<Uuid>,
    pub n: Option<i64>,
    pub decided_at_ms: i64,
    pub late_ms: i64,
    pub is_open: bool,
}

impl FireRow {
    pub(super) fn into_fire(self) -> Result<Fire> {
        Ok(Fire {
            fire_at: Timestamp::from_ms(self.fire_at_ms),
            status: rows::word(Some(self.status))?.ok_or_else(|| Error::Corrupt("a fire has no status".into()))?,
            manual: self.manual,
            reason: rows::word(self.reason)?,
            message: self.message,
            job_id: self.job_id.map(rows::job_id),
            n: self.n.map(number).transpose()?,
            decided_at: Timestamp::from_ms(self.decided_at_ms),
            late_ms: self.late_ms,
            open: self.is_open,
        })
    }
}

fn number(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::Corrupt(format!("{number} is no count")))
}

/// The tables of schedules and fires within a transaction.
#[async_trait]
pub(super) trait ScheduleTable: JobTable {
    /// The ledger's clock.
    async fn clock(&mut self) -> Result<Timestamp>;
    /// Takes hold of schedules that are due, the longest first, leaving out those that another holds.
    async fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<ScheduleRow>>;
    /// Takes hold of a schedule.
    async fn lock(&mut self, tenant: &TenantId, id: ScheduleId) -> Result<Option<ScheduleRow>>;
    /// Writes a schedule unless its name or its id is taken. Returns whether it was written.
    async fn insert_schedule(&mut self, schedule: &Schedule) -> Result<bool>;
    /// Whose name this is.
    async fn holder(&mut self, tenant: &TenantId, name: &str) -> Result<Option<ScheduleId>>;
    /// Writes a schedule in the place of its row. Returns whether it could: its name may have been taken meanwhile.
    async fn store(&mut self, schedule: &Schedule) -> Result<bool>;
    /// Writes where these schedules stand after a decision.
    async fn move_on(&mut self, schedules: &[Schedule]) -> Result<()>;
    /// Has these schedules looked at then, and not before.
    async fn postpone(&mut self, ids: &[ScheduleId], until: Timestamp) -> Result<()>;
    /// The open fires of these schedules, oldest first: schedule, instant, and job.
    async fn open_fires(&mut self, ids: &[ScheduleId]) -> Result<Vec<(Uuid, i64, Option<Uuid>)>>;
    /// Opens the latest fires of a schedule that submitted jobs.
    async fn reopen(&mut self, id: ScheduleId, limit: i64) -> Result<()>;
    /// The latest instant of a schedule, not before this one, that has a row.
    async fn last_instant(&mut self, id: ScheduleId, from: Timestamp) -> Result<Option<Timestamp>>;
    /// Writes fires whose instants have no row yet, and returns whose they are.
    async fn write_fires(&mut self, fires: &[(ScheduleId, &Fire)]) -> Result<HashSet<(ScheduleId, Timestamp)>>;
    /// Writes fires in the place of their rows.
    async fn settle_fires(&mut self, fires: &[(ScheduleId, &Fire)]) -> Result<()>;
    /// Closes fires.
    async fn close_fires(&mut self, fires: &[(ScheduleId, Timestamp)]) -> Result<()>;
    /// What decisions about these jobs look at.
    async fn look_at_jobs(&mut self, ids: &[JobId]) -> Result<Vec<Snapshot>>;
    /// The same of jobs that may be cancelled; nobody else writes them until the transaction has ended.
    async fn hold_jobs(&mut self, ids: &[JobId]) -> Result<Vec<Snapshot>>;
    /// Keeps these jobs.
    async fn keep(&mut self, jobs: &[&NewJob]) -> Result<()>;
    /// Tells the scheduler that leads when a schedule is due, for it may be asleep until a later one is.
    fn tell_due(&mut self, due_at: Timestamp);
}

/// Keeps a schedule that begins now.
pub(super) async fn create(table: &mut impl ScheduleTable, schedule: Schedule) -> Result<Edited> {
    if table.insert_schedule(&schedule).await? {
        schedule.due_at.into_iter().for_each(|due_at| table.tell_due(due_at));
        return Ok(Edited::Done(Box::new(schedule)));
    }
    // An insert whose answer was lost has kept it, or another has the name.
    let standing = table.lock(&schedule.tenant, schedule.id).await?;
    Ok(match standing {
        Some(row) => Edited::Done(Box::new(row.into_schedule()?)),
        None => Edited::NameTaken,
    })
}

/// Decides what is due of at most `limit` schedules.
pub(super) async fn fire(table: &mut impl ScheduleTable, rules: &Rules, limit: usize) -> Result<Fired> {
    let now = table.clock().await?;
    let rows = table.due(now, limit).await?;
    let lag_ms = rows.first().and_then(|row| row.due_at_ms).map_or(0, |due_at_ms| now.ms() - due_at_ms);
    let (mut schedules, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let id = row.id;
        match row.into_schedule() {
            Ok(schedule) => schedules.push(schedule),
            Err(error) => {
                tracing::error!(schedule = %id, %error, "a schedule cannot be read and does not fire");
                unreadable.push(ScheduleId(id));
            }
        }
    }
    if !unreadable.is_empty() {
        // Or enough of them would keep all others from firing.
        table.postpone(&unreadable, now.plus_ms(UNREADABLE_PAUSE_MS)).await?;
    }
    let fires = decide_all(table, &mut schedules, rules, now, Occasion::Due).await?;
    Ok(Fired { fires, schedules: schedules.len() + unreadable.len(), next_due: None, lag_ms })
}

/// How a SQL ledger commits what is due.
#[async_trait]
pub(super) trait Firing: Sync {
    /// Decides what is due of at most `limit` schedules, in one commit.
    async fn fire_some(&self, rules: &Rules, limit: usize) -> Result<Fired>;
    /// Puts the schedule off that is due first, because of this error.
    async fn put_off_first(&self, error: &Error) -> Result<()>;
}

/// Decides what is due of at most `limit` schedules; where the data of one will not be written, each by itself, so that it
/// takes nobody with it.
pub(super) async fn fire_all(ledger: &impl Firing, rules: &Rules, limit: usize) -> Result<Fired> {
    match ledger.fire_some(rules, limit).await {
        Err(Error::Refused(_) | Error::Corrupt(_)) => {}
        fired => return fired,
    }
    let mut all = Fired::default();
    for _ in 0..limit {
        match ledger.fire_some(rules, 1).await {
            Ok(fired) if fired.schedules == 0 => break,
            Ok(fired) => {
                all.fires.extend(fired.fires);
                all.schedules += fired.schedules;
                all.lag_ms = all.lag_ms.max(fired.lag_ms);
            }
            Err(error @ (Error::Refused(_) | Error::Corrupt(_))) => ledger.put_off_first(&error).await?,
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Puts the schedule off that is due first.
pub(super) async fn put_off_first(table: &mut impl ScheduleTable, error: &Error) -> Result<()> {
    let now = table.clock().await?;
    let Some(row) = table.due(now, 1).await?.pop() else { return Ok(()) };
    tracing::error!(schedule = %row.id, %error, "what a schedule fires will not be written; it is put off");
    table.postpone(&[ScheduleId(row.id)], now.plus_ms(UNREADABLE_PAUSE_MS)).await
}

/// Changes a schedule, once all that it expected until now is decided; none where only some of that is: it is to be called again.
pub(super) async fn edit(
    table: &mut impl ScheduleTable,
    tenant: &TenantId,
    id: ScheduleId,
    seen: Option<u32>,
    edit: &Edit,
    rules: &Rules,
) -> Result<Option<Edited>> {
    let Some(row) = table.lock(tenant, id).await? else { return Ok(Some(Edited::Missing)) };
    let schedule = row.into_schedule()?;
    if seen.is_some_and(|seen| seen != schedule.version) {
        return Ok(Some(Edited::Stale(schedule.version)));
    }
    let (name, overlap) = (schedule.definition.name.clone(), schedule.definition.overlap);
    if let Edit::Define(definition) = edit
        && definition.name != name
        && table.holder(tenant, &definition.name).await?.is_some()
    {
        return Ok(Some(Edited::NameTaken));
    }
    let now = table.clock().await?;
    let occasion = if matches!(edit, Edit::Pause) { Occasion::Pause } else { Occasion::Edit };
    let mut schedules = vec![schedule];
    for piece in 0.. {
        if piece == EDIT_PIECES_MAX {
            return Ok(None);
        }
        decide_all(table, &mut schedules, rules, now, occasion).await?;
        if !schedules[0].is_behind(now) {
            break;
        }
    }
    let edited = schedules[0].edited(edit, now);
    if overlap == Overlap::Allow && edited.definition.overlap != Overlap::Allow {
        table.reopen(id, REOPENED_MAX).await?;
    }
    if !table.store(&edited).await? {
        return Ok(Some(Edited::NameTaken));
    }
    if let Some(due_at) = edited.due_at {
        table.tell_due(due_at);
    }
    Ok(Some(Edited::Done(Box::new(edited))))
}

/// Whether a schedule was written in the place of its row, or its name was taken meanwhile.
pub(super) fn stored(stored: std::result::Result<(), sqlx::Error>) -> Result<bool> {
    match stored {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        stored => stored.map(|()| true).map_err(Error::from),
    }
}

/// Fires a schedule by hand.
pub(super) async fn run(
    table: &mut impl ScheduleTable,
    tenant: &TenantId,
    id: ScheduleId,
    rules: &Rules,
) -> Result<Option<std::result::Result<Fire, Placed>>> {
    let Some(row) = table.lock(tenant, id).await? else { return Ok(None) };
    let mut schedule = row.into_schedule()?;
    let now = table.clock().await?;
    let taken_until = table.last_instant(id, now).await?;
    let (fire, job) = match schedule.run(taken_until, rules, now) {
        Ok(run) => run,
        Err(placed) => return Ok(Some(Err(placed))),
    };
    table.write_fires(&[(id, &fire)]).await?;
    table.keep(&[&job]).await?;
    schedule.jobs_made += 1;
    table.move_on(std::slice::from_ref(&schedule)).await?;
    Ok(Some(Ok(fire)))
}

/// Decides these schedules, whose rows the transaction holds, and brings them to where they stand then. Leaves those off the end
/// whose jobs would be too much for one commit.
async fn decide_all(
    table: &mut impl ScheduleTable,
    schedules: &mut Vec<Schedule>,
    rules: &Rules,
    now: Timestamp,
    occasion: Occasion,
) -> Result<Vec<Decided>> {
    if schedules.is_empty() {
        return Ok(Vec::new());
    }
    let mut open = open(table, schedules).await?;
    let (mut decisions, mut bytes): (Vec<Decision>, usize) = (Vec::with_capacity(schedules.len()), 0);
    for schedule in &*schedules {
        if bytes >= JOBS_BYTES_MAX {
            break;
        }
        let decision = decide(schedule, &open.remove(&schedule.id).unwrap_or_default(), rules, now, occasion);
        bytes += decision.jobs.iter().map(|job| job.payload.get().len()).sum::<usize>();
        decisions.push(decision);
    }
    schedules.truncate(decisions.len());
    write(table, schedules, &mut decisions).await?;
    let mut decided = Vec::new();
    for (schedule, decision) in schedules.iter_mut().zip(decisions) {
        schedule.next_fire_at = decision.next_fire_at;
        schedule.due_at = decision.due_at;
        schedule.last_fire_at = decision.last_fire_at;
        schedule.jobs_made = decision.jobs_made;
        let (schedule, name, tenant) = (schedule.id, &schedule.definition.name, &schedule.tenant);
        let whose = |waited, fire| Decided { schedule, name: name.clone(), tenant: tenant.clone(), fire, waited };
        decided.extend(decision.settled.into_iter().map(|fire| whose(true, fire)));
        decided.extend(decision.fires.into_iter().map(|fire| whose(false, fire)));
    }
    table.move_on(schedules).await?;
    Ok(decided)
}

/// The open fires of these schedules, with their jobs as they stand.
async fn open(table: &mut impl ScheduleTable, schedules: &[Schedule]) -> Result<HashMap<ScheduleId, Vec<Open>>> {
    let ids: Vec<ScheduleId> = schedules.iter().map(|schedule| schedule.id).collect();
    let rows = table.open_fires(&ids).await?;
    // Only what may be cancelled is held: a claim takes hold of its jobs in another order.
    let cancels = |schedule: &&Schedule| schedule.definition.overlap == Overlap::CancelPrevious;
    let cancelling: HashSet<Uuid> = schedules.iter().filter(cancels).map(|schedule| schedule.id.0).collect();
    let (held, seen): (Vec<_>, Vec<_>) = rows.iter().partition(|(schedule, ..)| cancelling.contains(schedule));
    let ids = |rows: Vec<&(Uuid, i64, Option<Uuid>)>| {
        let mut ids: Vec<JobId> = rows.into_iter().filter_map(|(_, _, job)| job.map(rows::job_id)).collect();
        ids.sort();
        ids
    };
    let mut jobs = HashMap::with_capacity(rows.len());
    for ids in ids(held).chunks(BATCH_MAX) {
        jobs.extend(table.hold_jobs(ids).await?.into_iter().map(|job| (job.id, job)));
    }
    for ids in ids(seen).chunks(BATCH_MAX) {
        jobs.extend(table.look_at_jobs(ids).await?.into_iter().map(|job| (job.id, job)));
    }
    let mut open: HashMap<ScheduleId, Vec<Open>> = HashMap::new();
    for (schedule, fire_at_ms, job_id) in rows {
        let job_id = job_id.map(rows::job_id);
        let job = job_id.and_then(|id| jobs.get(&id).copied());
        open.entry(ScheduleId(schedule)).or_default().push(Open { fire_at: Timestamp::from_ms(fire_at_ms), job_id, job });
    }
    Ok(open)
}

/// Writes what was decided, but for where the schedules stand. Drops fires that were decided before.
async fn write(table: &mut impl ScheduleTable, schedules: &[Schedule], decisions: &mut [Decision]) -> Result<()> {
    let all = |fires: fn(&Decision) -> &Vec<Fire>| {
        let of = |(schedule, decision): (&Schedule, &'_ Decision)| {
            fires(decision).iter().map(|fire| (schedule.id, fire.clone())).collect::<Vec<_>>()
        };
        schedules.iter().zip(decisions.iter()).flat_map(of).collect::<Vec<(ScheduleId, Fire)>>()
    };
    let (fires, settled) = (all(|decision| &decision.fires), all(|decision| &decision.settled));
    let closed: Vec<(ScheduleId, Timestamp)> = schedules
        .iter()
        .zip(decisions.iter())
        .flat_map(|(schedule, decision)| decision.closed.iter().map(|fire_at| (schedule.id, *fire_at)))
        .collect();
    for batch in closed.chunks(BATCH_MAX) {
        table.close_fires(batch).await?;
    }
    for batch in settled.chunks(BATCH_MAX) {
        table.settle_fires(&batch.iter().map(|(id, fire)| (*id, fire)).collect::<Vec<_>>()).await?;
    }
    let mut new = HashSet::with_capacity(fires.len());
    for batch in fires.chunks(BATCH_MAX) {
        new.extend(table.write_fires(&batch.iter().map(|(id, fire)| (*id, fire)).collect::<Vec<_>>()).await?);
    }
    for (schedule, decision) in schedules.iter().zip(decisions.iter_mut()) {
        let before = |fire: &Fire| !new.contains(&(schedule.id, fire.fire_at));
        let dropped: HashSet<JobId> = decision.fires.iter().filter(|fire| before(fire)).filter_map(|fire| fire.job_id).collect();
        decision.fires.retain(|fire| !before(fire));
        decision.jobs.retain(|job| !dropped.contains(&job.id));
        if !dropped.is_empty() {
            decision.cancels.clear();
        }
    }
    let jobs: Vec<&NewJob> = decisions.iter().flat_map(|decision| &decision.jobs).collect();
    table.keep(&jobs).await?;
    let cancels: Vec<&Change> = decisions.iter().flat_map(|decision| &decision.cancels).collect();
    guarded::apply(table, None, &cancels).await?;
    Ok(())
}
