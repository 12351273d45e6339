//! `apns`: the Apple Push Notification service itself, by a key of the developer's team.

use serde_json::json;

use super::{Provider, SECRET_BYTES_MAX, rate, url_or};

/// The provider's name.
pub const NAME: &str = "apns";
/// The key that signs provider tokens.
pub const PRIVATE_KEY: &str = "private_key";
/// Where APNs is, for apps from the store.
pub const BASE_URL: &str = "https://api.push.apple.com";

pub(super) fn provider() -> Provider {
    let id = |what: &str| json!({ "type": "string", "pattern": "^[A-Z0-9]{10}$", "description": what });
    Provider {
        name: NAME,
        title: "Apple Push Notification service",
        description: "Push messages straight to Apple's devices, sent by jobs of the kind notification.push, with token-based authentication.",
        test: "Sends a message to a device token that cannot exist: APNs answers BadDeviceToken where key, team and topic are right.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["team_id", "key_id", "topic"],
            "properties": {
                "team_id": id("The developer's team, of ten characters."),
                "key_id": id("Which of the team's keys it is, of ten characters."),
                "topic": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[A-Za-z0-9.-]+$", "description": "The app's bundle id." },
                "base_url": url_or(BASE_URL, "Where APNs is. Apps that were built for development have tokens of the sandbox: https://api.sandbox.push.apple.com."),
                "ca_pem": { "type": "string", "maxLength": 16_384, "pattern": "^\\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s-]+-----END CERTIFICATE-----\\s*$",
                    "description": "Certificates, as PEM, by one of which whoever answers at base_url is known: for a relay of your own. None for the authorities of the machine." },
                "rate_per_s": rate()
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": [PRIVATE_KEY],
            "properties": {
                PRIVATE_KEY: { "type": "string", "writeOnly": true, "maxLength": SECRET_BYTES_MAX,
                    "pattern": "^\\s*-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\\s]+-----END PRIVATE KEY-----\\s*$",
                    "description": "The key that signs provider tokens (ES256): the .p8 file." }
            }
        }),
        together: |_, _| None,
    }
}
