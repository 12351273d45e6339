//! HTTP/1.1 as far as a provider of tests speaks it: requests with a length, answers with a length, one after the other.

use std::{collections::BTreeMap, io::Write};

use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The largest request.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path, without parameters.
    pub path: String,
    /// The parameters, decoded; of several of one name the last.
    pub query: BTreeMap<String, String>,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The next request; none where the client is gone.
pub(super) async fn read(stream: &mut TcpStream, left: &mut Vec<u8>) -> std::io::Result<Option<Asked>> {
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(end) = left.windows(4).position(|window| window == b"\r\n\r\n") {
            let mut asked = head(&String::from_utf8_lossy(&left[..end]));
            let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if left.len() >= end + 4 + length {
                asked.body = String::from_utf8_lossy(&left[end + 4..end + 4 + length]).into_owned();
                left.drain(..end + 4 + length);
                return Ok(Some(asked));
            }
        }
        let read = stream.read(&mut piece).await?;
        if read == 0 || left.len() > REQUEST_BYTES_MAX {
            return Ok(None);
        }
        left.extend_from_slice(&piece[..read]);
    }
}

fn head(text: &str) -> Asked {
    let mut lines = text.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default().to_owned(), first.next().unwrap_or_default());
    let url: reqwest::Url = format!("http://source{target}").parse().expect("a target");
    let named = |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()));
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Asked { method, path: url.path().to_owned(), query, headers: lines.filter_map(named).collect(), body: String::new() }
}

/// What is answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: vec![("content-type".into(), media_type.into())], body: body.into() }
    }

    pub(super) fn error(status: u16, message: &str) -> Self {
        Self { status, ..Self::of("application/json", serde_json::json!({ "error": message }).to_string()) }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn packed(self) -> Self {
        let body = gzip(&self.body);
        Self { body, ..self.with("content-encoding", "gzip") }
    }

    /// The head, for a body of this length; none for one of which nobody says how long it is.
    pub(super) fn head(&self, length: Option<usize>) -> String {
        let mut head = format!("HTTP/1.1 {} As told\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            // Neither has a body (RFC 9110, 8.6), so neither says its length.
            _ if matches!(self.status, 204 | 304) => {}
            Some(length) => head.push_str(&format!("content-length: {length}\r\n")),
            None => head.push_str("transfer-encoding: chunked\r\n"),
        }
        head + "\r\n"
    }

    pub(super) async fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(self.head(Some(self.body.len())).as_bytes()).await?;
        stream.write_all(&self.body).await
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("packed")
}
