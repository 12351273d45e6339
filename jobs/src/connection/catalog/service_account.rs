//! `service_account`: tokens for a signed assertion (RFC 7523), as Google's service accounts have them.

use serde_json::json;

use super::Provider;

/// The provider's name.
pub const NAME: &str = "service_account";
/// The key that signs assertions.
pub const PRIVATE_KEY: &str = "private_key";

pub(super) fn provider() -> Provider {
    Provider {
        name: NAME,
        title: "Service account",
        description: "A token endpoint that gives access tokens for an assertion (RFC 7523) signed by an RSA key, as Google's do.",
        test: "Signs an assertion and fetches an access token for it, which it throws away.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["client_email", "scopes"],
            "properties": {
                "token_uri": {
                    "type": "string", "format": "uri", "pattern": "^https?://[!-~]+$", "maxLength": 2048,
                    "default": "https://oauth2.googleapis.com/token", "description": "The token endpoint." },
                "client_email": { "type": "string", "minLength": 1, "maxLength": 320, "pattern": "^[!-~]+$",
                    "description": "Who asks: the assertion's iss." },
                "subject": { "type": "string", "minLength": 1, "maxLength": 320, "pattern": "^[!-~]+$",
                    "description": "For whom, where the account may act for others: the assertion's sub." },
                "scopes": { "type": "array", "minItems": 1, "maxItems": 64,
                    "items": { "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!#-\\[\\]-~]+$" },
                    "description": "What the token is to open." },
                "private_key_id": { "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$",
                    "description": "Which of the account's keys signs: the assertion's kid." }
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": [PRIVATE_KEY],
            "properties": {
                PRIVATE_KEY: { "type": "string", "writeOnly": true, "maxLength": super::SECRET_BYTES_MAX,
                    "pattern": "^\\s*-----BEGIN (RSA )?PRIVATE KEY-----[A-Za-z0-9+/=\\s]+-----END (RSA )?PRIVATE KEY-----\\s*$",
                    "description": "The RSA key that signs assertions (RS256), as PEM." }
            }
        }),
        together: |_, _| None,
    }
}
