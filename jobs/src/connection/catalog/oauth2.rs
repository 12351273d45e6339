//! `oauth2`: a token endpoint (RFC 6749) whose tokens open some service.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Provider, secret, together, url};
use crate::contract::Violation;

/// The provider's name.
pub const NAME: &str = "oauth2";
/// The client's secret.
pub const CLIENT_SECRET: &str = "client_secret";
/// The refresh token of the grant `refresh_token`.
pub const REFRESH_TOKEN: &str = "refresh_token";

pub(super) fn provider() -> Provider {
    Provider {
        name: NAME,
        title: "OAuth 2.0",
        description: "A token endpoint (RFC 6749) that gives access tokens for client credentials or for a refresh token.",
        test: "Fetches an access token, and throws it away.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["token_url", "client_id"],
            "properties": {
                "token_url": url("The token endpoint."),
                "client_id": { "type": "string", "minLength": 1, "maxLength": 512, "pattern": "^[ -~]+$", "description": "Who asks." },
                "grant": { "type": "string", "enum": ["client_credentials", "refresh_token"], "default": "client_credentials",
                    "description": "What is given for a token." },
                "scopes": { "type": "array", "maxItems": 64, "default": [],
                    "items": { "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!#-\\[\\]-~]+$" },
                    "description": "What the token is to open." },
                "client_auth": { "type": "string", "enum": ["basic", "body"], "default": "basic",
                    "description": "Where the client's secret goes: the Authorization header (RFC 6749 section 2.3.1) or the body." },
                "audience": { "type": "string", "minLength": 1, "maxLength": 2048,
                    "description": "The parameter audience that some providers ask for." }
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                CLIENT_SECRET: secret("The client's secret."),
                REFRESH_TOKEN: secret("The refresh token, for that grant.")
            }
        }),
        together: check,
    }
}

fn check(config: &Value, secrets: &BTreeSet<&str>) -> Option<Violation> {
    let refreshes = config.get("grant").and_then(Value::as_str) == Some("refresh_token");
    match (refreshes, secrets.contains(CLIENT_SECRET), secrets.contains(REFRESH_TOKEN)) {
        // A public client has no secret (RFC 6749 section 2.1), but then it has no credentials of its own either.
        (false, false, _) => together("/secrets/client_secret", "is missing: the grant is client_credentials"),
        (true, _, false) => together("/secrets/refresh_token", "is missing: the grant is refresh_token"),
        (false, _, true) => together("/secrets/refresh_token", "is of no use: the grant is client_credentials"),
        _ => None,
    }
}
