//! The client over a socket, by `reqwest`: what is posted, and what becomes of the answer.

#![cfg(feature = "reqwest")]

use fcm::{Client, ErrorCode, Meaning, Message};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Answers one request like this, and gives its head and body.
async fn once(listener: TcpListener, status: &str, answer: Value) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text").to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|length| length.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body).await.expect("a body");
    let answer = answer.to_string();
    let answer = format!("HTTP/1.1 {status}\r\nretry-after: 7\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
    stream.write_all(answer.as_bytes()).await.expect("answered");
    (head, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn a_message_is_posted_and_its_name_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let client = Client::new(reqwest::Client::new(), &url, "demo");
    let message = Message::to_token("t").with_notification("Hi", "There");
    let (sent, (head, body)) =
        tokio::join!(client.send(&message, true, "the-token"), once(listener, "200 OK", json!({ "name": "projects/demo/messages/1" })));
    assert_eq!(sent.expect("an answer").expect("sent").name.as_deref(), Some("projects/demo/messages/1"));
    assert!(head.starts_with("post /v1/projects/demo/messages:send http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer the-token\r\n") && head.contains("content-type: application/json\r\n"), "{head}");
    assert_eq!(body, json!({ "message": { "token": "t", "notification": { "title": "Hi", "body": "There" } }, "validateOnly": true }));
}

#[tokio::test]
async fn a_refusal_says_what_it_means() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let client = Client::new(reqwest::Client::new(), &url, "demo");
    let body = json!({ "error": { "code": 429, "message": "slower", "status": "RESOURCE_EXHAUSTED",
        "details": [{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "QUOTA_EXCEEDED" }] } });
    let (message, answering) = (Message::to_topic("news"), once(listener, "429 Too Many Requests", body));
    let (sent, _) = tokio::join!(client.send(&message, false, "x"), answering);
    let error = sent.expect("an answer").expect_err("refused");
    assert_eq!((error.code.clone(), error.meaning()), (Some(ErrorCode::QuotaExceeded), Meaning::Later));
    assert_eq!((error.retry_after.as_deref(), error.to_string().as_str()), (Some("7"), "FCM answered 429 QUOTA_EXCEEDED: slower"));
}
