//! Where the installation stands, as this api sees it: what the ledger answers now, and what the leader said last.
//!
//! When the ledger is away the last word is still here, with its age. Nothing in this file fails: a report of a bad state
//! is a good report.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    ledger,
    status::{Carrier, LEADER_SILENT_MS_MAX, OVERDUE_METRIC, Planning, RUNG_METRIC, Rung, overdue_s},
};

use crate::{Api, Front};

/// How long a probe waits for the ledger: Kubernetes gives up after one second unless told otherwise.
const PROBE_MAX: Duration = Duration::from_millis(900);

/// What the leader said last, as far as this process heard. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct LastWord(Arc<Mutex<Option<Word>>>);

#[derive(Clone)]
struct Word {
    planning: Option<Planning>,
    /// How old it was when it was read, and when that was.
    age_ms: i64,
    read_at: Instant,
}

/// How a component or everything together is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Health {
    /// It works.
    Up,
    /// It works in part, or may not.
    Degraded,
    /// It does not work.
    Down,
}

/// How everything is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// How it is as a whole.
    status: Health,
    /// The rung of the degradation ladder.
    rung: Rung,
    /// What that means for whoever uses the installation.
    means: &'static str,
    /// The release of this process.
    version: &'static str,
    /// How what Windrow needs is.
    components: Components,
    /// The leader's duties, as far as it has told of them.
    duties: Vec<Duty>,
}

/// What Windrow needs in order to work.
#[derive(Serialize, ToSchema)]
struct Components {
    /// The database.
    ledger: Ledger,
    /// The scheduler that leads.
    planner: Planner,
    /// What brings tickets to workers.
    carrier: InUse,
    /// What makes jobs by the clock.
    schedules: Schedules,
}

/// How the database is.
#[derive(Serialize, ToSchema)]
struct Ledger {
    /// How it is.
    status: Health,
}

/// How the planner is.
#[derive(Serialize, ToSchema)]
struct Planner {
    /// How it is.
    status: Health,
    /// How long ago it said anything; `null` if this process never heard it.
    age_ms: Option<i64>,
    /// Who leads.
    leader: Option<String>,
    /// The leader's term.
    epoch: Option<i64>,
}

/// What brings tickets to workers.
#[derive(Serialize, ToSchema)]
struct InUse {
    /// How it is.
    status: Health,
    /// By what they come.
    in_use: Option<Carrier>,
    /// Why by that.
    why: Option<String>,
}

/// How the schedules are: asked of the ledger, not of the leader's word, so it is true without a leader.
#[derive(Serialize, ToSchema)]
struct Schedules {
    /// How they are: degraded where one is overdue by more than `schedules.late_after_s`.
    status: Health,
    /// For how long the schedule that is due first has been; `null` if the ledger does not answer.
    overdue_s: Option<f64>,
    /// When it is due; `null` also where nothing is expected.
    next_due_at: Option<Timestamp>,
}

/// How far behind a duty is.
#[derive(Serialize, ToSchema)]
struct Duty {
    /// Its name.
    name: String,
    /// For how long the oldest of what it looks after had waited at its last look.
    lag_s: f64,
}

/// The rung, and what there is to tell of it.
pub(crate) struct Standing {
    rung: Rung,
    word: Option<Word>,
    schedules: Schedules,
}

impl Standing {
    /// Asks the ledger for the time and for the leader's last word, and tells the metrics.
    pub(crate) async fn of(api: &Api) -> Self {
        let heard = hear(&*api.ledger).await;
        let said = heard.as_ref().and_then(|heard| heard.word.clone());
        let fresh_ms = said.as_ref().map(|word| word.age_ms);
        let word = api.last_word.keep(said);
        let carrying = word.as_ref().and_then(|word| word.planning.as_ref()).map(|planning| &planning.carrying);
        let rung = Rung::of(heard.is_some(), fresh_ms, carrying);
        metrics::gauge!(RUNG_METRIC).set(rung.number());
        Self { rung, word, schedules: Schedules::of(heard.as_ref(), api.schedules.settings.late_after_s) }
    }

    /// The report.
    pub(crate) fn report(self) -> Status {
        let age_ms = self.word.as_ref().map(Word::age_ms);
        let planning = self.word.and_then(|word| word.planning);
        let ledger = if self.rung == Rung::LedgerGone { Health::Down } else { Health::Up };
        let planner = if age_ms.is_some_and(|age_ms| age_ms <= LEADER_SILENT_MS_MAX) { Health::Up } else { Health::Degraded };
        let carrier = match &planning {
            Some(planning) if planner == Health::Up && !planning.carrying.stands_in => Health::Up,
            _ => Health::Degraded,
        };
        let status = match self.rung {
            Rung::Normal => self.schedules.status,
            Rung::LedgerCarrier | Rung::LeaderGone => Health::Degraded,
            Rung::LedgerGone => Health::Down,
        };
        let means = if self.rung == Rung::Normal && status != Health::Up { LATE } else { self.rung.means() };
        let (mut duties, mut who, mut carrying) = (Vec::new(), None, None);
        if let Some(planning) = planning {
            duties = planning.duties;
            who = Some((planning.leader, planning.epoch));
            carrying = Some(planning.carrying);
        }
        let (leader, epoch) = who.unzip();
        let (in_use, why) = carrying.map(|carrying| (carrying.in_use, carrying.why)).unzip();
        Status {
            status,
            rung: self.rung,
            means,
            version: env!("CARGO_PKG_VERSION"),
            components: Components {
                ledger: Ledger { status: ledger },
                planner: Planner { status: planner, age_ms, leader, epoch },
                carrier: InUse { status: carrier, in_use, why },
                schedules: self.schedules,
            },
            duties: duties.into_iter().map(|duty| Duty { name: duty.name, lag_s: duty.lag_ms as f64 / 1_000.0 }).collect(),
        }
    }
}

/// What it means that schedules are overdue, where that is the only trouble.
const LATE: &str = "schedules are due and do not fire; what they missed is decided as soon as they do";

impl Schedules {
    fn of(heard: Option<&Heard>, late_after_s: u32) -> Self {
        let Some(Heard { now, first_due, .. }) = heard else {
            return Self { status: Health::Down, overdue_s: None, next_due_at: None };
        };
        let overdue_s = overdue_s(*first_due, *now);
        metrics::gauge!(OVERDUE_METRIC).set(overdue_s);
        let status = if overdue_s > f64::from(late_after_s) { Health::Degraded } else { Health::Up };
        Self { status, overdue_s: Some(overdue_s), next_due_at: *first_due }
    }
}

impl LastWord {
    /// Keeps what was heard, if anything was. Returns the last that was.
    fn keep(&self, heard: Option<Word>) -> Option<Word> {
        let mut last = self.last();
        if heard.is_some() {
            *last = heard;
        }
        last.clone()
    }

    /// A panic while the word was held leaves it whole, so its poison means nothing here.
    fn last(&self) -> MutexGuard<'_, Option<Word>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Word {
    fn age_ms(&self) -> i64 {
        self.age_ms.saturating_add(i64::try_from(self.read_at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// What the ledger tells.
struct Heard {
    now: Timestamp,
    /// What the leader said last, if ever.
    word: Option<Word>,
    /// When the schedule is due that is looked at first.
    first_due: Option<Timestamp>,
}

/// What the ledger tells; none where it does not answer in the time that a probe has.
async fn hear(ledger: &dyn Front) -> Option<Heard> {
    let asked = async {
        let (depths, first_due) = (ledger.depths().await?, ledger.first_due().await?);
        // Last, so that nothing seems to be older than it is.
        let now = ledger.now().await?;
        let word = depths.map(|depths| Word { planning: depths.planning, age_ms: now.ms() - depths.at_ms, read_at: Instant::now() });
        Ok::<_, ledger::Error>(Heard { now, word, first_due })
    };
    tokio::time::timeout(PROBE_MAX, asked).await.ok()?.ok()
}

/// The ledger's clock, if it answers in the time that a probe has.
pub(crate) async fn now(ledger: &dyn Front) -> ledger::Result<Timestamp> {
    let late = |_| ledger::Error::Unavailable(format!("no answer within {} ms", PROBE_MAX.as_millis()));
    tokio::time::timeout(PROBE_MAX, ledger.now()).await.map_err(late)?
}
