//! PDF: the text of its pages, by the crate `pdf-extract`, put into lines and paragraphs by where its letters are. Pictures of text (scans)
//! are not read.
//!
//! A page that breaks what reads it is left out, and counted; what takes too much memory ends the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Document, MediaBox, Object, OutputDev, OutputError, Transform, output_doc, output_doc_page};

use super::{
    TEXT_BYTES_MAX, Unread, clean,
    outline::{Layout, Section},
    read::{Extracted, too_long},
};

/// The most pages.
const PAGES_MAX: usize = 5_000;

/// What a PDF says.
pub(super) fn read(bytes: &[u8]) -> Result<Extracted, Unread> {
    let unreadable = |error: pdf_extract::Error| Unread::Unreadable(error.to_string());
    let mut document = Document::load_mem(bytes).map_err(unreadable)?;
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(Unread::Unreadable("it is encrypted, and opens with a password only".into()));
    }
    let numbers: Vec<u32> = document.get_pages().into_keys().take(PAGES_MAX + 1).collect();
    if numbers.len() > PAGES_MAX {
        return Err(Unread::TooLarge(format!("it has more than {PAGES_MAX} pages")));
    }
    let mut pages = Pages::default();
    let _ = catch_unwind(AssertUnwindSafe(|| output_doc(&document, &mut pages)));
    // From behind the page on that broke it, page by page, which takes longer; none where nothing broke.
    let broken = pages.last;
    for number in numbers.iter().skip_while(|number| **number <= broken) {
        if pages.length > TEXT_BYTES_MAX {
            break;
        }
        let _ = catch_unwind(AssertUnwindSafe(|| output_doc_page(&document, &mut pages, *number)));
    }
    if pages.length > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    let unread = numbers.len() - pages.whole.len();
    if pages.whole.is_empty() && unread > 0 {
        return Err(Unread::Unreadable(format!("none of its {unread} pages can be read")));
    }
    let section = section(&pages.whole);
    if !section.text.contains(char::is_alphanumeric) {
        return Err(Unread::empty(format!("none of its {} pages has any; pictures of text (a scan) are not read", numbers.len())));
    }
    let pages_unread = u32::try_from(unread).expect("fewer than PAGES_MAX");
    Ok(Extracted { title: title(&document), sections: vec![section], pages_unread, ..Extracted::default() })
}

/// The pages as one text, as paragraphs go on over their ends, with where each begins.
fn section(pages: &[(u32, String)]) -> Section {
    let mut section = Section { layout: Layout::Plain, ..Section::default() };
    for (number, page) in pages {
        let page = clean::clean(&paragraphs(page));
        if page.trim().is_empty() {
            continue;
        }
        if !section.text.is_empty() {
            section.text.push_str("\n\n");
        }
        section.pages.push((section.text.len(), *number));
        section.text.push_str(&page);
    }
    section
}

/// The lines of a page as paragraphs: a line that is nearly full goes on in the next, and a word that was divided is one again.
fn paragraphs(page: &str) -> String {
    let width = page.lines().map(|line| line.trim().chars().count()).max().unwrap_or_default();
    let mut text = String::with_capacity(page.len());
    let mut lines = page.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        let is_divided = line.ends_with('-')
            && line.chars().rev().nth(1).is_some_and(char::is_alphabetic)
            && next.chars().next().is_some_and(char::is_lowercase);
        text.push_str(if is_divided { line.trim_end_matches('-') } else { line });
        let goes_on = !line.is_empty() && !next.is_empty() && line.chars().count() * 10 >= width * 6;
        text.push_str(match (is_divided, goes_on) {
            (true, _) => "",
            (false, true) => " ",
            (false, false) => "\n",
        });
    }
    text
}

/// What its properties call it.
fn title(document: &Document) -> Option<String> {
    let information = document.trailer.get(b"Info").and_then(|it| document.dereference(it)).ok()?.1.as_dict().ok()?;
    let title = information.get(b"Title").and_then(|it| document.dereference(it)).ok()?.1;
    let title = match title {
        Object::String(..) => pdf_extract::decode_text_string(title).ok()?,
        _ => return None,
    };
    Some(clean::line(&title)).filter(|title| !title.is_empty())
}

/// Takes the letters of pages.
#[derive(Default)]
struct Pages {
    /// Pages that were read to their end, with their numbers.
    whole: Vec<(u32, String)>,
    length: usize,
    /// The page that is being read, or was.
    last: u32,
    page: String,
    /// Where the last letter ended.
    x: f64,
    y: f64,
    is_first: bool,
}

impl OutputDev for Pages {
    fn begin_page(&mut self, number: u32, _: &MediaBox, _: Option<(f64, f64, f64, f64)>) -> Result<(), OutputError> {
        self.last = number;
        self.page.clear();
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.whole.push((self.last, std::mem::take(&mut self.page)));
        Ok(())
    }

    fn output_character(&mut self, at: &Transform, width: f64, _: f64, size: f64, letter: &str) -> Result<(), OutputError> {
        self.length += letter.len();
        if self.length > TEXT_BYTES_MAX {
            return Err(OutputError::FormatError(std::fmt::Error));
        }
        // The side of the square that has the area of a letter as wide and high as the size says.
        let size = (size * (at.m11 + at.m21) * size * (at.m12 + at.m22)).abs().sqrt();
        let (x, y) = (at.m31, at.m32);
        if self.is_first && !self.page.is_empty() {
            let down = (y - self.y).abs();
            if down > size * 1.5 {
                self.page.push_str("\n\n");
            } else if down > size * 0.5 && x < self.x {
                self.page.push('\n');
            } else if x > self.x + size * 0.1 {
                self.page.push(' ');
            }
        }
        self.page.push_str(letter);
        self.is_first = false;
        self.x = x + width * size;
        self.y = y;
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.is_first = true;
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
