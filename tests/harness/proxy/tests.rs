//! The faults are what they say they are, against a server that says everything back.

use std::io::ErrorKind;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::*;

/// Longer than anything that happens takes, and shorter than a test may hang.
const SOON: Duration = Duration::from_secs(10);
/// How long nothing is waited for: many times what an answer takes.
const SILENCE: Duration = Duration::from_millis(300);

async fn echoing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("the proxy takes connections")
}

async fn say(client: &mut TcpStream, text: &str) -> String {
    client.write_all(text.as_bytes()).await.expect("it is sent");
    let mut answer = vec![0; text.len()];
    timeout(SOON, client.read_exact(&mut answer)).await.expect("an answer comes").expect("the answer is whole");
    String::from_utf8(answer).expect("text")
}

/// Why the next read fails; none where it is the end.
async fn broken(client: &mut TcpStream) -> Option<ErrorKind> {
    let read = timeout(SOON, client.read(&mut [0; 16])).await.expect("it ends");
    read.err().map(|error| error.kind())
}

#[tokio::test]
async fn what_is_said_arrives_and_is_counted() {
    let proxy = Proxy::start(echoing().await).await;
    let mut client = connect(&proxy).await;
    let long = "x".repeat(1_000_000);
    let (mut from, mut to) = client.split();
    let mut answer = vec![0; long.len()];
    let (sent, read) = tokio::join!(to.write_all(long.as_bytes()), timeout(SOON, from.read_exact(&mut answer)));
    sent.expect("it is sent");
    read.expect("an answer comes").expect("the answer is whole");
    assert!(answer.iter().all(|byte| *byte == b'x'));
    to.shutdown().await.expect("a farewell");
    assert_eq!(broken(&mut client).await, None, "the farewell comes back");
    assert_eq!(proxy.counts(), Counts { connections: 1, forwarded_bytes: 2_000_000, swallowed_bytes: 0, cut: 0 });
}

#[tokio::test]
async fn a_cut_resets_connections_and_refuses_new_ones_until_it_is_mended() {
    let proxy = Proxy::start(echoing().await).await;
    let (mut first, mut second) = (connect(&proxy).await, connect(&proxy).await);
    say(&mut first, "hello").await;
    say(&mut second, "hello").await;
    proxy.cut().await;
    assert_eq!(broken(&mut first).await, Some(ErrorKind::ConnectionReset));
    assert_eq!(broken(&mut second).await, Some(ErrorKind::ConnectionReset));
    assert_eq!(proxy.counts().cut, 2);
    for _ in 0..3 {
        let refused = TcpStream::connect(proxy.address()).await.expect_err("it refuses");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    proxy.restore().await;
    assert_eq!(say(&mut connect(&proxy).await, "again").await, "again");
}

#[tokio::test]
async fn a_black_hole_swallows_and_says_nothing() {
    let proxy = Proxy::start(echoing().await).await;
    let (mut silent, mut talking) = (connect(&proxy).await, connect(&proxy).await);
    say(&mut silent, "hello").await;
    say(&mut talking, "hello").await;
    proxy.black_hole();
    talking.write_all(b"anybody?").await.expect("it is sent");
    let mut new = connect(&proxy).await;
    new.write_all(b"hello?").await.expect("it is sent");
    let swallowed = async {
        while proxy.counts().swallowed_bytes < 14 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, swallowed).await.expect("it is swallowed");
    assert_eq!(proxy.counts().swallowed_bytes, 14);
    assert!(timeout(SILENCE, talking.read(&mut [0; 8])).await.is_err(), "no answer, and no end");
    assert!(timeout(SILENCE, new.read(&mut [0; 8])).await.is_err(), "no answer, and no end");
    assert_eq!(proxy.counts().cut, 0);

    proxy.restore().await;
    assert_eq!(broken(&mut talking).await, Some(ErrorKind::ConnectionReset), "half a conversation is ended");
    assert_eq!(broken(&mut new).await, Some(ErrorKind::ConnectionReset));
    assert_eq!(say(&mut silent, "whole").await, "whole", "what lost nothing goes on");
    assert_eq!(proxy.counts().cut, 2);
}

#[tokio::test]
async fn a_delay_is_a_latency_each_way_and_no_bandwidth() {
    const LATENCY: Duration = Duration::from_millis(100);
    let proxy = Proxy::start(echoing().await).await;
    let mut client = connect(&proxy).await;
    proxy.delay(LATENCY);
    let began_at = Instant::now();
    // Together they are under way; one after the other they would take four seconds.
    let (mut from, mut to) = client.split();
    for _ in 0..20 {
        to.write_all(b"one of many").await.expect("it is sent");
        tokio::task::yield_now().await;
    }
    timeout(SOON, from.read_exact(&mut [0; 220])).await.expect("answers come").expect("they are whole");
    let took = began_at.elapsed();
    assert!(took >= 2 * LATENCY, "there and back in {took:?}");
    proxy.restore().await;
    assert_eq!(say(&mut client, "hello").await, "hello");
}

#[tokio::test]
async fn a_server_that_resets_is_seen_to_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let proxy = Proxy::start(listener.local_addr().expect("an address")).await;
    let mut client = connect(&proxy).await;
    client.write_all(b"hello?").await.expect("it is sent");
    let (mut server, _) = listener.accept().await.expect("it is passed on");
    server.read_exact(&mut [0; 6]).await.expect("it arrives");
    server.set_zero_linger().expect("a socket's option");
    drop(server);
    assert_eq!(broken(&mut client).await, Some(ErrorKind::ConnectionReset));
}
