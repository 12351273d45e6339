//! `twilio`: an account at Twilio (or whoever speaks its REST API), through which `notification.sms` sends.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Provider, rate, secret, together};
use crate::contract::Violation;

/// The provider's name.
pub const NAME: &str = "twilio";
/// The account's token: it signs hooks, and opens the account where no API key does.
pub const AUTH_TOKEN: &str = "auth_token";
/// The name of an API key.
pub const API_KEY_SID: &str = "api_key_sid";
/// The secret of that API key.
pub const API_KEY_SECRET: &str = "api_key_secret";
/// Who may send: a number as E.164 writes it, a short code, or a name of up to eleven signs with a letter among them.
pub const SENDER: &str = r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 _&+-]{0,9}[A-Za-z0-9])?)$";

pub(super) fn provider() -> Provider {
    Provider {
        name: NAME,
        title: "Twilio",
        description: "An account at Twilio that sends SMS and MMS.",
        test: "Reads the account (GET /2010-04-01/Accounts/{account_sid}.json), which must be active. Nothing is sent.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["account_sid"],
            "properties": {
                "account_sid": { "type": "string", "pattern": "^AC[0-9a-f]{32}$", "description": "The account." },
                "from": { "type": "string", "maxLength": 16, "pattern": SENDER,
                    "description": "Who sends, unless a job says: a number (+…), a short code, or a name where the recipient's country allows it." },
                "messaging_service_sid": { "type": "string", "pattern": "^MG[0-9a-f]{32}$",
                    "description": "The messaging service that picks the sender where neither a job nor from says who." },
                "base_url": { "type": "string", "format": "uri", "pattern": "^https?://[!-~]+$", "maxLength": 2048,
                    "default": "https://api.twilio.com",
                    "description": "Where the API is; https://api.{edge}.{region}.twilio.com for another region." },
                "rate_per_s": rate()
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": [AUTH_TOKEN],
            "properties": {
                AUTH_TOKEN: secret("The account's auth token. Status reports are verified by it; without an API key it also opens the account."),
                API_KEY_SID: { "type": "string", "writeOnly": true, "pattern": "^SK[0-9a-f]{32}$",
                    "description": "An API key, which then opens the account in the auth token's place." },
                API_KEY_SECRET: secret("The secret of that API key.")
            }
        }),
        together: check,
    }
}

fn check(_: &Value, secrets: &BTreeSet<&str>) -> Option<Violation> {
    match (secrets.contains(API_KEY_SID), secrets.contains(API_KEY_SECRET)) {
        (true, false) => together("/secrets/api_key_secret", "is missing: there is an api_key_sid"),
        (false, true) => together("/secrets/api_key_sid", "is missing: there is an api_key_secret"),
        _ => None,
    }
}
