//! Endpoints that mean no good: each ends in a clear error of its job, and the worker goes on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use windrow_tests::server::Server;

use super::{came_of, connect, serve};

/// A server that says this to everybody, then the second piece for ever.
async fn saying(first: &'static str, then: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // What is asked makes no difference.
                let mut asked = [0; 1_024];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(first.as_bytes()).await;
                while !then.is_empty() && stream.write_all(then.as_bytes()).await.is_ok() {
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
            });
        }
    });
    port
}

async fn error_of(server: &Server, name: &str, port: u16) -> Value {
    connect(server, name, &format!("http://127.0.0.1:{port}/"), json!({})).await;
    let job = came_of(server, json!({ "connection": name, "timeout_s": 2 }), 1).await;
    assert_eq!(job["state"], "dead", "{job}");
    job["error"].clone()
}

#[tokio::test]
async fn each_ends_in_a_clear_error_and_the_worker_goes_on() {
    let server = serve().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let bomb = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x08\x08\x00";
    let cases = [
        ("never-answers", "answer_late", silent.local_addr().expect("an address").port()),
        ("nobody", "unreachable", gone),
        ("drips", "answer_late", saying("HTTP/1.1 200 OK\r\ncontent-length: 8000000\r\n\r\n", "a").await),
        ("ten-gigabytes", "answer_too_large", saying("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n", "aaaaaaaa").await),
        ("gzip-bomb", "answer_encoded", saying(bomb, "").await),
        (
            "to-metadata",
            "endpoint_refused",
            saying("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", "").await,
        ),
        (
            "to-localhost",
            "endpoint_refused",
            saying("HTTP/1.1 307 Go\r\nlocation: https://localhost:1/\r\ncontent-length: 0\r\n\r\n", "").await,
        ),
        ("no-header", "connection_broken", saying("HTTP/1.1 200 OK\r\nno header\r\n\r\n", "").await),
        ("closes-mid-body", "connection_broken", saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "").await),
        ("flood-of-103", "answer_late", saying("", "HTTP/1.1 103 Early Hints\r\n\r\n").await),
        ("two-lengths", "connection_broken", saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok", "").await),
    ];
    for (name, code, port) in cases {
        let error = error_of(&server, name, port).await;
        assert_eq!(error["code"], code, "{name}: {error}");
    }
    let echo = server.echo(json!({ "message": "still here" })).await;
    assert_eq!(server.wait(&echo).await["result"]["message"], "still here");
}

#[tokio::test]
async fn without_an_exception_nothing_inside_is_called() {
    let inside = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = inside.local_addr().expect("an address").port();
    let server = Server::start().await;
    let urls = [format!("http://127.0.0.1:{port}/"), format!("https://2130706433:{port}/"), format!("https://localhost:{port}/")];
    for (n, url) in urls.iter().chain(["https://169.254.169.254/".to_owned()].iter()).enumerate() {
        let name = format!("inside-{n}");
        connect(&server, &name, url, json!({})).await;
        let job = came_of(&server, json!({ "connection": name }), 5).await;
        assert_eq!(
            (&job["state"], &job["error"]["code"], &job["attempt"]),
            (&json!("dead"), &json!("address_forbidden"), &json!(1)),
            "{job}"
        );
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), inside.accept()).await.is_err(), "somebody called");
}
