//! Documents of each kind, read in this process. Hostile ones are for a process of their own: `tests/it/texts/`.

use std::{fs, path::PathBuf};

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// How long this thread has computed, whatever else the machine does.
pub(super) fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

fn asked(bytes: PathBuf, media_type: &str, source: Option<&str>) -> Asked {
    Asked { media_type: Some(media_type.into()), bytes, source: source.map(str::to_owned), chunking: Chunking::default() }
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/../tests/fixtures/texts/{name}", env!("CARGO_MANIFEST_DIR")))
}

#[tokio::test]
async fn a_chunk_has_its_headings_its_source_and_the_hash_of_both() {
    let texts = Texts::in_process();
    let read = texts.chunks(asked(fixture("otters.docx"), "", Some("animals/otters.docx"))).await.expect("a document");
    let kelp = read.chunks.iter().find(|chunk| chunk.text.contains("Barrier")).expect("its text");
    assert_eq!(kelp.heading, ["The sea otter", "Habitat", "Kelp"]);
    assert_eq!(kelp.source.as_deref(), Some("animals/otters.docx"));
    assert_eq!(kelp.hash, ChunkHash::of(&format!("The sea otter > Habitat > Kelp\n\n{}", kelp.text)));
    assert_eq!(read.title.as_deref(), Some("Otters & friends"));
    assert_eq!(texts.chunks(asked(fixture("otters.docx"), "", Some("animals/otters.docx"))).await, Ok(read), "the same, each time");
}

#[tokio::test]
async fn a_chunk_of_a_pdf_says_the_page() {
    let read = Texts::in_process().chunks(asked(fixture("fpdf2.pdf"), "application/pdf", Some("https://x.example/a.pdf#top"))).await;
    let read = read.expect("a document");
    let sources: Vec<&str> = read.chunks.iter().filter_map(|chunk| chunk.source.as_deref()).collect();
    assert_eq!((sources[0], sources.len()), ("https://x.example/a.pdf#page=1", read.chunks.len()));
    let last = read.chunks.last().expect("a chunk");
    assert!(last.text.ends_with("day 12 of the journey along the coast."), "{last:?}");
    assert_eq!(last.source.as_deref(), Some("https://x.example/a.pdf#page=3"));
}

#[tokio::test]
async fn texts_of_each_kind_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, media_type, bytes, heading, text) in [
        ("a.txt", "text/plain; charset=iso-8859-1", b"Gr\xfc\xdfe".to_vec(), "", "Grüße"),
        ("a.md", "text/markdown", b"# A\n\n*b*".to_vec(), "A", "*b*"),
        ("a.html", "text/html", b"<title>t</title><p>Some <b>words</b>".to_vec(), "", "Some **words**"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let read = Texts::in_process().chunks(asked(path, media_type, None)).await.expect(name);
        assert_eq!((read.chunks[0].heading.join(""), read.chunks[0].text.as_str()), (heading.to_owned(), text), "{name}");
    }
}

/// No store takes a NUL: none comes out of a document, in whatever place and manner it has one.
#[tokio::test]
async fn no_text_has_a_nul_or_another_control_character() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = "Words that are long enough for a few characters beside them which no text has. ".repeat(4);
    let pdf = fs::read(fixture("fpdf2.pdf")).expect("a fixture");
    let title = b"(Otters of three coasts)";
    let at = pdf.windows(title.len()).position(|window| window == title).expect("its title");
    let mut titled = pdf;
    titled[at + 7..at + 11].copy_from_slice(b"\\000");
    for (media_type, bytes, expected) in [
        ("text/plain", format!("{words}no\0thing\u{1}").into_bytes(), None),
        (
            "text/markdown",
            format!("---\ntitle: T\0itle\n---\n# He\0ad &#0; &#1;\n\n{words}no\0thing &#0; [li\0nk](a\0b)").into_bytes(),
            Some("Title"),
        ),
        (
            "text/html",
            format!("<title>Tit&#1;le</title><h1>He\0ad</h1><p>{words}no\0thing &#0; <a href='/a\0b'>l</a><pre>a&#7;b</pre>").into_bytes(),
            Some("Title"),
        ),
        ("application/pdf", titled, Some("Ottersthree coasts")),
    ] {
        let path = folder.path().join("a");
        fs::write(&path, bytes).expect("written");
        let read = Texts::in_process().chunks(asked(path, media_type, Some("https://x.example/"))).await.expect(media_type);
        println!("{media_type}: {:?} {:?} {:?}", read.title, read.chunks[0].heading, read.links);
        let texts = read.chunks.iter().flat_map(|chunk| chunk.heading.iter().chain([&chunk.text]));
        for text in texts.chain(&read.title).chain(&read.links) {
            assert!(!text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')), "{media_type}: {text:?}");
        }
        assert_eq!(read.title.as_deref(), expected, "{media_type}");
        if media_type != "application/pdf" {
            assert!(read.chunks.iter().any(|chunk| chunk.text.contains("nothing")), "{media_type}: {read:?}");
        }
    }
}

#[tokio::test]
async fn what_has_no_words_is_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    for bytes in ["", " \n\t", "* * *\n---\n", "\u{feff}"] {
        fs::write(&path, bytes).expect("written");
        let unread = Texts::in_process().chunks(asked(path.clone(), "text/markdown", None)).await.expect_err("no words");
        assert_eq!(unread.code(), Some("document_empty"), "{bytes:?}");
    }
    fs::remove_file(&path).expect("removed");
    let unread = Texts::in_process().chunks(asked(path, "text/plain", None)).await.expect_err("no file");
    assert_eq!(unread.code(), None, "nobody's document is to blame");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    let file = fs::File::create(&path).expect("a file");
    for (media_type, size) in
        [("text/plain", 100 << 20), ("application/pdf", DOCUMENT_BYTES_MAX + 1), ("text/html", HTML_BYTES_MAX + 1), ("text/plain", 9 << 20)]
    {
        file.set_len(size).expect("a size");
        let unread = Texts::in_process().chunks(asked(path.clone(), media_type, None)).await.expect_err("too large");
        let expected = if size == 9 << 20 { "document_unreadable" } else { "document_too_large" };
        assert_eq!(unread.code(), Some(expected), "{unread}");
    }
    fs::write(&path, "word ".repeat(2 << 20)).expect("written");
    let unread = Texts::in_process().chunks(asked(path, "text/plain", None)).await.expect_err("too long");
    assert_eq!(unread, Unread::TooLarge("its text is longer than 8388608 bytes".into()));
}
