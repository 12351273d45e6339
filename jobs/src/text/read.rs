//! What a process that reads documents does: finds out what a file is, takes its text out, cuts it.
//!
//! Whatever breaks in between is the document's fault and ends in an answer. What takes too much memory or time ends the process, which
//! whoever asked notices. Next: `form.rs` for what a file is, `cut.rs` for where its text is cut.

use std::{
    fs::File,
    io::{self, BufRead, Read as _, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{
    DOCUMENT_BYTES_MAX, HTML_BYTES_MAX, TEXT_BYTES_MAX, Unread, cut, docx, encoding,
    form::Form,
    html, markdown,
    outline::{Layout, Section},
    pdf,
};
use crate::{renderer::write_line, search::Chunking};

/// What a process is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(super) media_type: Option<String>,
    pub(super) path: PathBuf,
    pub(super) source: Option<String>,
    pub(super) chunking: Chunking,
}

/// A chunk, as a process tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) heading: Vec<String>,
    pub(super) text: String,
    pub(super) page: Option<u32>,
    pub(super) tokens: u32,
}

/// What came of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pieces {
    pub(super) title: Option<String>,
    pub(super) pieces: Vec<Piece>,
    pub(super) links: Vec<String>,
    pub(super) pages_unread: u32,
}

/// What a document says, before it is cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extracted {
    pub(super) title: Option<String>,
    pub(super) sections: Vec<Section>,
    pub(super) links: Vec<String>,
    pub(super) pages_unread: u32,
}

/// Reads the documents that come in.
pub(crate) fn answer(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        write_line(&mut output, &read(&serde_json::from_str(&line)?))?;
    }
}

/// Reads a document.
pub(super) fn read(question: &Question) -> Result<Pieces, Unread> {
    let bytes = bytes(question)?;
    let extracted = catch_unwind(AssertUnwindSafe(|| extract(question, bytes)));
    let extracted = extracted.unwrap_or_else(|_| Err(Unread::Unreadable("it breaks what reads it".into())))?;
    let length: usize = extracted.sections.iter().map(|section| section.text.len()).sum();
    if length > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    let Extracted { title, sections, links, pages_unread } = extracted;
    let pieces = cut::cut(&sections, question.chunking)?;
    if pieces.is_empty() {
        return Err(Unread::Empty { why: "it has no letter and no digit".into(), links });
    }
    Ok(Pieces { title, pieces, links, pages_unread })
}

pub(super) fn too_long() -> Unread {
    Unread::TooLarge(format!("its text is longer than {TEXT_BYTES_MAX} bytes"))
}

fn bytes(question: &Question) -> Result<Vec<u8>, Unread> {
    let unavailable = |error: io::Error| Unread::Unavailable(error.to_string());
    let mut bytes = Vec::new();
    let file = File::open(&question.path).map_err(unavailable)?;
    file.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unavailable)?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(Unread::TooLarge(format!("it has more than {DOCUMENT_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn extract(question: &Question, bytes: Vec<u8>) -> Result<Extracted, Unread> {
    let form = Form::of(question.media_type.as_deref(), question.source.as_deref(), &bytes)?;
    let declared = question.media_type.as_deref();
    match form {
        Form::Pdf => return pdf::read(&bytes),
        Form::Docx => return docx::read(&bytes),
        Form::Html if bytes.len() as u64 > HTML_BYTES_MAX => {
            return Err(Unread::TooLarge(format!("it has {} bytes, of {HTML_BYTES_MAX} that a page may have", bytes.len())));
        }
        Form::Html | Form::Markdown | Form::Plain => {}
    }
    let text = encoding::decode(&bytes, declared, form == Form::Html)?;
    drop(bytes);
    match form {
        Form::Html => html::read(&text, question.source.as_deref()),
        _ if text.len() > TEXT_BYTES_MAX => Err(too_long()),
        Form::Markdown => Ok(markdown::read(&text)),
        _ => {
            let text = super::clean::clean(&text);
            Ok(Extracted { sections: vec![Section { text, layout: Layout::Plain, ..Section::default() }], ..Extracted::default() })
        }
    }
}
