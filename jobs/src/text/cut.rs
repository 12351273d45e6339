//! Cuts sections into chunks: within each by the crate `text-splitter`, which takes paragraphs whole where it can, then sentences, then
//! words, with some of the chunk before at the beginning of the next. No chunk has text of two sections, so its headings are true. Pure.
//!
//! What is cut at a time is bounded: text made to be hard to cut takes time by the square of its length.

use text_splitter::{ChunkConfig, MarkdownSplitter, TextSplitter};

use super::{
    TEXT_BYTES_MAX, Unread,
    outline::{Layout, Section},
    read::Piece,
    tokens::Tokens,
};
use crate::search::{CHUNK_BYTES_MAX, CHUNKS_MAX, Chunk, Chunking};

/// The fewest tokens that a chunk's own text has room for.
const TOKENS_MIN: usize = 16;
/// What chunks may have together, with what they repeat: their overlaps and headings.
const CHUNKS_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// The chunks of these sections.
pub(super) fn cut(sections: &[Section], chunking: Chunking) -> Result<Vec<Piece>, Unread> {
    let mut made = Made { tokens: Tokens::load(), pieces: Vec::new(), bytes: 0 };
    for section in sections {
        let (heading, heading_tokens) = heading(section, made.tokens, chunking);
        let capacity = usize::from(chunking.tokens_max).saturating_sub(heading_tokens).max(TOKENS_MIN);
        let overlap = usize::from(chunking.overlap_tokens).min(capacity / 2);
        let config = ChunkConfig::new(capacity).with_sizer(made.tokens).with_overlap(overlap).expect("half of it is less than it");
        let cutter = match section.layout {
            Layout::Plain => Cutter::Plain(TextSplitter::new(config)),
            Layout::Markdown => Cutter::Markdown(MarkdownSplitter::new(config)),
        };
        let mut begin = 0;
        while begin < section.text.len() {
            let end = begin + bite(&section.text[begin..]);
            cutter.each(&section.text[begin..end], |at, text| {
                let page = page(&section.pages, begin + at);
                made.add(&heading, text, page)
            })?;
            begin = end;
        }
    }
    Ok(made.pieces)
}

enum Cutter {
    Plain(TextSplitter<Tokens>),
    Markdown(MarkdownSplitter<Tokens>),
}

impl Cutter {
    fn each(&self, text: &str, mut add: impl FnMut(usize, &str) -> Result<(), Unread>) -> Result<(), Unread> {
        match self {
            Self::Plain(splitter) => splitter.chunk_indices(text).try_for_each(|(at, text)| add(at, text)),
            Self::Markdown(splitter) => splitter.chunk_indices(text).try_for_each(|(at, text)| add(at, text)),
        }
    }
}

struct Made {
    tokens: Tokens,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Made {
    fn add(&mut self, heading: &[String], text: &str, page: Option<u32>) -> Result<(), Unread> {
        // Rules and the frames of tables: nothing that could be asked for.
        if !text.contains(char::is_alphanumeric) {
            return Ok(());
        }
        if self.pieces.len() == CHUNKS_MAX {
            return Err(Unread::TooLarge(format!("it makes more than {CHUNKS_MAX} chunks")));
        }
        self.bytes += text.len() + heading.iter().map(String::len).sum::<usize>();
        if self.bytes > CHUNKS_BYTES_MAX {
            return Err(Unread::TooLarge(format!("its chunks have more than {CHUNKS_BYTES_MAX} bytes with their headings")));
        }
        let tokens = self.tokens.count(&Chunk::embedded(heading, text));
        let tokens = u32::try_from(tokens).expect("a chunk has no more tokens than bytes");
        self.pieces.push(Piece { heading: heading.to_vec(), text: text.to_owned(), page, tokens });
        Ok(())
    }
}

/// The headings that go with each chunk of a section, and their tokens. Where they would take more than half of a chunk, the outermost go.
fn heading(section: &Section, tokens: Tokens, chunking: Chunking) -> (Vec<String>, usize) {
    let mut heading = section.heading.clone();
    loop {
        let count = if heading.is_empty() { 0 } else { tokens.count(&Chunk::embedded(&heading, "")) };
        if count <= usize::from(chunking.tokens_max) / 2 {
            return (heading, count);
        }
        heading.remove(0);
    }
}

/// How much of a text is cut at a time: all, or so much that what follows begins a paragraph, a line, a sentence or a word.
fn bite(text: &str) -> usize {
    if text.len() <= CHUNK_BYTES_MAX {
        return text.len();
    }
    let end = text.floor_char_boundary(CHUNK_BYTES_MAX);
    // Not before its half, or a text that has but one border near its beginning is cut in crumbs.
    let half = text.floor_char_boundary(end / 2);
    let borders = ["\n\n", "\n", ". ", "。", " ", "\t"];
    borders.iter().find_map(|border| text[half..end].rfind(border).map(|at| half + at + border.len())).unwrap_or(end)
}

/// The page on which what is at `at` is.
fn page(pages: &[(usize, u32)], at: usize) -> Option<u32> {
    let next = pages.partition_point(|(begin, _)| *begin <= at);
    next.checked_sub(1).map(|index| pages[index].1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::text::tests::computed;

    const CHUNKING: Chunking = Chunking { tokens_max: 60, overlap_tokens: 20 };

    fn section(heading: &[&str], text: &str, layout: Layout) -> Section {
        Section { heading: heading.iter().map(ToString::to_string).collect(), text: text.into(), layout, pages: Vec::new() }
    }

    fn sentences(count: usize) -> String {
        (0..count)
            .map(|n| format!("Sentence number {n} tells what happened on day {n} of the long journey. "))
            .collect::<String>()
            .trim()
            .into()
    }

    #[test]
    fn chunks_end_with_sentences_and_begin_with_the_end_of_the_one_before() {
        let text = sentences(60);
        let pieces = cut(&[section(&["Journey", "Days"], &text, Layout::Plain)], CHUNKING).expect("chunks");
        assert!(pieces.len() > 10);
        for piece in &pieces {
            assert!(piece.text.starts_with("Sentence") && piece.text.ends_with('.'), "{piece:?}");
            assert_eq!(piece.heading, ["Journey", "Days"]);
            assert!(piece.tokens <= 60, "with its headings: {piece:?}");
        }
        let overlapping = pieces.windows(2).filter(|pair| {
            let last = pair[0].text.rfind("Sentence").expect("a sentence");
            pair[1].text.starts_with(&pair[0].text[last..])
        });
        assert_eq!(overlapping.count(), pieces.len() - 1);
        let told: std::collections::BTreeSet<&str> =
            pieces.iter().flat_map(|piece| piece.text.split_inclusive('.')).map(str::trim).collect();
        assert_eq!(told.len(), 60, "every sentence is in a chunk");
    }

    #[test]
    fn no_chunk_has_text_of_two_sections_nor_nothing_to_ask_for() {
        let sections = ["one", "* * *", "two"].map(|text| section(&[text], text, Layout::Markdown));
        let texts: Vec<_> = cut(&sections, CHUNKING).expect("chunks").into_iter().map(|piece| piece.text).collect();
        assert_eq!(texts, ["one", "two"]);
    }

    #[test]
    fn headings_that_leave_no_room_lose_the_outermost() {
        let long = "a heading that says very much about very little ".repeat(4);
        let pieces = cut(&[section(&[&long, &long, "Short"], &sentences(9), Layout::Plain)], CHUNKING).expect("chunks");
        assert!(pieces.iter().all(|piece| piece.heading == ["Short"] && piece.tokens <= 60), "{pieces:?}");
    }

    #[test]
    fn a_chunk_knows_the_page_on_which_it_begins() {
        let pages = [sentences(12), sentences(12), sentences(12)];
        let mut section = section(&[], &pages.join("\n\n"), Layout::Plain);
        section.pages = vec![(0, 1), (pages[0].len() + 2, 2), (2 * pages[0].len() + 4, 4)];
        let found = cut(&[section], Chunking { tokens_max: 60, overlap_tokens: 0 }).expect("chunks");
        let found: Vec<u32> = found.iter().filter_map(|piece| piece.page).collect();
        assert!(found.is_sorted() && [1, 2, 4].iter().all(|page| found.contains(page)), "{found:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_word_is_in_a_chunk_and_no_chunk_is_larger_than_asked_for(
            words in prop::collection::vec("[a-zäß日🚀*#`>|.!-]{1,12}[ \n.]{0,3}", 1..400),
            tokens_max in 40_u16..200,
            overlap_tokens in 0_u16..60,
            layout in prop::sample::select(vec![Layout::Plain, Layout::Markdown]),
        ) {
            let text = words.concat();
            let pieces = cut(&[section(&["A heading"], &text, layout)], Chunking { tokens_max, overlap_tokens }).expect("chunks");
            let letters = |text: &str| text.chars().filter(|character| character.is_alphanumeric()).collect::<String>();
            // Each chunk goes on where the one before ended, or some tokens earlier; one may bring nothing new but signs.
            let (all, mut end) = (letters(&text), 0);
            for piece in &pieces {
                prop_assert!(piece.tokens <= u32::from(tokens_max), "{piece:?}");
                let own = letters(&piece.text);
                let begin = (0..=end).rev().find(|begin| all.get(*begin..).is_some_and(|rest| rest.starts_with(&own)) && begin + own.len() >= end);
                prop_assert!(begin.is_some(), "{piece:?} behind {end} of {all:?}");
                end = begin.unwrap_or_default() + own.len();
            }
            prop_assert_eq!(end, all.len());
        }
    }

    /// What took 7 s (letters) and 9 s (Japanese) in one piece, by tokens counted as they are.
    #[test]
    fn text_that_is_hard_to_cut_is_cut_in_time() {
        for (what, text, layout) in [
            ("letters", "a".repeat(200_000), Layout::Plain),
            ("Japanese", "日本語文章".repeat(20_000), Layout::Plain),
            ("quotes", "> ".repeat(100_000) + "a", Layout::Markdown),
            ("brackets", "[".repeat(200_000) + "a", Layout::Markdown),
            ("stars", "*a ".repeat(70_000), Layout::Markdown),
            ("spaces", format!("a{}b", " ".repeat(200_000)), Layout::Plain),
        ] {
            let begun = computed();
            let pieces = cut(&[section(&[], &text, layout)], Chunking::default()).expect("chunks");
            let taken = computed() - begun;
            println!("{what}: {} chunks in {taken:?}", pieces.len());
            assert!(taken < Duration::from_secs(20), "{what}: {taken:?}");
            assert!(pieces.iter().all(|piece| piece.tokens <= 440 && piece.text.len() <= CHUNK_BYTES_MAX), "{what}");
        }
    }

    #[test]
    fn too_many_chunks_and_too_much_of_them_are_refused() {
        let line = section(&[], "word", Layout::Plain);
        let refused = cut(&vec![line; CHUNKS_MAX + 1], CHUNKING).expect_err("too many");
        assert_eq!(refused, Unread::TooLarge("it makes more than 10000 chunks".into()));
    }
}
