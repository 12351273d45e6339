//! Brings the text of a document: what the payload has, cut by a process of its own.

use std::io::Write;

use super::{MediaType, Payload};
use crate::{
    handler::Outcome,
    search::Chunking,
    text::{Asked, Read, Texts, Unread},
};

/// What the payload says, in chunks.
pub(super) async fn read(texts: &Texts, payload: &Payload, chunking: Chunking) -> Result<Read, Outcome> {
    let not_read = |why: String| Outcome::retry("document_not_read", why);
    let content = payload.text.clone();
    let kept = tokio::task::spawn_blocking(move || {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(content.as_bytes())?;
        file.flush()?;
        Ok::<_, std::io::Error>(file)
    });
    let kept = kept.await.map_err(|error| not_read(error.to_string()))?;
    let file = kept.map_err(|error| not_read(format!("keeping the text: {error}")))?;
    // JSON is UTF-8, whatever else the text says of itself.
    let media_type = match payload.media_type.unwrap_or_default() {
        MediaType::Plain => "text/plain; charset=utf-8",
        MediaType::Markdown => "text/markdown; charset=utf-8",
        MediaType::Html => "text/html; charset=utf-8",
    };
    let asked = Asked { media_type: Some(media_type.into()), bytes: file.path().to_owned(), source: None, chunking };
    texts.chunks(asked).await.map_err(|unread| unreadable(&unread))
}

fn unreadable(unread: &Unread) -> Outcome {
    match unread.code() {
        Some(code) => Outcome::bury(code, unread.to_string()),
        None => Outcome::retry("document_not_read", unread.to_string()),
    }
}
