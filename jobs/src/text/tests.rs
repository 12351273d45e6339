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
