//! Documents, read by a process of the built binary: what it makes of ordinary ones, and that hostile ones end in a clear error within its
//! limits, which are 512 MiB and a minute of computing.

mod hostile;

use std::{fs, path::PathBuf};

use windrow_jobs::{
    search::Chunking,
    text::{Asked, Read, Texts, Unread},
};
use windrow_tests::server::binary;

use crate::documents::repository;

fn fixture(name: &str) -> PathBuf {
    repository("tests/fixtures/texts").join(name)
}

fn texts() -> Texts {
    Texts::new(binary("windrow"), 1)
}

async fn read(bytes: PathBuf, media_type: &str) -> Result<Read, Unread> {
    let source = Some("https://x.example/a/b?c=d".to_owned());
    texts().chunks(Asked { media_type: Some(media_type.into()), bytes, source, chunking: Chunking::default() }).await
}

#[tokio::test]
async fn a_process_tells_what_is_told_without_one() {
    for name in ["otters.docx", "fpdf2.pdf", "reportlab.pdf", "restricted.pdf"] {
        let asked = Asked { media_type: None, bytes: fixture(name), source: Some(name.into()), chunking: Chunking::default() };
        let here = Texts::in_process().chunks(asked.clone()).await.expect(name);
        let there = texts().chunks(asked).await.expect(name);
        println!("{name}: {:?}, {} chunks", there.title, there.chunks.len());
        assert_eq!(here, there, "{name}");
    }
}

#[tokio::test]
async fn a_process_for_each_document_and_not_more_than_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = texts();
    let asked = |n: usize| {
        let path = folder.path().join(n.to_string());
        fs::write(&path, format!("# Document {n}\n\nIts words.")).expect("written");
        Asked { media_type: Some("text/markdown".into()), bytes: path, source: None, chunking: Chunking::default() }
    };
    let all = futures::future::join_all((0..4).map(|n| texts.chunks(asked(n)))).await;
    for (n, read) in all.into_iter().enumerate() {
        assert_eq!(read.expect("a document").chunks[0].heading, [format!("Document {n}")]);
    }
}
