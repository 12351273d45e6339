//! What can be wrong with a schedule, before it is kept: every refusal names its field.

use serde_json::value::RawValue;

use super::{
    CATCH_UP_MAX, CATCH_UP_WINDOW_S_MAX, Definition, JITTER_S_MAX, Misfire, NAME_BYTES_MAX, TEMPLATE_BYTES_MAX, Template,
    template::{self, Rendered, Unknown, Values},
};
use crate::{
    clock::Timestamp,
    contract::Catalog,
    cron::{Field, Malformed},
    queue::QueueName,
    submit::{NewJob, Rejection, Submission, submit},
    tenant::TenantId,
};

/// Why a schedule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rejection}")]
pub struct Placed {
    /// What the rejection's pointer is relative to.
    within: &'static str,
    /// What is wrong.
    pub rejection: Rejection,
}

impl Placed {
    /// Where in the body the trouble is, as a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        format!("{}{}", self.within, self.rejection.pointer())
    }

    fn field(pointer: &str, message: impl Into<String>) -> Self {
        Self { within: "", rejection: Rejection::field(pointer, message) }
    }
}

impl From<Malformed> for Placed {
    fn from(malformed: Malformed) -> Self {
        let pointer = match malformed.field {
            Field::Cron => "/cron",
            Field::TimeZone => "/time_zone",
        };
        Self::field(pointer, malformed.message)
    }
}

/// Texts of a payload that may become numbers: each is another round of rendering and checking.
const NUMBERS_MAX: usize = 16;
/// Where the template stands in the body.
const TEMPLATE: &str = "/job";
/// Where the payload stands in a submission.
const PAYLOAD: &str = "/payload";

pub(super) fn check(
    definition: &Definition,
    catalog: &Catalog,
    queues: &[QueueName],
    gap_s_min: u32,
    now: Timestamp,
) -> Result<NewJob, Placed> {
    check_name(&definition.name)?;
    let timing = definition.timing(now)?;
    let gap_s = timing.shortest_gap_s();
    if gap_s < gap_s_min.into() {
        let message = format!(
            "two fires may be {gap_s} s apart, and this tenant's schedules must keep {gap_s_min} s (schedules.gap_s_min, schedules.tenant_gaps_s_min)"
        );
        return Err(Placed::field("/cron", message));
    }
    if let (Some(starts_at), Some(ends_at)) = (definition.starts_at, definition.ends_at)
        && ends_at < starts_at
    {
        return Err(Placed::field("/ends_at", "ends_at is before starts_at"));
    }
    if definition.jitter_s > JITTER_S_MAX {
        return Err(Placed::field("/jitter_s", format!("{} is not within 0 to {JITTER_S_MAX}", definition.jitter_s)));
    }
    if let Misfire::CatchUp { max, window_s } = definition.misfire {
        for (name, value, most) in [("max", max, CATCH_UP_MAX), ("window_s", window_s, CATCH_UP_WINDOW_S_MAX)] {
            if value == 0 || value > most {
                return Err(Placed::field(&format!("/misfire/catch_up/{name}"), format!("{value} is not within 1 to {most}")));
            }
        }
    }
    let bytes = definition.job.payload.get().len();
    if bytes > TEMPLATE_BYTES_MAX {
        return Err(Placed { within: TEMPLATE, rejection: Rejection::PayloadTooLarge { bytes, most: TEMPLATE_BYTES_MAX } });
    }
    let fire_at = definition.first_fire_after(now).unwrap_or(now);
    job(&definition.job, &TenantId::default_tenant(), Values { fire_at, n: 1 }, catalog, queues, now)
}

fn check_name(name: &str) -> Result<(), Placed> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !begins_well || name.len() > NAME_BYTES_MAX || !name.bytes().all(letter) {
        let message = format!("a name has 1 to {NAME_BYTES_MAX} letters, digits, '.', '_' and '-', and begins with a letter or digit");
        return Err(Placed::field("/name", message));
    }
    if name == "preview" || name.parse::<super::ScheduleId>().is_ok() {
        return Err(Placed::field("/name", "a name is neither a UUID nor the word preview, since it stands in URLs in the id's place"));
    }
    Ok(())
}

/// The job that the template of a schedule that was kept makes. Its queue was known then; whether this process knows of it, too,
/// says nothing.
pub(super) fn kept_job(
    template: &Template,
    tenant: &TenantId,
    values: Values,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<NewJob, Placed> {
    let queue: Option<QueueName> = template.queue.as_deref().and_then(|name| name.parse().ok());
    job(template, tenant, values, catalog, queue.as_slice(), now)
}

/// The job that this template makes, or why it is refused. A text that is nothing but `{{ n }}` becomes a number where the
/// contract takes no text.
fn job(
    template: &Template,
    tenant: &TenantId,
    values: Values,
    catalog: &Catalog,
    queues: &[QueueName],
    now: Timestamp,
) -> Result<NewJob, Placed> {
    let rejected = |rejection| Placed { within: TEMPLATE, rejection };
    let mut as_numbers = Vec::new();
    loop {
        let Rendered { payload, numbers } = template::render(&template.payload, values, &as_numbers)
            .map_err(|Unknown { pointer, message }| rejected(Rejection::Payload { pointer: format!("{PAYLOAD}{pointer}"), message }))?;
        let rejection = match submit(tenant, submission(template, payload), catalog, queues, now) {
            Ok(job) => return Ok(job),
            Err(rejection) => rejection,
        };
        let place = rejection.pointer().strip_prefix(PAYLOAD).unwrap_or_default().to_owned();
        if as_numbers.len() == NUMBERS_MAX || !numbers.contains(&place) || as_numbers.contains(&place) {
            return Err(rejected(rejection));
        }
        as_numbers.push(place);
    }
}

fn submission(template: &Template, payload: Box<RawValue>) -> Submission {
    Submission {
        kind: template.kind.clone(),
        payload,
        queue: template.queue.clone(),
        priority: template.priority,
        run_at: None,
        delay_s: None,
        max_attempts: template.max_attempts,
        deadline: None,
        tags: template.tags.clone(),
        unique_key: None,
        idempotency_key: None,
    }
}
