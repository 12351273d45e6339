//! `POST /v1/builds/resolve`: what a build would be made of, without building it.

use axum::{Json as Answer, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use windrow_jobs::bundle::{self, resolve::Resolved};

use crate::{
    Api,
    auth::Caller,
    body::Json,
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

/// The most features of a build.
const FEATURES_MAX: usize = 64;

openapi::gives! {
    Unresolved: REQUIREMENT_INVALID, TEMPLATE_UNKNOWN, FEATURE_UNKNOWN, VERSION_CONFLICT, BUNDLE_CONFLICT, DEPENDENCY_CYCLE,
        OBJECTS_UNAVAILABLE;
}

/// What may be in the way of an answer.
struct Unresolved;

/// What a build is asked to be made of, as in the payload of `build.generate`.
#[derive(Deserialize, ToSchema)]
#[schema(as = ResolveRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The template, as `name@requirement` (`task-list@^1`), or `name` for any version.
    template: String,
    /// The features, each as `name@requirement`; what they need comes along.
    #[serde(default)]
    #[schema(max_items = 64)]
    features: Vec<String>,
}

/// What a build would be made of
///
/// The newest versions that go together: the template, then the features in the order in which they are laid over it. Where nothing goes
/// together, `detail` says what stands against what, and what would help.
#[utoipa::path(
    post,
    path = "/v1/builds/resolve",
    tag = "bundles",
    operation_id = "resolveBuild",
    params(Caller),
    request_body(content = Asked, examples(
        ("features" = (summary = "Two features, one of which needs the other", value = json!({
            "template": "task-list@^1", "features": ["shortcuts", "search"]
        }))),
    )),
    responses(
        (status = 200, description = "One version of each bundle.", body = Resolved, example = json!({
            "template": { "name": "task-list", "version": "1.0.0" },
            "features": [{ "name": "search", "version": "1.0.0" }, { "name": "shortcuts", "version": "1.0.0" }],
        })),
        Caller, NoParams, Json<Asked>, Unresolved, LedgerErrors,
    )
)]
pub(crate) async fn resolve(
    State(api): State<Api>,
    caller: Caller,
    _: NoParams,
    Json(asked): Json<Asked>,
) -> Result<Answer<Resolved>, ApiError> {
    if asked.features.len() > FEATURES_MAX {
        let message = format!("a build has at most {FEATURES_MAX} features");
        return Err(ApiError::Field { pointer: "/features".into(), message });
    }
    Ok(Answer(bundle::find(&*api.ledger, &*api.objects, &caller.tenant, &asked.template, &asked.features).await?))
}
