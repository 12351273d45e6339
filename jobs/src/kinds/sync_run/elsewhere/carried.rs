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
    /// Of the rest, what may have arrived.
    doubtful: HashSet<String>,
}

impl Carried {
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
            Err(Unsettled::Refused { code, message }) => {
                let message = message.chars().take(ERROR_CHARS_MAX).collect();
                self.failed.push(RowError { key: Some(key.to_owned()), page: 0, index: 0, code: code.into(), message, pointer: None });
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
    pub(super) fn withdraw(&mut self, plan: &[(String, bool)]) {
        let settled: HashSet<&str> = self.settled.iter().map(|settled| &*settled.key).collect();
        let is_open = |key: &str| !settled.contains(key) && !self.doubtful.contains(key);
        self.withdrawn = plan.iter().filter(|(key, before)| !before && is_open(key)).map(|(key, _)| key.clone()).collect();
    }
}

/// Why it is not known that something was done.
pub(super) enum Unsettled {
    /// It was not: the provider does not take this record.
    Refused { code: &'static str, message: String },
    /// It has to wait.
    Stopped {
        /// How the attempt ends.
        outcome: Outcome,
        /// Whether it may have arrived all the same.
        in_doubt: bool,
    },
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
        Self::Refused { code: "record_unfit", message }
    }
}

pub(super) fn refused(message: String) -> Unsettled {
    Unsettled::Refused { code: "destination_refused", message }
}

/// Of what is made there is nothing to be found: where there is nothing, there is no such path.
pub(super) fn refused_whole(status: u16, message: String) -> Unsettled {
    match status {
        404 | 410 => Outcome::bury("destination_refused", message).into(),
        _ => refused(message),
    }
}

pub(super) fn failed(message: String) -> Outcome {
    Outcome::retry("destination_failed", message)
}
