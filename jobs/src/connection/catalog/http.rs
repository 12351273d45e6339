//! `http`: an endpoint of the tenant's own, which `http.request` calls with signed bodies.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Provider, secret, together, url};
use crate::contract::Violation;

/// The provider's name.
pub const NAME: &str = "http";
/// The secret that signs bodies (Standard Webhooks).
pub const SIGNING_SECRET: &str = "signing_secret";
/// The secret that is sent as `Authorization: Bearer`.
pub const BEARER_TOKEN: &str = "bearer_token";
/// The password of `Authorization: Basic`, whose user is `basic_user` of the configuration.
pub const BASIC_PASSWORD: &str = "basic_password";
/// A header that may be set by hand, as a pattern: none that says who is calling, or how the body is framed.
pub const HEADER_NAME: &str = "^(?!(?i:authorization|cookie|host|content-length|connection|transfer-encoding|te|trailer|upgrade|expect|keep-alive|\
                               prefer|proxy-.*|idempotency-key|webhook-.*|windrow-.*)$)[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$";
/// How long the endpoint may take to answer, unless set.
pub const TIMEOUT_S: u32 = 30;
/// The longest that it may be set to.
pub const TIMEOUT_S_MAX: u32 = 300;

pub(super) fn provider() -> Provider {
    Provider {
        name: NAME,
        title: "HTTP endpoint",
        description: "An endpoint of your own that jobs of the kind http.request call, each with a signed body.",
        test: "Sends one request to the URL, signed as a job's would be, with the body {\"type\":\"connection.test\"}. Any 2xx passes.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["url"],
            "properties": {
                "url": url("Where requests go. A job may name a path below it."),
                "method": { "type": "string", "enum": ["POST", "PUT", "PATCH", "GET", "DELETE"], "default": "POST",
                    "description": "The method, unless a job names another." },
                "headers": { "type": "object", "maxProperties": 32, "default": {},
                    "propertyNames": { "pattern": HEADER_NAME },
                    "additionalProperties": { "type": "string", "maxLength": 1024, "pattern": "^[ -~]*$" },
                    "description": "Headers of every request. They are shown to whoever reads the connection: what is secret belongs in secrets." },
                "timeout_s": { "type": "integer", "minimum": 1, "maximum": TIMEOUT_S_MAX, "default": TIMEOUT_S,
                    "description": "How long an answer may take, in seconds." },
                "basic_user": { "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^:]+$",
                    "description": "The user of basic_password." }
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                SIGNING_SECRET: { "type": "string", "writeOnly": true, "pattern": "^whsec_[A-Za-z0-9+/]{32,88}={0,2}( whsec_[A-Za-z0-9+/]{32,88}={0,2}){0,3}$",
                    "description": "Signs each body as Standard Webhooks says: whsec_ and 24 to 64 random bytes in base 64. While it is replaced, both, separated by a space." },
                BEARER_TOKEN: { "type": "string", "writeOnly": true, "minLength": 1, "maxLength": 8192, "pattern": "^[!-~]+$",
                    "description": "Sent as Authorization: Bearer." },
                BASIC_PASSWORD: secret("Sent as Authorization: Basic, with basic_user of the configuration.")
            }
        }),
        together: check,
    }
}

fn check(config: &Value, secrets: &BTreeSet<&str>) -> Option<Violation> {
    let (bearer, basic) = (secrets.contains(BEARER_TOKEN), secrets.contains(BASIC_PASSWORD));
    match (bearer, basic, config.get("basic_user").is_some()) {
        (true, true, _) => together("/secrets/basic_password", "a request has one Authorization: give this or bearer_token"),
        (_, true, false) => together("/config/basic_user", "is missing: there is a basic_password"),
        (_, false, true) => together("/secrets/basic_password", "is missing: there is a basic_user"),
        _ => None,
    }
}
