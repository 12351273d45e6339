//! How long a failed job waits before its next attempt.
//!
//! Exponential with full jitter: anything between nothing and the exponential bound, so that jobs which
//! failed together do not come back together (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).

use serde::{Deserialize, Serialize};

use crate::job::JobId;

/// The backoff of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Backoff {
    /// The bound after the first charged failure; it doubles with each further one.
    pub base_ms: u32,
    /// The bound never grows past this.
    pub cap_ms: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_ms: 1_000, cap_ms: 3_600_000 }
    }
}

/// The longest wait that a handler's `Retry-After` can ask for: one week.
pub const RETRY_AFTER_MS_MAX: i64 = 7 * 24 * 3_600_000;

impl Backoff {
    /// The delay in milliseconds after the `failures`-th charged failure (from 1).
    ///
    /// `jitter` is uniform in `0.0..1.0`. `retry_after_ms` is what the other side asked for: never
    /// undercut, and cut at [`RETRY_AFTER_MS_MAX`].
    pub fn delay_ms(&self, failures: u32, jitter: f64, retry_after_ms: Option<i64>) -> i64 {
        let doublings = failures.saturating_sub(1).min(31);
        let bound_ms = (u64::from(self.base_ms) << doublings).min(u64::from(self.cap_ms));
        let jittered_ms = (bound_ms as f64 * jitter.clamp(0.0, 1.0)) as i64;
        jittered_ms.max(retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MS_MAX))
    }
}

/// Jitter for a reaped attempt, uniform in `0.0..1.0` over jobs and attempts, and the same in every ledger.
pub fn reap_jitter(id: JobId, attempt: u32) -> f64 {
    // The low half of a UUIDv7 is random; the odd multiplier (2^64 divided by the golden ratio) spreads the attempts.
    let random = u64::from_be_bytes(*id.as_bytes().last_chunk().expect("an id has 16 bytes"));
    let mixed = random.wrapping_add(u64::from(attempt)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap_and_jitter_takes_any_part_of_it() {
        let backoff = Backoff { base_ms: 100, cap_ms: 1_000 };
        let cases = [
            (1, 1.0, None, 100),
            (2, 1.0, None, 200),
            (4, 1.0, None, 800),
            (5, 1.0, None, 1_000),
            (u32::MAX, 1.0, None, 1_000),
            (4, 0.0, None, 0),
            (4, 0.5, None, 400),
            (1, 0.5, Some(5_000), 5_000),
            (5, 1.0, Some(10), 1_000),
            (1, 0.0, Some(i64::MAX), RETRY_AFTER_MS_MAX),
        ];
        for (failures, jitter, retry_after_ms, expected_ms) in cases {
            assert_eq!(backoff.delay_ms(failures, jitter, retry_after_ms), expected_ms, "failure {failures}, jitter {jitter}");
        }
    }
}
