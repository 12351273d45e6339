//! What a conversation runs over: a connection, encrypted or not, in the shape that lettre takes.
//!
//! lettre begins each conversation by reading a greeting. After STARTTLS a server says none (RFC 3207, section 4.2), so the one that it said
//! before is read again. And it notes when the end of a message was handed over: after that, nobody knows what became of it until the answer comes.
//!
//! lettre looks at how long a line is once it has all of it. So here an answer ends the connection where it is longer than any that lettre takes.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// The end of a message, which lettre writes by itself. Within a message there is none: a line that begins with a dot has two.
const END: &[u8] = b"\r\n.\r\n";

/// The most that is read before something is written again: more than the longest answer that lettre takes (100,000 bytes).
const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// A connection.
pub(super) enum Line {
    /// For everybody to read.
    Plain(TcpStream),
    /// For the server alone.
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// A connection as lettre takes it.
pub(super) struct Wire {
    line: Line,
    /// What is read first.
    greeting: Vec<u8>,
    /// Bytes that were read since something was written.
    heard: usize,
    ended: Ended,
}

/// Whether the end of a message was handed to the connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended(Arc<AtomicBool>);

impl Ended {
    /// Whether it was.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// A new message begins.
    pub fn reset(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Wire {
    /// Over this connection, on which `greeting` was read already.
    pub fn new(line: Line, greeting: Vec<u8>, ended: Ended) -> Self {
        Self { line, greeting, heard: 0, ended }
    }

    fn line(self: Pin<&mut Self>) -> &mut Line {
        &mut self.get_mut().line
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.line {
            Line::Plain(stream) => stream.peer_addr(),
            Line::Encrypted(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let many = self.greeting.len().min(into.remaining());
            into.put_slice(&self.greeting[..many]);
            self.greeting.drain(..many);
            return Poll::Ready(Ok(()));
        }
        if self.heard > ANSWER_BYTES_MAX {
            return Poll::Ready(Err(io::Error::other(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"))));
        }
        let before = into.filled().len();
        let read = match self.as_mut().line() {
            Line::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Line::Encrypted(stream) => Pin::new(stream).poll_read(context, into),
        };
        self.heard += into.filled().len() - before;
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.heard = 0;
        // Before it is written: whether some of it went out is not known where writing fails.
        if bytes == END {
            self.ended.0.store(true, Ordering::SeqCst);
        }
        match self.line() {
            Line::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Line::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.line() {
            Line::Plain(stream) => Pin::new(stream).poll_flush(context),
            Line::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.line() {
            Line::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Line::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
