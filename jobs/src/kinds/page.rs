//! The page of a kind in `docs/kinds/`, made of its contract: `tests/it/kinds.rs` writes it, compares it, and runs its `curl`. Pure.

use std::fmt::Write;

use serde_json::Value;

use crate::contract::{About, Contract};

/// How deep fields of fields are shown.
const DEPTH_MAX: usize = 3;

/// The page, as Markdown.
pub fn page(contract: &Contract) -> String {
    let mut text = format!("# `{}`\n", contract.kind);
    let _ = writeln!(text, "<!-- Made of the kind's contract by tests/it/kinds.rs: change it there. -->\n");
    if let Some(about) = &contract.about {
        let _ = writeln!(text, "{}\n", about.purpose);
    }
    text.push_str(&policy(contract));
    let _ = writeln!(text, "\n## Payload\n| field | type | | default |\n|---|---|---|---|");
    fields(&mut text, &contract.schema, &contract.schema, "", 1);
    if let Some(about) = &contract.about {
        text.push_str(&example(contract, about));
        text.push_str(&errors(about));
    }
    text
}

fn policy(contract: &Contract) -> String {
    let policy = &contract.policy;
    let seconds = |ms: u32| format!("{} s", f64::from(ms) / 1_000.0);
    format!(
        "| queue | attempts | an attempt takes at most | lease | time between attempts |\n|---|---|---|---|---|\n| `{}` | {} | {} | {} | up to {}, doubling to {} |\n",
        contract.queue,
        policy.max_attempts,
        seconds(policy.timeout_ms),
        seconds(policy.lease_ms),
        seconds(policy.backoff.base_ms),
        seconds(policy.backoff.cap_ms),
    )
}

fn fields(text: &mut String, root: &Value, schema: &Value, above: &str, depth: usize) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let target = resolved(root, field);
        let said = field.get("description").or_else(|| target.get("description")).and_then(Value::as_str).unwrap_or_default();
        let default = match field.get("default") {
            _ if required.contains(&name.as_str()) => "**required**".to_owned(),
            Some(Value::Null) | None => String::new(),
            Some(default) => format!("`{default}`"),
        };
        let _ = writeln!(text, "| `{above}{name}` | {} | {} | {default} |", kind(target), said.replace('\n', " "));
        if depth < DEPTH_MAX {
            fields(text, root, target, &format!("{above}{name}."), depth + 1);
        }
    }
}

/// What a reference, or the choice between something and nothing, leads to.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array)
        && let [one, nothing] = choices.as_slice()
        && nothing["type"] == "null"
    {
        return resolved(root, one);
    }
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn kind(schema: &Value) -> String {
    let constants = |schemas: &Vec<Value>| {
        let named: Vec<String> =
            schemas.iter().filter_map(|one| one.get("const").or_else(|| one.get("enum")?.get(0))).map(Value::to_string).collect();
        (named.len() == schemas.len()).then(|| named.join(", "))
    };
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        return names.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
    }
    if let Some(names) = schema.get("oneOf").and_then(Value::as_array).and_then(constants) {
        return names;
    }
    let base = match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(several) => several.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect::<Vec<_>>().join(" or "),
        _ => "any JSON".to_owned(),
    };
    let bound =
        |least: &str, most: &str, of: &str| match (schema.get(least).and_then(Value::as_f64), schema.get(most).and_then(Value::as_f64)) {
            (Some(least), Some(most)) => format!(" of {least} to {most}{of}"),
            (None, Some(most)) => format!(" of up to {most}{of}"),
            _ => String::new(),
        };
    let bounds = match base.as_str() {
        "string" => bound("minLength", "maxLength", " characters"),
        "array" => bound("minItems", "maxItems", " items"),
        _ => bound("minimum", "maximum", ""),
    };
    base + &bounds
}

fn example(contract: &Contract, about: &About) -> String {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let (made, whose) = match about.payload.get("connection") {
        Some(name) => connection(&contract.kind, name),
        None => (String::new(), ""),
    };
    let before = if made.is_empty() {
        String::new()
    } else {
        format!(
            "curl -s -X POST $url/v1/connections -H \"Authorization: Bearer $key\" -H 'Content-Type: application/json' \\\n  -d '{made}'\n"
        )
    };
    let (before, whose) = match about.payload.get("event") {
        Some(_) => (TOLD.to_owned(), ", and `$endpoint` with the URL of an endpoint of yours"),
        None => (before, whose),
    };
    let (before, whose) = match about.payload.get("sync").and_then(Value::as_str) {
        Some(name) => (SYNCED.replace("NAME", name), ", which is its own source here and may call itself (`outbound.allow_hosts`)"),
        None => (before, whose),
    };
    let submission = serde_json::json!({ "kind": contract.kind, "payload": about.payload }).to_string();
    let submission = match about.payload.get("event").and_then(Value::as_str) {
        Some(event) => submission.replace(event, "'$event'"),
        None => submission,
    };
    format!(
        "\n## Example\nWith `$url` and `$key` of a server{whose}:\n```sh\n{before}curl -s -X POST $url/v1/jobs -H \"Authorization: Bearer $key\" -H 'Content-Type: application/json' -H 'Prefer: wait=30' \\\n  -d '{submission}'\n```\nThe job's `result`:\n```json\n{}\n```\n",
        pretty(&about.result)
    )
}

/// The connection that an example needs, as the shell's text of a request, and what the reader brings for it.
fn connection(kind: &str, name: &Value) -> (String, &'static str) {
    use serde_json::json;
    let (mut made, places, whose): (_, &[(&str, &str)], _) = match kind {
        super::notification_email::KIND => (
            json!({ "provider": "smtp",
                "config": { "host": "MAIL_HOST", "port": "MAIL_PORT", "tls": "none", "from": "Orders <orders@example.com>" } }),
            &[("MAIL_HOST", "'$mail_host'"), ("\"MAIL_PORT\"", "'$mail_port'")],
            ", and `$mail_host` and `$mail_port` of a mail server that, for this example, needs no TLS and is excepted (`outbound.allow_hosts`)",
        ),
        super::notification_push::KIND => (
            json!({ "provider": "fcm", "secrets": { "private_key": "PRIVATE_KEY" },
                "config": { "project_id": "PROJECT_ID", "client_email": "CLIENT_EMAIL", "base_url": "FCM", "token_uri": "TOKEN_URI" } }),
            &[
                ("PRIVATE_KEY", "'\"$private_key\"'"),
                ("PROJECT_ID", "'$project_id'"),
                ("CLIENT_EMAIL", "'$client_email'"),
                ("FCM", "'$fcm'"),
                ("TOKEN_URI", "'$token_uri'"),
            ],
            ", `$project_id`, `$client_email`, `$token_uri` and `$private_key` as the JSON file of your service account has them, and `$fcm` for \
             https://fcm.googleapis.com",
        ),
        super::notification_sms::KIND => (
            json!({ "provider": "twilio", "secrets": { "auth_token": "the-auth-token" },
                "config": { "account_sid": format!("AC{:032}", 0), "from": "+15005550006", "base_url": "ENDPOINT" } }),
            &[("ENDPOINT", "'$endpoint'")],
            ", and `$endpoint` with the URL of something that answers as Twilio does (without `base_url` it is Twilio)",
        ),
        super::notification_whatsapp::KIND | super::notification_whatsapp_templates::KIND => (
            json!({ "provider": "whatsapp", "secrets": { "access_token": "the-access-token" },
                "config": { "phone_number_id": "106540352242922", "business_account_id": "102290129340398", "base_url": "ENDPOINT" } }),
            &[("ENDPOINT", "'$endpoint'")],
            ", and `$endpoint` with the URL of something that answers as Meta does (without `base_url` it is Meta)",
        ),
        super::translation_translate::KIND => (
            json!({ "provider": "deepl", "secrets": { "auth_key": "the-auth-key" }, "config": { "url": "ENDPOINT" } }),
            &[("ENDPOINT", "'$endpoint'")],
            ", and `$endpoint` with the URL of something that answers as DeepL does (without `url` it is DeepL)",
        ),
        _ => (
            json!({ "provider": "http", "config": { "url": "ENDPOINT" } }),
            &[("ENDPOINT", "'$endpoint'")],
            ", and `$endpoint` with the URL of an endpoint of yours",
        ),
    };
    made["name"] = name.clone();
    let made = made.to_string();
    (places.iter().fold(made, |made, (place, variable)| made.replace(place, variable)), whose)
}

/// What a job needs that sees to an event: a connection with a hook, and a call of it, signed by OpenSSL.
const TOLD: &str = r#"api() { curl -s -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
secret=MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
api $url/v1/connections \
  -d '{"name":"told","provider":"http","config":{"url":"https://example.com/"},"secrets":{"signing_secret":"whsec_'$secret'"}}'
hook=$(api $url/v1/connections/told/hook -d '{"forward_url":"'$endpoint'"}' | sed 's/^{"url":"\([^"]*\)".*/\1/')
at=$(date +%s)
hex=$(printf $secret | base64 -d | od -An -tx1 | tr -d ' \n')
signature=$(printf 'msg_1.%s.{}' $at | openssl dgst -sha256 -mac HMAC -macopt hexkey:$hex -binary | base64)
curl -s -H 'webhook-id: msg_1' -H "webhook-timestamp: $at" -H "webhook-signature: v1,$signature" -d '{}' $hook
event=$(api $url/v1/connections/told/hook/events | sed 's/.*"events":\[{"id":"\([^"]*\)".*/\1/')
"#;

/// What a job needs that sees to a sync: a source, which is the server itself, and the sync.
const SYNCED: &str = r#"api() { curl -s -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
api $url/v1/connections \
  -d '{"name":"own-api","provider":"http","config":{"url":"'$url'/v1"},"secrets":{"bearer_token":"'$key'"}}'
api -X PUT $url/v1/syncs/NAME -d '{
  "source":{"http":{"connection":"own-api","list":{"path":"kinds"},"records":"/kinds","key":"/kind"}},
  "mapping":[{"to":"queue","from":"/queue"},{"to":"tries","from":"/policy/max_attempts","type":"integer"}],
  "destination":{"records":{"collection":"NAME"}}}'
"#;

fn errors(about: &About) -> String {
    let mut text =
        String::from("\n## Errors\nBeside those of any job ([errors](../errors.md)):\n\n| code | tried again | meaning |\n|---|---|---|\n");
    if about.errors.is_empty() {
        return String::new();
    }
    for error in &about.errors {
        let _ = writeln!(text, "| `{}` | {} | {} |", error.code, if error.retryable { "yes" } else { "no" }, error.meaning);
    }
    text
}
