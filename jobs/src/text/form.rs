//! What a file is: by its first bytes where these are sure, by its media type, and by its name where that says nothing. Pure.

use super::Unread;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Markdown,
    Plain,
    Pdf,
    Docx,
}

/// How far into a file what it begins with is looked for.
const HEAD_BYTES: usize = 1024;

impl Form {
    /// What a file of this media type is, read at `source`, with this content.
    pub(super) fn of(media_type: Option<&str>, source: Option<&str>, bytes: &[u8]) -> Result<Self, Unread> {
        let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // A server that calls these texts does not know its files.
        match bytes {
            [b'%', b'P', b'D', b'F', b'-', ..] => return Ok(Self::Pdf),
            [b'P', b'K', 3, 4, ..] => return Ok(Self::Docx),
            [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => {
                return Err(Unread::Unsupported("it is a file of an older office program; save it as DOCX".into()));
            }
            _ => {}
        }
        let extension = extension(source);
        let is_markdown = matches!(extension.as_str(), "md" | "markdown" | "mkd" | "mdx");
        Ok(match essence.as_str() {
            // Some begin with what another program left.
            "application/pdf" if head(bytes).windows(5).any(|window| window == b"%PDF-") => Self::Pdf,
            "application/pdf" => return Err(Unread::Unreadable("it is said to be a PDF, and does not begin as one".into())),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => {
                return Err(Unread::Unreadable("it is said to be a DOCX, and does not begin as one".into()));
            }
            "text/html" | "application/xhtml+xml" => Self::Html,
            "text/markdown" | "text/x-markdown" => Self::Markdown,
            "text/plain" if is_markdown => Self::Markdown,
            essence if essence.starts_with("text/") => Self::Plain,
            "" | "application/octet-stream" | "binary/octet-stream" => match extension.as_str() {
                _ if begins_as_html(bytes) => Self::Html,
                "html" | "htm" | "xhtml" => Self::Html,
                _ if is_markdown => Self::Markdown,
                _ => Self::Plain,
            },
            essence => {
                let message = format!("{essence:.100}; read are HTML, Markdown, plain text, PDF and DOCX");
                return Err(Unread::Unsupported(message));
            }
        })
    }
}

fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEAD_BYTES)]
}

fn begins_as_html(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head(bytes)).to_ascii_lowercase();
    let head = head.trim_start_matches('\u{feff}').trim_start();
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|begin| head.starts_with(begin))
}

/// What the last part of a URL's path, or of a key, ends with.
fn extension(source: Option<&str>) -> String {
    let path = source.unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_its_type_and_its_name_say_in_this_order() {
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for (media_type, source, bytes, form) in [
            (Some("text/html; charset=utf-8"), None, &b"hello"[..], Ok(Form::Html)),
            (Some("TEXT/Markdown"), None, b"hello", Ok(Form::Markdown)),
            (Some("text/plain"), None, b"<html>", Ok(Form::Plain)),
            (Some("text/plain"), Some("https://x.example/a/README.md?raw=1"), b"# a", Ok(Form::Markdown)),
            (Some("text/csv"), None, b"a,b", Ok(Form::Plain)),
            (Some("text/html"), None, b"%PDF-1.7", Ok(Form::Pdf)),
            (Some("application/pdf"), None, b"\n\n%PDF-1.7", Ok(Form::Pdf)),
            (Some("application/pdf"), None, b"<html>", Err("document_unreadable")),
            (Some(docx), None, b"PK\x03\x04", Ok(Form::Docx)),
            (Some(docx), None, b"hello", Err("document_unreadable")),
            (Some("application/msword"), None, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Err("document_unsupported")),
            (Some("image/png"), None, b"\x89PNG", Err("document_unsupported")),
            (Some("application/json"), None, b"{}", Err("document_unsupported")),
            (None, None, b" <!DOCTYPE HTML>", Ok(Form::Html)),
            (Some("application/octet-stream"), Some("notes/a.htm"), b"x", Ok(Form::Html)),
            (None, Some("notes/a.MD"), b"x", Ok(Form::Markdown)),
            (None, Some("notes.md/a"), b"x", Ok(Form::Plain)),
            (None, None, b"", Ok(Form::Plain)),
        ] {
            let found = Form::of(media_type, source, bytes).map_err(|unread| unread.code().expect("the document's fault"));
            assert_eq!(found, form, "{media_type:?} {source:?}");
        }
    }
}
