//! `POST /v1/notification-templates/{name}/{locale}/preview`: what a message of a template would be, sent to nobody.

use axum::{Json as Answer, extract::State};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use windrow_jobs::notification::{
    admit::Terms,
    compose,
    find::{self, Found},
    locale,
    wording::Composed,
};

use super::{Rendering, WordingPath, field};
use crate::{
    Api,
    auth::Caller,
    body::Json,
    error::{ApiError, LedgerErrors},
    query::NoParams,
};

/// What a template is filled in with.
#[derive(Deserialize, ToSchema)]
#[schema(as = NotificationPreviewRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Its variables; the template's sample where they are left out.
    #[serde(default, deserialize_with = "crate::body::value")]
    #[schema(value_type = Object, nullable = false)]
    variables: Option<Map<String, Value>>,
    /// Its version; the newest where it is left out.
    #[serde(default, deserialize_with = "crate::body::value")]
    #[schema(minimum = 1, nullable = false)]
    version: Option<u32>,
}

/// Preview a template
///
/// The message that it makes of these variables, or of its sample: within its layout, with styles inlined, and with a text made of the HTML
/// where it has none. Nothing is sent. A variable that is missing is refused as it would be at submission.
#[utoipa::path(
    post,
    path = "/v1/notification-templates/{name}/{locale}/preview",
    tag = "notifications",
    operation_id = "previewNotificationTemplate",
    params(WordingPath, Caller),
    request_body(content = Asked, examples(
        ("sample" = (summary = "Its sample", value = json!({}))),
        ("given" = (summary = "These variables", value = json!({
            "variables": { "code": "654321" }
        }))),
    )),
    responses(
        (status = 200, description = "The message.", body = Composed),
        Caller, WordingPath, NoParams, Json<Asked>, Rendering, LedgerErrors,
    )
)]
pub(crate) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    path: WordingPath,
    _: NoParams,
    Json(asked): Json<Asked>,
) -> Result<Answer<Composed>, ApiError> {
    let wording = super::find(&api, &caller.tenant, &path, asked.version).await?;
    let layout = match &wording.content.layout {
        None => None,
        Some(name) => {
            let own = api.ledger.default_locale(&caller.tenant).await?.unwrap_or_default();
            let chain = locale::chain(Some(wording.locale.as_str()), &own).unwrap_or_default();
            let layout = find::layout(api.ledger.as_ref(), &caller.tenant, name, &chain).await?;
            Some(layout.map_err(|not_found| ApiError::TemplateFailed(not_found.to_string()))?)
        }
    };
    let found = Found { wording, layout };
    let variables = asked.variables.unwrap_or_else(|| found.wording.content.sample.clone());
    let checked = Terms::of(&found).check(&variables, "/variables");
    checked.map_err(|violation| field(&violation.pointer, violation.message))?;
    Ok(Answer(compose::make(&api.renderers, found, &variables).await?))
}
