//! The code of `sync.run`.
//!
//! An attempt begins the sync's run, or goes on where another left it (`running.rs`). Next: `running.rs`, then the destinations in
//! `elsewhere.rs` and `object.rs`.

use std::time::Duration;

use super::{KIND, Payload, contract, finish::done, place::At, running::Running};
use crate::{
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
    ledger,
    sync::state::{Begin, Begun, RunState},
};

/// How soon it is looked again whether another job's run has ended: at first, and at the latest.
const BUSY_S: (u64, u64) = (3, 60);

/// The handler.
pub struct SyncRun {
    services: Services,
}

impl SyncRun {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for SyncRun {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(self.sync(&context, payload).await.unwrap_or_else(|outcome| outcome))
    }
}

impl SyncRun {
    async fn sync(&self, context: &Context, payload: Payload) -> Result<Outcome, Outcome> {
        let Payload { sync: name, full, dry_run } = payload;
        let begin = Begin { tenant: context.tenant.clone(), name: name.clone(), job: context.job, attempt: context.attempt, full, dry_run };
        match context.ledger.begin_run(begin).await.map_err(away)? {
            // It was done, and nobody heard.
            Begun::Run(sync, run) if run.state == RunState::Completed => {
                let at = run.place.as_deref().and_then(|place| serde_json::from_str::<At>(place).ok());
                Ok(done(&sync, &run, at.is_none_or(|at| at.all)))
            }
            Begun::Run(sync, run) => Running::of(&self.services, context, *sync, *run)?.go().await,
            Begun::Busy { job } => {
                context.progress(0, format!("waits for another run of the sync, the job {job}"));
                let wait_s = BUSY_S.0 << context.attempt.saturating_sub(1).min(8);
                Ok(Outcome::Snooze(Duration::from_secs(wait_s.min(BUSY_S.1))))
            }
            Begun::Unknown => Err(Outcome::bury("sync_unknown", format!("there is no sync {name:?}"))),
            Begun::Over => Err(stopped()),
        }
    }
}

/// Somebody else has the run, or it is to stop.
pub(super) const fn stopped() -> Outcome {
    Outcome::Snooze(Duration::from_secs(1))
}

pub(super) fn away(error: ledger::Error) -> Outcome {
    tracing::debug!(kind = KIND, %error, "the ledger is away from a run");
    Outcome::retry("ledger_unavailable", error.to_string())
}
