//! A body that may hold secrets: JSON that is read without ever being repeated. Serde's own errors quote what does not fit, and what
//! does not fit is often a secret in the wrong field.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};
use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response},
};

use super::field;
use crate::{
    Api,
    body::{self, BODY_BYTES_MAX, Json, arrive, check_media_type},
    error::ApiError,
};

/// A JSON object whose fields may be secrets.
pub(crate) struct SensitiveJson(pub(super) Fields);

impl FromRequest<Api> for SensitiveJson {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        check_media_type(request.headers(), None)?;
        let bytes = arrive(request, api, BODY_BYTES_MAX).await?;
        // Whatever JSON it is, a `Value` can be: what is left are errors of syntax, which quote nothing.
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| body::misread(String::new(), &error))?;
        match value {
            Value::Object(fields) => Ok(Self(Fields(fields))),
            _ => Err(field("", "is no object")),
        }
    }
}

impl IntoResponses for SensitiveJson {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        Json::<()>::responses()
    }
}

/// The fields of such an object that nobody has taken yet.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Takes a field out. `null` is one.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Takes out a field that is text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(field(&format!("/{name}"), "is not of type string")),
        }
    }

    /// Takes out a field that is true or false.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(field(&format!("/{name}"), "is not of type boolean")),
        }
    }

    /// Refuses what is left.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(field(&format!("/{}", name.replace('~', "~0").replace('/', "~1")), "is not known here")),
        }
    }
}
