//! Documents made to take all there is, and what is said of each.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;

use super::{fixture, read};

/// What a document may take until its answer: a minute of computing, on a machine that has other things to do.
const WALL: Duration = Duration::from_secs(120);

struct Hostile {
    name: &'static str,
    media_type: &'static str,
    bytes: PathBuf,
    code: &'static str,
    /// One of these is said.
    says: &'static [&'static str],
}

fn hostile(folder: &TempDir) -> Vec<Hostile> {
    const SPENT: &[&str] = &["reading it used more than 512 MiB", "reading it computed for too long", "reading it was killed"];
    let made = |name: &'static str, media_type, bytes: Vec<u8>, code, says| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        Hostile { name, media_type, bytes: path, code, says }
    };
    let kept = |name: &'static str, code, says| Hostile { name, media_type: "", bytes: fixture(name), code, says };
    let large = folder.path().join("large");
    File::create(&large).and_then(|file| file.set_len(100 << 20)).expect("a file of 100 MiB");
    vec![
        Hostile { name: "100 MiB", media_type: "text/html", bytes: large, code: "document_too_large", says: &["104857600 bytes"] },
        kept("bomb.docx", "document_too_large", &["unpacks to more than 67108864 bytes"]),
        kept("bomb.pdf", "document_too_large", SPENT),
        kept("loop.pdf", "document_too_large", SPENT),
        kept("blank.pdf", "document_empty", &["none of its 1 pages"]),
        kept("scan.pdf", "document_empty", &["(a scan)"]),
        kept("encrypted.pdf", "document_unreadable", &["password"]),
        made("nested", "text/html", "<div>".repeat(20_000).into(), "document_too_large", &["deeper within each other"]),
        made("unclosed", "text/html", "<x-y a=b></z>".repeat(100_000).into(), "document_too_large", &["deeper within each other"]),
        made("scripts", "text/html", "<body><script>document.write('x')</script>".into(), "document_empty", &["scripts"]),
        made("brackets.pdf", "", [b"%PDF-1.4\n1 0 obj\n".to_vec(), b"[".repeat(200_000)].concat(), "document_unreadable", &[""]),
        made("cut.pdf", "", fs::read(fixture("fpdf2.pdf")).expect("a fixture")[..900].into(), "document_unreadable", &[""]),
        made("binary", "text/plain", (0..=255).cycle().take(100_000).collect(), "document_unreadable", &["it is no text"]),
        made("picture", "image/png", b"\x89PNG\r\n".to_vec(), "document_unsupported", &["image/png"]),
        made("headings", "text/markdown", "# a\n".repeat(20_000).into(), "document_too_large", &["more than 10000 chunks"]),
    ]
}

#[tokio::test]
async fn a_hostile_document_ends_in_a_clear_error_within_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    for Hostile { name, media_type, bytes, code, says } in hostile(&folder) {
        let begun = Instant::now();
        let unread = read(bytes, media_type).await.expect_err(name);
        println!("{name}: {unread} ({} ms)", begun.elapsed().as_millis());
        assert_eq!(unread.code(), Some(code), "{name}: {unread}");
        assert!(says.iter().any(|says| unread.to_string().contains(says)), "{name}: {unread}");
        assert!(begun.elapsed() < WALL, "{name}");
    }
}

/// Bytes changed here and there: whatever breaks, an answer comes, and it is never the machine that is blamed.
#[tokio::test]
async fn a_document_with_broken_bytes_is_read_or_refused() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut whole, mut refused) = (0, BTreeMap::<_, usize>::new());
    for name in ["otters.docx", "fpdf2.pdf", "reportlab.pdf", "restricted.pdf"] {
        let bytes = fs::read(fixture(name)).expect("a fixture");
        for n in 0..25 {
            let mut broken = bytes.clone();
            for _ in 0..random.random_range(1..20) {
                let at = random.random_range(0..broken.len());
                broken[at] = random.random();
            }
            let path = folder.path().join(format!("{n} {name}"));
            fs::write(&path, broken).expect("written");
            match read(path, "").await {
                Ok(_) => whole += 1,
                Err(unread) => *refused.entry(unread.code().unwrap_or_else(|| panic!("{name}, seed {seed}: {unread}"))).or_default() += 1,
            }
        }
    }
    println!("{whole} read, refused: {refused:?}");
}

#[tokio::test]
async fn what_is_hard_to_read_is_read_within_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let sentence = "The quick brown fox jumps over the lazy dog, and then it rests for a while. ";
    for (name, media_type, bytes) in [
        ("letters", "text/plain", "a".repeat(200_000).into_bytes()),
        ("Japanese", "text/plain", "日本語文章".repeat(20_000).into_bytes()),
        ("long prose", "text/plain", sentence.repeat(26_000).into_bytes()),
        ("large page", "text/html", format!("<article>{}</article>", format!("<p>{sentence}</p>").repeat(20_000)).into_bytes()),
        ("deep quotes", "text/markdown", format!("{}a", "> ".repeat(20_000)).into_bytes()),
        ("wrong charset", "text/html; charset=utf-8", b"<title>Gr\xf6\xdfe</title><p>Die Gr\xf6\xdfe der Stra\xdfe".to_vec()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let begun = Instant::now();
        let read = read(path, media_type).await.unwrap_or_else(|unread| panic!("{name}: {unread}"));
        println!("{name}: {} chunks ({} ms)", read.chunks.len(), begun.elapsed().as_millis());
        if name == "wrong charset" {
            assert_eq!((read.title.as_deref(), read.chunks[0].text.as_str()), (Some("Größe"), "Die Größe der Straße"));
        }
    }
}

#[tokio::test]
async fn what_scripts_a_page_brings_is_never_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page");
    let page = "<!doctype html><title>T</title><body onload=alert(1)><svg onload=alert(2)><script>alert(3)</script></svg>\
                <p onclick=alert(4)>Words <a href=\"javascript:alert(5)\">here</a><img src=x onerror=alert(6)> and \
                <scr<script>ipt>alert(7)</scr</script>ipt> there &lt;script&gt;shown as text&lt;/script&gt;.</p>\
                <iframe srcdoc=\"<script>alert(8)</script>\"></iframe><style>@import 'alert(9)'</style><template>alert(10)</template>\
                <noscript>alert(11)</noscript><a href='/next'>Next</a>";
    fs::write(&path, page).expect("written");
    let read = read(path, "text/html").await.expect("a page");
    let text: String = read.chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    println!("{text}");
    for script in [1, 2, 3, 4, 5, 6, 8, 9, 10] {
        assert!(!text.contains(&format!("alert({script})")), "{text}");
    }
    assert!(text.contains("Words here") && text.contains("shown as text"), "{text}");
    assert_eq!(read.links, ["https://x.example/next"]);
}
