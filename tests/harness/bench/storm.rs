//! The scenario `storm`: very many delayed jobs are due at once, while a few immediate ones come at a steady rate.
//!
//! The storm lies in the ledger before anything runs. Immediate jobs of another tenant, and of the same one with a higher priority,
//! are timed before it breaks and until all of it is completed: first while it is promoted, then while the workers run what was.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};
use windrow_jobs::clock::Timestamp;

use super::{
    callers::Library,
    http::{Submit, Until},
    load::{self, End},
    measured::{BESIDE, Measured, now_ms, per_s},
    scenarios::{Bench, job},
    stage::{Books, Stage},
    statistics::Times,
};

/// The storm's own inserts come by so many at a time.
const BATCH: u64 = 100;
/// How many jobs per second are surely inserted: the storm is put off by so long.
const INSERTED_PER_S: u64 = 8_000;
/// And by so long at least: the servers start, and calm is measured.
const CALM: Duration = Duration::from_secs(12);
/// The least calm that is worth measuring.
const CALM_MIN: Duration = Duration::from_secs(1);
/// Calm ends this long before the storm.
const MARGIN: Duration = Duration::from_millis(300);
/// How long a stretch of the storm is timed before it is asked whether it is over.
const STRETCH: Duration = Duration::from_secs(2);
/// How often it is asked: PostgreSQL walks past what was promoted to say so.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Connections of each flow of immediate jobs.
const CONNECTIONS_MAX: usize = 32;

/// Immediate jobs, and when they were accepted and started.
#[derive(Default)]
struct Immediate {
    jobs: u64,
    beside: u64,
    seconds: f64,
    of_another: Times,
    of_the_same: Times,
    accepted: Times,
}

impl Bench<'_> {
    /// So many delayed jobs at once.
    pub(super) async fn storm(&self) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        let lead = CALM + Duration::from_millis(self.options.backlog() * 1_000 / INSERTED_PER_S);
        let storm_ms = now_ms() + i64::try_from(lead.as_millis())?;
        let mut measured = Measured {
            of: Some("from the request to the handler's start, of immediate jobs during the storm"),
            compared_with: Some("calm"),
            ..Measured::default()
        };
        let storm_jobs = self.insert_storm(&stage, storm_ms).await?;
        measured.accepted += storm_jobs;
        stage.start().await?;
        let books = Arc::new(stage.books().await?);

        let calm_for = Duration::from_millis(u64::try_from(storm_ms - now_ms()).unwrap_or_default()).saturating_sub(MARGIN);
        ensure!(calm_for >= CALM_MIN, "the storm's jobs took so long to insert that it would break before anything is measured");
        let calm = self.immediate(&stage, calm_for).await?;
        tokio::time::sleep(Duration::from_millis(u64::try_from(storm_ms - now_ms()).unwrap_or_default())).await;
        let (phase, mut watching) = watch_storm(&books, storm_jobs);
        let (mut promoting, mut running) = (Immediate::default(), Immediate::default());
        let promoted_ms = loop {
            let Phase { promoted_ms, completed } = *phase.borrow();
            match promoted_ms {
                None => promoting.add(self.immediate(&stage, STRETCH).await?),
                Some(_) if !completed => running.add(self.immediate(&stage, STRETCH).await?),
                Some(promoted_ms) => break promoted_ms,
            }
            if let Some(ended) = watching.try_join_next() {
                ended.context("watching the storm")??;
            }
        };
        measured.ours.push(per_s(storm_jobs, promoted_ms - storm_ms));
        measured.limit.push(calm.jobs as f64 / calm.seconds);
        calm.report("calm", &mut measured, |measured| &mut measured.limit_times);
        promoting.report("while it is promoted", &mut measured, |measured| &mut measured.times);
        running.report("while it is run", &mut measured, |measured| &mut measured.times);
        measured.part("the storm's own, from run_at to their claim", books.late_between(storm_ms).await?);
        self.close(stage, measured).await
    }

    /// Puts the storm into a ledger that nothing else uses yet.
    async fn insert_storm(&self, stage: &Stage, storm_ms: i64) -> anyhow::Result<u64> {
        let library = Library::new(stage.library().await?, &job(), BATCH)?;
        let spread_ms = i64::from(self.options.spread_ms.max(1));
        let callers = (0..self.options.connections).map(|caller| {
            // Each call another instant, and neighbours far apart: ids and due times are in different orders.
            let at = move |call: i64| Timestamp::from_ms(storm_ms + (call * 7_919 + caller as i64 * 104_729) % spread_ms);
            library.clone().due(at)
        });
        Ok(load::at_once(callers.collect(), End { after: Duration::MAX, jobs: self.options.backlog() }, None).await?.jobs)
    }

    /// Immediate jobs at `--rate` per second, a third each timed to their 202 and, of either tenant, to their start.
    async fn immediate(&self, stage: &Stage, after: Duration) -> anyhow::Result<Immediate> {
        let connections = self.options.connections.min(CONNECTIONS_MAX);
        let (mut plain, mut urgent) = (job(), job());
        plain["payload"]["tell_start"] = true.into();
        urgent["payload"]["tell_start"] = true.into();
        urgent["priority"] = 10.into();
        let flow = async |tenant: &str, job: &Value, until| {
            let job = std::slice::from_ref(job);
            let callers: Vec<Submit> = stage.in_turn_of(tenant, connections, |_| job.to_vec(), until).await?;
            let rate = (self.options.rate / 3).max(1);
            load::at_rate(callers, rate, End { after, jobs: self.end().jobs }).await
        };
        let began = Instant::now();
        let (of_another, of_the_same, accepted) = tokio::try_join!(
            flow(BESIDE, &plain, Until::Final),
            flow("default", &urgent, Until::Final),
            flow(BESIDE, &plain, Until::Accepted),
        )?;
        Ok(Immediate {
            jobs: of_another.jobs + of_the_same.jobs + accepted.jobs,
            beside: of_another.jobs + accepted.jobs,
            seconds: began.elapsed().as_secs_f64(),
            of_another: of_another.starts,
            of_the_same: of_the_same.starts,
            accepted: accepted.calls,
        })
    }
}

impl Immediate {
    fn add(&mut self, more: Self) {
        self.jobs += more.jobs;
        self.beside += more.beside;
        self.seconds += more.seconds;
        self.of_another.merge(more.of_another);
        self.of_the_same.merge(more.of_the_same);
        self.accepted.merge(more.accepted);
    }

    fn report(self, when: &str, measured: &mut Measured, all: impl Fn(&mut Measured) -> &mut Times) {
        measured.accepted += self.jobs - self.beside;
        measured.beside += self.beside;
        all(measured).merge(self.of_another.clone());
        all(measured).merge(self.of_the_same.clone());
        measured.part(&format!("{when}: to the 202"), self.accepted);
        measured.part(&format!("{when}: to the start, another tenant"), self.of_another);
        measured.part(&format!("{when}: to the start, same tenant, higher priority"), self.of_the_same);
    }
}

/// How far the storm is.
#[derive(Debug, Clone, Copy, Default)]
struct Phase {
    promoted_ms: Option<i64>,
    completed: bool,
}

/// Looks on until all of the storm is completed.
fn watch_storm(books: &Arc<Books>, jobs: u64) -> (watch::Receiver<Phase>, JoinSet<anyhow::Result<()>>) {
    let (tell, phase) = watch::channel(Phase::default());
    let (books, mut watching) = (books.clone(), JoinSet::new());
    watching.spawn(async move {
        while books.are_delayed().await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let promoted_ms = Some(now_ms());
        tell.send_replace(Phase { promoted_ms, completed: false });
        // Immediate ones are among those that are completed, but few: what is left of the storm then is accounted for by the audit.
        while books.completed().await? < jobs {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tell.send_replace(Phase { promoted_ms, completed: true });
        std::future::pending().await
    });
    (phase, watching)
}
