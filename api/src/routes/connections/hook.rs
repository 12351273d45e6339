//! A connection's hook: make it, look at it, end it, and see what it was told.
//!
//! The URL is told once, when it is made; making it again makes another, and ends the one before.
//! Where providers call it: `routes/hooks.rs`.

use axum::{
    Json as Answer,
    extract::{FromRequestParts, Path, State},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use windrow_jobs::{
    clock::Timestamp,
    connection::{Connection, ConnectionId},
    hook::{self, Event, EventId, Hook, NewHook, Outcome, Page, Scheme, hash_of, url, verify::key_of},
    job::{JobError, JobId},
};

use super::{ConnectionPath, find};
use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    openapi,
    page::{self, PAGE_BYTES_MAX},
    query::{NoParams, Params},
};

/// The longest URL that events are passed on to.
const URL_BYTES_MAX: usize = 2_048;
/// The reports of an event that a list tells; its job's result counts all.
const REPORTS_SHOWN: usize = 100;

openapi::gives! {
    Refusals: HOOK_UNSUPPORTED, HOOK_SECRET_MISSING, PUBLIC_URL_MISSING, MASTER_KEY_MISSING, SECRETS_DAMAGED;
    NoHook: HOOK_NOT_FOUND;
    NoEvent: EVENT_NOT_FOUND;
}
/// What a hook is not made for.
struct Refusals;
/// There may be none.
struct NoHook;
/// The same of an event.
struct NoEvent;

/// A hook that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookDraft {
    /// Where each event is passed on to, as it came, by a job of the kind `hook.forward`.
    #[serde(default)]
    #[schema(max_length = 2048, pattern = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?][!-~]*)?$")]
    forward_url: Option<String>,
}

/// A hook that was made. What opens it is told this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewlyMade {
    /// Where the provider is to call. Whoever has it and can sign tells this connection what happened.
    url: String,
    /// By which events that are passed on are signed (Standard Webhooks).
    forward_secret: String,
    /// The hook.
    hook: View,
}

/// A connection's hook, without its token.
#[derive(Serialize, ToSchema)]
#[schema(as = Hook)]
pub(crate) struct View {
    /// How calls are verified.
    scheme: Scheme,
    /// The connection's secret by which they are.
    secret: &'static str,
    /// Where events are passed on to.
    forward_url: Option<String>,
    /// How many calls were refused for their signature.
    refused: u64,
    /// When the last of them was.
    refused_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
    /// When its token was last replaced.
    rotated_at: Option<Timestamp>,
}

impl View {
    fn of(hook: Hook, scheme: Scheme) -> Self {
        let Hook { forward_url, refused, refused_at, created_at, rotated_at, .. } = hook;
        Self { scheme, secret: scheme.secret(), forward_url, refused, refused_at, created_at, rotated_at }
    }
}

/// An event that a hook was told.
#[derive(Serialize, ToSchema)]
#[schema(as = HookEvent)]
pub(crate) struct Shown {
    /// Its id.
    id: EventId,
    /// When it came.
    received_at: Timestamp,
    /// The body's media type.
    content_type: String,
    /// How many bytes the body has.
    bytes: u64,
    /// The job that applies it.
    job: JobId,
    /// When all of it was applied; `null` while its job has not.
    applied_at: Option<Timestamp>,
    /// Why it could not be read.
    error: Option<JobError>,
    /// What it reported of deliveries, and what became of that: the first hundred.
    reports: Vec<Outcome>,
}

impl From<Event> for Shown {
    fn from(event: Event) -> Self {
        let Event { id, received_at, facts, .. } = event;
        Self {
            id,
            received_at,
            content_type: facts.content_type,
            bytes: facts.bytes,
            job: facts.job,
            applied_at: facts.applied_at,
            error: facts.error,
            reports: facts.reports.into_values().take(REPORTS_SHOWN).collect(),
        }
    }
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[schema(as = HookEventPage)]
pub(crate) struct Listed {
    /// The events, latest first.
    events: Vec<Shown>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// Make a connection's hook
///
/// The answer has its URL, this once: of its token only a hash is kept. Made again, it has another URL, and the one before is of no use from then
/// on. The connection must have the secret by which its provider signs.
#[utoipa::path(
    post,
    path = "/v1/connections/{name}/hook",
    tag = "hooks",
    operation_id = "makeHook",
    params(ConnectionPath, Caller),
    request_body(content = HookDraft, example = json!({ "forward_url": "https://example.com/told" })),
    responses(
        (status = 201, description = "The hook, and what opens it.", body = NewlyMade, headers(("Cache-Control"))),
        Caller, ConnectionPath, NoParams, Json<HookDraft>, Refusals, LedgerErrors,
    )
)]
pub(crate) async fn make(
    State(api): State<Api>,
    caller: Caller,
    path: ConnectionPath,
    _: NoParams,
    Json(draft): Json<HookDraft>,
) -> Result<Response, ApiError> {
    let connection = find(&api, &caller.tenant, &path).await?;
    let scheme = scheme_of(&connection)?;
    check_url(draft.forward_url.as_deref())?;
    if api.public_url.is_empty() {
        return Err(ApiError::PublicUrlMissing);
    }
    if !connection.facts.secret_names.iter().any(|name| name == scheme.secret()) {
        return Err(ApiError::HookSecretMissing(scheme.secret()));
    }
    let key = api.keys.get_or_make(&caller.tenant).await?;
    let mut hook = hook_with(&connection, draft.forward_url, Uuid::new_v4());
    let opens = key_of(&key, &hook);
    hook.token = hash_of(&opens.token);
    let Hook { tenant, connection, salt, token, forward_url, .. } = hook;
    let made = api.ledger.set_hook(NewHook { tenant, connection, salt, token, forward_url }).await?;
    let hook = View::of(made.ok_or(ApiError::ConnectionNotFound)?, scheme);
    let made = NewlyMade { url: url(&api.public_url, &opens.token), forward_secret: opens.forward_secret, hook };
    let mut response = (StatusCode::CREATED, Answer(made)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// Look at a connection's hook
///
/// Its URL is not told again: make the hook anew for that.
#[utoipa::path(
    get,
    path = "/v1/connections/{name}/hook",
    tag = "hooks",
    operation_id = "getHook",
    params(ConnectionPath, Caller),
    responses(
        (status = 200, description = "The hook.", body = View),
        Caller, ConnectionPath, NoParams, NoHook, LedgerErrors,
    )
)]
pub(crate) async fn read(State(api): State<Api>, caller: Caller, path: ConnectionPath, _: NoParams) -> Result<Answer<View>, ApiError> {
    let connection = find(&api, &caller.tenant, &path).await?;
    let hook = api.ledger.hook(&caller.tenant, connection.id).await?.ok_or(ApiError::HookNotFound)?;
    let scheme = Scheme::of(&connection.provider).ok_or(ApiError::HookNotFound)?;
    Ok(Answer(View::of(hook, scheme)))
}

/// End a connection's hook
///
/// Its URL is of no use from now on. What it was told stays for its time. The call takes no body, or an empty object.
#[utoipa::path(
    delete,
    path = "/v1/connections/{name}/hook",
    tag = "hooks",
    operation_id = "endHook",
    params(ConnectionPath, Caller),
    responses(
        (status = 204, description = "It has ended."),
        Caller, ConnectionPath, NoParams, NoBody, NoHook, LedgerErrors,
    )
)]
pub(crate) async fn end(
    State(api): State<Api>,
    caller: Caller,
    path: ConnectionPath,
    _: NoParams,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let connection = find(&api, &caller.tenant, &path).await?;
    if api.ledger.end_hook(&caller.tenant, connection.id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::HookNotFound) }
}

/// List what a connection's hook was told
///
/// Latest first, a page at a time, each with what became of it. Events are kept for 30 days, unless the installation has another time.
#[utoipa::path(
    get,
    path = "/v1/connections/{name}/hook/events",
    tag = "hooks",
    operation_id = "listHookEvents",
    params(ConnectionPath, page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, ConnectionPath, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, path: ConnectionPath, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let connection = find(&api, &caller.tenant, &path).await?;
    let list = json!(["hook_events", caller.tenant, connection.id]);
    let before = asked.after(&list, |last| Uuid::from_slice(last).ok().map(EventId))?;
    let part = Page { before, size: asked.size, bytes_max: PAGE_BYTES_MAX };
    let hook::Listed { events, more } = api.ledger.events(&caller.tenant, connection.id, part).await?;
    let next_page_token = events.last().filter(|_| more).map(|last| page::token(&list, last.id.0.as_bytes()));
    let (next, events) = (next_page_token.clone(), events.into_iter().map(Shown::from).collect());
    let path = format!("/v1/connections/{}/hook/events", connection.name);
    Ok(page::answer(&api, &path, &[], asked.size, next.as_deref(), Listed { events, next_page_token }))
}

/// What a connection's hook was told, byte for byte
#[utoipa::path(
    get,
    path = "/v1/connections/{name}/hook/events/{id}",
    tag = "hooks",
    operation_id = "getHookEvent",
    params(EventPath, Caller),
    responses(
        (status = 200, description = "The body as it came. Its media type is in the list.", body = Vec<u8>, content_type = "application/octet-stream",
            headers(("Content-Disposition"), ("Cache-Control"), ("Content-Security-Policy"))),
        Caller, ConnectionPath, NoParams, NoEvent, LedgerErrors,
    )
)]
pub(crate) async fn raw(State(api): State<Api>, caller: Caller, path: EventPath, _: NoParams) -> Result<Response, ApiError> {
    let connection = find(&api, &caller.tenant, &path.0).await?;
    let event = api.ledger.event(&caller.tenant, path.1).await?.map(|(event, _)| event);
    let event = event.filter(|event| event.connection == connection.id).ok_or(ApiError::EventNotFound)?;
    let mut response = event.payload.into_response();
    // What a stranger sent must not run as a page of this site.
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DISPOSITION, "attachment"),
        (CACHE_CONTROL, "private, no-store"),
        (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    headers.into_iter().for_each(|(name, value)| drop(response.headers_mut().insert(name, HeaderValue::from_static(value))));
    Ok(response)
}

/// A connection and one of its hook's events.
#[derive(IntoParams)]
#[into_params(names("name", "id"), parameter_in = Path)]
pub(crate) struct EventPath(
    /// The connection's name.
    #[param(value_type = String)]
    ConnectionPath,
    /// The event's id.
    EventId,
);

impl FromRequestParts<Api> for EventPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path((name, id)) = Path::<(String, String)>::from_request_parts(parts, api).await.map_err(|_| ApiError::ConnectionNotFound)?;
        let name = ConnectionPath::of(name)?;
        Ok(Self(name, id.parse().map_err(|_| ApiError::EventNotFound)?))
    }
}

fn scheme_of(connection: &Connection) -> Result<Scheme, ApiError> {
    Scheme::of(&connection.provider).ok_or_else(|| ApiError::HookUnsupported(connection.provider.clone()))
}

/// A hook as it will stand, of which only what its token is derived from counts.
fn hook_with(connection: &Connection, forward_url: Option<String>, salt: Uuid) -> Hook {
    let (tenant, connection): (_, ConnectionId) = (connection.tenant.clone(), connection.id);
    let created_at = Timestamp::from_ms(0);
    Hook { tenant, connection, salt, token: [0; 32], forward_url, refused: 0, refused_at: None, created_at, rotated_at: None }
}

/// The same of URLs that the catalogue asks for: what is kept is shown, so nothing secret may be in it.
fn check_url(url: Option<&str>) -> Result<(), ApiError> {
    let Some(url) = url else { return Ok(()) };
    let wrong = |message: &str| Err(ApiError::Field { pointer: "/forward_url".into(), message: message.into() });
    let after_scheme = ["https://", "http://"].into_iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or_default();
    let authority = after_scheme.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return wrong("has a user or password in it, which would be kept in the clear");
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let named = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let printable = url.bytes().all(|byte| byte.is_ascii_graphic());
    if !named || port.parse::<u16>().is_err() || !printable || after_scheme.contains('#') || url.len() > URL_BYTES_MAX {
        return wrong("is no http:// or https:// URL of at most 2,048 characters without a fragment");
    }
    Ok(())
}
