//! How a message fares that was given to a provider: sent, delivered, read, or failed. Pure.
//!
//! A delivery is known by the effect that sent it: its job and key, which is also what we have the provider repeat to us.
//! Reports come late, twice and in any order, so what is known is joined and never counted: whatever the order, the same reports end in
//! the same status, and each step keeps its own time. Next: the ledger's role `Deliveries`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    job::{JobError, JobId},
    tenant::TenantId,
};

/// The longest text of a delivery's own, in bytes: a provider's id, a recipient. What is longer is cut.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// How far a message is. It never goes back: what is said later and means less is noted and changes nothing.
///
/// The order is that of what is believed. A message that reached somebody has not failed, whatever was said before: providers try again, and
/// report a failure of one device beside the success of another. So `failed` comes before `delivered`, and both before `read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DeliveryStatus))]
pub enum Status {
    /// The provider took it.
    Sent,
    /// It will not be delivered.
    Failed,
    /// It reached the recipient's device.
    Delivered,
    /// The recipient opened it.
    Read,
}

/// A message that a provider took, as a handler notes it. Noting it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Whose.
    pub tenant: TenantId,
    /// The job that sent it.
    pub job: JobId,
    /// The key of the effect by which it was sent.
    pub key: String,
    /// Through which connection.
    pub connection: ConnectionId,
    /// To whom, as the provider knows them.
    pub recipient: String,
    /// What the provider calls it.
    pub provider_id: Option<String>,
}

/// Which delivery a report is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// By what we had the provider repeat: the outer key of the effect, `<job>.<key>`.
    Ours(JobId, String),
    /// By what the provider calls it.
    Theirs(String),
}

impl Whose {
    /// What an effect's outer key names: `<job>.<key>`.
    pub fn ours(outer_key: &str) -> Option<Self> {
        let (job, key) = outer_key.split_once('.')?;
        (!key.is_empty()).then_some(Self::Ours(job.parse().ok()?, key.to_owned()))
    }
}

/// What a provider reports of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// About which, best name first.
    pub about: Vec<Whose>,
    /// How far it is.
    pub status: Status,
    /// When that happened, where the provider says so.
    pub at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<JobError>,
}

impl Report {
    /// What the provider calls the message, where the report says so.
    pub fn provider_id(&self) -> Option<&str> {
        self.about.iter().find_map(|whose| match whose {
            Whose::Theirs(id) => Some(id.as_str()),
            Whose::Ours(..) => None,
        })
    }
}

/// A message on its way, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Whose.
    pub tenant: TenantId,
    /// The job that sent it.
    pub job: JobId,
    /// The key of the effect by which it was sent.
    pub key: String,
    /// Through which connection.
    pub connection: ConnectionId,
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// Counts its changes: what a change was decided on.
    pub version: u32,
    /// What is known of it.
    pub facts: Facts,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When something new was last heard.
    pub changed_at: Timestamp,
}

/// What is known of a delivery.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// To whom, as the provider knows them; none while only the provider has spoken.
    #[serde(default)]
    pub recipient: Option<String>,
    /// Every step that was heard of, those that came too late to change anything included.
    pub steps: BTreeMap<Status, Step>,
}

/// A step that was heard of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DeliveryStep))]
pub struct Step {
    /// When it happened, as the provider says: the earliest of what it says; none where it does not.
    pub at: Option<Timestamp>,
    /// When it was first heard of here.
    pub heard_at: Timestamp,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<JobError>,
}

impl Facts {
    /// How far it is: the last of its steps. What has no step yet was sent.
    pub fn status(&self) -> Status {
        self.steps.keys().next_back().copied().unwrap_or(Status::Sent)
    }

    /// Why it failed, where that is how it stands.
    pub fn error(&self) -> Option<&JobError> {
        (self.status() == Status::Failed).then(|| self.steps[&Status::Failed].error.as_ref()).flatten()
    }

    /// What is known once this step is heard of too.
    #[must_use]
    pub fn with(mut self, status: Status, at: Option<Timestamp>, error: Option<&JobError>, now: Timestamp) -> Self {
        let step = self.steps.entry(status).or_insert(Step { at: None, heard_at: now, error: None });
        // Of what is said twice the earliest time stays, and of errors the first in the order of their words.
        step.at = step.at.into_iter().chain(at).min();
        let words = |error: &JobError| (error.code.clone(), error.message.clone(), error.retryable);
        let errors = step.error.take().into_iter().chain(error.filter(|_| status == Status::Failed).cloned());
        step.error = errors.min_by_key(words);
        self
    }
}

impl Delivery {
    /// A message that was noted as sent.
    pub fn noted(sending: Sending, now: Timestamp) -> Self {
        let recipient = Some(cut(&sending.recipient)).filter(|recipient| !recipient.is_empty());
        Self {
            tenant: sending.tenant,
            job: sending.job,
            key: sending.key,
            connection: sending.connection,
            provider_id: sending.provider_id.as_deref().map(cut),
            version: 1,
            facts: Facts { recipient, ..Facts::default() }.with(Status::Sent, None, None, now),
            created_at: now,
            changed_at: now,
        }
    }

    /// A message of which the provider spoke first.
    pub fn reported_first(tenant: &TenantId, (job, key): (JobId, &str), connection: ConnectionId, report: &Report, now: Timestamp) -> Self {
        Self {
            tenant: tenant.clone(),
            job,
            key: key.to_owned(),
            connection,
            provider_id: report.provider_id().map(cut),
            version: 1,
            facts: Facts::default().with(report.status, report.at, report.error.as_ref(), now),
            created_at: now,
            changed_at: now,
        }
    }

    /// The same once its sending is noted; none where that says nothing new. What another connection has said before of a message that
    /// is not its own is forgotten.
    pub fn with_sending(&self, sending: &Sending, now: Timestamp) -> Option<Self> {
        let noted = Self::noted(sending.clone(), now);
        if self.connection != sending.connection {
            let Self { version, created_at, changed_at, .. } = *self;
            return self.changed(Self { version, created_at, changed_at, ..noted }, now);
        }
        let mut after = self.clone();
        after.provider_id = after.provider_id.or(noted.provider_id);
        after.facts.recipient = after.facts.recipient.or(noted.facts.recipient);
        after.facts = after.facts.with(Status::Sent, None, None, now);
        self.changed(after, now)
    }

    /// The same once the report is heard; none where it says nothing new.
    pub fn with_report(&self, report: &Report, now: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        after.provider_id = after.provider_id.or_else(|| report.provider_id().map(cut));
        after.facts = after.facts.with(report.status, report.at, report.error.as_ref(), now);
        self.changed(after, now)
    }

    fn changed(&self, after: Self, now: Timestamp) -> Option<Self> {
        (after != *self).then(|| Self { version: self.version + 1, changed_at: now, ..after })
    }
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ReportCame))]
pub enum Came {
    /// It said something new.
    Applied,
    /// It was known, or it came too late to change how the delivery stands and was noted before.
    Unchanged,
    /// It is about no delivery of this connection.
    Unmatched,
}

/// A provider's text as it is kept: cut, and without NUL, which one of the databases does not keep.
pub fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
