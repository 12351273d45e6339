//! Reads documents: what a page, a PDF, a DOCX, Markdown or a text says, cut into the chunks that are embedded.
//!
//! Documents are strangers' files, and what reads them is large: it is done by a process of its own within limits of memory and time
//! (`crate::renderer`), one for each document. Nothing is fetched, and no script is run. What the process does is in `text/read.rs`;
//! here is how it is asked.

mod clean;
mod cut;
mod docx;
mod encoding;
mod form;
mod html;
mod markdown;
mod outline;
mod pdf;
pub(crate) mod read;
mod tokens;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use self::read::{Piece, Pieces, Question};
use crate::{
    renderer::{Ended, Process, Work},
    search::{Chunk, ChunkHash, Chunking},
};

/// The largest document: much of a PDF and of a DOCX are its pictures.
pub const DOCUMENT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The largest page of HTML: the longest that people write have 13 MB, and its tree takes ten times as much memory.
pub const HTML_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The longest text that a document may have: twice the Bible.
pub const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most links of a page.
pub const LINKS_MAX: usize = 5_000;
/// The longest link that is followed, in bytes.
pub const LINK_BYTES_MAX: usize = 2_048;

/// How long one document may take on a machine that has much else to do: twice what it may compute.
const DOCUMENT_WALL: Duration = Duration::from_secs(120);

/// A document to read.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is said to be: a media type with its parameters. None, or one that says nothing, is found out.
    pub media_type: Option<String>,
    /// The file that has it. Whoever asks keeps it until there is an answer, and removes it.
    pub bytes: PathBuf,
    /// Where it was read: a URL or an object's key. The links of a page are relative to it.
    pub source: Option<String>,
    /// How it is cut.
    pub chunking: Chunking,
}

/// A document, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// What it calls itself.
    pub title: Option<String>,
    /// Its chunks, in their order; at least one. The source of a PDF's says the page (`#page=3`, RFC 8118) on which a chunk begins.
    pub chunks: Vec<Chunk>,
    /// Where its links lead, each once: absolute `http` and `https` URLs without their fragments, of a page that was read at such.
    pub links: Vec<String>,
    /// Pages of a PDF that cannot be read, beside others that can.
    pub pages_unread: u32,
}

/// Why there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Unread {
    /// It is larger than allowed, or what it makes is, or it takes more memory or time than there is for one.
    #[error("the document is too large: {0}")]
    TooLarge(String),
    /// It is broken, encrypted, or something else than it is said to be.
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
    /// It is of a kind that is not read.
    #[error("the document is of no kind that is read: {0}")]
    Unsupported(String),
    /// It has no words. A page without words may have links that lead to some.
    #[error("the document has no text: {why}")]
    Empty {
        /// Why.
        why: String,
        /// Where its links lead, as those of [`Read`].
        links: Vec<String>,
    },
    /// For this machine, not for the document: it may go well another time.
    #[error("reading the document: {0}")]
    Unavailable(String),
}

impl Unread {
    /// The code by which a caller tells them apart; none where the document is not to blame.
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge(_) => Some("document_too_large"),
            Self::Unreadable(_) => Some("document_unreadable"),
            Self::Unsupported(_) => Some("document_unsupported"),
            Self::Empty { .. } => Some("document_empty"),
            Self::Unavailable(_) => None,
        }
    }

    fn empty(why: impl Into<String>) -> Self {
        Self::Empty { why: why.into(), links: Vec::new() }
    }
}

/// What reads documents. Cheap to clone.
#[derive(Clone)]
pub struct Texts(Arc<Shared>);

struct Shared {
    /// None means this very process.
    program: Option<PathBuf>,
    at_once: Semaphore,
}

impl Texts {
    /// By at most `at_once` processes of this program, whose `main` begins with `renderer::answer_if_asked`.
    pub fn new(program: PathBuf, at_once: usize) -> Self {
        Self(Arc::new(Shared { program: Some(program), at_once: Semaphore::new(at_once.max(1)) }))
    }

    /// In this very process, where nothing bounds what a hostile document takes: for tests, whose program cannot be started again.
    pub fn in_process() -> Self {
        Self(Arc::new(Shared { program: None, at_once: Semaphore::new(1) }))
    }

    /// Reads a document. Whoever stops waiting ends the process that works for them.
    pub async fn chunks(&self, asked: Asked) -> Result<Read, Unread> {
        let size = tokio::fs::metadata(&asked.bytes).await.map_err(unavailable)?.len();
        if size > DOCUMENT_BYTES_MAX {
            return Err(Unread::TooLarge(format!("it has {size} bytes, of {DOCUMENT_BYTES_MAX} that one may have")));
        }
        let Asked { media_type, bytes: path, source, chunking } = asked;
        let question = Question { media_type, path, source, chunking };
        let _permit = self.0.at_once.acquire().await.map_err(unavailable)?;
        let pieces = match &self.0.program {
            Some(program) => ask(program, &question).await?,
            None => {
                let question = question.clone();
                tokio::task::spawn_blocking(move || read::read(&question)).await.map_err(unavailable)??
            }
        };
        Ok(whole(pieces, question.source.as_deref()))
    }
}

async fn ask(program: &Path, question: &Question) -> Result<Pieces, Unread> {
    let mut process = Process::start(program, Work::Texts).map_err(unavailable)?;
    match tokio::time::timeout(DOCUMENT_WALL, process.ask::<Result<Pieces, Unread>>(question)).await {
        Ok(Ok(Some(answer))) => answer,
        Ok(Ok(None)) => match process.ended().await {
            Ended::Time(message) | Ended::Limit(message) => Err(Unread::TooLarge(message)),
            Ended::Broken(message) => Err(Unread::Unavailable(message)),
        },
        Ok(Err(error)) => Err(unavailable(error)),
        Err(_) => Err(Unread::Unavailable(format!("no answer within {} s", DOCUMENT_WALL.as_secs()))),
    }
}

/// What a process made, with what it need not tell: where it was read, and the hashes.
fn whole(pieces: Pieces, source: Option<&str>) -> Read {
    let Pieces { title, pieces, links, pages_unread } = pieces;
    let chunk = |Piece { heading, text, page, tokens }| {
        let source = match (source, page) {
            (Some(source), Some(page)) => Some(format!("{}#page={page}", source.split('#').next().unwrap_or_default())),
            (source, _) => source.map(str::to_owned),
        };
        Chunk { hash: ChunkHash::of(&Chunk::embedded(&heading, &text)), text, heading, source, tokens }
    };
    Read { title, chunks: pieces.into_iter().map(chunk).collect(), links, pages_unread }
}

fn unavailable(why: impl ToString) -> Unread {
    Unread::Unavailable(why.to_string())
}

#[cfg(test)]
mod tests;
