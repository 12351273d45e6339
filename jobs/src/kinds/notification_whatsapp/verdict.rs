//! What Meta's errors mean for a message. Pure.
//!
//! What the codes mean we have from pywa 4.5.0 (PyPI, `pywa/errors.py`, read 2026-11-22), which repeats Meta's page in words; 1, 2, 33, 100
//! and 133010, which it lacks, from other copies of that page. The page itself,
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes> ("Updated: May 15, 2026"), we read as far
//! as a stored copy's beginning goes: "Meta recommends that you build your app’s error handling logic around code values and
//! details payload properties". An error is
//! `{"error": {"message", "type", "code", "error_data": {"details"}, "fbtrace_id"}}`. That each code which pywa knows has its class is
//! asked in `tests/it/notification_phone`.

#[cfg(feature = "handlers")]
use serde::Deserialize;

use crate::notification::phone::Verdict;

/// An error as Meta words it.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg(feature = "handlers")]
pub(crate) struct Complaint {
    pub error: Option<Error>,
}

/// The error itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg(feature = "handlers")]
pub(crate) struct Error {
    /// Meta's code.
    #[serde(default)]
    pub code: Option<i64>,
    /// In words.
    #[serde(default)]
    pub message: Option<String>,
    /// In more words.
    #[serde(default)]
    pub error_data: Option<Details>,
}

/// More words.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg(feature = "handlers")]
pub(crate) struct Details {
    #[serde(default)]
    pub details: Option<String>,
}

#[cfg(feature = "handlers")]
impl Error {
    /// All of its words.
    pub(crate) fn said(&self) -> String {
        let details = self.error_data.as_ref().and_then(|data| data.details.as_deref());
        [self.message.as_deref(), details].into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

/// By the status and the code of an answer.
pub const fn verdict(status: u16, code: Option<i64>) -> Verdict {
    match code {
        Some(code) => match of_code(code) {
            Some(verdict) => verdict,
            None => Verdict::of_status(status),
        },
        None => Verdict::of_status(status),
    }
}

/// By the code alone; none where it is not known here.
pub const fn of_code(code: i64) -> Option<Verdict> {
    Some(match code {
        // Authentication, permissions, an expired token; policy violations, a locked account; the business's number is not registered.
        0 | 3 | 10 | 190 | 200..=299 | 131005 | 131031 | 131045 | 133010 | 368 => Verdict::Refused,
        // Too many calls, too many messages: of the app, the account, the number, the pair; maintenance.
        4 | 80007 | 130429 | 131048 | 131056 | 131057 | 131064 | 133016 => Verdict::NotNow,
        // Down, or something went wrong.
        1 | 2 | 131000 | 131016 => Verdict::Unclear,
        132001 => Verdict::Never("approved_template_unknown"),
        132015 | 132016 | 132007 | 132068 | 132069 => Verdict::Never("template_not_approved"),
        132000 | 132005 | 132008 | 132012 => Verdict::Never("template_misfit"),
        131047 => Verdict::Never("session_closed"),
        131021 | 131026 | 131030 | 131062 | 130497 | 137000 => Verdict::Never("recipient_unreachable"),
        131050 => Verdict::Never("recipient_unsubscribed"),
        130472 | 131049 => Verdict::Never("not_delivered_by_choice"),
        // Parameters, media, payment, names, certificates: somebody must do something first.
        33 | 100 | 131008 | 131009 | 131037 | 131042 | 131044 | 131051 | 131052 | 131053 | 131063 | 135000 => {
            Verdict::Never("message_refused")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_fall_into_their_classes() {
        use Verdict::*;
        let cases = [
            (401, Some(190), Refused),
            (401, None, Refused),
            (403, Some(368), Refused),
            (403, Some(10), Refused),
            (403, Some(219), Refused),
            (400, Some(133010), Refused),
            (400, Some(130429), NotNow),
            (400, Some(131056), NotNow),
            (429, None, NotNow),
            (500, Some(131000), Unclear),
            (503, Some(2), Unclear),
            (502, None, Unclear),
            (200, None, Unclear),
            (400, Some(131047), Never("session_closed")),
            (400, Some(131026), Never("recipient_unreachable")),
            (400, Some(131030), Never("recipient_unreachable")),
            (404, Some(132001), Never("approved_template_unknown")),
            (400, Some(132000), Never("template_misfit")),
            (400, Some(132015), Never("template_not_approved")),
            (400, Some(999_999), Never("message_refused")),
            (500, Some(999_999), Unclear),
            (400, Some(-1), Never("message_refused")),
            (302, None, Never("message_refused")),
        ];
        for (status, code, expected) in cases {
            assert_eq!(verdict(status, code), expected, "{status} {code:?}");
        }
    }
}
