//! Whose turn it is to be asked: as fast as the caller may go, and no sooner than the provider said. Whoever calls in a row asks here.
//!
//! It counts and never sleeps; whoever takes a turn waits for it himself. Several that call at once share one. Next: `rate.rs`.

use std::time::Duration;

use tokio::time::Instant;

use super::rate::exhausted;
use crate::{clock::Timestamp, outbound::HeaderMap};

/// The fewest requests a second: one in 100 seconds, as the definition of a sync has it.
const RATE_MIN: f64 = 0.01;

/// When a provider may be asked next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    /// Requests a second, at most.
    rate: Option<f64>,
    /// Nothing is to be asked before.
    not_before: Option<Instant>,
}

impl Turns {
    /// At most so many requests a second, where there is such a limit.
    pub(crate) fn of(requests_per_s: Option<f64>) -> Self {
        Self { rate: requests_per_s.filter(|rate| *rate > 0.0), not_before: None }
    }

    /// Takes the next turn: after so long it may be asked. Where that is longer than `longest` none is taken, and the error says how long it
    /// would be.
    pub(crate) fn take(&mut self, longest: Duration) -> Result<Duration, Duration> {
        let now = Instant::now();
        let at = self.not_before.filter(|at| *at > now).unwrap_or(now);
        let pause = at - now;
        if pause > longest {
            return Err(pause);
        }
        if let Some(rate) = self.rate {
            self.not_before = Some(at + Duration::from_secs_f64(1.0 / rate.max(RATE_MIN)));
        }
        Ok(pause)
    }

    /// Notes what an answer says of how much may still be asked. How long nothing may, where it says so.
    pub(crate) fn heard(&mut self, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
        let pause = exhausted(headers, now)?;
        self.rest(pause);
        Some(pause)
    }

    /// Nothing is to be asked for so long. As slow as the caller is to be, it stays, however soon the provider would have it.
    pub(crate) fn rest(&mut self, pause: Duration) {
        self.not_before = self.not_before.max(Some(Instant::now() + pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::HeaderValue;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn each_turn_comes_after_the_one_before() {
        let mut turns = Turns::of(Some(4.0));
        let taken: Vec<_> = (0..3).map(|_| turns.take(LONG)).collect();
        assert_eq!(taken, [Ok(MS(0)), Ok(MS(250)), Ok(MS(500))], "of three at once each has its own");
        assert_eq!(turns.take(MS(700)), Err(MS(750)));
        assert_eq!(turns.take(LONG), Ok(MS(750)), "one that was not taken is still there");
        tokio::time::advance(MS(2_000)).await;
        assert_eq!(turns.take(LONG), Ok(MS(0)), "what was not used is not saved up");
        assert_eq!(turns.take(LONG), Ok(MS(250)));
        let mut free = Turns::of(None);
        assert!((0..100).all(|_| free.take(MS(0)) == Ok(MS(0))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_that_is_used_up_holds_all() {
        let mut turns = Turns::of(Some(1.0));
        let headers = HeaderMap::from_iter([("ratelimit".parse().expect("a name"), HeaderValue::from_static("\"day\";r=0;t=30"))]);
        assert_eq!(turns.heard(&HeaderMap::new(), Timestamp::from_ms(0)), None);
        assert_eq!(turns.heard(&headers, Timestamp::from_ms(0)), Some(MS(30_000)));
        assert_eq!(turns.take(MS(20_000)), Err(MS(30_000)));
        turns.rest(MS(5));
        assert_eq!(turns.take(LONG), Ok(MS(30_000)));
        assert_eq!(turns.take(LONG), Ok(MS(31_000)));
    }
}
