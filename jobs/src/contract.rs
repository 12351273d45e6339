//! The promise of a kind: what payload it takes, where it runs, and how it is retried.
//!
//! A contract is data: workers publish theirs in the ledger, so an api accepts a new kind without being
//! built again. The code of a kind is its handler, in `kinds/<kind>/handler.rs`.

use std::{collections::BTreeMap, sync::Arc};

use jsonschema::{ValidationError, error::ValidationErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{backoff::Backoff, kinds, queue::QueueName};

/// A kind's contract, as published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contract {
    /// The kind's name: words of `[a-z0-9_-]` joined by dots.
    pub kind: String,
    /// Grows with every change of the payload's meaning.
    pub version: u32,
    /// The oldest version whose payloads this one still reads.
    pub reads_from: u32,
    /// Where its jobs wait unless the submission says otherwise.
    pub queue: QueueName,
    /// How its jobs are tried.
    pub policy: Policy,
    /// The payload's JSON Schema (draft 2020-12).
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub schema: Value,
    /// What people should know of it; none where its worker does not say.
    #[serde(default)]
    pub about: Option<About>,
}

/// What people should know of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AboutKind))]
pub struct About {
    /// What it does, in a paragraph.
    pub purpose: String,
    /// A payload.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub payload: Value,
    /// What comes of it.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub result: Value,
    /// Its own errors, beside those that any job can have.
    pub errors: Vec<KnownError>,
}

/// An error that jobs of a kind can end in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownError {
    /// Its code.
    pub code: String,
    /// Whether it is tried again.
    pub retryable: bool,
    /// What it means.
    pub meaning: String,
}

/// How the jobs of a kind are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// Charged attempts of a job that does not say.
    pub max_attempts: u32,
    /// An attempt that takes longer is stopped and counts as failed.
    pub timeout_ms: u32,
    /// How long a worker may be silent before its attempts are given to another.
    pub lease_ms: u32,
    /// Time between attempts.
    pub backoff: Backoff,
    /// What one job counts in fair sharing, in units of a short job.
    pub cost: u32,
    /// The most jobs that one ticket hands out: 1 for long kinds, so that idle slots share them.
    pub ticket_jobs_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_attempts: 10, timeout_ms: 300_000, lease_ms: 30_000, backoff: Backoff::default(), cost: 1, ticket_jobs_max: 64 }
    }
}

impl Contract {
    /// The contract of `kind` whose payload is `Payload`, at version 1 with the default policy, on the
    /// queue of the kind's family.
    pub fn of<Payload: JsonSchema>(kind: &str) -> Self {
        let schema = schemars::schema_for!(Payload).to_value();
        let queue = family_queue(kind);
        Self { kind: kind.to_owned(), version: 1, reads_from: 1, queue, policy: Policy::default(), schema, about: None }
    }

    /// The same contract with another policy.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same contract with what people should know of it; errors as `(code, retryable, meaning)`.
    #[must_use]
    pub fn about(self, purpose: &str, payload: Value, result: Value, errors: &[(&str, bool, &str)]) -> Self {
        let known = |(code, retryable, meaning): &(&str, bool, &str)| KnownError {
            code: (*code).to_owned(),
            retryable: *retryable,
            meaning: (*meaning).to_owned(),
        };
        let about = About { purpose: purpose.to_owned(), payload, result, errors: errors.iter().map(known).collect() };
        Self { about: Some(about), ..self }
    }

    /// The same contract at a later version, which reads payloads that were accepted under `reads_from` and later.
    #[must_use]
    pub fn at_version(self, version: u32, reads_from: u32) -> Self {
        Self { version, reads_from, ..self }
    }

    /// The same contract on another queue.
    #[must_use]
    pub fn on_queue(self, queue: QueueName) -> Self {
        Self { queue, ..self }
    }

    /// Whether a payload accepted under `version` means the same to this contract.
    pub const fn reads(&self, version: u32) -> bool {
        version >= self.reads_from && version <= self.version
    }
}

/// The queue of a kind's family, by the first word of its name.
fn family_queue(kind: &str) -> QueueName {
    let family = kind.split('.').next().unwrap_or(kind);
    let queue = match family {
        "build" => "builds",
        "notification" => "notifications",
        "sync" => "syncs",
        "embedding" => "embeddings",
        _ => "default",
    };
    queue.parse().expect("the families' queues are well-formed names")
}

/// A payload that does not keep to the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    /// Where in the payload, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

/// A contract that is ready to validate.
pub struct Compiled {
    /// The contract itself.
    pub contract: Contract,
    validator: jsonschema::Validator,
}

impl Compiled {
    /// Compiles the contract's schema. The error is the schema's.
    pub fn new(contract: Contract) -> Result<Self, String> {
        let validator = jsonschema::validator_for(&contract.schema).map_err(|error| error.to_string())?;
        Ok(Self { contract, validator })
    }

    /// The first place where `payload` breaks the contract, if any.
    pub fn check(&self, payload: &Value) -> Result<(), Violation> {
        match self.validator.iter_errors(payload).next() {
            None => Ok(()),
            Some(error) => {
                let error = within(&error);
                Err(untold(error).unwrap_or_else(|| Violation { pointer: error.instance_path().to_string(), message: error.to_string() }))
            }
        }
    }
}

/// A field that may be left out is something or nothing: what is wrong with it is what is wrong with the something. And of things that one
/// field's value tells apart it is the one that it says.
fn within<'e>(error: &'e ValidationError<'e>) -> &'e ValidationError<'e> {
    if let ValidationErrorKind::OneOfNotValid { context } = error.kind() {
        let mut choices = context.iter().filter(|errors| !errors.iter().any(is_other_choice)).filter_map(|errors| errors.first());
        return match (choices.next(), choices.next()) {
            (Some(only), None) => within(only),
            _ => error,
        };
    }
    let ValidationErrorKind::AnyOf { context } = error.kind() else { return error };
    let is_other_type = |inner: &&ValidationError<'_>| {
        matches!(inner.kind(), ValidationErrorKind::Type { .. }) && inner.instance_path() == error.instance_path()
    };
    let mut choices = context.iter().filter_map(|errors| errors.first()).filter(|inner| !is_other_type(inner));
    match (choices.next(), choices.next()) {
        (Some(only), None) => within(only),
        _ => error,
    }
}

fn is_other_choice(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Constant { .. })
}

/// Things that one field's value tells apart, of which it says none: what it may say.
fn untold(error: &ValidationError<'_>) -> Option<Violation> {
    let ValidationErrorKind::OneOfNotValid { context } = error.kind() else { return None };
    let (mut pointer, mut known) = (None, Vec::new());
    for errors in context {
        let other = errors.iter().find(|error| is_other_choice(error))?;
        let ValidationErrorKind::Constant { expected_value } = other.kind() else { return None };
        let place = other.instance_path().to_string();
        if *pointer.get_or_insert_with(|| place.clone()) != place {
            return None;
        }
        known.push(expected_value.to_string());
    }
    Some(Violation { pointer: pointer?, message: format!("is none of {}", known.join(", ")) })
}

/// The kinds known to a process, by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Catalog(Arc<BTreeMap<String, Arc<Compiled>>>);

impl Catalog {
    /// The catalog of these contracts; of two with one name the newer version wins.
    ///
    /// The error names the kind whose schema does not compile.
    pub fn new(contracts: impl IntoIterator<Item = Contract>) -> Result<Self, String> {
        let mut kinds: BTreeMap<String, Arc<Compiled>> = BTreeMap::new();
        for contract in contracts {
            let newer_known = kinds.get(&contract.kind).is_some_and(|known| known.contract.version >= contract.version);
            if newer_known {
                continue;
            }
            let kind = contract.kind.clone();
            let compiled = Compiled::new(contract).map_err(|error| format!("the schema of kind {kind}: {error}"))?;
            kinds.insert(kind, Arc::new(compiled));
        }
        Ok(Self(Arc::new(kinds)))
    }

    /// The contract of `kind`.
    pub fn get(&self, kind: &str) -> Option<&Arc<Compiled>> {
        self.0.get(kind)
    }

    /// Every contract, by name.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.0.values().map(|compiled| &compiled.contract)
    }
}

/// The built-in contracts and those that workers published, compiled.
pub struct Known {
    contracts: Vec<Contract>,
    catalog: Catalog,
}

impl Known {
    /// The built-in kinds alone.
    pub fn built_in() -> Self {
        Self::of(kinds::contracts())
    }

    /// These were published. Compiling the schemas costs milliseconds; nearly always nothing has changed.
    pub fn publish(&mut self, mut published: Vec<Contract>) {
        published.extend(kinds::contracts());
        if self.contracts != published {
            *self = Self::of(published);
        }
    }

    /// The kinds as they are known now.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// One contract that does not compile must not take the others away.
    fn of(contracts: Vec<Contract>) -> Self {
        let compiles = |contract: &&Contract| match Compiled::new((*contract).clone()) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(kind = contract.kind, version = contract.version, %error, "a published schema does not compile");
                false
            }
        };
        let catalog = Catalog::new(contracts.iter().filter(compiles).cloned()).unwrap_or_default();
        Self { contracts, catalog }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Greeting {
        to: Vec<String>,
        times: Option<u8>,
        from: Option<Sender>,
    }

    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Sender {
        name: Option<String>,
    }

    #[test]
    fn a_violation_points_at_the_place_in_the_payload() {
        let compiled = Compiled::new(Contract::of::<Greeting>("greeting")).expect("the schema compiles");
        let cases = [
            (json!({"to": ["a"]}), None),
            (json!({"to": ["a", 1]}), Some("/to/1")),
            (json!({"to": [], "times": -1}), Some("/times")),
            (json!({"to": [], "from": {"name": 7}}), Some("/from/name")),
            (json!({"to": [], "from": {"nmae": "me"}}), Some("/from")),
            (json!({"to": [], "from": 7}), Some("/from")),
            (json!({}), Some("")),
            (json!({"to": [], "shout": true}), Some("")),
        ];
        for (payload, pointer) in cases {
            let found = compiled.check(&payload).err().map(|violation| violation.pointer);
            assert_eq!(found.as_deref(), pointer, "{payload}");
        }
    }

    #[test]
    fn a_kind_waits_on_the_queue_of_its_family() {
        for (kind, queue) in
            [("build.generate", "builds"), ("notification.sms", "notifications"), ("sync.run", "syncs"), ("echo", "default")]
        {
            assert_eq!(Contract::of::<Greeting>(kind).queue.as_str(), queue);
        }
    }
}
