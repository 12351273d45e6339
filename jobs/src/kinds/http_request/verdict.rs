//! What an answer's status means for the job. Pure.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};

use crate::clock::Timestamp;

/// What an answer's status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// Who calls is not let in.
    Unauthorized,
    /// It was not done, and may be asked again: too busy, too early.
    NotNow,
    /// It may have been done or not; it is asked again with the same key.
    Unclear,
    /// It will not be done, however often it is asked.
    Never,
}

/// By the status of an answer.
pub(crate) const fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Done,
        401 => Verdict::Unauthorized,
        408 | 425 | 429 | 503 => Verdict::NotNow,
        // An endpoint that knows the key says by the first two that our try before this one is still being worked on.
        409 | 423 | 500..=599 => Verdict::Unclear,
        // Redirects too: they would take the signed body elsewhere.
        _ => Verdict::Never,
    }
}

/// How long `Retry-After` asks us to wait from `now`: seconds, or a date in any form of RFC 9110, 5.6.7.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX / 1_000)));
    }
    let at_ms = http_date(text)?.ms();
    Some(Duration::from_millis(at_ms.saturating_sub(now.ms()).max(0).unsigned_abs()))
}

/// An instant as RFC 9110 (5.6.7) writes it, in each of its three forms.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let obsolete = |form| NaiveDateTime::parse_from_str(text, form).map(|date| date.and_utc().timestamp_millis());
    let at_ms = DateTime::parse_from_rfc2822(text)
        .map(|date| date.timestamp_millis())
        .or_else(|_| obsolete("%A, %d-%b-%y %H:%M:%S GMT"))
        .or_else(|_| obsolete("%a %b %e %H:%M:%S %Y"))
        .ok()?;
    Some(Timestamp::from_ms(at_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_their_classes() {
        use Verdict::*;
        for (statuses, expected) in [
            (vec![200, 201, 202, 204, 299], Done),
            (vec![401], Unauthorized),
            (vec![408, 425, 429, 503], NotNow),
            (vec![409, 423, 500, 502, 504, 507, 599], Unclear),
            (vec![300, 301, 302, 307, 308, 400, 403, 404, 410, 413, 418, 422, 451, 600, 999], Never),
        ] {
            for status in statuses {
                assert_eq!(verdict(status), expected, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_reads_as_rfc_9110_writes_it() {
        // The examples of RFC 9110, 5.6.7 and 10.2.3: one instant in three forms.
        let now = Timestamp::from_ms(784_111_777_000 - 30_000);
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "30", " 30 "] {
            assert_eq!(retry_after(text, now), Some(Duration::from_secs(30)), "{text}");
        }
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now.plus_ms(60_000)), Some(Duration::ZERO), "it is past");
        for text in ["", "-1", "soon", "1.5", "2030-01-01T00:00:00Z"] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
        assert!(retry_after("99999999999999999999999", now).is_some());
    }
}
