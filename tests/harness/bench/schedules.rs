//! The scenario `schedules`: how late fires are when a thousand are due in the same second among very many others, and what a
//! look costs the scheduler.
//!
//! The looks are timed before anything runs, with few and with all schedules in the ledger: the verb is called as the duty calls
//! it. Then the processes start, and the thousand fire several times.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::time::{Duration, sleep};
use windrow_jobs::{
    clock::Timestamp,
    contract::Catalog,
    kinds,
    ledger::{Edited, Ledger},
    schedule::{Rules, Schedule, ScheduleId},
    tenant::TenantId,
};

use super::{
    measured::{Measured, per_s},
    scenarios::{Bench, job},
    stage::Stage,
    statistics::Times,
};

/// So many are due in the same second, or a tenth of all if that is less.
const BURST: u64 = 1_000;
/// The time between two bursts.
const BURST_EVERY_S: u32 = 5;
/// The first burst comes so long after the rest is ready: the servers start meanwhile.
const LEAD_MS: i64 = 10_000;
/// What is due in a look that is timed with something to do.
const DUE: u64 = 10;
/// Looks of a round with nothing to do.
const LOOKS: usize = 50;
/// The most schedules of a look, as the duty has it.
const SCHEDULES_MAX: usize = 250;
/// Few schedules are this part of all.
const FEW: u64 = 100;
const YEAR_MS: i64 = 365 * 86_400_000;

impl Bench<'_> {
    /// So many schedules.
    pub(super) async fn schedules(&self) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        let ledger = stage.library().await?;
        let (all, few) = (self.options.schedules(), (self.options.schedules() / FEW).max(1));
        let mut measured = Measured {
            of: Some("from a fire's instant to its handler's start, of those that are due in the same second"),
            compared_with: Some("decided"),
            ..Measured::default()
        };
        self.spread_over_a_year(&ledger, 0, few).await?;
        self.time_looks(&ledger, few, &mut measured).await?;
        self.spread_over_a_year(&ledger, few, all).await?;
        self.time_looks(&ledger, all, &mut measured).await?;

        let burst = BURST.min(all / 10).max(1);
        let first = self.prepare_bursts(&ledger, burst).await?;
        drop(ledger);
        stage.start().await?;
        let books = stage.books().await?;
        measured.accepted += burst * self.options.rounds as u64;
        stage.wait_completed(&books, measured.accepted).await?;
        for round in 0..self.options.rounds {
            let instant = first.plus_ms(round as i64 * i64::from(BURST_EVERY_S) * 1_000);
            let (decided, started) = books.fires_at(instant.ms()).await?;
            ensure!(decided.len() as u64 == burst, "{} of {burst} fired at {instant}", decided.len());
            let took_ms = |times: &Times| times.most_ms().map_or(0, |ms| ms.ceil() as i64);
            measured.ours.push(per_s(burst, took_ms(&started)));
            measured.limit.push(per_s(burst, took_ms(&decided)));
            measured.times.merge(started);
            measured.limit_times.merge(decided);
        }
        measured.part("from the instant to its decision", measured.limit_times.clone());
        self.close(stage, measured).await
    }

    /// Those that make up the mass: each fires once a year.
    async fn spread_over_a_year(&self, ledger: &Arc<dyn Ledger>, from: u64, to: u64) -> anyhow::Result<()> {
        let now = ledger.now().await?;
        let one = |number: u64| {
            // The first in an hour: none fires while something is measured.
            let share = YEAR_MS as f64 * (number as f64 / to as f64);
            let starts_at = now.plus_ms(3_600_000 + share as i64);
            let definition = json!({ "name": format!("year-{number}"), "cron": "@every 365d", "starts_at": starts_at, "job": job() });
            create(ledger.clone(), definition.to_string())
        };
        stream::iter(from..to).map(one).buffer_unordered(self.options.connections.max(64)).try_for_each(|_| async { Ok(()) }).await
    }

    /// Times looks of the scheduler, while nothing else uses the ledger.
    async fn time_looks(&self, ledger: &Arc<dyn Ledger>, schedules: u64, measured: &mut Measured) -> anyhow::Result<()> {
        let rules = Rules { catalog: Catalog::new(kinds::contracts()).map_err(anyhow::Error::msg)?, fires_kept_ms: YEAR_MS };
        let (mut idle, mut busy) = (Times::default(), Times::default());
        for _ in 0..self.options.rounds * LOOKS {
            let began = Instant::now();
            let fired = ledger.fire(&rules, SCHEDULES_MAX).await?;
            idle.add(began.elapsed());
            ensure!(fired.schedules == 0, "nothing is due");
        }
        let mut due = Vec::new();
        for number in 0..DUE {
            let definition =
                json!({ "name": format!("look-{number}"), "cron": "@every 1s", "starts_at": ledger.now().await?, "job": job() });
            due.push(create(ledger.clone(), definition.to_string()).await?);
        }
        for _ in 0..self.options.rounds {
            sleep(Duration::from_millis(1_100)).await;
            let began = Instant::now();
            let fired = ledger.fire(&rules, SCHEDULES_MAX).await?;
            busy.add(began.elapsed());
            ensure!(fired.schedules as u64 == DUE, "{} of {DUE} were due", fired.schedules);
            measured.accepted += fired.fires.len() as u64;
        }
        for schedule in due {
            ensure!(ledger.delete_schedule(&schedule.tenant, schedule.id).await?, "it was there");
        }
        measured.part(&format!("a look with nothing to decide, {schedules} schedules"), idle);
        measured.part(&format!("a look that decides {DUE}, {schedules} schedules"), busy);
        Ok(())
    }

    /// Those that are due in the same second, as often as there are rounds; returns when for the first time.
    async fn prepare_bursts(&self, ledger: &Arc<dyn Ledger>, burst: u64) -> anyhow::Result<Timestamp> {
        let now = ledger.now().await?;
        let first = Timestamp::from_ms((now.ms() + LEAD_MS + i64::try_from(burst)?) / 1_000 * 1_000);
        let interval_ms = i64::from(BURST_EVERY_S) * 1_000;
        // It counts from its start, and fires for the first time an interval later.
        let (starts_at, ends_at) = (first.plus_ms(-interval_ms), first.plus_ms(interval_ms * (self.options.rounds as i64 - 1)));
        let mut job = job();
        job["payload"]["tell_start"] = true.into();
        let one = |number: u64| {
            let definition = json!({ "name": format!("burst-{number}"), "cron": format!("@every {BURST_EVERY_S}s"), "starts_at": starts_at,
                "ends_at": ends_at, "job": job });
            create(ledger.clone(), definition.to_string())
        };
        let made: Vec<Schedule> = stream::iter(0..burst).map(one).buffer_unordered(64).try_collect().await?;
        ensure!(made.iter().all(|schedule| schedule.next_fire_at == Some(first)), "all are due at the same instant");
        ensure!(ledger.now().await? < first, "the schedules took so long to insert that their time has come");
        Ok(first)
    }
}

async fn create(ledger: Arc<dyn Ledger>, definition: String) -> anyhow::Result<Schedule> {
    let definition = serde_json::from_str(&definition).context("a definition")?;
    match ledger.create_schedule(ScheduleId::generate(), &TenantId::default_tenant(), definition).await? {
        Edited::Done(schedule) => Ok(*schedule),
        other => bail!("the schedule is not kept: {other:?}"),
    }
}
