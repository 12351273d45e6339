//! Sections of a document: text, and the headings above it. Made by who reads a document from its beginning to its end. Pure.

use super::clean;

/// What a section's text is written in: says where it may be cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Layout {
    #[default]
    Plain,
    Markdown,
}

/// Text between two headings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// The headings above it, the outermost first.
    pub(super) heading: Vec<String>,
    pub(super) text: String,
    pub(super) layout: Layout,
    /// Where in the text each page begins, of what has pages: the first begins at 0.
    pub(super) pages: Vec<(usize, u32)>,
}

/// The sections of a document that is being read.
#[derive(Debug, Default)]
pub(super) struct Outline {
    layout: Layout,
    sections: Vec<Section>,
    /// The headings above what comes next, each with its level.
    open: Vec<(u8, String)>,
    /// Whether nothing came yet below the last of them.
    is_bare: bool,
    text: String,
}

impl Outline {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, ..Self::default() }
    }

    /// A heading of this level: 0 is the outermost.
    pub(super) fn heading(&mut self, level: u8, title: &str) {
        // What many pages put there for a link to the heading itself.
        let title = clean::words(title.trim_end().trim_end_matches('¶'));
        // A line of dashes below a paragraph makes it a heading in Markdown, and who writes it seldom means that.
        if title.chars().count() > clean::HEADING_CHARACTERS_MAX {
            return self.text(&title, "\n\n");
        }
        self.close(level);
        while self.open.last().is_some_and(|(last, _)| *last >= level) {
            self.open.pop();
        }
        if !title.is_empty() {
            self.open.push((level, title));
            self.is_bare = true;
        }
    }

    /// Text below the last heading, beginning on a line of its own.
    pub(super) fn text(&mut self, text: &str, between: &str) {
        if text.trim().is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str(between);
        }
        self.text.push_str(text);
    }

    pub(super) fn finish(mut self) -> Vec<Section> {
        self.close(0);
        self.sections
    }

    /// Ends the section, as a heading of this level comes.
    fn close(&mut self, level: u8) {
        let text = clean::clean(&std::mem::take(&mut self.text));
        let mut heading: Vec<String> = self.open.iter().map(|(_, title)| title.clone()).collect();
        let is_bare = std::mem::take(&mut self.is_bare);
        if !text.is_empty() {
            self.sections.push(Section { heading, text, layout: self.layout, pages: Vec::new() });
        } else if is_bare && self.open.last().is_some_and(|(last, _)| *last >= level) {
            // Nothing is below it, not even a heading: it is all that is said there.
            let text = heading.pop().unwrap_or_default();
            self.sections.push(Section { heading, text, layout: Layout::Plain, pages: Vec::new() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_for_a_heading_is_a_paragraph() {
        let long = "word ".repeat(50);
        let mut outline = Outline::new(Layout::Plain);
        outline.heading(1, "A");
        outline.text("before", "\n\n");
        outline.heading(2, &long);
        outline.text("after", "\n\n");
        let sections = outline.finish();
        assert_eq!(sections.len(), 1);
        assert_eq!((sections[0].heading.join("/"), &sections[0].text), ("A".into(), &format!("before\n\n{}\n\nafter", long.trim())));
    }

    #[test]
    fn a_section_has_the_headings_above_it() {
        let mut outline = Outline::new(Layout::Plain);
        outline.text("before", "\n");
        outline.heading(1, "A ¶");
        outline.heading(2, " B\n b ");
        outline.text("b, one", "\n");
        outline.text("  ", "\n");
        outline.text("b, two", "\n");
        outline.heading(4, "C");
        outline.heading(3, "D");
        outline.text("d", "\n");
        outline.heading(1, "");
        outline.text("after", "\n");
        outline.heading(1, "E");
        let all: Vec<_> = outline.finish().into_iter().map(|section| (section.heading.join("/"), section.text)).collect();
        let expected = [("", "before"), ("A/B b", "b, one\nb, two"), ("A/B b", "C"), ("A/B b/D", "d"), ("", "after"), ("", "E")];
        assert_eq!(all, expected.map(|(heading, text)| (heading.to_owned(), text.to_owned())));
    }
}
