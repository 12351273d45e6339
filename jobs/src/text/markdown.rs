//! Markdown: sections by its headings, and their text without what is not meant to be read: targets of links, pictures, tags of HTML,
//! comments, escapes. Lists, tables, code and emphasis stay as they are written. Pure.

use std::ops::Range;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{
    clean, html,
    outline::{Layout, Outline},
    read::Extracted,
};

/// What a text in Markdown says. Its title is what its front matter or its first heading of the first level says.
pub(super) fn read(text: &str) -> Extracted {
    let text = clean::clean(text);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reading = Reading { text: &text, outline: Outline::new(Layout::Markdown), ..Reading::default() };
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        reading.event(event, range);
    }
    reading.section(text.len());
    Extracted { title: reading.title, sections: reading.outline.finish(), ..Extracted::default() }
}

#[derive(Default)]
struct Reading<'t> {
    text: &'t str,
    outline: Outline,
    title: Option<String>,
    /// Where the section's text begins.
    from: usize,
    /// Tags that are open.
    depth: usize,
    /// What takes the place of parts of the section.
    edits: Vec<(Range<usize>, String)>,
    /// Links and pictures that are open: where each is, and where what it shows is.
    shown: Vec<(Range<usize>, Option<Range<usize>>)>,
    /// A heading, or a front matter, that is being read.
    heading: Option<String>,
    is_code: bool,
    /// Where the last text ended.
    text_end: usize,
}

impl Reading<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        let is_end = matches!(event, Event::End(_));
        if !is_end {
            self.show(&range);
        }
        match event {
            Event::Start(tag) => {
                self.begin(&tag, range);
                self.depth += 1;
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                self.end(tag, range);
            }
            Event::Text(text) => self.words(&text, range),
            Event::Code(code) => self.push(&code),
            Event::SoftBreak | Event::HardBreak => self.push(" "),
            Event::InlineHtml(tag) => {
                let is_break = tag.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case("<br"));
                self.edit(range, if is_break { " " } else { "" });
            }
            _ => {}
        }
    }

    fn begin(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            // One in a list or a quote is part of that.
            Tag::Heading { .. } if self.depth == 0 => {
                self.section(range.start);
                self.heading = Some(String::new());
            }
            Tag::MetadataBlock(_) => self.heading = Some(String::new()),
            Tag::Link { .. } | Tag::Image { .. } => self.shown.push((range, None)),
            Tag::CodeBlock(_) => self.is_code = true,
            Tag::HtmlBlock => {
                let text = html::text(&self.text[range.clone()]);
                self.edit(range, &format!("{text}\n"));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Heading(level) if self.depth == 0 => {
                let title = self.heading.take().unwrap_or_default();
                if level == HeadingLevel::H1 && self.title.is_none() {
                    self.title = Some(clean::line(&title)).filter(|title| !title.is_empty());
                }
                self.outline.heading(level as u8, &title);
                self.skip(range.end);
            }
            TagEnd::MetadataBlock(_) => {
                let front = self.heading.take().unwrap_or_default();
                let title = front.lines().find_map(|line| line.strip_prefix("title:"));
                let title = title.map(|title| clean::line(title.trim().trim_matches(['"', '\''])));
                self.title = title.filter(|title| !title.is_empty());
                self.skip(range.end);
            }
            TagEnd::Link | TagEnd::Image => {
                let Some((whole, shown)) = self.shown.pop() else { return };
                let shown = shown.unwrap_or(whole.end..whole.end);
                self.edit(whole.start..shown.start, "");
                self.edit(shown.end..whole.end, "");
            }
            TagEnd::CodeBlock => self.is_code = false,
            _ => {}
        }
    }

    /// What comes within an open link or picture is what that shows.
    fn show(&mut self, range: &Range<usize>) {
        if let Some((_, shown)) = self.shown.last_mut() {
            let before = shown.take().unwrap_or_else(|| range.clone());
            *shown = Some(before.start..before.end.max(range.end));
        }
    }

    fn words(&mut self, text: &CowStr<'_>, range: Range<usize>) {
        let is_escaped = range.start > self.text_end && self.text.as_bytes().get(range.start - 1) == Some(&b'\\');
        if !self.is_code && self.heading.is_none() {
            if is_escaped {
                self.edit(range.start - 1..range.start, "");
            }
            // An entity, as what it stands for.
            if self.text.get(range.clone()).is_some_and(|written| written != &**text) {
                self.edit(range.clone(), text);
            }
        }
        self.text_end = range.end;
        self.push(text);
    }

    fn push(&mut self, text: &str) {
        if let Some(heading) = &mut self.heading {
            heading.push_str(text);
        }
    }

    fn edit(&mut self, range: Range<usize>, by: &str) {
        if !range.is_empty() {
            self.edits.push((range, by.to_owned()));
        }
    }

    /// Ends the section's text here.
    fn section(&mut self, end: usize) {
        let mut edits = std::mem::take(&mut self.edits);
        edits.sort_by_key(|(range, _)| range.start);
        let (mut text, mut at) = (String::new(), self.from);
        for (range, by) in edits {
            if range.start >= at && range.end <= end {
                text.push_str(&self.text[at..range.start]);
                text.push_str(&by);
                at = range.end;
            }
        }
        text.push_str(self.text.get(at..end).unwrap_or_default());
        self.outline.text(&text, "\n\n");
        self.skip(end);
    }

    fn skip(&mut self, to: usize) {
        self.edits.clear();
        self.from = to;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::tests::computed;

    fn sections(text: &str) -> Vec<(String, String)> {
        read(text).sections.into_iter().map(|section| (section.heading.join(" > "), section.text)).collect()
    }

    fn one(text: &str) -> String {
        sections(text).pop().map(|(_, text)| text.trim().to_owned()).unwrap_or_default()
    }

    #[test]
    fn sections_are_by_headings_of_both_kinds_and_never_of_code_lists_or_quotes() {
        let text = "Before.\n\n# The *one* `title` #\n\nIntro.\n\nUnder\n-----\n\nBody.\n\n```sh\n# no heading\n```\n\n> # quoted\n\n- # listed\n\n### Deep {#id}\n\nEnd.\n\n# Last";
        let told = sections(text);
        assert_eq!(told[0], (String::new(), "Before.".into()));
        assert_eq!(told[1], ("The one title".into(), "Intro.".into()));
        let body = "Body.\n\n```sh\n# no heading\n```\n\n> # quoted\n\n- # listed";
        assert_eq!(told[2], ("The one title > Under".into(), body.into()));
        assert_eq!(told[3], ("The one title > Under > Deep".into(), "End.".into()));
        assert_eq!(told[4], (String::new(), "Last".into()));
        assert_eq!(read(text).title.as_deref(), Some("The one title"));
    }

    #[test]
    fn a_front_matter_says_the_title_and_is_no_text() {
        let read = read("---\ntitle: \"A guide\"\ndraft: true\n---\n\n# Other\n\ntext");
        assert_eq!(read.title.as_deref(), Some("A guide"));
        assert_eq!(read.sections.len(), 1);
        assert_eq!(read.sections[0].text, "text");
    }

    #[test]
    fn what_is_not_meant_to_be_read_is_gone() {
        for (text, told) in [
            ("see [the *docs*](https://x.example/a?b=1 \"t\") now", "see the *docs* now"),
            ("see [the docs][1] now\n\n[1]: https://x.example", "see the docs now\n\n[1]: https://x.example"),
            ("[click](javascript:alert(1))", "click"),
            ("a ![a picture](data:image/png;base64,AAAA) b", "a a picture b"),
            ("[![alt](a.png)](https://x.example) c", "alt c"),
            ("![](a.png) d", "d"),
            ("<https://x.example/a>", "https://x.example/a"),
            ("fish &amp; chips \\* 1\\. &lt;b&gt;", "fish & chips * 1. <b>"),
            ("a <b onclick=\"x()\">bold</b><br>word <!-- no -->", "a bold word"),
            ("x\n\n<script>alert(1)</script>\n\ny", "x\n\ny"),
            ("<div align=center>\n<p>Hello <i>you</i></p>\n</div>\n\nz", "Hello you\n\nz"),
            ("```\n&amp; \\* <b>\n```", "```\n&amp; \\* <b>\n```"),
            ("| a | b |\n|---|---|\n| [c](d) | e |", "| a | b |\n|---|---|\n| c | e |"),
            ("- [ ] task\n- ~~gone~~ **bold**", "- [ ] task\n- ~~gone~~ **bold**"),
        ] {
            assert_eq!(one(text), told, "{text}");
        }
    }

    proptest! {
        /// Without links, HTML and entities, of which parts are left out on purpose.
        #[test]
        fn no_word_is_lost(lines in prop::collection::vec("[ >#*_`~|0-9.a-cä=+-]{0,24}", 0..40)) {
            let text = format!("begin\n\n{}", lines.join("\n"));
            let read = read(&text);
            let told: String = read.sections.iter().flat_map(|section| section.heading.iter().chain([&section.text])).cloned().collect();
            for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
                prop_assert!(told.contains(word), "{word:?} of {text:?} in {told:?}");
            }
        }

        #[test]
        fn nothing_breaks_it(text in "(\\PC|[\\[\\]()<>!&;:#*_`~|\\\\\n -]){0,200}") {
            read(&text);
        }
    }

    #[test]
    fn hostile_markdown_is_read_in_time() {
        for text in [
            "![".repeat(100_000) + &"](x)".repeat(100_000),
            "> ".repeat(100_000),
            "[".repeat(300_000),
            "# \n".repeat(200_000),
            "*_".repeat(200_000),
            "<a ".repeat(200_000),
            "- ".repeat(50_000),
        ] {
            let begun = computed();
            read(&text);
            let taken = computed() - begun;
            println!("{:?}…: {taken:?}", &text[..4]);
            assert!(taken < std::time::Duration::from_secs(10), "{:?}", &text[..4]);
        }
    }
}
