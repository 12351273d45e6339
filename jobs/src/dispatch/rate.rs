//! How many starts per second: a token bucket. Pure.
//!
//! It starts empty, so that a take-over or a restart never adds a burst to the one before it.
//! Next on a job's path: `window.rs`.

use crate::clock::Timestamp;

/// A bucket whose time lies further ahead than this was left behind by a clock that stepped back; smaller
/// differences are two readers of one clock and grant nothing twice.
const CLOCK_STEP_MS: i64 = 1_000;

/// Tokens are sums of rounded fractions: the one that `due` promised may lack this much.
const ROUNDING: f64 = 1e-6;

/// Lets `rate_per_s` through, with a burst of one second and at least one.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate_per_s: f64,
    tokens: f64,
    filled_at: Option<Timestamp>,
}

impl Bucket {
    /// An empty bucket; it fills from the first instant it sees.
    pub const fn new(rate_per_s: f64) -> Self {
        Self { rate_per_s, tokens: 0.0, filled_at: None }
    }

    /// The bucket that `rate_per_s` asks for, with the tokens of the one there was.
    pub fn renewed(old: Option<Self>, rate_per_s: Option<f64>) -> Option<Self> {
        let rate_per_s = rate_per_s?;
        let mut bucket = Self { rate_per_s, ..old.unwrap_or_else(|| Self::new(rate_per_s)) };
        bucket.tokens = bucket.tokens.min(bucket.burst());
        Some(bucket)
    }

    /// Adds what came in since the last call; says whether a token is there.
    pub fn fill(&mut self, now: Timestamp) -> bool {
        let filled_at = self.filled_at.unwrap_or(now);
        let elapsed_ms = now.ms_since(filled_at);
        let is_behind = (-CLOCK_STEP_MS..0).contains(&elapsed_ms);
        if !is_behind {
            self.tokens = self.tokens_after(elapsed_ms);
            self.filled_at = Some(now);
        }
        self.has_token()
    }

    /// Uses one token; only after `fill` said that there is one.
    pub fn take(&mut self) {
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    /// Puts one back whose job did not start.
    pub fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.burst());
    }

    /// When the next token is there; none if one is there now, or if none will ever be.
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let elapsed_ms = now.ms_since(self.filled_at.unwrap_or(now));
        let missing = 1.0 - self.tokens_after(elapsed_ms);
        if missing <= ROUNDING || !flows(self.rate_per_s) {
            return None;
        }
        // Float to integer saturates; `plus_ms` then stops at the last instant there is.
        Some(now.plus_ms((missing / self.rate_per_s * 1_000.0).ceil() as i64))
    }

    fn has_token(&self) -> bool {
        self.tokens >= 1.0 - ROUNDING
    }

    fn tokens_after(&self, elapsed_ms: i64) -> f64 {
        if !flows(self.rate_per_s) {
            return 0.0;
        }
        let elapsed_s = elapsed_ms.max(0) as f64 / 1_000.0;
        (self.tokens + elapsed_s * self.rate_per_s).min(self.burst())
    }

    fn burst(&self) -> f64 {
        self.rate_per_s.max(1.0)
    }
}

/// Whether this rate lets anything through, ever.
pub fn flows(rate_per_s: f64) -> bool {
    rate_per_s.is_finite() && rate_per_s > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn a_bucket_starts_empty_and_holds_one_second() {
        let mut bucket = Bucket::new(10.0);
        assert!(!bucket.fill(at(0)));
        assert_eq!(bucket.due(at(0)), Some(at(100)));
        assert!(bucket.fill(at(60_000)));
        for _ in 0..10 {
            assert!(bucket.fill(at(60_000)));
            bucket.take();
        }
        assert!(!bucket.fill(at(60_000)), "a burst is one second's worth, however long nothing started");
    }

    #[test]
    fn the_token_is_there_when_due_says_so() {
        for rate_per_s in [0.001, 0.3, 1.0, 3.0, 7.0, 333.3, 10_000.0] {
            let mut bucket = Bucket::new(rate_per_s);
            let mut now = at(1_800_000_000_000);
            bucket.fill(now);
            for _ in 0..50 {
                now = bucket.due(now).unwrap_or(now);
                assert!(bucket.fill(now), "{rate_per_s}/s at {now}");
                bucket.take();
            }
        }
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_through() {
        for rate_per_s in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut bucket = Bucket::new(rate_per_s);
            bucket.fill(at(0));
            assert!(!bucket.fill(at(1_000_000)));
            assert_eq!(bucket.due(at(1_000_000)), None);
        }
    }

    #[test]
    fn a_clock_that_stepped_back_stops_nothing() {
        let mut bucket = Bucket::new(1.0);
        bucket.fill(at(10_000_000));
        bucket.fill(at(0));
        assert!(bucket.fill(at(1_000)));
    }
}
