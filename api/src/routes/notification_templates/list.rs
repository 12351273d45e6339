//! `GET /v1/notification-templates`: a tenant's templates by name and language, a page at a time; and the versions of one.

use axum::{Json as Answer, extract::State, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    notification::{
        locale::Locale,
        wording::{Head, is_name},
    },
};

use super::{WordingPath, not_found};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    page,
    query::{NoParams, Params},
};

/// A page of templates.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationTemplatePage)]
pub(crate) struct Listed {
    /// The templates, by name, then language.
    templates: Vec<Entry>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A template in a language, without its words.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedNotificationTemplate)]
struct Entry {
    /// Its name.
    name: String,
    /// The language.
    #[schema(value_type = String)]
    locale: Locale,
    /// Its newest version.
    version: u32,
    /// When its first version was kept.
    created_at: Timestamp,
    /// When its newest was.
    updated_at: Timestamp,
}

impl From<Head> for Entry {
    fn from(head: Head) -> Self {
        Self { name: head.name, locale: head.locale, version: head.version, created_at: head.created_at, updated_at: head.updated_at }
    }
}

/// List templates
///
/// The tenant's templates of notifications, by name and language, a page at a time, without their words.
#[utoipa::path(
    get,
    path = "/v1/notification-templates",
    tag = "notifications",
    operation_id = "listNotificationTemplates",
    params(page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let list = json!(["notification-templates", caller.tenant]);
    let after = asked.after(&list, read_last)?;
    let after = after.as_ref().map(|(name, locale)| (name.as_str(), locale));
    // One more than the page has tells whether there are any.
    let mut heads = api.ledger.wordings(&caller.tenant, after, asked.size + 1).await?;
    let more = heads.len() > asked.size;
    heads.truncate(asked.size);
    let last = heads.last().filter(|_| more).map(|last| format!("{}/{}", last.name, last.locale));
    let next_page_token = last.map(|last| page::token(&list, last.as_bytes()));
    let (next, templates) = (next_page_token.clone(), heads.into_iter().map(Entry::from).collect());
    Ok(page::answer(&api, "/v1/notification-templates", &[], asked.size, next.as_deref(), Listed { templates, next_page_token }))
}

/// What a page's token holds.
fn read_last(last: &[u8]) -> Option<(String, Locale)> {
    let (name, locale) = std::str::from_utf8(last).ok()?.split_once('/')?;
    let locale = locale.parse().ok()?;
    is_name(name).then(|| (name.to_owned(), locale))
}

/// The versions of a template in a language.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationTemplateVersions)]
pub(crate) struct Versions {
    /// Its name.
    name: String,
    /// The language.
    #[schema(value_type = String)]
    locale: Locale,
    /// The versions that are kept, newest first.
    versions: Vec<Version>,
}

/// A version of a template.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationTemplateVersion)]
struct Version {
    /// Which.
    version: u32,
    /// When it was kept.
    created_at: Timestamp,
}

/// List a template's versions
///
/// In one language, newest first: the 100 newest are kept.
#[utoipa::path(
    get,
    path = "/v1/notification-templates/{name}/{locale}/versions",
    tag = "notifications",
    operation_id = "listNotificationTemplateVersions",
    params(WordingPath, Caller),
    responses(
        (status = 200, description = "The versions.", body = Versions),
        Caller, WordingPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn versions(
    State(api): State<Api>,
    caller: Caller,
    WordingPath { name, locale }: WordingPath,
    _: NoParams,
) -> Result<Answer<Versions>, ApiError> {
    let versions = api.ledger.wording_versions(&caller.tenant, &name, &locale).await?;
    if versions.is_empty() {
        return Err(not_found(&name, &locale));
    }
    let versions = versions.into_iter().map(|(version, created_at)| Version { version, created_at }).collect();
    Ok(Answer(Versions { name, locale, versions }))
}
