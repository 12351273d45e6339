//! A site that says by path what it is told to say, as hostile as it is told to be.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What it says to one request; then it closes.
pub enum Say {
    /// This.
    All(Vec<u8>),
    /// This, and then these bytes again and again, with a pause, until nobody listens.
    Endless(String, Vec<u8>, Duration),
    /// This, and then nothing.
    Silence(String),
}

/// A running one.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One that answers a path, asked for the so-manieth time from 1 on.
    pub async fn start(answer: impl Fn(&str, usize) -> Say + Send + Sync + 'static) -> Self {
        Self::knowing(move |_, path, nth| answer(path, nth)).await
    }

    /// The same of one that knows its own URL, which comes first.
    pub async fn knowing(answer: impl Fn(&str, &str, usize) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let base = format!("http://{address}");
        let answer = move |path: &str, nth: usize| answer(&base, path, nth);
        let (answer, asked) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answer.clone(), seen.clone()));
            }
        });
        Self { address, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The paths that were asked for, in their order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

async fn converse(mut stream: TcpStream, answer: Arc<impl Fn(&str, usize) -> Say>, asked: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let say = {
        let mut asked = asked.lock().expect("not poisoned");
        asked.push(path.clone());
        answer(&path, asked.iter().filter(|other| **other == path).count())
    };
    match say {
        Say::All(bytes) => stream.write_all(&bytes).await,
        Say::Silence(begin) => {
            stream.write_all(begin.as_bytes()).await?;
            std::future::pending().await
        }
        Say::Endless(begin, bytes, pause) => {
            stream.write_all(begin.as_bytes()).await?;
            loop {
                stream.write_all(&bytes).await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// An answer with these headers.
pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Say {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Say::All([head.as_bytes(), body].concat())
}

pub fn html(body: impl AsRef<[u8]>) -> Say {
    answer(200, "content-type: text/html; charset=utf-8\r\n", body)
}

pub fn text(body: impl AsRef<[u8]>) -> Say {
    answer(200, "content-type: text/plain\r\n", body)
}

pub fn missing() -> Say {
    answer(404, "", "nothing here")
}

pub fn to(location: &str) -> Say {
    answer(302, &format!("location: {location}\r\n"), "")
}

/// Headers of an answer whose end is not said.
pub fn begin(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}\r\n")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("packed")
}
