use std::fs;

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../tests/fixtures/texts/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a fixture")
}

#[test]
fn pages_of_fpdf2_are_told_with_where_each_begins() {
    let read = read(&fixture("fpdf2.pdf")).expect("a document");
    assert_eq!(read.title.as_deref(), Some("Otters of three coasts"));
    assert_eq!(read.pages_unread, 0);
    let [section] = read.sections.as_slice() else { panic!("{read:?}") };
    assert_eq!(section.pages.iter().map(|(_, page)| *page).collect::<Vec<_>>(), [1, 2, 3]);
    for ((begin, page), about) in section.pages.iter().zip(["Alaska", "California", "Russia"]) {
        let text = &section.text[*begin..];
        assert!(text.starts_with(&format!("Coast {page}: {about}\n")), "{text}");
        for n in 1..=12 {
            let sentence = format!("Sentence {n} about {about} says what was seen on day {n} of the journey along the coast.");
            assert!(text.contains(&sentence), "{sentence}\n{text}");
        }
    }
}

#[test]
fn letters_of_fonts_that_are_embedded_in_part_are_told() {
    let read = read(&fixture("reportlab.pdf")).expect("a document");
    assert_eq!(read.title.as_deref(), Some("Größe der Otter"));
    let text = &read.sections[0].text;
    for words in ["Die Größe der Otter wächst mit der Kälte des Wassers.", "Un œuvre déjà vu.", "day 10 of the journey along the coast."]
    {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn what_has_no_text_or_cannot_be_opened_is_said() {
    for (name, code, says) in [
        ("blank.pdf", "document_empty", "none of its 1 pages"),
        ("scan.pdf", "document_empty", "none of its 2 pages has any; pictures of text (a scan) are not read"),
        ("encrypted.pdf", "document_unreadable", "opens with a password only"),
    ] {
        let unread = read(&fixture(name)).expect_err(name);
        assert_eq!(unread.code(), Some(code), "{name}");
        assert!(unread.to_string().contains(says), "{unread}");
    }
    let readable = read(&fixture("restricted.pdf")).expect("whoever opens it may read it");
    assert_eq!(readable.sections[0].text, "Whoever opens this may read it, and not print it.");
}

#[test]
fn a_broken_document_is_said_to_be_and_a_broken_page_is_left_out() {
    let whole = fixture("fpdf2.pdf");
    for bytes in [
        &whole[..whole.len() / 3],
        b"%PDF-1.7\n",
        b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 1 0 R >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n",
    ] {
        let unread = catch_unwind(|| read(bytes).expect_err("broken"));
        assert!(unread.is_ok_and(|unread| matches!(unread.code(), Some("document_unreadable" | "document_empty"))));
    }
    // The second page has no size any more: it had its parent's.
    let (before, after) = (b"/Parent 1 0 R\n/Resources 12 0 R", b"/Parent 9 9 R\n/Resources 12 0 R");
    let at = whole.windows(before.len()).position(|window| window == before).expect("the second page");
    let mut broken = whole.clone();
    broken[at..at + after.len()].copy_from_slice(after);
    let read = read(&broken).expect("two of three pages");
    assert_eq!(read.pages_unread, 1);
    assert_eq!(read.sections[0].pages.iter().map(|(_, page)| *page).collect::<Vec<_>>(), [1, 3]);
    assert!(read.sections[0].text.contains("day 12 of the journey") && !read.sections[0].text.contains("California"));
}

#[test]
fn lines_become_paragraphs() {
    for (page, told) in [
        (
            "A heading\nThe quick brown fox jumps over the lazy\ndog, and then it rests for a while in the\nshade.\nNext one.",
            "A heading\nThe quick brown fox jumps over the lazy dog, and then it rests for a while in the shade.\nNext one.\n",
        ),
        ("a long line that ends with a divi-\nded word", "a long line that ends with a divided word\n"),
        ("from A-\nB to 1-\n2", "from A- B to 1- 2\n"),
        ("one\n\ntwo", "one\n\ntwo\n"),
    ] {
        assert_eq!(paragraphs(page), told);
    }
}
