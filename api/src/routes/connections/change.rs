//! `PATCH /v1/connections/{name}`: another configuration, other secrets, on or off.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    connection::{Connection, ConnectionEdit, Secrets, Stored, catalog::Provider, keys::KeyError},
    merge_patch::merged,
};

use super::{
    ConnectionPath, LOOKS_MAX, Sealing, View, answer, below,
    body::{Fields, SensitiveJson},
    check_precondition, check_together, field, find, provider_of,
};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

openapi::gives! {
    SeenTag: PRECONDITION_FAILED;
    Conflicts: CONTENDED;
}
struct Conflicts;

/// What the client has seen.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct SeenTag {
    /// The `ETag` of what you have seen: the change is refused with 412 if somebody has edited it since.
    #[param(rename = "If-Match")]
    tag: Option<String>,
}

/// What is to change; what is left out stays.
#[derive(ToSchema)]
#[schema(as = ConnectionPatch)]
#[expect(dead_code, reason = "only its description is used: it is read by `Fields`, which repeats nothing")]
pub(crate) struct Patch {
    /// Merged into the configuration as RFC 7396 says: `null` removes a field.
    #[schema(value_type = Option<Object>, nullable = false)]
    config: Option<Value>,
    /// A text sets the secret of that name, `null` removes it, the others stay.
    #[schema(nullable = false)]
    secrets: Option<BTreeMap<String, Option<String>>>,
    /// Switches it off, or on.
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

/// Change a connection
///
/// A merge patch (RFC 7396), of the secrets as well. Another configuration and other secrets make it `pending`; a disabled one stays so until
/// `disabled` is false. Its name and its provider stay what they are. A patch that changes nothing writes nothing.
#[utoipa::path(
    patch,
    path = "/v1/connections/{name}",
    tag = "connections",
    operation_id = "changeConnection",
    params(ConnectionPath, Caller, SeenTag),
    request_body(content = Patch, examples(
        ("secret" = (summary = "Another secret", value = json!({ "secrets": { "bearer_token": "a-new-token" } }))),
        ("off" = (summary = "Switched off", value = json!({ "disabled": true }))),
    )),
    responses(
        (status = 200, description = "The connection as it is now.", body = View, headers(("ETag"), ("Cache-Control"))),
        Caller, ConnectionPath, NoParams, SensitiveJson, SeenTag, Conflicts, Sealing, LedgerErrors,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    path: ConnectionPath,
    _: NoParams,
    headers: HeaderMap,
    SensitiveJson(fields): SensitiveJson,
) -> Result<Response, ApiError> {
    let wish = Wish::read(fields)?;
    for _ in 0..LOOKS_MAX {
        let standing = find(&api, &caller.tenant, &path).await?;
        check_precondition(&headers, &standing)?;
        let edit = match wish.onto(&api, &standing).await {
            // The tenant's key went between the two looks.
            Err(Unmade::Gone) => continue,
            Err(Unmade::Refused(error)) => return Err(error),
            Ok(edit) => edit,
        };
        let Some(change) = standing.edited(edit) else {
            return answer(StatusCode::OK, standing);
        };
        match api.ledger.change_connection(&caller.tenant, standing.id, standing.version, change).await? {
            Stored::Done(connection) => return answer(StatusCode::OK, *connection),
            Stored::Missing => return Err(ApiError::ConnectionNotFound),
            // Somebody else's change must not be lost: the patch goes onto that.
            Stored::Stale | Stored::KeyGone => {}
            Stored::NameTaken | Stored::TooMany => return Err(ApiError::Internal),
        }
    }
    Err(ApiError::Contended)
}

/// What somebody wishes to change, read.
struct Wish {
    config: Option<Map<String, Value>>,
    secrets: Option<Map<String, Value>>,
    disabled: Option<bool>,
}

/// Why a wish became no edit.
enum Unmade {
    Gone,
    Refused(ApiError),
}

impl From<ApiError> for Unmade {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<KeyError> for Unmade {
    fn from(error: KeyError) -> Self {
        if error == KeyError::Gone { Self::Gone } else { Self::Refused(error.into()) }
    }
}

impl Wish {
    fn read(mut fields: Fields) -> Result<Self, ApiError> {
        let mut object = |name: &str| match fields.take(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(field(&format!("/{name}"), "is not of type object")),
        };
        let (config, secrets) = (object("config")?, object("secrets")?);
        for fixed in ["name", "provider"] {
            if fields.take(fixed).is_some() {
                return Err(field(&format!("/{fixed}"), "cannot be changed: make another connection"));
            }
        }
        let wish = Self { config, secrets, disabled: fields.flag("disabled")? };
        fields.finish()?;
        Ok(wish)
    }

    async fn onto(&self, api: &Api, standing: &Connection) -> Result<ConnectionEdit, Unmade> {
        let provider = provider_of(&standing.provider)?;
        let config = self.config.as_ref().map(|patch| merged(&standing.facts.config, &Value::Object(patch.clone())));
        let secrets = match &self.secrets {
            Some(patch) if !patch.is_empty() => Some(merge_secrets(api, standing, provider, patch).await?),
            _ => None,
        };
        let names = match &secrets {
            Some(secrets) => secrets.0.keys().cloned().collect(),
            None => standing.facts.secret_names.clone(),
        };
        if config.is_some() || secrets.is_some() {
            let config = config.as_ref().unwrap_or(&standing.facts.config);
            provider.check_config(config).map_err(below("/config"))?;
            check_together(provider, config, names.iter())?;
        }
        let sealed = match secrets {
            Some(secrets) => Some((names, api.keys.seal(&standing.tenant, standing.id, &secrets).await?)),
            None => None,
        };
        Ok(ConnectionEdit { config, secrets: sealed, disabled: self.disabled })
    }
}

/// The secrets of the connection with these changes. Those that went with the tenant's key are not there to be merged.
async fn merge_secrets(api: &Api, standing: &Connection, provider: &Provider, patch: &Map<String, Value>) -> Result<Secrets, Unmade> {
    let mut secrets = api.keys.open(&standing.tenant, standing.id, standing.sealed.as_ref()).await?;
    let given = patch.iter().filter(|(_, secret)| !secret.is_null()).map(|(name, secret)| (name.clone(), secret.clone()));
    // Whatever must be there together is asked of all of them below; a name or a form that is wrong, of what was given.
    let known = provider.secrets_schema["properties"].as_object();
    for name in patch.keys() {
        if known.is_none_or(|known| !known.contains_key(name)) {
            let pointer = format!("/secrets/{}", name.replace('~', "~0").replace('/', "~1"));
            return Err(field(&pointer, "is not known here").into());
        }
    }
    for (name, secret) in given {
        let Value::String(secret) = secret else { return Err(field(&format!("/secrets/{name}"), "is not of type string").into()) };
        secrets.0.insert(name, secret);
    }
    for (name, _) in patch.iter().filter(|(_, secret)| secret.is_null()) {
        secrets.0.remove(name);
    }
    let all = Value::Object(secrets.0.iter().map(|(name, secret)| (name.clone(), secret.clone().into())).collect());
    provider.check_secrets(&all).map_err(below("/secrets"))?;
    Ok(secrets)
}
