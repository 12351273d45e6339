//! Reads a request's query. What no route asked for is refused by name, never ignored.

use std::{fmt, str::FromStr};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{Api, error::ApiError, openapi};

openapi::gives! {
    Params: QUERY_INVALID;
    NoParams: QUERY_INVALID;
}

/// The parameters of a query that no one has taken yet.
pub(crate) struct Params(Vec<(String, String)>);

impl FromRequestParts<Api> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if params.iter().any(|(known, _)| *known == name) {
                return Err(ApiError::Query(format!("{name:?} is given twice")));
            }
            if value.is_empty() {
                return Err(ApiError::Query(format!("{name:?} is empty")));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }
}

impl Params {
    /// Takes a parameter out.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Takes a parameter out and reads it.
    pub(crate) fn read<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, ApiError> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        read(&text).map(Some).map_err(|message| ApiError::Query(format!("{name}={text:?}: {message}")))
    }

    /// Takes a parameter out and parses it.
    pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        self.read(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// Refuses what is left; `known` names what the route takes.
    pub(crate) fn finish(self, known: &[&str]) -> Result<(), ApiError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) if known.is_empty() => Err(ApiError::Query(format!("{name:?} is not known; this call takes none"))),
            Some((name, _)) => Err(ApiError::Query(format!("{name:?} is not known; there are {}", known.join(", ")))),
        }
    }
}

/// The query of a call that takes none.
pub(crate) struct NoParams;

impl FromRequestParts<Api> for NoParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        Params::from_request_parts(parts, api).await?.finish(&[])?;
        Ok(Self)
    }
}
