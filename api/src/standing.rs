//! Where the installation stands, as this api sees it: what the ledger answers now, and what the leader said last.
//!
//! When the ledger is away the last word is still here, with its age. Nothing in this file fails: a report of a bad state
//! is a good report.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_jobs::{
    clock::Timestamp,
    ledger,
    status::{LEADER_SILENT_MS_MAX, Planning, RUNG_METRIC, Rung},
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Up,
    Degraded,
    Down,
}

/// The rung, and what there is to tell of it.
pub(crate) struct Standing {
    rung: Rung,
    word: Option<Word>,
}

impl Standing {
    /// Asks the ledger for the time and for the leader's last word, and tells the metrics.
    pub(crate) async fn of(api: &Api) -> Self {
        let heard = hear(&*api.ledger).await;
        let word = api.last_word.keep(heard.clone().ok().flatten());
        let fresh_ms = heard.as_ref().ok().and_then(Option::as_ref).map(|word| word.age_ms);
        let carrying = word.as_ref().and_then(|word| word.planning.as_ref()).map(|planning| &planning.carrying);
        let rung = Rung::of(heard.is_ok(), fresh_ms, carrying);
        metrics::gauge!(RUNG_METRIC).set(rung.number());
        Self { rung, word }
    }

    /// The report.
    pub(crate) fn report(&self) -> Value {
        let age_ms = self.word.as_ref().map(Word::age_ms);
        let planning = self.word.as_ref().and_then(|word| word.planning.as_ref());
        let ledger = if self.rung == Rung::LedgerGone { Health::Down } else { Health::Up };
        let planner = if age_ms.is_some_and(|age_ms| age_ms <= LEADER_SILENT_MS_MAX) { Health::Up } else { Health::Degraded };
        let carrier = match planning {
            Some(planning) if planner == Health::Up && !planning.carrying.stands_in => Health::Up,
            _ => Health::Degraded,
        };
        let duties = planning.map(|planning| &planning.duties).into_iter().flatten();
        let status = match self.rung {
            Rung::Normal => Health::Up,
            Rung::LedgerCarrier | Rung::LeaderGone => Health::Degraded,
            Rung::LedgerGone => Health::Down,
        };
        json!({
            "status": status,
            "rung": self.rung,
            "means": self.rung.means(),
            "version": env!("CARGO_PKG_VERSION"),
            "components": {
                "ledger": { "status": ledger },
                "planner": {
                    "status": planner,
                    "age_ms": age_ms,
                    "leader": planning.map(|planning| &planning.leader),
                    "epoch": planning.map(|planning| planning.epoch),
                },
                "carrier": {
                    "status": carrier,
                    "in_use": planning.map(|planning| planning.carrying.in_use),
                    "why": planning.map(|planning| &planning.carrying.why),
                },
            },
            "duties": duties.map(|duty| json!({ "name": duty.name, "lag_s": duty.lag_ms as f64 / 1_000.0 })).collect::<Vec<_>>(),
        })
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

/// What the leader said last, if ever; an error where the ledger does not answer.
async fn hear(ledger: &dyn Front) -> Result<Option<Word>, ()> {
    let now = now(ledger).await.map_err(drop)?;
    let depths = tokio::time::timeout(PROBE_MAX, ledger.depths()).await.map_err(drop)?.map_err(drop)?;
    Ok(depths.map(|depths| Word { planning: depths.planning, age_ms: now.ms() - depths.at_ms, read_at: Instant::now() }))
}

/// The ledger's clock, if it answers in the time that a probe has.
pub(crate) async fn now(ledger: &dyn Front) -> ledger::Result<Timestamp> {
    let late = |_| ledger::Error::Unavailable(format!("no answer within {} ms", PROBE_MAX.as_millis()));
    tokio::time::timeout(PROBE_MAX, ledger.now()).await.map_err(late)?
}
