//! The queues: how deep they are, and what may start from them.
//!
//! Depths come from what the planner last said, never from counting rows. What is old is an error, not a
//! number: whoever scales by it must not take silence for an empty queue.

use axum::{
    Json as Answer,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use windrow_jobs::{
    clock::Timestamp,
    ledger::Depths,
    queue::{LimitScope, Limits, LimitsPatch, QueueName},
};

use crate::{Api, auth::Caller, body::Json, error::ApiError, query::Params};

/// The age from which depths are not told any more: twice the time in which a standby planner leads.
pub(super) const DEPTHS_AGE_MAX_MS: i64 = 10_000;
/// The largest concurrency; more is a typing error.
const CONCURRENCY_MAX: u32 = 1_000_000;
/// The largest rate, in starts per second.
const RATE_PER_S_MAX: f64 = 1_000_000.0;
/// The smallest rate: one start in about eleven days. Less is a pause.
const RATE_PER_S_MIN: f64 = 0.000_001;

#[derive(Serialize)]
struct Queue<'a> {
    name: &'a QueueName,
    depth: u64,
    running: u64,
    oldest_age_s: Option<f64>,
    #[serde(flatten)]
    limits: Limits,
}

/// `GET /v1/queues`: the caller's lanes, or with `?scope=platform` all tenants' together.
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let scope = scope(&mut params, caller)?;
    params.finish(&["scope"])?;
    let depths = api.ledger.depths().await?.ok_or(ApiError::DepthsUnknown)?;
    let now = api.ledger.now().await?;
    let age_ms = now.ms() - depths.at_ms;
    if age_ms > DEPTHS_AGE_MAX_MS {
        return Err(ApiError::DepthsStale { age_s: age_ms / 1_000 });
    }
    let limits = api.ledger.limits().await?;
    let queues: Vec<_> = api.queues.iter().map(|name| queue(name, &scope, &depths, &limits, now)).collect();
    Ok(Answer(json!({ "queues": queues })).into_response())
}

fn queue<'a>(
    name: &'a QueueName,
    scope: &LimitScope,
    depths: &Depths,
    limits: &[(QueueName, LimitScope, Limits)],
    now: Timestamp,
) -> Queue<'a> {
    let in_scope = |tenant| match scope {
        LimitScope::Platform => true,
        LimitScope::Tenant(caller) => caller == tenant,
    };
    let lanes = || depths.lanes.iter().filter(|depth| depth.lane.queue == *name && in_scope(&depth.lane.tenant));
    let oldest_ms = lanes().filter_map(|depth| depth.oldest_ms).min();
    let own = limits_of(limits, name, scope);
    Queue {
        name,
        depth: lanes().map(|depth| depth.ready).sum(),
        running: lanes().map(|depth| depth.running).sum(),
        oldest_age_s: oldest_ms.map(|oldest_ms| (now.ms() - oldest_ms).max(0) as f64 / 1_000.0),
        // A lane also stands still while its whole queue is paused.
        limits: Limits { paused: own.paused || limits_of(limits, name, &LimitScope::Platform).paused, ..own },
    }
}

fn limits_of(limits: &[(QueueName, LimitScope, Limits)], name: &QueueName, scope: &LimitScope) -> Limits {
    let found = limits.iter().find(|(queue, limited, _)| queue == name && limited == scope);
    found.map(|(_, _, limits)| *limits).unwrap_or_default()
}

/// What is to change; what is left out stays, `null` takes a cap off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    #[serde(default, deserialize_with = "value")]
    paused: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    concurrency: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    rate_per_s: Option<Option<f64>>,
    #[serde(default, deserialize_with = "value")]
    weight: Option<u32>,
}

/// A field that may be left out but not be `null`.
fn value<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Tells a field that is `null` from one that is left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `PATCH /v1/queues/{queue}`: the caller's lane, or with `?scope=platform` the whole queue.
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    mut params: Params,
    Json(patch): Json<Patch>,
) -> Result<Response, ApiError> {
    let scope = scope(&mut params, caller)?;
    params.finish(&["scope"])?;
    let Path(name) = name.map_err(|_| ApiError::RouteNotFound)?;
    let Some(name) = api.queues.iter().find(|queue| queue.as_str() == name) else {
        return Err(ApiError::QueueNotFound(name));
    };
    let limits = api.ledger.set_limits(name, &scope, checked(&patch, &scope)?).await?;
    let scope = match scope {
        LimitScope::Platform => "platform",
        LimitScope::Tenant(_) => "tenant",
    };
    let Limits { paused, concurrency, rate_per_s, weight } = limits;
    let body = json!({
        "name": name, "scope": scope, "paused": paused, "concurrency": concurrency, "rate_per_s": rate_per_s, "weight": weight,
    });
    Ok(Answer(body).into_response())
}

fn checked(patch: &Patch, scope: &LimitScope) -> Result<LimitsPatch, ApiError> {
    let invalid = |pointer: &str, message: String| Err(ApiError::Field { pointer: pointer.into(), message });
    if let Some(Some(concurrency)) = patch.concurrency
        && !(1..=CONCURRENCY_MAX).contains(&concurrency)
    {
        return invalid("/concurrency", format!("{concurrency} is not within 1 to {CONCURRENCY_MAX}; to start nothing, pause"));
    }
    if let Some(Some(rate_per_s)) = patch.rate_per_s
        && !(RATE_PER_S_MIN..=RATE_PER_S_MAX).contains(&rate_per_s)
    {
        return invalid("/rate_per_s", format!("{rate_per_s} is not within {RATE_PER_S_MIN} to {RATE_PER_S_MAX}; to start nothing, pause"));
    }
    if let Some(weight) = patch.weight {
        if *scope == LimitScope::Platform {
            return invalid("/weight", "a weight is a lane's share against others; a whole queue has none".into());
        }
        if !(1..=Limits::WEIGHT_MAX).contains(&weight) {
            return invalid("/weight", format!("{weight} is not within 1 to {}", Limits::WEIGHT_MAX));
        }
    }
    let Patch { paused, concurrency, rate_per_s, weight } = *patch;
    Ok(LimitsPatch { paused, concurrency, rate_per_s, weight })
}

/// Whose limits and depths are meant. Every key is a platform key so far, so all may ask for the platform's.
fn scope(params: &mut Params, caller: Caller) -> Result<LimitScope, ApiError> {
    match params.take("scope").as_deref() {
        None | Some("tenant") => Ok(LimitScope::Tenant(caller.tenant)),
        Some("platform") => Ok(LimitScope::Platform),
        Some(other) => Err(ApiError::Query(format!("scope={other:?}: a scope is tenant or platform"))),
    }
}
