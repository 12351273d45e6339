//! How far behind each duty is, for `/status` and the metrics.
//!
//! A duty says at each look for how long the oldest of what it looks after had been waiting. To that comes by how much its
//! next look is late: a duty that hangs or fails falls behind though it says nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use windrow_jobs::{clock::Timestamp, status::DutyLag};

/// The duties of one term. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lags(Arc<Mutex<BTreeMap<&'static str, Looked>>>);

/// A duty's last look.
struct Looked {
    lag_ms: i64,
    next_by: Timestamp,
}

impl Lags {
    /// No duty has looked yet, though each should have.
    pub(crate) fn of(duties: &[&'static str], now: Timestamp) -> Self {
        let never = |name: &&'static str| (*name, Looked { lag_ms: 0, next_by: now });
        Self(Arc::new(Mutex::new(duties.iter().map(never).collect())))
    }

    /// A duty has looked, and looks again by then.
    pub(crate) fn looked(&self, duty: &'static str, lag_ms: i64, next_by: Timestamp) {
        self.looks().insert(duty, Looked { lag_ms: lag_ms.max(0), next_by });
    }

    /// Every duty's lag at this time.
    pub(crate) fn at(&self, now: Timestamp) -> Vec<DutyLag> {
        let looks = self.looks();
        let lag = |(name, looked): (&&'static str, &Looked)| {
            let late_ms = now.ms_since(looked.next_by).max(0);
            DutyLag { name: (*name).to_owned(), lag_ms: looked.lag_ms.saturating_add(late_ms) }
        };
        looks.iter().map(lag).collect()
    }

    /// Tells the metrics.
    pub(crate) fn show(&self, now: Timestamp) {
        for DutyLag { name, lag_ms } in self.at(now) {
            metrics::gauge!("windrow_duty_lag_seconds", "duty" => name).set(lag_ms as f64 / 1_000.0);
        }
    }

    /// Tells the metrics that these are another's duties now.
    pub(crate) fn end(&self) {
        for name in self.looks().keys() {
            metrics::gauge!("windrow_duty_lag_seconds", "duty" => *name).set(0.0);
        }
    }

    /// A panic while the map was held leaves it whole, so its poison means nothing here.
    fn looks(&self) -> MutexGuard<'_, BTreeMap<&'static str, Looked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_that_says_nothing_falls_behind() {
        let at = Timestamp::from_ms;
        let lags = Lags::of(&["promote", "reap"], at(0));
        lags.looked("promote", 200, at(1_500));
        let lag = |now_ms| lags.at(at(now_ms)).into_iter().map(|duty| (duty.name, duty.lag_ms)).collect::<Vec<_>>();
        let named = |promote, reap| [("promote".to_owned(), promote), ("reap".to_owned(), reap)];
        assert_eq!(lag(1_000), named(200, 1_000));
        assert_eq!(lag(1_500), named(200, 1_500));
        assert_eq!(lag(4_000), named(2_700, 4_000));
    }
}
