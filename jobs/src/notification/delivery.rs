//! How a message fares that was given to a provider: sent, delivered, read, or failed. Pure.
//!
//! A delivery is known by the effect that sent it: its job and key, which is also what we have the provider repeat to us.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    connection::ConnectionId,
    job::{JobError, JobId},
    tenant::TenantId,
};

/// How far a message is. It never goes back: what is said later and means less is noted and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DeliveryStatus))]
pub enum Status {
    /// The provider took it.
    Sent,
    /// It reached the recipient's device.
    Delivered,
    /// The recipient opened it.
    Read,
    /// It will not be delivered.
    Failed,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// By what we had the provider repeat: the outer key of the effect, `<job>.<key>`.
    Ours(JobId, String),
    /// By what the provider calls it.
    Theirs(String),
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
