//! The one way to write a URL, so that a page that is linked in many ways is one page; and which links are no pages at all. Pure.

use crate::outbound::Url;

/// What ends the paths of files that have no text for us: they are not even asked for. Whatever else comes is known by its media type.
const WORDLESS: [&str; 40] = [
    "7z", "apk", "avi", "avif", "bmp", "bz2", "css", "dmg", "eot", "exe", "flac", "gif", "gz", "ico", "iso", "jar", "jpeg", "jpg", "js",
    "json", "m4a", "mkv", "mov", "mp3", "mp4", "ogg", "otf", "png", "rar", "rss", "svg", "tar", "tgz", "ttf", "wav", "webm", "webp",
    "woff", "woff2", "zip",
];
/// How often one part of a path may come again: whoever links ever deeper into itself (`/a/b/a/b/…`) ends here.
const SAME_SEGMENTS_MAX: usize = 3;
/// The most parts of a path.
const SEGMENTS_MAX: usize = 32;

/// A URL in the one way to write it: without fragment, empty query and the host's last dot; no percent sign where none is needed.
pub(super) fn normal(mut url: Url) -> Url {
    url.set_fragment(None);
    if url.query() == Some("") {
        url.set_query(None);
    }
    if let Some(host) = url.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        // One that is no host without its dot stays with it.
        let _ = url.set_host(Some(&host));
    }
    let path = plain(url.path());
    url.set_path(&path);
    let query = url.query().map(plain);
    url.set_query(query.as_deref());
    url
}

/// Letters, digits and `-._~` as themselves, whatever is escaped in capitals (RFC 3986, 6.2.2).
fn plain(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        let octet = rest.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match octet.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            // A dot stays as it is: two of them would be the way up.
            Some(octet) if octet.is_ascii_alphanumeric() || b"-_~".contains(&octet) => written.push(char::from(octet)),
            Some(octet) => written.push_str(&format!("%{octet:02X}")),
            None => {
                written.push('%');
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[3..];
    }
    written.push_str(rest);
    written
}

/// The page that a link leads to, if it may be one. At a site that is read by https a link that says http is taken for the same page by https.
pub(super) fn page(link: &str, home: &Url) -> Option<Url> {
    let mut url: Url = link.parse().ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    if home.scheme() == "https" && url.scheme() == "http" && url.port().is_none() && url.host_str() == home.host_str() {
        url.set_scheme("https").ok()?;
    }
    let url = normal(url);
    let segments: Vec<&str> = url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty()).collect();
    let comes = |segment: &str| segments.iter().filter(|other| **other == segment).count();
    let is_trap = segments.len() > SEGMENTS_MAX || segments.iter().any(|segment| comes(segment) > SAME_SEGMENTS_MAX);
    let ending = segments.last().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    let is_wordless = ending.is_some_and(|ending| WORDLESS.binary_search(&ending.as_str()).is_ok());
    (!is_trap && !is_wordless).then_some(url)
}

/// What a page may be called that does not say so itself: the name of its file.
pub(super) fn name(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    let name: String = name.chars().filter(|character| !character.is_control()).take(200).collect();
    (!name.trim().is_empty()).then(|| name.trim().to_owned())
}

/// A URL as messages have it: what is asked of it may be a secret.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(url.query().map(|_| "..."));
    shown.set_fragment(None);
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn a_page_is_written_in_one_way() {
        for (text, expected) in [
            ("HTTPS://Example.COM:443/a/../b/./c#d", "https://example.com/b/c"),
            ("https://example.com", "https://example.com/"),
            ("https://example.com./?", "https://example.com/"),
            ("https://example.com/%7euser/%61%2f%zz%", "https://example.com/~user/a%2F%zz%"),
            ("https://example.com/?q=%c3%a9&x=%41", "https://example.com/?q=%C3%A9&x=A"),
            ("https://example.com/ä b", "https://example.com/%C3%A4%20b"),
            ("https://example.com/?b=1&a=2", "https://example.com/?b=1&a=2"),
        ] {
            let normal = normal(url(text));
            assert_eq!(normal.as_str(), expected);
            assert_eq!(super::normal(normal.clone()), normal, "what is normal stays so");
        }
    }

    #[test]
    fn what_can_be_no_page_is_not_asked_for() {
        assert!(WORDLESS.is_sorted());
        let home = url("https://example.com/");
        let page = |link: &str| page(link, &home).map(String::from);
        assert_eq!(page("http://example.com/a#b").as_deref(), Some("https://example.com/a"));
        assert_eq!(page("http://example.com:8080/a").as_deref(), Some("http://example.com:8080/a"));
        assert_eq!(page("http://other.example/a").as_deref(), Some("http://other.example/a"));
        for link in
            ["mailto:a@b.example", "javascript:alert(1)", "https://a:b@example.com/", "/a", "", "file:///etc/passwd", "data:text/html,a"]
        {
            assert_eq!(page(link), None, "{link}");
        }
        for path in ["a.PNG", "b/c.zip?d", "a/b/a/b/a/b/a/b", &"x/".repeat(40)] {
            assert_eq!(page(&format!("https://example.com/{path}")), None, "{path}");
        }
        assert!(page("https://example.com/a/b/a/b/report.pdf").is_some() && page("https://example.com/v1.2/").is_some());
    }

    #[test]
    fn names_are_told_and_queries_are_not() {
        assert_eq!(name("/a/Jahres%20bericht.pdf").as_deref(), Some("Jahres bericht.pdf"));
        assert_eq!(name("/a/"), None);
        assert_eq!(shown(&url("https://a.example/b?token=secret#c")), "https://a.example/b?...");
    }
}
