//! What Twilio's errors mean for a message. Pure.
//!
//! Each code has its page below <https://www.twilio.com/docs/api/errors>. On 2026-11-22 we read stored copies (of 2024 or later, or without
//! a date) of 10001, 14107, 20003, 20005, 20403, 20429, 21214, 21217, 21401, 21603, 21606, 21611, 21612, 21659, 21660, 21661, 21701, 21702,
//! 21705, 21712, 21714 and 21715, and 21408, 21607, 21610, 21614, 21617, 21623 and 21703 as of 2019 (github.com/men232/twilio-error-codes,
//! twilio-error-codes.json at 7cd52b39); 21211, 21212, the others up to 21713 and the statuses of HTTP are as we know them. An error is
//! `{"code", "message", "more_info", "status"}`.

use serde::Deserialize;

use crate::notification::phone::Verdict;

/// An error as Twilio words it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Complaint {
    /// Twilio's code.
    #[serde(default)]
    pub code: Option<u32>,
    /// In words.
    #[serde(default)]
    pub message: Option<String>,
}

/// By the status and the code of an answer.
pub(super) const fn verdict(status: u16, code: Option<u32>) -> Verdict {
    match code {
        // Permission denied; account not active; suspended or closed; account not active.
        Some(20003 | 20005 | 20403 | 10001) => return Verdict::Refused,
        // Too many requests ("never processed"); too many between two numbers within seconds (such a message fails, says the page); the
        // sender's queue is full; the messaging service is not available ("Retry your API call").
        Some(20429 | 14107 | 21611 | 21702) => return Verdict::NotNow,
        Some(21211 | 21214 | 21217 | 21614) => return Verdict::Never("recipient_invalid"),
        Some(21610) => return Verdict::Never("recipient_unsubscribed"),
        Some(21408) => return Verdict::Never("region_forbidden"),
        // 21401 is "Invalid Phone Number" and means the sender's; 21612 blames the two together.
        Some(21212 | 21401 | 21603 | 21606 | 21607 | 21612 | 21659 | 21660 | 21661 | 21701..=21715) => {
            return Verdict::Never("sender_invalid");
        }
        _ => {}
    }
    Verdict::of_status(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_fall_into_their_classes() {
        use Verdict::*;
        let cases = [
            (401, Some(20003), Refused),
            (401, None, Refused),
            (403, Some(20005), Refused),
            (429, Some(20429), NotNow),
            (429, None, NotNow),
            (400, Some(21611), NotNow),
            (400, Some(21702), NotNow),
            (400, Some(21211), Never("recipient_invalid")),
            (400, Some(21614), Never("recipient_invalid")),
            (400, Some(21610), Never("recipient_unsubscribed")),
            (403, Some(21408), Never("region_forbidden")),
            (400, Some(21606), Never("sender_invalid")),
            (400, Some(21401), Never("sender_invalid")),
            (400, Some(21703), Never("sender_invalid")),
            (400, Some(21617), Never("message_refused")),
            (400, None, Never("message_refused")),
            (404, Some(20404), Never("message_refused")),
            (302, None, Never("message_refused")),
            (408, None, Unclear),
            (500, Some(20500), Unclear),
            (503, Some(20503), Unclear),
            (200, None, Unclear),
        ];
        for (status, code, expected) in cases {
            assert_eq!(verdict(status, code), expected, "{status} {code:?}");
        }
    }
}
