//! Fetches one file: asks for it, waits where its server is short, and writes it to a temporary file within its limits.
//!
//! What may pass is tried again a few times; what takes longer than that is for the job's next attempt. A redirect is followed by nobody here:
//! where it leads is looked at by whoever asked. Next: `spool.rs`.

use std::{sync::Arc, time::Duration};

use super::{
    Bounds,
    place::shown,
    spool::{Spool, Spooled},
    unpack::{Stopped, Unpacking},
};
use crate::{
    clock::Clock,
    handler::Outcome,
    job::JobError,
    kinds::http_request::verdict::retry_after,
    outbound::{self, Answer, HeaderMap, HeaderValue, Limits, Method, Outbound, Request, Url, header},
    text::HTML_BYTES_MAX,
};

/// The most redirects of a file.
pub(super) const REDIRECTS_MAX: usize = 5;
/// What is read, as it is asked for; whatever else comes is looked at by `is_read`.
const ACCEPTED: &str = "text/html,application/xhtml+xml,text/markdown,text/plain,application/pdf,\
    application/vnd.openxmlformats-officedocument.wordprocessingml.document;q=0.9,*/*;q=0.1";
/// The longest media type, with its parameters.
const MEDIA_TYPE_BYTES_MAX: usize = 200;

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfetched {
    /// The error's code.
    pub code: &'static str,
    /// What happened to what.
    pub message: String,
    /// Whether it may go well another time.
    pub may_pass: bool,
    /// How long the server asked us to wait.
    pub after: Option<Duration>,
    /// What it answered, where that is the reason.
    pub status: Option<u16>,
    /// How much came all the same.
    pub read_bytes: u64,
}

impl Unfetched {
    pub fn never(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), may_pass: false, after: None, status: None, read_bytes: 0 }
    }

    pub fn later(code: &'static str, message: impl Into<String>) -> Self {
        Self { may_pass: true, ..Self::never(code, message) }
    }

    pub fn too_large(what: &str, bytes_max: u64) -> Self {
        Self::never("document_too_large", format!("{what} has more than {bytes_max} bytes"))
    }

    /// How the attempt ends by it.
    pub fn into_outcome(self) -> Outcome {
        let error = JobError::new(self.code, self.message, self.may_pass);
        if self.may_pass { Outcome::Retry { error, after: self.after } } else { Outcome::Bury(error) }
    }

    fn of(error: outbound::Error, url: &Url, bytes_max: u64) -> Self {
        if matches!(error, outbound::Error::TooLarge { of: "", .. }) {
            return Self::too_large(&shown(url), bytes_max);
        }
        // Headers of that size, or codings that nobody asked for, are how a server is.
        let is_final = error.is_final() || matches!(error, outbound::Error::TooLarge { .. } | outbound::Error::Encoded { .. });
        Self { may_pass: !is_final, ..Self::never(error.code(), format!("{}: {error}", shown(url))) }
    }
}

/// What is taken of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taking {
    /// The most bytes, unpacked.
    pub bytes_max: u64,
    /// Of a longer one the beginning is taken.
    pub cuts: bool,
    /// It has to say that it is of a kind that is read.
    pub is_document: bool,
}

/// A file that was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Where it was in the end.
    pub url: Url,
    /// What it is said to be, with its charset.
    pub media_type: Option<String>,
    /// What it has.
    pub file: Spooled,
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Hop {
    /// It is there.
    Elsewhere(Url),
    /// It is here.
    Here(Fetched),
}

/// Who fetches.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub outbound: Outbound,
    pub clock: Arc<dyn Clock>,
    pub bounds: Bounds,
}

impl Fetcher {
    /// Reads a URL, and says no to what could never be called.
    pub fn url(&self, text: &str) -> Result<Url, Unfetched> {
        self.outbound
            .url(text)
            .map_err(|error| Unfetched { may_pass: !error.is_final(), ..Unfetched::never(error.code(), error.to_string()) })
    }

    /// A file, wherever redirects lead to.
    pub async fn follow(&self, url: &Url, taking: Taking) -> Result<Fetched, Unfetched> {
        let mut at = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            match self.hop(&at, taking).await? {
                Hop::Here(fetched) => return Ok(fetched),
                Hop::Elsewhere(to) => at = to,
            }
        }
        Err(too_often(url))
    }

    /// A file, or where it is instead.
    pub async fn hop(&self, url: &Url, taking: Taking) -> Result<Hop, Unfetched> {
        let (mut tries, mut waited, mut read_bytes) = (0, Duration::ZERO, 0);
        loop {
            let mut unfetched = match self.once(url, taking).await {
                Ok(hop) => return Ok(hop),
                Err(unfetched) => unfetched,
            };
            tries += 1;
            read_bytes += unfetched.read_bytes;
            unfetched.read_bytes = read_bytes;
            let pause = unfetched.after.unwrap_or(self.bounds.between_tries * 4_u32.saturating_pow(tries - 1));
            waited = waited.saturating_add(pause);
            if !unfetched.may_pass || tries >= self.bounds.tries || waited > self.bounds.wait_max {
                return Err(unfetched);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, url: &Url, taking: Taking) -> Result<Hop, Unfetched> {
        let url = self.url(url.as_str())?;
        let failed = |error| Unfetched::of(error, &url, taking.bytes_max);
        let request = Request::new(Method::GET, url.clone())
            .with(header::ACCEPT, HeaderValue::from_static(ACCEPTED))
            .with(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let body_bytes_max = if taking.cuts { u64::MAX } else { taking.bytes_max };
        let limits = Limits { total_ms: self.bounds.file_ms, silence_ms: self.bounds.silence_ms, body_bytes_max, redirects_max: 0 };
        let answer = self.outbound.send(request, &limits).await.map_err(failed)?;
        if let Some(to) = elsewhere(&url, &answer)? {
            return Ok(Hop::Elsewhere(to));
        }
        match answer.status.as_u16() {
            204 | 205 => Err(Unfetched::never("document_empty", format!("{} says that it has no content", shown(&url)))),
            200..=299 => self.take(url, answer, taking).await.map(Hop::Here),
            _ => Err(self.refused(&url, &answer)),
        }
    }

    fn refused(&self, url: &Url, answer: &Answer) -> Unfetched {
        let status = answer.status.as_u16();
        let (code, may_pass) = match status {
            404 | 410 => ("source_missing", false),
            429 | 503 => ("source_busy", true),
            408 | 425 | 500..=599 => ("source_failed", true),
            _ => ("source_refused", false),
        };
        let after = answer.headers.get(header::RETRY_AFTER).and_then(|after| retry_after(after.to_str().ok()?, self.clock.now()));
        let message = format!("{} answered {status}", shown(url));
        Unfetched { code, message, may_pass, after: after.filter(|_| may_pass), status: Some(status), read_bytes: 0 }
    }

    async fn take(&self, url: Url, mut answer: Answer, taking: Taking) -> Result<Fetched, Unfetched> {
        let media_type = said(&answer.headers);
        let mut bytes_max = taking.bytes_max;
        if taking.is_document {
            let essence = essence(media_type.as_deref());
            if !is_read(&essence) {
                let message = format!("{} is {essence:.100}; read are HTML, Markdown, plain text, PDF and DOCX", shown(&url));
                return Err(Unfetched::never("document_unsupported", message));
            }
            if essence == "text/html" {
                bytes_max = bytes_max.min(HTML_BYTES_MAX);
            }
        }
        let coding =
            answer.headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()).trim().to_lowercase());
        let coding = coding.unwrap_or_default();
        let mut unpacking = Unpacking::of(&coding, bytes_max).ok_or_else(|| {
            let message = format!("{} comes as {coding:.40?}, which was not asked for", shown(&url));
            Unfetched::never("answer_encoded", message)
        })?;
        let mut spool = Spool::new().await?;
        match write(&mut spool, &mut answer, &mut unpacking, &url, bytes_max).await {
            Ok(false) => {}
            Ok(true) if taking.cuts => {}
            Ok(true) => return Err(Unfetched { read_bytes: spool.bytes(), ..Unfetched::too_large(&shown(&url), bytes_max) }),
            Err(unfetched) => return Err(Unfetched { read_bytes: spool.bytes(), ..unfetched }),
        }
        Ok(Fetched { url, media_type, file: spool.finish().await? })
    }
}

/// Writes what comes, unpacked. Whether there is more than may be.
async fn write(spool: &mut Spool, answer: &mut Answer, unpacking: &mut Unpacking, url: &Url, bytes_max: u64) -> Result<bool, Unfetched> {
    loop {
        let piece = answer.packed_piece().await.map_err(|error| Unfetched::of(error, url, bytes_max))?;
        let (is_last, taken) = match piece {
            Some(piece) => (false, unpacking.take(&piece)),
            None => (true, unpacking.end()),
        };
        spool.add(&unpacking.made()).await?;
        match taken {
            Ok(()) if is_last => return Ok(false),
            Ok(()) => {}
            Err(Stopped::Full) => return Ok(true),
            Err(Stopped::Broken(why)) => {
                return Err(Unfetched::later("answer_unreadable", format!("{} cannot be unpacked: {why}", shown(url))));
            }
        }
    }
}

/// Who sends on and on.
pub(super) fn too_often(url: &Url) -> Unfetched {
    Unfetched::never("redirected_too_often", format!("{} sends on once more after {REDIRECTS_MAX} times, or in a circle", shown(url)))
}

/// Where an answer sends us on to. From https to http nothing leads, whoever may be called by http.
fn elsewhere(from: &Url, answer: &Answer) -> Result<Option<Url>, Unfetched> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = answer.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok());
    let Some(to) = to else {
        return Err(Unfetched::never("source_refused", format!("{} sends us on to nowhere", shown(from))));
    };
    if from.scheme() == "https" && to.scheme() != "https" {
        let message = format!("{} sends us on from https to {}", shown(from), to.scheme());
        return Err(Unfetched::never("address_forbidden", message));
    }
    Ok(Some(to))
}

/// What an answer says that it is; nothing of one that says what nobody can have meant.
fn said(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.trim();
    (!said.is_empty() && said.len() <= MEDIA_TYPE_BYTES_MAX).then(|| said.to_owned())
}

fn essence(media_type: Option<&str>) -> String {
    media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether something of this type may be a document: of none, or of one that says nothing, `text.rs` finds out.
fn is_read(essence: &str) -> bool {
    match essence {
        "" | "application/octet-stream" | "binary/octet-stream" | "application/xhtml+xml" | "application/pdf" => true,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => true,
        // An event stream never ends.
        "text/css" | "text/javascript" | "text/ecmascript" | "text/event-stream" | "text/xml" | "text/xsl" => false,
        essence => essence.starts_with("text/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_document_is_known_by_its_type() {
        for (media_type, expected) in [
            (None, true),
            (Some("Text/HTML; charset=x"), true),
            (Some("text/markdown"), true),
            (Some("application/pdf"), true),
            (Some("text/event-stream"), false),
            (Some("application/json"), false),
            (Some("image/png"), false),
            (Some("video/mp4;codecs=x"), false),
        ] {
            assert_eq!(is_read(&essence(media_type)), expected, "{media_type:?}");
        }
    }
}
