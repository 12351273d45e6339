//! What `PATCH /v1/schedules/{id}` changes: a merge patch (RFC 7396), in which `null` means the default.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    schedule::{Definition, Misfire, Overlap, TIME_ZONE, Template},
};

use crate::body::{given, object, value};

/// What is to change; what is left out stays, `null` means the default.
#[derive(Clone, Deserialize, ToSchema)]
#[schema(as = SchedulePatch)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    /// Unique within the tenant.
    #[serde(default, deserialize_with = "value")]
    #[schema(nullable = false, min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    name: Option<String>,
    /// When.
    #[serde(default, deserialize_with = "value")]
    #[schema(nullable = false)]
    cron: Option<String>,
    /// On whose clock.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    time_zone: Option<Option<String>>,
    /// No fire before this.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Timestamp>)]
    starts_at: Option<Option<Timestamp>>,
    /// No fire after this.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Timestamp>)]
    ends_at: Option<Option<Timestamp>>,
    /// What each fire submits.
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    job: Option<TemplatePatch>,
    /// By how much fires are put off at most.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, maximum = 86400)]
    jitter_s: Option<Option<u32>>,
    /// What becomes of fires that nobody could decide in time.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Misfire>)]
    misfire: Option<Option<Misfire>>,
    /// What becomes of a fire while the job of one before still lives.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Overlap>)]
    overlap: Option<Option<Overlap>>,
}

/// What is to change of the job that each fire submits; what is left out stays, `null` means the default.
#[derive(Clone, Deserialize, ToSchema)]
#[schema(as = JobTemplatePatch)]
#[serde(deny_unknown_fields)]
struct TemplatePatch {
    /// What is to be done.
    #[serde(default, deserialize_with = "value")]
    #[schema(nullable = false)]
    kind: Option<String>,
    /// The kind's input, whole.
    #[serde(default, deserialize_with = "value")]
    #[schema(value_type = serde_json::Value)]
    payload: Option<Box<RawValue>>,
    /// Where it waits.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    queue: Option<Option<String>>,
    /// −100 to 100, higher first.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i16>, minimum = -100, maximum = 100)]
    priority: Option<Option<i16>>,
    /// Charged attempts.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100)]
    max_attempts: Option<Option<u32>>,
    /// Labels, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 16)]
    tags: Option<Option<Vec<String>>>,
}

impl Patch {
    /// The definition with these changes.
    pub(super) fn onto(self, standing: Definition) -> Definition {
        Definition {
            name: self.name.unwrap_or(standing.name),
            cron: self.cron.unwrap_or(standing.cron),
            time_zone: self.time_zone.map_or(standing.time_zone, |given| given.unwrap_or_else(|| TIME_ZONE.into())),
            starts_at: self.starts_at.unwrap_or(standing.starts_at),
            ends_at: self.ends_at.unwrap_or(standing.ends_at),
            job: match self.job {
                Some(patch) => patch.onto(standing.job),
                None => standing.job,
            },
            jitter_s: self.jitter_s.map_or(standing.jitter_s, Option::unwrap_or_default),
            misfire: self.misfire.map_or(standing.misfire, Option::unwrap_or_default),
            overlap: self.overlap.map_or(standing.overlap, Option::unwrap_or_default),
        }
    }
}

impl TemplatePatch {
    fn onto(self, standing: Template) -> Template {
        Template {
            kind: self.kind.unwrap_or(standing.kind),
            payload: self.payload.unwrap_or(standing.payload),
            queue: self.queue.unwrap_or(standing.queue),
            priority: self.priority.unwrap_or(standing.priority),
            max_attempts: self.max_attempts.unwrap_or(standing.max_attempts),
            tags: self.tags.map_or(standing.tags, Option::unwrap_or_default),
        }
    }
}
