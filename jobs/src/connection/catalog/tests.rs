//! What is refused, where, and that nothing of it is repeated.

use serde_json::{Value, json};

use super::*;

const PLANTED: &str = "planted-8f3a";

fn refused(provider: &str, config: &Value, secrets: &Value) -> Option<String> {
    let provider = super::provider(provider).expect("it is in the catalogue");
    let below = |place: &'static str| move |found: Violation| Violation { pointer: format!("/{place}{}", found.pointer), ..found };
    let names = secrets.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let found = provider.check_config(config).map_err(below("config"));
    let found = found.and_then(|()| provider.check_secrets(secrets).map_err(below("secrets")));
    let found = found.and_then(|()| provider.check_together(config, &names)).err()?;
    assert!(!found.message.contains(PLANTED), "{found:?}");
    Some(found.pointer)
}

#[test]
fn every_refusal_names_its_field_and_repeats_nothing() {
    let url = json!({ "url": "https://example.com/hook" });
    let signing = format!("whsec_{}", "A".repeat(32));
    let account = json!({ "client_email": "a@example.com", "scopes": ["s"] });
    let client = json!({ "token_url": "https://example.com/token", "client_id": "me" });
    let refresh = json!({ "token_url": "https://example.com/token", "client_id": "me", "grant": "refresh_token" });
    let twilio = |more: Value| {
        let mut config = json!({ "account_sid": format!("AC{}", "0".repeat(32)) });
        config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        config
    };
    let with_key = |place: &str, name: &str| json!({ "url": "https://example.com", place: name });
    let pem = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let key = format!("SK{}", "0".repeat(32));
    let number = json!({ "phone_number_id": "106540352242922", "business_account_id": "102290129340398" });
    let cases = [
        ("http", url.clone(), json!({}), None),
        ("http", url.clone(), json!({ "signing_secret": signing }), None),
        ("fcm", json!({ "project_id": "p-1", "client_email": "a@b" }), json!({}), Some("/secrets/private_key")),
        ("fcm", json!({ "project_id": "a/b", "client_email": "a@b" }), json!({}), Some("/config/project_id")),
        ("fcm", json!({ "project_id": "p-1", "client_email": "a@b", "rate_per_s": 0 }), json!({}), Some("/config/rate_per_s")),
        (
            "apns",
            json!({ "team_id": "TEAM567890", "key_id": "KEY4567890", "topic": "a.b" }),
            json!({ "private_key": PLANTED }),
            Some("/secrets/private_key"),
        ),
        ("apns", json!({ "team_id": "team", "key_id": "KEY4567890", "topic": "a.b" }), json!({}), Some("/config/team_id")),
        (
            "apns",
            json!({ "team_id": "TEAM567890", "key_id": "KEY4567890", "topic": "a.b", "ca_pem": PLANTED }),
            json!({}),
            Some("/config/ca_pem"),
        ),
        ("http", json!({}), json!({}), Some("/config/url")),
        ("http", json!({ "url": 7 }), json!({}), Some("/config/url")),
        ("http", json!({ "url": PLANTED }), json!({}), Some("/config/url")),
        ("http", json!({ "url": format!("https://user:{PLANTED}@example.com/") }), json!({}), Some("/config/url")),
        ("http", json!({ "url": format!("https://{PLANTED}@example.com") }), json!({}), Some("/config/url")),
        ("http", json!({ "url": "https:///nothing" }), json!({}), Some("/config/url")),
        ("http", json!({ "url": "https://example.com", "api_key": PLANTED }), json!({}), Some("/config/api_key")),
        ("http", json!({ "url": "https://example.com", "timeout_s": 0 }), json!({}), Some("/config/timeout_s")),
        ("http", json!({ "url": "https://example.com", "method": PLANTED }), json!({}), Some("/config/method")),
        ("http", json!({ "url": "https://example.com", "headers": { "Authorization": PLANTED } }), json!({}), Some("/config/headers")),
        ("http", json!({ "url": "https://example.com", "headers": { "authorization": PLANTED } }), json!({}), Some("/config/headers")),
        ("http", json!({ "url": "https://example.com", "headers": { "X-Good": [PLANTED] } }), json!({}), Some("/config/headers/X-Good")),
        ("http", json!({ "url": "https://example.com", "headers": { "X-Good": "value" } }), json!({}), None),
        ("http", json!(PLANTED), json!({}), Some("/config")),
        ("http", url.clone(), json!(PLANTED), Some("/secrets")),
        ("http", url.clone(), json!({ "signing_secret": PLANTED }), Some("/secrets/signing_secret")),
        ("http", url.clone(), json!({ "signing_secret": [PLANTED] }), Some("/secrets/signing_secret")),
        ("http", url.clone(), json!({ "password": PLANTED }), Some("/secrets/password")),
        ("http", url.clone(), json!({ "bearer_token": format!("two {PLANTED}") }), Some("/secrets/bearer_token")),
        ("http", url.clone(), json!({ "basic_password": PLANTED }), Some("/config/basic_user")),
        ("http", json!({ "url": "https://example.com", "basic_user": "me" }), json!({}), Some("/secrets/basic_password")),
        ("http", json!({ "url": "https://example.com", "basic_user": "me" }), json!({ "basic_password": PLANTED }), None),
        ("http", url.clone(), json!({ "basic_password": PLANTED, "bearer_token": PLANTED }), Some("/secrets/basic_password")),
        ("http", url.clone(), json!({ "api_key": PLANTED }), Some("/config/api_key_header")),
        ("http", with_key("api_key_header", "X-Api-Key"), json!({}), Some("/secrets/api_key")),
        ("http", with_key("api_key_header", "X-Api-Key"), json!({ "api_key": PLANTED, "bearer_token": PLANTED }), None),
        ("http", with_key("api_key_header", "Authorization"), json!({ "api_key": PLANTED }), Some("/config/api_key_header")),
        ("http", with_key("api_key_parameter", "licensekey"), json!({ "api_key": PLANTED }), None),
        ("http", with_key("api_key_parameter", "a&b"), json!({ "api_key": PLANTED }), Some("/config/api_key_parameter")),
        (
            "http",
            json!({ "url": "https://example.com", "api_key_header": "X-Api-Key", "api_key_parameter": "key" }),
            json!({ "api_key": PLANTED }),
            Some("/config/api_key_parameter"),
        ),
        ("http", url.clone(), json!({ "client_certificate_pem": PLANTED }), Some("/secrets/client_certificate_pem")),
        ("http", url.clone(), json!({ "client_certificate_pem": pem("CERTIFICATE") }), Some("/secrets/client_key_pem")),
        ("http", url.clone(), json!({ "client_key_pem": pem("RSA PRIVATE KEY") }), Some("/secrets/client_certificate_pem")),
        ("http", url.clone(), json!({ "client_key_pem": pem("ENCRYPTED PRIVATE KEY") }), Some("/secrets/client_key_pem")),
        ("http", url, json!({ "client_certificate_pem": pem("CERTIFICATE"), "client_key_pem": pem("PRIVATE KEY") }), None),
        (
            "http",
            json!({ "url": "http://example.com" }),
            json!({ "client_certificate_pem": pem("CERTIFICATE"), "client_key_pem": pem("PRIVATE KEY") }),
            Some("/config/url"),
        ),
        ("http", json!({ "url": "https://example.com", "ca_pem": PLANTED }), json!({}), Some("/config/ca_pem")),
        ("oauth2", client.clone(), json!({}), Some("/secrets/client_secret")),
        ("oauth2", client.clone(), json!({ "client_secret": PLANTED }), None),
        ("oauth2", client.clone(), json!({ "client_secret": "" }), Some("/secrets/client_secret")),
        ("oauth2", client, json!({ "client_secret": PLANTED, "refresh_token": PLANTED }), Some("/secrets/refresh_token")),
        ("oauth2", refresh.clone(), json!({ "client_secret": PLANTED }), Some("/secrets/refresh_token")),
        ("oauth2", refresh, json!({ "refresh_token": PLANTED }), None),
        ("oauth2", json!({ "token_url": "https://example.com" }), json!({}), Some("/config/client_id")),
        ("service_account", account.clone(), json!({}), Some("/secrets/private_key")),
        ("service_account", account.clone(), json!({ "private_key": PLANTED }), Some("/secrets/private_key")),
        ("smtp", json!({ "host": "mail.example.com", "from": "Orders <orders@example.com>" }), json!({}), None),
        ("smtp", json!({ "host": "mail.example.com" }), json!({}), Some("/config/from")),
        ("smtp", json!({ "host": format!("{PLANTED}@example.com"), "from": "a@b" }), json!({}), Some("/config/host")),
        ("smtp", json!({ "host": "mail.example.com", "from": PLANTED }), json!({}), Some("/config/from")),
        (
            "smtp",
            json!({ "host": "mail.example.com", "from": "a@b", "reply_to": format!("{PLANTED}\n <a@b>") }),
            json!({}),
            Some("/config/reply_to"),
        ),
        ("smtp", json!({ "host": "mail.example.com", "from": "a@b", "tls": PLANTED }), json!({}), Some("/config/tls")),
        ("smtp", json!({ "host": "mail.example.com", "from": "a@b", "ca_pem": PLANTED }), json!({}), Some("/config/ca_pem")),
        ("smtp", json!({ "host": "mail.example.com", "from": "a@b", "connections_max": 0 }), json!({}), Some("/config/connections_max")),
        ("smtp", json!({ "host": "mail.example.com", "from": "a@b", "user": "me" }), json!({}), Some("/secrets/password")),
        ("smtp", json!({ "host": "mail.example.com", "from": "a@b" }), json!({ "password": PLANTED }), Some("/config/user")),
        ("smtp", json!({ "host": "mail.example.com", "from": "a@b", "user": "me" }), json!({ "password": PLANTED }), None),
        ("service_account", account, json!({ "private_key": "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n" }), None),
        ("service_account", json!({ "client_email": "a@b", "scopes": [] }), json!({}), Some("/config/scopes")),
        ("twilio", twilio(json!({})), json!({ "auth_token": PLANTED }), None),
        ("twilio", twilio(json!({ "from": "+4915112345678", "rate_per_s": 0.5 })), json!({ "auth_token": PLANTED }), None),
        ("twilio", twilio(json!({ "from": "Windrow 7" })), json!({ "auth_token": PLANTED }), None),
        ("twilio", twilio(json!({ "from": "12345" })), json!({ "auth_token": PLANTED }), None),
        ("twilio", twilio(json!({ "from": "123456789" })), json!({ "auth_token": PLANTED }), Some("/config/from")),
        ("twilio", twilio(json!({ "from": "a name too long" })), json!({ "auth_token": PLANTED }), Some("/config/from")),
        ("twilio", twilio(json!({ "rate_per_s": 0 })), json!({ "auth_token": PLANTED }), Some("/config/rate_per_s")),
        ("twilio", json!({ "account_sid": PLANTED }), json!({ "auth_token": PLANTED }), Some("/config/account_sid")),
        ("twilio", twilio(json!({})), json!({}), Some("/secrets/auth_token")),
        ("twilio", twilio(json!({})), json!({ "auth_token": PLANTED, "api_key_sid": key }), Some("/secrets/api_key_secret")),
        ("twilio", twilio(json!({})), json!({ "auth_token": PLANTED, "api_key_secret": PLANTED }), Some("/secrets/api_key_sid")),
        ("twilio", twilio(json!({})), json!({ "auth_token": PLANTED, "api_key_sid": key, "api_key_secret": PLANTED }), None),
        ("whatsapp", number.clone(), json!({ "access_token": PLANTED }), None),
        ("whatsapp", number.clone(), json!({ "access_token": PLANTED, "app_secret": PLANTED, "verify_token": PLANTED }), None),
        ("whatsapp", number.clone(), json!({ "access_token": format!("two {PLANTED}") }), Some("/secrets/access_token")),
        ("whatsapp", number, json!({}), Some("/secrets/access_token")),
        (
            "whatsapp",
            json!({ "phone_number_id": PLANTED, "business_account_id": "102290129340398" }),
            json!({}),
            Some("/config/phone_number_id"),
        ),
    ];
    for (provider, config, secrets, pointer) in cases {
        assert_eq!(refused(provider, &config, &secrets).as_deref(), pointer, "{provider} {config} {secrets}");
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let long = "x".repeat(SECRET_BYTES_MAX + 1);
    let client = json!({ "token_url": "https://example.com/token", "client_id": "me" });
    assert_eq!(refused("oauth2", &client, &json!({ "client_secret": long })).as_deref(), Some("/secrets/client_secret"));
    let wide = "ä".repeat(SECRET_BYTES_MAX / 2 + 1);
    assert_eq!(refused("oauth2", &client, &json!({ "client_secret": wide })).as_deref(), Some("/secrets/client_secret"));
    let headers: serde_json::Map<String, Value> = (0..20).map(|n| (format!("X-{n}"), json!("x".repeat(1_000)))).collect();
    let config = json!({ "url": "https://example.com", "headers": headers });
    assert_eq!(refused("http", &config, &json!({})).as_deref(), Some("/config"));
}

#[test]
fn defaults_fill_what_is_not_said() {
    let http = provider("http").expect("it is in the catalogue");
    let filled = http.with_defaults(json!({ "url": "https://example.com", "method": "PUT" }));
    assert_eq!(filled, json!({ "url": "https://example.com", "method": "PUT", "headers": {}, "timeout_s": 30 }));
    for provider in providers() {
        for (name, schema) in provider.config_schema["properties"].as_object().expect("properties") {
            assert!(schema["description"].is_string(), "{} {name}", provider.name);
        }
    }
}
