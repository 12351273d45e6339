//! Connections: make one, look at it, delete it. Lists are in `connections/list.rs`, edits in `connections/change.rs`, the test in
//! `connections/test.rs`, what there is to connect to in `connections/providers.rs`, and the end of a tenant's key in
//! `connections/shred.rs`. Where its provider tells it what happened: `connections/hook.rs`.
//!
//! Secrets come in and never go out: no answer and no error of these files has one. The api seals; it calls nobody.
//! Next: `windrow_jobs::connection`, then the ledger's role `Connections`.

mod body;
pub(crate) mod change;
pub(crate) mod hook;
pub(crate) mod list;
pub(crate) mod providers;
pub(crate) mod shred;
pub(crate) mod test;

use std::collections::{BTreeMap, BTreeSet};

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
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    connection::{
        Connection, ConnectionId, ConnectionState, Facts, NAME_BYTES_MAX, NewConnection, Secrets, Stored,
        catalog::{self, Provider},
        keys::KeyError,
    },
    contract::Violation,
    job::JobError,
    tenant::TenantId,
};

use self::body::SensitiveJson;
use super::tagged::{KnownTag, Tagged, tags};
use crate::{
    Api,
    auth::Caller,
    body::NoBody,
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

/// How often a write is begun anew, when the tenant's key goes or the connection changes between look and write.
const LOOKS_MAX: usize = 5;

openapi::gives! {
    Refusals: CONNECTION_EXISTS, CONNECTIONS_TOO_MANY, CONTENDED;
    Sealing: MASTER_KEY_MISSING, SECRETS_DAMAGED;
    ConnectionPath: CONNECTION_NOT_FOUND;
}
/// What only a new connection is refused for.
struct Refusals;
/// What sealing and opening secrets may end in.
struct Sealing;

/// A connection, without its secrets.
#[derive(Serialize, ToSchema)]
#[schema(as = Connection)]
pub(crate) struct View {
    /// Its id.
    id: ConnectionId,
    /// Whose it is.
    tenant: TenantId,
    /// Its name, by which payloads name it.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    /// The provider; `GET /v1/providers` lists them.
    provider: String,
    /// How it stands.
    state: ConnectionState,
    /// Its configuration.
    #[schema(value_type = Object)]
    config: Value,
    /// The names of its secrets. What they are nobody is told.
    secrets: Vec<String>,
    /// What the provider last refused it for, while that stands.
    error: Option<JobError>,
    /// Counts its edits.
    version: u32,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last edited.
    updated_at: Timestamp,
    /// When a test of it last passed.
    tested_at: Option<Timestamp>,
    /// When its last error was met.
    error_at: Option<Timestamp>,
    /// When it was last opened for a job, to the minute.
    last_used_at: Option<Timestamp>,
}

impl From<Connection> for View {
    fn from(connection: Connection) -> Self {
        let Facts { generation, state, config, secret_names, error } = connection.facts;
        Self {
            id: connection.id,
            tenant: connection.tenant,
            name: connection.name,
            provider: connection.provider,
            state,
            config,
            secrets: secret_names,
            error,
            version: generation,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
            tested_at: connection.tested_at,
            error_at: connection.erred_at,
            last_used_at: connection.last_used_at,
        }
    }
}

/// A connection to be made.
#[derive(ToSchema)]
#[schema(as = NewConnection)]
#[expect(dead_code, reason = "only its description is used: it is read by `Fields`, which repeats nothing")]
struct Draft {
    /// Unique within the tenant.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    /// The provider; `GET /v1/providers` lists them.
    provider: String,
    /// As the provider's `config_schema` has it.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// As the provider's `secrets_schema` has it.
    secrets: Option<BTreeMap<String, String>>,
    /// Whether it begins switched off.
    disabled: Option<bool>,
}

/// Make a connection
///
/// Its secrets are sealed before they are kept, and never shown again. It is `pending` until a test passes or a job used it well, and can be
/// used meanwhile. Errors name the field, and repeat nothing of it.
#[utoipa::path(
    post,
    path = "/v1/connections",
    tag = "connections",
    operation_id = "createConnection",
    params(Caller),
    request_body(content = Draft, examples(
        ("http" = (summary = "An endpoint of your own", value = json!({
            "name": "orders", "provider": "http", "config": { "url": "https://example.com/hooks/orders" },
            "secrets": { "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }
        }))),
        ("oauth2" = (summary = "A token endpoint", value = json!({
            "name": "crm", "provider": "oauth2",
            "config": { "token_url": "https://auth.example.com/token", "client_id": "windrow", "scopes": ["contacts.read"] },
            "secrets": { "client_secret": "a client's secret" }
        }))),
    )),
    responses(
        (status = 201, description = "The connection.", body = View, headers(("Location"), ("ETag"), ("Cache-Control")),
            links(
                ("look" = (operation_id = "getConnection", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("change" = (operation_id = "changeConnection", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("test" = (operation_id = "testConnection", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("delete" = (operation_id = "deleteConnection", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            ),
            example = json!({
                "id": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "tenant": "default", "name": "orders", "provider": "http", "state": "pending",
                "config": { "url": "https://example.com/hooks/orders" }, "secrets": ["signing_secret"], "error": null, "version": 1,
                "created_at": "2027-01-15T08:00:00.000Z", "updated_at": "2027-01-15T08:00:00.000Z", "tested_at": null, "error_at": null,
                "last_used_at": null
            })),
        Caller, NoParams, SensitiveJson, Refusals, Sealing, LedgerErrors,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    _: NoParams,
    SensitiveJson(mut fields): SensitiveJson,
) -> Result<Response, ApiError> {
    let name = fields.text("name")?.ok_or_else(|| missing("/name"))?;
    check_name(&name)?;
    let provider = provider_of(&fields.text("provider")?.ok_or_else(|| missing("/provider"))?)?;
    let config = fields.take("config").unwrap_or_else(|| Value::Object(serde_json::Map::default()));
    let secrets = fields.take("secrets").unwrap_or_else(|| Value::Object(serde_json::Map::default()));
    let disabled = fields.flag("disabled")?.unwrap_or(false);
    fields.finish()?;
    let secrets = checked(provider, &config, &secrets)?;
    let names: Vec<String> = secrets.0.keys().cloned().collect();
    let (tenant, id) = (caller.tenant, ConnectionId::generate());
    for _ in 0..LOOKS_MAX {
        let new = NewConnection {
            id,
            tenant: tenant.clone(),
            name: name.clone(),
            provider: provider.name.to_owned(),
            facts: Facts::new(config.clone(), names.clone(), disabled),
            sealed: api.keys.seal(&tenant, id, &secrets).await?,
        };
        match api.ledger.create_connection(new).await? {
            Stored::Done(connection) => {
                let mut response = answer(StatusCode::CREATED, *connection)?;
                let location = format!("{}/v1/connections/{name}", api.public_url);
                response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
                return Ok(response);
            }
            Stored::NameTaken => return Err(ApiError::ConnectionExists(name)),
            Stored::TooMany => return Err(ApiError::ConnectionsTooMany),
            // The tenant's key was destroyed since it was read: the secrets are new, and sealed by a new one.
            Stored::KeyGone => {}
            Stored::Missing | Stored::Stale => return Err(ApiError::Internal),
        }
    }
    Err(ApiError::Contended)
}

/// Look at a connection
///
/// Its secrets are named and not told.
#[utoipa::path(
    get,
    path = "/v1/connections/{name}",
    tag = "connections",
    operation_id = "getConnection",
    params(ConnectionPath, Caller, KnownTag),
    responses(
        (status = 200, description = "The connection.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "The connection is what you have.", headers(("ETag"), ("Cache-Control"))),
        Caller, ConnectionPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn read(
    State(api): State<Api>,
    caller: Caller,
    path: ConnectionPath,
    _: NoParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tagged = tagged(find(&api, &caller.tenant, &path).await?)?;
    let status = if tagged.is_known(&headers) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(tagged.answer(status))
}

/// Delete a connection
///
/// With its secrets. Jobs that name it fail from now on. The call takes no body, or an empty object.
#[utoipa::path(
    delete,
    path = "/v1/connections/{name}",
    tag = "connections",
    operation_id = "deleteConnection",
    params(ConnectionPath, Caller),
    responses(
        (status = 204, description = "It is gone."),
        Caller, ConnectionPath, NoParams, NoBody, LedgerErrors,
    )
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    path: ConnectionPath,
    _: NoParams,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let connection = find(&api, &caller.tenant, &path).await?;
    if api.ledger.delete_connection(&caller.tenant, connection.id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::ConnectionNotFound)
    }
}

/// The name in a connection's path.
#[derive(IntoParams)]
#[into_params(names("name"), parameter_in = Path)]
pub(crate) struct ConnectionPath(
    /// The connection's name.
    String,
);

impl FromRequestParts<Api> for ConnectionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| ApiError::ConnectionNotFound)?;
        Self::of(name)
    }
}

impl ConnectionPath {
    /// What is no name names nothing, and no database need be asked: one of them knows no NUL.
    fn of(name: String) -> Result<Self, ApiError> {
        check_name(&name).map(|()| Self(name)).map_err(|_| ApiError::ConnectionNotFound)
    }
}

async fn find(api: &Api, tenant: &TenantId, ConnectionPath(name): &ConnectionPath) -> Result<Connection, ApiError> {
    api.ledger.connection(tenant, name).await?.ok_or(ApiError::ConnectionNotFound)
}

fn answer(status: StatusCode, connection: Connection) -> Result<Response, ApiError> {
    Ok(tagged(connection)?.answer(status))
}

/// The connection with its tag, which names its id and edits, so that [`check_precondition`] can tell an edit from a use.
fn tagged(connection: Connection) -> Result<Tagged, ApiError> {
    let edition = edition(&connection);
    Tagged::of(&View::from(connection), &edition)
}

fn edition(connection: &Connection) -> String {
    format!("{}.{}.", connection.id, connection.facts.generation)
}

/// Whether nobody has edited it since the client saw it (`If-Match`, RFC 9110 §13.1.1). Tests and uses since then do not count.
fn check_precondition(headers: &HeaderMap, connection: &Connection) -> Result<(), ApiError> {
    let seen = format!("\"{}", edition(connection));
    let fits = |tag: &str| tag == "*" || tag.starts_with(&seen);
    if !headers.contains_key(IF_MATCH) || tags(headers, IF_MATCH).any(fits) { Ok(()) } else { Err(ApiError::PreconditionFailed) }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let lower_or_digit = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let well_formed = name.len() <= NAME_BYTES_MAX
        && name.as_bytes().first().is_some_and(lower_or_digit)
        && name.bytes().all(|byte| lower_or_digit(&byte) || b"._-".contains(&byte));
    if well_formed { Ok(()) } else { Err(field("/name", "does not match ^[a-z0-9][a-z0-9._-]{0,62}$")) }
}

fn provider_of(name: &str) -> Result<&'static Provider, ApiError> {
    catalog::provider(name).ok_or_else(|| field("/provider", "is not in the catalogue: GET /v1/providers lists what is"))
}

/// The secrets, once both keep to what the provider says.
fn checked(provider: &Provider, config: &Value, secrets: &Value) -> Result<Secrets, ApiError> {
    provider.check_config(config).map_err(below("/config"))?;
    provider.check_secrets(secrets).map_err(below("/secrets"))?;
    let text = |(name, secret): (&String, &Value)| Some((name.clone(), secret.as_str()?.to_owned()));
    let secrets = Secrets(secrets.as_object().into_iter().flatten().filter_map(text).collect());
    check_together(provider, config, secrets.0.keys())?;
    Ok(secrets)
}

fn check_together<'n>(provider: &Provider, config: &Value, names: impl Iterator<Item = &'n String>) -> Result<(), ApiError> {
    let names: BTreeSet<&str> = names.map(String::as_str).collect();
    provider.check_together(config, &names).map_err(below(""))
}

fn below(place: &'static str) -> impl Fn(Violation) -> ApiError {
    move |violation| field(&format!("{place}{}", violation.pointer), &violation.message)
}

/// A refusal that says where and why, and repeats nothing.
fn field(pointer: &str, message: &str) -> ApiError {
    ApiError::Field { pointer: pointer.to_owned(), message: message.to_owned() }
}

fn missing(pointer: &str) -> ApiError {
    field(pointer, "is missing")
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Ledger(error) => error.into(),
            KeyError::Seal(error) => Self::Seal(error),
            KeyError::Gone => Self::Contended,
        }
    }
}
