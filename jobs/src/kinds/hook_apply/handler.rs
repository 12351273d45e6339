//! The code of `hook.apply`. Each report is applied once, whoever runs it how often: the ledger knows which ones were.

use std::time::Duration;

use super::{Applied, Payload, contract, read};
use crate::{
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    hook::{Event, REPORTS_BATCH_MAX, REPORTS_MAX, UNMATCHED_AFTER_MS},
    job::JobError,
    notification::delivery::{Came, Report},
};

/// The first wait for a delivery that is not noted yet; then as long as it has been waited for.
const LOOK_AGAIN_MS: i64 = 1_000;

/// The handler.
pub struct ApplyHook;

impl Handler for ApplyHook {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let Some((event, now)) = context.ledger.event(&context.tenant, payload.event).await? else {
            return Ok(Outcome::bury("event_unknown", format!("there is no event {}", payload.event)));
        };
        let reports = match reports(&event) {
            Ok(reports) => reports,
            Err(error) => {
                context.ledger.close_event(&context.tenant, event.id, Some(error.clone())).await?;
                return Ok(Outcome::Bury(error));
            }
        };
        // A status that is not known here yet comes with the next sync. What was told later counts, whichever is applied first or again.
        for turned in read::templates(&event.facts.provider, event.facts.account.as_deref(), &event.incoming()) {
            context.ledger.turn_approved(&context.tenant, event.connection, &turned, event.received_at).await?;
        }
        let age_ms = now.ms_since(event.received_at);
        let came = apply(&context, event, &reports, age_ms >= UNMATCHED_AFTER_MS).await?;
        if came.facts.reports.len() < reports.len() {
            context.info("some reports are of messages that nobody noted yet");
            // The last look is when its time is over, and not as long again after it.
            let wait_ms = age_ms.min(UNMATCHED_AFTER_MS - age_ms).max(LOOK_AGAIN_MS);
            return Ok(Outcome::Snooze(Duration::from_millis(wait_ms.unsigned_abs())));
        }
        context.ledger.close_event(&context.tenant, came.id, None).await?;
        Ok(Outcome::done(&applied(&came)))
    }
}

fn reports(event: &Event) -> Result<Vec<Report>, JobError> {
    let reports = read::reports(&event.facts.provider, &event.incoming()).map_err(|why| JobError::new("event_unreadable", why, false))?;
    if reports.len() > REPORTS_MAX {
        return Err(JobError::new("reports_too_many", format!("{} reports of the {REPORTS_MAX} allowed", reports.len()), false));
    }
    Ok(reports)
}

/// The event once its reports are applied, as far as they can be.
async fn apply(context: &Context, event: Event, reports: &[Report], last: bool) -> Result<Event, Failure> {
    let numbered: Vec<(u32, Report)> = (0..).zip(reports.iter().cloned()).collect();
    let mut event = event;
    for batch in numbered.chunks(REPORTS_BATCH_MAX) {
        // Gone meanwhile: then there is nothing to note either.
        event = context.ledger.apply_reports(&context.tenant, event.id, batch.to_vec(), last).await?.unwrap_or(event);
    }
    Ok(event)
}

fn applied(event: &Event) -> Applied {
    let count = |wanted: Came| {
        let number = event.facts.reports.values().filter(|outcome| outcome.came == wanted).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let (applied, unchanged, unmatched) = (count(Came::Applied), count(Came::Unchanged), count(Came::Unmatched));
    Applied { event: event.id, applied, unchanged, unmatched }
}
