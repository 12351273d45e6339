//! What came of carrying a plan out: what is known, and what is in doubt.

use std::collections::HashSet;

use crate::{
    handler::Outcome,
    kinds::sync_run::request::Unfit,
    sync::{
        decide::Elsewhere,
        state::{Incoming, Planned, RowError, Settled, SettledAs},
    },
};

/// How much of a provider's error is told of each record.
const ERROR_CHARS_MAX: usize = 500;

/// What came of carrying a plan out.
#[derive(Debug, Default)]
pub(in crate::kinds::sync_run) struct Carried {
    /// What is known to have been done, or not to have been.
    pub settled: Vec<Settled>,
    /// What the provider refused.
    pub failed: Vec<RowError>,
    /// Why the rest was not tried, or is in doubt.
    pub stopped: Option<Outcome>,
    /// Of the rest, what was not sent.
    pub withdrawn: Vec<String>,
    /// What may have arrived: before, or now. Nothing but that it was done settles it.
    doubtful: HashSet<String>,
}

impl Carried {
    /// Nothing of a plan is carried out.
    pub(super) fn of(plan: &[(Incoming, Planned)]) -> Self {
        let doubtful = plan.iter().filter(|(_, planned)| planned.in_doubt).map(|(record, _)| record.key.clone());
        Self { doubtful: doubtful.collect(), ..Self::default() }
    }

    /// All went as planned.
    pub(in crate::kinds::sync_run) fn as_planned(plan: &[(Incoming, Planned)], forget: bool) -> Self {
        let settled = plan.iter().filter_map(|(record, planned)| {
            let remote_id = planned.remote_id.clone();
            let outcome = match planned.fate {
                Elsewhere::Create => SettledAs::Created { remote_id },
                Elsewhere::Update => SettledAs::Updated { remote_id },
                Elsewhere::Delete => SettledAs::Deleted { forget },
                Elsewhere::Nothing => return None,
            };
            Some(Settled { key: record.key.clone(), outcome })
        });
        Self { settled: settled.collect(), ..Self::default() }
    }

    pub(super) fn came(&mut self, key: &str, came: Result<SettledAs, Unsettled>) {
        let outcome = match came {
            Ok(outcome) => outcome,
            Err(Unsettled::Refused { code, message, in_doubt }) => {
                let message = message.chars().take(ERROR_CHARS_MAX).collect();
                self.failed.push(RowError { key: Some(key.to_owned()), page: 0, index: 0, code: code.into(), message, pointer: None });
                if in_doubt || self.doubtful.contains(key) {
                    // A try before this one may have arrived: that it is refused now says nothing about that.
                    self.doubtful.insert(key.to_owned());
                    return;
                }
                SettledAs::Refused
            }
            Err(Unsettled::Stopped { outcome, in_doubt }) => {
                if in_doubt {
                    self.doubtful.insert(key.to_owned());
                }
                // What ends the run for good says more than what only waits.
                if self.stopped.is_none() || matches!(outcome, Outcome::Bury(_)) {
                    self.stopped = Some(outcome);
                }
                return;
            }
        };
        self.settled.push(Settled { key: key.to_owned(), outcome });
    }
}

impl Carried {
    /// Takes the intents back of what is known not to have been sent, now or before: nothing of it is in doubt.
    pub(super) fn withdraw(&mut self, keys: Vec<String>) {
        let settled: HashSet<&str> = self.settled.iter().map(|settled| &*settled.key).collect();
        self.withdrawn = keys.into_iter().filter(|key| !settled.contains(&**key) && !self.doubtful.contains(key)).collect();
    }
}

/// Why it is not known that something was done.
pub(super) enum Unsettled {
    /// The provider does not take this record.
    Refused {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
        /// Whether an earlier try may have arrived all the same.
        in_doubt: bool,
    },
    /// It has to wait.
    Stopped {
        /// How the attempt ends.
        outcome: Outcome,
        /// Whether it may have arrived all the same.
        in_doubt: bool,
    },
}

impl Unsettled {
    /// What is said of the record cannot be sent.
    pub(super) fn unfit(message: String) -> Self {
        Self::Refused { code: "record_unfit", message, in_doubt: false }
    }

    /// It was taken, and what it is called cannot be kept.
    pub(super) fn id_invalid(message: String) -> Self {
        Self::Refused { code: "id_invalid", message, in_doubt: true }
    }

    /// It was taken, so it is said, but nothing else that is to be said.
    pub(super) fn unbelieved(message: String) -> Self {
        Self::Refused { code: "destination_failed", message, in_doubt: true }
    }

    /// The same, in doubt if this is so.
    pub(super) fn or(mut self, doubtful: bool) -> Self {
        let (Self::Refused { in_doubt, .. } | Self::Stopped { in_doubt, .. }) = &mut self;
        *in_doubt |= doubtful;
        self
    }

    /// The same of what changes nothing.
    pub(super) fn in_no_doubt(mut self) -> Self {
        let (Self::Refused { in_doubt, .. } | Self::Stopped { in_doubt, .. }) = &mut self;
        *in_doubt = false;
        self
    }
}

impl From<Outcome> for Unsettled {
    fn from(outcome: Outcome) -> Self {
        Self::Stopped { outcome, in_doubt: false }
    }
}

impl From<Unfit> for Unsettled {
    fn from(unfit: Unfit) -> Self {
        let message = match unfit {
            Unfit::NoId => "it is not known what the provider calls it".to_owned(),
            Unfit::Other(message) => message,
        };
        Self::unfit(message)
    }
}

pub(super) fn refused(message: String, in_doubt: bool) -> Unsettled {
    Unsettled::Refused { code: "destination_refused", message, in_doubt }
}

/// Of what is made there is nothing to be found: where there is nothing, there is no such path.
pub(super) fn refused_whole(status: u16, message: String, in_doubt: bool) -> Unsettled {
    match status {
        404 | 410 => Unsettled::Stopped { outcome: Outcome::bury("destination_refused", message), in_doubt },
        _ => refused(message, in_doubt),
    }
}

pub(super) fn failed(message: String) -> Outcome {
    Outcome::retry("destination_failed", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn planned(key: &str, in_doubt: bool) -> (Incoming, Planned) {
        let incoming = Incoming { key: key.into(), data: "{}".into(), hash: [1; 32], updated_at: None, is_deleted: false };
        let (fate, meant_at) = (Elsewhere::Update, Timestamp::from_ms(0));
        (incoming, Planned { key: key.into(), fate, remote_id: None, in_doubt, meant_at })
    }

    #[test]
    fn a_refusal_settles_only_what_is_in_no_doubt() {
        let keys = ["plain", "before", "now", "done", "stopped", "unsent", "unsent before"];
        let plan: Vec<_> = keys.into_iter().map(|key| planned(key, key.contains("before"))).collect();
        let mut carried = Carried::of(&plan);
        carried.came("plain", Err(refused("no".into(), false)));
        carried.came("before", Err(refused("no".into(), false)));
        carried.came("now", Err(refused("no".into(), true)));
        carried.came("done", Ok(SettledAs::Updated { remote_id: None }));
        carried.came("stopped", Err(Unsettled::Stopped { outcome: failed("away".into()), in_doubt: true }));
        carried.withdraw(keys.map(str::to_owned).to_vec());
        let settled: Vec<_> = carried.settled.iter().map(|settled| (settled.key.as_str(), settled.outcome == SettledAs::Refused)).collect();
        assert_eq!(settled, [("plain", true), ("done", false)]);
        let told: Vec<_> = carried.failed.iter().filter_map(|error| error.key.as_deref()).collect();
        assert_eq!(told, ["plain", "before", "now"], "each is told");
        assert_eq!(carried.withdrawn, ["unsent"]);
    }

    #[test]
    fn what_ends_the_run_is_told_before_what_waits() {
        let mut carried = Carried::default();
        for (key, outcome) in [("a", failed("away".into())), ("b", Outcome::bury("destination_refused", "no")), ("c", failed("x".into()))] {
            carried.came(key, Err(outcome.into()));
        }
        assert!(matches!(carried.stopped, Some(Outcome::Bury(_))));
    }
}
