//! The HTTP side of the load: one keep-alive connection per caller, its request made once and sent again and again.
//!
//! Written by hand on the socket, since it shares the machine's cores with the servers that it measures: a general
//! client spends several times as much on each request. It understands what our api answers, and fails on all else.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::load::{self, Caller, End};

/// Answers of our api are smaller than this, but for a batch's.
const ANSWER_BYTES: usize = 64 * 1024;
/// How long the generator is measured by itself.
const CEILING_FOR: Duration = Duration::from_millis(400);

/// A connection to an api.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What was answered.
struct Answer<'b> {
    status: u16,
    body: &'b [u8],
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(ANSWER_BYTES) })
    }

    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head, length) = loop {
            self.read_more().await?;
            if let Some(head) = find(&self.buffer, b"\r\n\r\n") {
                break (head, content_length(&self.buffer[..head])?);
            }
        };
        let end = head + 4 + length;
        while self.buffer.len() < end {
            self.read_more().await?;
        }
        ensure!(self.buffer.len() == end, "more was answered than asked for");
        Ok(Answer { status: status(&self.buffer)?, body: &self.buffer[head + 4..] })
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        Ok(())
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn status(answer: &[u8]) -> anyhow::Result<u16> {
    // "HTTP/1.1 202 Accepted"
    let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).context("no status line was answered")
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head).context("the answer's head is no text")?;
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    };
    head.lines().find_map(named).context("the answer does not say how long it is")
}

/// What a submission asks for beside the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The answer comes once the job is committed.
    Accepted,
    /// It comes once the job is final, and says when its handler started.
    Final,
}

/// Submits jobs over a connection of its own.
pub(super) struct Submit {
    connection: Connection,
    /// Sent in turn.
    requests: Vec<Vec<u8>>,
    next: usize,
    jobs: u64,
    until: Until,
}

impl Submit {
    /// Submits `jobs` at a time: one by `POST /v1/jobs`, more by `POST /v1/jobs/batch`.
    pub(super) async fn open(url: &str, key: &str, job: &Value, jobs: u64, until: Until) -> anyhow::Result<Self> {
        let address = url.trim_start_matches("http://");
        let (path, body) = if jobs == 1 {
            ("/v1/jobs", job.to_string())
        } else {
            let items = vec![job.to_string(); usize::try_from(jobs)?];
            ("/v1/jobs/batch", format!("[{}]", items.join(",")))
        };
        let requests = vec![request(address, path, key, None, until, &body)];
        Ok(Self { connection: Connection::open(address).await?, requests, next: 0, jobs, until })
    }

    /// Submits these jobs of a tenant in turn, one at a time.
    pub(super) async fn open_in_turn(url: &str, key: &str, tenant: &str, jobs: &[Value], until: Until) -> anyhow::Result<Self> {
        let address = url.trim_start_matches("http://");
        let one = |job: &Value| request(address, "/v1/jobs", key, Some(tenant), until, &job.to_string());
        let requests = jobs.iter().map(one).collect();
        Ok(Self { connection: Connection::open(address).await?, requests, next: 0, jobs: 1, until })
    }
}

fn request(address: &str, path: &str, key: &str, tenant: Option<&str>, until: Until, body: &str) -> Vec<u8> {
    let prefer = if until == Until::Final { "Prefer: wait=60\r\n" } else { "" };
    let tenant = tenant.map_or_else(String::new, |tenant| format!("X-Tenant: {tenant}\r\n"));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n{tenant}{prefer}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_str(), body].concat().into_bytes()
}

impl Caller for Submit {
    fn jobs(&self) -> u64 {
        self.jobs
    }

    async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
        let request = &self.requests[self.next];
        self.next = (self.next + 1) % self.requests.len();
        let answer = self.connection.exchange(request).await?;
        let expected = if self.until == Until::Final { 200 } else { 202 };
        if answer.status != expected {
            bail!("status {} in the place of {expected}: {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        if self.jobs > 1 && !answer.body.starts_with(format!("{{\"accepted\":{},\"rejected\":0,", self.jobs).as_bytes()) {
            bail!("not all of a batch were accepted: {}", String::from_utf8_lossy(answer.body));
        }
        if self.until == Until::Accepted {
            return Ok(None);
        }
        let job: Value = serde_json::from_slice(answer.body)?;
        ensure!(job["state"] == "completed", "the job is not completed: {job}");
        let started_us =
            job["result"]["started_at_us"].as_u64().with_context(|| format!("the handler does not say when it started: {job}"))?;
        Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_micros(started_us)))
    }
}

/// How many requests per second the generator makes by itself, against a server in this process that only answers.
pub(super) async fn ceiling(connections: usize, job: &Value) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let answering = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream));
        }
    });
    let mut callers = Vec::with_capacity(connections);
    for _ in 0..connections {
        callers.push(Submit::open(&url, "wr_ceiling.0123456789abcdef", job, 1, Until::Accepted).await?);
    }
    let run = load::at_once(callers, End { after: CEILING_FOR, jobs: u64::MAX }, None).await;
    answering.abort();
    Ok(run?.jobs_per_s())
}

async fn answer_all(mut stream: TcpStream) {
    // As long as our api's answer to a submission.
    let body = "x".repeat(700);
    let answer = format!("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut buffer = vec![0; ANSWER_BYTES];
    while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_status_and_its_length() {
        let head = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\nContent-Length: 17\r\nlocation: /x";
        assert_eq!((status(head).expect("a status"), content_length(head).expect("a length")), (202, 17));
        assert!(content_length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked").is_err());
        assert!(status(b"SSH-2.0").is_err());
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_put_together_and_a_closed_connection_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4];
            stream.read_exact(&mut request).await.expect("a request");
            for piece in ["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 6\r\n\r\nabc", "def"] {
                stream.write_all(piece.as_bytes()).await.expect("a piece");
                stream.flush().await.expect("it is sent");
                tokio::task::yield_now().await;
            }
        });
        let mut connection = Connection::open(&address).await.expect("a connection");
        let answer = connection.exchange(b"GET\n").await.expect("an answer");
        assert_eq!((answer.status, answer.body), (200, &b"abcdef"[..]));
        serving.await.expect("the server ends");
        assert!(connection.exchange(b"GET\n").await.is_err());
    }
}
