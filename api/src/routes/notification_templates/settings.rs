//! `/v1/notification-settings`: the language of those whose own is not known, or not written in.

use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use windrow_jobs::notification::locale::Locale;

use crate::{
    Api,
    auth::Caller,
    body::Json,
    error::{ApiError, LedgerErrors},
    query::NoParams,
};

/// What a tenant chose for its notifications.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = NotificationSettings)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The language of whoever's own is not known, or of whom a template is not there in theirs: one that templates are written in.
    #[schema(value_type = String, min_length = 2, max_length = 11)]
    default_locale: Locale,
}

/// Look at the settings of notifications
///
/// Whoever chose no language of their own has `en`.
#[utoipa::path(
    get,
    path = "/v1/notification-settings",
    tag = "notifications",
    operation_id = "getNotificationSettings",
    params(Caller),
    responses(
        (status = 200, description = "The settings.", body = Settings, example = json!({ "default_locale": "en" })),
        Caller, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn look(State(api): State<Api>, caller: Caller, _: NoParams) -> Result<Answer<Settings>, ApiError> {
    let default_locale = api.ledger.default_locale(&caller.tenant).await?.unwrap_or_default();
    Ok(Answer(Settings { default_locale }))
}

/// Change the settings of notifications
///
/// They are replaced whole, and count for every message from now on.
#[utoipa::path(
    put,
    path = "/v1/notification-settings",
    tag = "notifications",
    operation_id = "putNotificationSettings",
    params(Caller),
    request_body(content = Settings, example = json!({ "default_locale": "de-AT" })),
    responses(
        (status = 200, description = "The settings, as they stand.", body = Settings),
        Caller, NoParams, Json<Settings>, LedgerErrors,
    )
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    _: NoParams,
    Json(settings): Json<Settings>,
) -> Result<Answer<Settings>, ApiError> {
    api.ledger.set_default_locale(&caller.tenant, &settings.default_locale).await?;
    Ok(Answer(settings))
}
