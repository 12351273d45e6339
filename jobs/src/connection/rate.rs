//! How fast a provider wants to be asked, as its answers say. Pure.
//!
//! Four ways there are, and each is read:
//! - draft-ietf-httpapi-ratelimit-headers-10 (27 September 2025): `RateLimit: "burst";r=50;t=30`, where `r` is what remains and `t` the seconds until
//!   the quota is reset; `RateLimit-Policy: "burst";q=100;w=60`, whose `w` is the window in seconds;
//! - its versions 00 to 06 (December 2022): `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, in seconds from now, and 07 of the same in
//!   one field: `RateLimit: limit=100, remaining=50, reset=50`;
//! - `X-RateLimit-Remaining` and `X-RateLimit-Reset`, which is "a Unix UTC timestamp" at GitHub
//!   (<https://developer.github.com/changes/2013-07-02-rate-limit-reset>) and seconds from now elsewhere; also written `X-Rate-Limit-…`;
//! - GoHighLevel's `X-RateLimit-Remaining` with `X-RateLimit-Interval-Milliseconds`, which says no reset: the interval is waited for; and
//!   `X-RateLimit-Daily-Remaining` (<https://help.gohighlevel.com/support/solutions/articles/48001060529-highlevel-api>, 28 August 2025).

use std::time::Duration;

use crate::{clock::Timestamp, outbound::HeaderMap};

/// The longest wait that is taken from such a field: whoever means more says it again.
const WAIT_MAX: Duration = Duration::from_secs(86_400);
/// How long is waited where a day's quota is used up and nobody says when the day ends.
const DAILY_WAIT: Duration = Duration::from_secs(3_600);
/// Numbers from here on are instants (Unix seconds), those before are seconds from now: it is September 2001.
const INSTANT_FROM: f64 = 1e9;
/// Instants from here on are milliseconds.
const INSTANT_MS_FROM: f64 = 1e11;

/// How long nothing is to be asked after an answer with these fields; none where it says nothing, or something remains.
pub(super) fn exhausted(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let longest = [of_draft(headers), of_fields(headers, now)].into_iter().flatten().max()?;
    Some(longest.min(WAIT_MAX))
}

/// The field `RateLimit`, as a list of quotas or as a dictionary of one.
fn of_draft(headers: &HeaderMap) -> Option<Duration> {
    let mut longest = None;
    for value in headers.get_all("ratelimit").iter().filter_map(|value| value.to_str().ok()) {
        if value.contains("remaining=") {
            let member = |name: &str| parameter(value.split(','), name);
            if member("remaining")? <= 0.0 {
                longest = longest.max(member("reset").and_then(seconds));
            }
            continue;
        }
        for quota in value.split(',') {
            let mut parameters = quota.split(';').map(str::trim);
            let name = parameters.next().unwrap_or_default();
            if parameter(parameters.clone(), "r").is_some_and(|left| left <= 0.0) {
                let until = parameter(parameters, "t").or_else(|| window(headers, name));
                longest = longest.max(until.and_then(seconds));
            }
        }
    }
    longest
}

/// The window of the policy of this name.
fn window(headers: &HeaderMap, name: &str) -> Option<f64> {
    let values = headers.get_all("ratelimit-policy").iter().filter_map(|value| value.to_str().ok());
    let mut policies = values.flat_map(|value| value.split(','));
    policies
        .find(|policy| policy.split(';').next().is_some_and(|known| known.trim() == name))
        .and_then(|policy| parameter(policy.split(';'), "w"))
}

fn parameter<'t>(parameters: impl Iterator<Item = &'t str>, name: &str) -> Option<f64> {
    let mut named = parameters.filter_map(|parameter| parameter.trim().split_once('='));
    named.find(|(known, _)| known.trim() == name).and_then(|(_, value)| finite(value))
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Fields of their own for what remains and when it is reset.
fn of_fields(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.split([',', ';']).next().and_then(finite);
    let daily = number("x-ratelimit-daily-remaining").filter(|left| *left <= 0.0).map(|_| DAILY_WAIT);
    let burst = ["ratelimit-", "x-ratelimit-", "x-rate-limit-"].iter().find_map(|prefix| {
        let of = |name: &str| number(&format!("{prefix}{name}"));
        of("remaining").filter(|left| *left <= 0.0)?;
        let reset = of("reset").and_then(|reset| if reset >= INSTANT_FROM { until(reset, now) } else { seconds(reset) });
        reset.or_else(|| of("interval-milliseconds").and_then(|ms| seconds(ms / 1_000.0)))
    });
    daily.max(burst)
}

fn until(instant: f64, now: Timestamp) -> Option<Duration> {
    let ms = if instant >= INSTANT_MS_FROM { instant } else { instant * 1_000.0 };
    seconds((ms - now.ms() as f64) / 1_000.0)
}

/// So many seconds from now; one that is past is no wait.
fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::{HeaderName, HeaderValue};

    fn of(fields: &[(&str, &str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"));
        }
        exhausted(&headers, Timestamp::from_ms(1_372_700_000_000)).map(|wait| wait.as_millis() as u64)
    }

    #[test]
    fn the_draft_is_read_as_it_is_written() {
        // The examples of the draft, section 4: something remains.
        assert_eq!(of(&[("RateLimit-Policy", "\"burst\";q=100;w=60"), ("RateLimit", "\"burst\";r=50;t=30")]), None);
        assert_eq!(of(&[("RateLimit", "\"default\";r=0;t=30")]), Some(30_000));
        assert_eq!(of(&[("RateLimit", "\"day\";r=0;t=40, \"burst\";r=0;t=5, \"hour\";r=9;t=900")]), Some(40_000), "each must be kept to");
        assert_eq!(
            of(&[("RateLimit", "\"hour\";r=0"), ("RateLimit-Policy", "\"burst\";q=1;w=1, \"hour\";q=1000;w=3600")]),
            Some(3_600_000)
        );
        assert_eq!(of(&[("RateLimit", "\"hour\";r=0")]), None, "nobody says until when");
        assert_eq!(of(&[("RateLimit", "limit=100, remaining=0, reset=50")]), Some(50_000));
        assert_eq!(of(&[("RateLimit", "limit=100, remaining=50, reset=50")]), None);
    }

    #[test]
    fn the_older_fields_are_read_too() {
        assert_eq!(of(&[("RateLimit-Limit", "100"), ("RateLimit-Remaining", "0"), ("RateLimit-Reset", "50")]), Some(50_000));
        assert_eq!(of(&[("RateLimit-Limit", "100"), ("RateLimit-Remaining", "1"), ("RateLimit-Reset", "50")]), None);
        // GitHub's own example, 873 seconds before.
        assert_eq!(of(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1372700873")]), Some(873_000));
        assert_eq!(of(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1372700873000")]), Some(873_000));
        assert_eq!(of(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1372600000")]), Some(0), "it is past");
        assert_eq!(of(&[("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "0.5")]), Some(500));
        let ghl = [("X-RateLimit-Max", "100"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Interval-Milliseconds", "10000")];
        assert_eq!(of(&ghl), Some(10_000));
        assert_eq!(of(&[("X-RateLimit-Remaining", "5"), ("X-RateLimit-Daily-Remaining", "0")]), Some(3_600_000));
    }

    #[test]
    fn nonsense_is_no_wait_and_ages_are_a_day() {
        assert_eq!(of(&[]), None);
        for value in ["", "r=0", "\"x\";r=;t=3", "\"x\";r=a;t=b", ";;;,,,", "\"x\";r=0;t=NaN", "remaining=x"] {
            assert_eq!(of(&[("RateLimit", value)]), None, "{value}");
        }
        assert_eq!(of(&[("RateLimit", "\"x\";r=0;t=1e300")]), None);
        assert_eq!(of(&[("RateLimit", "\"x\";r=0;t=99999999")]), Some(86_400_000));
        assert_eq!(of(&[("RateLimit", "\"x\";r=-1;t=-5")]), Some(0));
    }
}
