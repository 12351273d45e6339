//! From what a client sends to a job the ledger can keep: limits, contract, defaults.
//!
//! Never touches the ledger: the route reads the ledger's clock and inserts what comes back.
//! Next on a job's path: `ledger/mod.rs`, verb `insert`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    contract::Catalog,
    job::{JobId, State},
    keys::{IdempotencyKey, KEY_BYTES_MAX, Keys},
    kinds,
    ledger::{LaneKey, ReadyJob},
    lifecycle::CRASHES_MAX,
    queue::QueueName,
    tenant::TenantId,
};

/// The largest payload, in bytes of JSON; larger things travel as artifacts.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// The largest result, in bytes of JSON.
pub const RESULT_BYTES_MAX: usize = 1024 * 1024;
/// The most tags of a job.
pub const TAGS_MAX: usize = 16;
/// The longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 64;
/// The highest priority; the lowest is its negative.
pub const PRIORITY_MAX: i16 = 100;
/// The most charged attempts that a job may ask for.
pub const MAX_ATTEMPTS_MAX: u32 = 100;
/// How far ahead a job may be put off: ten years.
pub const DELAY_S_MAX: f64 = 10.0 * 366.0 * 86_400.0;

const _: () = assert!(CRASHES_MAX <= MAX_ATTEMPTS_MAX, "a quarantine that attempts always exhaust first would be dead code");

/// The body of `POST /v1/jobs`, or an item of a batch.
// What is left out is not written either: a field that a later release adds changes no fingerprint.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Submission {
    /// What is to be done.
    pub kind: String,
    /// The kind's input; `GET /v1/kinds/{kind}` has its schema.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub payload: Box<RawValue>,
    /// Where it waits; none means the kind's queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// −100 to 100, higher first.
    #[cfg_attr(feature = "openapi", schema(minimum = -100, maximum = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i16>,
    /// When it may run; the past means now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// The same as a delay in seconds; not both.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 316224000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_s: Option<f64>,
    /// Charged attempts; none means the kind's.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// After this it is not started any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The submitter's labels: up to 16 of 64 bytes each.
    #[cfg_attr(feature = "openapi", schema(max_items = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// At most one live job of the tenant has it; 255 bytes.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 255))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// Same key, same answer; 255 bytes. A single submission says it by the header `Idempotency-Key`.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 255))]
    // Never written, but a field all the same: the document would take `skip_serializing` for there being none.
    #[serde(skip_serializing_if = "always")]
    pub idempotency_key: Option<String>,
}

const fn always<T>(_: &T) -> bool {
    true
}

impl Submission {
    /// One of this kind and payload, with the kind's policy.
    pub fn of(kind: &str, payload: Box<RawValue>) -> Self {
        Self {
            kind: kind.to_owned(),
            payload,
            queue: None,
            priority: None,
            run_at: None,
            delay_s: None,
            max_attempts: None,
            deadline: None,
            tags: Vec::new(),
            unique_key: None,
            idempotency_key: None,
        }
    }

    /// What tells this submission from another under the same idempotency key: the hash of all but that key. The
    /// order of the fields does not matter, the payload counts as it is written.
    pub fn fingerprint(&self) -> [u8; 32] {
        let text = serde_json::to_vec(self).expect("text, numbers and JSON have a JSON form");
        Sha256::digest(text).into()
    }

    fn keys(&self) -> Result<Keys, Rejection> {
        check_key(self.unique_key.as_deref(), "/unique_key")?;
        check_key(self.idempotency_key.as_deref(), "/idempotency_key")?;
        let idempotency = self.idempotency_key.clone().map(|key| IdempotencyKey { key, fingerprint: self.fingerprint() });
        Ok(Keys { idempotency, unique: self.unique_key.clone() })
    }
}

/// A job that is ready to be inserted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Made before the insert, so that an insert whose answer was lost can be repeated.
    pub id: JobId,
    /// Who owns it.
    pub tenant: TenantId,
    /// Where it waits.
    pub queue: QueueName,
    /// What is to be done.
    pub kind: String,
    /// The version of the contract that accepted it.
    pub contract_version: u32,
    /// `scheduled` or `available`.
    pub state: State,
    /// Higher first.
    pub priority: i16,
    /// Charged attempts.
    pub max_attempts: u32,
    /// When it was accepted, by the ledger's clock as it was read for this submission.
    pub created_at: Timestamp,
    /// When it may run.
    pub run_at: Timestamp,
    /// After this it is not started any more.
    pub deadline: Option<Timestamp>,
    /// The kind's input.
    pub payload: Box<RawValue>,
    /// The submitter's labels.
    pub tags: Vec<String>,
    /// What the ledger reserves with it.
    pub keys: Keys,
}

impl NewJob {
    /// The job as the planner hears of it, once it is inserted.
    pub fn ready(&self) -> ReadyJob {
        let lane = LaneKey { queue: self.queue.clone(), tenant: self.tenant.clone() };
        ReadyJob { id: self.id, attempt: 0, lane, kind: self.kind.clone(), priority: self.priority }
    }
}

/// Why a submission is refused. The `pointer` of each reaches the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No live worker ever published such a kind.
    #[error("no kind is named {0:?}")]
    UnknownKind(String),
    /// The queue does not exist.
    #[error("no queue is named {0:?}")]
    UnknownQueue(String),
    /// The payload breaks the kind's contract.
    #[error("{message}")]
    Payload {
        /// Where in the body, as a JSON pointer.
        pointer: String,
        /// What is wrong there.
        message: String,
    },
    /// The payload is larger than [`PAYLOAD_BYTES_MAX`], or than what its place allows.
    #[error("the payload has {bytes} bytes of the {most} allowed; send larger things as artifacts")]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest there may be.
        most: usize,
    },
    /// A field is outside its limits.
    #[error("{message}")]
    Field {
        /// Where in the body, as a JSON pointer.
        pointer: String,
        /// What is wrong there.
        message: String,
    },
}

impl Rejection {
    /// Where in the body the trouble is, as a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> &str {
        match self {
            Self::UnknownKind(_) => "/kind",
            Self::UnknownQueue(_) => "/queue",
            Self::PayloadTooLarge { .. } => "/payload",
            Self::Payload { pointer, .. } | Self::Field { pointer, .. } => pointer,
        }
    }

    pub(crate) fn field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { pointer: pointer.into(), message: message.into() }
    }
}

/// Turns a tenant's submission into a job, or says what is wrong with it.
///
/// `now` is the ledger's clock; `queues` are the queues of the installation.
pub fn submit(
    tenant: &TenantId,
    submission: Submission,
    catalog: &Catalog,
    queues: &[QueueName],
    now: Timestamp,
) -> Result<NewJob, Rejection> {
    let kind = catalog.get(&submission.kind).ok_or_else(|| Rejection::UnknownKind(submission.kind.clone()))?;
    check_payload(kind, &submission.payload)?;
    check_tags(&submission.tags)?;
    let queue = match &submission.queue {
        None => kind.contract.queue.clone(),
        Some(name) => queues.iter().find(|queue| queue.as_str() == name).cloned().ok_or_else(|| Rejection::UnknownQueue(name.clone()))?,
    };
    let run_at = run_at(&submission, now)?;
    let keys = submission.keys()?;
    Ok(NewJob {
        id: JobId::generate(),
        tenant: tenant.clone(),
        queue,
        contract_version: kind.contract.version,
        state: if run_at > now { State::Scheduled } else { State::Available },
        priority: within(submission.priority.unwrap_or(0), -PRIORITY_MAX, PRIORITY_MAX, "/priority")?,
        max_attempts: within(submission.max_attempts.unwrap_or(kind.contract.policy.max_attempts), 1, MAX_ATTEMPTS_MAX, "/max_attempts")?,
        created_at: now,
        run_at,
        deadline: submission.deadline,
        kind: submission.kind,
        payload: submission.payload,
        tags: submission.tags,
        keys,
    })
}

fn check_payload(kind: &crate::contract::Compiled, payload: &RawValue) -> Result<(), Rejection> {
    let bytes = payload.get().len();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(Rejection::PayloadTooLarge { bytes, most: PAYLOAD_BYTES_MAX });
    }
    let at_payload = |pointer: &str, message: String| Rejection::Payload { pointer: format!("/payload{pointer}"), message };
    let value = serde_json::from_str(payload.get()).map_err(|error| at_payload("", error.to_string()))?;
    let checked = kind.check(&value).and_then(|()| kinds::check(&kind.contract.kind, &value));
    checked.map_err(|violation| at_payload(&violation.pointer, violation.message))
}

fn check_tags(tags: &[String]) -> Result<(), Rejection> {
    if tags.len() > TAGS_MAX {
        return Err(Rejection::field("/tags", format!("{} tags of the {TAGS_MAX} allowed", tags.len())));
    }
    for (index, tag) in tags.iter().enumerate() {
        if tag.is_empty() || tag.len() > TAG_BYTES_MAX || tag.chars().any(char::is_control) {
            let message = format!("a tag has 1 to {TAG_BYTES_MAX} bytes and no control characters");
            return Err(Rejection::field(format!("/tags/{index}"), message));
        }
    }
    Ok(())
}

fn check_key(key: Option<&str>, pointer: &str) -> Result<(), Rejection> {
    let invalid = |key: &str| key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control);
    if key.is_some_and(invalid) {
        return Err(Rejection::field(pointer, format!("a key has 1 to {KEY_BYTES_MAX} bytes and no control characters")));
    }
    Ok(())
}

fn run_at(submission: &Submission, now: Timestamp) -> Result<Timestamp, Rejection> {
    let latest = now.plus_ms((DELAY_S_MAX * 1_000.0) as i64);
    match (submission.run_at, submission.delay_s) {
        (Some(_), Some(_)) => Err(Rejection::field("/delay_s", "give either run_at or delay_s")),
        (Some(run_at), None) if run_at > latest => Err(Rejection::field("/run_at", "more than ten years ahead")),
        (Some(run_at), None) => Ok(run_at.max(now)),
        (None, Some(delay_s)) if !(0.0..=DELAY_S_MAX).contains(&delay_s) => {
            Err(Rejection::field("/delay_s", "a delay is 0 seconds to ten years"))
        }
        (None, Some(delay_s)) => Ok(now.plus_ms((delay_s * 1_000.0).round() as i64)),
        (None, None) => Ok(now),
    }
}

fn within<N: PartialOrd + std::fmt::Display>(value: N, least: N, most: N, pointer: &str) -> Result<N, Rejection> {
    if value < least || value > most {
        return Err(Rejection::field(pointer, format!("{value} is not within {least} to {most}")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    #[derive(schemars::JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    #[serde(deny_unknown_fields)]
    struct Greeting {
        to: Vec<String>,
    }

    fn submit_json(body: &str) -> Result<NewJob, Rejection> {
        let catalog = Catalog::new([Contract::of::<Greeting>("greeting")]).expect("the schema compiles");
        let queues = [QueueName::default_queue(), "syncs".parse().expect("a queue name")];
        let submission = serde_json::from_str(body).expect("the body parses");
        submit(&TenantId::default_tenant(), submission, &catalog, &queues, Timestamp::from_ms(1_000_000))
    }

    #[test]
    fn what_is_left_out_comes_from_the_contract() {
        let job = submit_json(r#"{"kind":"greeting","payload":{"to":[]}}"#).expect("accepted");
        assert_eq!((job.queue.as_str(), job.state, job.priority, job.max_attempts), ("default", State::Available, 0, 10));
        assert_eq!(job.run_at, Timestamp::from_ms(1_000_000));
    }

    #[test]
    fn a_time_to_come_schedules_and_a_time_gone_by_means_now() {
        let later = submit_json(r#"{"kind":"greeting","payload":{"to":[]},"delay_s":1.5}"#).expect("accepted");
        assert_eq!((later.state, later.run_at.ms()), (State::Scheduled, 1_001_500));
        let past = submit_json(r#"{"kind":"greeting","payload":{"to":[]},"run_at":"1970-01-01T00:00:01Z"}"#).expect("accepted");
        assert_eq!((past.state, past.run_at.ms()), (State::Available, 1_000_000));
    }

    #[test]
    fn a_fingerprint_is_of_what_is_asked_for_and_not_of_how() {
        let of = |body: &str| serde_json::from_str::<Submission>(body).expect("the body parses").fingerprint();
        let same = of(r#"{"kind":"greeting","payload":{"to":[]},"priority":1}"#);
        assert_eq!(of(r#"{ "priority": 1, "payload": {"to":[]}, "kind": "greeting", "tags": [] }"#), same);
        assert_eq!(of(r#"{"kind":"greeting","payload":{"to":[]},"priority":1,"idempotency_key":"k"}"#), same);
        let others = [
            r#"{"kind":"greeting","payload":{"to":[]}}"#,
            r#"{"kind":"greeting","payload":{"to":[1]},"priority":1}"#,
            r#"{"kind":"greeting","payload":{"to":[]},"priority":1,"unique_key":"u"}"#,
            r#"{"kind":"greeting","payload":{"to":[]},"priority":1,"delay_s":0.0}"#,
        ];
        others.iter().for_each(|other| assert_ne!(of(other), same, "{other}"));
    }

    #[test]
    fn every_refusal_names_its_field() {
        let long_tag = "x".repeat(TAG_BYTES_MAX + 1);
        let long_key = "k".repeat(KEY_BYTES_MAX + 1);
        let many_tags = serde_json::to_string(&vec!["t"; TAGS_MAX + 1]).expect("JSON");
        let large = "x".repeat(PAYLOAD_BYTES_MAX);
        let cases = [
            (r#"{"kind":"greet","payload":{}}"#.to_owned(), "UnknownKind(", "/kind"),
            (r#"{"kind":"greeting","payload":{"to":[1]}}"#.to_owned(), "Payload {", "/payload/to/0"),
            (r#"{"kind":"greeting","payload":{"to":[],"cc":[]}}"#.to_owned(), "Payload {", "/payload"),
            (format!(r#"{{"kind":"greeting","payload":{{"to":["{large}"]}}}}"#), "PayloadTooLarge {", "/payload"),
            (r#"{"kind":"greeting","payload":{"to":[]},"queue":"nowhere"}"#.to_owned(), "UnknownQueue(", "/queue"),
            (r#"{"kind":"greeting","payload":{"to":[]},"priority":101}"#.to_owned(), "Field {", "/priority"),
            (r#"{"kind":"greeting","payload":{"to":[]},"max_attempts":0}"#.to_owned(), "Field {", "/max_attempts"),
            (r#"{"kind":"greeting","payload":{"to":[]},"delay_s":-1}"#.to_owned(), "Field {", "/delay_s"),
            (r#"{"kind":"greeting","payload":{"to":[]},"delay_s":1e300}"#.to_owned(), "Field {", "/delay_s"),
            (r#"{"kind":"greeting","payload":{"to":[]},"delay_s":1,"run_at":"2030-01-01T00:00:00Z"}"#.to_owned(), "Field {", "/delay_s"),
            (r#"{"kind":"greeting","payload":{"to":[]},"run_at":"2130-01-01T00:00:00Z"}"#.to_owned(), "Field {", "/run_at"),
            (format!(r#"{{"kind":"greeting","payload":{{"to":[]}},"tags":["a","{long_tag}"]}}"#), "Field {", "/tags/1"),
            (r#"{"kind":"greeting","payload":{"to":[]},"tags":["a\u0000b"]}"#.to_owned(), "Field {", "/tags/0"),
            (format!(r#"{{"kind":"greeting","payload":{{"to":[]}},"tags":{many_tags}}}"#), "Field {", "/tags"),
            (r#"{"kind":"greeting","payload":{"to":[]},"unique_key":""}"#.to_owned(), "Field {", "/unique_key"),
            (format!(r#"{{"kind":"greeting","payload":{{"to":[]}},"unique_key":"{long_key}"}}"#), "Field {", "/unique_key"),
            (r#"{"kind":"greeting","payload":{"to":[]},"idempotency_key":"a\nb"}"#.to_owned(), "Field {", "/idempotency_key"),
        ];
        for (body, class, pointer) in cases {
            let rejection = submit_json(&body).expect_err(pointer);
            assert!(format!("{rejection:?}").starts_with(class), "{rejection:?} is no {class}");
            assert_eq!(rejection.pointer(), pointer);
        }
    }
}
