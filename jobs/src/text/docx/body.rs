//! The main document of a DOCX: its paragraphs in their order, a row of a table as a line. Pure.

use super::{
    Element, attribute, each,
    styles::{Looks, Styles},
};
use crate::text::{
    Unread, clean,
    outline::{Layout, Outline, Section},
};

/// What a document says.
pub(super) struct Body {
    pub(super) title: Option<String>,
    pub(super) sections: Vec<Section>,
}

/// Elements whose content is not shown, or shown elsewhere in the same document: what was moved away, how a paragraph looked before, what
/// programs show that know less, what is beside the text.
const LEFT_OUT: [&str; 7] = ["moveFrom", "del", "Fallback", "pPrChange", "rPrChange", "sectPr", "instrText"];

pub(super) fn read(document: &str, styles: &Styles) -> Result<Body, Unread> {
    let mut reading = Reading::of(styles);
    each(document, |element| reading.element(element))?;
    Ok(Body { title: reading.title, sections: reading.outline.finish() })
}

/// A paragraph that is being read.
#[derive(Default)]
struct Paragraph {
    text: String,
    looks: Looks,
    style: Option<String>,
}

struct Reading<'s> {
    styles: &'s Styles,
    outline: Outline,
    title: Option<String>,
    /// Elements that are left out and open.
    left_out: usize,
    /// Paragraphs that are open: one may have a box of text, with its own.
    paragraphs: Vec<Paragraph>,
    /// Rows of tables that are open, with their cells: a cell may have a table.
    rows: Vec<Vec<String>>,
    /// Cells that are open.
    cells: Vec<String>,
    is_text: bool,
}

impl<'s> Reading<'s> {
    fn of(styles: &'s Styles) -> Self {
        Self {
            styles,
            outline: Outline::new(Layout::Plain),
            title: None,
            left_out: 0,
            paragraphs: Vec::new(),
            rows: Vec::new(),
            cells: Vec::new(),
            is_text: false,
        }
    }

    fn element(&mut self, element: Element<'_>) {
        match element {
            Element::Begin(name, _) if LEFT_OUT.contains(&name) => self.left_out += 1,
            Element::End(name) if LEFT_OUT.contains(&name) => self.left_out = self.left_out.saturating_sub(1),
            _ if self.left_out > 0 => {}
            Element::Begin(name, start) => match name {
                "p" => self.paragraphs.push(Paragraph::default()),
                "tr" => self.rows.push(Vec::new()),
                "tc" => self.cells.push(String::new()),
                "t" => self.is_text = true,
                "tab" | "ptab" => self.say(" "),
                "br" | "cr" => self.say("\n"),
                "noBreakHyphen" => self.say("-"),
                name => {
                    let Some(paragraph) = self.paragraphs.last_mut() else { return };
                    match name {
                        "pStyle" => paragraph.style = attribute(start, "val"),
                        "outlineLvl" | "numId" => paragraph.looks.take(name, attribute(start, "val").as_deref()),
                        _ => {}
                    }
                }
            },
            Element::Text(text) if self.is_text => self.say(text),
            Element::Text(_) => {}
            Element::End(name) => match name {
                "t" => self.is_text = false,
                "p" => self.paragraph(),
                "tc" => {
                    let cell = self.cells.pop().unwrap_or_default();
                    if let Some(row) = self.rows.last_mut() {
                        row.push(cell);
                    }
                }
                "tr" => self.row(),
                _ => {}
            },
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(text);
        }
    }

    fn paragraph(&mut self) {
        let Some(Paragraph { text, looks, style }) = self.paragraphs.pop() else { return };
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(cell) = self.cells.last_mut() {
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(&text.replace('\n', " "));
            return;
        }
        let styled = style.map(|style| self.styles.looks(&style)).unwrap_or_default();
        match looks.level.or(styled.level) {
            Some(level) => {
                if level == 0 && self.title.is_none() {
                    self.title = Some(clean::line(text));
                }
                self.outline.heading(level, text);
            }
            None if looks.is_item.or(styled.is_item) == Some(true) => self.outline.text(&format!("- {text}"), "\n"),
            None => self.outline.text(text, "\n\n"),
        }
    }

    fn row(&mut self) {
        let cells = self.rows.pop().unwrap_or_default();
        match self.cells.last_mut() {
            Some(outer) => {
                outer.push(' ');
                outer.push_str(&cells.join(" "));
            }
            None if cells.iter().any(|cell| !cell.is_empty()) => self.outline.text(&format!("| {} |", cells.join(" | ")), "\n"),
            None => {}
        }
    }
}
