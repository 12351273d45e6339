//! Time as the ledger tells it: one instant type and the two clocks that read it.
//!
//! No rule in this crate asks the machine for the time: `now` is always an argument, and it comes from
//! the ledger's clock (`hazards` rule: one clock, the database's). Tests pass a [`VirtualClock`].
//! Next on a job's path: `job.rs`.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::sync::watch;

/// An instant in milliseconds since the Unix epoch; RFC 3339 in UTC with `Z` and milliseconds in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(value_type = String, format = DateTime, description = "An instant (RFC 3339); answers have it in UTC with `Z` and milliseconds.")
)]
pub struct Timestamp(i64);

/// The earliest instant that RFC 3339 can write, the beginning of the year 0.
const TIMESTAMP_MS_MIN: i64 = -62_167_219_200_000;
/// The latest instant that RFC 3339 can write, the end of the year 9999.
const TIMESTAMP_MS_MAX: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The instant `epoch_ms` milliseconds after the Unix epoch.
    pub const fn from_ms(epoch_ms: i64) -> Self {
        Self(epoch_ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// This instant moved by `delay_ms`; stays within what RFC 3339 can write.
    pub const fn plus_ms(self, delay_ms: i64) -> Self {
        let moved = self.0.saturating_add(delay_ms);
        Self(if moved > TIMESTAMP_MS_MAX { TIMESTAMP_MS_MAX } else { moved })
    }

    /// The full second that this instant is in.
    pub const fn full_second(self) -> Self {
        Self(self.0.div_euclid(1_000) * 1_000)
    }

    /// How long after `earlier` this is, in milliseconds; negative when it is before.
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Reads an RFC 3339 date and time of the years 0 to 9999. The error says what was wrong.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|error| format!("not an RFC 3339 date and time: {error}"))?;
        Ok(Self(parsed.timestamp_millis().clamp(TIMESTAMP_MS_MIN, TIMESTAMP_MS_MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Utc.timestamp_millis_opt(self.0).single() {
            Some(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(de::Error::custom)
    }
}

/// What tells the time to an embedded ledger and lets the duties sleep.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// Returns once `now()` has reached `until`, and when the clock was set back: whoever sleeps looks again, since what it waits
    /// for may be told by another clock.
    async fn sleep_until(&self, until: Timestamp);
}

/// The machine's wall clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

/// A sleep is cut into pieces of this length, so that a step of the wall clock delays no duty for longer.
const SYSTEM_SLEEP_PIECE_MS: i64 = 1_000;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(TIMESTAMP_MS_MAX))
    }

    async fn sleep_until(&self, until: Timestamp) {
        let mut before = self.now();
        loop {
            let now = self.now();
            let left_ms = until.ms_since(now);
            if left_ms <= 0 || now < before {
                return;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(left_ms.min(SYSTEM_SLEEP_PIECE_MS).unsigned_abs())).await;
        }
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<watch::Sender<Timestamp>>);

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(start)))
    }

    /// Moves the clock by `step_ms` (backwards when negative) and wakes whoever's time has come.
    pub fn advance_ms(&self, step_ms: i64) {
        self.0.send_modify(|now| *now = now.plus_ms(step_ms));
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let (mut seen, mut before) = (self.0.subscribe(), self.now());
        let over = |now: &Timestamp| {
            let set_back = *now < before;
            before = *now;
            *now >= until || set_back
        };
        // The sender lives in `self`, so the wait can only end by the condition.
        let _ = seen.wait_for(over).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_in_utc_with_milliseconds() {
        let cases = [
            (TIMESTAMP_MS_MIN, "0000-01-01T00:00:00.000Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (1_800_000_000_123, "2027-01-15T08:00:00.123Z"),
            (TIMESTAMP_MS_MAX, "9999-12-31T23:59:59.999Z"),
        ];
        for (epoch_ms, text) in cases {
            assert_eq!(Timestamp::from_ms(epoch_ms).to_string(), text);
            assert_eq!(Timestamp::parse_rfc3339(text), Ok(Timestamp::from_ms(epoch_ms)));
        }
        assert_eq!(Timestamp::parse_rfc3339("2027-01-15T10:00:00+02:00"), Ok(Timestamp::from_ms(1_800_000_000_000)));
        let before_all = Timestamp::parse_rfc3339("0000-01-01T00:00:00+23:59");
        assert_eq!(before_all, Ok(Timestamp::from_ms(TIMESTAMP_MS_MIN)), "what is read can be written");
        assert!(Timestamp::parse_rfc3339("2027-01-15").is_err());
    }

    #[tokio::test]
    async fn a_virtual_sleeper_wakes_when_its_time_has_come() {
        let clock = VirtualClock::starting_at(Timestamp::from_ms(0));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Timestamp::from_ms(50)).await }
        });
        clock.advance_ms(49);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance_ms(1);
        sleeper.await.expect("the sleeper returns");
    }
    #[tokio::test]
    async fn a_sleeper_looks_again_when_the_clock_was_set_back() {
        let clock = VirtualClock::starting_at(Timestamp::from_ms(10_000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Timestamp::from_ms(11_000)).await }
        });
        tokio::task::yield_now().await;
        clock.advance_ms(-5_000);
        sleeper.await.expect("the sleeper returns");
        assert_eq!(clock.now(), Timestamp::from_ms(5_000));
    }
}
