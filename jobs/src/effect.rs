//! Something done to the outside world that must not be done twice: a call, an e-mail, a charge. Pure.
//!
//! An effect is known by its job and a key. Its intent is in the ledger before it is tried, its confirmation after: whoever
//! finds a confirmed one takes its result and does nothing. Between the two nobody can know whether it happened; then the
//! declared [`Policy`] decides. [`decide`] says what to do with what was found, the ledger's role `Effects` keeps it, and
//! `Context::effect` (`effect/run.rs`) is how a handler does one.

mod run;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::run::{Call, Effect, Failed, Performed, Receipt, Sent, Stopped, hash_of};
use crate::{
    clock::Timestamp,
    job::{JobError, JobId},
    ledger,
    tenant::TenantId,
};

/// The longest key of an effect, in bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// The most effects of a job: a job that does more is a batch of jobs, or keeps a checkpoint.
pub const EFFECTS_MAX: usize = 1_000;
/// The largest result that is kept of an effect, in bytes of JSON: it is read again at every redelivery.
pub const RESULT_BYTES_MAX: usize = 64 * 1024;
/// The longest that a report is waited for from the hand-over, whatever the heartbeats: a week, as the longest silence that
/// `http.request` allows. A process that does nothing but say that it is alive does not keep a job for ever.
pub const AWAIT_MS_MAX: i64 = 7 * 24 * 3_600_000;

/// What becomes of an effect of which nobody knows whether it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = EffectPolicy))]
pub enum Policy {
    /// The provider is asked by the effect's key; it is done again only where the provider does not know it.
    Ask,
    /// It is done again, with the same key: for providers that recognise it, and for what may happen twice.
    Resend,
    /// It is left as it is: at most once.
    Drop,
    /// A person decides: the job is dead until somebody has said what happened, and redrives it.
    Park,
}

/// How an effect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = EffectState))]
pub enum Standing {
    /// About to be tried, or tried by somebody who did not come back: unknown.
    Intended,
    /// The other side has taken it over and will report.
    Awaited,
    /// It happened.
    Confirmed,
    /// The other side, which had taken it over, reported that it failed; no attempt has heard of it yet.
    Failed,
    /// It is known not to have happened.
    Withdrawn,
    /// Unknown, and left at that.
    Dropped,
    /// Unknown, and waiting for a person.
    Parked,
}

/// An effect as the ledger keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Whose.
    pub tenant: TenantId,
    /// The job that does it.
    pub job: JobId,
    /// Its name within the job.
    pub key: String,
    /// Counts its changes: what a change was decided on.
    pub version: u32,
    /// What is known of it.
    pub facts: Facts,
    /// SHA-256 of the token by which the other side reports, if it may.
    pub callback: Option<[u8; 32]>,
    /// When it was first intended.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Until when a report is waited for.
    pub until: Option<Timestamp>,
}

/// What is known of an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// How it stands.
    pub standing: Standing,
    /// What becomes of it while that is unknown.
    pub policy: Policy,
    /// The attempt that tried it last.
    pub attempt: u32,
    /// Random: tells a write that was repeated, as its answer was lost, from somebody else's.
    pub mark: u64,
    /// How often it was tried.
    pub tries: u32,
    /// How often a redelivery found it unknown.
    pub unknowns: u32,
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// What came of it, as JSON.
    pub result: Option<Reported>,
    /// What the other side reported to have gone wrong.
    pub error: Option<JobError>,
    /// Whether nobody knows of a try before the last one whether it happened: then that the last one failed settles nothing.
    #[serde(default)]
    pub doubted: bool,
    /// When the other side took it over, once a heartbeat has changed it since; none: at the last change.
    #[serde(default)]
    pub handed_at: Option<Timestamp>,
    /// Whether it stands like this by a person's word, which the person may take back.
    #[serde(default)]
    pub by_person: bool,
}

impl Facts {
    /// The last try is known not to have happened. One before it may have.
    pub(crate) fn not_done(&self, mark: u64) -> Self {
        let standing = if self.doubted { Standing::Intended } else { Standing::Withdrawn };
        Self { standing, mark, error: None, ..self.clone() }
    }
}

/// What came of an effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reported(pub Box<RawValue>);

impl PartialEq for Reported {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// An intent, before it is in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Whose.
    pub tenant: TenantId,
    /// The job.
    pub job: JobId,
    /// The attempt that tries.
    pub attempt: u32,
    /// The effect's name within the job.
    pub key: String,
    /// What becomes of it while nobody knows.
    pub policy: Policy,
    /// Random, for [`Facts::mark`].
    pub mark: u64,
    /// SHA-256 of the token by which the other side may report.
    pub callback: Option<[u8; 32]>,
}

impl Intent {
    /// The facts of a first try.
    pub const fn facts(&self) -> Facts {
        Facts {
            standing: Standing::Intended,
            policy: self.policy,
            attempt: self.attempt,
            mark: self.mark,
            tries: 1,
            unknowns: 0,
            provider_id: None,
            result: None,
            error: None,
            doubted: false,
            handed_at: None,
            by_person: false,
        }
    }

    /// The ledger's answer, of what stands there after the write.
    pub(crate) fn answer(&self, kept: Option<Kept>, written: bool, now: Timestamp) -> ledger::Result<Intended> {
        Ok(match kept.filter(|kept| kept.tenant == self.tenant) {
            Some(kept) if written => Intended::Written(kept),
            Some(kept) => Intended::Found { kept, now },
            None => Intended::Refused,
        })
    }
}

/// What the ledger says to an intent.
#[derive(Debug, Clone, PartialEq)]
pub enum Intended {
    /// It is written: the effect may be tried.
    Written(Kept),
    /// There is one of this name: nothing is written.
    Found {
        /// The effect.
        kept: Kept,
        /// The ledger's clock.
        now: Timestamp,
    },
    /// The attempt is over, or the job has too many: nothing is written.
    Refused,
}

/// A decided change of an effect, to be written where it still stands at the version that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The job.
    pub job: JobId,
    /// The effect.
    pub key: String,
    /// The version that was decided on.
    pub seen: u32,
    /// Only while this attempt of the job runs; none for what is true whoever runs.
    pub running: Option<u32>,
    /// What is known of it from now on.
    pub facts: Facts,
    /// Who may report from now on; none keeps it.
    pub callback: Option<[u8; 32]>,
    /// For how long a report is waited for, from the ledger's now; none for not.
    pub await_ms: Option<i64>,
}

/// The other side says by its token what happened. None where it is too late: it was confirmed, or it is not in doubt.
pub fn report(found: &Kept, said: Said, mark: u64) -> Option<Facts> {
    let open = match said {
        Said::Alive => found.facts.standing == Standing::Awaited,
        _ => in_doubt(found),
    };
    open.then(|| said_of(found, said, mark))
}

/// A person says what happened. None where it is not in doubt, but for an earlier word of a person's, which this replaces.
pub fn resolve(found: &Kept, said: Said, mark: u64) -> Option<Facts> {
    let open = in_doubt(found) || found.facts.by_person;
    open.then(|| Facts { by_person: true, ..said_of(found, said, mark) })
}

const fn in_doubt(found: &Kept) -> bool {
    matches!(found.facts.standing, Standing::Intended | Standing::Awaited | Standing::Dropped | Standing::Parked)
}

fn said_of(found: &Kept, said: Said, mark: u64) -> Facts {
    let facts = Facts { mark, ..found.facts.clone() };
    match said {
        Said::Alive => Facts { handed_at: Some(handed_at(found)), ..facts },
        Said::Happened { provider_id, result } => Facts {
            standing: Standing::Confirmed,
            provider_id: provider_id.or_else(|| facts.provider_id.clone()),
            result,
            error: None,
            ..facts
        },
        Said::Failed(error) => Facts { standing: Standing::Failed, error: Some(error), ..facts },
        Said::NotHappened => Facts { standing: Standing::Withdrawn, provider_id: None, result: None, ..facts },
    }
}

/// When the other side took an effect over that is awaited.
fn handed_at(found: &Kept) -> Timestamp {
    found.facts.handed_at.unwrap_or(found.changed_at)
}

/// For how long a report is waited for after a heartbeat: as long as the other side was given, and no longer than there is.
pub fn patience_ms(found: &Kept, now: Timestamp) -> i64 {
    let given_ms = found.until.unwrap_or(now).ms_since(found.changed_at);
    given_ms.min(handed_at(found).plus_ms(AWAIT_MS_MAX).ms_since(now)).max(0)
}

/// What somebody from outside says of an effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// It is still being worked on.
    Alive,
    /// It happened.
    Happened {
        /// What the provider calls it.
        provider_id: Option<String>,
        /// What came of it.
        result: Option<Reported>,
    },
    /// It was tried and failed.
    Failed(JobError),
    /// It did not happen.
    NotHappened,
}

/// What to do about an effect that was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Take what came of it; do nothing.
    Replay,
    /// Try it, first writing this.
    Try(Facts),
    /// Ask the provider; if it does not know the effect, try it, first writing this.
    Ask(Facts),
    /// End the attempt with this error, first writing this.
    Fail(Facts, JobError),
    /// Go on without it, first writing this.
    Drop(Facts),
    /// Give the job up until a person has decided, first writing this.
    Park(Facts),
    /// The other side reports until then.
    Await(Timestamp),
}

/// What attempt `attempt` does about an effect that it found, at `now` by the ledger's clock. What it writes bears `mark`.
pub fn decide(found: &Kept, attempt: u32, policy: Policy, mark: u64, now: Timestamp) -> Step {
    let facts = &Facts { mark, ..found.facts.clone() };
    let again = Facts {
        standing: Standing::Intended,
        policy,
        attempt,
        tries: facts.tries + 1,
        error: None,
        doubted: false,
        handed_at: None,
        by_person: false,
        ..facts.clone()
    };
    match facts.standing {
        Standing::Confirmed => Step::Replay,
        Standing::Failed => {
            let error = facts.error.clone().unwrap_or_else(|| JobError::new("failed", "the other side said that it failed", true));
            Step::Fail(facts.not_done(mark), error)
        }
        Standing::Withdrawn => Step::Try(again),
        Standing::Dropped => Step::Drop(found.facts.clone()),
        Standing::Parked => Step::Park(found.facts.clone()),
        Standing::Awaited if found.until.is_some_and(|until| now < until) => Step::Await(found.until.unwrap_or(now)),
        // An attempt that waited is not charged, so one is that waited in vain: or whoever takes over and never reports is asked for ever.
        Standing::Awaited => {
            let error = JobError::new("callback_late", "who took it over did not report in time", true);
            Step::Fail(Facts { standing: Standing::Intended, ..facts.clone() }, error)
        }
        Standing::Intended => {
            let unknowns = facts.unknowns + 1;
            match policy {
                Policy::Resend => Step::Try(Facts { unknowns, doubted: true, ..again }),
                Policy::Ask => Step::Ask(Facts { unknowns, ..again }),
                Policy::Drop => Step::Drop(Facts { standing: Standing::Dropped, policy, unknowns, ..facts.clone() }),
                Policy::Park => Step::Park(Facts { standing: Standing::Parked, policy, unknowns, ..facts.clone() }),
            }
        }
    }
}
