//! Templates of notifications: write one, look at it, delete it. Lists are in `notification_templates/list.rs`, what a template looks like
//! filled in in `notification_templates/preview.rs`, the tenant's own language in `notification_templates/settings.rs`.
//!
//! The api reads and fills in no template itself: what it starts for that has limits (`windrow_jobs::renderer`).
//! Next: `windrow_jobs::notification`, then the ledger's role `Wordings`.

pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod settings;

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{IF_MATCH, LOCATION},
        request::Parts,
    },
    response::Response,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    notification::{
        admit::Terms,
        find,
        locale::{self, Direction, Locale},
        wording::{Content, DATA_BYTES_MAX, Deleted, Kept, NEEDS_MAX, NewWording, PART_BYTES_MAX, SUBJECT_BYTES_MAX, Wording, is_name},
    },
    renderer::{
        pool::{Unmade, WHOLE},
        words::{self, LOCALE, Wordless},
    },
    tenant::TenantId,
};

use super::tagged::{KnownTag, Tagged, tags};
use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    openapi,
    query::{NoParams, Params},
};

/// Processes of an api that read and fill in templates at once: enough for people who write them.
pub const RENDERERS_MAX: usize = 2;

openapi::gives! {
    Refusals: WORDINGS_TOO_MANY;
    Seen: PRECONDITION_FAILED;
    Rendering: TEMPLATE_FAILED, RENDERER_UNAVAILABLE;
    WordingPath: WORDING_NOT_FOUND;
}
/// What only words that are to be kept are refused for.
struct Refusals;
/// What a write is refused for that was to happen to a version that was seen.
struct Seen;
/// What reading and filling in a template may end in.
struct Rendering;

/// A template in a language.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationTemplate)]
pub(crate) struct View {
    /// Its name, by which payloads name it.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    name: String,
    /// The language, as a tag of BCP 47.
    #[schema(value_type = String)]
    locale: Locale,
    /// How the language is written.
    direction: Direction,
    /// Which version this is; each change makes a new one.
    version: u32,
    /// An e-mail's subject, or a push message's title.
    subject: Option<String>,
    /// The plain words.
    text: Option<String>,
    /// An e-mail's HTML.
    html: Option<String>,
    /// The template whose HTML goes around this one's.
    layout: Option<String>,
    /// Values of variables that a job need not give.
    #[schema(value_type = Object)]
    defaults: Map<String, Value>,
    /// Values for previews.
    #[schema(value_type = Object)]
    sample: Map<String, Value>,
    /// What a job has to give, what its layout needs not among it: paths such as `order.items[].name`, where `[]` is each of a list.
    needs: Vec<String>,
    /// When this version was kept.
    created_at: Timestamp,
    /// Whose it is.
    tenant: TenantId,
}

impl View {
    fn of(tenant: &TenantId, wording: Wording) -> Self {
        let covered = |need: &String| {
            let terms = Terms { needs: vec![need.clone()], defaults: wording.content.defaults.clone() };
            let first = need.split(['.', '[']).next().unwrap_or_default();
            wording.content.defaults.contains_key(first) && terms.check(&Map::new(), "").is_ok()
        };
        let needs = wording.needs.iter().filter(|need| !covered(need)).cloned().collect();
        let Content { subject, text, html, layout, defaults, sample } = wording.content;
        Self {
            direction: wording.locale.direction(),
            name: wording.name,
            locale: wording.locale,
            version: wording.version,
            subject,
            text,
            html,
            layout,
            defaults,
            sample,
            needs,
            created_at: wording.created_at,
            tenant: tenant.clone(),
        }
    }
}

/// What the template was when you looked at it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
struct SeenTag {
    /// The `ETag` of what you have seen: where another version is there, the answer is 412 and nothing changes.
    #[param(rename = "If-Match")]
    tag: Option<String>,
}

/// Which version is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Which {
    /// The version; none for the newest.
    #[param(minimum = 1)]
    version: Option<u32>,
}

/// Write a template
///
/// In one language, as `subject`, `text` and `html`, of which at least one is there, in the syntax of Jinja. What differs from the newest
/// version is a new version; what does not makes none. A template that cannot be read is refused with the field and the line.
#[utoipa::path(
    put,
    path = "/v1/notification-templates/{name}/{locale}",
    tag = "notifications",
    operation_id = "putNotificationTemplate",
    params(WordingPath, Caller, SeenTag),
    request_body(content = Content, examples(
        ("order" = (summary = "An e-mail", value = json!({
            "subject": "Your order {{ order.id }}",
            "html": "<p>Dear {{ name }},</p><ul>{% for item in order.items %}<li>{{ item.name }}</li>{% endfor %}</ul>",
            "defaults": { "name": "customer" },
            "sample": { "name": "Ana", "order": { "id": "A-7", "items": [{ "name": "Bread" }] } }
        }))),
        ("short" = (summary = "A text message", value = json!({ "text": "Your code is {{ code }}.", "sample": { "code": "123456" } }))),
    )),
    responses(
        (status = 200, description = "The template, as it stands.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 201, description = "The template, which is new in this language.", body = View,
            headers(("Location"), ("ETag"), ("Cache-Control")),
            links(
                ("look" = (operation_id = "getNotificationTemplate", parameters(
                    ("name" = "$response.body#/name"), ("locale" = "$response.body#/locale"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("preview" = (operation_id = "previewNotificationTemplate", parameters(
                    ("name" = "$response.body#/name"), ("locale" = "$response.body#/locale"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("delete" = (operation_id = "deleteNotificationTemplate", parameters(
                    ("name" = "$response.body#/name"), ("locale" = "$response.body#/locale"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            )),
        Caller, WordingPath, NoParams, Json<Content>, Seen, Refusals, Rendering, LedgerErrors,
    )
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    WordingPath { name, locale }: WordingPath,
    _: NoParams,
    headers: HeaderMap,
    Json(content): Json<Content>,
) -> Result<Response, ApiError> {
    check_sizes(&content)?;
    let needs = read(&api, &caller.tenant, &locale, &content).await?;
    let seen = seen(&api, &caller.tenant, &name, &locale, &headers).await?;
    let new = NewWording { tenant: caller.tenant.clone(), name, locale, content, needs, seen };
    match api.ledger.keep_wording(new).await? {
        Kept::Created(wording) => {
            let location = format!("{}/v1/notification-templates/{}/{}", api.public_url, wording.name, wording.locale);
            let mut response = tagged(&caller.tenant, wording)?.answer(StatusCode::CREATED);
            response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
            Ok(response)
        }
        Kept::Changed(wording) | Kept::Same(wording) => Ok(tagged(&caller.tenant, wording)?.answer(StatusCode::OK)),
        Kept::Stale => Err(ApiError::PreconditionFailed),
        Kept::TooMany => Err(ApiError::WordingsTooMany),
    }
}

/// Look at a template
///
/// In one language: its newest version, or the one that is asked for. The 100 newest versions are kept.
#[utoipa::path(
    get,
    path = "/v1/notification-templates/{name}/{locale}",
    tag = "notifications",
    operation_id = "getNotificationTemplate",
    params(WordingPath, Which, Caller, KnownTag),
    responses(
        (status = 200, description = "The template.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "The template is what you have.", headers(("ETag"), ("Cache-Control"))),
        Caller, WordingPath, Params, LedgerErrors,
    )
)]
pub(crate) async fn look(
    State(api): State<Api>,
    caller: Caller,
    path: WordingPath,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let version = params.parse("version")?;
    params.finish(&["version"])?;
    let tagged = tagged(&caller.tenant, find(&api, &caller.tenant, &path, version).await?)?;
    let status = if tagged.is_known(&headers) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(tagged.answer(status))
}

/// Delete a template
///
/// In one language, every version of it. Jobs that name it get the next language that it is there in, or fail. Numbers of versions go on
/// where they ended. The call takes no body, or an empty object.
#[utoipa::path(
    delete,
    path = "/v1/notification-templates/{name}/{locale}",
    tag = "notifications",
    operation_id = "deleteNotificationTemplate",
    params(WordingPath, Caller, SeenTag),
    responses(
        (status = 204, description = "It is gone."),
        Caller, WordingPath, NoParams, NoBody, Seen, LedgerErrors,
    )
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    WordingPath { name, locale }: WordingPath,
    _: NoParams,
    headers: HeaderMap,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let seen = seen(&api, &caller.tenant, &name, &locale, &headers).await?;
    match api.ledger.delete_wording(&caller.tenant, &name, &locale, seen).await? {
        Deleted::Gone => Ok(StatusCode::NO_CONTENT),
        Deleted::Absent => Err(not_found(&name, &locale)),
        Deleted::Stale => Err(ApiError::PreconditionFailed),
    }
}

/// The name and the language in a template's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct WordingPath {
    /// The template's name.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    name: String,
    /// The language: `de`, `en`, `ar`, `da`, `fa`, `nb`, `ru`, `sv`, `tr` or `uk`, with a script and a region where it matters (`de-AT`).
    #[param(value_type = String, min_length = 2, max_length = 11)]
    locale: Locale,
}

impl FromRequestParts<Api> for WordingPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, api).await;
        let Path((name, locale)) = path.map_err(|_| ApiError::WordingNotFound("there is nothing at this path".into()))?;
        if !is_name(&name) {
            let message = "a template's name has 1 to 63 lower-case letters, digits, '-' and '_', and begins with a letter or digit";
            return Err(ApiError::WordingNotFound(message.into()));
        }
        let locale = locale.parse().map_err(|error: locale::UnknownLocale| ApiError::WordingNotFound(error.to_string()))?;
        Ok(Self { name, locale })
    }
}

async fn find(api: &Api, tenant: &TenantId, WordingPath { name, locale }: &WordingPath, version: Option<u32>) -> Result<Wording, ApiError> {
    api.ledger.wording(tenant, name, locale, version).await?.ok_or_else(|| not_found(name, locale))
}

fn not_found(name: &str, locale: &Locale) -> ApiError {
    ApiError::WordingNotFound(format!("the tenant has no template {name} in {locale}, or not in this version"))
}

/// The version that has to be the newest for a write to happen (`If-Match`, RFC 9110 §13.1.1); none where nobody said.
async fn seen(api: &Api, tenant: &TenantId, name: &str, locale: &Locale, headers: &HeaderMap) -> Result<Option<u32>, ApiError> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    let standing = api.ledger.wording(tenant, name, locale, None).await?.ok_or(ApiError::PreconditionFailed)?;
    let seen = format!("\"{}", edition(&standing));
    let fits = |tag: &str| tag == "*" || tag.starts_with(&seen);
    if tags(headers, IF_MATCH).any(fits) { Ok(Some(standing.version)) } else { Err(ApiError::PreconditionFailed) }
}

fn tagged(tenant: &TenantId, wording: Wording) -> Result<Tagged, ApiError> {
    let edition = edition(&wording);
    Tagged::of(&View::of(tenant, wording), &edition)
}

fn edition(wording: &Wording) -> String {
    format!("{}.{}.{}.", wording.name, wording.locale, wording.version)
}

fn check_sizes(content: &Content) -> Result<(), ApiError> {
    let parts = [
        ("subject", &content.subject, SUBJECT_BYTES_MAX),
        ("text", &content.text, PART_BYTES_MAX),
        ("html", &content.html, PART_BYTES_MAX),
    ];
    if parts.iter().all(|(_, part, _)| part.is_none()) {
        return Err(field("", "a template has a subject, a text or html"));
    }
    for (name, part, most) in parts {
        let bytes = part.as_ref().map_or(1, String::len);
        if !(1..=most).contains(&bytes) {
            return Err(field(&format!("/{name}"), format!("{bytes} bytes are not within 1 to {most}")));
        }
    }
    if content.subject.as_ref().is_some_and(|subject| subject.chars().any(char::is_control)) {
        return Err(field("/subject", "a subject is one line, without control characters"));
    }
    if content.layout.is_some() && content.html.is_none() {
        return Err(field("/layout", "a layout goes around html, and there is none"));
    }
    for (name, data) in [("defaults", &content.defaults), ("sample", &content.sample)] {
        let bytes = serde_json::to_vec(data).map_err(|_| ApiError::Internal)?.len();
        if bytes > DATA_BYTES_MAX {
            return Err(field(&format!("/{name}"), format!("{bytes} bytes of the {DATA_BYTES_MAX} allowed")));
        }
        if data.contains_key(LOCALE) {
            return Err(field(&format!("/{name}/{LOCALE}"), "is given to every template by itself"));
        }
    }
    Ok(())
}

/// Reads a template that is to be kept. Returns what it needs.
async fn read(api: &Api, tenant: &TenantId, locale: &Locale, content: &Content) -> Result<Vec<String>, ApiError> {
    let parts = words::Parts { subject: content.subject.clone(), text: content.text.clone(), html: content.html.clone() };
    let reading = api.renderers.read(parts).await.map_err(|unmade| match unmade {
        Unmade::Wordless(Wordless::Failed(part, message)) if part != WHOLE => field(&format!("/{part}"), message),
        other => other.into(),
    })?;
    if reading.needs.len() > NEEDS_MAX {
        return Err(field("", format!("the template needs {} variables of the {NEEDS_MAX} allowed", reading.needs.len())));
    }
    if reading.is_layout && (content.layout.is_some() || content.subject.is_some() || content.text.is_some()) {
        return Err(field("/html", "with {{ content }} it is a layout, which has html only, and no layout itself"));
    }
    if let Some(name) = &content.layout {
        let own = api.ledger.default_locale(tenant).await?.unwrap_or_default();
        let chain = locale::chain(Some(locale.as_str()), &own).unwrap_or_default();
        let layout = find::layout(api.ledger.as_ref(), tenant, name, &chain).await?;
        layout.map_err(|not_found| field("/layout", not_found.to_string()))?;
    }
    Ok(reading.needs)
}

fn field(pointer: &str, message: impl Into<String>) -> ApiError {
    ApiError::Field { pointer: pointer.to_owned(), message: message.into() }
}

impl From<Unmade> for ApiError {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::Wordless(wordless) => Self::TemplateFailed(wordless.to_string()),
            Unmade::Unavailable(message) => Self::RendererUnavailable(message),
        }
    }
}
