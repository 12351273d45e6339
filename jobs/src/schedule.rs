//! The durable rule by which jobs are made when their time comes.
//!
//! What a schedule says is a [`Definition`]; `cron.rs` knows when it fires, `schedule/decide.rs` what becomes of each
//! fire. Every instant at which a schedule was expected to fire leaves a [`Fire`], whatever became of it. All of this is
//! pure: the ledger's verbs read, ask `decide`, and write what it says in one transaction.
//! Next: `ledger/mod.rs`, role `Timetable` and verb `fire`.

mod check;
pub mod decide;
mod template;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

pub use self::{
    check::Placed,
    decide::{Decision, Edit, Occasion, Open, Rules},
};
use crate::{
    clock::Timestamp,
    contract::Catalog,
    cron::{Malformed, Timing},
    job::JobId,
    queue::QueueName,
    tenant::TenantId,
};

/// The longest name of a schedule, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// The largest payload of a schedule's job, in bytes of JSON: many are read, and their jobs written, in one go.
pub const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// The largest jitter: a day.
pub const JITTER_S_MAX: u32 = 86_400;
/// The most missed fires that are made up for in one go.
pub const CATCH_UP_MAX: u32 = 1_000;
/// The longest time over which missed fires are made up for: a year.
pub const CATCH_UP_WINDOW_S_MAX: u32 = 366 * 86_400;
/// The time zone of a schedule that names none.
pub const TIME_ZONE: &str = "UTC";
/// A fire that is decided later than this was missed, and the schedule's misfire policy says what becomes of it. Longer
/// than any fail-over, so that a change of leaders loses none.
pub const MISSED_AFTER_MS: i64 = 60_000;

/// A schedule's id: a UUIDv7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = "uuid"))]
pub struct ScheduleId(pub Uuid);

impl ScheduleId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for ScheduleId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// What a schedule says: the body of `POST /v1/schedules`, and an entry of `schedules.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ScheduleDefinition))]
pub struct Definition {
    /// Unique within the tenant; letters, digits, `.`, `_` and `-`, up to 128 bytes.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// When: 5, 6 or 7 fields, `@hourly` and the like, or `@every 90m`.
    pub cron: String,
    /// On whose clock: a name of the IANA time-zone database.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// No fire before this; `@every` counts from here.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// No fire after this.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// What each fire submits.
    #[serde(deserialize_with = "crate::object::object")]
    pub job: Template,
    /// Each fire is put off by the same part of so many seconds, chosen by the schedule's id, so that what is due at the
    /// full hour does not come all at once.
    #[cfg_attr(feature = "openapi", schema(maximum = 86400))]
    #[serde(default)]
    pub jitter_s: u32,
    /// What becomes of fires that nobody could decide in time.
    #[serde(default)]
    pub misfire: Misfire,
    /// What becomes of a fire while the job of one before still lives.
    #[serde(default)]
    pub overlap: Overlap,
}

fn utc() -> String {
    TIME_ZONE.into()
}

/// The job that each fire submits. In texts of the payload `{{ fire_at }}` stands for the instant and `{{ n }}` for the number
/// of the job, from 1; a text that is nothing but `{{ n }}` becomes a number where the kind takes no text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = JobTemplate))]
pub struct Template {
    /// What is to be done.
    pub kind: String,
    /// The kind's input.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub payload: Box<RawValue>,
    /// Where it waits; none means the kind's queue.
    #[serde(default)]
    pub queue: Option<String>,
    /// −100 to 100, higher first; none means 0.
    #[cfg_attr(feature = "openapi", schema(minimum = -100, maximum = 100))]
    #[serde(default)]
    pub priority: Option<i16>,
    /// Charged attempts; none means the kind's.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    #[serde(default)]
    pub max_attempts: Option<u32>,
    /// Labels: up to 16 of 64 bytes each.
    #[cfg_attr(feature = "openapi", schema(max_items = 16))]
    #[serde(default)]
    pub tags: Vec<String>,
}

/// What becomes of fires that were missed: decided more than a minute after they were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Misfire {
    /// They are recorded as missed.
    Skip,
    /// The latest is made up for, unless a later one is on time; the others are recorded as missed.
    #[default]
    FireOnce,
    /// The latest are made up for, oldest first.
    CatchUp {
        /// At most so many.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
        max: u32,
        /// None that is older than this.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 31622400))]
        window_s: u32,
    },
}

/// What becomes of a fire while the job of one before still lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Overlap {
    /// Its job is submitted all the same.
    #[default]
    Allow,
    /// It is skipped.
    Skip,
    /// It waits until that job has ended; further ones are skipped.
    QueueOne,
    /// That job is cancelled; as soon as it has stopped, this fire's is submitted.
    CancelPrevious,
}

impl Definition {
    /// When it fires. `created_at` is from where `@every` counts unless the definition says.
    pub fn timing(&self, created_at: Timestamp) -> Result<Timing, Malformed> {
        // On a full second, as all that an expression says: a fire by hand falls between.
        Timing::parse(&self.cron, &self.time_zone, self.starts_at.unwrap_or(created_at).full_second())
    }

    /// Checks everything that can be checked before the first fire, the rendered payload against the kind's contract
    /// included. `gap_s_min` is the shortest time that the tenant may have between two fires. Returns the first fire's job, but that it is
    /// nobody's.
    pub fn check(&self, catalog: &Catalog, queues: &[QueueName], gap_s_min: u32, now: Timestamp) -> Result<crate::submit::NewJob, Placed> {
        check::check(self, catalog, queues, gap_s_min, now)
    }

    /// Whether the other definition fires at the same instants.
    fn keeps_time_of(&self, other: &Self) -> bool {
        let time = |of: &Self| (of.cron.clone(), of.time_zone.clone(), of.starts_at, of.ends_at, of.jitter_s);
        time(self) == time(other)
    }
}

/// A schedule as readers see it: the JSON of the API.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Who owns it.
    pub tenant: TenantId,
    /// What it says.
    #[serde(flatten)]
    pub definition: Definition,
    /// Whether it is paused: it expects no fires then.
    pub paused: bool,
    /// Grows with each change.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The next instant of its expression, jitter not included; none while it is paused, and when it will never fire again.
    pub next_fire_at: Option<Timestamp>,
    /// The latest instant that was decided.
    pub last_fire_at: Option<Timestamp>,
    /// How many jobs it has made.
    pub jobs_made: u64,
    /// When it is looked at next.
    #[serde(skip)]
    pub due_at: Option<Timestamp>,
}

/// What became of an instant at which a schedule was expected to fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FireStatus {
    /// Its job was submitted.
    Fired,
    /// It was missed, and its job was submitted later.
    CaughtUp,
    /// It waits for the job of a fire before to end.
    Queued,
    /// No job was submitted, for the reason given.
    Skipped,
    /// Nobody decided it in time, and it was not made up for.
    Missed,
}

/// Why a fire was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SkipReason {
    /// The job of a fire before was still alive.
    Overlap,
    /// A later fire took its place.
    Superseded,
    /// The schedule was paused while it was due.
    Paused,
    /// The job that it would have submitted is refused; the message says why.
    Rejected,
}

/// An instant at which a schedule was expected to fire, or was fired by hand, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fire {
    /// The instant: unique within its schedule.
    pub fire_at: Timestamp,
    /// What became of it.
    pub status: FireStatus,
    /// Whether somebody fired it by hand.
    pub manual: bool,
    /// Why it was skipped.
    pub reason: Option<SkipReason>,
    /// More about that, for people.
    pub message: Option<String>,
    /// The job that it submitted.
    pub job_id: Option<JobId>,
    /// The number of that job among the schedule's, from 1.
    pub n: Option<u64>,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// How long after it was due, jitter included.
    pub late_ms: i64,
    /// Whether the next fire must look what has become of it.
    #[serde(skip)]
    pub open: bool,
}
