//! The queues: how deep they are, and what may start from them.
//!
//! Depths come from what the planner last said, never from counting rows. What is old is an error, not a
//! number: whoever scales by it must not take silence for an empty queue.

use axum::{
    Json as Answer,
    extract::{Path, State, rejection::PathRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    ledger::Depths,
    queue::{LimitScope, Limits, LimitsPatch, QueueName},
};

use crate::{
    Api,
    auth::Caller,
    body::{Json, given, value},
    error::{ApiError, LedgerErrors},
    openapi,
    query::Params,
};

/// The age from which depths are not told any more: twice the time in which a standby planner leads.
pub(super) const DEPTHS_AGE_MAX_MS: i64 = 10_000;
/// The largest concurrency; more is a typing error.
pub(crate) const CONCURRENCY_MAX: u32 = 1_000_000;
/// The largest rate, in starts per second.
pub(crate) const RATE_PER_S_MAX: f64 = 1_000_000.0;
/// The smallest rate: one start in about eleven days. Less is a pause.
pub(crate) const RATE_PER_S_MIN: f64 = 0.000_001;

openapi::gives! {
    DepthsErrors: DEPTHS_UNAVAILABLE;
    Unknown: QUEUE_NOT_FOUND, ROUTE_NOT_FOUND;
}
struct DepthsErrors;
struct Unknown;

/// Whose queues are meant.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// The caller's lanes.
    Tenant,
    /// All tenants' together.
    Platform,
}

/// What the calls of this file are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Asked {
    /// Whose: the caller's own lanes, or all tenants' together.
    #[param(inline)]
    scope: Option<Scope>,
}

/// The queues of the installation.
#[derive(Serialize, ToSchema)]
pub(crate) struct Queues {
    /// In the order of the settings.
    queues: Vec<Queue>,
}

/// A queue, or the caller's lane of it.
#[derive(Serialize, ToSchema)]
struct Queue {
    /// Its name.
    name: QueueName,
    /// How many jobs are ready and wait.
    depth: u64,
    /// How many run or are handed out.
    running: u64,
    /// How long the first of those that wait has been ready; none waits where this is `null`.
    oldest_age_s: Option<f64>,
    /// Whether nothing starts from it.
    paused: bool,
    /// The most jobs that run at once; `null` means no cap.
    concurrency: Option<u32>,
    /// The most starts per second; `null` means no cap.
    rate_per_s: Option<f64>,
    /// The lane's share against others.
    weight: u32,
}

/// How deep the queues are
///
/// The caller's lanes, or with `?scope=platform` all tenants' together. Depths come from what the planner last said; once that is old it is
/// an error and no number.
#[utoipa::path(
    get,
    path = "/v1/queues",
    tag = "queues",
    operation_id = "listQueues",
    params(Asked, Caller),
    responses(
        (status = 200, description = "Each queue.", body = Queues, example = json!({ "queues": [{
            "name": "default", "depth": 4, "running": 2, "oldest_age_s": 1.5,
            "paused": false, "concurrency": null, "rate_per_s": null, "weight": 1
        }] })),
        Caller, Params, DepthsErrors, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Answer<Queues>, ApiError> {
    let scope = scope(&mut params, caller)?;
    params.finish(&["scope"])?;
    let depths = api.ledger.depths().await?.ok_or(ApiError::DepthsUnknown)?;
    let now = api.ledger.now().await?;
    let age_ms = now.ms() - depths.at_ms;
    if age_ms > DEPTHS_AGE_MAX_MS {
        return Err(ApiError::DepthsStale { age_s: age_ms / 1_000 });
    }
    let limits = api.ledger.limits().await?;
    let queues = api.queues.iter().map(|name| queue(name, &scope, &depths, &limits, now)).collect();
    Ok(Answer(Queues { queues }))
}

fn queue(name: &QueueName, scope: &LimitScope, depths: &Depths, limits: &[(QueueName, LimitScope, Limits)], now: Timestamp) -> Queue {
    let in_scope = |tenant| match scope {
        LimitScope::Platform => true,
        LimitScope::Tenant(caller) => caller == tenant,
    };
    let lanes = || depths.lanes.iter().filter(|depth| depth.lane.queue == *name && in_scope(&depth.lane.tenant));
    let oldest_ms = lanes().filter_map(|depth| depth.oldest_ms).min();
    let Limits { paused, concurrency, rate_per_s, weight } = limits_of(limits, name, scope);
    Queue {
        name: name.clone(),
        depth: lanes().map(|depth| depth.ready).sum(),
        running: lanes().map(|depth| depth.running).sum(),
        oldest_age_s: oldest_ms.map(|oldest_ms| (now.ms() - oldest_ms).max(0) as f64 / 1_000.0),
        // A lane also stands still while its whole queue is paused.
        paused: paused || limits_of(limits, name, &LimitScope::Platform).paused,
        concurrency,
        rate_per_s,
        weight,
    }
}

fn limits_of(limits: &[(QueueName, LimitScope, Limits)], name: &QueueName, scope: &LimitScope) -> Limits {
    let found = limits.iter().find(|(queue, limited, _)| queue == name && limited == scope);
    found.map(|(_, _, limits)| *limits).unwrap_or_default()
}

/// What is to change; what is left out stays, `null` takes a cap off.
#[derive(Deserialize, ToSchema)]
#[schema(as = QueuePatch)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    /// Whether nothing is to start.
    #[serde(default, deserialize_with = "value")]
    #[schema(nullable = false)]
    paused: Option<bool>,
    /// The most jobs that run at once.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    concurrency: Option<Option<u32>>,
    /// The most starts per second.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0.000_001, maximum = 1_000_000)]
    rate_per_s: Option<Option<f64>>,
    /// The lane's share against others; a whole queue has none.
    #[serde(default, deserialize_with = "value")]
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    weight: Option<u32>,
}

/// What may start from a queue, or from the caller's lane of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueLimits {
    /// The queue.
    name: QueueName,
    /// Whose limits these are.
    scope: Scope,
    /// Whether nothing starts.
    paused: bool,
    /// The most jobs that run at once; `null` means no cap.
    concurrency: Option<u32>,
    /// The most starts per second; `null` means no cap.
    rate_per_s: Option<f64>,
    /// The lane's share against others.
    weight: u32,
}

/// Pause a queue, let it go on, or cap it
///
/// Changes what it names, of the caller's lane, or with `?scope=platform` of the whole queue. `null` takes a cap off; an empty object only
/// tells how it stands.
#[utoipa::path(
    patch,
    path = "/v1/queues/{queue}",
    tag = "queues",
    operation_id = "changeQueue",
    params(("queue" = QueueName, Path, description = "The queue.", example = "default"), Asked, Caller),
    request_body(content = Patch, examples(
        ("pause" = (summary = "Pause", value = json!({ "paused": true }))),
        ("resume" = (summary = "Go on", value = json!({ "paused": false }))),
        ("caps" = (summary = "Caps", value = json!({ "concurrency": 8, "rate_per_s": 2.5 }))),
    )),
    responses(
        (status = 200, description = "What may start from now on.", body = QueueLimits, example = json!({
            "name": "default", "scope": "tenant", "paused": true, "concurrency": null, "rate_per_s": null, "weight": 1
        })),
        Caller, Params, Json<Patch>, Unknown, LedgerErrors,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    mut params: Params,
    Json(patch): Json<Patch>,
) -> Result<Answer<QueueLimits>, ApiError> {
    let scope = scope(&mut params, caller)?;
    params.finish(&["scope"])?;
    let Path(name) = name.map_err(|_| ApiError::RouteNotFound)?;
    let Some(name) = api.queues.iter().find(|queue| queue.as_str() == name) else {
        return Err(ApiError::QueueNotFound(name));
    };
    let limits = api.ledger.set_limits(name, &scope, checked(&patch, &scope)?).await?;
    let scope = match scope {
        LimitScope::Platform => Scope::Platform,
        LimitScope::Tenant(_) => Scope::Tenant,
    };
    let Limits { paused, concurrency, rate_per_s, weight } = limits;
    Ok(Answer(QueueLimits { name: name.clone(), scope, paused, concurrency, rate_per_s, weight }))
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
