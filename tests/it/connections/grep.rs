//! Planted secrets are looked for in everything that a run leaves behind: logs at the level trace, answers, metrics, every byte of the
//! database and of the object store. A value that must be found shows that the looking works.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Column, PgConnection, Row};
use windrow_tests::{
    cluster::{Cluster, Shape},
    endpoint::Endpoint,
    server::{Client, Server},
};

use super::{ALLOW, OLD, change, create, look, make, test};

/// What stands in every planted value, and nowhere else.
const MARK: &str = "Pl4nted";
/// What must be found everywhere that is looked through.
const CONTROL: &str = "c0ntrol-value";

/// Everything that was answered or written somewhere, by where.
type Seen = Vec<(String, Vec<u8>)>;

/// Uses connections in every way there is, and puts secrets into every field there is. Returns what was answered, and what opens the
/// hooks that were made.
async fn run(client: &Client, endpoint: &Endpoint) -> (Seen, Vec<String>) {
    let (mut seen, mut made_up) = (Seen::new(), Vec::new());
    let mut note = |what: &str, body: &Value| seen.push((what.to_owned(), body.to_string().into_bytes()));
    let url = endpoint.url();
    let http = json!({ "url": url, "headers": { "X-Control": CONTROL }, "basic_user": "me" });
    let secrets = json!({ "signing_secret": format!("whsec_{MARK}{}", "A".repeat(33)), "basic_password": format!("basic-{MARK}-of-http") });
    let made = create(client, json!({ "name": "hook", "provider": "http", "config": http, "secrets": secrets })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    note("create http", &made.body);
    let client_secret = format!("client-{MARK}-secret/+ &\"");
    let config = json!({ "token_url": url, "client_id": "me" });
    let made =
        create(client, json!({ "name": "crm", "provider": "oauth2", "config": config, "secrets": { "client_secret": client_secret } }));
    note("create oauth2", &made.await.body);
    let refresh = json!({ "token_url": url, "client_id": "me", "grant": "refresh_token", "client_auth": "body" });
    let secrets = json!({ "client_secret": client_secret, "refresh_token": format!("refresh-{MARK}") });
    let made = create(client, json!({ "name": "sync", "provider": "oauth2", "config": refresh, "secrets": secrets })).await;
    note("create refresh", &made.body);

    // Where people put secrets by mistake.
    let wrong = format!("wrong-{MARK}");
    let cases = [
        json!({ "name": "w", "provider": "http", "config": { "url": format!("https://me:{wrong}@example.com") } }),
        json!({ "name": "w", "provider": "http", "config": { "url": url, "token": wrong } }),
        json!({ "name": "w", "provider": "http", "config": { "url": url, "timeout_s": wrong } }),
        json!({ "name": "w", "provider": "http", "config": wrong }),
        json!({ "name": "w", "provider": "http", "config": { "url": url }, "secrets": wrong }),
        json!({ "name": "w", "provider": "http", "config": { "url": url }, "secrets": { "bearer_token": { "a": wrong } } }),
        json!({ "name": "w", "provider": "http", "config": { "url": url }, "secrets": { "signing_secret": wrong } }),
        json!({ "name": "w", "provider": "http", "config": { "url": url }, "api_key": wrong }),
        json!({ "name": "w", "provider": wrong }),
        json!({ "name": [wrong], "provider": "http" }),
        json!([wrong]),
    ];
    for case in cases {
        let refused = create(client, case).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        note("refused", &refused.body);
    }
    for patch in [json!({ "secrets": { "basic_password": [wrong] } }), json!({ "secrets": { "x": wrong } }), json!({ "disabled": wrong })] {
        let refused = change(client, "hook", patch).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        note("refused patch", &refused.body);
    }

    // What a provider answers, good and bad: it repeats what it was sent.
    endpoint.answer(200, format!(r#"{{"access_token":"token-{MARK}","expires_in":3600,"refresh_token":"rotated-{MARK}"}}"#));
    for name in ["hook", "crm", "sync"] {
        let job = test(client, name).await;
        assert_eq!(job["state"], "completed", "{job}");
        note("tested", &job);
    }
    let encoded = "client-Pl4nted-secret%2F%2B+%26%22";
    for status in [400, 401, 403, 503] {
        // Each is repeated its own.
        for (name, own) in [("hook", "nothing"), ("crm", "nothing"), ("sync", "rotated-Pl4nted")] {
            let echoed = format!("{client_secret} is wrong, {encoded} and {own} too");
            endpoint.answer(status, json!({ "error": "invalid_client", "error_description": echoed }).to_string());
            let job = test(client, name).await;
            assert_eq!(job["state"], "dead", "{job}");
            note("refused by the provider", &job);
            note("attempts", &json!(client.attempts(&job).await));
            note("logs", &json!(client.logs(&job).await));
            note("how it stands", &look(client, name).await);
        }
    }
    // What an endpoint repeats to a job: what it was sent, as it was sent.
    let made = create(client, json!({ "name": "plain", "provider": "http", "config": { "url": url } })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    for status in [200, 400, 401, 403, 500] {
        for (payload, own) in [
            (json!({ "connection": "hook" }), "basic-Pl4nted-of-http, Basic bWU6YmFzaWMtUGw0bnRlZC1vZi1odHRw".to_owned()),
            (json!({ "connection": "plain", "token_connection": "crm" }), format!("Bearer token-{MARK}, {client_secret}, {encoded}")),
        ] {
            endpoint.answer(200, format!(r#"{{"access_token":"token-{MARK}","expires_in":3600}}"#));
            for name in ["hook", "crm", "plain"] {
                assert_eq!(test(client, name).await["state"], "completed", "{name} is open again");
            }
            endpoint.answer(status, json!({ "authorization": own, "padding": "x".repeat(900), "again": own }).to_string());
            let job = client.submit(json!({ "kind": "http.request", "payload": payload, "max_attempts": 1 })).await;
            let job = client.wait(&job).await;
            assert_eq!(job["state"], if status == 200 { "completed" } else { "dead" }, "{status}: {job}");
            note("repeated to a job", &job);
            note("its attempts", &json!(client.attempts(&job).await));
            note("its effects", &client.read(&format!("/v1/jobs/{}/effects", job["id"].as_str().expect("an id"))).await);
            note("how they stand", &client.read("/v1/connections").await);
        }
    }
    // No JSON at all, cut off, and in the head.
    for body in [format!("<html>{client_secret}"), format!(r#"{{"access_token":"{client_secret}"#)] {
        endpoint.answer(200, body);
        note("no JSON", &test(client, "crm").await);
    }
    // What verifies hooks, good calls and bad ones, and a challenge whose query has the secret.
    let sms = json!({ "account_sid": format!("AC{}", "0".repeat(32)), "base_url": url, "from": "Windrow" });
    let made =
        create(client, json!({ "name": "sms", "provider": "twilio", "config": sms, "secrets": { "auth_token": format!("auth-{MARK}") } }));
    note("create twilio", &made.await.body);
    let wa = json!({ "phone_number_id": "106540352242922", "business_account_id": "102290129340398", "base_url": url });
    let verify = format!("verify-{MARK}");
    let secrets = json!({ "access_token": format!("access-{MARK}"), "app_secret": format!("app-{MARK}"), "verify_token": verify });
    note("create whatsapp", &create(client, json!({ "name": "wa", "provider": "whatsapp", "config": wa, "secrets": secrets })).await.body);
    let mut callback = String::new();
    for name in ["hook", "sms", "wa"] {
        let made = client.send(Method::POST, &format!("/v1/connections/{name}/hook"), &[], Some(json!({ "forward_url": url }))).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let path = made.body["url"].as_str().and_then(|url| url.find("/v1/hooks/").map(|at| url[at..].to_owned())).expect("a URL");
        // They are told this once.
        let (token, secret) = (path.trim_start_matches("/v1/hooks/"), made.body["forward_secret"].as_str().expect("a secret"));
        made_up.extend([token.to_owned(), secret.trim_start_matches("whsec_").to_owned()]);
        note("a hook", &made.body["hook"]);
        if name == "sms" {
            callback = made.body["url"].as_str().expect("a URL").to_owned();
        }
        let headers = [("x-twilio-signature", "AAAA"), ("x-hub-signature-256", "sha256=00"), ("webhook-signature", "v1,AAAA")];
        let refused = client.send(Method::POST, &path, &headers, Some(json!({ "of": "a stranger" }))).await;
        assert_eq!(refused.status, 401, "{}", refused.body);
        note("a stranger's call", &refused.body);
        if name == "wa" {
            for token in [verify.clone(), format!("not-{verify}")] {
                let challenge = format!("{path}?hub.mode=subscribe&hub.challenge=7&hub.verify_token={token}");
                let status = client.send(Method::GET, &challenge, &[], None).await.status;
                assert_eq!(status, if token == verify { 200 } else { 403 });
            }
        }
        note("how it stands", &client.read(&format!("/v1/connections/{name}/hook")).await);
        note("what it was told", &client.read(&format!("/v1/connections/{name}/hook/events")).await);
    }
    // What Twilio and Meta repeat, whole, in the middle of a long page, and where they say what a message is called: each what it was sent.
    let (auth, access) = (format!("auth-{MARK}"), format!("access-{MARK}"));
    let encoded = reqwest::Url::parse_with_params("http://a", [("", &callback)]).expect("a URL");
    // A worker that does not know where the api is sends no hook, and hides none.
    let payload = json!({ "connection": "sms", "to": "+4915112345678", "text": "hello" });
    endpoint.answer(201, json!({ "sid": "SM1", "status": "queued" }).to_string());
    client.wait(&client.submit(json!({ "kind": "notification.sms", "payload": payload })).await).await;
    let is_sent = endpoint.seen().iter().any(|received| received.body.contains("StatusCallback"));
    let of_sms =
        if is_sent { (format!("{auth}, {callback}, {encoded}"), vec![auth.clone(), callback]) } else { (auth.clone(), vec![auth.clone()]) };
    let of_wa = (access.clone(), vec![access.clone()]);
    let jobs = [
        ("sms", "notification.sms", &auth, &of_sms, payload),
        ("wa", "notification.whatsapp", &access, &of_wa, json!({ "connection": "wa", "to": "+4915112345678", "text": "hello" })),
        ("wa", "notification.whatsapp_templates", &access, &of_wa, json!({ "connection": "wa" })),
    ];
    for (name, kind, own, (echoed, secrets), payload) in jobs {
        let open = json!({ "status": "active", "friendly_name": own, "display_phone_number": own, "verified_name": own });
        let taken = json!({ "sid": echoed, "status": echoed, "messages": [{ "id": echoed, "message_status": echoed }] }).to_string();
        let told = json!({ "code": 20003, "message": echoed, "error": { "code": 190, "message": echoed } }).to_string();
        // The first 512 bytes are told: each secret lies across their end once.
        let pages = secrets.iter().map(|secret| (500, format!("{}{secret}</html>", "x".repeat(516 - secret.len()))));
        let answers = [(201, taken), (401, told.clone()), (400, told.clone()), (500, told)];
        for (status, body) in answers.into_iter().chain(pages) {
            endpoint.answer(200, open.to_string());
            let job = test(client, name).await;
            assert_eq!(job["state"], "completed", "{name} is open again: {job}");
            note("tested", &job);
            endpoint.answer(status, body.clone());
            let job = client.submit(json!({ "kind": kind, "payload": payload, "max_attempts": 1 })).await;
            let job = client.wait(&job).await;
            let done = status == 201 && kind != "notification.whatsapp_templates";
            assert_eq!(job["state"], if done { "completed" } else { "dead" }, "{status}: {job}");
            assert!(job.to_string().contains("(hidden)") || !body.contains('{'), "{status}: it was repeated: {job}");
            note("repeated to a message", &job);
            let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
            note("its attempts", &json!(client.attempts(&job).await));
            note("its effects", &client.read(&format!("{path}/effects")).await);
            note("its deliveries", &client.read(&format!("{path}/deliveries")).await);
            note("how they stand", &client.read("/v1/connections").await);
        }
    }
    let edited = change(client, "hook", json!({ "secrets": { "basic_password": format!("second-{MARK}") } })).await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    note("edited", &edited.body);
    note("listed", &client.read("/v1/connections").await);
    note("jobs", &client.read("/v1/jobs?page_size=1000").await);
    note("catalogue", &client.read("/v1/providers").await);
    note("status", &client.read("/status").await);
    let gone = client.send(Method::DELETE, "/v1/connections/sync", &[], None).await;
    assert_eq!(gone.status, 204);
    seen.push(("/metrics".into(), client.text("/metrics").await.into_bytes()));
    (seen, made_up)
}

/// Whether these bytes have the text, as it is, in hexadecimal or in base 64.
fn has(bytes: &[u8], text: &str) -> bool {
    let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let found = |needle: &str| bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
    found(text) || found(&hexadecimal) || in_base64(bytes, text)
}

/// In base 64 a text looks one of three ways, by where it begins.
fn in_base64(bytes: &[u8], text: &str) -> bool {
    let digits: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
    (0..3_usize).any(|before| {
        let mut padded = vec![0; before];
        padded.extend(text.bytes());
        padded.truncate(padded.len() / 3 * 3);
        let encoded: Vec<u8> = padded
            .chunks(3)
            .flat_map(|group| {
                let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
                [18, 12, 6, 0].map(|shift| digits[(bits >> shift) as usize & 63])
            })
            .collect();
        // The first digits depend on what stands before.
        let needle = &encoded[[0, 2, 3][before]..];
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

fn files(folder: &Path, seen: &mut Seen) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, seen);
        } else if let Ok(bytes) = fs::read(&path) {
            seen.push((path.display().to_string(), bytes));
        }
    }
}

fn check(seen: &Seen, made_up: &[String]) {
    assert_eq!(made_up.len(), 6, "each of three hooks has a token and a secret");
    for (what, bytes) in seen {
        let text = String::from_utf8_lossy(bytes);
        // Half of one is too much.
        let shown = made_up.iter().find(|secret| text.contains(&secret[..secret.len() / 2]));
        assert_eq!(shown, None, "what opens a hook is in {what}");
        if has(bytes, MARK) {
            let at = text.find(MARK).unwrap_or(0);
            let (from, until) = (text.floor_char_boundary(at.saturating_sub(300)), text.ceil_char_boundary((at + 300).min(text.len())));
            panic!("a secret is in {what}: …{}…", &text[from..until]);
        }
    }
}

#[test]
fn the_looking_finds_every_form() {
    let shown = |bytes: &str| has(bytes.as_bytes(), MARK);
    assert!(shown("a Pl4nted one") && shown("506c346e746564") && shown("506C346E746564"));
    // `printf 'xPl4nted' | base64` with none, one and two bytes before.
    assert!(shown("UGw0bnRlZA==") && shown("eFBsNG50ZWQ=") && shown("eHhQbDRudGVk"));
    assert!(!shown("nothing of the kind") && !shown("UGw0bn"));
}

#[tokio::test]
async fn a_standalone_server_leaves_no_secret_anywhere() {
    let endpoint = Endpoint::start(200, "{}").await;
    let server = Server::start_with(&[ALLOW, ("WINDROW_LOG", "trace")]).await;
    let (mut seen, made_up) = run(&server, &endpoint).await;
    // The endpoint was really sent them.
    let sent = endpoint.seen();
    assert!(sent.iter().any(|received| received.body.contains(MARK)), "the secrets were used");
    files(server.home(), &mut seen);
    for place in ["windrow.db", "windrow.log"] {
        assert!(seen.iter().any(|(what, _)| what.contains(place)), "{place} was not looked at");
    }
    let control: Vec<&str> = seen.iter().filter(|(_, bytes)| has(bytes, CONTROL)).map(|(what, _)| what.as_str()).collect();
    assert!(control.iter().any(|what| what.contains("windrow.db")), "the looking works: {control:?}");
    let log = server.log();
    assert!(log.contains("TRACE") || log.contains("\"trace\""), "the log is at trace");
    check(&seen, &made_up);
}

#[tokio::test]
async fn a_cluster_leaves_no_secret_anywhere() {
    let endpoint = Endpoint::start(200, "{}").await;
    let variables = [ALLOW, ("WINDROW_LOG", "trace"), ("WINDROW_MASTER_KEY", OLD)];
    let shape = Shape { apis: 1, workers: 1, schedulers: 1, redis: true, proxied: false, variables: &variables };
    let cluster = Cluster::of(shape).await;
    let (mut seen, made_up) = run(&cluster, &endpoint).await;
    assert_eq!(make(&cluster, "after", &endpoint.url()).await.status, 201);
    seen.push(("the logs".into(), cluster.process_logs().into_bytes()));
    seen.extend(dump(&mut cluster.database().await).await);
    let control = seen.iter().any(|(what, bytes)| what == "table connections" && has(bytes, CONTROL));
    assert!(control, "the looking works");
    check(&seen, &made_up);
}

/// Every row of every table, as text.
async fn dump(database: &mut PgConnection) -> Seen {
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        .fetch_all(&mut *database)
        .await
        .expect("the tables");
    assert!(tables.len() > 15, "{tables:?}");
    let mut seen = Seen::new();
    for table in tables {
        let select = format!("SELECT row_to_json(one)::text AS row FROM {table} AS one");
        let rows = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_all(&mut *database).await.expect("the rows");
        let text: String = rows.iter().map(|row| row.get::<String, _>(row.column(0).name())).collect::<Vec<_>>().join("\n");
        seen.push((format!("table {table}"), text.into_bytes()));
    }
    seen
}
