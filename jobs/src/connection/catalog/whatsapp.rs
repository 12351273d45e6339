//! `whatsapp`: a business phone number at Meta's WhatsApp Cloud API, through which `notification.whatsapp` sends.

use serde_json::json;

use super::{Provider, rate, secret};

/// The provider's name.
pub const NAME: &str = "whatsapp";
/// What opens the number: a system user's token.
pub const ACCESS_TOKEN: &str = "access_token";
/// The app's secret, which signs hooks.
pub const APP_SECRET: &str = "app_secret";
/// What Meta shows when it asks whether a hook is ours (`hub.verify_token`).
pub const VERIFY_TOKEN: &str = "verify_token";

/// Where the WhatsApp Business account's id is configured.
pub const BUSINESS_ACCOUNT_ID: &str = "business_account_id";

pub(super) fn provider() -> Provider {
    Provider {
        name: NAME,
        title: "WhatsApp Cloud API",
        description: "A business phone number at Meta's WhatsApp Cloud API, which sends approved templates and messages of an open session.",
        test: "Reads the phone number (GET /{api_version}/{phone_number_id}). Nothing is sent.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["phone_number_id", BUSINESS_ACCOUNT_ID],
            "properties": {
                "phone_number_id": { "type": "string", "pattern": "^[0-9]{5,20}$",
                    "description": "The phone number's id at Meta, which is not the number." },
                BUSINESS_ACCOUNT_ID: { "type": "string", "pattern": "^[0-9]{5,20}$",
                    "description": "The WhatsApp Business account's id (WABA), whose templates there are." },
                "api_version": { "type": "string", "pattern": "^v[1-9][0-9]{1,2}\\.[0-9]$", "default": "v23.0",
                    "description": "The version of the Graph API." },
                "base_url": { "type": "string", "format": "uri", "pattern": "^https?://[!-~]+$", "maxLength": 2048,
                    "default": "https://graph.facebook.com", "description": "Where the Graph API is." },
                "rate_per_s": rate()
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": [ACCESS_TOKEN],
            "properties": {
                ACCESS_TOKEN: { "type": "string", "writeOnly": true, "minLength": 1, "maxLength": 8192, "pattern": "^[!-~]+$",
                    "description": "A system user's token with whatsapp_business_messaging and whatsapp_business_management." },
                APP_SECRET: secret("The app's secret, by which status reports are verified (X-Hub-Signature-256)."),
                VERIFY_TOKEN: secret("What Meta is to show when the hook is set up there (hub.verify_token).")
            }
        }),
        together: |_, _| None,
    }
}
