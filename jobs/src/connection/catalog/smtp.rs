//! `smtp`: a server that takes e-mail, which `notification.email` gives its messages to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Provider, rate, secret, together};
use crate::{contract::Violation, notification::mailbox::Mailbox};

/// The provider's name.
pub const NAME: &str = "smtp";
/// The password of `user` of the configuration.
pub const PASSWORD: &str = "password";
/// How many connections a worker process has at most, unless set.
pub const CONNECTIONS: u32 = 4;
/// The most that it may be set to.
pub const CONNECTIONS_MAX: u32 = 50;
/// How long giving a message to the server may take, unless set.
pub const SEND_TIMEOUT_S: u32 = 60;
/// The longest that it may be set to.
pub const SEND_TIMEOUT_S_MAX: u32 = 300;

pub(super) fn provider() -> Provider {
    Provider {
        name: NAME,
        title: "SMTP server",
        description: "A server that takes e-mail for the kind notification.email.",
        test: "Connects, with TLS and the password as configured, asks for nothing (NOOP) and leaves (QUIT). No message is sent.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["host", "from"],
            "properties": {
                "host": { "type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[A-Za-z0-9.:_-]+$",
                    "description": "The server's name or address. TLS checks its certificate by it." },
                "port": { "type": "integer", "minimum": 1, "maximum": 65535,
                    "description": "The port; unless set 465 for implicit TLS, 587 for STARTTLS, and 25 without." },
                "tls": { "type": "string", "enum": ["implicit", "starttls", "none"], "default": "implicit",
                    "description": "TLS from the beginning, by the command STARTTLS, without which nothing is sent, or none: only to hosts that the operator excepts (outbound.allow_hosts)." },
                "user": { "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\x00-\\x1f\\x7f]+$",
                    "description": "Whose password is given (AUTH PLAIN or LOGIN)." },
                "ca_pem": { "type": "string", "maxLength": 12288,
                    "pattern": "^\\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*)+$",
                    "description": "Certificates of a private authority, as PEM: then only what it has signed is trusted." },
                "from": { "type": "string", "minLength": 3, "maxLength": 640,
                    "description": "Who sends, unless a job names another: Orders <orders@example.com>." },
                "reply_to": { "type": "string", "minLength": 3, "maxLength": 640,
                    "description": "Where answers go, unless a job names another." },
                "hello_name": { "type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
                    "description": "How we introduce ourselves (EHLO); unless set the domain of from." },
                "connections_max": { "type": "integer", "minimum": 1, "maximum": CONNECTIONS_MAX, "default": CONNECTIONS,
                    "description": "How many connections a worker process has open at most, those that wait for a message included." },
                "send_timeout_s": { "type": "integer", "minimum": 1, "maximum": SEND_TIMEOUT_S_MAX, "default": SEND_TIMEOUT_S,
                    "description": "How long giving a message to the server may take in all, connecting included, in seconds." },
                "rate_per_s": rate()
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": { PASSWORD: secret("The user's password.") }
        }),
        together: check,
    }
}

fn check(config: &Value, secrets: &BTreeSet<&str>) -> Option<Violation> {
    for (name, pointer) in [("from", "/config/from"), ("reply_to", "/config/reply_to")] {
        let wrong = config[name].as_str().and_then(|text| Mailbox::from(text).check().err());
        if let Some(wrong) = wrong {
            return together(pointer, wrong);
        }
    }
    match (secrets.contains(PASSWORD), config.get("user").is_some()) {
        (true, false) => together("/config/user", "is missing: there is a password"),
        (false, true) => together("/secrets/password", "is missing: there is a user"),
        _ => None,
    }
}
