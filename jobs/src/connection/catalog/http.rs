//! `http`: an endpoint of the tenant's own, which `http.request` calls with signed bodies.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Provider, SECRET_BYTES_MAX, secret, together, url};
use crate::contract::Violation;

/// The provider's name.
pub const NAME: &str = "http";
/// The secret that signs bodies (Standard Webhooks).
pub const SIGNING_SECRET: &str = "signing_secret";
/// The secret that is sent as `Authorization: Bearer`.
pub const BEARER_TOKEN: &str = "bearer_token";
/// The password of `Authorization: Basic`, whose user is `basic_user` of the configuration.
pub const BASIC_PASSWORD: &str = "basic_password";
/// The key by which an endpoint knows us, where that is no `Authorization`.
pub const API_KEY: &str = "api_key";
/// The header in which [`API_KEY`] is sent.
pub const API_KEY_HEADER: &str = "api_key_header";
/// The parameter of the URL in which it is sent.
pub const API_KEY_PARAMETER: &str = "api_key_parameter";
/// The certificate that is shown to the endpoint (mTLS), and those between it and the authority, as PEM.
pub const CLIENT_CERTIFICATE_PEM: &str = "client_certificate_pem";
/// Its private key.
pub const CLIENT_KEY_PEM: &str = "client_key_pem";
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
        description: "An endpoint of your own that jobs of the kind http.request call, each with a signed body, or an API that syncs read and write.",
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
                    "description": "The user of basic_password." },
                API_KEY_HEADER: { "type": "string", "pattern": HEADER_NAME, "description": "The header in which api_key is sent." },
                API_KEY_PARAMETER: { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._~-]+$",
                    "description": "The parameter of the URL in which api_key is sent, where the endpoint takes it nowhere else." },
                "ca_pem": { "type": "string", "maxLength": 12288,
                    "pattern": "^\\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*)+$",
                    "description": "Certificates of a private authority, as PEM: then only what it has signed is trusted." }
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
                BASIC_PASSWORD: secret("Sent as Authorization: Basic, with basic_user of the configuration."),
                API_KEY: { "type": "string", "writeOnly": true, "minLength": 1, "maxLength": 8192, "pattern": "^[!-~]+$",
                    "description": "The key by which the endpoint knows us, sent where api_key_header or api_key_parameter of the configuration says." },
                CLIENT_CERTIFICATE_PEM: { "type": "string", "writeOnly": true, "maxLength": SECRET_BYTES_MAX,
                    "pattern": "^\\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*)+$",
                    "description": "The certificate that is shown to the endpoint (mTLS), as PEM, and behind it those between it and the authority." },
                CLIENT_KEY_PEM: { "type": "string", "writeOnly": true, "maxLength": SECRET_BYTES_MAX,
                    "pattern": "^\\s*-----BEGIN (RSA |EC )?PRIVATE KEY-----[A-Za-z0-9+/=\\s]+-----END (RSA |EC )?PRIVATE KEY-----\\s*$",
                    "description": "Its private key, as PEM and without a password or any other text: openssl pkcs12 -in machine.p12 -nocerts -nodes | openssl pkey." }
            }
        }),
        together: check,
    }
}

fn check(config: &Value, secrets: &BTreeSet<&str>) -> Option<Violation> {
    let has = |name: &str| config.get(name).is_some();
    check_authorization(has("basic_user"), secrets)
        .or_else(|| check_api_key(has(API_KEY_HEADER), has(API_KEY_PARAMETER), secrets.contains(API_KEY)))
        .or_else(|| check_certificate(config, secrets.contains(CLIENT_CERTIFICATE_PEM), secrets.contains(CLIENT_KEY_PEM)))
}

fn check_authorization(basic_user: bool, secrets: &BTreeSet<&str>) -> Option<Violation> {
    match (secrets.contains(BEARER_TOKEN), secrets.contains(BASIC_PASSWORD), basic_user) {
        (true, true, _) => together("/secrets/basic_password", "a request has one Authorization: give this or bearer_token"),
        (_, true, false) => together("/config/basic_user", "is missing: there is a basic_password"),
        (_, false, true) => together("/secrets/basic_password", "is missing: there is a basic_user"),
        _ => None,
    }
}

fn check_api_key(header: bool, parameter: bool, key: bool) -> Option<Violation> {
    match (header, parameter, key) {
        (true, true, _) => together("/config/api_key_parameter", "the key is sent once: give this or api_key_header"),
        (false, false, true) => together("/config/api_key_header", "is missing, or api_key_parameter: there is an api_key"),
        (true, _, false) | (_, true, false) => together("/secrets/api_key", "is missing: the configuration says where it is sent"),
        _ => None,
    }
}

fn check_certificate(config: &Value, certificate: bool, key: bool) -> Option<Violation> {
    let is_http = config["url"].as_str().is_some_and(|url| url.starts_with("http://"));
    match (certificate, key) {
        (true, false) => together("/secrets/client_key_pem", "is missing: there is a client_certificate_pem"),
        (false, true) => together("/secrets/client_certificate_pem", "is missing: there is a client_key_pem"),
        (true, true) if is_http => together("/config/url", "is no https:// URL, and only there is a certificate shown"),
        _ => None,
    }
}
