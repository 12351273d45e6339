//! What the duties have in common: act, report, sleep until there is reason to act again.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::{Clock, Timestamp},
    ledger::Result,
};

use crate::lag::Lags;

/// A loop of the scheduler. Acting twice does no harm, and nothing depends on a wake-up.
#[async_trait]
pub(crate) trait Duty: Send {
    /// Its name in logs and metrics.
    const NAME: &'static str;

    /// Acts once.
    async fn act(&mut self) -> Result<Acted>;

    /// Returns when there is reason to act before the sleep is over.
    async fn nudged(&mut self) {
        std::future::pending().await
    }
}

/// What a duty says of having acted.
pub(crate) struct Acted {
    /// For how long it may sleep.
    pub(crate) sleep_ms: i64,
    /// For how long the oldest of what it looks after had been waiting when it looked.
    pub(crate) lag_ms: i64,
}

/// Tells how long a duty took and when it last succeeded.
pub(crate) fn record(duty: &'static str, began: Instant, succeeded: bool, now: Timestamp) {
    let outcome = if succeeded { "true" } else { "false" };
    metrics::histogram!("windrow_duty_seconds", "duty" => duty, "succeeded" => outcome).record(began.elapsed());
    if succeeded {
        metrics::gauge!("windrow_duty_succeeded_at_seconds", "duty" => duty).set(now.ms() as f64 / 1_000.0);
    }
}

/// The pause after a failure, so that a ledger that is away is not hammered.
const TROUBLE_PAUSE_MS: i64 = 1_000;

/// Acts until `stop`.
pub(crate) async fn drive<D: Duty>(mut duty: D, clock: Arc<dyn Clock>, lags: Lags, stop: CancellationToken) {
    loop {
        let began = Instant::now();
        let acted = tokio::select! {
            () = stop.cancelled() => return,
            acted = duty.act() => acted,
        };
        record(D::NAME, began, acted.is_ok(), clock.now());
        let pause_ms = match acted {
            Ok(Acted { sleep_ms, lag_ms }) => {
                lags.looked(D::NAME, lag_ms, clock.now().plus_ms(sleep_ms));
                sleep_ms
            }
            Err(error) => {
                tracing::warn!(duty = D::NAME, %error, "a duty could not act");
                TROUBLE_PAUSE_MS
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(clock.now().plus_ms(pause_ms)) => {}
            () = duty.nudged() => {}
        }
    }
}
