//! `fcm`: Firebase Cloud Messaging, by a service account of the project.

use serde_json::json;

use super::{Provider, rate, service_account, url_or};

/// The provider's name.
pub const NAME: &str = "fcm";
/// The key that signs for the service account.
pub const PRIVATE_KEY: &str = service_account::PRIVATE_KEY;

pub(super) fn provider() -> Provider {
    let like_any_account = service_account::provider();
    let account = |name: &str| like_any_account.config_schema["properties"][name].clone();
    Provider {
        name: NAME,
        title: "Firebase Cloud Messaging",
        description: "Push messages by FCM's HTTP v1 API, sent by jobs of the kind notification.push. What is asked for is in the JSON file of a \
                      key of the project's service account.",
        test: "Fetches an access token, and has FCM check a message to a topic without delivering it.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["project_id", "client_email"],
            "properties": {
                "project_id": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[a-z0-9:.-]+$", "description": "The project." },
                "client_email": account("client_email"),
                "token_uri": account("token_uri"),
                "private_key_id": account("private_key_id"),
                "base_url": url_or(::fcm::BASE_URL, "Where FCM is."),
                "rate_per_s": rate()
            }
        }),
        secrets_schema: like_any_account.secrets_schema,
        together: |_, _| None,
    }
}
