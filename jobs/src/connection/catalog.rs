//! The catalogue of providers: what a connection to each is configured by, and what its test does. Pure.
//!
//! To add one: a file in `catalog/` as `oauth2.rs` is, its name in [`PROVIDERS`], and its test in
//! `kinds/connection_test/handler.rs`. A provider comes with the first kind that uses it, never before.
//! What is wrong with a configuration or a secret is said without repeating it: people paste secrets into the wrong field.

pub mod apns;
pub mod deepl;
pub mod fcm;
pub mod http;
pub mod oauth2;
pub mod service_account;
pub mod smtp;
pub mod twilio;
pub mod whatsapp;

use std::{collections::BTreeSet, sync::LazyLock};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde::Serialize;
use serde_json::{Value, json};

use crate::contract::Violation;

/// The longest secret, in bytes: a private key of 8,192 bits has some 6,400.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;
/// The largest configuration, in bytes of JSON.
pub const CONFIG_BYTES_MAX: usize = 16 * 1024;

/// The lowest rate of a connection's messages, in a second: one in a hundred seconds.
pub const RATE_PER_S_MIN: f64 = 0.01;
/// The highest.
pub const RATE_PER_S_MAX: f64 = 10_000.0;

/// What is wrong with a configuration beside secrets of these names.
type Together = fn(&Value, &BTreeSet<&str>) -> Option<Violation>;

/// A provider of the catalogue.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provider {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What `POST /v1/connections/{name}/test` does.
    pub test: &'static str,
    /// The JSON Schema (draft 2020-12) of `config`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub config_schema: Value,
    /// The JSON Schema (draft 2020-12) of `secrets`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub secrets_schema: Value,
    /// What the schemas cannot say of both together.
    #[serde(skip)]
    together: Together,
}

struct Compiled {
    provider: Provider,
    config: jsonschema::Validator,
    secrets: jsonschema::Validator,
}

static PROVIDERS: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    let providers = [
        apns::provider(),
        deepl::provider(),
        fcm::provider(),
        http::provider(),
        oauth2::provider(),
        service_account::provider(),
        smtp::provider(),
        twilio::provider(),
        whatsapp::provider(),
    ];
    let compiled = |schema: &Value| jsonschema::validator_for(schema).expect("the schemas of the catalogue compile: a test does it");
    let compile =
        |provider: Provider| Compiled { config: compiled(&provider.config_schema), secrets: compiled(&provider.secrets_schema), provider };
    providers.into_iter().map(compile).collect()
});

/// Every provider, by name.
pub fn providers() -> impl Iterator<Item = &'static Provider> {
    PROVIDERS.iter().map(|compiled| &compiled.provider)
}

/// The provider of this name.
pub fn provider(name: &str) -> Option<&'static Provider> {
    providers().find(|provider| provider.name == name)
}

impl Provider {
    /// What is wrong with a configuration; pointers begin at the configuration.
    pub fn check_config(&self, config: &Value) -> Result<(), Violation> {
        if config.to_string().len() > CONFIG_BYTES_MAX {
            return Err(Violation { pointer: String::new(), message: format!("has more than {CONFIG_BYTES_MAX} bytes") });
        }
        first_of(&self.compiled().config, config)?;
        check_urls(config, &self.config_schema)
    }

    /// What is wrong with secrets; pointers begin at the secrets.
    pub fn check_secrets(&self, secrets: &Value) -> Result<(), Violation> {
        first_of(&self.compiled().secrets, secrets)?;
        for (name, secret) in secrets.as_object().into_iter().flatten() {
            if secret.as_str().is_some_and(|secret| secret.len() > SECRET_BYTES_MAX) {
                return Err(Violation { pointer: pointer("", name), message: format!("has more than {SECRET_BYTES_MAX} bytes") });
            }
        }
        Ok(())
    }

    /// What is wrong with a configuration beside secrets of these names; pointers begin at the connection.
    pub fn check_together(&self, config: &Value, secrets: &BTreeSet<&str>) -> Result<(), Violation> {
        (self.together)(config, secrets).map_or(Ok(()), Err)
    }

    /// The configuration with the schema's defaults where it says nothing.
    #[must_use]
    pub fn with_defaults(&self, mut config: Value) -> Value {
        if let (Some(config), Some(properties)) = (config.as_object_mut(), self.config_schema["properties"].as_object()) {
            for (name, schema) in properties {
                if let Some(default) = schema.get("default").filter(|_| !config.contains_key(name)) {
                    config.insert(name.clone(), default.clone());
                }
            }
        }
        config
    }

    fn compiled(&self) -> &'static Compiled {
        PROVIDERS.iter().find(|compiled| compiled.provider.name == self.name).expect("providers are made here only")
    }
}

/// The first violation, told without the value that is wrong.
pub(crate) fn first_of(validator: &jsonschema::Validator, value: &Value) -> Result<(), Violation> {
    match validator.iter_errors(value).next() {
        None => Ok(()),
        Some(error) => {
            let at = error.instance_path().to_string();
            Err(match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => Violation {
                    pointer: unexpected.first().map_or(at.clone(), |name| pointer(&at, name)),
                    message: "is not known here".into(),
                },
                ValidationErrorKind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    Violation { pointer: pointer(&at, name), message: "is missing".into() }
                }
                kind => Violation { pointer: at, message: said(kind) },
            })
        }
    }
}

/// What is wrong, in words of the schema alone.
fn said(kind: &ValidationErrorKind) -> String {
    match kind {
        ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } => format!("is not of type {wanted}"),
        ValidationErrorKind::Enum { options } => format!("is none of {options}"),
        ValidationErrorKind::MinLength { limit } => format!("is shorter than {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("is longer than {limit} characters"),
        ValidationErrorKind::Minimum { limit } => format!("is less than {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("is not more than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("is more than {limit}"),
        ValidationErrorKind::MaxItems { limit } => format!("has more than {limit} items"),
        ValidationErrorKind::MinItems { limit } => format!("has fewer than {limit} items"),
        ValidationErrorKind::MaxProperties { limit } => format!("has more than {limit} fields"),
        ValidationErrorKind::Pattern { pattern } => format!("does not match {pattern}"),
        ValidationErrorKind::PropertyNames { .. } => "has a field of a name that is not allowed".into(),
        _ => "does not keep to the schema".into(),
    }
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// URLs are checked beyond their schema: a password in one would be kept, and shown, in the clear.
fn check_urls(config: &Value, schema: &Value) -> Result<(), Violation> {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if property["format"] != "uri" {
            continue;
        }
        let Some(url) = config[name].as_str() else { continue };
        let wrong = |message: &str| Err(Violation { pointer: pointer("", name), message: message.into() });
        let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = after_scheme.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if authority.contains('@') {
            return wrong("has a user or password in it: what is secret belongs in secrets");
        }
        if authority.is_empty() || after_scheme.contains('#') {
            return wrong("is no http:// or https:// URL without a fragment");
        }
    }
    Ok(())
}

/// The schema of a URL, with what it is for.
fn url(description: &str) -> Value {
    json!({ "type": "string", "format": "uri", "pattern": "^https?://[!-~]+$", "maxLength": 2048, "description": description })
}

/// The same with one that is meant where none is given.
fn url_or(default: &str, description: &str) -> Value {
    let mut url = url(description);
    url["default"] = default.into();
    url
}

/// The schema of a secret, with what it is for.
fn secret(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": SECRET_BYTES_MAX, "writeOnly": true, "description": description })
}

/// The schema of a rate, to which `Context::turn` keeps.
fn rate() -> Value {
    json!({ "type": "number", "minimum": RATE_PER_S_MIN, "maximum": RATE_PER_S_MAX,
        "description": "The most messages a second, of all workers together. What would have to wait long comes back when it is its turn." })
}

/// A violation that both together make.
fn together(pointer: &str, message: &str) -> Option<Violation> {
    Some(Violation { pointer: pointer.into(), message: message.into() })
}

#[cfg(test)]
mod tests;
