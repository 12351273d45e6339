//! What became of each message, and what that makes of the job. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Dead, Refused, Report};
use crate::{clock::Timestamp, handler::Outcome, job::JobError};

/// So many refusals to wait in an attempt, and no more are asked for: they are not about single devices.
pub(super) const LATERS_MAX: usize = 10;
/// The same of refusals for good, where nothing was sent.
pub(super) const REFUSED_MAX: usize = 10;

/// What is kept of a message that is done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// The provider took it.
    Sent,
    /// The token is of no use any more.
    Dead {
        /// The provider's word.
        reason: String,
        /// Since when.
        at: Option<Timestamp>,
    },
}

/// What a provider says to a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// It took it, and calls it so.
    Taken(Option<String>),
    /// The token is of no use any more.
    Dead {
        /// Its word.
        reason: String,
        /// Since when.
        at: Option<Timestamp>,
    },
    /// It will not take it, however often it is asked.
    Refused {
        /// Its word.
        reason: String,
        /// What it says to that.
        message: String,
    },
    /// It did not take it, and may later.
    Later(JobError, Option<Duration>),
    /// Nobody knows whether it took it.
    Unclear(JobError, Option<Duration>),
    /// It does not let us in, or cannot be reached: not with this message, and not with another.
    Closed(JobError, Option<Duration>),
}

/// What came of a message in an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Came {
    /// It is done with, in this attempt or in one before.
    Done(Fate, Option<String>),
    /// It is not.
    Said(Said),
    /// Nobody knows, and it is left at that.
    Unknown,
    /// Nobody knows, and a person decides.
    Parked,
    /// The attempt ends like this, whatever comes of the others.
    Ended(Outcome),
    /// It was not tried, as others had ended the attempt.
    Untried,
}

/// What came of all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    report: Report,
    laters: Vec<(JobError, Option<Duration>)>,
    closed: Option<(JobError, Option<Duration>)>,
    ended: Option<Outcome>,
    /// A turn of ours that would have come too late: of no account beside what a provider says.
    snooze: Option<Duration>,
    parked: usize,
    untried: usize,
}

impl Tally {
    /// Counts one, that was to go there.
    pub(super) fn add(&mut self, to: &str, came: Came) {
        let to = to.to_owned();
        match came {
            Came::Done(Fate::Sent, id) => {
                self.report.sent += 1;
                self.report.id = id;
            }
            Came::Done(Fate::Dead { reason, at }, _) | Came::Said(Said::Dead { reason, at }) => {
                self.report.dead.push(Dead { token: to, reason, at });
            }
            Came::Said(Said::Taken(id)) => self.add(&to, Came::Done(Fate::Sent, id)),
            Came::Said(Said::Refused { reason, message }) => self.report.failed.push(Refused { to, reason, message }),
            Came::Said(Said::Later(error, after) | Said::Unclear(error, after)) => self.laters.push((error, after)),
            Came::Said(Said::Closed(error, after)) => self.closed = self.closed.take().or(Some((error, after))),
            Came::Unknown => self.report.unknown.push(to),
            Came::Parked => self.parked += 1,
            // That it was cancelled counts more than that others found the lease too short.
            Came::Ended(Outcome::Cancel) => self.ended = Some(Outcome::Cancel),
            Came::Ended(Outcome::Snooze(wait)) => {
                self.snooze = self.snooze.or(Some(wait));
                self.untried += 1;
            }
            Came::Ended(outcome) => self.ended = self.ended.take().or(Some(outcome)),
            Came::Untried => self.untried += 1,
        }
    }

    /// Whether trying others is of no use in this attempt.
    pub(super) fn is_over(&self) -> bool {
        let nothing_taken = self.report.sent == 0 && self.report.dead.is_empty();
        self.ended.is_some()
            || self.closed.is_some()
            || self.snooze.is_some()
            || self.laters.len() >= LATERS_MAX
            || (nothing_taken && self.report.failed.len() >= REFUSED_MAX)
    }

    /// Whether any is done with.
    pub(super) fn has_done(&self) -> bool {
        self.done() > 0
    }

    /// How many are done with.
    pub(super) fn done(&self) -> usize {
        self.report.sent + self.report.dead.len()
    }

    /// How the attempt ends.
    pub(super) fn outcome(mut self) -> Outcome {
        if let Some(ended) = self.ended {
            return ended;
        }
        if let Some((error, after)) = self.closed {
            return if error.retryable { Outcome::Retry { error, after } } else { Outcome::Bury(error) };
        }
        if let Some((first, _)) = self.laters.first() {
            let open = self.laters.len() + self.untried;
            let (sent, dead) = (self.report.sent, self.report.dead.len());
            let message = format!("{open} to be sent again, {sent} sent, {dead} dead: {}", first.message);
            let after = self.laters.iter().filter_map(|(_, after)| *after).max();
            return Outcome::Retry { error: JobError::new(&first.code, message, true), after };
        }
        if let Some(wait) = self.snooze {
            return Outcome::Snooze(wait);
        }
        // Others were taken after it had looked as if none would be.
        if self.untried > 0 && self.done() > 0 {
            let message = format!("{} to be sent yet, {} sent, {} dead", self.untried, self.report.sent, self.report.dead.len());
            return Outcome::Retry { error: JobError::new("push_later", message, true), after: None };
        }
        if self.parked > 0 {
            let message =
                format!("nobody knows whether {} messages were sent: say so by POST …/effects/…, then redrive the job", self.parked);
            return Outcome::bury("effect_parked", message);
        }
        let Report { sent, dead, failed, unknown, .. } = &self.report;
        if let Some(first) = failed.first().filter(|_| *sent == 0 && dead.is_empty() && unknown.is_empty()) {
            return Outcome::bury("message_refused", format!("{}: {}", first.reason, first.message));
        }
        // Several messages have several names: they are with the effects.
        if sent + dead.len() + failed.len() + unknown.len() != 1 {
            self.report.id = None;
        }
        Outcome::done(&self.report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(came: impl IntoIterator<Item = Came>) -> Outcome {
        let mut tally = Tally::default();
        came.into_iter().enumerate().for_each(|(n, came)| tally.add(&format!("t{n}"), came));
        tally.outcome()
    }

    fn sent() -> Came {
        Came::Done(Fate::Sent, Some("id".into()))
    }

    fn dead() -> Came {
        Came::Said(Said::Dead { reason: "UNREGISTERED".into(), at: None })
    }

    fn refused() -> Came {
        Came::Said(Said::Refused { reason: "INVALID_ARGUMENT".into(), message: "no".into() })
    }

    fn later(code: &str, seconds: Option<u64>) -> Came {
        Came::Said(Said::Later(JobError::new(code, "busy", true), seconds.map(Duration::from_secs)))
    }

    #[test]
    fn what_is_done_with_is_reported() {
        let Outcome::Done(report) = outcome([sent(), dead(), refused(), Came::Unknown]) else { panic!("done") };
        let report: Report = serde_json::from_str(&report).expect("a report");
        assert_eq!((report.sent, report.id, report.unknown), (1, None, vec!["t3".to_owned()]));
        assert_eq!((report.dead[0].token.as_str(), report.failed[0].to.as_str()), ("t1", "t2"));
        let Outcome::Done(one) = outcome([sent()]) else { panic!("done") };
        assert!(one.contains("\"id\":\"id\""), "{one}");
    }

    #[test]
    fn what_must_be_sent_later_waits_as_long_as_the_longest_wait() {
        let Outcome::Retry { error, after } = outcome([sent(), later("push_later", Some(5)), dead(), later("x", Some(60)), Came::Untried])
        else {
            panic!("again")
        };
        assert_eq!((error.code.as_str(), after), ("push_later", Some(Duration::from_secs(60))));
        assert_eq!(error.message, "3 to be sent again, 1 sent, 1 dead: busy");
    }

    #[test]
    fn what_counts_most_decides() {
        let closed = || Came::Said(Said::Closed(JobError::new("connection_refused", "no", true), None));
        let code = |outcome| match outcome {
            Outcome::Retry { error, .. } | Outcome::Bury(error) => error.code,
            other => format!("{other:?}"),
        };
        assert_eq!(code(outcome([later("push_later", None), closed(), Came::Parked])), "connection_refused");
        assert_eq!(code(outcome([closed(), Came::Ended(Outcome::retry("lease_short", ""))])), "lease_short");
        assert_eq!(outcome([Came::Ended(Outcome::retry("lease_short", "")), Came::Ended(Outcome::Cancel)]), Outcome::Cancel);
        assert_eq!(code(outcome([Came::Parked, later("push_later", None)])), "push_later", "what is parked stays parked");
        assert_eq!(code(outcome([Came::Parked, sent()])), "effect_parked");
        assert_eq!(code(outcome([refused(), refused()])), "message_refused");
        assert!(matches!(outcome([refused(), dead()]), Outcome::Done(_)));
    }

    #[test]
    fn a_turn_that_comes_too_late_hides_nothing_that_a_provider_says() {
        let snooze = || Came::Ended(Outcome::Snooze(Duration::from_secs(3)));
        let Outcome::Retry { error, after } = outcome([sent(), snooze(), later("push_later", Some(60)), snooze()]) else { panic!("again") };
        assert_eq!(after, Some(Duration::from_secs(60)));
        assert_eq!(error.message, "3 to be sent again, 1 sent, 0 dead: busy");
        let closed = Came::Said(Said::Closed(JobError::new("token_unavailable", "no", true), Some(Duration::from_secs(60))));
        assert!(matches!(outcome([snooze(), closed]), Outcome::Retry { after: Some(after), .. } if after.as_secs() == 60));
        let others = [sent(), dead(), refused(), Came::Parked, Came::Untried];
        assert_eq!(
            outcome([&[snooze()], others.as_slice()].concat()),
            Outcome::Snooze(Duration::from_secs(3)),
            "nobody said anything else"
        );
        assert_eq!(outcome([snooze(), Came::Ended(Outcome::Cancel)]), Outcome::Cancel);
    }

    #[test]
    fn nobody_is_forgotten_who_was_not_tried() {
        let refused: Vec<Came> = vec![refused(); REFUSED_MAX];
        let late = [refused.clone(), vec![Came::Untried, sent()]].concat();
        assert!(matches!(outcome(late), Outcome::Retry { .. }));
        assert!(matches!(outcome([refused, vec![Came::Untried]].concat()), Outcome::Bury(_)), "nobody would have taken it");
    }

    #[test]
    fn an_attempt_does_not_go_on_where_that_is_of_no_use() {
        let over = |came: &[Came]| {
            let mut tally = Tally::default();
            came.iter().for_each(|came| tally.add("t", came.clone()));
            tally.is_over()
        };
        assert!(!over(&vec![later("a", None); LATERS_MAX - 1]) && over(&vec![later("a", None); LATERS_MAX]));
        assert!(over(&vec![refused(); REFUSED_MAX]));
        assert!(!over(&[vec![refused(); REFUSED_MAX], vec![dead()]].concat()), "the message is not at fault");
        assert!(!over(&vec![dead(); 500]));
    }
}
