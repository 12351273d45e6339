//! Who runs the duties: the holder of a lease row, by the ledger's clock.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::{Clock, Timestamp},
    dispatch::carrier::ledger::LEADERSHIP,
    ledger::Leadership,
    status::{RUNG_METRIC, Rung},
};

use crate::{DUTIES, Scheduler, lag::Lags};

/// How long a leader may be silent; a standby leads at most this and one try later.
const TERM_MS: i64 = 4_000;
/// How often a leader renews and a standby tries.
const TRY_EVERY_MS: i64 = 1_000;

/// Leads whenever nobody else does, until `stop`; then gives the leadership up.
pub(crate) async fn run(scheduler: &Scheduler, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        if let Some(Leadership { epoch }) = try_to_lead(scheduler).await {
            tracing::info!(scheduler = scheduler.name, epoch, "leading");
            let term = stop.child_token();
            metrics::gauge!("windrow_leads").set(1.0);
            let lags = Lags::of(&DUTIES, scheduler.clock.now());
            let renewal = Renewal::at(scheduler.clock.now());
            tokio::join!(scheduler.lead(epoch, &renewal, &lags, &term), keep(scheduler, epoch, &renewal, &lags, &term));
            lags.end();
            metrics::gauge!("windrow_leads").set(0.0);
            tracing::info!(scheduler = scheduler.name, epoch, "no longer leading");
        }
        pause(scheduler, stop).await;
    }
    if let Err(error) = scheduler.ledger.abdicate(LEADERSHIP, &scheduler.name).await {
        tracing::warn!(%error, "giving the leadership up: a standby waits for it to run out");
    }
}

/// When the leadership was last renewed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Renewal(Arc<watch::Sender<Timestamp>>);

impl Renewal {
    fn at(time: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(time)))
    }

    /// Whether nobody else can lead yet.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.ms_since(*self.0.borrow()) < TERM_MS - TRY_EVERY_MS
    }

    /// Returns once nobody else can lead. A process that stood still for longer than a term, stopped or with its machine,
    /// must wait for this before it takes anything off the ledger, or it would take what is meant for its successor; if it
    /// has one, the term ends meanwhile.
    pub(crate) async fn until_fresh(&self, clock: &dyn Clock) {
        let mut renewed = self.0.subscribe();
        while !self.is_fresh(clock.now()) {
            // The sender is our own, so there is always one.
            let _ = renewed.changed().await;
        }
    }
}

/// Renews until the term ends, and ends it when the leadership can no longer be counted on.
async fn keep(scheduler: &Scheduler, epoch: i64, renewal: &Renewal, lags: &Lags, term: &CancellationToken) {
    while !term.is_cancelled() {
        pause(scheduler, term).await;
        let asked_at = scheduler.clock.now();
        lags.show(asked_at);
        match try_to_lead(scheduler).await {
            Some(leadership) if leadership.epoch == epoch => drop(renewal.0.send_replace(asked_at)),
            Some(_) => term.cancel(),
            // Another leads, or the ledger is away: stop before the other may start.
            None if !renewal.is_fresh(scheduler.clock.now()) => term.cancel(),
            None => {}
        }
    }
}

async fn try_to_lead(scheduler: &Scheduler) -> Option<Leadership> {
    let led = scheduler.ledger.lead(LEADERSHIP, &scheduler.name, TERM_MS).await;
    show_rung(scheduler, led.as_ref().ok());
    led.unwrap_or_else(|error| {
        tracing::warn!(scheduler = scheduler.name, %error, "asking for the leadership");
        None
    })
}

/// Tells on which rung the installation stands as this process sees it. One that stands by sees no more than that
/// somebody else leads.
fn show_rung(scheduler: &Scheduler, led: Option<&Option<Leadership>>) {
    let carrying = scheduler.carrier.carrying();
    let carrying = led.copied().flatten().map(|_| &carrying);
    metrics::gauge!(RUNG_METRIC).set(Rung::of(led.is_some(), Some(0), carrying).number());
}

async fn pause(scheduler: &Scheduler, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = scheduler.clock.sleep_until(scheduler.clock.now().plus_ms(TRY_EVERY_MS)) => {}
    }
}

#[cfg(test)]
mod tests {
    use windrow_jobs::clock::VirtualClock;

    use super::*;

    #[tokio::test]
    async fn who_stood_still_for_a_term_waits_until_it_leads_again() {
        let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
        let renewal = Renewal::at(clock.now());
        renewal.until_fresh(&clock).await;
        clock.advance_ms(TERM_MS);
        tokio::select! {
            biased;
            () = renewal.until_fresh(&clock) => panic!("another may lead"),
            () = tokio::task::yield_now() => {}
        }
        let waiting = tokio::spawn({
            let (renewal, clock) = (renewal.clone(), clock.clone());
            async move { renewal.until_fresh(&clock).await }
        });
        renewal.0.send_replace(clock.now());
        waiting.await.expect("it goes on");
    }
}
