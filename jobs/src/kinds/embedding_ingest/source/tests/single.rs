//! Of one part: a text, an object, a page.

use super::{
    server::{Say, answer, begin, gzip, html, missing, text, to},
    *,
};
use crate::objects::Content;

fn url(url: String) -> Named {
    Named::Url { url, media_type: None }
}

#[tokio::test]
async fn a_text_is_a_file_as_long_as_somebody_has_it() {
    let (reach, _folder) = reach(&[]);
    let named = |text: &str, media_type: Option<&str>| Named::Text { text: text.into(), media_type: media_type.map(str::to_owned) };
    let mut reading = Reading::of(reach.clone(), named("# Größe", Some("text/markdown; charset=utf-16")), bounds()).expect("a reading");
    let part = reading.next().await.expect("a part").expect("a part");
    let path = part.path().to_owned();
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "# Größe");
    assert_eq!((part.media_type.as_deref(), part.source.as_deref()), (Some("text/markdown; charset=utf-8"), None));
    assert!(reading.next().await.expect("the end").is_none() && reading.report().pages == 1);
    drop(part);
    assert!(!path.exists());
    let long = named(&"x".repeat(1_000_001), None);
    assert_eq!(ending(read(&reach, long).await), ("document_too_large".into(), false, None));
}

#[tokio::test]
async fn an_object_is_read_by_its_tenant_alone() {
    let (reach, _folder) = reach(&[]);
    for (key, bytes) in
        [("tenants/acme/jobs/1/1/a.md", 10), ("tenants/acme/large", 1_000_001), ("tenants/acme-2/b", 10), ("registry/c", 10)]
    {
        let content = Content::Bytes(vec![b'x'; bytes]);
        reach.objects.put(&key.parse().expect("a key"), "text/markdown", content).await.expect("kept");
    }
    let object = |key: &str, media_type: Option<&str>| Named::Object { key: key.into(), media_type: media_type.map(str::to_owned) };
    let own = read(&reach, object("tenants/acme/jobs/1/1/a.md", None)).await.expect("read");
    assert_eq!(own, [(Some("tenants/acme/jobs/1/1/a.md".into()), Some("text/markdown".into()), vec![b'x'; 10])]);
    let known = read(&reach, object("tenants/acme/jobs/1/1/a.md", Some("text/plain"))).await.expect("read");
    assert_eq!(known[0].1.as_deref(), Some("text/plain"));
    for (key, code) in [
        ("tenants/acme/large", "document_too_large"),
        ("tenants/acme/none", "object_missing"),
        ("tenants/acme", "object_missing"),
        ("tenants/acme/", "object_missing"),
        ("tenants/acme-2/b", "object_missing"),
        ("tenants/acme/../acme-2/b", "object_missing"),
        ("tenants/acme/%2e%2e/acme-2/b", "object_missing"),
        ("/tenants/acme-2/b", "object_missing"),
        ("registry/c", "object_missing"),
        ("", "object_missing"),
    ] {
        assert_eq!(ending(read(&reach, object(key, None)).await), (code.into(), false, None), "{key}");
    }
}

#[tokio::test]
async fn a_page_is_fetched_wherever_it_is_and_however_it_is_packed() {
    let server = Server::start(|path, nth| match path {
        "/moved" => to("/deep/../a.html?x=1"),
        "/a.html?x=1" => html("<p>here"),
        "/packed" => answer(200, "content-type: text/html\r\ncontent-encoding: gzip\r\n", gzip(b"<p>packed")),
        "/later" if nth == 1 => answer(503, "retry-after: 1\r\n", ""),
        "/later" if nth == 2 => Say::All(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nlat".to_vec()),
        "/later" => text("later"),
        "/said.json" => answer(200, "content-type: application/json\r\n", "{}"),
        _ => missing(),
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    let came = |path: &str, media_type: Option<&str>, body: &str| {
        vec![(Some(server.url(path)), media_type.map(str::to_owned), body.as_bytes().to_vec())]
    };
    let fetch = |path: &str| read(&reach, url(server.url(path)));
    assert_eq!(fetch("/moved").await, Ok(came("/a.html?x=1", Some("text/html; charset=utf-8"), "<p>here")));
    assert_eq!(fetch("/packed").await, Ok(came("/packed", Some("text/html"), "<p>packed")));
    assert_eq!(fetch("/later").await, Ok(came("/later", Some("text/plain"), "later")), "busy, then broken, then well");
    let known = Named::Url { url: server.url("/said.json"), media_type: Some("text/plain".into()) };
    assert_eq!(read(&reach, known).await, Ok(came("/said.json", Some("text/plain"), "{}")), "the payload knows better");
    let mut reading = Reading::of(reach.clone(), url(server.url("/a.html?x=1")), bounds()).expect("a reading");
    assert_eq!(reading.next().await.expect("a part").expect("a part").title.as_deref(), Some("a.html"));
    assert!(!server.asked().contains(&"/robots.txt".to_owned()), "its user asked for it");
}

/// What a hostile or a poor server can do: each ends in a clear error, soon, and with no more read than is allowed.
#[tokio::test]
async fn whatever_a_server_does_ends_in_a_clear_error() {
    const SOON: Duration = Duration::from_millis(50);
    let inside = Server::start(|_, _| text("secret")).await;
    let inside_url = inside.url("/");
    let bomb = gzip(&vec![b'x'; 50_000_000]);
    let server = Server::start(move |path, _| {
        let page = "content-type: text/html\r\n";
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4_096)).into_bytes();
        match path {
            "/100mb" => Say::Endless(begin("content-type: text/html\r\ncontent-length: 104857600\r\n"), vec![b'x'; 65_536], Duration::ZERO),
            "/endless" => Say::Endless(begin(page), vec![b'x'; 65_536], Duration::ZERO),
            "/chunks" => Say::Endless(begin("transfer-encoding: chunked\r\n"), chunk.repeat(16), Duration::ZERO),
            "/drip" => Say::Endless(begin(page), b"x".to_vec(), SOON),
            "/silent" => Say::Silence(begin(page)),
            "/mute" => Say::Silence(String::new()),
            "/heads" => Say::Endless(
                "HTTP/1.1 200 OK\r\n".into(),
                b"x-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n".repeat(1_000),
                Duration::ZERO,
            ),
            "/bomb" => answer(200, "content-encoding: gzip\r\n", &bomb),
            "/torn" => answer(200, "content-encoding: gzip\r\n", &bomb[..100]),
            "/brotli" => answer(200, "content-encoding: br\r\n", "x"),
            "/png" => Say::Endless(begin("content-type: image/png\r\n"), b"x".to_vec(), Duration::ZERO),
            "/events" => Say::Silence(begin("content-type: text/event-stream\r\n")),
            "/inside" => to(&inside_url),
            "/metadata" => to("https://169.254.169.254/latest/meta-data/"),
            "/inner-name" => to("https://localhost/"),
            "/file" => to("file:///etc/passwd"),
            "/password" => to("https://a:b@example.com/"),
            "/nowhere" => to("https://"),
            "/circle" => to("/circle"),
            path if path.starts_with("/on") => to(&format!("{path}n")),
            "/300" => answer(300, "", ""),
            "/204" => Say::All(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec()),
            "/401" => answer(401, "", ""),
            "/429" => answer(429, "retry-after: 120\r\n", ""),
            "/429-date" => answer(429, "retry-after: Sun, 06 Nov 1994 09:49:37 GMT\r\n", ""),
            "/500" => answer(500, "", ""),
            "/nonsense" => Say::All(b"SSH-2.0-nothing\r\n".to_vec()),
            _ => missing(),
        }
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    let after = |after_s| Some(Duration::from_secs(after_s));
    for (path, code, comes_back, after) in [
        ("/100mb", "document_too_large", false, None),
        ("/endless", "document_too_large", false, None),
        ("/chunks", "document_too_large", false, None),
        ("/drip", "answer_late", true, None),
        ("/silent", "answer_late", true, None),
        ("/mute", "answer_late", true, None),
        ("/heads", "connection_broken", true, None),
        ("/bomb", "document_too_large", false, None),
        ("/torn", "answer_unreadable", true, None),
        ("/brotli", "answer_encoded", false, None),
        ("/png", "document_unsupported", false, None),
        ("/events", "document_unsupported", false, None),
        ("/inside", "address_forbidden", false, None),
        ("/metadata", "address_forbidden", false, None),
        ("/inner-name", "address_forbidden", false, None),
        ("/file", "url_invalid", false, None),
        ("/password", "url_invalid", false, None),
        ("/nowhere", "source_refused", false, None),
        ("/circle", "redirected_too_often", false, None),
        ("/on", "redirected_too_often", false, None),
        ("/300", "source_refused", false, None),
        ("/204", "document_empty", false, None),
        ("/401", "source_refused", false, None),
        ("/404", "source_missing", false, None),
        ("/429", "source_busy", true, after(120)),
        ("/429-date", "source_busy", true, after(3_600)),
        ("/500", "source_failed", true, None),
        ("/nonsense", "connection_broken", true, None),
    ] {
        let quick = Bounds { tries: 2, file_ms: 1_000, ..bounds() };
        let mut reading = Reading::of(reach.clone(), url(server.url(path)), quick).expect("a reading");
        let begun = std::time::Instant::now();
        assert_eq!(ending(all(&mut reading).await), (code.into(), comes_back, after), "{path}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{path}: {:?}", begun.elapsed());
    }
    assert!(inside.asked().is_empty(), "nobody called inside");
    assert_eq!(server.asked().iter().filter(|path| *path == "/500").count(), 2, "it was tried again");
    assert_eq!(server.asked().iter().filter(|path| *path == "/429").count(), 1, "it was not");
}

#[tokio::test]
async fn a_url_that_is_none_of_the_internet_is_not_called() {
    let (reach, _folder) = reach(&[]);
    for (text, code) in [
        ("https://127.0.0.1/", "address_forbidden"),
        ("https://[::ffff:169.254.169.254]/", "address_forbidden"),
        ("https://localhost/", "address_forbidden"),
        ("http://example.com/", "address_forbidden"),
        ("ftp://example.com/", "url_invalid"),
        ("https://a:b@example.com/", "url_invalid"),
        ("/etc/passwd", "url_invalid"),
    ] {
        assert_eq!(ending(read(&reach, url(text.into())).await), (code.into(), false, None), "{text}");
        let crawl = Crawl { depth: 1, pages_max: 1, same_host: true, sitemap: Sitemaps::Unread };
        assert_eq!(ending(read(&reach, Named::Site { url: text.into(), crawl }).await), (code.into(), false, None), "{text}");
    }
}
