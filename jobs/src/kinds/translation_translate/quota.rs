//! How long an account is let be whose quota is used up. Pure.
//!
//! `/v2/usage` as the schema `UsageResponse` of DeepL's openapi.yaml (DeepLcom/openapi at 017b2f7d, read 2026-11-22) has it: the end of the
//! billing period is told of Pro accounts only. Asking it is not billed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How often an account is looked at whose period ends nobody knows when.
const LOOK: Duration = Duration::from_secs(3_600);
/// How often one is looked at whose period is known: its limit may be raised before.
const LOOK_KNOWN: Duration = Duration::from_secs(6 * 3_600);
/// How often one is looked at whose period has just ended: its count may be some minutes late.
const LOOK_LATE: Duration = Duration::from_secs(60);
/// For how long after its end a period has just ended.
const LATE_MS: i64 = 3_600_000;
/// By how much those who wait for the same instant are put apart at most.
const APART_MAX: Duration = Duration::from_secs(900);

/// What a job that waits for its quota keeps, as its checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parked {
    /// The characters that there was no room for.
    pub characters_wanted: u64,
    /// How far the job was.
    pub percent: u8,
}

/// How much of its quota an account has used.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Usage {
    /// Characters of this period.
    pub character_count: Option<u64>,
    /// The most there may be; none where there is no limit.
    pub character_limit: Option<u64>,
    #[serde(default)]
    api_key_character_count: Option<u64>,
    #[serde(default)]
    api_key_character_limit: Option<u64>,
    #[serde(default)]
    end_time: Option<String>,
}

impl Usage {
    /// Whether there is room for so many characters; where an account has less room than that when it is all unused, for none at all.
    pub fn has_room(&self, characters: u64) -> bool {
        let limits = [(self.character_count, self.character_limit), (self.api_key_character_count, self.api_key_character_limit)];
        limits.iter().all(|limit| match limit {
            (Some(count), Some(limit)) => limit.saturating_sub(*count) >= characters.clamp(1, (*limit).max(1)),
            _ => true,
        })
    }

    /// When the period ends, where that is told and still to come.
    pub fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.end().filter(|at| *at > now)
    }

    fn end(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(self.end_time.as_deref()?).ok()
    }
}

/// How long to wait before the account is looked at again; `chance` is from 0 to 1, and puts those who wait for the same apart.
pub(super) fn wait(usage: Option<&Usage>, now: Timestamp, chance: f64) -> Duration {
    let left_ms = usage.and_then(Usage::end).map(|end| end.ms_since(now));
    let left = match left_ms {
        Some(left_ms) if left_ms > 0 => Duration::from_millis(left_ms.unsigned_abs()),
        Some(left_ms) if left_ms > -LATE_MS => return LOOK_LATE.mul_f64(1.0 + chance / 4.0),
        _ => return LOOK.mul_f64(1.0 + chance / 4.0),
    };
    let until_reset = left + APART_MAX.min(left / 4).mul_f64(chance) + Duration::from_secs(1);
    until_reset.min(LOOK_KNOWN.mul_f64(1.0 + chance / 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_747_128_000_000);

    fn of(end_time: &str) -> Usage {
        Usage { end_time: Some(end_time.into()), ..Usage::default() }
    }

    #[test]
    fn a_period_that_ends_soon_is_waited_for_and_others_are_looked_at_now_and_then() {
        let at = |ms: i64| of(&NOW.plus_ms(ms).to_string());
        let seconds = |usage: Option<&Usage>, chance| wait(usage, NOW, chance).as_secs_f64();
        assert_eq!((seconds(None, 0.0), seconds(None, 1.0)), (3_600.0, 4_500.0));
        assert_eq!((seconds(Some(&at(4_000)), 0.0), seconds(Some(&at(4_000)), 1.0)), (5.0, 6.0));
        assert_eq!((seconds(Some(&at(7_200_000)), 0.0), seconds(Some(&at(7_200_000)), 1.0)), (7_201.0, 8_101.0));
        assert_eq!((seconds(Some(&at(30 * 86_400_000)), 0.0), seconds(Some(&at(30 * 86_400_000)), 1.0)), (21_600.0, 27_000.0));
        for just_over in [at(0), at(-1), at(-3_599_000)] {
            assert_eq!((seconds(Some(&just_over), 0.0), seconds(Some(&just_over), 1.0)), (60.0, 75.0));
        }
        for told in [at(-3_600_000), of("soon"), of(""), Usage::default()] {
            assert_eq!(seconds(Some(&told), 0.0), 3_600.0, "{told:?}");
        }
    }

    #[test]
    fn room_is_told_by_the_account_and_the_key() {
        let usage = |json: &str| serde_json::from_str::<Usage>(json).expect("usage");
        let free = usage(r#"{"character_count": 499990, "character_limit": 500000}"#);
        assert!(free.has_room(10) && !free.has_room(11));
        let reset = usage(r#"{"character_count": 0, "character_limit": 100}"#);
        assert!(reset.has_room(1_000), "it will never have more");
        let full = usage(r#"{"character_count": 100, "character_limit": 100}"#);
        assert!(!full.has_room(0) && !usage(r#"{"character_count": 0, "character_limit": 0}"#).has_room(0));
        let key = usage(
            r#"{"character_count": 5, "character_limit": 1000000, "api_key_character_count": 100, "api_key_character_limit": 100,
                "products": [{"product_type": "write"}], "start_time": "2025-05-13T09:18:42Z", "end_time": "2025-06-13T09:18:42Z"}"#,
        );
        assert!(!key.has_room(1));
        assert_eq!(key.ends_at(NOW).map(|at| at.to_string()).as_deref(), Some("2025-06-13T09:18:42.000Z"));
        assert!(usage("{}").has_room(u64::MAX));
    }
}
