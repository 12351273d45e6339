//! Somebody's HTTP endpoint: keeps what it was sent and answers as it is told. Every connection has one request.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A running endpoint.
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

struct Shared {
    answer: Mutex<(u16, String)>,
    seen: Mutex<Vec<Received>>,
}

impl Endpoint {
    /// Starts one that answers every request so.
    pub async fn start(status: u16, body: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { answer: Mutex::new((status, body.into())), seen: Mutex::default() });
        let serving = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, serving }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so from now on.
    pub fn answer(&self, status: u16, body: impl Into<String>) {
        *self.shared.answer.lock().expect("not poisoned") = (status, body.into());
    }

    /// What it was sent.
    pub fn seen(&self) -> Vec<Received> {
        self.shared.seen.lock().expect("not poisoned").clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, shared.clone()));
    }
}

/// A client that goes away in between has had what it wanted.
async fn converse(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 8_192]);
    let (head, body) = loop {
        let read = stream.read(&mut piece).await?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(());
            }
            continue;
        };
        let received = Received { head: head.to_owned(), body: String::new() };
        let length: usize = received.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length || read == 0 {
            break (head.to_owned(), body.to_owned());
        }
    };
    let (status, answer) = shared.answer.lock().expect("not poisoned").clone();
    shared.seen.lock().expect("not poisoned").push(Received { head, body });
    let head = format!(
        "HTTP/1.1 {status} As told\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(format!("{head}{answer}").as_bytes()).await?;
    stream.shutdown().await
}
