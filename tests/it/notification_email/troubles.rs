//! A mail server that says no, is silent or goes away, at every place of a conversation; and what is refused before it is a job.

use std::{fs, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use windrow_tests::{
    mail::{MailServer, PASSWORD},
    server::Server,
};

use super::{connect, effects, email, sent, serve};

/// What came of a single attempt.
async fn tried(server: &Server, changes: Value) -> Value {
    let mut submission = email(changes);
    submission["max_attempts"] = json!(1);
    let job = server.submit(submission).await;
    server.wait(&job).await
}

#[tokio::test]
async fn every_no_is_told_apart_at_every_place() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({ "send_timeout_s": 1, "connections_max": 1 })).await;
    let cases = [
        ("connect", "421 4.3.2 not now", "server_busy", true),
        ("connect", "554 5.7.1 not you", "server_busy", true),
        ("connect", "stall", "answer_late", true),
        ("connect", "drop", "connection_broken", true),
        ("connect", "hello there", "connection_broken", true),
        ("EHLO", "451 4.3.0 later", "server_busy", true),
        ("EHLO", "stall", "answer_late", true),
        ("EHLO", "drop", "connection_broken", true),
        ("MAIL", "451 4.3.0 later", "server_busy", true),
        ("MAIL", "550 5.7.1 not from you", "message_refused", false),
        ("MAIL", "stall", "answer_late", true),
        ("MAIL", "drop", "connection_broken", true),
        ("RCPT", "450 4.2.1 greylisted", "recipients_deferred", true),
        ("RCPT", "550 5.1.1 no such user", "recipients_refused", false),
        ("RCPT", "421 4.3.2 closing", "server_busy", true),
        ("RCPT", "stall", "answer_late", true),
        ("RCPT", "drop", "connection_broken", true),
        ("DATA", "451 4.3.0 later", "server_busy", true),
        ("DATA", "554 5.6.0 no", "message_refused", false),
        ("DATA", "stall", "answer_late", true),
        ("DATA", "drop", "connection_broken", true),
        ("message", "452 4.2.2 full", "server_busy", true),
        ("message", "552 5.3.4 too large", "message_refused", false),
        ("message", "take, then stall", "answer_lost", true),
        ("message", "take, then drop", "answer_lost", true),
    ];
    for (at, order, code, retryable) in cases {
        // A connection that is kept would be given another chance.
        let times = if matches!(order, "drop") || order.starts_with("421") { 2 } else { 1 };
        let script: Vec<Value> = if at == "connect" || at == "EHLO" {
            // What is open stays so: it is asked for another conversation.
            vec![
                json!({ "at": "NOOP", "do": "drop" }),
                json!({ "at": "MAIL", "do": "drop", "times": 1 }),
                json!({ "at": at, "do": order, "times": times }),
            ]
        } else {
            vec![json!({ "at": at, "do": order, "times": times })]
        };
        mail.script(json!(script)).await;
        let before = mail.counts().await["taken"].as_u64();
        let job = tried(&server, json!({})).await;
        mail.script(json!([])).await;
        assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!(code)), "{at} {order}: {job}");
        assert_eq!(job["error"]["retryable"], retryable, "{at} {order}: {job}");
        let words = order.split_once(' ').map_or("", |(_, words)| words);
        if order.as_bytes()[0].is_ascii_digit() {
            assert!(job["error"]["message"].as_str().is_some_and(|message| message.contains(words)), "{at} {order}: {job}");
        }
        let lost = code == "answer_lost";
        assert_eq!(mail.counts().await["taken"].as_u64(), before.map(|before| before + u64::from(lost)), "{at} {order}");
        let kept = effects(&server, &job).await;
        let state = kept.first().map(|effect| effect["state"].clone());
        let begun = at == "connect" || at == "EHLO";
        let expected = if lost { json!("intended") } else { json!("withdrawn") };
        assert!(begun && state.is_none() || state == Some(expected.clone()), "{at} {order}: {kept:?}");
        // Whatever happened, the next message goes.
        sent(&server, json!({ "subject": format!("after {at} {order}") })).await;
    }
    assert_eq!(mail.counts().await["most"], 1, "never more connections than allowed");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_arrives_once() {
    let (server, mail) = (serve().await, MailServer::start("starttls").await);
    connect(&server, "mail", &mail, json!({})).await;
    let script = json!([{ "at": "MAIL", "do": "451 4.3.0 later" }, { "at": "DATA", "do": "drop" }]);
    mail.script(script).await;
    let job = server.submit(email(json!({}))).await;
    let job = server.wait(&job).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("completed"), &json!(3)), "{job}");
    assert_eq!(mail.taken().await.into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn some_recipients_are_refused_and_some_come_later() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({})).await;
    mail.script(json!([
        { "at": "RCPT", "to": "no@example.com", "do": "550 5.1.1 no such user" },
        { "at": "RCPT", "to": "later@example.com", "do": "450 4.2.1 greylisted" },
        { "at": "RCPT", "to": "never@example.com", "do": "450 4.2.1 greylisted" },
        { "at": "RCPT", "to": "never@example.com", "do": "550 5.1.1 no more" }
    ]))
    .await;
    let to = ["yes@example.com", "no@example.com", "later@example.com", "never@example.com"];
    let job = sent(&server, json!({ "to": to })).await;
    assert_eq!(job["result"]["accepted"], json!(["yes@example.com", "later@example.com"]), "{job}");
    let refused = json!([
        { "address": "no@example.com", "answer": "550 5.1.1 no such user" },
        { "address": "never@example.com", "answer": "550 5.1.1 no more" }
    ]);
    assert_eq!(job["result"]["refused"], refused);
    let messages = mail.messages().await;
    let recipients: Vec<&Value> = messages.iter().map(|message| &message["recipients"]).collect();
    assert_eq!(recipients, [&json!(["yes@example.com"]), &json!(["later@example.com"])]);
    assert_eq!((&messages[0]["message_id"], &messages[0]["date"]), (&messages[1]["message_id"], &messages[1]["date"]), "one message");
}

#[tokio::test]
async fn what_a_hundred_recipients_are_answered_at_length_is_kept_and_those_left_are_tried_again() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({})).await;
    mail.script(json!([{ "at": "RCPT", "do": format!("450 4.2.1 {}", "ü".repeat(480)), "times": 99 }])).await;
    let bcc: Vec<String> = (0..100).map(|n| format!("a{n}@example.com")).collect();
    let job = sent(&server, json!({ "to": null, "bcc": bcc })).await;
    assert_eq!(job["result"]["accepted"].as_array().map(Vec::len), Some(100), "{job}");
    let recipients: Vec<usize> = mail.messages().await.iter().filter_map(|one| Some(one["recipients"].as_array()?.len())).collect();
    assert_eq!(recipients, [1, 99]);
}

#[tokio::test]
async fn what_nobody_knows_follows_the_policy_and_is_shown() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({ "send_timeout_s": 2 })).await;
    for (policy, state, standing, times) in
        [("resend", "completed", "confirmed", 2), ("drop", "completed", "dropped", 1), ("park", "dead", "parked", 1)]
    {
        mail.script(json!([{ "at": "message", "do": "take, then drop" }])).await;
        let job = server.submit(email(json!({ "when_unknown": policy }))).await;
        let job = server.wait(&job).await;
        assert_eq!(job["state"], state, "{policy} {job}");
        let [effect] = effects(&server, &job).await.try_into().expect("one effect");
        assert_eq!((&effect["state"], &effect["unknowns"]), (&json!(standing), &json!(1)), "{policy} {effect}");
        let key = format!("{}.send", job["id"].as_str().expect("an id"));
        assert_eq!(mail.taken().await[&key], times, "{policy}");
        let same: Vec<Value> =
            mail.messages().await.into_iter().filter(|one| one["message_id"].as_str().is_some_and(|id| id.contains(&key))).collect();
        assert!(same.iter().all(|one| one["raw"] == same[0]["raw"]), "byte for byte the same");
        if policy == "drop" {
            assert_eq!((&job["result"]["accepted"], &job["result"]["answer"]), (&json!([]), &Value::Null), "{job}");
        }
        if policy == "park" {
            assert_eq!(job["error"]["code"], "effect_parked");
        }
    }
}

#[tokio::test]
async fn a_password_that_is_refused_puts_the_connection_into_error_and_is_told_to_nobody() {
    let (server, mail) = (serve().await, MailServer::start("implicit").await);
    let mut connection = mail.connection();
    connection["name"] = json!("mail");
    connection["secrets"]["password"] = json!("planted-wrong-password-77");
    assert_eq!(server.send(Method::POST, "/v1/connections", &[], Some(connection)).await.status, 201);
    let job = tried(&server, json!({})).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("connection_refused")), "{job}");
    let message = job["error"]["message"].as_str().expect("a message");
    assert!(message.contains("535") && message.contains("(hidden)"), "{message}");
    let standing = server.read("/v1/connections/mail").await;
    assert_eq!(standing["state"], "error", "{standing}");
    for text in [job.to_string(), standing.to_string(), server.log()] {
        assert!(!text.contains("planted-wrong-password-77"), "{text}");
    }
    let parked = tried(&server, json!({})).await;
    assert_eq!(parked["error"]["code"], "connection_closed", "{parked}");
    let test = server.post("/v1/connections/mail/test").await;
    assert_eq!(server.wait(&test.body).await["error"]["code"], "connection_refused");
    let mended = json!({ "secrets": { "password": PASSWORD } });
    let edited = server.send(Method::PATCH, "/v1/connections/mail", &[], Some(mended)).await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    sent(&server, json!({})).await;
    assert_eq!(server.read("/v1/connections/mail").await["state"], "active");
}

#[tokio::test]
async fn nothing_is_sent_where_tls_is_not_as_it_should_be() {
    let server = serve().await;
    let (mail, other, plain) = (MailServer::start("starttls").await, MailServer::start("implicit").await, MailServer::start("none").await);
    // Another authority's certificate, another name's, no TLS where it is asked for, and none where nobody has excepted the host.
    connect(&server, "stranger", &mail, json!({ "ca_pem": other.ca_pem })).await;
    connect(&server, "plain", &plain, json!({ "tls": "starttls" })).await;
    connect(&server, "elsewhere", &plain, json!({ "host": "localhost" })).await;
    for (name, code, says) in
        [("stranger", "unreachable", "certificate"), ("plain", "unreachable", "STARTTLS"), ("elsewhere", "address_forbidden", "TLS")]
    {
        let job = tried(&server, json!({ "connection": name })).await;
        assert_eq!(job["error"]["code"], code, "{name} {job}");
        assert!(job["error"]["message"].as_str().is_some_and(|message| message.contains(says)), "{name} {job}");
    }
    for server in [&mail, &plain] {
        assert_eq!(server.counts().await["taken"], 0);
        let said = server.counts().await["said"].to_string();
        assert!(!said.contains("AUTH"), "{said}");
    }
    // What somebody in between says behind the answer to STARTTLS is not taken for the server's.
    let injecting = injecting().await;
    connect(&server, "injected", &mail, json!({ "port": injecting })).await;
    let job = tried(&server, json!({ "connection": "injected" })).await;
    assert!(job["error"]["message"].as_str().is_some_and(|message| message.contains("slipped in")), "{job}");
}

/// A server that says more than it should behind its answer to STARTTLS.
async fn injecting() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1_024];
            for answer in ["220 mail.test\r\n", "250-mail.test\r\n250 STARTTLS\r\n", "220 go ahead\r\n250-mail.test\r\n250 AUTH PLAIN\r\n"]
            {
                if stream.write_all(answer.as_bytes()).await.is_err() || stream.read(&mut asked).await.is_err() {
                    break;
                }
            }
        }
    });
    port
}

#[tokio::test]
async fn an_answer_without_an_end_takes_no_memory_and_ends_in_a_clear_error() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({})).await;
    sent(&server, json!({})).await;
    let before_kib = peak_kib(server.pid());
    for at in ["connect", "EHLO", "MAIL", "RCPT", "DATA", "message"] {
        let name = format!("endless-{}", at.to_lowercase());
        connect(&server, &name, &mail, json!({ "port": endless(at).await, "send_timeout_s": 5 })).await;
        let job = tried(&server, json!({ "connection": name })).await;
        let code = if at == "message" { "answer_lost" } else { "connection_broken" };
        assert_eq!((&job["error"]["code"], &job["error"]["retryable"]), (&json!(code), &json!(true)), "{at} {job}");
        let message = job["error"]["message"].as_str().expect("a message");
        assert!(message.contains("its answer is longer than 131072 bytes"), "{at}: {message}");
    }
    for name in ["endless-connect", "endless-ehlo"] {
        let test = server.post(&format!("/v1/connections/{name}/test")).await;
        let job = server.wait(&test.body).await;
        assert!(job["error"]["message"].as_str().is_some_and(|message| message.contains("longer than 131072 bytes")), "{name} {job}");
    }
    let more_kib = peak_kib(server.pid()) - before_kib;
    println!("eight answers without an end took {more_kib} KiB");
    assert!(more_kib < 32 * 1024, "{more_kib} KiB");
}

/// A server whose answer to this has no end.
async fn endless(at: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_until(at, stream));
        }
    });
    port
}

async fn answer_until(at: &str, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut place, mut line) = ("connect".to_owned(), String::new());
    while place != at {
        let answer = match place.as_str() {
            "connect" => "220 mail.test\r\n",
            "DATA" => "354 go on\r\n",
            _ => "250 mail.test\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
        let is_message = place == "DATA";
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if !is_message || line == ".\r\n" {
                break;
            }
        }
        let command = line.split([' ', '\r']).next().unwrap_or_default().to_owned();
        place = if is_message { "message".to_owned() } else { command };
    }
    stream.write_all(b"250 ").await?;
    loop {
        stream.write_all(&[b'a'; 64 * 1024]).await?;
    }
}

/// The most memory that a process ever had.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

#[tokio::test]
async fn a_password_that_is_repeated_across_the_end_of_what_is_told_is_told_to_nobody() {
    let (server, mail) = (serve().await, MailServer::start("implicit").await);
    connect(&server, "mail", &mail, json!({})).await;
    // A message tells 500 characters of the server's words.
    for before in [470, 480, 490, 500] {
        let words = format!("550 {}{PASSWORD}", "x".repeat(before - 4));
        for at in ["RCPT", "message"] {
            mail.script(json!([{ "at": at, "do": words }])).await;
            let job = tried(&server, json!({})).await;
            let message = job["error"]["message"].as_str().expect("a message");
            assert!(message.contains("xxxx") && !message.contains(&PASSWORD[..4]), "{at} {before}: {message}");
        }
    }
    assert!(!server.log().contains("planted"), "{}", server.log());
}

#[tokio::test]
async fn fifty_jobs_at_once_never_open_more_connections_than_allowed() {
    let (server, mail) = (serve().await, MailServer::start("starttls").await);
    connect(&server, "mail", &mail, json!({ "connections_max": 3 })).await;
    mail.ask(json!({ "delay_ms": 20 })).await;
    let jobs: Vec<Value> = (0..50).map(|n| email(json!({ "subject": format!("{n}") }))).collect();
    let answer = server.send(Method::POST, "/v1/jobs/batch", &[], Some(json!(jobs))).await;
    for item in answer.body["items"].as_array().expect("items") {
        assert_eq!(server.wait(item).await["state"], "completed");
    }
    let counts = mail.counts().await;
    assert_eq!((&counts["taken"], &counts["most"]), (&json!(50), &json!(3)), "{counts}");
    assert!(counts["all"].as_u64().is_some_and(|all| all <= 4), "they are used again: {counts}");
    // Nobody speaks: they are ended, by word.
    let ended = async {
        while mail.counts().await["open"] != 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), ended).await.expect("idle connections are ended");
    let counts = mail.counts().await;
    assert_eq!(counts["said"]["QUIT"], counts["all"], "{counts}");
    println!("50 jobs over {} connections, at most {} open", counts["all"], counts["most"]);
}

#[tokio::test]
async fn what_could_never_be_sent_is_refused_at_submission_by_its_field() {
    let server = serve().await;
    let cases = [
        (json!({ "to": ["ana"] }), "/payload/to/0"),
        (json!({ "to": ["Ana\r\nBcc: eve@example.com <ana@example.com>"] }), "/payload/to/0"),
        (json!({ "subject": "Hello\r\nBcc: eve@example.com" }), "/payload/subject"),
        (json!({ "headers": { "Bcc": "eve@example.com" } }), "/payload/headers/Bcc"),
        (json!({ "headers": { "X-A": "b\r\nBcc: eve@example.com" } }), "/payload/headers/X-A"),
        (json!({ "subject": null, "text": null }), "/payload/subject"),
        (json!({ "bcc": vec!["a@example.com"; 100] }), "/payload/to"),
    ];
    for (changes, pointer) in cases {
        let answer = server.send(Method::POST, "/v1/jobs", &[], Some(email(changes.clone()))).await;
        assert_eq!(answer.status, 422, "{changes}: {}", answer.body);
        assert_eq!(answer.body["pointer"], pointer, "{changes}: {}", answer.body);
    }
}
