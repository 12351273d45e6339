//! What was answered: its head, and its body piece by piece within the limits.

use std::time::Duration;

use reqwest::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, HeaderMap},
};
use tokio::time::Instant;

use super::{Error, HEADER_BYTES_MAX, Limits};

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    host: String,
    limits: Limits,
    until: Instant,
    read_bytes: u64,
    response: Response,
}

impl Answer {
    pub(super) fn of(host: String, mut response: Response, limits: &Limits, until: Instant) -> Result<Self, Error> {
        let headers = std::mem::take(response.headers_mut());
        let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if header_bytes as u64 > HEADER_BYTES_MAX {
            return Err(Error::TooLarge { host, bytes_max: HEADER_BYTES_MAX, of: " of headers" });
        }
        Ok(Self { status: response.status(), headers, host, limits: *limits, until, read_bytes: 0, response })
    }

    /// Who answered.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The next piece of the body; none at its end.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if let Some(encoding) = self.headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
            let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
            return Err(Error::Encoded { host: self.host.clone(), encoding });
        }
        self.packed_piece().await
    }

    /// The same in whatever encoding it comes: for those who asked for one and unpack it themselves. The limits are those of what comes.
    pub async fn packed_piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.response.content_length().is_some_and(|length| length > self.limits.body_bytes_max) {
            return Err(self.too_large());
        }
        let silent = Instant::now() + Duration::from_millis(self.limits.silence_ms);
        let (at, waited_ms) = if silent < self.until { (silent, self.limits.silence_ms) } else { (self.until, self.limits.total_ms) };
        let late = |_| Error::TimedOut { host: self.host.clone(), waited_ms };
        let piece = tokio::time::timeout_at(at, self.response.chunk()).await.map_err(late)?;
        let Some(piece) = piece.map_err(|error| Error::of(&self.host, &error))? else {
            return Ok(None);
        };
        self.read_bytes += piece.len() as u64;
        if self.read_bytes > self.limits.body_bytes_max {
            return Err(self.too_large());
        }
        Ok(Some(piece.into()))
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }

    /// The beginning of the body as text, for a message; what cannot be read is left out.
    pub async fn excerpt(mut self, bytes_max: usize) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < bytes_max {
            match self.piece().await {
                Ok(Some(piece)) => bytes.extend(piece),
                Ok(None) | Err(_) => break,
            }
        }
        bytes.truncate(bytes_max);
        let text = String::from_utf8_lossy(&bytes);
        text.chars().filter(|character| !character.is_control() || *character == '\n').collect()
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { host: self.host.clone(), bytes_max: self.limits.body_bytes_max, of: "" }
    }
}
