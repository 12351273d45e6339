//! Of crawls: what order they go in, what they keep to, and that each ends.

use super::{
    server::{Say, answer, begin, gzip, html, missing, text, to},
    *,
};
use crate::{
    search::Chunking,
    text::{Asked, Texts},
};

fn crawl(depth: u8, pages_max: u32) -> Crawl {
    Crawl { depth, pages_max, same_host: true, sitemap: Sitemaps::Unread }
}

fn site(server: &Server, crawl: Crawl) -> Named {
    Named::Site { url: server.url("/"), crawl }
}

const NONE: &[&str] = &[];

fn page(links: &[impl AsRef<str>], words: &str) -> Say {
    let links: String = links.iter().map(|link| format!("<a href=\"{}\">a</a>", link.as_ref())).collect();
    html(format!("{links}<p>{words}"))
}

/// The paths of the parts, in their order.
fn paths(server: &Server, came: &[Came]) -> Vec<String> {
    let base = server.url("");
    came.iter().map(|(source, ..)| source.as_deref().expect("a source").replace(&base, "")).collect()
}

struct Crawled {
    ended: Result<Vec<Came>, Outcome>,
    report: Report,
}

async fn crawled(reach: &Reach, named: Named, bounds: Bounds) -> Crawled {
    let mut reading = Reading::of(reach.clone(), named, bounds).expect("a reading");
    let ended = all(&mut reading).await;
    Crawled { ended, report: reading.report().clone() }
}

fn told(report: &Report) -> Vec<(&str, &str)> {
    let path = |source: &'_ str| source.splitn(4, '/').nth(3).map_or(0, |path| source.len() - path.len() - 1);
    report.told.iter().map(|skipped| (&skipped.source[path(&skipped.source)..], skipped.code)).collect()
}

/// However a site orders its links, and in whatever way it writes them, the parts and their order are the same.
#[tokio::test]
async fn the_same_site_makes_the_same_document() {
    let mut orders = Vec::new();
    for turned in [false, true] {
        let server = Server::start(move |path, _| {
            let linked = |links: &[&str], words: &str| {
                let mut links = links.to_vec();
                if turned {
                    links.reverse();
                }
                page(&links, words)
            };
            match path {
                "/" => {
                    linked(&["c", "/b?x=1", "./a#top", "a#end", "%61", "b?x=1#y", "/logo.png", "mailto:a@b.example", "missing"], "start")
                }
                "/a" => linked(&["/", "d", "/c", "same"], "a"),
                "/b?x=1" => linked(&["e", "moved"], "b"),
                "/c" => linked(&["/d", "https://other.example/"], "c"),
                "/d" => linked(&["f"], "d"),
                "/e" => text("e"),
                "/moved" => to("/e"),
                "/same" => text("e"),
                "/f" => linked(&[], "f"),
                _ => missing(),
            }
        })
        .await;
        let (reach, _folder) = reach(&[&server]);
        let Crawled { ended, report } = crawled(&reach, site(&server, crawl(2, 100)), bounds()).await;
        assert_eq!(told(&report), [("/missing", "source_missing")]);
        assert_eq!((report.pages, report.skipped, report.is_cut), (6, 1, false));
        orders.push(paths(&server, &ended.expect("parts")));
    }
    assert_eq!(orders[0], ["/", "/a", "/b?x=1", "/c", "/d", "/e"]);
    assert_eq!(orders[0], orders[1]);
}

#[tokio::test]
async fn a_crawl_goes_as_far_as_it_may() {
    let server = Server::start(|path, _| match path.trim_start_matches('/').parse::<u32>() {
        Ok(number) => page(&[format!("/{}", number + 1)], &number.to_string()),
        Err(_) if path == "/" => page(&["/1"], "start"),
        Err(_) => missing(),
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    for (depth, pages_max, pages, is_cut) in [(0, 10, 1, false), (1, 10, 2, false), (5, 10, 6, false), (200, 4, 4, true), (3, 4, 4, false)]
    {
        let Crawled { ended, report } = crawled(&reach, site(&server, crawl(depth, pages_max)), bounds()).await;
        let expected = (0..pages).map(|number| if number == 0 { "/".into() } else { format!("/{number}") }).collect::<Vec<_>>();
        assert_eq!(paths(&server, &ended.expect("parts")), expected);
        assert_eq!((report.pages, report.is_cut), (pages, is_cut), "{depth} {pages_max}");
    }
    let few = Bounds { crawl_bytes_max: 100, ..bounds() };
    let report = crawled(&reach, site(&server, crawl(200, 1_000)), few).await.report;
    assert!(report.is_cut && (2..10).contains(&report.pages), "{report:?}");
    let at_once = Bounds { crawl_ms: 0, ..bounds() };
    let report = crawled(&reach, site(&server, crawl(200, 1_000)), at_once).await.report;
    assert!(report.is_cut && report.pages == 1, "its time is over after the start: {report:?}");
}

/// Sites that never end: ever deeper, ever another query, ever the same page, ever on by redirects, and links without number.
#[tokio::test]
async fn a_looping_crawl_ends() {
    let server = Server::start(|path, _| match path {
        path if path.starts_with("/deep") => page(&["a/b/", "b/a/"], path),
        path if path.starts_with("/calendar") => page(&[format!("/calendar?day={}", path.len()), format!("{path}0")], path),
        path if path.starts_with("/same") => page(&["x/"], "the same again"),
        path if path.starts_with("/away") => to(&format!("{path}y")),
        path if path.starts_with("/many") => page(&(0..5_000).map(|n| format!("/none/{}{n}", path.len())).collect::<Vec<_>>(), path),
        _ => missing(),
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    for (start, pages, requests_max) in [("/deep/", 2..41, 200), ("/calendar", 40..41, 60), ("/same/", 1..2, 3), ("/many", 1..2, 200)] {
        let named = Named::Site { url: server.url(start), crawl: crawl(u8::MAX, 40) };
        let before = server.asked().len();
        let Crawled { ended, report } = crawled(&reach, named, bounds()).await;
        ended.expect("an end");
        assert!(pages.contains(&report.pages), "{start}: {report:?}");
        assert!(server.asked().len() - before <= requests_max, "{start}: {}", server.asked().len() - before);
    }
    let named = Named::Site { url: server.url("/away"), crawl: crawl(9, 9) };
    assert_eq!(ending(read(&reach, named).await), ("redirected_too_often".into(), false, None));
}

#[tokio::test]
async fn what_robots_txt_forbids_is_not_asked_for() {
    let server = Server::start(|path, _| match path {
        "/robots.txt" => text("User-agent: windrow\nDisallow: /private\nDisallow: /*.pdf$\nAllow: /private/door\nCrawl-delay: 7200\n\nUser-agent: *\nDisallow: /"),
        "/" => page(&["/private/a", "/private/door", "/a.pdf", "/b", "/to-private"], "start"),
        "/to-private" => to("/private/b"),
        path => page(NONE, path),
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    let begun = std::time::Instant::now();
    let Crawled { ended, report } = crawled(&reach, site(&server, crawl(1, 9)), bounds()).await;
    assert_eq!(paths(&server, &ended.expect("parts")), ["/", "/b", "/private/door"]);
    assert_eq!(told(&report), [("/a.pdf", "robots_forbidden"), ("/private/a", "robots_forbidden"), ("/to-private", "robots_forbidden")]);
    assert_eq!(server.asked(), ["/robots.txt", "/", "/b", "/private/door", "/to-private"]);
    assert!(begun.elapsed() >= 3 * PATIENT && begun.elapsed() < Duration::from_secs(10), "as slow as is asked for, within bounds");
    let named = Named::Site { url: server.url("/private/"), crawl: crawl(1, 9) };
    assert_eq!(ending(read(&reach, named).await), ("robots_forbidden".into(), false, None));
}

#[tokio::test]
async fn without_robots_txt_all_may_be_read_unless_nobody_knows() {
    type Case = (fn() -> Say, Result<(), (&'static str, bool, Option<Duration>)>);
    let cases: [Case; 9] = [
        (missing, Ok(())),
        (|| answer(401, "", ""), Ok(())),
        (|| answer(204, "", ""), Ok(())),
        (|| to("/robots.txt"), Ok(())),
        (
            || answer(200, "content-type: text/html\r\n", [b"User-agent: *\nDisallow: /b\n".to_vec(), vec![b'#'; 2_000_000]].concat()),
            Ok(()),
        ),
        (|| answer(500, "", ""), Err(("robots_unreachable", true, None))),
        (|| answer(429, "retry-after: 60\r\n", ""), Err(("robots_unreachable", true, Some(Duration::from_secs(60))))),
        (|| Say::Silence(begin("")), Err(("robots_unreachable", true, None))),
        (|| to("https://10.0.0.1/robots.txt"), Err(("address_forbidden", false, None))),
    ];
    for (number, (robots, expected)) in cases.into_iter().enumerate() {
        let server = Server::start(move |path, _| if path == "/robots.txt" { robots() } else { page(NONE, path) }).await;
        let (reach, _folder) = reach(&[&server]);
        let quick = Bounds { tries: 2, file_ms: 1_000, ..bounds() };
        let ended = crawled(&reach, site(&server, crawl(1, 9)), quick).await.ended;
        match expected {
            Ok(()) => assert_eq!(paths(&server, &ended.expect("parts")), ["/"], "{number}"),
            Err((code, comes_back, after)) => assert_eq!(ending(ended), (code.to_owned(), comes_back, after), "{number}"),
        }
    }
}

#[tokio::test]
async fn sitemaps_say_what_there_is_and_bombs_are_left_out() {
    let bomb = gzip(&vec![b' '; 40_000_000]);
    let list = |base: &str, paths: &[&str]| {
        let urls: String = paths.iter().map(|path| format!("<url><loc>{base}{path}</loc></url>")).collect();
        format!("<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{urls}</urlset>")
    };
    let server = Server::knowing(move |base, path, _| match path {
        "/robots.txt" => text("Sitemap: /index.xml\nSitemap: /bomb.xml.gz\nSitemap: /broken.xml\nSitemap: https://10.0.0.1/inside.xml\n"),
        "/index.xml" => {
            let maps: String =
                ["a.xml.gz", "index.xml", "b.txt"].iter().map(|map| format!("<sitemap><loc>{base}/{map}</loc></sitemap>")).collect();
            answer(200, "content-type: application/xml\r\n", format!("<sitemapindex>{maps}</sitemapindex>"))
        }
        "/a.xml.gz" => answer(200, "content-type: application/gzip\r\n", gzip(list(base, &["/z", "/y?a=1&amp;b=2", "/"]).as_bytes())),
        "/b.txt" => text(format!("{base}/x\nhttps://other.example/\n")),
        "/bomb.xml.gz" => answer(200, "", &bomb),
        "/broken.xml" => html("<html>no such thing"),
        "/none.xml" => missing(),
        "/x" => page(&["/w"], "x"),
        path => page(NONE, path),
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    let with = |depth, sitemap| site(&server, Crawl { sitemap, ..crawl(depth, 9) });
    let Crawled { ended, report } = crawled(&reach, with(0, Sitemaps::Found), bounds()).await;
    assert_eq!(paths(&server, &ended.expect("parts")), ["/", "/x", "/y?a=1&b=2", "/z"]);
    let bad = [("/bomb.xml.gz", "document_too_large"), ("/broken.xml", "sitemap_unreadable"), ("/inside.xml", "address_forbidden")];
    assert_eq!(told(&report), bad);
    let deeper = crawled(&reach, with(1, Sitemaps::At(server.url("/b.txt"))), bounds()).await.ended;
    assert_eq!(paths(&server, &deeper.expect("parts")), ["/", "/x", "/w"]);
    for (path, code) in [("/none.xml", "source_missing"), ("/bomb.xml.gz", "document_too_large"), ("/broken.xml", "sitemap_unreadable")] {
        let ended = crawled(&reach, with(0, Sitemaps::At(server.url(path))), bounds()).await.ended;
        assert_eq!(ending(ended), (code.into(), false, None), "{path}");
    }
}

#[tokio::test]
async fn a_crawl_stays_at_its_host_or_keeps_to_the_rules_of_each() {
    let other = Server::start(|path, _| match path {
        "/robots.txt" => text("User-agent: *\nDisallow: /closed"),
        path => page(NONE, path),
    })
    .await;
    let (open, closed) = (other.url("/open"), other.url("/closed"));
    let server = Server::start(move |path, _| match path {
        "/" => page(&[open.as_str(), &closed, "https://10.0.0.1/", "/gone"], "start"),
        "/gone" => to(&open),
        _ => missing(),
    })
    .await;
    let (reach, _folder) = reach(&[&server, &other]);
    let Crawled { ended, report } = crawled(&reach, site(&server, crawl(1, 9)), bounds()).await;
    assert_eq!(paths(&server, &ended.expect("parts")), ["/"]);
    assert_eq!(told(&report), [("/gone", "redirected_elsewhere")]);
    assert!(other.asked().is_empty());
    let wide = Crawl { same_host: false, ..crawl(1, 9) };
    let Crawled { ended, report } = crawled(&reach, site(&server, wide), bounds()).await;
    let sources: Vec<_> = ended.expect("parts").into_iter().filter_map(|(source, ..)| source).collect();
    assert_eq!(sources, [server.url("/"), other.url("/open")]);
    let mut codes: Vec<_> = report.told.iter().map(|skipped| skipped.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["address_forbidden", "robots_forbidden"]);
    assert_eq!(other.asked(), ["/robots.txt", "/open"], "asked for its rules once");
}

#[tokio::test]
async fn pages_that_may_be_there_another_time_are_not_lost_in_silence() {
    let server = Server::start(|path, _| match path {
        "/some" => page(&["/500", "/a", "/image", "/large"], "some"),
        "/busy" => page(&["/429", "/a"], "busy"),
        "/all" => page(&(0..9).map(|n| format!("/500/{n}")).collect::<Vec<_>>(), "all"),
        "/429" => answer(429, "retry-after: 300\r\n", ""),
        "/image" => answer(200, "content-type: image/png\r\n", "x"),
        "/large" => html(vec![b'x'; 1_000_001]),
        "/a" => page(NONE, "a"),
        path if path.starts_with("/500") => answer(500, "", ""),
        _ => missing(),
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    let from = |path: &str| Named::Site { url: server.url(path), crawl: crawl(1, 99) };
    let Crawled { ended, report } = crawled(&reach, from("/some"), bounds()).await;
    assert_eq!(paths(&server, &ended.expect("parts")), ["/some", "/a"]);
    assert_eq!(told(&report), [("/500", "source_failed"), ("/image", "document_unsupported"), ("/large", "document_too_large")]);
    assert_eq!(ending(crawled(&reach, from("/all"), bounds()).await.ended), ("source_failed".into(), true, None));
    let busy = crawled(&reach, from("/busy"), bounds()).await.ended;
    assert_eq!(ending(busy), ("source_busy".into(), true, Some(Duration::from_secs(300))));
}

/// With what reads the pages: a wrong charset, injected scripts, links that only a reader of HTML finds.
#[tokio::test]
async fn the_reader_of_texts_tells_the_links() {
    let words = |more: &str| {
        format!("<article><h1>Fl\u{fc}sse</h1><p>{}</p>{more}</article>", "Die Stra\u{df}e f\u{fc}hrt \u{fc}ber den Flu\u{df}. ".repeat(20))
    };
    let latin: Vec<u8> =
        words("<script>document.write('<a href=/evil>')</script><a href=next>n</a>").chars().map(|c| u32::from(c) as u8).collect();
    let server = Server::start(move |path, _| match path {
        "/" => answer(200, "content-type: text/html; charset=utf-8\r\n", &latin),
        "/next" => html(words("<p>next")),
        _ => missing(),
    })
    .await;
    let (reach, _folder) = reach(&[&server]);
    let mut reading = Reading::of(reach, site(&server, crawl(1, 9)), bounds()).expect("a reading");
    let (texts, mut read) = (Texts::in_process(), Vec::new());
    while let Some(part) = reading.next().await.expect("a part") {
        let asked = Asked {
            media_type: part.media_type.clone(),
            bytes: part.path().to_owned(),
            source: part.source.clone(),
            chunking: Chunking::default(),
        };
        let text = texts.chunks(asked).await.expect("chunks");
        reading.found(text.links.iter().map(String::as_str));
        read.extend(text.chunks);
    }
    assert_eq!(server.asked(), ["/robots.txt", "/", "/next"]);
    assert!(read.iter().all(|chunk| chunk.text.contains("Straße führt über den Fluß") && !chunk.text.contains("evil")), "{read:?}");
    assert_eq!(read.iter().filter_map(|chunk| chunk.source.clone()).collect::<Vec<_>>(), [server.url("/"), server.url("/next")]);
}
