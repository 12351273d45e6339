//! How the messages fare that a job gave to providers.
//!
//! Next: `windrow_jobs::notification::delivery`, which decides what a report changes.

use std::collections::BTreeMap;

use axum::{Json as Answer, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    connection::ConnectionId,
    job::JobError,
    notification::delivery::{Delivery, Status, Step},
};

use super::jobs::{JobPath, check_exists};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    query::NoParams,
};

/// The deliveries of a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deliveries {
    /// In the order of their keys.
    deliveries: Vec<Shown>,
}

/// A message on its way.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct Shown {
    /// The key of the effect that sent it.
    key: String,
    /// The connection that sent it.
    connection: ConnectionId,
    /// To whom, as the provider knows them.
    recipient: Option<String>,
    /// What the provider calls it.
    provider_id: Option<String>,
    /// How far it is. It never goes back.
    status: Status,
    /// Why it failed, while that is how it stands.
    error: Option<JobError>,
    /// Each step that was heard of, those included that came too late to change anything.
    #[schema(value_type = BTreeMap<String, Step>)]
    steps: BTreeMap<Status, Step>,
    /// When it was first heard of.
    created_at: Timestamp,
    /// When something new was last heard.
    changed_at: Timestamp,
}

impl From<Delivery> for Shown {
    fn from(delivery: Delivery) -> Self {
        let Delivery { key, connection, provider_id, facts, created_at, changed_at, .. } = delivery;
        let (status, error) = (facts.status(), facts.error().cloned());
        Self { key, connection, recipient: facts.recipient, provider_id, status, error, steps: facts.steps, created_at, changed_at }
    }
}

/// How a job's messages fare
///
/// Each message that the job gave to a provider, from `sent` by `delivered` to `read`, or `failed`, as the provider told the connection's hook.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/deliveries",
    tag = "jobs",
    operation_id = "getJobDeliveries",
    params(JobPath, Caller),
    responses(
        (status = 200, description = "The deliveries.", body = Deliveries, example = json!({ "deliveries": [{
            "key": "send", "connection": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "recipient": "+4915123456789", "provider_id": "SM1",
            "status": "delivered", "error": null,
            "steps": {
                "sent": { "at": null, "heard_at": "2027-01-15T08:00:00.120Z", "error": null },
                "delivered": { "at": "2027-01-15T08:00:02.000Z", "heard_at": "2027-01-15T08:00:02.345Z", "error": null }
            },
            "created_at": "2027-01-15T08:00:00.120Z", "changed_at": "2027-01-15T08:00:02.345Z"
        }] })),
        Caller, JobPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    JobPath(id): JobPath,
    _: NoParams,
) -> Result<Answer<Deliveries>, ApiError> {
    let deliveries = api.ledger.deliveries(&caller.tenant, id).await?;
    if deliveries.is_empty() {
        check_exists(&api, &caller.tenant, id).await?;
    }
    Ok(Answer(Deliveries { deliveries: deliveries.into_iter().map(Shown::from).collect() }))
}
